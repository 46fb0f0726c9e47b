"""The SQL parser against SQLite itself.

    test_parse.py PARSE_DUMP CORPUS [FILE.db ...]

Prints TAP.  Written cases are in cases/, one a line.  Nothing is expected that SQLite
has not said:

- expressions and SELECTs are parsed and printed with every operator in
  parentheses; SQLite must compile original and print to the same program
  (EXPLAIN) and, for expressions, compute the same values;
- random expressions without parentheses, from a fixed seed, so that every pair of
  operators meets; and random heaps of tokens, where SQLite and the parser must
  agree on what is a syntax error at all;
- CREATE statements are run in SQLite; columns, types, defaults, keys, foreign keys
  and indexes must be what the PRAGMAs say;
- the same for each statement of the corpus, and of the SQLite files given.
"""

import json
import pathlib
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

DUMP, CORPUS, *FILES = sys.argv[1:]
CASES = pathlib.Path(__file__).parent / "cases"


# ---------------------------------------------------------------- TAP and the parser

class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def ok(self, good, name, why=""):
        self.count += 1
        if not good:
            self.failed += 1
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}".replace("\n", " "))
        if not good:
            for line in str(why).splitlines()[:20]:
                print("#  " + line[:400])

    def done(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)


tap = Tap()


def parse(records):
    """What the parser makes of (letter, sql) records."""
    data = b"".join(kind.encode() + sql.encode("utf-8", "surrogateescape") + b"\0"
                    for kind, sql in records)
    run = subprocess.run([DUMP], input=data, capture_output=True)
    lines = run.stdout.decode("utf-8", "surrogateescape").splitlines()
    if run.returncode != 0 or len(lines) != len(records):
        raise SystemExit(f"Bail out!  parse_dump: status {run.returncode}, {len(lines)} lines "
                         f"for {len(records)} records: {run.stderr[:500]!r}")
    return [json.loads(line) for line in lines]


def cases(name):
    return [line for line in (CASES / (name + ".txt")).read_text().split("\n") if line != ""]


def connect(path=":memory:"):
    db = sqlite3.connect(path, isolation_level=None)
    db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    db.create_function("regexp", 2, lambda p, s: None)
    return db


def rows_of(db, sql):
    """The rows, or the error's message."""
    try:
        return [tuple(repr(v) for v in row) for row in db.execute(sql)]
    except (sqlite3.Error, sqlite3.Warning) as error:
        return str(error)


def program(db, sql):
    return rows_of(db, "EXPLAIN " + sql)


# ---------------------------------------------------------------- expressions

# What an expression may name: t has columns of every affinity and rows of every class.
EXPRESSION_SCHEMA = """
CREATE TABLE t(a INTEGER, b TEXT COLLATE NOCASE, c REAL, d NUMERIC, e BLOB, "left" INT, j TEXT);
INSERT INTO t VALUES (1, 'x', 2.5, '12', x'00ff', 3, '{"a":[1,2,{"b":"c"}]}');
INSERT INTO t VALUES (NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO t VALUES (-7, 'A%b', -0.5, 'abc', '', 0, '[]');
INSERT INTO t VALUES (9223372036854775807, '', 1e300, 7, 5, 64, 'null');
CREATE TABLE u(k INTEGER PRIMARY KEY, v TEXT);
INSERT INTO u VALUES (1, 'one'), (2, 'two'), (7, NULL);
"""

def expression_statement(text):
    # a comment without an end must not swallow the FROM
    return f"SELECT {text}\n FROM t"


def refused_by_grammar(answer):
    return isinstance(answer, str) and re.search(
        r"syntax error|unrecognized token|incomplete input|unknown join type|clause should come|"
        r"required before", answer) is not None


def same_program(db, original, printed):
    return program(db, original) == program(db, printed)


def expressions_db():
    db = connect()
    db.executescript(EXPRESSION_SCHEMA + "CREATE TABLE single AS SELECT k FROM u;")
    return db


def test_expressions():
    db = expressions_db()
    texts = cases("expressions")
    for text, parsed in zip(texts, parse([("E", text) for text in texts])):
        # alone in parentheses, so that nothing around it can be drawn in
        alone = f"SELECT ({text}\n) FROM t"
        answer = rows_of(db, alone)
        if "error" in parsed:
            tap.ok(refused_by_grammar(answer) or ", " in text, f"refused: {text}",
                   f"SQLite: {answer}\nparser: {parsed['error']} at {parsed['offset']}")
        elif refused_by_grammar(answer):
            # digit separators are newer than some SQLite
            tap.ok(text == "1_000", f"taken though SQLite refuses it: {text}", f"SQLite: {answer}")
        else:
            printed = f"SELECT ({parsed['expr']}) FROM t"
            again = rows_of(db, printed)
            same = answer == again and same_program(db, alone, printed)
            # refused for its meaning, in both forms
            refused = isinstance(answer, str) and isinstance(again, str)
            tap.ok(same or refused, f"expression: {text}",
                   f"printed: {parsed['expr']}\nSQLite: {answer}\nprinted: {again}")


OPERATORS = """OR AND = == <> != < <= > >= IS IS_NOT & | << >> + - * / % || -> ->> LIKE NOT_LIKE
    GLOB IS_DISTINCT_FROM IS_NOT_DISTINCT_FROM""".split()
PREFIXES = ["NOT", "-", "+", "~"]
POSTFIXES = ["ISNULL", "NOTNULL", "NOT NULL", "COLLATE nocase", "IN (1, 2)", "NOT IN (b)",
             "IS NULL", "IS NOT NULL", "IN single"]
OPERANDS = ["a", "b", "c", "d", "t.e", "1", "'x'", "2.5", "NULL", "x'31'", "abs(a)",
            "CASE a WHEN 1 THEN b END", "(a, b) = (c, d)"]


def random_expression(rng, size):
    text = ""
    for n in range(size):
        for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
            text += rng.choice(PREFIXES) + " "
        text += rng.choice(OPERANDS[:-1])
        while rng.random() < 0.2:
            text += " " + rng.choice(POSTFIXES)
        if n < size - 1:
            kind = rng.random()
            if kind < 0.12:
                text += rng.choice([" BETWEEN ", " NOT BETWEEN "]) + rng.choice(OPERANDS[:-1]) + \
                    rng.choice(["", " + 1", " < 2", " = 3", " ISNULL"]) + " AND "
            elif kind < 0.2:
                text += " LIKE " + rng.choice(OPERANDS[:-1]) + " ESCAPE "
            else:
                text += " " + rng.choice(OPERATORS).replace("_", " ") + " "
    return text


def test_random_expressions(rounds=4000):
    db = expressions_db()
    rng = random.Random(20240501)
    texts = [random_expression(rng, rng.randint(2, 7)) for _ in range(rounds)]
    bad = []
    compiled = 0
    for text, parsed in zip(texts, parse([("E", text) for text in texts])):
        answer = program(db, expression_statement(text))
        if "error" in parsed:
            if not refused_by_grammar(answer):
                bad.append(f"{text}\n  parser: {parsed['error']} at {parsed['offset']}")
        elif refused_by_grammar(answer):
            bad.append(f"{text}\n  SQLite: {answer}")
        else:
            compiled += not isinstance(answer, str)
            if answer != program(db, expression_statement(parsed["expr"])):
                bad.append(f"{text}\n  printed: {parsed['expr']}")
    tap.ok(not bad, f"{rounds} random expressions compile to the same program", "\n".join(bad[:8]))
    tap.ok(compiled > rounds * 0.8, f"{compiled} of them compile at all")


TOKENS = """a b t u k v 1 2.5 'x' "b" ( ( ( ) ) ) , . * + - || -> = < AND OR NOT IS NULL ISNULL IN LIKE
    ESCAPE BETWEEN CASE WHEN THEN ELSE END CAST AS SELECT FROM WHERE GROUP BY ORDER LIMIT OFFSET
    UNION ALL VALUES WITH JOIN LEFT OUTER NATURAL CROSS ON USING DISTINCT EXISTS COLLATE nocase
    OVER FILTER WINDOW PARTITION ROWS RANGE CURRENT ROW UNBOUNDED PRECEDING DESC NULLS FIRST
    INDEXED count HAVING TRUE CURRENT_DATE RAISE IGNORE KEY EXCEPT MATERIALIZED RECURSIVE""".split()

SELECT_BASE = [
    "SELECT a , b AS x FROM t AS t1 LEFT JOIN u ON a = k WHERE a IN ( 1 , 2 ) ORDER BY 1 DESC LIMIT 1",
    "WITH x ( n ) AS ( SELECT 1 UNION ALL SELECT n + 1 FROM x LIMIT 5 ) SELECT * FROM x",
    "SELECT count ( * ) FILTER ( WHERE a ) OVER w FROM t WINDOW w AS ( PARTITION BY b ORDER BY a )",
    "SELECT t.* , CASE a WHEN 1 THEN 2 ELSE 3 END FROM t NATURAL JOIN ( SELECT * FROM u ) AS s",
    "SELECT a FROM t , u CROSS JOIN t AS t2 USING ( a ) GROUP BY a HAVING a NOT BETWEEN 1 AND 2",
    "VALUES ( 1 , 2 ) , ( 3 , 4 )",
    "SELECT DISTINCT CAST ( a AS TEXT ) COLLATE nocase FROM ( t JOIN u ) EXCEPT SELECT v FROM u",
    "SELECT sum ( a ) OVER ( ORDER BY a ROWS BETWEEN 1 PRECEDING AND CURRENT ROW ) FROM t",
]


def mutated(rng, text, words):
    """A statement with a few tokens dropped, doubled, swapped or put in."""
    tokens = text.split(" ")
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        i = rng.randrange(len(tokens))
        how = rng.randrange(4)
        if how == 0 and len(tokens) > 1:
            del tokens[i]
        elif how == 1:
            tokens.insert(i, rng.choice(words))
        elif how == 2:
            tokens[i] = rng.choice(words)
        else:
            j = rng.randrange(len(tokens))
            tokens[i], tokens[j] = tokens[j], tokens[i]
    return " ".join(tokens)


def test_random_selects(rounds=6000):
    db = expressions_db()
    rng = random.Random(77)
    texts = [mutated(rng, rng.choice(SELECT_BASE), TOKENS) for _ in range(rounds)]
    bad = []
    taken = 0
    for text, parsed in zip(texts, parse([("V", "CREATE VIEW x AS " + text) for text in texts])):
        answer = program(db, text)
        if not text.startswith(("SELECT", "VALUES", "WITH")):
            continue
        if "error" in parsed:
            if not refused_by_grammar(answer):
                bad.append(f"{text}\n  parser: {parsed['error']} at {parsed['offset'] - 17}\n"
                           f"  SQLite: {str(answer)[:100]}")
        elif refused_by_grammar(answer):
            bad.append(f"{text}\n  SQLite: {answer}")
        else:
            taken += 1
            again = program(db, parsed["select"])
            if answer != again and not (isinstance(answer, str) and isinstance(again, str)):
                bad.append(f"{text}\n  printed: {parsed['select']}\n  {again}"[:600])
    tap.ok(not bad, f"{rounds} mutilated SELECTs: SQLite and the parser agree ({taken} are valid)",
           "\n".join(bad[:8]))


# ---------------------------------------------------------------- SELECT

def selects_db():
    db = expressions_db()
    db.execute("CREATE INDEX ta ON t(a)")
    return db


def test_selects():
    db = selects_db()
    texts = cases("selects")
    for text, parsed in zip(texts, parse([("V", "CREATE VIEW x AS " + t) for t in texts])):
        answer = program(db, text)
        if "error" in parsed:
            tap.ok(refused_by_grammar(answer) or "; SELECT" in text, f"refused: {text}",
                   f"SQLite: {answer}\nparser: {parsed['error']} at {parsed['offset'] - 17}")
        elif refused_by_grammar(answer):
            tap.ok(False, f"taken though SQLite refuses it: {text}", f"SQLite: {answer}")
        else:
            # what SQLite refuses for its meaning, it refuses in both forms
            again = program(db, parsed["select"])
            tap.ok(answer == again or isinstance(answer, str) and isinstance(again, str),
                   f"select: {text}", f"printed: {parsed['select']}\nSQLite: {answer}\n{again}")


# ---------------------------------------------------------------- CREATE

def statements(name):
    """One a line; a line that does not begin with CREATE goes on with the one before."""
    found = []
    for line in cases(name):
        if line.startswith(("CREATE", "create")):
            found.append(line)
        else:
            found[-1] += "\n" + line
    return found


def of_kind(column, kind):
    return [c for c in column["constraints"] if c["kind"] == kind]


def text_or_none(text):
    return text if text else None


def fold(name):
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in name)


def expected_columns(db, name):
    """name, type, not null, default, primary key, hidden of each column, by the PRAGMA."""
    return [(r[1], text_or_none(r[2]), r[3], r[4], r[5], r[6])
            for r in db.execute("SELECT * FROM pragma_table_xinfo(?)", (name,))]


def parsed_columns(table):
    keys = {}
    for constraint in of_kind(table, "primary key"):
        keys = {}
        for n, key in enumerate(constraint["columns"]):
            keys.setdefault(fold(key["column"]), n + 1)
    columns = []
    for column in table["columns"]:
        generated = of_kind(column, "generated")
        default = of_kind(column, "default")
        key = 1 if of_kind(column, "primary key") else keys.get(fold(column["name"]), 0)
        # SQLite adds NOT NULL to keys, the rowid's apart, where it can do without old habits
        implied = key and (table["without_rowid"] or table["strict"] and column["type"] != "INTEGER")
        not_null = bool(of_kind(column, "not null")) or bool(implied)
        columns.append((column["name"], column["type"], int(not_null),
                        default[-1]["sql"] if default else None, key,
                        0 if not generated else 3 if generated[-1]["stored"] else 2))
    return columns


def expected_foreign_keys(db, name):
    keys = {}
    for number, _, parent, child, to, update, delete, _ in db.execute(
            "SELECT * FROM pragma_foreign_key_list(?) ORDER BY id DESC, seq", (name,)):
        keys.setdefault(number, [parent, [], [], update, delete])
        keys[number][1].append(child)
        keys[number][2].append(to)
    return list(keys.values())


def parsed_foreign_keys(table):
    names = {fold(c["name"]): c["name"] for c in table["columns"]}
    keys = []

    def add(constraint, children):
        children = [names[fold(c)] for c in children]
        keys.append([constraint["parent"], children,
                     constraint["parent_columns"] or [None] * len(children),
                     constraint["on_update"] or "NO ACTION", constraint["on_delete"] or "NO ACTION"])

    for column in table["columns"]:
        for constraint in of_kind(column, "foreign key"):
            add(constraint, [column["name"]])
    for constraint in of_kind(table, "foreign key"):
        add(constraint, constraint["child_columns"])
    return keys


def expected_unique(db, name):
    """The columns of each automatic index, as a sorted list."""
    found = []
    for _, index, _, origin, _ in db.execute("SELECT * FROM pragma_index_list(?)", (name,)):
        if origin != "c":
            found.append([r[0] for r in db.execute(
                "SELECT name FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno", (index,))])
    return sorted(found)


def parsed_unique(table, expected):
    """What must be among them; SQLite merges equal ones and has none for the rowid."""
    names = {fold(c["name"]): c["name"] for c in table["columns"]}
    found = []
    for column in table["columns"]:
        if of_kind(column, "unique"):
            found.append([column["name"]])
    for constraint in of_kind(table, "unique"):
        found.append([names[fold(c["column"])] for c in constraint["columns"]])
    return [columns for columns in found if columns not in expected]


def table_differences(db, name, table):
    pairs = [(expected_columns(db, name), parsed_columns(table)),
             (expected_foreign_keys(db, name), parsed_foreign_keys(table)),
             ([], parsed_unique(table, expected_unique(db, name)))]
    return "\n".join(f"SQLite: {e}\nparser: {p}" for e, p in pairs if e != p)


def stored(db, kind):
    return db.execute("SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = ? "
                      "AND name NOT LIKE 'sqlite%' UNION ALL SELECT name, tbl_name, sql FROM sqlite_temp_schema WHERE type = ?",
                      (kind, kind)).fetchone()


def test_tables():
    for sql in statements("tables"):
        db = connect()
        try:
            db.execute(sql)
        except sqlite3.Error as error:
            tap.ok(False, f"test's own table: {sql}", error)
            continue
        name, _, kept = stored(db, "table")
        for text, table in zip((sql, kept), parse([("T", sql), ("T", kept)])):
            if "error" in table:
                tap.ok(False, f"table: {text}", f"{table['error']} at {table['offset']}")
            else:
                why = table_differences(db, name, table)
                tap.ok(table["name"] == name and why == "", f"table: {text}", why)


def test_refused():
    for letter, name in (("T", "tables_refused"), ("I", "indexes_refused")):
        for sql in statements(name):
            db = connect()
            if letter == "I":
                db.execute("CREATE TABLE t(a, b, c)")
            answer = rows_of(db, sql)
            parsed = parse([(letter, sql)])[0]
            tap.ok(isinstance(answer, str) and "error" in parsed, f"refused: {sql}",
                   f"SQLite: {answer}\nparser: {parsed}")


def index_differences(db, name, index):
    expected = [(r[2], r[3], r[4]) for r in db.execute(
        "SELECT * FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno", (name,))]
    collations = {}
    columns = {}
    for column, (column_name, _, collation) in zip(index["columns"], expected):
        columns[fold(column_name or "")] = column_name
        collations[fold(column_name or "")] = collation
    parsed = []
    for column in index["columns"]:
        key = fold(column["column"] or "")
        if key not in columns:
            key = ""			# rowid, or a double-quoted string
        parsed.append((columns.get(key), int(column["descending"]),
                       column["collation"] if column["collation"] else None))
    expected = [(n, d, c if p[2] is not None else None) for (n, d, c), p in zip(expected, parsed)]
    folded = [[(n, d, c and fold(c)) for n, d, c in side] for side in (expected, parsed)]
    return "" if folded[0] == folded[1] else f"SQLite: {expected}\nparser: {parsed}"


def test_indexes():
    for sql in statements("indexes"):
        db = connect()
        db.execute("CREATE TABLE t(a INT, b TEXT, c)")
        db.execute(sql)
        name, table, kept = stored(db, "index")
        unique, partial = db.execute(
            'SELECT "unique", partial FROM pragma_index_list(?) WHERE name = ?',
            (table, name)).fetchone()
        for text, index in zip((sql, kept), parse([("I", sql), ("I", kept)])):
            if "error" in index:
                tap.ok(False, f"index: {text}", f"{index['error']} at {index['offset']}")
                continue
            why = index_differences(db, name, index)
            tap.ok(why == "" and index["name"] == name and index["table"] == table and
                   index["unique"] == bool(unique) and ("where" in index) == bool(partial),
                   f"index: {text}", why or index)


def test_deferrable():
    clauses = ["", "DEFERRABLE", "NOT DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED",
               "DEFERRABLE INITIALLY IMMEDIATE", "NOT DEFERRABLE INITIALLY DEFERRED",
               "NOT DEFERRABLE INITIALLY IMMEDIATE"]
    shapes = ["CREATE TABLE t(a INT REFERENCES p(x) {}, b INT REFERENCES p(x))",
              "CREATE TABLE t(a INT REFERENCES p(x), b INT REFERENCES p(x) NOT NULL {} UNIQUE)",
              "CREATE TABLE t(a INT REFERENCES p(x), c INT {}, b INT REFERENCES p(x))",
              "CREATE TABLE t(a INT REFERENCES p(x), b INT, FOREIGN KEY(b) REFERENCES p(x) {})",
              "CREATE TABLE t(a INT, b INT, FOREIGN KEY(a) REFERENCES p(x) {} "
              "FOREIGN KEY(b) REFERENCES p(x))",
              "CREATE TABLE t(a INT REFERENCES p(x) {} DEFERRABLE INITIALLY DEFERRED, "
              "b INT REFERENCES p(x))"]
    for shape in shapes:
        for clause in clauses:
            sql = shape.format(clause)
            db = connect()
            db.execute("PRAGMA foreign_keys = on")
            db.execute("CREATE TABLE p(x INTEGER PRIMARY KEY)")
            db.execute(sql)
            table = parse([("T", sql)])[0]
            keys = {}
            for column in table["columns"]:
                for key in of_kind(column, "foreign key"):
                    keys[column["name"]] = key
            for key in of_kind(table, "foreign key"):
                keys[key["child_columns"][0]] = key
            # the other column gets a value that is no orphan
            expected = {}
            for child in keys:
                other = "b" if child == "a" else "a"
                db.execute("INSERT OR IGNORE INTO p VALUES (1)")
                db.execute("BEGIN")
                try:
                    db.execute(f"INSERT INTO t({child}, {other}) VALUES (99, 1)")
                    expected[child] = True
                except sqlite3.IntegrityError:
                    expected[child] = False
                db.execute("ROLLBACK")
            parsed = {c: k["initially_deferred"] for c, k in keys.items()}
            tap.ok(expected == parsed, f"deferred: {sql}", f"SQLite: {expected}\nparser: {parsed}")


def test_details():
    table = parse([("T", "CREATE TABLE t(a INT CONSTRAINT x CONSTRAINT y NOT NULL ON CONFLICT FAIL "
                    "CHECK (a > 0), b TEXT COLLATE NOCASE DEFAULT word, "
                    "CONSTRAINT z CHECK (b <> '' ), CONSTRAINT gone, UNIQUE (a, b))")])[0]
    a, b = table["columns"]
    tap.ok([(c["kind"], c["name"], c["on_conflict"]) for c in a["constraints"]] ==
           [("not null", "y", "FAIL"), ("check", None, None)], "names go with the next constraint", a)
    tap.ok([(c["kind"], c["name"]) for c in table["constraints"]] ==
           [("check", "z"), ("unique", None)], "a dangling name names nothing", table)
    tap.ok(table["constraints"][0]["sql"] == "b <> ''", "text of a CHECK", table)
    tap.ok(of_kind(b, "default")[0]["expr"] == "'word'", "a bare word is a string", b)
    tap.ok(of_kind(b, "collate")[0]["collation"] == "NOCASE", "collation", b)
    for sql, module in [("CREATE VIRTUAL TABLE v USING fts5(a, b, tokenize='x')", "fts5"),
                        ("CREATE VIRTUAL TABLE IF NOT EXISTS main.v USING \"rtree\" (id, a, b)", "rtree"),
                        ("CREATE VIRTUAL TABLE v USING m ( #! unbalanced ' ", "m"),
                        ("create virtual table v using x", "x"),
                        ("CREATE TABLE v(a)", None), ("", None), ("CREATE VIRTUAL TABLE", None)]:
        parsed = parse([("M", sql)])[0]
        tap.ok(parsed["module"] == module, f"module: {sql}", parsed)
    parsed = parse([("T", "CREATE TABLE t AS SELECT 1 AS a")])[0]
    tap.ok(parsed.get("as_select") == "SELECT 1 AS `a`", "CREATE TABLE AS SELECT", parsed)
    parsed = parse([("V", "CREATE VIEW v AS SELECT 1;;"), ("V", "CREATE VIEW v AS SELECT 1; SELECT 2")])
    tap.ok("error" not in parsed[0] and "error" in parsed[1], "semicolons at the end", parsed)
    parsed = parse([("V", "CREATE TEMP VIEW IF NOT EXISTS temp.v(a, \"b\") AS SELECT 1, 2;")])[0]
    tap.ok(parsed.get("name") == "v" and parsed.get("columns") == ["a", "b"], "view", parsed)
    parsed = parse([("E", "a +\n  'open")])[0]
    tap.ok(parsed == {"error": "quoted text has no end", "offset": 6}, "place of an error", parsed)
    parsed = parse([("E", "a = = b")])[0]
    tap.ok(parsed == {"error": 'syntax error near "="', "offset": 4}, "what an error shows", parsed)


TABLE_WORDS = """a b c d t p INT TEXT 'x' "b" `c` [d] ( ) , 1 - + 2.5 x'00' NULL NOT DEFAULT true CHECK UNIQUE
    PRIMARY KEY ASC DESC AUTOINCREMENT COLLATE nocase REFERENCES ON DELETE UPDATE CASCADE SET RESTRICT
    NO ACTION MATCH DEFERRABLE INITIALLY DEFERRED IMMEDIATE CONSTRAINT CONFLICT IGNORE REPLACE
    GENERATED ALWAYS AS STORED VIRTUAL FOREIGN CURRENT_DATE WITHOUT ROWID STRICT LEFT INDEXED IF
    /**/ ; . = window""".split()

TABLE_BASE = [
    "CREATE TABLE t ( a INTEGER PRIMARY KEY AUTOINCREMENT , b TEXT NOT NULL DEFAULT 'x' , c REAL )",
    "CREATE TABLE t ( a INT , b VARCHAR ( 10 ) COLLATE nocase UNIQUE , PRIMARY KEY ( a , b DESC ) )",
    "CREATE TABLE t ( a INT CHECK ( a > 0 ) , b AS ( a + 1 ) STORED , c INT GENERATED ALWAYS AS ( a ) )",
    "CREATE TABLE t ( a REFERENCES p ( x ) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED , b INT )",
    "CREATE TABLE t ( a , b , CONSTRAINT k FOREIGN KEY ( a ) REFERENCES p ON UPDATE CASCADE , UNIQUE ( b ) )",
    "CREATE TABLE t ( a DEFAULT - 1 , b DEFAULT ( 1 + 2 ) NOT NULL ON CONFLICT FAIL , c DEFAULT word )",
    "CREATE TABLE t ( a INT PRIMARY KEY , b ANY ) WITHOUT ROWID , STRICT",
]


def test_random_tables(rounds=6000):
    rng = random.Random(4242)
    texts = [mutated(rng, rng.choice(TABLE_BASE), TABLE_WORDS) for _ in range(rounds)]
    texts = [text for text in texts if re.match(r"CREATE TABLE\b", text)]
    bad = []
    taken = 0
    db = connect()
    for text, table in zip(texts, parse([("T", text) for text in texts])):
        answer = rows_of(db, text)
        if refused_by_grammar(answer):
            if "error" not in table:
                bad.append(f"{text}\n  SQLite: {answer}")
        elif not isinstance(answer, str):
            taken += 1
            name = stored(db, "table")[0]
            why = f"{table['error']} at {table['offset']}" if "error" in table else \
                table_differences(db, name, table)
            if why:
                bad.append(f"{text}\n  {why}")
            db.execute('DROP TABLE "' + name.replace('"', '""') + '"')
    tap.ok(not bad, f"{len(texts)} mutilated CREATE TABLEs: SQLite and the parser agree "
           f"({taken} are valid)", "\n".join(bad[:8]))


# ---------------------------------------------------------------- limits

def deep(records):
    started = time.monotonic()
    parsed = parse(records)
    return parsed, time.monotonic() - started


def test_limits():
    n = 200000
    nested = [("(" * n, "("), ("NOT " * n + "1", "NOT"), ("-" * 2 + " -" * n + "1", "-"),
              ("(" * n + "1" + ")" * n, "(...)"), ("1" + "+1" * n, "1+1+..."),
              ("1" + " AND 1" * n, "1 AND 1 ..."), ("1" + "||1" * n, "1||1||..."),
              ("1" + " IS NULL" * n, "IS NULL ..."), ("a" + " COLLATE x" * n, "COLLATE ..."),
              ("1+(" * n, "1+("), ("f(" * n, "f("), ("(SELECT " * n, "(SELECT"),
              ("CASE " * n, "CASE"), ("CASE WHEN " * n, "CASE WHEN"), ("a IN (" * n, "IN ("),
              ("1 BETWEEN " * n, "BETWEEN"), ("a LIKE " * n, "LIKE"), ("CAST(" * n, "CAST("),
              ("EXISTS (SELECT * FROM (" * n, "FROM ("), ("~" * n, "~"),
              ("1 = 1 < 1 & 1 + 1 * 1 || (" * (n // 10), "all levels"),
              ("f(a) OVER (PARTITION BY " * (n // 10), "OVER (")]
    parsed, seconds = deep([("E", text) for text, _ in nested])
    for (_, name), answer in zip(nested, parsed):
        tap.ok("error" in answer, f"too deep: {name}", answer)
    tap.ok(seconds < 60, f"deep texts end soon ({seconds:.1f} s)")

    parsed, _ = deep([("E", "1" + "+1" * 999), ("E", "1" + "+1" * 1000),
                      ("E", "(" * 500 + "1" + ")" * 500), ("E", "NOT " * 900 + "1"),
                      ("E", "1" + "+(1" * 400 + ")" * 400)])
    tap.ok(parsed[0].get("height") == 1000, "1000 levels are taken")
    tap.ok("error" in parsed[1], "1001 are not")
    tap.ok(all("error" not in p for p in parsed[2:]), "parentheses and prefixes of usual depth")
    # SQLite's own limit on the height, for comparison
    db = connect()
    tap.ok(not isinstance(rows_of(db, "SELECT 1" + "+1" * 999), str) and
           isinstance(rows_of(db, "SELECT 1" + "+1" * 1000), str), "which is SQLite's limit, too")

    size = 10 * 1000 * 1000
    long = [("E", "a IN (" + "1," * (size // 2) + "1)"), ("E", "'" + "x" * size + "'"),
            ("E", "1 /*" + "*" * size), ("E", "1 " + " " * size), ("E", '"' + '""' * (size // 2) + '"'),
            ("V", "CREATE VIEW v AS " + "SELECT 1 UNION ALL " * (size // 20) + "SELECT 1"),
            ("V", "CREATE VIEW v AS VALUES (1)" + ",(1)" * (size // 4)),
            ("T", "CREATE TABLE t(" + ",".join(f"c{i}{'x' * 290} INT DEFAULT {i} NOT NULL"
                                               for i in range(size // 320)) + ")"),
            ("T", "CREATE TABLE t(a" + " x" * (size // 2) + ")"),
            ("T", "CREATE TABLE t(a DEFAULT (" + "/* comment */ " * (size // 14) + "1))"),
            ("T", "CREATE TABLE t(a" + " CONSTRAINT x" * (size // 13) + ")"),
            ("E", "f(" + "window, over, filter, " * (size // 22) + "1)"),
            ("I", "CREATE INDEX i ON t(a) WHERE a IN (" + "'x'," * (size // 4) + "'')")]
    for record in long:
        answer, seconds = deep([record])
        tap.ok("error" not in answer[0] and seconds < 60,
               f"10 MB: {record[1][:30]}... ({seconds:.1f} s)", str(answer)[:200])


# ---------------------------------------------------------------- corpus and files

def check_statement(db, kind, name, sql, parsed):
    """Why the parse of an object of db is wrong; "" where it is right."""
    if "error" in parsed:
        return f"{parsed['error']} at {parsed['offset']}: {sql}"
    if kind == "table" and "module" in parsed:
        return ""
    if kind == "table":
        return table_differences(db, name, parsed)
    if kind == "index":
        return index_differences(db, name, parsed)
    # a view: its SELECT in both forms; views on missing tables fail in both
    select = re.sub(r"(?is)^create\s+view\s+.*?\bas\b", "", sql, count=1)
    first, second = program(db, select), program(db, parsed["select"])
    same = first == second or isinstance(first, str) and isinstance(second, str)
    return "" if same else f"{first}\n{second}\n{parsed['select']}"


def letter_of(kind, sql):
    if re.match(r"(?is)\s*create\s+virtual\b", sql):
        return "M"
    return {"table": "T", "index": "I", "view": "V"}[kind]


def test_corpus():
    paths = sorted(pathlib.Path(CORPUS).glob("*.sql"))
    texts = [path.read_bytes().decode("utf-8", "surrogateescape") for path in paths]
    kinds = [re.match(r"(?is)create\s+(?:unique\s+|virtual\s+)?(\w+)", t)[1].lower() for t in texts]
    answers = parse([(letter_of(k, t), t) for k, t in zip(kinds, texts)])
    tap.ok(len(paths) > 50, f"{len(paths)} statements in the corpus")
    for path, kind, sql, parsed in zip(paths, kinds, texts, answers):
        why = f"{parsed['error']} at {parsed['offset']}" if "error" in parsed else ""
        if why == "" and kind == "table" and "module" not in parsed and \
                not parsed["name"].startswith("sqlite_"):
            db = connect()
            db.execute(sql)
            why = table_differences(db, parsed["name"], parsed)
        tap.ok(why == "", f"corpus: {path.name}", why)


def test_file(path):
    # a copy, with the -wal that it may have
    with tempfile.TemporaryDirectory() as folder:
        for source in (path, path + "-wal"):
            if pathlib.Path(source).exists():
                shutil.copy(source, folder)
        check_file(pathlib.Path(folder) / pathlib.Path(path).name)


def check_file(path):
    db = connect(str(path))
    objects = db.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL "
                         "AND type <> 'trigger'").fetchall()
    answers = parse([(letter_of(kind, sql), sql) for kind, _, sql in objects])
    bad = []
    for (kind, name, sql), parsed in zip(objects, answers):
        why = check_statement(db, kind, name, sql, parsed)
        if why:
            bad.append(f"{kind} {name}: {why}")
    tap.ok(not bad, f"{len(objects)} statements of {path.name}", "\n".join(bad))
    db.close()


test_expressions()
test_random_expressions()
test_selects()
test_random_selects()
test_tables()
test_random_tables()
test_refused()
test_indexes()
test_deferrable()
test_details()
test_limits()
test_corpus()
for file in FILES:
    test_file(file)
tap.done()
