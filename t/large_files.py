#!/usr/bin/env python3
"""large_files.py: SQLite files with values near the limits, which sqlite3 does not make.

    large_files.py too_long FILE LENGTH
        table t(id INTEGER PRIMARY KEY, a, b) with rows 1 to 3; b of row 2 is a blob of
        LENGTH bytes, more than a SQLite of the usual limit reads or writes.  The file is
        sparse: the blob's pages are holes.
    large_files.py utf16 FILE BYTES COLUMNS
        a UTF-16le file with table t(id INTEGER PRIMARY KEY, a0, a1 ...); the text columns
        of row 7 hold BYTES bytes each, characters of two bytes that take three in UTF-8.
"""

import sqlite3
import sys

from utf16 import DONE, execute

PAGE = 4096


def varint(n):
    """SQLite's variable-length integer."""
    groups = [n & 0x7f]
    while n > 0x7f:
        n >>= 7
        groups.append(n & 0x7f | 0x80)
    return bytes(reversed(groups))


def record(length):
    """A record (NULL for the rowid, 'x', a blob of that length) without the blob's bytes."""
    types = varint(0) + varint(15) + varint(2 * length + 12)
    return bytes([len(types) + 1]) + types + b"x"


def cell(rowid, length, overflow_page):
    """A cell of a table leaf; a long payload keeps its beginning here, the rest in overflow pages."""
    begin = record(length)
    payload = len(begin) + length
    local = payload
    if payload > PAGE - 35:
        least = (PAGE - 12) * 32 // 255 - 23
        local = least + (payload - least) % (PAGE - 4)
        if local > PAGE - 35:
            local = least
    body = (begin + bytes(length if local == payload else local - len(begin)))[:local]
    tail = overflow_page.to_bytes(4, "big") if local < payload else b""
    return varint(payload) + varint(rowid) + body + tail


def too_long(path, length):
    db = sqlite3.connect(path)
    db.executescript("PRAGMA page_size = %d; VACUUM; CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b BLOB);" % PAGE)
    root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 't'").fetchone()[0]
    db.close()
    pages = root + length // (PAGE - 4) + 2
    cells = [cell(1, 1, 0), cell(2, length, root + 1), cell(3, 1, 0)]
    end = PAGE
    places = []
    page = bytearray(PAGE)
    for c in cells:
        end -= len(c)
        page[end:end + len(c)] = c
        places.append(end)
    page[0:8] = b"\x0d\0\0" + len(cells).to_bytes(2, "big") + end.to_bytes(2, "big") + b"\0"
    for i, place in enumerate(places):
        page[8 + 2 * i:10 + 2 * i] = place.to_bytes(2, "big")
    with open(path, "r+b") as out:
        out.seek((root - 1) * PAGE)
        out.write(page)
        out.seek(28)
        out.write(pages.to_bytes(4, "big"))
        out.truncate(pages * PAGE)


def utf16(path, size, columns):
    names = ["a%d" % i for i in range(columns)]
    db = sqlite3.connect(path)
    db.executescript("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(id INTEGER PRIMARY KEY, %s);"
                     "INSERT INTO t(id) VALUES (1);" % ", ".join(n + " TEXT" for n in names))
    db.close()
    code = execute(path, "INSERT INTO t VALUES (7%s)" % (", ?1" * columns), "UTF-16le", b"xy" * (size // 2))  # U+7978
    if code != DONE:
        sys.exit("could not make %s: %d" % (path, code))


if __name__ == "__main__":
    {"too_long": too_long, "utf16": utf16}[sys.argv[1]](sys.argv[2], *map(int, sys.argv[3:]))
