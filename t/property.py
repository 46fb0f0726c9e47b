#!/usr/bin/env python3
"""property.py: random SQLite files, migrated with defaults, arrive whole.

    property.py first-seed rounds       prints TAP; PGHOST, PGPORT and PGDATABASE
                                        name a database with the extension

Each round makes a file from its seed alone: tables with odd names, declared types of
every kind, STRICT, WITHOUT ROWID, all forms of keys, foreign keys (cyclic, to
themselves, to what is no key), indexes, defaults, and values of all storage classes
in all of them, mostly such as an app writes there, and some that no app should; some
files are in UTF-16, with texts that are invalid there.  The file is migrated with
defaults into a schema of its own, one of eight in a database in LATIN1 and one in
SQL_ASCII (PGDATABASE with _latin1 or _sql_ascii behind it), where these exist.  Then

  - every table is in the report, and verified; verify() says so again;
  - compare.py, which shares no code with the extension, finds no difference;
  - inspect() has told every type beforehand;
  - each identity column goes on where SQLite would.

A failing round prints its seed; "property.py SEED 1" repeats it, and with
SFM_PROPERTY_KEEP=folder leaves the file there.
"""

import math
import os
import random
import re
import shutil
import sqlite3
import struct
import sys
import tempfile

import compare
import utf16

TYPES = [name.strip() for name in """
INTEGER, INT, BIGINT, SMALLINT, TINYINT, MEDIUMINT, INT8, INT2, UNSIGNED BIG INT, INTEGER UNSIGNED, TINYINT(1), BOOLEAN, BOOL, BIT,
REAL, FLOAT, DOUBLE, DOUBLE PRECISION, NUMERIC, DECIMAL(10.2), DECIMAL(20.6), NUMERIC(5), MONEY, NUMBER,
TEXT, CLOB, STRING, LONGTEXT, VARCHAR(5), VARCHAR(40), CHAR(3), NVARCHAR(20), CHARACTER VARYING(10),
BLOB, BINARY, VARBINARY(16), BYTEA, DATE, DATETIME, TIMESTAMP, TIMESTAMPTZ, TIMESTAMP WITH TIME ZONE, TIME, JSON, JSONB,
UUID, GUID, UNIQUEIDENTIFIER, FLOATING POINT, CHARINT, "my type", "🙂", POINT, INTERVAL, ANY, ENUM, DATETIME(6), XML,
""".split(",")]
TYPES = [name.replace(".", ",") for name in TYPES]
STRICT_TYPES = ["INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY"]

NAMES = ["id", "name", "User", "userName", "user_name", "order", "select", "a b", "a.b", 'quo"te', "semi;colon", "new\nline",
         "ctid", "xmin", "oid", "rowid", "Ä", "ä", "🙂", "%s", "'", "", " ", "x" * 70, "x" * 69 + "y", "äö" * 20, "group",
         "GROUP_1", "back\\slash", "[br]", "1st", "$1", "--", "pg_type", "t", "value", "created_at", "is_ok", "count"]

WORDS = ["", "a", "A", "b ", "B", " b", "abc", "abcdef", "Ärger", "🙂", "ß", "tab\there", "line\nbreak", "quote'\"", "null", "NULL",
         "\\N", "\\", "12", " 12 ", "+5", "-0", "007", "1.5", "1e3", "1.50", ".5", "5.", "0x1F", "1_000", "NaN", "Infinity", "-inf",
         "true", "false", "t", "F", "yes", "no", "on", "off", "0", "1", "2",
         "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1" * 40, "0." + "3" * 30, "1e400"]
DATES = ["2024-01-02", "2024-01-02 03:04:05", "2024-01-02T03:04:05", "2024-01-02 03:04", "2024-01-02 03:04:05.123456",
         "2024-01-02T03:04:05Z", "2024-01-02 03:04:05+02:00", "2024-01-02 03:04:05.5-0330", "0001-01-01", "9999-12-31 23:59:59.999999",
         "2024-02-29", "2024-01-02 00:00:00"]
ODD_DATES = ["2024-02-30", "0000-00-00", "2024-01-02 24:00:00", "2024-01-02 03:04:60", "01/02/2024", "now", "today", "infinity",
             "2024-1-2", " 2024-01-02", "2024-01-02 03:04:05.1234567", "10000-01-01", "-0001-01-01", "2024-01-02 03:04:05 +02:00"]
TIMES = ["03:04:05", "03:04", "23:59:59.999999", "00:00:00", "03:04:05.5"]
ODD_TIMES = ["24:00:00", "23:59:60", "36:00:00", "03:04:05+01:00", "1.02:03:04"]
JSONS = ['{"b": 1,  "a": [1.50, true, null, "x"]}', "[]", "{}", "1", '"text"', "null", '{"a":{"b":[1e5]}}', '" "', "-0.0", "[1.0, 10e-1]"]
ODD_JSONS = ['{"a":1,"a":2}', '"\\u0000"', "{a:1}", "[1,]", "NaN", "", "{'a':1}", '"\\ud800"', "[1e200000]", "01", '"\t"', "[", "1 2"]
UUIDS = ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "f47ac10b58cc4372a5670e02b2c3d479"]
ODD_UUIDS = ["{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "a0eebc99", "a0eebc999c0b-4ef8-bb6d-6bb9bd380a11"]
BAD_TEXTS = [b"a\0b", b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"ok\xc3", b"\0"]
BAD_UTF16 = ["\ud800", "\udc00", "a\ud800b", "\ud800\ud800\udc00", "\udc00\ud800", "ok\ud83d", "\ufffe\udfff"]
BLOBS = [b"", b"\0", b"abc", "ä".encode(), b"\xff\xfe", bytes(16), bytes(range(16)), b'{"a":1}', b"2024-01-02", b"12", b"x" * 3000]
INTS = [0, 1, -1, 2, 5, 42, 255, 32767, 32768, -32769, 2**31 - 1, 2**31, -2**31 - 1, 2**53, 2**53 + 1, 2**63 - 1, -2**63,
        20240102, 20240102030405, 19991231235960, 1700000000, 1700000000123, 2460000, 100000000000, 99999999999]
REALS = [0.0, 0.5, 1.5, -2.25, 0.1, 0.1 + 0.2, 1e15, 1e16, 123456789012345.678, 1e22, 1e23, 1e100, 1e308, 5e-324, -1e-300,
         float("inf"), float("-inf"), 2.0**53, 2.0**63, 2.0**64, 1.000000001e19, 2460000.5, 1700000000.25, 12.34, 99999999.99, -0.0]


class BadText(bytes):
    """Text given by its bytes, valid or not."""


class Maker:
    """One random file."""

    def __init__(self, seed, path):
        self.random = random.Random(seed)
        self.db = sqlite3.connect(path, isolation_level=None)
        self.path = path
        self.utf16 = self.pick(["UTF-16le", "UTF-16be"]) if self.chance(0.15) else None
        if self.utf16:
            self.db.execute("PRAGMA encoding = '%s'" % self.utf16)
        self.wild = self.pick([0, 0, 0.02, 0.1, 0.5])  # how often a value is not such as the type asks for
        self.tables = []
        self.db.execute("PRAGMA foreign_keys = OFF")
        self.db.execute("BEGIN")

    def chance(self, p):
        return self.random.random() < p

    def pick(self, things):
        return self.random.choice(things)

    def name(self, taken):
        """One that SQLite does not take for the same as one of these."""
        for _ in range(1000):
            name = self.pick(NAMES)
            if self.chance(0.3):
                name += str(self.random.randint(1, 30))
            folded = "".join(c.lower() if c.isascii() else c for c in name)
            if folded not in taken and not folded.startswith("sqlite_"):
                taken.add(folded)
                return name
        raise AssertionError("no name is left")

    def real(self):
        kind = self.random.randint(0, 4)
        if kind == 0:
            return self.pick(REALS)
        if kind == 1:
            return round(self.random.uniform(-1000, 1000), self.random.randint(0, 4))
        if kind == 2:
            return float(self.random.randint(1, 10**self.random.randint(1, 15)) * 10**self.random.randint(0, 12))
        while True:
            value = struct.unpack("<d", self.random.getrandbits(64).to_bytes(8, "little"))[0]
            if not math.isnan(value):
                return value

    def integer(self):
        return self.pick(INTS) if self.chance(0.5) else self.random.randint(-2**self.random.randint(1, 63), 2**self.random.randint(1, 63) - 1)

    def text(self):
        if self.chance(0.6):
            return self.pick(WORDS)
        return "".join(self.pick("abcxyzABC äÄ🙂é'\"\\\t%\u0301") for _ in range(self.random.randint(0, 12)))

    def anything(self):
        """A value of any class and kind."""
        kind = self.random.randint(0, 9)
        if kind <= 1:
            return self.integer()
        if kind == 2:
            return self.real()
        if kind == 3:
            return self.pick(BLOBS)
        if kind == 4 and not self.utf16:
            return BadText(self.pick(BAD_TEXTS))
        if kind == 5:
            return self.pick(DATES + ODD_DATES + TIMES + ODD_TIMES)
        if kind == 6:
            return self.pick(JSONS + ODD_JSONS + UUIDS + ODD_UUIDS)
        if kind == 7:
            return None
        return self.text()

    def fitting(self, declared):
        """A function for values such as an app writes to a column declared so."""
        kind = declared.upper()
        if re.search(r"BOOL|BIT|\(1\)", kind):
            return self.pick([lambda: self.random.randint(0, 1), lambda: self.pick(["t", "f"]), lambda: self.pick(["true", "false"])])
        if "SMALL" in kind or "INT2" in kind or "TINY" in kind:
            return lambda: self.random.randint(-100, 100)
        if "INTERVAL" not in kind and "INT" in kind and "POINT" not in kind:
            return self.pick([lambda: self.random.randint(0, 50), self.integer])
        if re.search(r"REAL|FLOA|DOUB", kind):
            return self.real
        if re.search(r"NUM|DEC|MONEY", kind):
            return self.pick([lambda: round(self.random.uniform(-999, 999), 2), lambda: self.random.randint(-999, 999), self.real])
        if "JSON" in kind:
            return lambda: self.pick(JSONS)
        if re.search(r"UUID|GUID|UNIQUEID", kind):
            return self.pick([lambda: self.pick(UUIDS), lambda: self.random.randbytes(16)])
        if re.search(r"DATETIME|TIMESTAMP", kind):
            return self.pick([lambda: self.pick(DATES), lambda: self.pick(DATES[:5]), lambda: self.random.randint(1, 2 * 10**9),
                              lambda: self.random.randint(10**12, 2 * 10**12), lambda: self.random.uniform(2400000, 2500000)])
        if kind == "DATE":
            return self.pick([lambda: self.pick(DATES), lambda: "20%02d-0%d-1%d" % tuple(self.random.randint(1, 9) for _ in range(3))])
        if kind == "TIME":
            return lambda: self.pick(TIMES)
        if re.search(r"BLOB|BINARY|BYTEA", kind):
            return lambda: self.pick(BLOBS)
        if kind in ("", "ANY"):
            return self.pick([self.integer, self.real, self.text, lambda: self.pick(BLOBS), self.anything])
        return self.text

    def strict_value(self, declared):
        return {"INT": self.integer, "INTEGER": self.integer, "REAL": self.real, "TEXT": self.text,
                "BLOB": lambda: self.pick(BLOBS), "ANY": self.anything}[declared]()

    def literal_default(self):
        return self.pick(["0", "1", "-5", "1.5", "'x'", "''", "NULL", "CURRENT_TIMESTAMP", "x'00ff'", "'2024-01-02'", "true", "(1+1)"])

    def make_table(self, names):
        table = {"name": self.name(names), "columns": [], "pk": [], "uniques": []}
        strict = self.chance(0.15)
        taken = set()
        clauses = []
        for _ in range(self.random.randint(1, 8)):
            declared = self.pick(STRICT_TYPES if strict else TYPES)
            column = {"name": self.name(taken), "type": declared, "strict": strict, "default": None}
            column["value"] = self.fitting(declared)
            column["not_null"] = self.chance(0.15)
            column["nulls"] = 0 if column["not_null"] else self.pick([0, 0.1, 0.6])
            column["collate"] = self.pick(["NOCASE", "RTRIM"]) if self.chance(0.1) else None
            table["columns"].append(column)
            sql = quoted(column["name"]) + " " + declared
            if column["not_null"]:
                sql += " NOT NULL"
            if self.chance(0.2):
                sql += " DEFAULT " + self.literal_default()
            if column["collate"]:
                sql += " COLLATE " + column["collate"]
            clauses.append(sql)
        kind = self.random.randint(0, 5)
        without_rowid = False
        columns = table["columns"]
        if kind <= 1:
            number = self.random.randrange(len(columns))
            columns[number].update(type="INTEGER", value=None, not_null=False, collate=None)
            words = self.pick(["", "", "AUTOINCREMENT", "DESC", "ASC"])
            clauses[number] = "%s INTEGER PRIMARY KEY %s" % (quoted(columns[number]["name"]), words)
            table["rowid"] = number if words != "DESC" else None
            if words == "DESC":
                columns[number].update(value=self.fitting("INTEGER"))
            table["pk"] = [number]
        elif kind <= 3:
            count = min(len(columns), self.pick([1, 1, 2, 3]))
            table["pk"] = self.random.sample(range(len(columns)), count)
            clauses.append("PRIMARY KEY (%s)" % ", ".join(quoted(columns[n]["name"]) for n in table["pk"]))
            without_rowid = self.chance(0.4)
            if count == 1 and columns[table["pk"][0]]["type"] == "INTEGER" and not without_rowid:
                columns[table["pk"][0]].update(value=None)
                table["rowid"] = table["pk"][0]
        if self.chance(0.3):
            unique = self.random.sample(range(len(columns)), min(len(columns), self.pick([1, 2])))
            table["uniques"].append(unique)
            clauses.append("UNIQUE (%s)" % ", ".join(quoted(columns[n]["name"]) for n in unique))
        table["clauses"] = clauses
        table["options"] = ", ".join(["STRICT"] * strict + ["WITHOUT ROWID"] * without_rowid)
        self.tables.append(table)

    def add_foreign_keys(self, table):
        for _ in range(self.pick([0, 0, 1, 1, 2])):
            parent = self.pick(self.tables)
            keys = [parent["pk"]] * bool(parent["pk"]) + parent["uniques"]
            if not keys or self.chance(0.1):
                keys = [self.random.sample(range(len(parent["columns"])), 1)]
            key = self.pick(keys)
            if len(key) > len(table["columns"]):
                continue
            own = self.random.sample(range(len(table["columns"])), len(key))
            to = "" if key == parent["pk"] and self.chance(0.4) else \
                " (%s)" % ", ".join(quoted(parent["columns"][n]["name"]) for n in key)
            table["clauses"].append("FOREIGN KEY (%s) REFERENCES %s%s%s%s%s" % (
                ", ".join(quoted(table["columns"][n]["name"]) for n in own), quoted(parent["name"]), to,
                self.pick(["", "", " ON DELETE CASCADE", " ON DELETE SET NULL"]), self.pick(["", "", " ON UPDATE CASCADE"]),
                self.pick(["", "", " DEFERRABLE INITIALLY DEFERRED"])))
            # most rows have a parent: the same values, where there are some by then
            for mine, theirs in zip(own, key):
                if table["columns"][mine]["value"] is not None:
                    table["columns"][mine].setdefault("parents", (parent, theirs))

    def value(self, table, column):
        if column["value"] is None:  # the rowid
            return None if self.chance(0.5) else self.random.randint(-3, 300)
        if self.chance(column["nulls"]) and not column["not_null"]:
            return None
        if "parents" in column and self.chance(0.9):
            parent, theirs = column["parents"]
            found = self.db.execute("SELECT %s FROM %s LIMIT 1 OFFSET ?" % (
                quoted(parent["columns"][theirs]["name"]), quoted(parent["name"])), (self.random.randint(0, 5),)).fetchone()
            if found:
                return found[0]
        if self.chance(self.wild):
            return self.anything()
        return self.strict_value(column["type"]) if column["strict"] else column["value"]()

    def fill(self, table):
        names = ", ".join(quoted(c["name"]) for c in table["columns"])
        for _ in range(self.pick([0, 1, 5, 20, 40])):
            values = [self.value(table, c) for c in table["columns"]]
            marks = ", ".join("CAST(? AS TEXT)" if isinstance(v, BadText) else "?" for v in values)
            try:
                self.db.execute("INSERT INTO %s (%s) VALUES (%s)" % (quoted(table["name"]), names, marks), values)
            except sqlite3.IntegrityError:
                pass  # a key, NOT NULL or STRICT refused it

    def make(self):
        names = set()
        for _ in range(self.random.randint(1, 5)):
            self.make_table(names)
        self.db.text_factory = lambda raw: BadText(raw)
        for table in self.tables:
            self.add_foreign_keys(table)
            self.db.execute("CREATE TABLE %s (%s) %s" % (quoted(table["name"]), ", ".join(table["clauses"]), table["options"]))
        for table in self.random.sample(self.tables, len(self.tables)):
            self.fill(table)
        for _ in range(self.random.randint(0, 3)):
            table = self.pick(self.tables)
            columns = self.random.sample(table["columns"], min(len(table["columns"]), self.pick([1, 1, 2])))
            try:
                self.db.execute("CREATE %sINDEX %s ON %s (%s)" % (
                    self.pick(["", "", "UNIQUE "]), quoted(self.name(names)), quoted(table["name"]),
                    ", ".join(quoted(c["name"]) + self.pick(["", "", " DESC", " COLLATE NOCASE", " COLLATE RTRIM"]) for c in columns)))
            except sqlite3.IntegrityError:
                pass  # not unique
        for table in self.tables:
            if self.chance(0.2):  # ids that were given and are gone
                self.db.execute("DELETE FROM %s WHERE %s" % (quoted(table["name"]), self.pick(["true", "quote(%s) > '2'" % quoted(
                    table["columns"][0]["name"])])))
        self.db.execute("COMMIT")
        self.db.close()
        if self.utf16 and self.wild:
            self.spoil()

    def spoil(self):
        """Texts that are no valid UTF-16 in some places, where keys and NOT NULL let them in."""
        for _ in range(self.random.randint(1, 6)):
            table = self.pick(self.tables)
            column = self.pick(table["columns"])
            text = self.pick(BAD_UTF16).encode("utf-16-le" if self.utf16 == "UTF-16le" else "utf-16-be", "surrogatepass")
            if self.chance(0.2):
                text += b"x"  # half a character
            elif self.chance(0.3):  # half characters that would read as values in UTF-8
                text = self.pick([b"t", b"1", b"12345", b"1.5", b"03:04", b"2024-01-02 03:04:05", b"[1]", b"abc"])
            if "WITHOUT ROWID" not in table["options"] and column["value"] is not None:
                utf16.execute(self.path, "UPDATE %s SET %s = ?1 WHERE rowid = (SELECT rowid FROM %s LIMIT 1 OFFSET %d)" % (
                    quoted(table["name"]), quoted(column["name"]), quoted(table["name"]), self.random.randint(0, 5)), self.utf16, text)


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


class Round:
    """One file migrated and looked at."""

    def __init__(self, seed, folder):
        self.seed = seed
        self.path = os.path.join(folder, "property_%d.db" % seed)
        self.schema = "property_%d" % seed
        self.wrong = []

    def expect(self, good, text):
        if not good:
            self.wrong.append(text)

    def run(self):
        suffix = {5: "_latin1", 7: "_sql_ascii"}.get(self.seed % 8, "")
        if suffix and compare.rows_of("SELECT 1 FROM pg_database WHERE datname = current_database() || '%s'" % suffix):
            os.environ["PGDATABASE"] += suffix
            try:
                self.run_here()
            finally:
                os.environ["PGDATABASE"] = os.environ["PGDATABASE"][:-len(suffix)]
        else:
            self.run_here()

    def run_here(self):
        Maker(self.seed, self.path).make()
        compare.psql("DROP SCHEMA IF EXISTS %s CASCADE" % self.schema)
        told = {(r["source_table"], r["source_column"]): r["target_type"] for r in compare.rows_of(
            "SELECT source_table, source_column, target_type FROM sqlite_mig.inspect(%s)" % compare.literal(self.path))}
        tables = compare.rows_of("SELECT * FROM sqlite_mig.migrate(%s, %s)" % (
            compare.literal(self.path), compare.literal(self.schema)))
        for table in tables:
            self.expect(table["verified"], "table %r is not verified" % table["source_table"])
        for row in compare.rows_of("SELECT * FROM sqlite_mig.verify(%s, %s)" % (
                compare.literal(self.path), compare.literal(self.schema))):
            self.expect(row["verified"], "verify() does not agree on %r" % row["source_table"])
        number = compare.rows_of("SELECT max(id) AS id FROM sqlite_mig.migration WHERE target_schema = %s"
                                 % compare.literal(self.schema))[0]["id"]
        source = compare.Source(self.path)
        try:
            self.compare(source, number, told, tables)
        finally:
            source.close()
        compare.psql("SET client_min_messages = warning; DROP SCHEMA %s CASCADE" % self.schema)

    def compare(self, source, number, told, tables):
        comparison = compare.Comparison(source, self.schema, number)
        comparison.differ = lambda table, text: self.wrong.append("%r: %s" % (table, text))
        comparison.run()
        for row in compare.rows_of("SELECT source_table, source_column, target_type FROM sqlite_mig.migration_column "
                                   "WHERE migration_id = %d" % number):
            key = (row["source_table"], row["source_column"])
            self.expect(told.get(key) == row["target_type"],
                        "inspect() said %s of %s, and it is %s" % (told.get(key), key, row["target_type"]))
        counted = bool(source.ask("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'"))
        for table in tables:
            name = comparison.name(table["source_table"])
            if table["sequence_value"] is None:
                continue
            last = source.ask("SELECT max(0, coalesce((SELECT max(%s) FROM %s), 0))" % (
                self.rowid(source, name), compare.sqlite_name(name)))[0][0]
            if counted:
                last = max([last] + [r[0] for r in source.ask("SELECT seq FROM sqlite_sequence WHERE name = ?", name)])
            self.expect(table["sequence_value"] == last,
                        "ids of %r go on from %s, not %s" % (name, table["sequence_value"], last))

    @staticmethod
    def rowid(source, table):
        return compare.sqlite_name(source.ask("SELECT name FROM pragma_table_info(?) WHERE pk = 1", table)[0][0])


def main():
    first, rounds = int(sys.argv[1]), int(sys.argv[2])
    keep = os.environ.get("SFM_PROPERTY_KEEP")
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(range(first, first + rounds), 1):
            run = Round(seed, folder)
            try:
                run.run()
            except SystemExit as failure:  # psql's message, from compare.py
                run.wrong.append(str(failure))
            print("%sok %d - seed %d" % ("not " if run.wrong else "", number, seed))
            for text in run.wrong[:20]:
                print("\n".join("#   " + line for line in text[:2000].splitlines()))
            sys.stdout.flush()
            if run.wrong and keep:
                shutil.copy(run.path, keep)
    print("1..%d" % rounds)


if __name__ == "__main__":
    main()
