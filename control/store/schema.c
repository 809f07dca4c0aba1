// SPDX-License-Identifier: BSD-2-Clause
// The tables, and how an older database becomes one of this version. The version is SQLite's
// user_version; each step from one to the next is one transaction.

#include "control/store/private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

// Step n leads from version n to n + 1. Steps that have been delivered are never changed.
static const char *const steps[] = {
	// Times are microseconds since 1970. A member that is ready and weighs what the file says
	// has no row. Ids of records are never given twice: a cursor stays right while old
	// records go.
	"CREATE TABLE member ("
	" pool TEXT NOT NULL,"
	" name TEXT NOT NULL,"
	" address TEXT NOT NULL,"
	" state TEXT NOT NULL CHECK (state IN ('ready', 'drain', 'maint')),"
	" weight INTEGER CHECK (weight >= 0),"
	" changed_us INTEGER NOT NULL,"
	" absent_us INTEGER NOT NULL DEFAULT 0,"
	" PRIMARY KEY (pool, name, address)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE audit ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" wall_us INTEGER NOT NULL,"
	" uid INTEGER,"
	" pid INTEGER,"
	" user TEXT,"
	" method TEXT NOT NULL,"
	" params TEXT,"
	" was TEXT,"
	" became TEXT,"
	" comment TEXT,"
	" result TEXT NOT NULL"
	") STRICT;",
	// The policy, by organisation. Values are texts in one spelling each, NULL where they are the
	// default. Every entry has an id that is never given twice, and the revision of its
	// organisation when it was last changed.
	"CREATE TABLE sequence (next INTEGER NOT NULL) STRICT;"
	"INSERT INTO sequence (next) VALUES (1);"
	"CREATE TABLE organisation ("
	" name TEXT NOT NULL PRIMARY KEY,"
	" revision INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE allowed_domain ("
	" organisation TEXT NOT NULL,"
	" id INTEGER NOT NULL,"
	" revision INTEGER NOT NULL,"
	" changed_us INTEGER NOT NULL,"
	" domain TEXT NOT NULL,"
	" enabled TEXT,"
	" proxy_fqdn TEXT,"
	" verification_level TEXT,"
	" mark_for_monitoring TEXT,"
	" trust_srv TEXT,"
	" suffix TEXT,"
	" further_names TEXT,"
	" prefixes TEXT,"
	" admission TEXT,"
	" lowest_tls TEXT,"
	" key_usage TEXT,"
	" revocation TEXT,"
	" accept_cn TEXT,"
	" note TEXT,"
	" PRIMARY KEY (organisation, domain)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE blocked_domain ("
	" organisation TEXT NOT NULL,"
	" id INTEGER NOT NULL,"
	" revision INTEGER NOT NULL,"
	" changed_us INTEGER NOT NULL,"
	" domain TEXT NOT NULL,"
	" enabled TEXT,"
	" suffix TEXT,"
	" note TEXT,"
	" PRIMARY KEY (organisation, domain)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE provider ("
	" organisation TEXT NOT NULL,"
	" id INTEGER NOT NULL,"
	" revision INTEGER NOT NULL,"
	" changed_us INTEGER NOT NULL,"
	" name TEXT NOT NULL,"
	" kind TEXT NOT NULL,"
	" proxy_fqdn TEXT NOT NULL,"
	" enabled TEXT,"
	" verification_level TEXT,"
	" shared_address_space TEXT,"
	" hosts_ocs_users TEXT,"
	" is_local TEXT,"
	" prefixes TEXT,"
	" note TEXT,"
	" PRIMARY KEY (organisation, name)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE switches ("
	" organisation TEXT NOT NULL PRIMARY KEY,"
	" id INTEGER NOT NULL,"
	" revision INTEGER NOT NULL,"
	" changed_us INTEGER NOT NULL,"
	" allowfederatedusers TEXT,"
	" enablepartnerdiscovery TEXT,"
	" discoveredpartnerverificationlevel TEXT,"
	" enablediscoveredpartnercontactslimit TEXT,"
	" maxcontactsperdiscoveredpartner TEXT,"
	" discoveredpartnerstandardrate TEXT,"
	" discoveredpartnerreportperiodminutes TEXT,"
	" outgoingtlscountforfederatedpartners TEXT,"
	" keepcrlsuptodateforpeers TEXT,"
	" marksourceverifiableonoutgoingmessages TEXT,"
	" routingmethod TEXT,"
	" defaultroutefqdn TEXT,"
	" defaultrouteverificationlevel TEXT"
	") STRICT, WITHOUT ROWID;",
};

#define VERSION ((int)(sizeof(steps) / sizeof(steps[0])))

int store_schema_version(void)
{
	return VERSION;
}

int store_schema_known(const struct store *s, char why[static STORE_WHY])
{
	int64_t owner = 0, version = 0, tables = 0;
	int status = store_number(s, s->db, "PRAGMA application_id", &owner, why);

	if (status == 0)
		status = store_number(s, s->db, "PRAGMA user_version", &version, why);
	if (status == 0)
		status = store_number(s, s->db, "SELECT count(*) FROM sqlite_schema", &tables, why);
	if (status != 0)
		return status;
	if (owner != STORE_APPLICATION_ID && (owner != 0 || version != 0 || tables != 0)) {
		store_say(why,
			"state database %s is another program's; set postern.state to another path",
			s->path);
		return -EPROTO;
	}
	if (version <= VERSION)
		return 0;
	store_say(why,
		"state database %s was written by a newer postern (schema %" PRId64
		", this one knows up to %d): install that version again, or go on with the copy "
		"made when the schema changed, if it is there; type: mv %s %s.newer; cp -p "
		"%s.schema-%d "
		"%s",
		s->path, version, VERSION, s->path, s->path, s->path, VERSION, s->path);
	return -EPROTO;
}

static int run_step(const struct store *s, const char *step, int to, char why[static STORE_WHY])
{
	char mark[96];

	snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d",
		STORE_APPLICATION_ID, to);
	int status = store_exec(s, s->db, "BEGIN IMMEDIATE", why);
	if (status == 0)
		status = store_exec(s, s->db, step, why);
	if (status == 0)
		status = store_exec(s, s->db, mark, why);
	if (status == 0)
		status = store_exec(s, s->db, "COMMIT", why);
	if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return status;
}

int store_schema_run(const struct store *s, const char *const *list, int from, int to,
	char why[static STORE_WHY])
{
	char copy[4096 + 32];

	// Who goes back to the version before finds what that one wrote.
	if (from > 0 && from < to) {
		snprintf(copy, sizeof(copy), "%s.schema-%d", s->path, from);
		int status = store_copy_whole(s, copy, why);
		if (status != 0)
			return status;
	}
	for (int at = from; at < to; at++) {
		int status = run_step(s, list[at], at + 1, why);

		if (status != 0)
			return status;
	}
	return 0;
}

int store_schema_migrate(const struct store *s, char why[static STORE_WHY])
{
	int64_t version = 0;
	int status = store_number(s, s->db, "PRAGMA user_version", &version, why);

	return status != 0 ? status : store_schema_run(s, steps, (int)version, VERSION, why);
}
