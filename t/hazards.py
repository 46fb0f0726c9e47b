#!/usr/bin/env python3
"""hazards.py: runs the cases of t/hazards/*.case, each a small SQLite file migrated.

    hazards.py file.case ...        prints TAP; PGHOST and PGPORT name the server

A case begins with a line "=== numbers: title", the numbers being those of the list
of hazards (differences between SQLite and PostgreSQL; docs/hazards.md is made from
the same files).  Then comes what must come out, in words, and sections:

    --- sqlite              SQL that the sqlite3 program makes the file from
    --- raw                 lines "hex SQL": the SQL run with a text of these bytes as ?1,
                            in the encoding of the UTF-16 file
    --- before              PostgreSQL SQL run first, in the case's schema
    --- settings            SET statements of the session that migrates
    --- encoding NAME       the target database's encoding, UTF8 if not said
    --- migrate             arguments of migrate(), as in SQL
    --- types               lines "table.column type": target types, as format_type()
                            writes them
    --- notes TABLE         regular expressions, a line each: one note of that source
                            table matches each; "!" before one: none does
    --- objects             lines "kind | table | name | status | regular expression
                            for the note"; an empty part matches anything; "!" before
                            a line: there is none
    --- rows QUERY          what psql prints for QUERY, NULL as "NULL", "|" between
    --- same QUERY          the same, and the section's text is a query for the
                            sqlite3 program that must print the same
    --- error SQLSTATE      migrate fails so, with a message that each line matches;
                            nothing is left in the schema
    --- fails SQLSTATE      the section's statements fail so after the migration
    --- inspect             lines "table.column | target type | regular expression
                            for a note", as sqlite_mig.inspect() tells beforehand
    --- not compared        why compare.py cannot compare this case
    --- test FILE           the case is shown by another test, which names the hazard

Expected values are written in the cases by hand, from the documented rule, or asked
from the sqlite3 program.  Beyond what a case lists, of every migrated case every
table must be verified, inspect() and a dry run must have told the types beforehand, and
compare.py, which shares no code with the extension, must find no difference.

A query's names are found in the case's schema.
"""

import os
import re
import subprocess
import sys
import tempfile

import utf16

HERE = os.path.dirname(os.path.abspath(__file__))
ANSWERS = ("types", "objects", "inspect", "notes", "rows", "same", "fails")


class Case:
    """One case: numbers, title, the outcome in words, and its sections in order."""

    def __init__(self, path, header):
        found = re.fullmatch(r"=== ([0-9, -]+): (.+)", header)
        if not found:
            sys.exit("%s: not a case's first line: %s" % (path, header))
        self.path = path
        self.numbers = []
        for part in found.group(1).split(","):
            first, _, last = part.strip().partition("-")
            self.numbers.extend(range(int(first), int(last or first) + 1))
        self.title = found.group(2)
        self.outcome = ""
        self.sections = []  # (word, argument, lines)

    def section(self, word):
        """(argument, text) of the section with that name, or None."""
        for name, argument, lines in self.sections:
            if name == word:
                return argument, "\n".join(lines)
        return None

    def text(self, word):
        found = self.section(word)
        return found[1] if found else ""

    def has_halves(self):
        """Whether a raw text ends within a character of UTF-16."""
        return any(len(line.split(" ")[0]) % 4 for line in self.text("raw").splitlines())


WORDS = ("sqlite", "raw", "before", "settings", "encoding", "migrate", "types", "notes", "objects", "rows",
         "same", "error", "fails", "inspect", "not compared", "test")


def read_cases(path):
    """The cases of one file."""
    cases = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if line.startswith("=== "):
                cases.append(Case(path, line))
            elif line.startswith("--- "):
                word = next((w for w in WORDS if line[4:] == w or line[4:].startswith(w + " ")), None)
                if word is None:
                    sys.exit("%s: unknown section: %s" % (path, line))
                cases[-1].sections.append((word, line[4 + len(word):].strip(), []))
            elif not cases:
                continue  # the file's own comment
            elif cases[-1].sections:
                cases[-1].sections[-1][2].append(line)
            else:
                cases[-1].outcome += " " + line
    for case in cases:
        case.outcome = " ".join(case.outcome.split())
        for _, _, lines in case.sections:
            while lines and not lines[-1].strip():
                lines.pop()
    return cases


class Failed(Exception):
    """A program that did not end well; its text is what it said."""


def run(command, text, env=None):
    done = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, env=env)
    if done.returncode != 0:
        raise Failed((done.stdout + done.stderr).decode(errors="backslashreplace"))
    return done.stdout.decode(errors="backslashreplace").rstrip("\n")


def literal(text):
    return "'" + text.replace("'", "''") + "'"


class Runner:
    """One case in its own schema, and what is wrong with it."""

    def __init__(self, case, number, folder):
        self.case = case
        self.wrong = []
        self.file = os.path.join(folder, "case_%d.db" % number)
        self.schema = "case_%d" % number
        encoding = case.section("encoding")
        self.database = "hazards_" + (encoding[0] if encoding else "UTF8").lower()
        client = "UTF8" if self.database != "hazards_sql_ascii" else "SQL_ASCII"
        self.env = dict(os.environ, PGDATABASE=self.database, PGCLIENTENCODING=client,
                        PGOPTIONS="-c search_path=%s -c client_min_messages=warning" % self.schema)

    def sqlite(self, sql):
        return run(["sqlite3", "-init", os.path.join(HERE, "lib", "sqlite3.init"), "-batch", "-bail", "-nullvalue", "NULL", self.file], sql)

    def psql(self, sql):
        return run(["psql", "-X", "-q", "-A", "-t", "-P", "null=NULL", "-v", "ON_ERROR_STOP=1",
                    "-v", "VERBOSITY=verbose", "-f", "-"], sql, self.env)

    def expect(self, good, text, *args):
        if not good:
            self.wrong.append(text % args if args else text)

    def call(self, function, dry=False):
        arguments = self.case.text("migrate").strip()
        if function == "inspect":
            found = re.search(r"types\s*=>\s*('(?:[^']|'')*')", arguments)
            return "sqlite_mig.inspect(%s, types => %s)" % (
                literal(self.file), found.group(1) if found else "'{}'")
        return "sqlite_mig.migrate(%s, target_schema => %s%s%s)" % (
            literal(self.file), literal(self.schema), ", " + arguments if arguments else "",
            ", dry_run => true" if dry else "")

    def prepare(self):
        self.sqlite(self.case.text("sqlite"))
        for line in self.case.text("raw").splitlines():
            raw, sql = line.split(" ", 1)
            code = utf16.execute(self.file, sql, self.sqlite("PRAGMA encoding"), bytes.fromhex(raw))
            self.expect(code == utf16.DONE, "%s gives %d", sql, code)
        if self.case.section("before"):
            self.psql("CREATE SCHEMA %s;\n%s" % (self.schema, self.case.text("before")))

    def fails(self, sql, sqlstate, patterns):
        try:
            self.psql(sql)
        except Failed as failure:
            said = str(failure)
            self.expect(re.search(r"ERROR:  %s: " % sqlstate, said), "expected %s, not %s", sqlstate, said)
            for pattern in patterns:
                self.expect(re.search(pattern, said), "the error does not say %s: %s", pattern, said)
        else:
            self.expect(False, "no error %s of: %s", sqlstate, sql)

    def migrate(self):
        """Runs it; whether it went well."""
        error = self.case.section("error")
        settings = self.case.text("settings")
        call = "%s\nSELECT %s, verified FROM %s" % (settings, self.figures(), self.call("migrate"))
        if error:
            self.fails(call, error[0], error[1].splitlines())
            left = self.psql("SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
                             % literal(self.schema))
            self.expect(self.case.section("before") or left == "0", "the failed call left relations")
            return False
        planned = self.psql("%s\nSELECT source_table || ': ' || replace(n, e'\\n', ' ') FROM %s, unnest(notes) n"
                            % (settings, self.call("migrate", dry=True))).splitlines()
        foretold = self.psql("%s\nSELECT %s FROM %s" % (settings, self.figures(), self.call("migrate", dry=True)))
        for figures, line in zip(foretold.splitlines(), self.psql(call).splitlines()):
            line, verified = line.rsplit("|", 1)
            self.expect(line == figures, "the dry run foretold %s, and it became %s", figures, line)
            table = line.split("|")[0]
            self.expect(verified == "t" or "verify =>" in call or "scope =>" in call
                        or "'skip'" in call, "table %s is not verified", table)
        self.said_before(planned)
        return True

    def figures(self):
        """The columns that a dry run and the run have in common; an existing table's sequence is not foreseen."""
        return "replace(source_table, e'\\n', ' ') || '|' || concat_ws('|', target_table, source_rows, target_rows, rejected_rows%s)" % (
            "" if self.case.section("before") else ", coalesce(sequence_value::text, 'none')")

    # What the run says with what it then knows, as a dry run says it.
    FORESEEN = (
        (r"(: Foreign key .*) is NOT VALID because of (.*) without a parent\..*", r"\1 will be NOT VALID because of \2 without a parent."),
        (r"(: Foreign key .*) without a parent rejected, see .*", r"\1 without a parent will be rejected."),
        (r"(: Check .*) is NOT VALID: (\d+ rows break it)\..*", r"\1 will be NOT VALID: \2."),
        (r"(: Rows) went (through INSERT instead of being written directly, since it has generated columns\.)", r"\1 will go \2"),
        (r"(: Column .* runs from .* in the source), and from .* here\.", r"\1."),
    )
    # What only the statement itself, or the second reading after widening, can tell.
    UNFORESEEN = (r": Left out: .* (Its values are not unique in PostgreSQL|PostgreSQL refused it): "
                  r"|: Constraint .* The index that keeps its collation was not made"
                  r"|: Column .* arrived equal but spelled in another way\."
                  r"|: Column .* runs from .* in the source\.")

    def said_before(self, planned):
        """A dry run says what the run then says."""
        done = self.psql("SELECT source_table || ': ' || replace(n, e'\\n', ' ') FROM sqlite_mig.migration_table, "
                         "unnest(notes) n WHERE migration_id = %s" % self.run_id()).splitlines()
        for pattern, foreseen in self.FORESEEN:
            done = [re.sub(pattern, foreseen, note) for note in done]
        planned = set(planned)
        done = {note for note in done if note in planned or not re.search(self.UNFORESEEN, note)}
        self.expect(planned == done, "the dry run says\n%s\nand the run\n%s",
                    "\n".join(sorted(planned - done)), "\n".join(sorted(done - planned)))

    def target_types(self):
        """(table.column of the source, target type) of each migrated column."""
        return dict(line.rsplit("|", 1) for line in self.psql(
            "SELECT replace(c.source_table || '.' || c.source_column, e'\\n', ' '), format_type(a.atttypid, a.atttypmod) "
            "FROM sqlite_mig.migration_column c JOIN sqlite_mig.migration_table t "
            "USING (migration_id, source_table) JOIN pg_attribute a "
            "ON a.attrelid = t.target_table::regclass AND a.attname = c.target_column "
            "WHERE migration_id = %s" % self.run_id()).splitlines())

    def run_id(self):
        return "(SELECT max(id) FROM sqlite_mig.migration WHERE target_schema = %s)" % literal(self.schema)

    def check_types(self, _, lines):
        types = self.target_types()
        for line in lines:
            name, wanted = line.split(None, 1) if not line.startswith('"') else line[1:].split('" ', 1)
            self.expect(types.get(name) == wanted, "%s is %s, not %s", name, types.get(name), wanted)

    def check_notes(self, table, lines):
        notes = self.psql("SELECT unnest(notes) FROM sqlite_mig.migration_table WHERE migration_id = %s "
                          "AND source_table = %s" % (self.run_id(), literal(table)))
        for line in lines:
            found = re.search(line.lstrip("!"), notes, re.M)
            self.expect(bool(found) != line.startswith("!"), "notes of %s, which should%s say %s:\n%s",
                        table, " not" if line.startswith("!") else "", line.lstrip("!"), notes)

    def check_objects(self, _, lines):
        rows = [line.split("\x1f") for line in self.psql(
            "SELECT concat_ws(e'\\x1f', kind, coalesce(source_table, ''), coalesce(name, ''), status, "
            "replace(coalesce(note, ''), e'\\n', ' ')) "
            "FROM sqlite_mig.migration_object WHERE migration_id = %s" % self.run_id()).splitlines()]
        for line in lines:
            wanted = [part.strip() for part in line.lstrip("!").split("|", 4)]
            wanted += [""] * (5 - len(wanted))
            found = [row for row in rows
                     if all(not want or want == have for want, have in zip(wanted[:4], row))
                     and re.search(wanted[4], row[4])]
            self.expect(bool(found) != line.startswith("!"), "migration_object: %s\n%s", line,
                        "\n".join(" | ".join(row) for row in rows if row[0] == wanted[0]))

    def check_rows(self, query, lines):
        found = self.psql(query)
        self.expect(found == "\n".join(lines), "%s gives\n%s\nnot\n%s", query, found, "\n".join(lines))

    def check_same(self, query, lines):
        found = self.psql(query)
        wanted = self.sqlite("\n".join(lines))
        self.expect(found == wanted, "%s gives\n%s\nand SQLite has\n%s", query, found, wanted)

    def check_fails(self, sqlstate, lines):
        self.fails("\n".join(lines), sqlstate, [])

    def inspect(self):
        """inspect()'s answers; before the migration, whose types they foretell."""
        rows = self.psql("SELECT concat_ws(e'\\x1f', replace(source_table || '.' || source_column, e'\\n', ' '), target_type, "
                         "replace(array_to_string(notes, ' / '), e'\\n', ' ')) FROM %s"
                         % self.call("inspect")).splitlines()
        return {row[0]: row[1:] for row in (line.split("\x1f") for line in rows)}

    def check_inspect(self, _, lines):
        for line in lines:
            name, kind, pattern = [part.strip() for part in line.split("|", 2)]
            have = self.inspected.get(name, ("nothing", ""))
            self.expect(have[0] == kind and re.search(pattern, have[1]), "inspect says of %s: %s | %s",
                        name, have[0], have[1])

    def foretold(self):
        """What inspect() said is what came."""
        if self.case.section("before") or re.search("'(null|reject)'|on_misfit", self.case.text("migrate")):
            return
        for name, kind in self.target_types().items():
            told = self.inspected.get(name, ("nothing", ""))[0]
            self.expect(told == kind, "inspect foretold %s for %s, which became %s", told, name, kind)

    def compare(self):
        env = dict(self.env, PYTHONDONTWRITEBYTECODE="1", PGCLIENTENCODING="UTF8",
                   PGOPTIONS="-c client_min_messages=warning")
        if self.case.section("not compared"):
            return
        try:
            run([sys.executable, os.path.join(HERE, "compare.py"), "--quiet", "--schema", self.schema,
                 self.file], "", env)
        except Failed as failure:
            self.wrong.append("compare.py: %s" % failure)

    def run(self):
        self.prepare()
        self.inspected = self.inspect() if not self.case.section("error") or self.case.section("inspect") else {}
        if self.migrate():
            self.foretold()
            self.compare()
        for word, argument, lines in self.case.sections:
            if word in ANSWERS:
                getattr(self, "check_" + word)(argument, lines)


def main():
    cases = [c for path in sys.argv[1:] for c in read_cases(path) if not c.section("test")]
    only = os.environ.get("SFM_HAZARD")
    if only:
        cases = [c for c in cases if int(only) in c.numbers]
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(cases, 1):
            if case.has_halves() and not utf16.keeps_halves():
                print("ok %d # SKIP hazard %s: this SQLite writes no halves of characters" % (
                    number, ", ".join(map(str, case.numbers))))
                continue
            runner = Runner(case, number, folder)
            try:
                runner.run()
            except Failed as failure:
                runner.wrong.append(str(failure))
            print("%sok %d - hazard %s: %s" % ("not " if runner.wrong else "", number,
                                               ", ".join(map(str, case.numbers)), case.title.replace("#", "\\#")))
            for text in runner.wrong:
                print("\n".join("#   " + line for line in text[:4000].splitlines()))
            sys.stdout.flush()
    print("1..%d" % len(cases))


if __name__ == "__main__":
    main()
