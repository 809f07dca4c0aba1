// SPDX-License-Identifier: BSD-2-Clause
// Which members the configuration still names: what was said of others is kept for a while, since a
// member may come back with the next reload.

#include "control/store/private.h"

#include "postern/log.h"

#include <stdio.h>
#include <stdlib.h>

LOG_SUBSYSTEM("state");

// How long a member is remembered that the configuration does not name.
#define REMEMBER_US ((uint64_t)30 * 24 * 3600 * 1000000)

// Which members have come back or gone. One that has gone for too long is made plain, so that it is
// no longer kept.
struct sweep_job {
	struct store_job job; // first
	size_t n;
	struct store_member list[];
};

static int run_sweep(struct store *s, struct store_job *job)
{
	struct sweep_job *sweep = (struct sweep_job *)job;

	for (size_t i = 0; i < sweep->n; i++) {
		struct store_member *m = &sweep->list[i];
		struct store_member now;
		int status = store_member_read(s, m, &now, job->why);

		// A change that was asked before the sweep stands; all that is added to it is
		// whether the member is there.
		if (status == 0 && !store_member_is_plain(m)) {
			now.absent_us = m->absent_us;
			*m = now;
		}
		if (status == 0)
			status = store_member_write(s, m, job->why);
		if (status != 0)
			return status;
	}
	return 0;
}

static void sweep_done(struct store *s, struct store_job *job)
{
	struct sweep_job *sweep = (struct sweep_job *)job;

	if (job->status != 0)
		LOG(WARNING, "which members have left the configuration could not be noted: %s",
			job->why);
	for (size_t i = 0; job->status == 0 && i < sweep->n; i++) {
		const struct store_member *m = &sweep->list[i];

		// What is in the copy has room; nothing else is put there.
		if (!store_members_in_copy(s, m))
			continue;
		if (store_member_is_plain(m))
			LOG(NOTICE,
				"pool %s: member %s has been out of the configuration for 30 days; "
				"what was set of it is forgotten",
				m->pool, m->name);
		store_members_keep(s, m);
	}
	free(sweep);
}

// What is to be noted of a member; false if nothing.
static bool sweep_one(struct store_member *m, uint64_t now, bool present)
{
	if (present == (m->absent_us == 0)) {
		if (present || now < m->absent_us || now - m->absent_us < REMEMBER_US)
			return false;
		snprintf(m->state, sizeof(m->state), "ready");
		m->weight = STORE_WEIGHT_FILE;
	}
	m->absent_us = present ? 0 : now;
	return true;
}

void store_members_sweep(struct store *s, uint64_t wall_us,
	bool (*present)(void *user, const struct store_member *member), void *user)
{
	struct sweep_job *sweep = calloc(1, sizeof(*sweep) + s->n_members * sizeof(sweep->list[0]));

	if (!sweep)
		return;
	for (size_t i = 0; i < s->n_members; i++) {
		struct store_member m = s->members[i];

		if (sweep_one(&m, wall_us, present(user, &m)))
			sweep->list[sweep->n++] = m;
	}
	sweep->job.change = true;
	sweep->job.run = run_sweep;
	sweep->job.done = sweep_done;
	size_t bytes = sizeof(*sweep) + sweep->n * sizeof(sweep->list[0]);
	if (sweep->n == 0 || store_submit(s, &sweep->job, bytes, false) != 0)
		free(sweep);
}
