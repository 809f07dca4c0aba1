// SPDX-License-Identifier: BSD-2-Clause
// The flight recorders of all workers, as control reads them.

#include "worker/worker.h"

#include <errno.h>

int postern_record_next(const struct postern_dataplane *dp, uint64_t *cursor, unsigned budget,
	struct postern_recorded *out)
{
	const uint64_t now = base_clock_us(&dp->clock);

	for (uint64_t i = *cursor >> 32; i < dp->n_workers; i++) {
		for (uint32_t at = (uint32_t)*cursor; at < BASE_RECORDS; at++, budget--) {
			*cursor = i << 32 | at;
			if (budget == 0)
				return -EAGAIN;
			if (base_recorder_next(dp->workers[i]->recorder, at, now, out) == 0) {
				++*cursor;
				return 1;
			}
		}
		*cursor = (i + 1) << 32;
	}
	return 0;
}

void postern_recorder_read(const struct postern_dataplane *dp, struct postern_recorder_stats *out)
{
	*out = (struct postern_recorder_stats){0};
	for (unsigned i = 0; i < dp->n_workers; i++)
		base_recorder_stats_add(dp->workers[i]->recorder, out);
}
