/*
 * step.c
 *		Reads every row of every table of a SQLite file with sqlite3_step(), and does
 *		nothing with it: the least that any migration has to spend on its source.
 *
 * Each cell is asked for its type and its value by that type, as a reader must.
 * Prints the rows, the seconds of wall-clock time and those of the processor.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double
now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void
fail(sqlite3 *db)
{
	fprintf(stderr, "step: %s\n", sqlite3_errmsg(db));
	exit(1);
}

/* Reads one table; what the cells hold is summed up, so that reading them is no dead code. */
static long
read_table(sqlite3 *db, const char *name, unsigned long *sum)
{
	char	   *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", name);
	sqlite3_stmt *stmt;
	long		rows = 0;
	int			rc;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail(db);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
	{
		int			n = sqlite3_column_count(stmt);

		rows++;
		for (int i = 0; i < n; i++)
			switch (sqlite3_column_type(stmt, i))
			{
				case SQLITE_INTEGER:
					*sum += (unsigned long) sqlite3_column_int64(stmt, i);
					break;
				case SQLITE_FLOAT:
					*sum += sqlite3_column_double(stmt, i) > 0;
					break;
				case SQLITE_NULL:
					break;
				default:
					{
						const unsigned char *p = sqlite3_column_blob(stmt, i);
						int			len = sqlite3_column_bytes(stmt, i);

						if (len > 0)
							*sum += p[0] + p[len - 1];
					}
			}
	}
	if (rc != SQLITE_DONE)
		fail(db);
	sqlite3_finalize(stmt);
	sqlite3_free(sql);
	return rows;
}

int
main(int argc, char **argv)
{
	sqlite3    *db;
	sqlite3_stmt *tables;
	double		wall = now(CLOCK_MONOTONIC);
	double		cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	unsigned long sum = 0;
	long		rows = 0;

	if (argc != 2)
	{
		fprintf(stderr, "usage: step file.db\n");
		return 1;
	}
	if (sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
		sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'",
						   -1, &tables, NULL) != SQLITE_OK)
		fail(db);
	while (sqlite3_step(tables) == SQLITE_ROW)
		rows += read_table(db, (const char *) sqlite3_column_text(tables, 0), &sum);
	sqlite3_finalize(tables);
	sqlite3_close(db);
	printf("%ld %.3f %.3f %lu\n", rows, now(CLOCK_MONOTONIC) - wall,
		   now(CLOCK_PROCESS_CPUTIME_ID) - cpu, sum);
	return 0;
}
