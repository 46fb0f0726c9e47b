#!/usr/bin/env python3
"""Runs the contestants of the benchmark in turn, and prints what they took.

Called by run.sh.  Every run has a new database of the same server; the contestants
of one database run one after the other in each round, so that a slow minute of the
machine is everybody's.  What counts:

    seconds    wall clock of the statements or the program
    cpu        of the one process that does the work (backend, or program); what
               other processes do for it (parallel workers, psql) is not in it
    kernel     how much of cpu the kernel took: files, memory
    MB         peak private memory of that process (RssAnon, so without shared buffers)

The contestants:

    migrate         sqlite_mig.migrate() as it stands, checksums, keys and ANALYZE included
    migrate-j0      the same with jobs => 0
    migrate-none    migrate without verification
    migrate-j0-none migrate-j0 without verification
    migrate-error   migrate-j0 with on_misfit => 'error' in place of 'widen'
    ...-load        of migrate and migrate-j0: the time in which they created tables and
                    loaded rows
    pgloader        as Debian has it, its defaults; with "prefetch rows" lowered where those fail
    csv             sqlite3 -csv | psql \\copy, then keys: three processes at work at once
    csv-file        sqlite3 -csv into a file, then psql \\copy from it, then keys
    ogr_fdw         INSERT ... SELECT from ogr_fdw's foreign tables, then keys
    copy            COPY FROM of the same rows in binary form; no keys
    copy-keys       the same, then the same keys, indexes and foreign keys, and ANALYZE: what
                    PostgreSQL's own commands need when there is nothing to read or convert
    heap            INSERT ... SELECT of the same rows from a heap table; no keys
    step            a C program that reads everything with sqlite3_step()

csv, csv-file, ogr_fdw, copy, copy-keys and heap write into the tables that migrate made, made anew from
its dump: with the same column types.
"""

import argparse
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import threading
import time

CONTESTANTS = ("migrate migrate-j0 migrate-none migrate-j0-none migrate-error pgloader csv csv-file ogr_fdw "
               "copy copy-keys heap step").split()
PEERS = ("pgloader", "csv", "csv-file", "ogr_fdw")
ARGUMENTS = {"migrate": "", "migrate-j0": ", jobs => 0",
             "migrate-none": ", verify => 'none'",
             "migrate-j0-none": ", jobs => 0, verify => 'none'",
             "migrate-error": ", jobs => 0, on_misfit => 'error'"}


class Failure(Exception):
    pass


class Session:
    """psql on a pipe: one backend, whose use of time and memory can be watched."""

    def __init__(self, database):
        self.process = subprocess.Popen(
            ["psql", "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", database],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.errors = []
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()
        self.pid = int(self.query("SELECT pg_backend_pid()")[0])

    def listen(self):
        for line in self.process.stderr:
            self.errors.append(line.strip())

    def query(self, sql):
        """Runs statements; returns the lines that came."""
        self.process.stdin.write(sql.rstrip().rstrip(";") + ";\n\\echo ---\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line == "---\n":
                return lines
            lines.append(line.rstrip("\n"))
        self.process.wait()
        self.listener.join(1)
        raise Failure("; ".join(e for e in self.errors if "ERROR" in e or "FATAL" in e)[:300] or
                      "psql ended: %s" % "; ".join(self.errors)[:300])

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait()


def proc_status(pid, field):
    """A field of /proc/PID/status in MB; 0 when the process is gone."""
    try:
        with open("/proc/%d/status" % pid) as f:
            for line in f:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def cpu_seconds(pid):
    """What a process took of a processor, and of that the kernel."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    user, kernel = (int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:13])
    return user + kernel, kernel


class Watch(threading.Thread):
    """Peak private memory of a process, looked at 50 times a second."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.peak = 0.0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.02):
            self.peak = max(self.peak, proc_status(self.pid, "RssAnon"))

    def stop(self):
        self.ended.set()
        self.join()
        return self.peak


class Phases(threading.Thread):
    """How long a migration stays in each phase, from its progress view."""

    def __init__(self, database, pid):
        super().__init__(daemon=True)
        self.session = Session(database)
        self.sql = "SELECT phase FROM sqlite_mig.progress WHERE pid = %d" % pid
        self.seconds = {}
        self.ended = threading.Event()

    def run(self):
        then, phase = time.monotonic(), None
        while not self.ended.wait(0.02):
            found = self.session.query(self.sql)
            now = time.monotonic()
            if phase:
                self.seconds[phase] = self.seconds.get(phase, 0) + now - then
            then, phase = now, found[0] if found else None

    def stop(self):
        self.ended.set()
        self.join()
        self.session.close()
        return self.seconds


def sql_path(path):
    return "'" + path.replace("'", "''") + "'"


class Contest:
    def __init__(self, arguments):
        self.a = arguments
        self.results = {}			# (database, contestant) -> list of (seconds, cpu, kernel, mb)
        self.wrong = {}				# (database, contestant) -> list of sentences
        self.failed = False
        self.admin = Session("postgres")
        self.socket = os.environ["PGHOST"]

    # ------------------------------------------------------------ databases

    def fresh(self, name, compression=None, template=None):
        self.admin.query('DROP DATABASE IF EXISTS "%s" WITH (FORCE)' % name)
        self.admin.query('CREATE DATABASE "%s"%s' % (
            name, ' TEMPLATE "%s" STRATEGY file_copy' % template if template else ""))
        if compression:
            self.admin.query('ALTER DATABASE "%s" SET default_toast_compression = %s' %
                             (name, compression))
        self.admin.query("CHECKPOINT")

    def program(self, *command, **options):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              **options)
        if done.returncode != 0:
            raise Failure("%s: %s" % (command[0], (done.stderr or done.stdout).strip()[-300:]))
        return done.stdout

    def prepare(self, database, path, compression):
        """The reference: a migration, its tables' definitions, and their rows in binary form."""
        self.fresh("reference", compression)
        s = Session("reference")
        s.query("CREATE EXTENSION sqlite_fdw_mig; SET client_min_messages = warning")
        s.query("SELECT count(*) FROM sqlite_mig.migrate(%s)" % sql_path(path))
        self.tables = [line.split("\t") for line in s.query(
            "SELECT source_table, target_table, source_rows FROM sqlite_mig.migration_table")]
        self.columns = {}
        for source, target, _ in self.tables:
            self.columns[target] = [line.split("\t") for line in s.query(
                "SELECT attname, quote_ident(attname), format_type(atttypid, atttypmod)"
                " FROM pg_attribute WHERE attrelid = '%s'::regclass AND attnum > 0 AND NOT attisdropped"
                " ORDER BY attnum" % target)]
        self.binary = os.path.join(self.a.work, "binary")
        shutil.rmtree(self.binary, ignore_errors=True)
        os.mkdir(self.binary)
        for i, (_, target, _) in enumerate(self.tables):
            s.query("COPY %s TO '%s/%d' (FORMAT binary)" % (target, self.binary, i))
        s.query("DROP EXTENSION sqlite_fdw_mig")
        s.close()
        self.before, self.after = (
            re.sub(r"^(SET|SELECT pg_catalog.set_config|CREATE SCHEMA public).*\n", "",
                   self.program("pg_dump", "--section=" + section, "--no-comments", "reference"),
                   flags=re.M) for section in ("pre-data", "post-data"))

    # ----------------------------------------------------------- contestants

    def timed(self, session, sql):
        watch = Watch(session.pid)
        watch.start()
        cpu = cpu_seconds(session.pid)
        start = time.monotonic()
        try:
            session.query(sql)
            seconds = time.monotonic() - start
            return (seconds, *(b - a for a, b in zip(cpu, cpu_seconds(session.pid))), watch.peak)
        finally:
            watch.stop()

    def migrate(self, name, path):
        s = Session("bench")
        s.query("CREATE EXTENSION sqlite_fdw_mig; SET client_min_messages = warning")
        phases = Phases("bench", s.pid)
        phases.start()
        try:
            result = self.timed(s, "SELECT count(*) FROM sqlite_mig.migrate(%s%s)" %
                                (sql_path(path), ARGUMENTS[name]))
        finally:
            seconds = phases.stop()
        target, fast = s.query("SELECT target_rows, fast_rows FROM sqlite_mig.migration")[0].split("\t")
        s.close()
        if target != fast:
            raise Failure("only %s of %s rows went the fast way" % (fast, target))
        if name in ("migrate", "migrate-j0"):
            self.note(name + "-load", (sum(v for k, v in seconds.items() if k.startswith("loading")),
                                       None, None, None))
        return result

    def into_tables(self, statements, after):
        """Statements between the creation of tables and what comes after, in one transaction."""
        s = Session("bench")
        try:
            return self.timed(s, "BEGIN;\n%s\n%s;\n%s\nCOMMIT" % (
                self.before, ";\n".join(statements), after))
        finally:
            s.close()

    def copy(self, path):
        return self.copy_and("")

    def copy_keys(self, path):
        """With the memory for indexes that migrate has."""
        return self.copy_and("SET LOCAL maintenance_work_mem = '256MB';\n%s\nANALYZE %s;" % (
            self.after, ", ".join(target for _, target, _ in self.tables)))

    def copy_and(self, after):
        return self.into_tables(["COPY %s FROM '%s/%d' (FORMAT binary)" % (target, self.binary, i)
                                 for i, (_, target, _) in enumerate(self.tables)], after)

    def heap(self, path):
        s = Session("bench")
        s.query(self.before)
        for i, (_, target, _) in enumerate(self.tables):
            s.query("COPY %s FROM '%s/%d' (FORMAT binary)" % (target, self.binary, i))
        s.query("ALTER SCHEMA public RENAME TO original; CREATE SCHEMA public; CHECKPOINT")
        s.close()
        return self.into_tables(["INSERT INTO %s SELECT * FROM original.%s" %
                                 (target, target.split(".", 1)[1]) for _, target, _ in self.tables],
                                "")

    def csv_select(self, source, target):
        """What sqlite3 shall print of a table."""
        return 'SELECT %s FROM "%s"' % (", ".join(
            "'\\x' || hex(\"%s\")" % name if kind == "bytea" else '"%s"' % name
            for name, _, kind in self.columns[target]), source)

    def csv_and(self, path, copy):
        """copy(command of sqlite3, target) for each table."""
        start = time.monotonic()
        s = Session("bench")
        s.query(self.before)
        for source, target, _ in self.tables:
            copy(["sqlite3", "-csv", "-readonly", path, self.csv_select(source, target)], target)
        s.query(self.after)
        s.close()
        return time.monotonic() - start, None, None, None

    def csv(self, path):
        """The programs of the pipe do about half of the work each."""
        def copy(command, target):
            reader = subprocess.Popen(command, stdout=subprocess.PIPE)
            self.program("psql", "-Xq", "-d", "bench", "-c", "\\copy %s FROM STDIN (FORMAT csv)" % target,
                         stdin=reader.stdout)
            reader.stdout.close()
            if reader.wait() != 0:
                raise Failure("sqlite3 failed")

        return self.csv_and(path, copy)

    def csv_file(self, path):
        name = os.path.join(self.a.work, "table.csv")

        def copy(command, target):
            with open(name, "w") as f:
                if subprocess.run(command, stdout=f).returncode != 0:
                    raise Failure("sqlite3 failed")
            self.program("psql", "-Xq", "-d", "bench", "-c", "\\copy %s FROM %s (FORMAT csv)" %
                         (target, sql_path(name)))

        return self.csv_and(path, copy)

    def ogr_fdw(self, path):
        s = Session("bench")
        s.query("CREATE EXTENSION ogr_fdw; CREATE SCHEMA ogr;"
                "CREATE SERVER o FOREIGN DATA WRAPPER ogr_fdw OPTIONS (datasource %s, format 'SQLite');"
                "IMPORT FOREIGN SCHEMA ogr_all FROM SERVER o INTO ogr" % sql_path(path))
        statements = []
        for source, target, _ in self.tables:
            there = set(s.query("SELECT attname FROM pg_attribute WHERE attnum > 0"
                                " AND attrelid = 'ogr.\"%s\"'::regclass" % source.lower()))
            select = []
            for name, quoted, kind in self.columns[target]:
                # the primary key is its feature id, and other names are folded
                column = '"%s"' % (name if name in there else "fid")
                select.append(column + ("::integer::boolean" if kind == "boolean" else "::" + kind))
            statements.append("INSERT INTO %s SELECT %s FROM ogr.\"%s\"" %
                              (target, ", ".join(select), source.lower()))
        s.close()
        return self.into_tables(statements, self.after)

    def pgloader(self, path):
        """Its defaults; where they fail, fewer rows at a time."""
        note = None
        for extra in ("", ", prefetch rows = 1000", ", prefetch rows = 100"):
            self.fresh("bench", self.compression)
            script = os.path.join(self.a.work, "pgloader.load")
            with open(script, "w") as f:
                f.write("LOAD DATABASE FROM sqlite://%s\n"
                        " INTO postgresql://postgres@unix:%s:5432/bench\n"
                        " WITH include drop, create tables, create indexes, reset sequences%s;\n" %
                        (path, self.socket, extra))
            start = time.monotonic()
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            process = subprocess.Popen(["pgloader", "--root-dir", os.path.join(self.a.work, "pgl"),
                                        script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       text=True)
            watch = Watch(process.pid)
            watch.start()
            output = process.communicate()[0]
            seconds, peak = time.monotonic() - start, watch.stop()
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if process.returncode == 0 and "rror" not in output.split("table name")[0]:
                if note:
                    self.say_wrong("pgloader", note + "; run with \"%s\"" % extra.strip(", "))
                kernel = after.ru_stime - before.ru_stime
                return seconds, after.ru_utime - before.ru_utime + kernel, kernel, peak
            note = "its defaults failed (%s)" % (
                "heap exhausted" if "eap exhausted" in output else
                output.strip().splitlines()[0][:100] if output.strip() else "no output")
        raise Failure("pgloader: " + output.strip()[-200:])

    def step(self, path):
        rows, seconds, cpu, _ = self.program(self.a.step, path).split()
        return float(seconds), float(cpu), None, None

    def run(self, name, path):
        if name in ARGUMENTS:
            return self.migrate(name, path)
        return {"pgloader": self.pgloader, "csv": self.csv, "csv-file": self.csv_file, "ogr_fdw": self.ogr_fdw,
                "copy": self.copy, "copy-keys": self.copy_keys, "heap": self.heap, "step": self.step}[name](path)

    # ------------------------------------------------------ what went wrong

    def say_wrong(self, name, sentence):
        sentences = self.wrong.setdefault((self.database, name), [])
        if sentence not in sentences:
            sentences.append(sentence)

    def examine(self, name):
        """Compares what is in "bench" with the reference, by types, keys and values."""
        bench = Session("bench")
        reference = Session("reference")
        try:
            catalog = ("SELECT c.contype, count(*) FROM pg_constraint c JOIN pg_namespace n ON"
                       " n.oid = c.connamespace WHERE n.nspname = 'public' AND c.contype IN ('p', 'f', 'u')"
                       " GROUP BY 1 UNION ALL SELECT 'i', count(*) FROM pg_indexes WHERE schemaname = 'public'"
                       " ORDER BY 1")
            words = {"p": "primary keys", "f": "foreign keys", "u": "unique constraints", "i": "indexes"}
            there = dict(line.split("\t") for line in bench.query(catalog))
            if name in PEERS:
                for line in reference.query(catalog):
                    kind, n = line.split("\t")
                    if there.get(kind, "0") != n:
                        self.say_wrong(name, "%s of %s %s" % (there.get(kind, "0"), n, words[kind]))
            reference.query("CREATE EXTENSION IF NOT EXISTS postgres_fdw; DROP SCHEMA IF EXISTS theirs CASCADE;"
                            "DROP SERVER IF EXISTS theirs CASCADE; CREATE SCHEMA theirs;"
                            "CREATE SERVER theirs FOREIGN DATA WRAPPER postgres_fdw OPTIONS"
                            " (host '%s', dbname 'bench', fetch_size '10000');"
                            "CREATE USER MAPPING FOR CURRENT_USER SERVER theirs;"
                            "IMPORT FOREIGN SCHEMA public FROM SERVER theirs INTO theirs" % self.socket)
            for _, target, _ in self.tables[:5]:
                self.examine_table(name, target, bench, reference)
        except Failure as failure:
            self.say_wrong(name, "comparison failed: %s" % failure)
        finally:
            bench.close()
            reference.close()

    def examine_table(self, name, target, bench, reference):
        bare = target.split(".", 1)[1]
        types = dict(line.split("\t") for line in bench.query(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = '%s'::regclass AND attnum > 0 AND NOT attisdropped" % target))
        lost = [n for n, _, _ in self.columns[target] if n not in types]
        if lost:
            self.say_wrong(name, "%s: columns missing: %s" % (bare, ", ".join(lost)))
            return
        for column, _, kind in self.columns[target]:
            if types[column] != kind:
                self.say_wrong(name, "%s.%s: %s, not %s" % (bare, column, types[column], kind))
        tests = ", ".join("count(*) FILTER (WHERE b.{0}::text::{1} IS DISTINCT FROM r.{0})".format(q, k)
                          for _, q, k in self.columns[target])
        if not any(n == "id" for n, _, _ in self.columns[target]):
            return
        counts = reference.query(
            "SELECT count(*), count(r.id), count(b.id), %s FROM %s r FULL JOIN theirs.%s b USING (id)" %
            (tests, target, bare))[0].split("\t")
        if not counts[0] == counts[1] == counts[2]:
            self.say_wrong(name, "%s: %s rows in place of %s" % (bare, counts[2], counts[1]))
        for (column, _, _), n in zip(self.columns[target], counts[3:]):
            if n != "0":
                self.say_wrong(name, "%s.%s: %s values differ" % (bare, column, n))

    # ---------------------------------------------------------------- rounds

    def note(self, name, result):
        self.results.setdefault((self.database, name), []).append(result)

    def round(self, number, name, path):
        self.fresh("bench", self.compression)
        try:
            self.note(name, self.run(name, path))
            if number == 0 and not self.a.no_compare and name in (
                    "migrate", "migrate-j0", *PEERS):
                self.examine(name)
        except Failure as failure:
            self.say_wrong(name, "failed: %s" % failure)
            if name in ARGUMENTS:
                self.failed = True

    def hold(self):
        names = self.a.contestants.split() or CONTESTANTS
        for entry in self.a.databases.split():
            # large values are stored compressed: in the server's way, and in both
            for compression in (None, "pglz", "lz4") if entry == "blob" else (None,):
                self.database = entry + (" " + compression if compression else "")
                self.compression = compression
                path = os.path.join(self.a.data, entry + ".db")
                self.prepare(entry, path, compression)
                for number in range(self.a.rounds):
                    for name in names:
                        print("\r%-60s" % ("%s, round %d: %s" % (self.database, number + 1, name)),
                              end="", file=sys.stderr, flush=True)
                        self.round(number, name, path)
                print("\r%-60s\r" % "", end="", file=sys.stderr)
                self.report_database(path)
        print()

    # ---------------------------------------------------------------- report

    def median(self, name, field=0):
        values = [r[field] for r in self.results.get((self.database, name), []) if r[field] is not None]
        return statistics.median(values) if values else None

    def report_database(self, path):
        rows = sum(int(n or 0) for _, _, n in self.tables)
        print("\n%s: %d tables, %d rows, %.0f MB" % (self.database, len(self.tables), rows,
                                                     os.path.getsize(path) / 1e6))
        print("  %-16s %9s %19s %9s %9s %8s" % ("", "seconds", "spread", "cpu", "kernel", "MB"))
        for (database, name), results in self.results.items():
            if database != self.database:
                continue
            seconds = [r[0] for r in results]
            more = [form % value if value is not None else "" for form, value in zip(
                ("%.2f", "%.2f", "%.0f"), (self.median(name, field) for field in (1, 2, 3)))]
            print("  %-16s %9.3f %9.3f-%9.3f %9s %9s %8s" % (
                name, statistics.median(seconds), min(seconds), max(seconds), *more))
        self.report_ratios()
        for (database, name), sentences in self.wrong.items():
            if database == self.database:
                print("  %s: %s" % (name, "; ".join(sentences[:12]) +
                                    ("; and %d more" % (len(sentences) - 12) if len(sentences) > 12 else "")))
        sys.stdout.flush()

    def report_ratios(self):
        m = self.median
        peers = {n: m(n) for n in PEERS if m(n)}

        def line(text, a, b, note=""):
            if a and b:
                print("  %-58s %5.2f%s" % (text, a / b, note))

        if peers and m("migrate"):
            best = min(peers, key=peers.get)
            line("fastest peer (%s) / migrate" % best, peers[best], m("migrate"))
        line("pgloader / migrate", m("pgloader"), m("migrate"))
        if m("copy") and m("step"):
            line("migrate-j0-load / (copy + step)", m("migrate-j0-load"), m("copy") + m("step"))
        line("migrate-j0-load / copy", m("migrate-j0-load"), m("copy"))
        line("migrate-load / copy", m("migrate-load"), m("copy"))
        line("migrate / copy-keys", m("migrate"), m("copy-keys"))
        line("verification: migrate / migrate-none", m("migrate"), m("migrate-none"))
        line("verification: migrate-j0 / migrate-j0-none", m("migrate-j0"), m("migrate-j0-none"))
        # what the kernel takes for the same work differs more than the two do
        if m("migrate-j0") and m("migrate-error"):
            line("widen: migrate-j0 / migrate-error, in cpu without kernel",
                 m("migrate-j0", 1) - m("migrate-j0", 2), m("migrate-error", 1) - m("migrate-error", 2))
        if m("migrate") and len(self.tables) >= 10:
            print("  %-58s %5.2f" % ("milliseconds a table", m("migrate") * 1000 / len(self.tables)))


def main():
    parser = argparse.ArgumentParser()
    for option in ("data", "work", "step", "databases", "contestants"):
        parser.add_argument("--" + option, default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--no-compare", action="store_true")
    contest = Contest(parser.parse_args())
    print("%d processors, load %.1f; scale %g, %d rounds" % (
        os.cpu_count(), os.getloadavg()[0], contest.a.scale, contest.a.rounds))
    for name in ("server_version", "shared_buffers", "wal_level", "fsync", "max_wal_size",
                 "maintenance_work_mem", "max_parallel_maintenance_workers",
                 "max_parallel_workers_per_gather", "default_toast_compression"):
        print("%s = %s" % (name, contest.admin.query("SHOW " + name)[0]))
    contest.hold()
    print("load at the end: %.1f" % os.getloadavg()[0])
    sys.exit(1 if contest.failed else 0)


if __name__ == "__main__":
    main()
