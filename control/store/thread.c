// SPDX-License-Identifier: BSD-2-Clause
// The store thread and the two queues. Jobs are done one by one in the order in which they were
// asked; a change is a transaction of its own, and its caller is told after COMMIT has returned.

#include "control/store/private.h"

#include <event2/event.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

// Where this thread shares a CPU with the event loop and the kernel preempts late, a long statement
// would hold the loop up: after each millisecond of work it steps aside for as long as a look around
// takes. It costs a tenth.
#define WORK_US  1000
#define ASIDE_NS 50000
int store_step_aside(void *user)
{
	const struct timespec aside = {.tv_nsec = ASIDE_NS};
	struct store *s = user;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	const uint64_t us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	if (us - s->aside_us < WORK_US)
		return 0;
	nanosleep(&aside, NULL);
	s->aside_us = us + ASIDE_NS / 1000;
	return 0;
}

static void execute(struct store *s, struct store_job *job)
{
	int status = 0;

	if (!job->change) {
		job->status = job->run(s, job);
		return;
	}
	status = store_exec(s, s->db, "BEGIN IMMEDIATE", job->why);
	if (status == 0)
		status = job->run(s, job);
	if (status == 0)
		status = store_exec(s, s->db, "COMMIT", job->why);
	// After some errors SQLite has rolled back by itself.
	if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	job->status = status;
	if (status == 0 && job->committed)
		job->committed(s, job);
	if (status == 0)
		s->changes += job->weight > 0 ? job->weight : 1;
	if (s->changes >= STORE_COPY_EVERY)
		store_copy_begin(s);
}

static void hand_back(struct store *s, struct store_job *job)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&s->lock);
	STAILQ_INSERT_TAIL(&s->ended, job, entry);
	if (--s->open == 0)
		pthread_cond_signal(&s->rest);
	pthread_mutex_unlock(&s->lock);
	// An eventfd takes 2^64 - 2 of these before it refuses one.
	(void)!write(s->wake_fd, &one, sizeof(one));
}

// The next job; NULL when there is none and something else to do. False at the end.
static bool next_job(struct store *s, struct store_job **out)
{
	pthread_mutex_lock(&s->lock);
	while (STAILQ_EMPTY(&s->waiting) && !s->stopping && !store_copy_under_way(s))
		pthread_cond_wait(&s->more, &s->lock);
	*out = STAILQ_FIRST(&s->waiting);
	if (*out)
		STAILQ_REMOVE_HEAD(&s->waiting, entry);
	bool go_on = *out || !s->stopping;
	pthread_mutex_unlock(&s->lock);
	return go_on;
}

static void *serve(void *arg)
{
	struct store *s = arg;
	struct store_job *job;

	sqlite3_progress_handler(s->db, STORE_LOOK_EVERY, store_step_aside, s);
	store_copy_begin(s);
	while (next_job(s, &job)) {
		if (job) {
			execute(s, job);
			hand_back(s, job);
		}
		if (store_copy_under_way(s)) {
			store_copy_step(s);
			store_step_aside(s);
		}
	}
	store_copy_cancel(s);
	return NULL;
}

// A change that makes no sense, or one for which there is no memory, says nothing of the disk.
static void note_trouble(struct store *s, const struct store_job *job)
{
	switch (job->change ? job->status : -EINVAL) {
	case -EINVAL:
	case -ENOMEM:
	case -ENOENT:
	case -EEXIST:
	case -ESTALE:
	case -ECANCELED:
		return;
	default:
		break;
	}
	snprintf(s->trouble, sizeof(s->trouble), "%s", job->status == 0 ? "" : job->why);
}

const char *store_trouble(const struct store *s)
{
	return s != NULL && s->trouble[0] != '\0' ? s->trouble : NULL;
}

static int run_try(struct store *s, struct store_job *job)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", store_schema_version());
	return store_exec(s, s->db, sql, job->why);
}

static void try_done(struct store *s, struct store_job *job)
{
	(void)s;
	free(job);
}

void store_try(struct store *s)
{
	struct store_job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return;
	job->change = true;
	job->run = run_try;
	job->done = try_done;
	if (store_submit(s, job, sizeof(*job), false) < 0)
		free(job);
}

// Tells who waits. Callbacks may ask for more.
static void deliver(struct store *s)
{
	struct store_jobs ended = STAILQ_HEAD_INITIALIZER(ended);
	struct store_job *job;

	pthread_mutex_lock(&s->lock);
	STAILQ_CONCAT(&ended, &s->ended);
	pthread_mutex_unlock(&s->lock);
	while ((job = STAILQ_FIRST(&ended))) {
		STAILQ_REMOVE_HEAD(&ended, entry);
		s->count--;
		s->bytes -= job->bytes;
		note_trouble(s, job);
		job->done(s, job);
	}
}

static void woken(evutil_socket_t fd, short what, void *user)
{
	uint64_t count;

	(void)what;
	// Cleared before the queue is looked at, so that what comes meanwhile wakes again.
	(void)!read((int)fd, &count, sizeof(count));
	deliver(user);
}

static int start_thread(struct store *s, const cpu_set_t *cpus)
{
	pthread_attr_t attr;
	sigset_t all, before;

	int err = pthread_attr_init(&attr);
	if (err != 0)
		return -err;
	if (cpus)
		err = pthread_attr_setaffinity_np(&attr, sizeof(*cpus), cpus);
	if (err == 0) {
		// Signals are the control thread's.
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		err = pthread_create(&s->thread, &attr, serve, s);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attr);
	if (err == 0)
		pthread_setname_np(s->thread, "store");
	return -err;
}

int store_thread_start(struct store *s, const cpu_set_t *cpus, char why[static STORE_WHY])
{
	int status = 0;

	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake_fd < 0)
		status = -errno;
	if (status == 0) {
		s->wake = event_new(s->base, s->wake_fd, EV_READ | EV_PERSIST, woken, s);
		if (!s->wake || event_add(s->wake, NULL) != 0)
			status = -ENOMEM;
	}
	if (status == 0)
		status = start_thread(s, cpus);
	s->started = status == 0;
	if (status != 0)
		store_say(why, "state database %s: its thread cannot be started: %s", s->path,
			strerror(-status));
	return status;
}

void store_thread_stop(struct store *s)
{
	if (s->started) {
		pthread_mutex_lock(&s->lock);
		s->stopping = true;
		pthread_cond_signal(&s->more);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->thread, NULL);
		// No more is taken from here on, so this is the end of it.
		s->started = false;
		deliver(s);
	}
	if (s->wake)
		event_free(s->wake);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
}

void store_settle(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->started && s->open > 0)
		pthread_cond_wait(&s->rest, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

int store_submit(struct store *s, struct store_job *job, size_t bytes, bool record)
{
	if (!s->started)
		return -ESHUTDOWN;
	if (s->count >= (record ? STORE_RECORDS_MAX : STORE_JOBS_MAX) ||
		s->bytes + bytes > STORE_BYTES_MAX)
		return -EAGAIN;
	job->bytes = bytes;
	s->count++;
	s->bytes += bytes;
	pthread_mutex_lock(&s->lock);
	STAILQ_INSERT_TAIL(&s->waiting, job, entry);
	s->open++;
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->lock);
	return 0;
}
