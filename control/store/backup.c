// SPDX-License-Identifier: BSD-2-Clause
// A copy of the database that an operator asks for.

#include "control/store/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct backup_job {
	struct store_job job; // first
	store_done done;
	void *user;
	char *to;
};

static int run(struct store *s, struct store_job *job)
{
	const struct backup_job *b = (struct backup_job *)job;
	struct stat st;

	if (lstat(b->to, &st) == 0) {
		store_say(job->why, "%s is there already; name a file that is not", b->to);
		return -EEXIST;
	}
	char why[STORE_WHY];
	const int status = store_copy_whole(s, b->to, why);
	const bool not_there = status == -ENOENT || status == -EACCES || status == -EROFS;

	if (status != 0)
		store_say(job->why, "%s%s", why,
			not_there
				? "; name one in a folder that postern may write to, such as that "
				  "of its state database"
				: "");
	return status;
}

static void finish(struct store *s, struct store_job *job)
{
	struct backup_job *b = (struct backup_job *)job;

	(void)s;
	b->done(b->user, job->status, job->why);
	free(b->to);
	free(b);
}

int store_backup(struct store *s, const char *to, store_done done, void *user)
{
	struct backup_job *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->job.run = run;
	b->job.done = finish;
	b->done = done;
	b->user = user;
	b->to = strdup(to);
	const int status = b->to ? store_submit(s, &b->job, sizeof(*b), false) : -ENOMEM;
	if (status != 0) {
		free(b->to);
		free(b);
	}
	return status;
}
