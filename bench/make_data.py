#!/usr/bin/env python3
"""Makes the benchmark's SQLite files.

    make_data.py [--scale F] [--seed N] directory [name ...]

The five databases, at scale 1:

    wide    1 table, 2,000,000 rows: integer, text, real, decimal, boolean,
            timestamp, JSON
    narrow  1 table, 5,000,000 rows of three integers
    blob    1 table, 20,000 rows of 32 KB random blob and 8 KB text
    app     33 related tables, 1,650,000 rows, indexes and foreign keys
    many    300 tables of 50 rows

Further ones, for how cost grows; never made unless named:

    rows-N     "wide" with N rows
    tables-N   "many" with N tables
    columns-N  1 table of N integer columns (1600 at most), 20,000,000 / N rows at scale 1

The same seed and scale give the same content.  A file that is there already,
made by this very program with the same arguments, is kept.
"""

import argparse
import hashlib
import os
import random
import sqlite3
import sys

NAMES = ("Ada Barbara Claude Dennis Edsger Frances Grace Hedy Ivan Jean Ken "
         "Leslie Margaret Niklaus Ole Peter Radia Seymour Tony Ursula").split()
WORDS = ("alpha bravo charlie delta echo foxtrot golf hotel india juliett "
         "kilo lima mike november oscar papa quebec romeo sierra tango "
         "uniform victor whiskey x-ray yankee zulu Straße naïve 東京").split()


def timestamp(rnd):
    return "20%02d-%02d-%02d %02d:%02d:%02d" % (
        rnd.randrange(10, 25), rnd.randrange(1, 13), rnd.randrange(1, 29),
        rnd.randrange(24), rnd.randrange(60), rnd.randrange(60))


def sentence(rnd, n):
    return " ".join(rnd.choices(WORDS, k=n))


def make_wide(db, rnd, scale, rows=2_000_000):
    db.execute("""CREATE TABLE wide (
        id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, name TEXT NOT NULL,
        email TEXT, bio TEXT, score REAL, price DECIMAL(12,2), is_active BOOLEAN NOT NULL,
        created_at DATETIME NOT NULL, updated_at DATETIME, settings JSON)""")

    def row(i):
        name = rnd.choice(NAMES)
        return (i, rnd.randrange(1 << 31), name, "%s.%d@example.com" % (name.lower(), i),
                sentence(rnd, 6) if i % 7 else None, rnd.uniform(-1e6, 1e6),
                rnd.randrange(1, 10_000_000) / 100, rnd.randrange(2),
                timestamp(rnd), timestamp(rnd) if i % 5 else None,
                '{"theme": "%s", "items": [%d, %d, %d], "nested": {"name": "%s", "ok": true},'
                ' "note": "%s"}' % (rnd.choice(("dark", "light")), rnd.randrange(100),
                                    rnd.randrange(1000), i, name, sentence(rnd, 3)))

    db.executemany("INSERT INTO wide VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                   (row(i) for i in range(1, max(1, int(rows * scale)) + 1)))


def make_narrow(db, rnd, scale):
    db.execute("CREATE TABLE narrow (id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INTEGER)")
    db.executemany("INSERT INTO narrow VALUES (?,?,?)",
                   ((i, rnd.getrandbits(31), rnd.getrandbits(16))
                    for i in range(1, max(1, int(5_000_000 * scale)) + 1)))


def make_blob(db, rnd, scale):
    db.execute("CREATE TABLE blob (id INTEGER PRIMARY KEY, name TEXT, data BLOB, body TEXT)")
    db.executemany("INSERT INTO blob VALUES (?,?,?,?)",
                   ((i, "file-%d.bin" % i, rnd.randbytes(32768),
                     sentence(rnd, 1600)[:8192]) for i in range(1, max(1, int(20_000 * scale)) + 1)))


def make_app(db, rnd, scale):
    """33 tables: 3 roots, then 30 that each reference a root and the table before."""
    rows = max(1, int(50_000 * scale))
    db.execute("PRAGMA foreign_keys = OFF")
    for t in range(33):
        name = "t%02d_%s" % (t, ("user", "project", "item")[t % 3])
        columns = ["id INTEGER PRIMARY KEY AUTOINCREMENT", "code VARCHAR(40) NOT NULL UNIQUE",
                   "title TEXT", "amount NUMERIC", "done BOOLEAN NOT NULL DEFAULT 0",
                   "created_at DATETIME DEFAULT CURRENT_TIMESTAMP"]
        keys = []
        if t >= 3:
            columns += ["root_id INTEGER NOT NULL", "previous_id INTEGER"]
            keys = ["FOREIGN KEY (root_id) REFERENCES %s (id) ON DELETE CASCADE" % (
                        "t%02d_%s" % (t % 3, ("user", "project", "item")[t % 3])),
                    "FOREIGN KEY (previous_id) REFERENCES t%02d_%s (id)" % (
                        t - 1, ("user", "project", "item")[(t - 1) % 3])]
        db.execute("CREATE TABLE %s (%s)" % (name, ", ".join(columns + keys)))
        if t >= 3:
            db.execute("CREATE INDEX %s_root ON %s (root_id)" % (name, name))
            db.execute("CREATE INDEX %s_previous ON %s (previous_id)" % (name, name))
        if t % 3 == 0:
            db.execute("CREATE INDEX %s_created ON %s (created_at DESC)" % (name, name))
        db.executemany(
            "INSERT INTO %s VALUES (%s)" % (name, ",".join("?" * len(columns))),
            ((i, "%s%08d" % (name[0], i), sentence(rnd, 1), rnd.randrange(100_000) / 100,
              rnd.randrange(2), timestamp(rnd)) +
             ((rnd.randrange(1, rows + 1), rnd.randrange(1, rows + 1) if i % 4 else None)
              if t >= 3 else ())
             for i in range(1, rows + 1)))


def make_many(db, rnd, scale, tables=None):
    if tables is None:
        tables = max(1, int(300 * scale))
    for t in range(tables):
        parent = ", parent_id INTEGER REFERENCES m%d (id)" % (t - 1) if t % 10 else ""
        db.execute("CREATE TABLE m%d (id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                   " value INTEGER DEFAULT 0, at DATETIME%s)" % (t, parent))
        if t % 3 == 0:
            db.execute("CREATE UNIQUE INDEX m%d_name ON m%d (name)" % (t, t))
        db.executemany("INSERT INTO m%d VALUES (%s)" % (t, ",".join("?" * (5 if parent else 4))),
                       ((i, "%s %d" % (rnd.choice(NAMES), i), rnd.randrange(1000), timestamp(rnd)) +
                        ((rnd.randrange(1, 51),) if parent else ()) for i in range(1, 51)))


def make_columns(db, rnd, scale, columns):
    db.execute("CREATE TABLE columns (%s)" % ", ".join("c%d INTEGER" % i for i in range(columns)))
    db.executemany("INSERT INTO columns VALUES (%s)" % ",".join("?" * columns),
                   ([rnd.getrandbits(20) for _ in range(columns)]
                    for _ in range(int(20_000_000 * scale) // columns)))


def maker(name):
    """The function that fills database "name"."""
    known = {"wide": make_wide, "narrow": make_narrow, "blob": make_blob, "app": make_app,
             "many": make_many}
    if name in known:
        return known[name]
    kind, _, number = name.partition("-")
    if kind == "rows":
        return lambda db, rnd, scale: make_wide(db, rnd, 1, int(number))
    if kind == "tables":
        return lambda db, rnd, scale: make_many(db, rnd, 1, int(number))
    if kind == "columns":
        return lambda db, rnd, scale: make_columns(db, rnd, scale, int(number))
    sys.exit("unknown database %s" % name)


def make(path, name, scale, seed):
    """Makes one file, unless it is there; it gets its name when it is complete."""
    with open(os.path.abspath(__file__), "rb") as f:
        stamp = "%s %s %s %s" % (name, scale, seed, hashlib.sha256(f.read()).hexdigest())
    try:
        with open(path + ".made") as f:
            if f.read() == stamp and os.path.exists(path):
                return
    except OSError:
        pass
    for leftover in (path, path + ".new", path + ".made"):
        if os.path.exists(leftover):
            os.unlink(leftover)
    db = sqlite3.connect(path + ".new")
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("PRAGMA synchronous = OFF")
    maker(name)(db, random.Random("%d %s" % (seed, name)), scale)
    db.commit()
    db.close()
    os.rename(path + ".new", path)
    with open(path + ".made", "w") as f:
        f.write(stamp)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("directory")
    parser.add_argument("names", nargs="*", default=[])
    arguments = parser.parse_args()
    for name in arguments.names or ("wide", "narrow", "blob", "app", "many"):
        make(os.path.join(arguments.directory, name + ".db"), name, arguments.scale, arguments.seed)


if __name__ == "__main__":
    main()
