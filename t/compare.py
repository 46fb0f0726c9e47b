#!/usr/bin/env python3
"""compare.py: does a migrated database hold what its SQLite file holds?

    compare.py file.db [--schema public] [--quiet]

Reads the file with Python's sqlite3 and the target with psql (which takes PGHOST,
PGPORT, PGDATABASE, PGUSER from the environment), and compares

  - every value of every table, row for row, as a multiset of whole rows, so that a
    value that was lost, doubled, altered or swapped shows;
  - every primary key, unique constraint, index (columns, order, direction,
    uniqueness), foreign key (columns, parent, actions, deferrability, whether it is
    validated), NOT NULL and identity.

Nothing of the extension's code is used: what a SQLite value is as a value of the
target's type is written here a second time, from the documentation.  The
extension's history is asked only which column became which, how numbers in date
columns are read, and what was left out; the target's types come from pg_catalog.

Prints every difference (ten a table) and a summary; exit status 1 when there is
one.  The file is copied, with its -wal, before it is opened.
"""

import argparse
import calendar
import collections
import datetime
import decimal
import fractions
import json
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile

EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
JULIAN_EPOCH_MS = 210866760000000  # Julian day 2440587.5 in milliseconds
SHOWN = 10


class Misfit(Exception):
    """A source value that the target's type cannot hold."""


# ------------------------------------------------------------------ the target


def psql(sql):
    """Runs one statement; returns its output as bytes."""
    done = subprocess.run(
        ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, env=dict(os.environ, PGCLIENTENCODING="UTF8"))
    if done.returncode != 0:
        sys.exit("psql: %s\n%s" % (done.stderr.decode(errors="replace"), sql))
    return done.stdout


def rows_of(sql):
    """The rows of a query, as dictionaries."""
    out = psql("SELECT to_json(q) FROM (%s) q" % sql)
    return [json.loads(line) for line in out.decode().splitlines() if line]


def recorded_name(text):
    """A name of the file as the history has it: what the database's encoding lacks is \\+HHHHHH there."""
    return re.sub(r"\\\+([0-9A-F]{6})", lambda found: chr(int(found.group(1), 16)), text)


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def pg_name(name):
    return '"' + name.replace('"', '""') + '"'


def sqlite_name(name):
    return '"' + name.replace('"', '""') + '"'


def folded(name):
    """As SQLite compares names: ASCII letters without case."""
    return "".join(c.lower() if c.isascii() else c for c in name)


# How each type is printed, and how that is read: exact, and free of settings.
UTF8 = "encode(convert_to(%s::text, 'UTF8'), 'hex')"
MICROSECONDS = "(extract(epoch FROM %s) * 1000000)::bigint"
SHOW = {
    "bool": ("%s::int", lambda t: t == "1"),
    "int2": ("%s", int),
    "int4": ("%s", int),
    "int8": ("%s", int),
    "float4": ("encode(float4send(%s), 'hex')", lambda t: ("float4", t)),
    "float8": ("encode(float8send(%s), 'hex')", lambda t: ("float8", t)),
    "numeric": ("%s", decimal.Decimal),
    "text": (UTF8, bytes.fromhex),
    "varchar": (UTF8, bytes.fromhex),
    "bpchar": (UTF8, bytes.fromhex),
    "bytea": ("encode(%s, 'hex')", bytes.fromhex),
    "date": ("%s - '1970-01-01'::date", int),
    "time": (MICROSECONDS, int),
    "timestamp": (MICROSECONDS, int),
    "timestamptz": (MICROSECONDS, int),
    "json": (UTF8, lambda t: ("json", bytes.fromhex(t))),
    "jsonb": (UTF8, lambda t: json_value(bytes.fromhex(t))),
    "uuid": ("%s", lambda t: t.replace("-", "")),
}
OTHER = (UTF8, bytes.fromhex)


def target_rows(table, columns):
    """Every row of a target table, as a tuple of comparable values."""
    shows = [SHOW.get(c["type"], OTHER) for c in columns]
    exprs = ", ".join(s[0] % pg_name(c["target"]) for s, c in zip(shows, columns))
    out = psql("COPY (SELECT %s FROM ONLY %s) TO STDOUT" % (exprs, table))
    for line in out.split(b"\n")[:-1]:
        yield tuple(None if field == "\\N" else show[1](field)
                    for show, field in zip(shows, line.decode().split("\t")))


# ------------------------------------------------- the source, read a second time


def float_text(value):
    """A double as PostgreSQL prints it: the fewest digits that read back to it."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    sign, digits, exponent = decimal.Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, digits)).lstrip("0") or "0"
    trimmed = digits.rstrip("0") or "0"
    exponent += len(digits) - len(trimmed)
    point = len(trimmed) + exponent  # digits before the decimal point
    if trimmed == "0":
        body = "0"
    elif point - 1 < -4 or point - 1 >= 15:
        body = trimmed[0] + ("." + trimmed[1:] if len(trimmed) > 1 else "")
        body += "e%+03d" % (point - 1)
    elif point <= 0:
        body = "0." + "0" * -point + trimmed
    elif point >= len(trimmed):
        body = trimmed + "0" * (point - len(trimmed))
    else:
        body = trimmed[:point] + "." + trimmed[point:]
    return ("-" if sign else "") + body


WORDS = {True: ("true", "yes"), False: ("false", "no")}


def read_bool(cls, value):
    if cls in ("integer", "real") and value in (0, 1):
        return value == 1
    if cls == "text":
        word = value.decode().strip(" \t\n\v\f\r").lower()
        for result, words in WORDS.items():
            if word and any(w.startswith(word) for w in words):
                return result
        if word in ("on", "1"):
            return True
        if word in ("of", "off", "0"):
            return False
    raise Misfit


def read_int(bits):
    def read(cls, value):
        if cls == "text" and re.fullmatch(rb"[ \t\n\v\f\r]*[+-]?[0-9]+[ \t\n\v\f\r]*", value):
            value = int(value)
        elif cls == "real" and value == value and value not in (float("inf"), float("-inf")) \
                and value == int(value):
            value = int(value)
        elif cls != "integer":
            raise Misfit
        if not -(1 << bits - 1) <= value < 1 << bits - 1:
            raise Misfit
        return value
    return read


def read_float8(cls, value):
    if cls == "integer" and int(float(value)) == value:
        value = float(value)
    elif cls != "real":
        raise Misfit
    return ("float8", struct.pack(">d", value).hex())


def read_float4(cls, value):
    if cls not in ("integer", "real"):
        raise Misfit
    return ("float4", struct.pack(">f", value).hex())


def read_numeric(cls, value):
    if cls == "integer":
        return decimal.Decimal(value)
    if cls == "real":
        return decimal.Decimal(repr(value))
    if cls == "text":
        try:
            return decimal.Decimal(value.decode().strip())
        except (decimal.InvalidOperation, UnicodeDecodeError):
            pass
    raise Misfit


def read_bytes(cls, value):
    """text and bytea: text and blobs as their bytes, numbers as they are written."""
    if cls == "integer":
        return b"%d" % value
    if cls == "real":
        return float_text(value).encode()
    return value


def json_number(text):
    return ("number", decimal.Decimal(text))


def json_object(pairs):
    if len({k for k, _ in pairs}) != len(pairs):
        raise Misfit
    return ("object", tuple(sorted(pairs)))


def json_hashable(value):
    if isinstance(value, list):
        return ("array", tuple(json_hashable(v) for v in value))
    if isinstance(value, tuple) and value[0] == "object":
        return ("object", tuple((k, json_hashable(v)) for k, v in value[1]))
    if isinstance(value, str):
        return ("string", value)
    return value if isinstance(value, tuple) else ("word", value)


def json_value(text):
    """JSON as a value in which white space, key order and number spelling are gone."""
    def refuse(_):
        raise Misfit
    try:
        return json_hashable(json.loads(
            text.decode(), parse_int=json_number, parse_float=json_number,
            parse_constant=refuse, object_pairs_hook=lambda pairs: json_object(
                sorted(pairs, key=lambda pair: pair[0]))))
    except (ValueError, UnicodeDecodeError) as error:
        raise Misfit from error


def read_jsonb(cls, value):
    if cls == "text":
        return json_value(value)
    return ("number", read_numeric(cls, value))


def read_json(cls, value):
    return ("json", read_bytes(cls, value))


def read_uuid(cls, value):
    if cls == "blob" and len(value) == 16:
        return value.hex()
    if cls == "text":
        found = re.fullmatch(rb"\{?([0-9a-fA-F]{8})-?([0-9a-fA-F]{4})-?([0-9a-fA-F]{4})-?"
                             rb"([0-9a-fA-F]{4})-?([0-9a-fA-F]{12})\}?", value)
        if found:
            return b"".join(found.groups()).decode().lower()
    raise Misfit


ISO_TIME = r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?"
ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ]" + ISO_TIME +
                 r"(?: ?(?:([Zz])|([+-])(\d\d)(?::?(\d\d))?))?)?")


def time_of_day(hour, minute, second, fraction):
    hour, minute, second = int(hour), int(minute), int(second or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise Misfit
    fraction = (fraction or "").rstrip("0")
    if len(fraction) > 6:
        raise Misfit
    return ((hour * 60 + minute) * 60 + second) * 1000000 + int(fraction.ljust(6, "0") or 0)


def day_number(year, month, day):
    if not (1 <= year <= 9999 and 1 <= month <= 12
            and 1 <= day <= calendar.monthrange(year, month)[1]):
        raise Misfit
    return datetime.date(year, month, day).toordinal() - EPOCH_DAY


def read_iso(text):
    """Microseconds since 1970 in UTC (where no offset is given: as if it were)."""
    found = ISO.fullmatch(text)
    if not found:
        raise Misfit
    year, month, day, hour, minute, second, fraction, _, sign, off_h, off_m = found.groups()
    moment = day_number(int(year), int(month), int(day)) * 86400 * 1000000
    if hour is not None:
        moment += time_of_day(hour, minute, second, fraction)
    if sign:
        offset = (int(off_h) * 60 + int(off_m or 0)) * 60 * 1000000
        moment -= offset if sign == "+" else -offset
    return moment


def nearest(value):
    """The nearest integer to an exact fraction."""
    return round(value)


def read_number_as_date(cls, value, reading):
    exact = fractions.Fraction(value)
    if reading == "unix":
        return nearest(exact * 1000000)
    if reading == "unix_ms":
        return nearest(exact * 1000)
    if reading == "julian":
        # SQLite's own: (sqlite3_int64)(r * 86400000.0 + 0.5)
        return (int(float(value) * 86400000.0 + 0.5) - JULIAN_EPOCH_MS) * 1000
    if reading == "calendar" and exact.denominator == 1:
        digits = str(int(exact))
        if len(digits) in (8, 14):
            moment = day_number(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) * 86400 * 1000000
            if len(digits) == 14:
                moment += time_of_day(digits[8:10], digits[10:12], digits[12:14], "")
            return moment
    raise Misfit


def read_moment(reading):
    def read(cls, value):
        if cls == "text":
            try:
                return read_iso(value.decode())
            except UnicodeDecodeError as error:
                raise Misfit from error
        if cls in ("integer", "real"):
            return read_number_as_date(cls, value, reading)
        raise Misfit
    return read


def read_date(reading):
    moment = read_moment(reading)

    def read(cls, value):
        day, rest = divmod(moment(cls, value), 86400 * 1000000)
        if rest:
            raise Misfit
        return day
    return read


def read_time(cls, value):
    found = re.fullmatch(ISO_TIME, value.decode()) if cls == "text" else None
    if not found:
        raise Misfit
    return time_of_day(*found.groups())


def reader_for(column):
    simple = {
        "bool": read_bool, "int2": read_int(16), "int4": read_int(32), "int8": read_int(64),
        "float4": read_float4, "float8": read_float8, "numeric": read_numeric,
        "text": read_bytes, "varchar": read_bytes, "bpchar": read_bytes, "bytea": read_bytes,
        "time": read_time, "json": read_json, "jsonb": read_jsonb, "uuid": read_uuid,
    }
    if column["type"] == "date":
        return read_date(column["reading"])
    if column["type"] in ("timestamp", "timestamptz"):
        return read_moment(column["reading"])
    return simple.get(column["type"], read_bytes)


class Source:
    """A SQLite file, read from a private copy."""

    def __init__(self, path):
        self.folder = tempfile.mkdtemp(prefix="sfm")
        copy = os.path.join(self.folder, "copy.db")
        shutil.copy(path, copy)
        if os.path.exists(path + "-wal"):
            shutil.copy(path + "-wal", copy + "-wal")
        self.db = sqlite3.connect(copy)
        self.encoding = self.db.execute("PRAGMA encoding").fetchone()[0]
        self.db.text_factory = bytes

    def close(self):
        self.db.close()
        shutil.rmtree(self.folder)

    def ask(self, sql, *parameters):
        """Rows with text as str, for the catalog."""
        def plain(value):
            return value.decode() if isinstance(value, bytes) else value
        return [tuple(map(plain, row)) for row in self.db.execute(sql, parameters)]

    def text(self, raw):
        """A text's bytes in UTF-8; as they are where they are not valid."""
        if self.encoding == "UTF-8":
            return raw
        try:
            return raw.decode("utf-16-le" if self.encoding == "UTF-16le" else "utf-16-be").encode()
        except UnicodeError:
            return raw

    def rows(self, table, names):
        """Every row, as a tuple of (storage class, value)."""
        parts = ", ".join("typeof({0}), CASE typeof({0}) WHEN 'text' THEN CAST({0} AS BLOB) "
                          "ELSE {0} END".format(sqlite_name(n)) for n in names)
        for row in self.db.execute("SELECT %s FROM %s" % (parts, sqlite_name(table))):
            yield tuple((cls.decode(), self.text(value) if cls == b"text" else value)
                        for cls, value in zip(row[0::2], row[1::2]))


# ------------------------------------------------------------------- comparing


class Comparison:
    """All that is found out about one file and one target schema."""

    def __init__(self, source, schema, migration):
        self.source = source
        self.schema = schema
        self.migration = migration
        self.differences = 0
        self.done = collections.Counter()
        encoding = rows_of("SELECT current_setting('server_encoding') AS encoding")[0]["encoding"]
        self.name = str if encoding in ("UTF8", "SQL_ASCII") else recorded_name
        self.tables = {self.name(t["source_table"]): t for t in rows_of(
            "SELECT source_table, target_table, status FROM sqlite_mig.migration_table "
            "WHERE migration_id = %d AND target_table IS NOT NULL" % migration)}
        self.oids = {}
        self.objects = rows_of(
            "SELECT kind, source_table, name, status, note FROM sqlite_mig.migration_object "
            "WHERE migration_id = %d" % migration)
        for o in self.objects:
            for key in ("source_table", "name"):
                o[key] = o[key] and self.name(o[key])

    def differ(self, table, text):
        self.differences += 1
        print("%s: %s" % (table, text))

    def left_out(self, kind, table, name=None):
        """Whether the history says, with a reason, that such an object was left out."""
        return any(o["kind"] == kind and o["source_table"] == table and o["status"] == "left_out"
                   and o["note"] and (name is None or o["name"] in (None, name))
                   for o in self.objects)

    def columns(self, table):
        """The migrated columns of a table, with the types that the target has."""
        rows = rows_of("""
            SELECT c.source_column AS source, c.target_column AS target, c.reading,
                   t.typname AS type, a.attnotnull AS not_null, a.attidentity AS identity,
                   a.attnum AS number, pg_get_serial_sequence(a.attrelid::regclass::text, a.attname) IS NOT NULL
                       AND a.atthasdef AS counts
            FROM sqlite_mig.migration_column c
            JOIN pg_attribute a ON a.attrelid = %s::regclass AND a.attname = c.target_column
            JOIN pg_type t ON t.oid = a.atttypid
            WHERE c.migration_id = %d AND c.source_table = %s
            ORDER BY a.attnum""" % (literal(self.tables[table]["target_table"]), self.migration,
                                    literal(self.tables[table]["source_table"])))
        for row in rows:
            row["source"] = self.name(row["source"])
        return rows

    def run(self):
        here = [row[0] for row in self.source.ask(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
            "AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name")]
        for table in here:
            if table not in self.tables:
                if not self.left_out("table", table):
                    self.differ(table, "is not in the target, and not said to be left out")
                continue
            if self.tables[table]["status"] not in ("created", "loaded", "replaced"):
                continue
            self.done["tables"] += 1
            columns = self.columns(table)
            self.compare_columns(table, columns)
            self.compare_rows(table, columns)
            names = {folded(c["source"]): c["target"] for c in columns}
            self.compare_keys(table, columns, names)
            self.compare_foreign_keys(table, names)
        for table in self.tables:
            if table not in here and self.tables[table]["status"] != "skipped":
                self.differ(table, "is in the target, but is no table of the file")

    def compare_columns(self, table, columns):
        mapped = {c["source"] for c in columns}
        for row in self.source.ask("SELECT name, hidden FROM pragma_table_xinfo(?)", table):
            if row[0] not in mapped and row[1] != 1 and not self.left_out("column", table, row[0]):
                self.differ(table, "column %s is not in the target" % row[0])

    def compare_rows(self, table, columns):
        readers = [reader_for(c) for c in columns]
        expected = collections.Counter()
        shown = 0
        for row in self.source.rows(table, [c["source"] for c in columns]):
            wanted = []
            for column, reader, (cls, value) in zip(columns, readers, row):
                try:
                    wanted.append(None if cls == "null" else reader(cls, value))
                except Misfit:
                    wanted.append(("no value of the type", cls, value))
                    shown += 1
                    if shown <= SHOWN:
                        self.differ(table, "%s: %s %.80r is no value of type %s" % (
                            column["source"], cls, value, column["type"]))
            expected[tuple(wanted)] += 1
            self.done["rows"] += 1
            self.done["values"] += len(wanted)
        found = collections.Counter(target_rows(self.tables[table]["target_table"], columns))
        for title, rows in (("only in the file", expected - found), ("only in the target", found - expected)):
            for row, count in list(rows.items())[:SHOWN]:
                self.differ(table, "%s, %d times: %.400r" % (title, count, row))
            if len(rows) > SHOWN:
                self.differ(table, "... and %d more rows are %s" % (len(rows) - SHOWN, title))

    # Keys and indexes: a key column is its name, or a pattern for an expression.

    def source_keys(self, table, columns, names):
        """(kind, columns with direction, unique, name, plain) of each key and index."""
        info = self.source.ask("SELECT name, pk FROM pragma_table_info(?)", table)
        primary = [names[folded(n)] for n, pk in sorted(info, key=lambda r: r[1]) if pk and folded(n) in names]
        if primary:
            yield ("primary key", tuple((n, False) for n in primary), True, None, True)
        for name, unique, origin, partial in self.source.ask(
                'SELECT name, "unique", origin, partial FROM pragma_index_list(?)', table):
            if origin == "pk":
                continue
            keys, plain = [], not partial
            for cid, column, desc, collation in self.source.ask(
                    'SELECT cid, name, "desc", coll FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno', name):
                if cid < 0 or column is None or folded(column) not in names:
                    plain = False
                    keys.append((None, bool(desc)))
                else:
                    keys.append((names[folded(column)], bool(desc)))
                    plain = plain and collation == "BINARY"
            yield ("unique" if origin == "u" else "index", tuple(keys), bool(unique), name, plain)

    def target_keys(self, table):
        """The same of the target: {columns: set of (unique, primary, partial)}."""
        found = collections.defaultdict(set)
        for row in rows_of("""
                SELECT c.relname AS name, i.indisunique AS uniq, i.indisprimary AS primary,
                       i.indisvalid AS valid, i.indpred IS NOT NULL AS partial,
                       (SELECT json_agg(json_build_array(a.attname, (i.indoption[k - 1] & 1) = 1,
                                                         pg_get_indexdef(i.indexrelid, k, true)) ORDER BY k)
                        FROM generate_series(1, i.indnkeyatts) k
                        LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k - 1]
                              AND i.indkey[k - 1] <> 0) AS keys
                FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                WHERE i.indrelid = %s::regclass""" % literal(self.tables[table]["target_table"])):
            keys = tuple((name, desc) for name, desc, _ in row["keys"])
            found[keys].add((row["uniq"], row["primary"], row["partial"], row["name"],
                             tuple(text for _, _, text in row["keys"])))
            if not row["valid"]:
                self.differ(table, "index %s is not valid" % row["name"])
        return found

    def excused(self, table, keys, unique):
        """Whether PostgreSQL cannot have such a key: of json, or of values that are equal there."""
        types = {c["target"]: c["type"] for c in self.columns(table)}
        if any(types[n] == "json" for n, _ in keys):
            return True
        names = ", ".join(pg_name(n) for n, _ in keys)
        return unique and bool(rows_of("SELECT 1 FROM %s WHERE (%s) IS NOT NULL GROUP BY %s HAVING count(*) > 1 LIMIT 1" % (
            self.tables[table]["target_table"], names, names)))

    def has_null(self, table, keys, names):
        back = {target: source for source, target in names.items()}
        condition = " OR ".join(sqlite_name(back[n]) + " IS NULL" for n, _ in keys)
        return bool(self.source.ask("SELECT 1 FROM %s WHERE %s LIMIT 1" % (sqlite_name(table), condition)))

    def compare_keys(self, table, columns, names):
        found = self.target_keys(table)
        matched = set()
        for kind, keys, unique, name, plain in self.source_keys(table, columns, names):
            self.done["keys and indexes"] += 1
            label = "%s %s(%s)" % (kind, name + " " if name else "", ", ".join(
                (n or "<expression>") + (" DESC" if d else "") for n, d in keys))
            if not plain:
                # An expression, a condition or a collation: written anew, with the
                # same columns where they are columns, or left out with a reason.
                like = [k for k in found if len(k) == len(keys) and any(
                    f[0] == unique for f in found[k]) and all(
                        want[0] is None or have[0] is None or want[0] == have[0]
                        for want, have in zip(keys, k))]
                matched.update(like)
                if not like and not self.left_out(kind, table, name):
                    self.differ(table, label + " is missing, and not said to be left out")
                continue
            have = found.get(keys, set())
            if kind == "primary key":
                fine = any(f[1] for f in have)
                if not fine and self.has_null(table, keys, names):
                    fine = any(f[0] and not f[1] for f in have)
            elif unique:
                fine = any(f[0] and not f[2] for f in have)
            else:
                fine = any(not f[2] for f in have)
            if fine:
                matched.add(keys)
            elif not self.left_out(kind, table, name if kind == "index" else None) or not self.excused(table, keys, unique):
                self.differ(table, label + " is missing")
        for keys in found.keys() - matched:
            for f in found[keys]:
                if not any(text.lstrip("(").startswith(("lower(", "rtrim(")) for text in f[4]):
                    self.differ(table, "index %s has no counterpart in the file" % f[3])
        self.compare_not_null(table, columns)

    def compare_not_null(self, table, columns):
        alias = self.source.ask(
            "SELECT name FROM pragma_table_info(?) WHERE pk = 1 AND upper(type) = 'INTEGER' "
            "AND (SELECT count(*) FROM pragma_table_info(?) WHERE pk > 0) = 1 "
            "AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?) WHERE origin = 'pk')", table, table, table)
        for name, not_null in self.source.ask('SELECT name, "notnull" FROM pragma_table_xinfo(?)', table):
            column = next((c for c in columns if c["source"] == name), None)
            if column is None:
                continue
            counts = column["identity"] if column["type"] in ("int2", "int4", "int8") else column["counts"]
            if (name,) in alias and not counts:
                self.differ(table, "%s was an INTEGER PRIMARY KEY and does not count on" % name)
            if not_null and not column["not_null"] and not self.source.ask(
                    "SELECT 1 FROM %s WHERE %s IS NULL LIMIT 1" % (sqlite_name(table), sqlite_name(name))):
                self.differ(table, "%s lost its NOT NULL" % name)

    ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}

    def source_foreign_keys(self, table, names):
        keys = collections.OrderedDict()
        for row in self.source.ask(
                'SELECT id, seq, "table", "from", "to", on_update, on_delete '
                "FROM pragma_foreign_key_list(?) ORDER BY id, seq", table):
            keys.setdefault(row[0], []).append(row)
        tables = {folded(t): t for t in self.tables}
        for number, parts in keys.items():
            parent = tables.get(folded(parts[0][2]))
            if parent is None:
                yield number, None, False
                continue
            parent_names = {folded(c["source"]): c["target"] for c in self.columns(parent)}
            to = [p[4] for p in parts]
            if to[0] is None:
                info = self.source.ask("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", parent)
                to = [row[0] for row in info]
            if len(to) != len(parts) or any(folded(n) not in parent_names for n in to) \
                    or any(folded(p[3]) not in names for p in parts):
                yield number, None, False
                continue
            pairs = tuple(sorted((names[folded(p[3])], parent_names[folded(n)]) for p, n in zip(parts, to)))
            yield number, (pairs, self.tables[parent]["target_table"], parts[0][5], parts[0][6]), \
                not self.has_orphans(table, parent, pairs)

    def key_rows(self, table, targets):
        """The values of some columns, as the target's types have them, a tuple a row."""
        columns = {c["target"]: c for c in self.columns(table)}
        columns = [columns[target] for target in targets]
        readers = [reader_for(c) for c in columns]
        for row in self.source.rows(table, [c["source"] for c in columns]):
            yield tuple(None if cls == "null" else reader(cls, value) for reader, (cls, value) in zip(readers, row))

    def has_orphans(self, table, parent, pairs):
        """Whether a row has no parent, by equality of the target's types.  (SQLite's own check
        also has '01' for the parent 1, and the parent's collation.)"""
        try:
            found = set(self.key_rows(parent, [theirs for _, theirs in pairs]))
            return any(None not in row and row not in found
                       for row in self.key_rows(table, [mine for mine, _ in pairs]))
        except Misfit:
            return False  # told by compare_rows()

    def compare_foreign_keys(self, table, names):
        expected = list(self.source_foreign_keys(table, names))
        self.done["foreign keys"] += len(expected)
        found = {}
        deferrable = deferred = 0
        for row in rows_of("""
                SELECT c.confupdtype AS upd, c.confdeltype AS del, c.condeferrable, c.condeferred,
                       c.convalidated, format('%%I.%%I', n.nspname, p.relname) AS parent,
                       (SELECT json_agg(json_build_array(a.attname, b.attname))
                        FROM generate_subscripts(c.conkey, 1) k
                        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[k]
                        JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[k]) AS pairs
                FROM pg_constraint c JOIN pg_class p ON p.oid = c.confrelid
                JOIN pg_namespace n ON n.oid = p.relnamespace
                WHERE c.contype = 'f' AND c.conrelid = %s::regclass"""
                           % literal(self.tables[table]["target_table"])):
            key = (tuple(sorted(map(tuple, row["pairs"]))), row["parent"],
                   self.ACTIONS[row["upd"]], self.ACTIONS[row["del"]])
            found[key] = row["convalidated"]
            deferrable += row["condeferrable"]
            deferred += row["condeferred"]
        wanted = set()
        for _, key, clean in expected:
            if key is None or key not in found:
                if not self.left_out("foreign key", table) or (key and clean and not self.odd_parent(key)):
                    self.differ(table, "foreign key %s is missing" % (key,))
                continue
            wanted.add(key)
            if found[key] != clean:
                self.differ(table, "foreign key %s: validated is %s, and the file has %s orphans" % (
                    key, found[key], "no" if clean else "some"))
        for key in found.keys() - wanted:
            self.differ(table, "foreign key %s has no counterpart in the file" % (key,))
        if len(wanted) == len(expected):
            self.compare_deferrability(table, deferrable, deferred)

    def odd_parent(self, key):
        """Whether the parent's columns have no unique key in the target (nor then in the file)."""
        parent = next(s for s, t in self.tables.items() if t["target_table"] == key[1])
        columns = sorted(pair[1] for pair in key[0])
        return not any(f[0] and not f[2] and sorted(n or "" for n, _ in keys) == columns
                       for keys, fs in self.target_keys(parent).items() for f in fs)

    def compare_deferrability(self, table, deferrable, deferred):
        """SQLite's pragmas do not show it: count the words in the table's SQL."""
        sql = self.source.ask("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", table)[0][0]
        sql = re.sub(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^]]*\]", " x ", sql, flags=re.S)
        sql = re.sub(r"\bNOT\s+DEFERRABLE(\s+INITIALLY\s+\w+)?", " ", sql, flags=re.I)
        for word, have in ((r"\bDEFERRABLE\b", deferrable), (r"\bINITIALLY\s+DEFERRED\b", deferred)):
            want = len(re.findall(word, sql, flags=re.I))
            if want != have:
                self.differ(table, "%d foreign keys are %s, %d in the file" % (
                    have, word.strip("\\b").replace("\\s+", " "), want))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("file")
    parser.add_argument("--schema", default="public")
    parser.add_argument("--quiet", action="store_true", help="no summary when all is equal")
    args = parser.parse_args()
    runs = rows_of("SELECT max(id) AS id FROM sqlite_mig.migration WHERE target_schema = %s"
                   % literal(args.schema))
    if runs[0]["id"] is None:
        sys.exit("no migration into schema %s is recorded" % args.schema)
    source = Source(args.file)
    try:
        comparison = Comparison(source, args.schema, runs[0]["id"])
        comparison.run()
    finally:
        source.close()
    if comparison.differences or not args.quiet:
        print("compared %s: %s" % (
            ", ".join("%d %s" % (n, what) for what, n in comparison.done.items()),
            "%d differences" % comparison.differences if comparison.differences else "all equal"))
    sys.exit(1 if comparison.differences else 0)


if __name__ == "__main__":
    main()
