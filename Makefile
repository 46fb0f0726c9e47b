# sqlite_fdw_mig: PGXS build.
#
#   make && make install        build and install into the server of PG_CONFIG
#   make WERROR=1               warnings are errors, as CI has it
#   make FAULTS=1               test build: a fault can be planted in each converter
#   scripts/test.sh             sets everything up and runs all tests

MODULE_big = sqlite_fdw_mig
EXTENSION = sqlite_fdw_mig
DATA = sqlite_fdw_mig--1.0.sql
PGFILEDESC = "sqlite_fdw_mig - SQLite foreign tables and migration"

OBJS = sqlite_fdw_mig.o \
	$(patsubst $(srcdir)/%.c,%.o,$(wildcard $(srcdir)/src/*/*.c))

srcdir = .

PG_CPPFLAGS = -I$(srcdir)/include
# Modules share one symbol space before PostgreSQL 16: export entry points only.
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers \
	-Wno-sign-compare -fvisibility=hidden \
	-DPGDLLEXPORT='__attribute__((visibility("default")))'
SHLIB_LINK = -lsqlite3

ifdef WERROR
PG_CFLAGS += -Werror
endif
ifdef FAULTS
PG_CFLAGS += -DSFM_FAULTS
endif

REGRESS = $(patsubst $(srcdir)/sql/%.sql,%,$(sort $(wildcard $(srcdir)/sql/*.sql)))
ISOLATION = $(patsubst $(srcdir)/specs/%.spec,%,$(sort $(wildcard $(srcdir)/specs/*.spec)))
TAP_TESTS = 1

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# A changed header rebuilds everything: PGXS tracks dependencies only on request.
$(OBJS): $(wildcard $(srcdir)/include/*.h $(srcdir)/src/*/*.h)
