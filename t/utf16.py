"""utf16.py: texts into UTF-16 files, byte for byte.

Python's sqlite3 and the sqlite3 program bind UTF-8 alone, so that no text of theirs is
invalid UTF-16, or longer in UTF-8 than SQLite's limit.
"""

import ctypes
import os

DONE = 101
ENCODINGS = {"UTF-16le": 2, "UTF-16be": 3}


def execute(path, sql, encoding, raw):
    """Runs one statement with a text of these bytes as ?1; SQLite's result code, DONE when all went well."""
    lib = ctypes.CDLL("libsqlite3.so.0")
    handle, stmt = ctypes.c_void_p(), ctypes.c_void_p()
    code = lib.sqlite3_open(os.fsencode(path), ctypes.byref(handle)) \
        or lib.sqlite3_exec(handle, b"PRAGMA journal_mode = off", None, None, None) \
        or lib.sqlite3_prepare_v2(handle, sql.encode(), -1, ctypes.byref(stmt), None) \
        or lib.sqlite3_bind_text64(stmt, 1, raw, ctypes.c_uint64(len(raw)), None, ENCODINGS[encoding]) \
        or lib.sqlite3_step(stmt)
    lib.sqlite3_finalize(stmt)
    lib.sqlite3_close(handle)
    return code


def keeps_halves():
    """Whether this SQLite writes a text that ends within a character; newer ones cut it off."""
    lib = ctypes.CDLL("libsqlite3.so.0")
    handle, stmt = ctypes.c_void_p(), ctypes.c_void_p()
    code = lib.sqlite3_open(b":memory:", ctypes.byref(handle)) \
        or lib.sqlite3_exec(handle, b"PRAGMA encoding = 'UTF-16le'", None, None, None) \
        or lib.sqlite3_prepare_v2(handle, b"SELECT length(CAST(?1 AS BLOB))", -1, ctypes.byref(stmt), None) \
        or lib.sqlite3_bind_text64(stmt, 1, b"abc", ctypes.c_uint64(3), None, ENCODINGS["UTF-16le"]) \
        or lib.sqlite3_step(stmt)
    if code != 100:
        raise RuntimeError("SQLite's result code is %d" % code)
    size = lib.sqlite3_column_int(stmt, 0)
    lib.sqlite3_finalize(stmt)
    lib.sqlite3_close(handle)
    return size == 3
