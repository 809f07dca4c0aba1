// SPDX-License-Identifier: BSD-2-Clause
// Is the database whole?

#include "control/store/private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// The thorough check compares each index with its table and takes about a second for 256 MiB;
// above that the quick one, which reads every page and every row all the same, must do.
#define THOROUGH_MAX ((int64_t)256 * 1024 * 1024)

int store_check(const struct store *s, sqlite3 *db, char why[static STORE_WHY])
{
	int64_t pages = 0, page = 0;
	char found[160];
	int status = store_number(s, db, "PRAGMA page_count", &pages, why);

	if (status == 0)
		status = store_number(s, db, "PRAGMA page_size", &page, why);
	if (status == 0)
		status = store_text(s, db,
			pages * page <= THOROUGH_MAX ? "PRAGMA integrity_check(1)"
						     : "PRAGMA quick_check(1)",
			found, sizeof(found), why);
	if (status != 0 || strcmp(found, "ok") == 0)
		return status;
	// The finding may be of several lines.
	found[strcspn(found, "\r\n")] = '\0';
	store_say(why, "state database %s is damaged (%s)", s->path, found);
	return -EBADMSG;
}
