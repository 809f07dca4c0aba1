// SPDX-License-Identifier: BSD-2-Clause
// A policy over a database of its own and the real tables, asked and waited for. Include once in a
// program, after store_rig.h.

#pragma once

#include "control/config/config.h"
#include "control/policy/policy.h"
#include "tests/unit/store_rig.h"

#include "postern/policy.h"

static struct store *disk;
static struct policy *policy;
static struct postern_policy *tables;

// The last answer, kept.
static struct {
	int status;
	char text[1024];
	char mistakes[8][320]; // "LINE FIELD: WHAT"
	size_t n_mistakes, more_mistakes;
	uint64_t revision, added, changed, removed, unchanged;
	json_t *entry, *items, *differences, *ignored;
	char *next, *file;
} got;

static inline void got_clear(void)
{
	json_decref(got.entry);
	json_decref(got.items);
	json_decref(got.differences);
	json_decref(got.ignored);
	free(got.next);
	free(got.file);
	memset(&got, 0, sizeof(got));
}

static inline void got_take(void *user, const struct policy_result *r)
{
	(void)user;
	got_clear();
	got.status = r->status;
	snprintf(got.text, sizeof(got.text), "%s", r->why);
	for (size_t i = 0; i < r->errors->list.count && i < 8; i++)
		snprintf(got.mistakes[got.n_mistakes++], sizeof(got.mistakes[0]), "%d %s: %s",
			r->errors->list.items[i].line, r->errors->list.items[i].field,
			r->errors->list.items[i].what);
	got.more_mistakes = r->more_errors;
	got.revision = r->revision;
	got.added = r->added;
	got.changed = r->changed;
	got.removed = r->removed;
	got.unchanged = r->unchanged;
	got.entry = r->entry ? policy_entry_json(r->entry) : NULL;
	got.items = json_incref(r->items);
	got.differences = json_incref((json_t *)(uintptr_t)r->differences);
	got.ignored = json_incref((json_t *)(uintptr_t)r->ignored);
	got.next = r->next ? strdup(r->next) : NULL;
	got.file = r->text ? strdup(r->text) : NULL;
	told++;
}

// Turns the loop until the answer is there.
static inline int answered(unsigned before, int status)
{
	assert_int_equal(status, 0);
	wait_told(before + 1);
	return got.status;
}

static const struct store_audit by = {
	.uid = 0, .pid = 4711, .method = "test", .params = "{}", .result = "ok"};

// "domain=a.example,proxy-fqdn=b.example" with one value after the other.
static inline struct policy_entry entry_of(enum policy_kind kind, const char *text)
{
	struct policy_entry e = {.kind = kind};
	struct config_errors errors = {0};

	while (*text != '\0') {
		const size_t name = strcspn(text, "="), all = strcspn(text, ";");
		const struct policy_field *f = policy_field_find(policy_object(kind), text, name);

		assert_non_null(f);
		assert_int_equal(
			policy_entry_read(&e, f, text + name + 1, all - name - 1, 0, &errors), 0);
		text += all + (text[all] == ';');
	}
	return e;
}

static inline int change_if(
	enum policy_verb verb, enum policy_kind kind, const char *text, uint64_t revision)
{
	struct policy_entry e = entry_of(kind, text);
	const unsigned before = told;

	return answered(
		before, policy_change(policy, "contoso", verb, &e, revision, &by, got_take, NULL));
}

static inline int add(enum policy_kind kind, const char *text)
{
	return change_if(POLICY_ADD, kind, text, POLICY_ANY_REVISION);
}

static inline int set_entry(enum policy_kind kind, const char *text)
{
	return change_if(POLICY_SET, kind, text, POLICY_ANY_REVISION);
}

static inline int remove_entry(enum policy_kind kind, const char *text)
{
	return change_if(POLICY_REMOVE, kind, text, POLICY_ANY_REVISION);
}

static inline int show(enum policy_kind kind, const char *key)
{
	const unsigned before = told;

	return answered(before, policy_show(policy, "contoso", kind, key, got_take, NULL));
}

static inline const char *value(const char *field)
{
	const json_t *v = json_object_get(got.entry, field);

	return json_is_true(v) ? "true" : json_is_false(v) ? "false" : json_string_value(v);
}

static inline void expect_mistake(const char *text)
{
	assert_int_not_equal(got.status, 0);
	for (size_t i = 0; i < got.n_mistakes; i++)
		if (strstr(got.mistakes[i], text))
			return;
	fail_msg("\"%s\" is not among %zu mistakes: %s; %s", text, got.n_mistakes,
		got.n_mistakes > 0 ? got.mistakes[0] : "", got.text);
}

// What a partner would get that proves the names that it must.
static inline struct postern_answer decide(const char *name)
{
	struct postern_domain domain;
	struct postern_answer a;

	assert_int_equal(postern_domain_parse(name, strlen(name), &domain), 0);
	const int id = policy_organisation_id(policy, "contoso");
	assert_true(id >= 0);
	const struct postern_question q = {.organisation = (uint16_t)id,
		.direction = POSTERN_INBOUND,
		.domain = &domain,
		.proof = POSTERN_PROOF_ASSUMED};
	postern_policy_decide(tables, &q, &a);
	return a;
}

static char *own_domains[] = {(char[]){"contoso.com"}, (char[]){"contoso.net"}};
static char *other_domains[] = {(char[]){"litware.example"}};
static struct config_organisation organisations[] = {
	{.name = (char[]){"contoso"}, .domains = {own_domains, 2}},
	{.name = (char[]){"litware"}, .domains = {other_domains, 1}},
};

static inline void use(size_t n, bool wait)
{
	struct config c = {.organisations = {organisations, n}};
	char text[POLICY_WHY];

	assert_int_equal(policy_use_config(policy, &c, wait, text), 0);
}

static inline void open_policy(void)
{
	disk = reopen();
	const struct policy_options options = {.store = disk, .tables = tables};

	assert_int_equal(policy_new(&options, &policy), 0);
	use(1, true);
}

static inline void close_policy(void)
{
	store_close(disk);
	policy_free(policy);
	disk = NULL;
	policy = NULL;
}

static inline int policy_setup(void **state)
{
	const struct postern_policy_limits limits = {.domains = 1u << 16};

	setup(state);
	assert_int_equal(postern_policy_new(&limits, &tables), 0);
	open_policy();
	return 0;
}

static inline int policy_teardown(void **state)
{
	close_policy();
	postern_policy_free(tables);
	tables = NULL;
	got_clear();
	return teardown(state);
}

// Another run of the program, on the same file with fresh tables.
static inline void restart(void)
{
	const struct postern_policy_limits limits = {.domains = 1u << 16};

	close_policy();
	postern_policy_free(tables);
	assert_int_equal(postern_policy_new(&limits, &tables), 0);
	open_policy();
}
