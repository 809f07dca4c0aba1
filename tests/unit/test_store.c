// SPDX-License-Identifier: BSD-2-Clause
// The state database: what it keeps, what it refuses to open, and what is left when the process is
// killed at any instant.

#include "tests/unit/store_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static void test_makes_folder_and_file(void **state)
{
	struct stat st;

	(void)state;
	store_close(reopen());
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	*strrchr(path, '/') = '\0';
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
}

static void test_keeps_members(void **state)
{
	struct store_member m = member("edges", "fe1", "drain");
	struct store *s = reopen();

	(void)state;
	assert_string_equal(state_of(s, "edges", "fe1"), "ready");
	assert_int_equal(set(s, &m), 0);
	assert_string_equal(state_of(s, "edges", "fe1"), "drain");
	m = member("edges", "fe2", "maint");
	m.weight = 7;
	assert_int_equal(set(s, &m), 0);
	store_close(s);
	s = reopen();
	assert_string_equal(state_of(s, "edges", "fe1"), "drain");
	assert_string_equal(state_of(s, "edges", "fe2"), "maint");
	assert_string_equal(state_of(s, "edges", "fe3"), "ready");
	assert_string_equal(state_of(s, "streams", "fe1"), "ready");
	assert_int_equal(store_member_find(s, "edges", "fe2", &m.at)->weight, 7);
	// The same name at another address is another member.
	struct postern_endpoint other = m.at;
	other.port++;
	assert_null(store_member_find(s, "edges", "fe2", &other));
	// A change of the one leaves the other.
	m = member("edges", "fe2", "");
	m.weight = STORE_WEIGHT_FILE;
	assert_int_equal(set(s, &m), 0);
	assert_string_equal(state_of(s, "edges", "fe2"), "maint");
	m = member("edges", "fe2", "ready");
	assert_int_equal(set(s, &m), 0);
	assert_null(store_member_find(s, "edges", "fe2", &m.at));
	store_close(s);
	s = reopen();
	assert_null(store_member_find(s, "edges", "fe2", &m.at));
	assert_string_equal(state_of(s, "edges", "fe1"), "drain");
	store_close(s);
}

static void test_refuses_what_is_no_member(void **state)
{
	struct store *s = reopen();
	struct store_member m = member("edges", "fe1", "asleep");

	(void)state;
	assert_int_equal(store_members_set(s, &m, 1, &who, tell, NULL), -EINVAL);
	m = member("edges", "", "drain");
	assert_int_equal(store_members_set(s, &m, 1, &who, tell, NULL), -EINVAL);
	m = member("edges", "a\"b", "drain");
	assert_int_equal(store_members_set(s, &m, 1, &who, tell, NULL), -EINVAL);
	m = member("edges", "fe1", "drain");
	m.weight = -3;
	assert_int_equal(store_members_set(s, &m, 1, &who, tell, NULL), -EINVAL);
	assert_int_equal(told, 0);
	store_close(s);
}

static void test_many_in_one_change(void **state)
{
	struct store *s = reopen();
	struct store_member all[3] = {member("a", "fe1", "drain"), member("b", "fe1", "drain"),
		member("c", "fe1", "maint")};

	(void)state;
	assert_int_equal(store_members_set(s, all, 3, &who, tell, NULL), 0);
	wait_told(1);
	assert_int_equal(told_status, 0);
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 10}), 0);
	assert_int_equal(n_page, 1);
	assert_string_equal(page[0]->before,
		"{\"a/fe1\":{\"state\":\"ready\"},\"b/fe1\":{\"state\":"
		"\"ready\"},\"c/fe1\":{\"state\":\"ready\"}}");
	assert_string_equal(page[0]->after, "{\"a/fe1\":{\"state\":\"drain\"},\"b/fe1\":{\"state\":"
					    "\"drain\"},\"c/fe1\":{\"state\":\"maint\"}}");
	store_close(s);
}

static unsigned n_present;
static bool is_present(void *user, const struct store_member *m)
{
	const char *only = user;

	n_present++;
	return strcmp(m->name, only) == 0;
}

static void settle(struct store *s)
{
	// Jobs are done in order: when this one is told, those before are.
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 1}), 0);
}

static void test_remembers_for_thirty_days(void **state)
{
	const uint64_t day = UINT64_C(86400000000);
	const uint64_t start = UINT64_C(1700000000000000);
	struct store_member m = member("edges", "fe1", "drain");
	struct store *s = reopen();

	(void)state;
	assert_int_equal(set(s, &m), 0);
	m = member("edges", "fe2", "maint");
	assert_int_equal(set(s, &m), 0);
	store_members_sweep(s, start, is_present, (char[]){"fe2"});
	settle(s);
	// Who is gone is known still, over a restart, too.
	store_close(s);
	s = reopen();
	store_members_sweep(s, start + 30 * day - 1, is_present, (char[]){"fe2"});
	settle(s);
	assert_string_equal(state_of(s, "edges", "fe1"), "drain");
	// Back in between, it begins anew.
	store_members_sweep(s, start + 30 * day - 1, is_present, (char[]){"fe1"});
	settle(s);
	store_members_sweep(s, start + 31 * day, is_present, (char[]){"fe2"});
	settle(s);
	assert_string_equal(state_of(s, "edges", "fe1"), "drain");
	assert_string_equal(state_of(s, "edges", "fe2"), "maint");
	// A clock that went back forgets nobody.
	store_members_sweep(s, start, is_present, (char[]){"fe2"});
	settle(s);
	assert_string_equal(state_of(s, "edges", "fe1"), "drain");
	store_members_sweep(s, start + 61 * day, is_present, (char[]){"fe2"});
	settle(s);
	assert_string_equal(state_of(s, "edges", "fe1"), "ready");
	assert_string_equal(state_of(s, "edges", "fe2"), "maint");
	store_close(s);
	s = reopen();
	assert_string_equal(state_of(s, "edges", "fe1"), "ready");
	assert_string_equal(state_of(s, "edges", "fe2"), "maint");
	store_close(s);
}

static void add(struct store *s, const char *method, int64_t uid, const char *user)
{
	const struct store_audit record = {.uid = uid,
		.pid = 17,
		.user = user,
		.method = method,
		.params = "{\"a\":1}",
		.comment = "because",
		.result = "ok"};
	const unsigned before = told;

	assert_int_equal(store_audit_add(s, &record, tell, NULL), 0);
	wait_told(before + 1);
	assert_int_equal(told_status, 0);
}

static void test_audit_is_listed(void **state)
{
	struct store *s = reopen();

	(void)state;
	add(s, "member.set", 0, NULL);
	add(s, "config.reload", -1, "(SIGHUP)");
	add(s, "member.set", 1234567, NULL);
	add(s, "memberx.set", 0, NULL);
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 10}), 0);
	assert_int_equal(n_page, 4);
	assert_false(page_more);
	assert_string_equal(page[0]->method, "memberx.set");
	assert_string_equal(page[3]->method, "member.set");
	assert_string_equal(page[3]->user, "root");
	assert_string_equal(page[3]->comment, "because");
	assert_string_equal(page[3]->params, "{\"a\":1}");
	assert_int_equal(page[3]->pid, 17);
	assert_null(page[3]->before);
	assert_true(page[3]->wall_us > UINT64_C(1700000000000000));
	assert_int_equal(page[2]->uid, -1);
	assert_null(page[1]->user);
	assert_int_equal(page[1]->uid, 1234567);
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 9, .method = "member"}), 0);
	assert_int_equal(n_page, 2);
	assert_int_equal(
		list(s, &(struct store_audit_query){.limit = 9, .method = "config.reload"}), 0);
	assert_int_equal(n_page, 1);
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 9, .user = "root"}), 0);
	assert_int_equal(n_page, 2);
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 9, .user = "1234567"}), 0);
	assert_int_equal(n_page, 1);
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 3}), 0);
	assert_int_equal(n_page, 3);
	assert_true(page_more);
	const uint64_t last = page[2]->id;
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 3, .before = last}), 0);
	assert_int_equal(n_page, 1);
	assert_false(page_more);
	page_clear();
	store_close(s);
}

static void test_audit_texts_are_bounded(void **state)
{
	struct store *s = reopen();
	char *big = malloc(100001);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', 100000);
	// A character of two bytes lies across the limit.
	memcpy(&big[1023], "\xc3\xa4", 2);
	big[100000] = '\0';
	const struct store_audit record = {.method = "m", .params = big, .comment = big};
	assert_int_equal(store_audit_add(s, &record, tell, NULL), 0);
	wait_told(1);
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 1}), 0);
	assert_string_equal(page[0]->params, "{\"too-long\":100000}");
	assert_int_equal(strlen(page[0]->comment), 1023);
	page_clear();
	free(big);
	store_close(s);
}

static void test_pages_are_bounded(void **state)
{
	struct store *s = reopen();
	char big[8000];
	size_t seen = 0;
	uint64_t at = 0;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	const struct store_audit record = {.method = "m", .params = big};
	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(store_audit_add(s, &record, tell, NULL), 0);
	wait_told(300);
	do {
		assert_int_equal(
			list(s, &(struct store_audit_query){.limit = 1000, .before = at}), 0);
		assert_in_range(n_page, 1, 140);
		seen += n_page;
		at = page[n_page - 1]->id;
	} while (page_more);
	assert_int_equal(seen, 300);
	page_clear();
	store_close(s);
}

// Runs statements on the closed file.
static void sql(const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void test_audit_is_bounded(void **state)
{
	struct store *s = reopen();

	(void)state;
	add(s, "first", 0, NULL);
	store_close(s);
	sql("WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
	    " INSERT INTO audit (id, wall_us, method, result)"
	    " SELECT i, 4000000000000000, 'filler', 'ok' FROM n");
	s = reopen();
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 1, .method = "first"}), 0);
	assert_int_equal(n_page, 1);
	add(s, "last", 0, NULL);
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 1, .method = "first"}), 0);
	assert_int_equal(n_page, 0);
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 1}), 0);
	assert_string_equal(page[0]->method, "last");
	assert_int_equal(page[0]->id, 100001);
	store_close(s);
	// What is older than a year goes, a hundred with each that comes.
	sql("UPDATE audit SET wall_us = 1 WHERE id <= 151");
	s = reopen();
	add(s, "more", 0, NULL);
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 9, .before = 152}), 0);
	assert_int_equal(n_page, 9);
	add(s, "more", 0, NULL);
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 9, .before = 152}), 0);
	assert_int_equal(n_page, 0);
	page_clear();
	store_close(s);
}

static void test_queue_is_bounded(void **state)
{
	struct store *s = reopen();
	struct store_member m = member("edges", "fe1", "drain");
	unsigned asked = 0;
	int status = 0;

	(void)state;
	// Nothing is told while the loop does not turn, so the bound is met however fast the disk is.
	while (asked <= STORE_JOBS_MAX &&
		(status = store_members_set(s, &m, 1, &who, tell, NULL)) == 0)
		asked++;
	assert_int_equal(status, -EAGAIN);
	assert_int_equal(asked, STORE_JOBS_MAX);
	// Records of what has happened have room still.
	assert_int_equal(store_audit_add(s, &who, tell, NULL), 0);
	wait_told(asked + 1);
	assert_int_equal(set(s, &m), 0);
	store_close(s);
}

static void test_close_does_what_was_asked(void **state)
{
	struct store *s = reopen();
	struct store_member m = member("edges", "fe1", "drain");

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(store_members_set(s, &m, 1, &who, tell, NULL), 0);
	store_close(s);
	assert_int_equal(told, 100);
	assert_int_equal(told_status, 0);
	s = reopen();
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 1000}), 0);
	assert_int_equal(n_page, 100);
	page_clear();
	store_close(s);
}

// What cannot be opened.

static void refuse(int status, const char *word)
{
	struct store *s = NULL;

	assert_int_equal(try_open(&s), status);
	assert_null(s);
	if (!strstr(why, word) || !strstr(why, path))
		fail_msg("no \"%s\" or no path in: %s", word, why);
}

// With a drained member and a good copy of that.
static void prepare_copy(void)
{
	struct store_member m = member("edges", "fe1", "drain");
	struct store *s = reopen();

	assert_int_equal(set(s, &m), 0);
	store_close(s);
	unlink(beside(".good"));
	s = reopen();
	wait_file(beside(".good"));
	store_close(s);
}

// Does what the message says after the first "type: ", up to the next ";" that ends the commands.
static void obey(void)
{
	char command[2 * STORE_WHY];
	const char *type = strstr(why, "type: ");

	assert_non_null(type);
	snprintf(command, sizeof(command), "%s", type + strlen("type: "));
	char *other = strstr(command, "; to begin");
	if (other)
		*other = '\0';
	assert_int_equal(system(command), 0);
}

static void test_damage_is_found_and_the_copy_offered(void **state)
{
	(void)state;
	prepare_copy();
	spoil(path, 4096 + 3, 64);
	refuse(-EBADMSG, "damaged");
	assert_non_null(strstr(why, "last good copy, of 20"));
	// Asked again, the same: nothing was done behind the operator's back.
	refuse(-EBADMSG, "damaged");
	obey();
	struct store *s = reopen();
	assert_string_equal(state_of(s, "edges", "fe1"), "drain");
	store_close(s);
	assert_int_equal(access(beside(".damaged"), F_OK), 0);
}

static void test_damage_anywhere(void **state)
{
	static const size_t sizes[] = {0, 1, 99, 100, 4095, 4096, 8191};

	(void)state;
	// Cut short: found, or a whole database without what was cut off is impossible here.
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct store *s = NULL;

		prepare_copy();
		assert_int_equal(truncate(path, (off_t)sizes[i]), 0);
		assert_int_equal(try_open(&s), -EBADMSG);
		obey();
		s = reopen();
		assert_string_equal(state_of(s, "edges", "fe1"), "drain");
		store_close(s);
	}
}

static void test_damage_of_the_header(void **state)
{
	(void)state;
	prepare_copy();
	spoil(path, 0, 100);
	refuse(-EBADMSG, "damaged");
}

static void test_damage_of_both(void **state)
{
	(void)state;
	prepare_copy();
	spoil(path, 4096 + 3, 64);
	spoil(beside(".good"), 4096 + 3, 64);
	refuse(-EBADMSG, "its last good copy is damaged, too");
	obey();
	store_close(reopen());
}

static void test_lost_file(void **state)
{
	(void)state;
	prepare_copy();
	assert_int_equal(unlink(path), 0);
	refuse(-EBADMSG, "is missing");
	obey();
	struct store *s = reopen();
	assert_string_equal(state_of(s, "edges", "fe1"), "drain");
	store_close(s);
	assert_int_equal(truncate(path, 0), 0);
	refuse(-EBADMSG, "is empty");
}

static void test_newer_schema(void **state)
{
	char text[64];

	(void)state;
	store_close(reopen());
	snprintf(text, sizeof(text), "PRAGMA user_version = %d", store_schema_version() + 1);
	sql(text);
	refuse(-EPROTO, "newer postern");
	// It is left as it was.
	refuse(-EPROTO, "newer postern");
}

static void test_somebody_elses(void **state)
{
	(void)state;
	store_close(reopen());
	unlink(beside(".good"));
	unlink(path);
	sql("CREATE TABLE theirs (x)");
	refuse(-EPROTO, "another program");
}

static void test_migration(void **state)
{
	enum {
		STEPS = 64
	};
	static const char *steps[STEPS];
	const int now = store_schema_version();
	struct store_member m = member("edges", "fe1", "drain");
	struct store *s = reopen();
	struct store later = {.path = path};
	int64_t version = 0;
	char text[STORE_WHY];

	(void)state;
	assert_true(now + 1 < STEPS);
	steps[now] = "CREATE TABLE more (x)";
	steps[now + 1] = "INSERT INTO nowhere VALUES (1)";
	assert_int_equal(set(s, &m), 0);
	store_close(s);
	assert_int_equal(sqlite3_open(path, &later.db), SQLITE_OK);
	assert_int_equal(store_schema_run(&later, steps, now, now + 1, text), 0);
	assert_int_equal(store_number(&later, later.db, "PRAGMA user_version", &version, text), 0);
	assert_int_equal(version, now + 1);
	// A step that fails leaves the version before.
	assert_true(store_schema_run(&later, steps, now + 1, now + 2, text) < 0);
	assert_int_equal(store_number(&later, later.db, "PRAGMA user_version", &version, text), 0);
	assert_int_equal(version, now + 1);
	sqlite3_close(later.db);
	// This version refuses the newer one, and goes on with the copy from before.
	refuse(-EPROTO, "newer postern");
	obey();
	s = reopen();
	assert_string_equal(state_of(s, "edges", "fe1"), "drain");
	store_close(s);
}

// A database of the first version, which knew members and the audit alone.
static void test_first_version_is_brought_up_to_date(void **state)
{
	struct store_member m = member("edges", "fe1", "drain");
	struct store *s = reopen();

	(void)state;
	assert_int_equal(set(s, &m), 0);
	store_close(s);
	sql("DROP TABLE sequence; DROP TABLE organisation; DROP TABLE allowed_domain;"
	    "DROP TABLE blocked_domain; DROP TABLE provider; DROP TABLE switches;"
	    "PRAGMA user_version = 1");
	s = reopen();
	assert_string_equal(state_of(s, "edges", "fe1"), "drain");
	store_close(s);
	assert_int_equal(access(beside(".schema-1"), F_OK), 0);
	sql("INSERT INTO allowed_domain (organisation, id, revision, changed_us, domain)"
	    " VALUES ('contoso', 1, 1, 0, 'fabrikam.com')");
}

static void test_in_use(void **state)
{
	struct store *s = reopen();

	(void)state;
	refuse(-EBUSY, "in use by another process");
	store_close(s);
	store_close(reopen());
}

static void test_places_that_will_not_do(void **state)
{
	struct store *s = NULL;

	(void)state;
	snprintf(path, sizeof(path), "%s/a/b/state.db", folder);
	refuse(-ENOENT, "mkdir -p");
	snprintf(path, sizeof(path), "%s", folder);
	refuse(-EINVAL, "this is no file");
	snprintf(path, sizeof(path), "/proc/state.db");
	assert_true(try_open(&s) < 0);
	assert_non_null(strstr(why, "cannot be made"));
	snprintf(path, sizeof(path), "%s/state/state.db", folder);
}

static void test_copy_follows_changes(void **state)
{
	struct store_member m = member("edges", "fe1", "drain");
	struct store *s = reopen();
	struct stat first, next;

	(void)state;
	wait_file(beside(".good"));
	assert_int_equal(stat(beside(".good"), &first), 0);
	for (unsigned i = 0; i < STORE_COPY_EVERY; i++) {
		assert_int_equal(store_members_set(s, &m, 1, &who, tell, NULL), 0);
		wait_told(told + 1);
	}
	for (unsigned i = 0;; i++) {
		assert_int_equal(stat(beside(".good"), &next), 0);
		if (next.st_ino != first.st_ino)
			break;
		assert_true(i < 10000);
		usleep(1000);
	}
	store_close(s);
	assert_int_equal(rename(beside(".good"), path), 0);
	s = reopen();
	assert_string_equal(state_of(s, "edges", "fe1"), "drain");
	store_close(s);
}

// The kill. A child changes members one after the other and writes the number of each change to a
// pipe when it is told that it is on the disk. It is killed at any instant; what it had told is
// there, and of the change under way all or nothing.

#define KILLS 250
#define POOL  4 // members that one change sets, all to the same state

static const char *const states[] = {"ready", "drain", "maint"};

struct child {
	struct store *s;
	int to;
	uint32_t number;
};

static void child_next(struct child *c);

static void child_told(void *user, int status, const char *text)
{
	struct child *c = user;

	(void)text;
	if (status != 0 || write(c->to, &c->number, sizeof(c->number)) != sizeof(c->number))
		_exit(3);
	child_next(c);
}

static void child_next(struct child *c)
{
	struct store_member all[POOL];
	char params[32];

	c->number++;
	snprintf(params, sizeof(params), "%u", c->number);
	const struct store_audit record = {.method = "kill.set", .params = params};
	for (unsigned i = 0; i < POOL; i++) {
		char name[16];

		snprintf(name, sizeof(name), "fe%u", i);
		all[i] = member("edges", name, states[c->number % 3]);
		all[i].weight = (int32_t)c->number;
	}
	if (store_members_set(c->s, all, POOL, &record, child_told, c) != 0)
		_exit(4);
}

static void child_run(int to, uint32_t number)
{
	struct child c = {.to = to, .number = number};

	base = event_base_new();
	if (!base || try_open(&c.s) != 0)
		_exit(5);
	child_next(&c);
	event_base_dispatch(base);
	_exit(6);
}

// The last number that the child told.
static uint32_t drain_pipe(int from, uint32_t before)
{
	uint32_t number;

	while (read(from, &number, sizeof(number)) == sizeof(number))
		before = number;
	return before;
}

static uint32_t check_left(struct store *s, uint32_t acknowledged)
{
	struct store_member key = member("edges", "fe0", "");
	const struct store_member *first = store_member_find(s, "edges", "fe0", &key.at);
	const uint32_t number = first ? (uint32_t)first->weight : 0;

	assert_in_range(number, acknowledged, acknowledged + 1);
	for (unsigned i = 0; number > 0 && i < POOL; i++) {
		char name[16];

		snprintf(name, sizeof(name), "fe%u", i);
		const struct store_member *m = store_member_find(s, "edges", name, &key.at);
		assert_non_null(m);
		assert_int_equal(m->weight, number);
		assert_string_equal(m->state, states[number % 3]);
	}
	// The record came with the change.
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 1000, .method = "kill"}), 0);
	assert_int_equal(n_page > 0 ? (uint32_t)atoi(page[0]->params) : 0, number);
	for (size_t i = 1; i < n_page; i++)
		assert_int_equal(atoi(page[i]->params), atoi(page[i - 1]->params) - 1);
	return number;
}

static void test_killed_at_any_instant(void **state)
{
	uint32_t number = 0;
	unsigned answered = 0;
	unsigned random = 12345;

	(void)state;
	for (unsigned i = 0; i < KILLS; i++) {
		int fds[2];

		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			close(fds[0]);
			child_run(fds[1], number);
		}
		close(fds[1]);
		// Some die while they open, some after a few changes.
		if (i % 4 != 0) {
			struct pollfd p = {.fd = fds[0], .events = POLLIN};
			assert_int_equal(poll(&p, 1, 20000), 1);
		}
		random = random * 1103515245 + 12345;
		const struct timespec pause = {.tv_nsec = (long)(random >> 8) % 30000000};
		nanosleep(&pause, NULL);
		assert_int_equal(kill(child, SIGKILL), 0);
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		const uint32_t acknowledged = drain_pipe(fds[0], number);
		close(fds[0]);
		answered += acknowledged - number;
		struct store *s = reopen();
		number = check_left(s, acknowledged);
		store_close(s);
	}
	// Kills that hit nothing prove nothing.
	assert_true(answered > KILLS);
	page_clear();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_makes_folder_and_file),
		TEST(test_keeps_members),
		TEST(test_refuses_what_is_no_member),
		TEST(test_many_in_one_change),
		TEST(test_remembers_for_thirty_days),
		TEST(test_audit_is_listed),
		TEST(test_audit_texts_are_bounded),
		TEST(test_pages_are_bounded),
		TEST(test_audit_is_bounded),
		TEST(test_queue_is_bounded),
		TEST(test_close_does_what_was_asked),
		TEST(test_damage_is_found_and_the_copy_offered),
		TEST(test_damage_anywhere),
		TEST(test_damage_of_the_header),
		TEST(test_damage_of_both),
		TEST(test_lost_file),
		TEST(test_newer_schema),
		TEST(test_somebody_elses),
		TEST(test_migration),
		TEST(test_first_version_is_brought_up_to_date),
		TEST(test_in_use),
		TEST(test_places_that_will_not_do),
		TEST(test_copy_follows_changes),
		TEST(test_killed_at_any_instant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
