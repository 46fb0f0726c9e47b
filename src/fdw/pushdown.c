/*
 * pushdown.c
 *		Which conditions SQLite may evaluate: a closed list, each proven to choose
 *		the same rows on both sides.
 *
 * SQLite compares what is stored; PostgreSQL would compare what the converters
 * make of it.  The two agree only where every stored value that converts at all
 * compares in SQLite as its result does in PostgreSQL:
 *
 *	- the rowid: always an integer.
 *	- a column of INTEGER or NUMERIC affinity read as an integer type: text that
 *	  is a number was turned into one when it was stored, and SQLite compares
 *	  integers with reals exactly.  REAL affinity is left out: SQLite may turn the
 *	  integer that we compare with into a real to look it up.
 *	- a column of TEXT affinity with the collation BINARY, read as text: both sides
 *	  compare bytes for equality, if PostgreSQL's collation is deterministic and the
 *	  server's encoding is UTF8.
 *	- NULL is NULL on both sides.
 *
 * Affinity belongs to columns of tables; in a view a column may take its values
 * from several, so there only the tests for NULL are pushed.  A column with
 * empty_as_null or mixed is left alone where that changes a comparison.
 *
 * What does not convert may well satisfy SQLite's comparison (text is greater than
 * any number there).  So a scan always reads the columns that it has conditions
 * on, and the misfit is met and raised.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_opfamily_d.h"
#include "catalog/pg_type_d.h"
#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "fdw_internal.h"

/* The expression under changes of type that change no bit. */
Expr *
sfm_plain_expr(Expr *expr)
{
	while (expr && IsA(expr, RelabelType))
		expr = ((RelabelType *) expr)->arg;
	return expr;
}

/* The affinity by which SQLite stored a table's column: I, N, R, T or B (none). */
static char
column_affinity(const SfmTable *table, int column)
{
	const char *declared = table->columns[column].declared_type;

	/* in a STRICT table ANY keeps every value as it was given */
	if (table->strict && declared && pg_strcasecmp(declared, "ANY") == 0)
		return 'B';
	return sfm_affinity(declared);
}

/*
 * What a pushed condition on a column relies on, as text: a plan kept over a
 * change of the file's schema is good as long as this is the same.
 */
char *
sfm_relied_on(const SfmTable *table, int column)
{
	if (table->kind == SFM_REL_VIEW)
		return pstrdup("view");
	if (column == table->rowid_column)
		return pstrdup("rowid");
	return psprintf("affinity %c, collation %s", column_affinity(table, column),
					table->columns[column].collation);
}

/* If expr is a column of this table that the source has: its numbers. */
static bool
match_column(const RelOptInfo *rel, const SfmForeignRel *source, Expr *expr, SfmPushed *pushed)
{
	Var		   *var = (Var *) sfm_plain_expr(expr);

	if (var == NULL || !IsA(var, Var) || var->varno != rel->relid ||
		var->varlevelsup != 0 || var->varattno <= 0 || var->varattno > source->natts)
		return false;
	pushed->attno = var->varattno;
	pushed->column = source->numbers[var->varattno - 1];
	return pushed->column >= 0;
}

/* Can this be computed before the scan, and bound as a parameter? */
static bool
is_bindable(PlannerInfo *root, const RelOptInfo *rel, Expr *expr)
{
	return !contain_volatile_functions((Node *) expr) &&
		!contain_subplans((Node *) expr) &&
		!bms_is_member(rel->relid, pull_varnos(root, (Node *) expr));
}

/* Do integer comparisons on the column agree? */
static bool
compares_as_integer(const SfmForeignRel *source, const SfmPushed *pushed)
{
	const SfmType *type = &source->columns[pushed->attno - 1].type;
	const SfmTable *table = source->table;
	char		affinity;

	if (type->kind != SFM_KIND_INT2 && type->kind != SFM_KIND_INT4 &&
		type->kind != SFM_KIND_INT8)
		return false;
	if (table->kind != SFM_REL_TABLE)
		return false;
	if (pushed->column == table->rowid_column)
		return true;
	/* SQLite has '' greater than any number; here it would be NULL */
	if (type->empty_as_null)
		return false;
	affinity = column_affinity(table, pushed->column);
	return affinity == 'I' || affinity == 'N';
}

/* Does equality of texts on the column agree? */
static bool
equals_as_text(const SfmForeignRel *source, const SfmPushed *pushed, Oid collation)
{
	const SfmType *type = &source->columns[pushed->attno - 1].type;
	const SfmTable *table = source->table;

	if ((type->kind != SFM_KIND_TEXT && type->kind != SFM_KIND_VARCHAR) ||
		type->mixed || type->empty_as_null)
		return false;
	if (table->kind != SFM_REL_TABLE ||
		column_affinity(table, pushed->column) != 'T' ||
		strcmp(table->columns[pushed->column].collation, "BINARY") != 0)
		return false;
	return GetDatabaseEncoding() == PG_UTF8 && OidIsValid(collation) &&
		get_collation_isdeterministic(collation);
}

/*
 * SQLite's spelling of an operator that may be pushed on the column, or NULL.
 * Built-in operators alone: they are recognized by their operator family.
 */
static const char *
pushable_operator(const SfmForeignRel *source, const SfmPushed *pushed, Oid opno, Oid collation)
{
	int			strategy = get_op_opfamily_strategy(opno, INTEGER_BTREE_FAM_OID);
	Oid			left;
	Oid			right;

	if (strategy != 0)
	{
		if (!compares_as_integer(source, pushed))
			return NULL;
		switch (strategy)
		{
			case BTLessStrategyNumber:
				return "<";
			case BTLessEqualStrategyNumber:
				return "<=";
			case BTEqualStrategyNumber:
				return "=";
			case BTGreaterEqualStrategyNumber:
				return ">=";
			case BTGreaterStrategyNumber:
				return ">";
			default:
				return NULL;
		}
	}

	op_input_types(opno, &left, &right);
	if (left != TEXTOID || right != TEXTOID ||
		get_op_opfamily_strategy(opno, TEXT_BTREE_FAM_OID) != BTEqualStrategyNumber)
		return NULL;
	return equals_as_text(source, pushed, collation) ? "=" : NULL;
}

static bool
match_comparison(PlannerInfo *root, RelOptInfo *rel, const SfmForeignRel *source,
				 OpExpr *clause, SfmPushed *pushed)
{
	Oid			opno = clause->opno;
	Expr	   *column;

	if (list_length(clause->args) != 2)
		return false;
	column = linitial(clause->args);
	pushed->value = lsecond(clause->args);
	if (!match_column(rel, source, column, pushed))
	{
		column = lsecond(clause->args);
		pushed->value = linitial(clause->args);
		opno = get_commutator(opno);
		if (!OidIsValid(opno) || !match_column(rel, source, column, pushed))
			return false;
	}
	pushed->kind = SFM_PUSHED_COMPARE;
	pushed->op = pushable_operator(source, pushed, opno, clause->inputcollid);
	return pushed->op != NULL && is_bindable(root, rel, pushed->value);
}

static bool
match_array(PlannerInfo *root, RelOptInfo *rel, const SfmForeignRel *source,
			ScalarArrayOpExpr *clause, SfmPushed *pushed)
{
	const char *op;

	if (!clause->useOr || !match_column(rel, source, linitial(clause->args), pushed))
		return false;
	pushed->kind = SFM_PUSHED_IN;
	pushed->value = lsecond(clause->args);
	op = pushable_operator(source, pushed, clause->opno, clause->inputcollid);
	return op != NULL && strcmp(op, "=") == 0 && is_bindable(root, rel, pushed->value);
}

static bool
match_null_test(RelOptInfo *rel, const SfmForeignRel *source, NullTest *test, SfmPushed *pushed)
{
	if (test->argisrow || !match_column(rel, source, test->arg, pushed) ||
		source->columns[pushed->attno - 1].type.empty_as_null)
		return false;
	pushed->kind = test->nulltesttype == IS_NULL ? SFM_PUSHED_NULL : SFM_PUSHED_NOT_NULL;
	return true;
}

/*
 * Whether SQLite may evaluate the condition instead of PostgreSQL; *pushed says
 * how, when it may.  The condition's other side may hold columns of other tables,
 * which a parameterized path supplies.
 */
bool
sfm_pushable(PlannerInfo *root, RelOptInfo *rel, const SfmForeignRel *source,
			 Expr *clause, SfmPushed *pushed)
{
	memset(pushed, 0, sizeof(*pushed));
	if (IsA(clause, OpExpr))
		return match_comparison(root, rel, source, (OpExpr *) clause, pushed);
	if (IsA(clause, ScalarArrayOpExpr))
		return match_array(root, rel, source, (ScalarArrayOpExpr *) clause, pushed);
	if (IsA(clause, NullTest))
		return match_null_test(rel, source, (NullTest *) clause, pushed);
	return false;
}
