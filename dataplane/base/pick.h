// SPDX-License-Identifier: BSD-2-Clause
// Which member of a pool a new session goes to: Maglev over what the session hashes to, members that
// take none being passed over. The same for everybody who chooses, and on every appliance.

#pragma once

#include "postern/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

struct base_pick {
	const struct postern_pool *pool;
	const uint32_t *health; // words by member id; control: rw, worker: ro
	// Asked when a pool is nearly all down: its list of members holds both families.
	bool (*is_family)(const void *context, uint16_t member, uint8_t family);
	const void *context;
	const uint16_t *avoid; // ids that have failed already
	unsigned n_avoid;
	uint32_t hash;
	uint8_t family; // POSTERN_V4 or POSTERN_V6
};

// The id, or POSTERN_ID_NONE: no member of the family takes sessions. Worker.
uint16_t base_pick_member(const struct base_pick *p);
