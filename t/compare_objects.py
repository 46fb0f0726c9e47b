#!/usr/bin/env python3
"""compare_objects.py: do views, CHECKs, index predicates and generated columns keep their meaning?

    compare_objects.py file.db [--schema public]

Reads what the latest run recorded in sqlite_mig.migration_object and compares, SQLite
against PostgreSQL: the rows of every view, the number of rows that satisfy every CHECK
and every WHERE of a partial index, and that generated columns are computed.  Values
are read by compare.py, which knows nothing of the extension's code.  Prints what was
left out, with its reason, and the share; exit status 1 on a difference.
"""

import collections
import re
import sqlite3
import sys
import time

import compare

VIEW_SECONDS = 10  # a sample has a view without an end

def objects(schema):
    return compare.rows_of(
        "SELECT kind, source_table, name, source_sql, target_sql, status, note FROM sqlite_mig.migration_object "
        "WHERE migration_id = (SELECT max(id) FROM sqlite_mig.migration WHERE target_schema = %s)"
        % compare.literal(schema))


def view_columns(schema, view):
    return compare.rows_of(
        "SELECT a.attname AS target, t.typname AS type, NULL AS reading FROM pg_attribute a "
        "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid "
        "WHERE c.relnamespace = %s::regnamespace AND c.relname = %s AND a.attnum > 0 ORDER BY a.attnum"
        % (compare.literal(compare.pg_name(schema)), compare.literal(view)))


def rounded(row):
    """Sums of doubles depend on their order: compared to 12 digits."""
    import struct
    return tuple("%.12g" % struct.unpack(">d", bytes.fromhex(v[1]))[0]
                 if isinstance(v, tuple) and len(v) == 2 and v[0] == "float8"
                 else "%.12g" % v if type(v).__name__ == "Decimal" else v for v in row)


def compare_view(source, schema, item):
    target = re.match(r'CREATE VIEW (?:"(?:[^"]|"")*"|[^".]+)\.("(?:[^"]|"")*"|[^ (]+) \(', item["target_sql"]).group(1)
    if target.startswith('"'):
        target = target[1:-1].replace('""', '"')
    columns = view_columns(schema, target)
    names = [c[1] for c in source.ask("PRAGMA table_info(%s)" % compare.sqlite_name(item["name"]))]
    if len(names) != len(columns):
        return "%d columns in SQLite, %d in PostgreSQL" % (len(names), len(columns))
    for column, name in zip(columns, names):
        column["source"] = name
    readers = [compare.reader_for(c) for c in columns]
    expected = collections.Counter()
    end = time.monotonic() + VIEW_SECONDS
    source.db.set_progress_handler(lambda: time.monotonic() > end, 100000)
    for row in source.rows(item["name"], names):
        expected[rounded(tuple(None if cls == "null" else read(cls, value)
                               for read, (cls, value) in zip(readers, row)))] += 1
    found = collections.Counter(map(rounded, compare.target_rows(
        "%s.%s" % (compare.pg_name(schema), compare.pg_name(target)), columns)))
    if expected != found:
        return "only in SQLite: %s; only in PostgreSQL: %s" % (
            list((expected - found).items())[:3], list((found - expected).items())[:3])
    return None


def count_both(source, source_table, source_condition, target_table, target_condition):
    here = source.ask("SELECT count(*) FROM %s WHERE %s" % (compare.sqlite_name(source_table), source_condition))[0][0]
    there = int(compare.psql("SELECT count(*) FROM %s WHERE %s" % (target_table, target_condition)))
    return None if here == there else "%d rows in SQLite, %d in PostgreSQL" % (here, there)


def compare_check(source, item):
    if item["target_sql"] is None:
        return None  # implied by the type
    found = re.fullmatch(r"ALTER TABLE (.*?) ADD CONSTRAINT .*? CHECK \((.*)\)(?: NOT VALID)?", item["target_sql"], re.S)
    return count_both(source, item["source_table"], item["source_sql"], found.group(1), found.group(2))


def compare_index(source, item):
    where = re.search(r"\)\s*WHERE\s+(.*)$", item["source_sql"] or "", re.S | re.I)
    if where is None:
        return None
    found = re.search(r" ON (.*?) \(.*?\) WHERE (.*)$", item["target_sql"], re.S)
    return count_both(source, item["source_table"], where.group(1), found.group(1), found.group(2))


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    schema = "public"
    if "--schema" in sys.argv:
        schema = sys.argv[sys.argv.index("--schema") + 1]
        arguments.remove(schema)
    source = compare.Source(arguments[0])
    done = left_out = failed = 0
    for item in objects(schema):
        if item["kind"] not in ("view", "check", "index", "default", "generated column"):
            continue
        if item["status"] == "left_out":
            left_out += 1
            print("left out: %s %s of %s: %s" % (item["kind"], item["name"] or "", item["source_table"], item["note"]))
            continue
        done += 1
        problem = None
        if item["kind"] == "view":
            try:
                problem = compare_view(source, schema, item)
            except sqlite3.OperationalError as error:
                if "interrupted" not in str(error):
                    raise
                print("view %s has no end and is not compared" % item["name"])
            source.db.set_progress_handler(None, 0)
        elif item["kind"] == "check":
            problem = compare_check(source, item)
        elif item["kind"] == "index":
            problem = compare_index(source, item)
        if problem:
            failed += 1
            print("%s %s of %s differs: %s\n    %s" % (item["kind"], item["name"] or "", item["source_table"], problem,
                                                        item["target_sql"]))
    source.close()
    print("%d taken over, %d left out (%d%%), %d differ" %
          (done, left_out, round(100 * left_out / max(done + left_out, 1)), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
