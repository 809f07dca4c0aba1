// SPDX-License-Identifier: BSD-2-Clause
// The operator's partners and switches, by organisation: what may be said of them, what contradicts
// itself, and how it comes into the state database and from there into the dataplane's tables.
//
// Everything that reads or writes the database runs on the store thread; functions that take a
// `done` are called by the control thread and answer through the event loop. A change is one
// transaction together with its audit record; the tables follow when it is on the disk, before
// `done` is called.

#pragma once

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct config_errors;
struct policy;
struct postern_allowed;
struct postern_domain;
struct postern_policy;
struct postern_provider;
struct postern_switches;
struct store;
struct store_audit;

// ---- What may be said

enum policy_kind {
	POLICY_ALLOWED,
	POLICY_BLOCKED,
	POLICY_PROVIDER,
	POLICY_SWITCHES, // one entry an organisation, without a key
	POLICY_KINDS
};

enum policy_type {
	POLICY_BOOL,
	POLICY_NUMBER,
	POLICY_CHOICE,
	POLICY_DOMAIN,
	POLICY_NAME,
	POLICY_TEXT,
	POLICY_DOMAINS,  // written with commas between
	POLICY_PREFIXES, // likewise
};

enum {
	POLICY_REQUIRED = 1, // an entry is not without it
	POLICY_FIXED = 2,    // set when the entry is added, never changed
	POLICY_SHORT = 4,    // shown in lists
};

struct policy_field {
	const char *name;
	const char *property; // what PowerShell calls it; NULL: it does not know it
	enum policy_type type;
	unsigned flags;
	const char *standard;       // as it is kept; NULL: none
	const char *const *choices; // NULL-terminated
	uint32_t minimum;           // of a number
	uint32_t maximum;           // of a number; of a text its bytes; of a list its length
	const char *help;
};

struct policy_object {
	const char *noun;   // "allowed-domain"
	const char *plural; // as a key of a policy file
	const char *table;
	const struct policy_field *fields; // the first is the key, if it is keyed
	size_t n;
	bool keyed;
};

#define POLICY_FIELDS_MAX 20

const struct policy_object *policy_object(enum policy_kind kind);
// A field by its own name or PowerShell's; case and hyphens make no difference. NULL: none.
const struct policy_field *policy_field_find(
	const struct policy_object *o, const char *name, size_t length);
// Whether two names are the same but for case and hyphens.
bool policy_name_equal(const char *known, const char *name, size_t length);

// An entry; values are as they are kept, in one spelling each. In what is asked for, NULL stands for
// what is not given and the empty text for the default; in what is kept NULL is the default.
struct policy_entry {
	enum policy_kind kind;
	uint64_t id;       // never given twice
	uint64_t revision; // of the organisation, when it was last changed
	uint64_t changed_us;
	char *value[POLICY_FIELDS_MAX];
};

void policy_entry_clear(struct policy_entry *e);
bool policy_entry_copy(struct policy_entry *to, const struct policy_entry *from);
// As it is kept or by default; NULL: none.
const char *policy_entry_get(const struct policy_entry *e, size_t field);
const char *policy_entry_named(const struct policy_entry *e, const char *field);
bool policy_entry_is_on(const struct policy_entry *e, const char *field);
// All fields, defaults included, and the revision.
json_t *policy_entry_json(const struct policy_entry *e);
// Those that lists show.
json_t *policy_entry_short_json(const struct policy_entry *e);

// Reads a value as an operator writes it into a new text; *out is the empty text for the default. 0,
// -ENOMEM, or -EINVAL with what is wrong in `why`.
#define POLICY_WHY 320
int policy_value_read(const struct policy_field *f, const char *text, size_t length, char **out,
	char why[static POLICY_WHY]);
// What would be right.
const char *policy_value_expect(const struct policy_field *f, char *text, size_t size);

// Reads a value into an entry. Mistakes are added to `errors` under the field's name.
int policy_entry_read(struct policy_entry *e, const struct policy_field *f, const char *text,
	size_t length, int line, struct config_errors *errors);

// ---- The policy

// Whoever wants to know what comes into the tables, and goes, besides: as it does, on the store thread,
// also when it is what was there already. The tables have it by then. Functions may be NULL.
struct policy_follower {
	void (*switches)(void *user, uint16_t organisation, const struct postern_switches *s);
	void (*allowed)(void *user, uint16_t organisation, const struct postern_allowed *a);
	// Blocked, removed or disabled: no longer allowed.
	void (*unlisted)(void *user, uint16_t organisation, const struct postern_domain *domain);
	void (*provider)(void *user, uint16_t organisation, const struct postern_provider *v);
	void (*provider_gone)(void *user, uint16_t organisation, uint64_t id);
	void (*organisation_gone)(void *user, uint16_t organisation);
	void *user;
};

struct policy_options {
	struct store *store;
	struct postern_policy *tables; // NULL: nobody reads them
	struct policy_follower follower;
};

int policy_new(const struct policy_options *options, struct policy **out);
// After the store is closed.
void policy_free(struct policy *p);

// Takes the organisations of a configuration: those that are new are loaded, those that have gone are
// unloaded. What is asked later comes after that. At start, with `wait`, it returns when all is
// loaded. 0, or a negative errno with `why`.
int policy_use_config(
	struct policy *p, const struct config *c, bool wait, char why[static POLICY_WHY]);

// Whether organisations of the last configuration are still being loaded or unloaded. NULL: no.
bool policy_is_loading(const struct policy *p);

// The dataplane's id of an organisation, or -ENOENT.
int policy_organisation_id(const struct policy *p, const char *name);
struct postern_policy *policy_tables(const struct policy *p);

// What came of a request. Texts and entries are borrowed for the call.
struct policy_result {
	int status;      // 0; or a negative errno with nothing changed:
			 // -EINVAL and -EEXIST with `errors`, -ENOENT, -ESTALE, ...
	const char *why; // one line
	const struct config_errors *errors;
	size_t more_errors;                // beyond those
	uint64_t revision;                 // of the organisation
	const struct policy_entry *before; // of a change: NULL: there was none
	const struct policy_entry *entry;  // of a change or a question; NULL: there is none now
	// Of many.
	uint64_t added, changed, removed, unchanged;
	const json_t *differences; // a row each, the first of them
	const json_t *ignored;     // properties that mean nothing here, with how often
	json_t *items;             // of a list; may be taken
	const char *next;          // NULL: the end
	const char *text;          // of an export
};
typedef void (*policy_done)(void *user, const struct policy_result *result);

enum policy_verb {
	POLICY_ADD,
	POLICY_SET,
	POLICY_REMOVE,
};

#define POLICY_ANY_REVISION UINT64_MAX

// Adds, changes or removes one entry; of a change what is given of it counts. With a revision only if
// that is the entry's still. Takes the entry's values. 0, or a negative errno with nothing to come.
int policy_change(struct policy *p, const char *organisation, enum policy_verb verb,
	struct policy_entry *entry, uint64_t if_revision, const struct store_audit *record,
	policy_done done, void *user);

// One entry; -ENOENT if there is none. Of the switches the key is NULL.
int policy_show(struct policy *p, const char *organisation, enum policy_kind kind, const char *key,
	policy_done done, void *user);

struct policy_query {
	const char *organisation;
	enum policy_kind kind;
	const char *after;          // keys behind this one; NULL: from the first
	const char *match;          // within the key; NULL: any
	struct policy_entry filter; // what is given must be so; taken
	bool whole;                 // all fields of each, not the short form
	unsigned limit;
};

int policy_list(struct policy *p, struct policy_query *query, policy_done done, void *user);

// A policy file, of an organisation, and what it would change. Takes the descriptor. All or nothing.
struct policy_file {
	const char *organisation;
	int fd;
	bool dry_run;
	uint64_t if_revision; // of the organisation
	int kind;             // of an import: what it lists, or -1 to find out
};

// Makes the policy equal to a file.
int policy_apply(struct policy *p, const struct policy_file *file, const struct store_audit *record,
	policy_done done, void *user);
// Adds and changes what a file of CSV or of PowerShell's JSON lists.
int policy_import(struct policy *p, const struct policy_file *file,
	const struct store_audit *record, policy_done done, void *user);
// What an import may list, by number; for `kind` above.
#define POLICY_IMPORTS 5
const char *policy_import_name(int which);
// The policy as a file that policy_apply() reads, piece by piece. `cursor` is NULL, or the `next` of the
// piece before; -ESTALE if the policy has changed meanwhile.
int policy_export(struct policy *p, const char *organisation, const char *cursor, policy_done done,
	void *user);
