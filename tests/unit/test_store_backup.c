// SPDX-License-Identifier: BSD-2-Clause
// Backups of the state database, and the way back.

#include "tests/unit/store_rig.h"

static int backup_to(struct store *s, const char *to)
{
	const unsigned before = told;

	assert_int_equal(store_backup(s, to, tell, NULL), 0);
	wait_told(before + 1);
	return told_status;
}

static void test_backup_and_restore(void **state)
{
	struct store_member m = member("edges", "fe1", "drain");
	struct store *s = reopen();
	char kept[256], text[STORE_WHY], to[192];

	(void)state;
	snprintf(to, sizeof(to), "%s/backup.db", folder);
	assert_int_equal(set(s, &m), 0);
	assert_int_equal(backup_to(s, to), 0);
	assert_int_equal(backup_to(s, to), -EEXIST);
	assert_non_null(strstr(told_why, to));
	m = member("edges", "fe1", "ready");
	assert_int_equal(set(s, &m), 0);
	// Not while it is in use.
	assert_int_equal(store_restore(path, to, kept, text, sizeof(kept)), -EBUSY);
	store_close(s);
	// Not what is damaged or is none.
	spoil(to, 4096, 512);
	assert_int_equal(store_restore(path, to, kept, text, sizeof(kept)), -EBADMSG);
	unlink(to);
	assert_int_equal(store_restore(path, to, kept, text, sizeof(kept)), -ENOENT);
	assert_non_null(strstr(text, "backup.db: No such file"));
	s = reopen();
	assert_string_equal(state_of(s, "edges", "fe1"), "ready");
	m = member("edges", "fe1", "maint");
	assert_int_equal(set(s, &m), 0);
	assert_int_equal(backup_to(s, to), 0);
	store_close(s);
	// In the place of one that is damaged, which is kept; and where none is.
	spoil(path, 0, 512);
	assert_int_equal(store_restore(path, to, kept, text, sizeof(kept)), 0);
	assert_int_equal(access(kept, F_OK), 0);
	s = reopen();
	assert_string_equal(state_of(s, "edges", "fe1"), "maint");
	store_close(s);
	unlink(path);
	assert_int_equal(store_restore(path, to, kept, text, sizeof(kept)), 0);
	assert_string_equal(kept, "");
	s = reopen();
	assert_string_equal(state_of(s, "edges", "fe1"), "maint");
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_backup_and_restore, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
