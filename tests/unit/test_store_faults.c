// SPDX-License-Identifier: BSD-2-Clause
// The state database when memory is refused and when the disk fails, at each place in turn: nothing
// breaks, nothing acknowledged is lost, and nothing is half there.

#include "tests/unit/store_disk.h"
#include "tests/unit/store_rig.h"

#include "postern/log.h"

#include <stdatomic.h>

// Memory: the allocation whose turn it is is refused, ours (the linker turns them here) and SQLite's.

static atomic_long turns; // left until it is; 0: off
static bool all_after;    // and every one after it
static atomic_bool refused;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *text);

static bool is_refused(void)
{
	if (atomic_load(&turns) <= 0)
		return atomic_load(&turns) < 0;
	if (atomic_fetch_sub(&turns, 1) != 1)
		return false;
	if (all_after)
		atomic_store(&turns, -1);
	atomic_store(&refused, true);
	return true;
}

void *__wrap_malloc(size_t size)
{
	return is_refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return is_refused() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return is_refused() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *text)
{
	return is_refused() ? NULL : __real_strdup(text);
}

static sqlite3_mem_methods plain;

static void *sqlite_malloc(int n)
{
	return is_refused() ? NULL : plain.xMalloc(n);
}

static void *sqlite_realloc(void *p, int n)
{
	return is_refused() ? NULL : plain.xRealloc(p, n);
}

// What is asked of a store, and what came of it.

struct story {
	bool opened;
	unsigned acknowledged; // bit i: change i is on the disk, they said
	unsigned failed;       // bit i: they said that it is not
};

static struct story story;

static void change_told(void *user, int status, const char *text)
{
	const unsigned bit = 1u << (uintptr_t)user;

	told++;
	if (status == 0) {
		story.acknowledged |= bit;
	} else {
		story.failed |= bit;
		// Whoever reads it is helped: it names the file.
		assert_non_null(strstr(text, path));
	}
}

static void change(struct store *s, unsigned i, const char *state)
{
	char name[16];
	const unsigned before = told;

	snprintf(name, sizeof(name), "fe%u", i);
	const struct store_member two[2] = {member("a", name, state), member("b", name, state)};
	int status = store_members_set(s, two, 2, &who, change_told, (void *)(uintptr_t)i);
	if (status == 0)
		wait_told(before + 1);
	else
		story.failed |= 1u << i;
}

static void rows_told(void *user, int status, const char *text,
	const struct store_audit *const *rows, size_t n, bool more)
{
	(void)rows;
	(void)n;
	(void)more;
	tell(user, status, text);
}

static bool nobody(void *user, const struct store_member *m)
{
	(void)user;
	(void)m;
	return false;
}

#define CHANGES 3

static void tell_story(void)
{
	const struct store_audit_query all = {.limit = 10};
	struct store *s = NULL;

	story = (struct story){0};
	if (try_open(&s) != 0) {
		assert_null(s);
		assert_true(why[0] != '\0');
		return;
	}
	story.opened = true;
	for (unsigned i = 0; i < CHANGES; i++)
		change(s, i, i % 2 == 0 ? "drain" : "maint");
	const unsigned before = told;
	if (store_audit_list(s, &all, rows_told, NULL) == 0)
		wait_told(before + 1);
	store_members_sweep(s, 1, nobody, NULL);
	store_close(s);
}

// What a store says that is opened once all is well again. A change that failed may be there whole
// all the same, if the disk did not tell the truth at the last instant.
static void check_left(const char *where, long n)
{
	struct store *s = reopen();
	unsigned records = 0;

	for (unsigned i = 0; i < CHANGES; i++) {
		const char *wanted = i % 2 == 0 ? "drain" : "maint";
		char name[16];

		snprintf(name, sizeof(name), "fe%u", i);
		const bool a = strcmp(state_of(s, "a", name), wanted) == 0;
		const bool b = strcmp(state_of(s, "b", name), wanted) == 0;
		if (a != b)
			fail_msg("%s %ld: change %u is half there", where, n, i);
		if ((story.acknowledged & 1u << i) && !a)
			fail_msg("%s %ld: change %u was acknowledged and is lost", where, n, i);
		records += a;
	}
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 100}), 0);
	if (n_page != records)
		fail_msg("%s %ld: %u changes and %zu records", where, n, records, n_page);
	page_clear();
	store_close(s);
}

static void fresh(void)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/state", folder);
	remove_all(name);
}

static long each_allocation(bool all)
{
	long n = 1;

	all_after = all;
	for (;; n++) {
		fresh();
		atomic_store(&refused, false);
		atomic_store(&turns, n);
		tell_story();
		atomic_store(&turns, 0);
		if (!atomic_load(&refused))
			break;
		if (access(path, F_OK) == 0)
			check_left("allocation", n);
	}
	assert_int_equal(story.acknowledged, (1u << CHANGES) - 1);
	return n;
}

static void test_each_allocation(void **state)
{
	(void)state;
	assert_true(each_allocation(false) > 200);
}

static void test_each_allocation_and_all_after(void **state)
{
	(void)state;
	assert_true(each_allocation(true) > 200);
}

static long each_operation(enum disk_fault mode, const char *where, bool made)
{
	long n = 1;

	for (;; n++) {
		fresh();
		disk_reset(DISK_GOOD, 0);
		if (made)
			store_close(reopen());
		disk_reset(mode, n);
		tell_story();
		const bool hit = disk_hit;
		disk_reset(DISK_GOOD, 0);
		if (!hit)
			break;
		// A file that was lost before the first start had ended is not asked back.
		check_left(where, n);
	}
	assert_int_equal(story.acknowledged, (1u << CHANGES) - 1);
	return n;
}

static void test_disk_error(void **state)
{
	(void)state;
	assert_true(each_operation(DISK_ERROR, "error of operation", true) > 50);
}

static void test_disk_error_of_a_new_one(void **state)
{
	(void)state;
	assert_true(each_operation(DISK_ERROR, "error of operation", false) > 50);
}

static void test_disk_full(void **state)
{
	(void)state;
	assert_true(each_operation(DISK_FULL, "full from operation", true) > 50);
	// In words that help.
	fresh();
	disk_reset(DISK_GOOD, 0);
	struct store *s = reopen();
	struct store_member m = member("a", "b", "drain");
	disk_reset(DISK_FULL, 1);
	assert_int_equal(set(s, &m), -ENOSPC);
	assert_non_null(strstr(told_why, "make room"));
	assert_non_null(strstr(store_trouble(s), "make room"));
	// A change that makes no sense says nothing of the disk.
	struct store_member wrong = member("a", "b", "asleep");
	assert_int_equal(set(s, &wrong), -EINVAL);
	assert_non_null(store_trouble(s));
	store_try(s);
	// Jobs are done in order: when this one is told, the other has been.
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 1}), 0);
	assert_non_null(store_trouble(s));
	// Room was made: it is found out without anybody's doing, and goes on.
	disk_reset(DISK_GOOD, 0);
	store_try(s);
	assert_int_equal(list(s, &(struct store_audit_query){.limit = 1}), 0);
	assert_null(store_trouble(s));
	assert_int_equal(set(s, &m), 0);
	assert_null(store_trouble(s));
	store_close(s);
}

static void test_power_loss(void **state)
{
	(void)state;
	assert_true(each_operation(DISK_POWER_LOSS, "power lost at operation", true) > 50);
}

static void test_power_loss_of_a_new_one(void **state)
{
	(void)state;
	assert_true(each_operation(DISK_POWER_LOSS, "power lost at operation", false) > 50);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_allocation),
		TEST(test_each_allocation_and_all_after),
		TEST(test_disk_error),
		TEST(test_disk_error_of_a_new_one),
		TEST(test_disk_full),
		TEST(test_power_loss),
		TEST(test_power_loss_of_a_new_one),
	};
	sqlite3_mem_methods failing;

	// Each of thousands of failures is told.
	postern_log_set_level(POSTERN_LOG_ERROR);
	// Before anything of SQLite is used.
	sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain);
	failing = plain;
	failing.xMalloc = sqlite_malloc;
	failing.xRealloc = sqlite_realloc;
	sqlite3_config(SQLITE_CONFIG_MALLOC, &failing);
	disk_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
