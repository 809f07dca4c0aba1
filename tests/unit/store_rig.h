// SPDX-License-Identifier: BSD-2-Clause
// A folder of its own for each test of the store, and what opens, asks and waits. Include once in a
// program.

#pragma once

#include "control/store/private.h"
#include "control/store/store.h"

#include <event2/event.h>

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char path[128];
static struct event_base *base;
static char why[STORE_WHY];

// What was told of the last request.
static unsigned told;
static int told_status;
static char told_why[STORE_WHY];

static inline char *beside(const char *end)
{
	static char names[4][192];
	static unsigned next;
	char *name = names[next++ % 4];

	snprintf(name, sizeof(names[0]), "%s%s", path, end);
	return name;
}

static inline int remove_one(const char *name, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(name);
}

static inline void remove_all(const char *name)
{
	// It may not be there.
	nftw(name, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int setup(void **state)
{
	(void)state;
	// In memory, where there is such a place: thousands of syncs would take their time.
	snprintf(folder, sizeof(folder), "%s/postern-store-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/state/state.db", folder);
	base = event_base_new();
	assert_non_null(base);
	told = 0;
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	event_base_free(base);
	remove_all(folder);
	return 0;
}

static inline int try_open(struct store **s)
{
	const struct store_options options = {.path = path, .base = base};

	why[0] = '\0';
	return store_open(&options, s, why, sizeof(why));
}

static inline struct store *reopen(void)
{
	struct store *s = NULL;

	if (try_open(&s) != 0)
		fail_msg("%s", why);
	return s;
}

static inline void tell(void *user, int status, const char *text)
{
	(void)user;
	told++;
	told_status = status;
	snprintf(told_why, sizeof(told_why), "%s", text);
}

// Turns the loop until so many requests have been told.
static inline void wait_told(unsigned n)
{
	while (told < n)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

static inline struct store_member member(const char *pool, const char *name, const char *state)
{
	struct store_member m = {.weight = STORE_WEIGHT_KEEP};

	snprintf(m.pool, sizeof(m.pool), "%s", pool);
	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(m.state, sizeof(m.state), "%s", state);
	assert_int_equal(postern_endpoint_parse("10.0.0.11:5061", &m.at), 0);
	return m;
}

static const struct store_audit who = {
	.uid = 0, .pid = 4711, .method = "member.set", .params = "{}", .result = "ok"};

static inline int set(struct store *s, const struct store_member *m)
{
	const unsigned before = told;
	int status = store_members_set(s, m, 1, &who, tell, NULL);

	if (status != 0)
		return status;
	wait_told(before + 1);
	return told_status;
}

static inline const char *state_of(const struct store *s, const char *pool, const char *name)
{
	const struct store_member key = member(pool, name, "");
	const struct store_member *m = store_member_find(s, pool, name, &key.at);

	return m ? m->state : "ready";
}

// A page of the audit, kept.
static struct store_audit *page[1000];
static size_t n_page;
static bool page_more;

static inline void page_clear(void)
{
	while (n_page > 0)
		free(page[--n_page]);
}

static inline void page_take(void *user, int status, const char *text,
	const struct store_audit *const *rows, size_t n, bool more)
{
	page_clear();
	for (; n_page < n; n_page++)
		page[n_page] = store_audit_copy(rows[n_page]);
	page_more = more;
	tell(user, status, text);
}

static inline int list(struct store *s, const struct store_audit_query *query)
{
	const unsigned before = told;
	int status = store_audit_list(s, query, page_take, NULL);

	if (status != 0)
		return status;
	wait_told(before + 1);
	return told_status;
}

// Waits until a file is there: the copy is made while others work.
static inline void wait_file(const char *name)
{
	for (unsigned i = 0; access(name, F_OK) != 0; i++) {
		assert_true(i < 10000);
		usleep(1000);
	}
}

// Spoils `n` bytes of a file from an offset.
static inline void spoil(const char *name, long offset, size_t n)
{
	FILE *f = fopen(name, "r+b");

	assert_non_null(f);
	assert_int_equal(fseek(f, offset, SEEK_SET), 0);
	while (n-- > 0)
		fputc(0xa5, f);
	assert_int_equal(fclose(f), 0);
}
