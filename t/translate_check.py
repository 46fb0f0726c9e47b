#!/usr/bin/env python3
"""translate_check.py: do translated expressions mean in PostgreSQL what they mean in SQLite?

    translate_check.py make cases.txt file.db
    translate_check.py compare cases.txt file.db [--schema public] [--verbose]

"make" writes a SQLite file with the tables of inputs and one view a case; "compare"
reads each view in SQLite and, where it was migrated, in PostgreSQL (by psql, which
takes PGHOST, PGPORT and PGDATABASE from the environment), and compares them row for
row, value and type.  A case says what must become of it:

    must    it is translated, and gives the same rows
    may     it is translated and gives the same rows, or is refused
    refuse  it must be refused, since PostgreSQL has no such thing

An expression is evaluated for each row of the inputs ("a."), or each pair of rows
when it also names "b."; a SELECT stands as it is.
"""

import decimal
import json
import math
import os
import sqlite3
import subprocess
import sys

NULL = None
TEXTS = ["", "12abc", " 7", "7", "1", "1.0", "-0.5", "abc", "ABC", "Abc  ", "\u00c4pfel", "\u00e4pfel",
         "\u65e5\u672c\u8a9e", "2024-02-29", "2024-01-01 10:00:00", "a%b_c", "x[y]", "1e3", ".5", "+5", "0x1F",
         "it's", "back\\slash", "  trim  ", "-", "99999999999999999999", "0.0abc", "\n3"]
INTEGERS = [NULL, 0, 1, -1, 2, 3, 7, -7, 10, 42, 100, -100, 255, 1024, 65536, 2147483647, -2147483648,
            4294967296, 1700000000, 999999999999, -999999999999, 9007199254740991, 5, -5, 64, 63, -2, 31]
REALS = [NULL, 0.0, 1.0, -1.0, -0.5, 0.5, 2.5, 3.5, -2.5, 0.1, 1 / 3, 2.675, 1.005, -1.005, 0.015, 0.125,
         123456.789, 1e10, 1e-5, 1e15, 12345678901.6, 4503599627370498.0, 9007199254740992.0, 99.995,
         0.285, 1.45, -2.675, 7.0]
NUMBERS = [NULL, 0, 1, -1, 0.5, -0.5, 2.5, 7, -7, 3, 19.99, 100, 0.1, 1234567890, 1.005, 2, -2.25, 42, 10.5,
           99.5, 1000000, 0.01, 5, 6, 8, 9, 11, 12]
HUGE = [NULL, 0, 9223372036854775807, -9223372036854775808, 9007199254740993, -9007199254740993,
        9007199254740992, 4611686018427387904, -1, 1, 1700000000, 9223372036854775806, 2, 3, 4, 5, 6, 7,
        8, 9, 10, 11, 12, 13, 14, 15, 16, 17]
BLOBS = [NULL, b"", b"\x00", b"abc", b"ABC", b"\xff\x00\x01", "\u00e4".encode(), b"12", b"\x01" * 20] + \
    [bytes([i]) for i in range(19)]
DATES = [NULL, "2024-02-29", "2024-01-31", "1999-12-31", "0001-01-01", "9999-12-31", "2023-03-01",
         "2024-12-31", "1970-01-01", "2000-02-28"] + ["2021-%02d-15" % (i % 12 + 1) for i in range(18)]
# What SQLite's date functions read, and what looks like it.  Each row has one.
MOMENTS = ["2024-02-29", "2024-02-28 10:00", "2023-12-31T23:59:59", "2024-01-01 10:00:00.123", "2024-01-01 10:00:00.9996",
           "2024-01-01 10:00:00.123456", "2024-01-01 00:00:00", "2024-01-01 10:00+05:30", "2024-01-01T10:00:00Z",
           "2024-01-01 10:00:59.9996-08:00", "10:20", "10:20:30.5", "2460000.5", " 2460001 ", "1e3x", "", "abc", "2024-13-01",
           "2024-1-5", "2024-01-01x", "2024-01-01 ", "2024-01-01  T 10:00", "2024-01-01 10:60", "2024-01-01 10:00:60",
           NULL, "1700000000", "2024-01-01 10:00:00 +01:00", "9999-12-31 23:59:59.9999"]
TIMES = ["00:00:00", "23:59:59", "10:20:30", "12:00:00", "06:07:08", "01:02:03", "18:19:20"]
ROWS = len(TEXTS)


def rows():
    for k in range(ROWS):
        moment = DATES[k] and "%s %s" % (DATES[k], TIMES[k % len(TIMES)])
        yield (k + 1, INTEGERS[k], REALS[k], NUMBERS[k], HUGE[k], NULL if k == 9 else TEXTS[k],
               NULL if k == 9 else TEXTS[k], BLOBS[k], NULL if k == 3 else k % 2, DATES[k], moment,
               NULL if k == 4 else TIMES[k % len(TIMES)],
               NULL if k == 5 else json.dumps([[], [1, 2], {"a": k}, "text", k][k % 5]),
               NULL if k == 6 else TEXTS[k], NULL if k == 7 else k % 3, NULL if k == 8 else 1700000000 + k * 86399,
               NULL if k == 9 else 1700000000123 + k * 86399777, MOMENTS[k], 2440587.5 + REALS[k] / 7 if REALS[k] and abs(REALS[k]) < 1e6 else NULL,
               NULL if k == 10 else json.dumps({"s": TEXTS[k], "i": k, "r": k / 4, "n": [k, k / 2][k % 2], "b": k % 3 == 0,
                                                "o": {"d": [k, {"e": "x%d" % k}, None]}, "z": None,
                                                "v": [k, "%d" % k, 1.5, True, None, TEXTS[k], [k], {}][k % 8], "a.b": k}))


def cases(path):
    """(must, text) of each case."""
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            word, _, text = line.partition(" ")
            if word not in ("must", "may", "refuse"):
                sys.exit("%s:%d: a case begins with must, may or refuse" % (path, number))
            yield number, word, text.strip()


def select(text):
    if text.upper().startswith(("SELECT ", "WITH ", "VALUES")):
        return text
    if "b." in text:
        return "SELECT a.id AS a, b.id AS b, %s AS v FROM inputs a, inputs b" % text
    return "SELECT a.id AS a, %s AS v FROM inputs a" % text


def make(path, file):
    db = sqlite3.connect(file)
    db.execute("""CREATE TABLE inputs (id INTEGER PRIMARY KEY, i INTEGER, r REAL, n NUMERIC, h BIGINT, t TEXT,
        tn TEXT COLLATE NOCASE, x BLOB, f BOOLEAN, d DATE, ts DATETIME, tm TIME, j JSON,
        tr TEXT COLLATE RTRIM, s SMALLINT, es DATETIME, em DATETIME, m TEXT, jd REAL, js JSON)""")
    db.executemany("INSERT INTO inputs VALUES (%s)" % ", ".join("?" * 20), rows())
    db.execute("CREATE TABLE other (id INTEGER PRIMARY KEY, i INTEGER REFERENCES inputs (id), t TEXT, w TEXT)")
    db.executemany("INSERT INTO other VALUES (?, ?, ?, ?)",
                   [(1, 1, "abc", "x"), (2, 1, "ABC", "y"), (3, 5, "7", "x"), (4, None, None, "y"), (5, 28, "", None)])
    db.execute("CREATE TABLE one (i INTEGER)")
    db.executemany("INSERT INTO one VALUES (?)", [(1,), (7,), (42,)])
    for number, _, text in cases(path):
        try:
            db.execute("CREATE VIEW case_%04d AS %s" % (number, select(text)))
            db.execute("SELECT * FROM case_%04d" % number).fetchall()
        except sqlite3.Error as error:
            sys.exit("%s:%d: SQLite refuses it: %s" % (path, number, error))
    db.commit()


def psql(sql):
    done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return done.stdout.decode(), done.stderr.decode() if done.returncode else None


SHOW = {"bytea": "encode(%s, 'hex')", "double precision": "encode(float8send(%s), 'hex')",
        "boolean": "(%s)::int", "date": "to_char(%s, 'YYYY-MM-DD')",
        "timestamp without time zone": "to_char(%s, 'YYYY-MM-DD HH24:MI:SS')",
        "time without time zone": "to_char(%s, 'HH24:MI:SS')"}


def target_value(kind, value):
    if value is None:
        return ("null", None)
    if kind in ("bigint", "integer", "smallint", "boolean"):
        return ("integer", int(value))
    if kind == "double precision":
        import struct
        return ("real", struct.unpack(">d", bytes.fromhex(value))[0])
    if kind == "numeric":
        return ("number", decimal.Decimal(value))
    if kind == "bytea":
        return ("blob", value)
    return ("text", value)


def source_value(value, like):
    """A SQLite value as it compares with a target value of class like."""
    if value is None:
        return ("null", None)
    if isinstance(value, bool):
        return ("integer", int(value))
    if isinstance(value, int):
        return ("number", decimal.Decimal(value)) if like == "number" else ("integer", value)
    if isinstance(value, float):
        return ("number", decimal.Decimal(repr(value))) if like == "number" else ("real", value)
    if isinstance(value, bytes):
        return ("blob", value.hex())
    return ("text", value)


def same(source, target, loose):
    other = source_value(source, target[0])
    if other == target:
        return True
    if loose and other[0] == target[0] and other[0] in ("real", "number"):
        return math.isclose(float(other[1]), float(target[1]), rel_tol=1e-14, abs_tol=1e-12)
    return False


def read_target(schema, view, types):
    columns = ["(%s)::text" % SHOW.get(kind, "%s") % ('"%s"' % name) for name, kind in types]
    out, error = psql('SELECT to_json(ARRAY[%s]) FROM "%s"."%s"' % (", ".join(columns), schema, view))
    if error:
        return None, error
    return [tuple(target_value(kind, value) for (_, kind), value in zip(types, json.loads(line)))
            for line in out.split("\n") if line], None


def difference(source, target, ordered, loose):
    if len(source) != len(target):
        return "%d rows in SQLite, %d in PostgreSQL" % (len(source), len(target))
    if not ordered:
        def order(row):
            return [(v is None, str(type(v)), repr(v)) for v in row]

        def target_order(row):
            return [(v[1] is None, repr(v[1])) for v in row]
        if source and len(source[0]) > 1 and all(isinstance(r[0], int) for r in source):
            width = 2 if all(isinstance(r[1], int) for r in source) else 1
            source = sorted(source, key=lambda r: r[:width])
            target = sorted(target, key=lambda r: [v[1] for v in r[:width]])
        else:
            source = sorted(source, key=order)
            rest = list(target)
            for row in source:
                for n, candidate in enumerate(rest):
                    if all(same(s, t, loose) for s, t in zip(row, candidate)):
                        del rest[n]
                        break
                else:
                    return "no row %r in PostgreSQL; left: %r" % (row, rest[:3])
            return None
    for row, found in zip(source, target):
        if not all(same(s, t, loose) for s, t in zip(row, found)):
            return "%r in SQLite, %r in PostgreSQL" % (row, tuple(v[1] for v in found))
    return None


def compare(path, file, schema, verbose):
    db = sqlite3.connect(file)
    out, error = psql("SELECT json_build_object('name', name, 'status', status, 'note', note, 'sql', target_sql) "
                      "FROM sqlite_mig.migration_object WHERE kind = 'view' AND migration_id = "
                      "(SELECT max(id) FROM sqlite_mig.migration)")
    if error:
        sys.exit(error)
    objects = {o["name"]: o for o in map(json.loads, filter(None, out.split("\n")))}
    out, error = psql("SELECT json_build_array(c.relname, a.attname, format_type(a.atttypid, NULL)) FROM pg_class c "
                      "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 "
                      "WHERE c.relkind = 'v' AND c.relnamespace = '%s'::regnamespace ORDER BY c.oid, a.attnum" % schema)
    types = {}
    for name, column, kind in map(json.loads, filter(None, out.split("\n"))):
        types.setdefault(name, []).append((column, kind))
    counts = {"translated": 0, "refused": 0, "failed": 0}
    for number, must, text in cases(path):
        name = "case_%04d" % number
        found = objects[name]
        if found["status"] == "left_out":
            counts["refused"] += 1
            if must == "must":
                counts["failed"] += 1
                print("%d: %s\n    refused: %s" % (number, text, found["note"]))
            elif verbose:
                print("%d: %s\n    refused, as it may be: %s" % (number, text, found["note"]))
            continue
        counts["translated"] += 1
        problem = "it must be refused" if must == "refuse" else None
        if not problem:
            target, problem = read_target(schema, name, types[name])
        if not problem:
            upper = text.upper()
            source = db.execute("SELECT * FROM %s" % name).fetchall()
            problem = difference(source, target, "ORDER BY" in upper and upper.startswith(("SELECT", "WITH")) and
                                 "OVER" not in upper, any(f in upper for f in ("SUM(", "AVG(", "TOTAL(")))
        if problem:
            counts["failed"] += 1
            print("%d: %s\n    %s\n    %s" % (number, text, problem.strip(), found["sql"][:1500]))
    print("%(translated)d translated, %(refused)d refused, %(failed)d failed" % counts)
    return counts["failed"]


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    schema = "public"
    if "--schema" in sys.argv:
        schema = sys.argv[sys.argv.index("--schema") + 1]
        arguments.remove(schema)
    if len(arguments) != 3:
        sys.exit(__doc__)
    if arguments[0] == "make":
        if os.path.exists(arguments[2]):
            os.remove(arguments[2])
        make(arguments[1], arguments[2])
        return 0
    return 1 if compare(arguments[1], arguments[2], schema, "--verbose" in sys.argv) else 0


if __name__ == "__main__":
    sys.exit(main())
