// SPDX-License-Identifier: BSD-2-Clause
// Work of other folders.

#include "control/store/work.h"

#include "control/store/private.h"

#include <errno.h>
#include <stdlib.h>

struct work_job {
	struct store_job job; // first
	struct store_work work;
};

static int run_work(struct store *s, struct store_job *job)
{
	const struct store_work *w = &((struct work_job *)job)->work;

	return w->run(s, s->db, w->user, job->why);
}

static void work_committed(struct store *s, struct store_job *job)
{
	const struct store_work *w = &((struct work_job *)job)->work;

	w->committed(s, s->db, w->user);
}

static void work_done(struct store *s, struct store_job *job)
{
	const struct store_work *w = &((struct work_job *)job)->work;

	(void)s;
	w->done(w->user, job->status, job->why);
	free(job);
}

int store_work(struct store *s, const struct store_work *work)
{
	struct work_job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	job->job.change = work->change;
	job->job.weight = work->large ? STORE_COPY_EVERY : 1;
	job->job.run = run_work;
	job->job.committed = work->committed ? work_committed : NULL;
	job->job.done = work_done;
	job->work = *work;
	const int status = store_submit(s, &job->job, sizeof(*job) + work->bytes, false);
	if (status != 0)
		free(job);
	return status;
}
