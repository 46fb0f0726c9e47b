#!/usr/bin/env python3
"""hazards-doc.py: makes docs/hazards.md from the cases of t/hazards/.

    scripts/hazards-doc.py [--check]

Each case says by which numbers of the list of hazards it is meant, what it is, and
what must come out; the same cases are run by t/020_hazards.pl.  A number without a
case is listed as not covered.  --check changes nothing and fails when the file is
not what would be written.
"""

import glob
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "t"))
sys.dont_write_bytecode = True
from hazards import read_cases  # noqa: E402

SECTIONS = (
    (1, 31, "Dynamic typing and affinity"),
    (32, 57, "Dates and times"),
    (58, 76, "Text, encoding, binary"),
    (77, 96, "Keys, rowid, AUTOINCREMENT, sequences"),
    (97, 110, "Foreign keys"),
    (111, 119, "Collations, ordering, comparison"),
    (120, 149, "Defaults, checks, generated columns, indexes, views, triggers"),
    (150, 159, "Identifiers and limits"),
    (160, 167, "Conventions of ORMs"),
)

HEAD = """# Where SQLite and PostgreSQL differ, and what comes out

Made by `scripts/hazards-doc.py` from the cases in `t/hazards/`, which `t/020_hazards.pl` runs: a small SQLite file
each, migrated, with what must come out written down by hand or asked from the sqlite3 program. Of every case,
beyond what it names, all tables must be verified, `inspect()` and a dry run must have told the types beforehand,
and an independent comparison of both sides must find no difference.

| number | what the file holds | what comes out | test |
| --- | --- | --- | --- |
"""


def cell(text):
    return text.replace("|", "\\|")


def numbers(case):
    """32, 33, 34, 38 as "32-34, 38"."""
    parts = []
    for number in case.numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else "%d-%d" % (a, b) for a, b in parts)


def shown_by(case):
    """Where the test stands; one outside the cases must name the hazard."""
    other = case.section("test")
    if not other:
        return os.path.relpath(case.path, ROOT)
    with open(os.path.join(ROOT, other[0]), encoding="utf-8") as lines:
        text = lines.read()
    for number in case.numbers:
        if "hazard %d" % number not in text:
            sys.exit("%s does not name hazard %d" % (other[0], number))
    return other[0]


def document():
    cases = [case for path in sorted(glob.glob(os.path.join(ROOT, "t", "hazards", "*.case")))
             for case in read_cases(path)]
    covered = {number for case in cases for number in case.numbers}
    lines = [HEAD.rstrip("\n")]
    missing = []
    for first, last, title in SECTIONS:
        lines.append("| | **%s** | | |" % title)
        here = [case for case in cases if first <= case.numbers[0] <= last]
        for case in sorted(here, key=lambda c: c.numbers[0]):
            lines.append("| %s | %s | %s | `%s` |" % (numbers(case), cell(case.title), cell(case.outcome),
                                                      shown_by(case)))
        missing += [number for number in range(first, last + 1) if number not in covered]
    lines += ["", "Not covered by a test yet: %s." % (", ".join(map(str, missing)) or "none"), ""]
    return "\n".join(lines)


def main():
    path = os.path.join(ROOT, "docs", "hazards.md")
    text = document()
    if "--check" not in sys.argv[1:]:
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return
    with open(path, encoding="utf-8") as old:
        if old.read() != text:
            sys.exit("docs/hazards.md is out of date: run scripts/hazards-doc.py")


if __name__ == "__main__":
    main()
