/*
 * sfm_reservoir.h
 *		Which rows of a table enter a sample for ANALYZE: Vitter's reservoir, as
 *		PostgreSQL's acquire_sample_rows() fills it.
 */
#ifndef SFM_RESERVOIR_H
#define SFM_RESERVOIR_H

#include "utils/sampling.h"

typedef struct SfmReservoir
{
	ReservoirStateData state;
	int			wanted;
	int			filled;			/* rows in the sample */
	double		seen;			/* rows of the table so far */
	double		skip;			/* rows to pass over; below 0: to be drawn */
} SfmReservoir;

/* Begins a sample of at most so many rows. */
static inline void
sfm_reservoir_begin(SfmReservoir *reservoir, int wanted)
{
	reservoir_init_selection_state(&reservoir->state, wanted);
	reservoir->wanted = wanted;
	reservoir->filled = 0;
	reservoir->seen = 0;
	reservoir->skip = -1;
}

/*
 * Sees the table's next row.  Returns its place in the sample, or -1: it does not enter.
 * *replaces: another row has that place until now.
 */
static inline int
sfm_reservoir_next(SfmReservoir *reservoir, bool *replaces)
{
	int			place = -1;

	*replaces = reservoir->filled == reservoir->wanted;
	if (!*replaces)
		place = reservoir->filled++;
	else
	{
		if (reservoir->skip < 0)
			reservoir->skip = reservoir_get_next_S(&reservoir->state, reservoir->seen, reservoir->wanted);
		if (reservoir->skip <= 0)
			place = (int) (reservoir->wanted * sampler_random_fract(&reservoir->state.randstate));
		reservoir->skip -= 1;
	}
	reservoir->seen += 1;
	return place;
}

#endif							/* SFM_RESERVOIR_H */
