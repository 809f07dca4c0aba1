// SPDX-License-Identifier: BSD-2-Clause
// Files with many entries, in CSV or in PowerShell's JSON: what they list is added, or changed where it
// is there already. All mistakes are found; with one of them nothing changes.

#include "control/policy/bulk.h"
#include "control/policy/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct import {
	struct policy_job job; // first
	struct policy_file file;
	char *text;
	size_t length;
	struct policy_seen seen;
	struct policy_write write;
	struct policy_db *db;
	// Of CSV: what each column is; NULL: nothing.
	const struct policy_field *columns[POLICY_COLUMNS_MAX];
	size_t n_columns;
	enum policy_kind kind;
	const char *provider; // its kind, unless the file says; NULL: it must
};

// ---- What a row or an object is about

static const struct {
	const char *name;
	enum policy_kind kind;
	const char *provider;
} kinds[POLICY_IMPORTS] = {
	{"allowed-domain", POLICY_ALLOWED, NULL},
	{"blocked-domain", POLICY_BLOCKED, NULL},
	{"hosting-provider", POLICY_PROVIDER, "hosting"},
	{"public-provider", POLICY_PROVIDER, "public"},
	{"policy", POLICY_SWITCHES, NULL},
};

const char *policy_import_name(int which)
{
	return kinds[which].name;
}

// The properties of Get-Cs… differ enough to tell them apart; -1 if they do not.
static int recognize(bool (*has)(const void *of, const char *name), const void *of)
{
	if (has(of, "AllowFederatedUsers"))
		return 4;
	if (has(of, "HostsOCSUsers") || has(of, "EnabledSharedAddressSpace") || has(of, "IsLocal"))
		return 2;
	if (has(of, "ProxyFqdn") && has(of, "Enabled") && !has(of, "Domain"))
		return 3;
	if (!has(of, "Domain"))
		return -1;
	if (has(of, "ProxyFqdn") || has(of, "VerificationLevel") || has(of, "MarkForMonitoring"))
		return 0;
	// A blocked domain has nothing besides. A list of names alone may be either.
	return has(of, "Identity") ? 1 : -1;
}

static int find_kind(
	struct import *i, int line, bool (*has)(const void *of, const char *name), const void *of)
{
	const int which = i->file.kind >= 0 ? i->file.kind : recognize(has, of);

	if (which < 0)
		return policy_mistake(&i->job.mistakes, line, "kind",
			"kind=allowed-domain, or another of import's",
			"what this lists cannot be told from its properties");
	i->kind = kinds[which].kind;
	i->provider = kinds[which].provider;
	return 0;
}

static bool ignore(struct import *i, const char *name)
{
	const json_t *known = json_object_get(i->job.ignored, name);
	const json_int_t n = json_integer_value(known);

	// They are told in one answer.
	if (!known && json_object_size(i->job.ignored) >= POLICY_IGNORED_MAX)
		return true;
	return json_object_set_new(i->job.ignored, name, json_integer(n + 1)) == 0;
}

// ---- One entry

static int no_memory(struct import *i)
{
	return store_wrong(i->db->store, NULL, SQLITE_NOMEM, i->db->why);
}

static bool is_provider_kind(const struct import *i, const struct policy_entry *e)
{
	return i->kind == POLICY_PROVIDER && i->provider && !e->value[1];
}

static int put(struct import *i, struct policy_entry *given, int line)
{
	const char *key = policy_object(given->kind)->keyed ? given->value[0] : NULL;
	const int before = policy_seen(&i->seen, given->kind, key, line);

	if (before < 0)
		return no_memory(i);
	if (before > 0)
		return policy_mistake(&i->job.mistakes, line,
			key ? policy_object(given->kind)->fields[0].name : "", "each once",
			"%s stands on line %d already",
			key ? key : "what is said of the organisation", before);
	return policy_bulk_put(&i->job, i->db, &i->write, given, true, line);
}

static int set_provider_kind(struct import *i, struct policy_entry *e)
{
	if (!is_provider_kind(i, e))
		return 0;
	e->value[1] = strdup(i->provider);
	return e->value[1] ? 0 : no_memory(i);
}

// ---- CSV

struct header {
	const struct policy_slice *fields;
	size_t n;
};

static bool header_has(const void *of, const char *name)
{
	const struct header *h = of;

	for (size_t i = 0; i < h->n; i++)
		if (policy_name_equal(name, h->fields[i].text, h->fields[i].length))
			return true;
	return false;
}

// Of a domain PowerShell's Identity says the same as Domain.
static bool is_identity(const struct import *i, const char *name, size_t length)
{
	return (i->kind == POLICY_ALLOWED || i->kind == POLICY_BLOCKED) &&
	       policy_name_equal("Identity", name, length);
}

static int read_header(struct import *i, const struct policy_slice *fields, size_t n, int line)
{
	const struct header h = {fields, n};
	const struct policy_object *o;
	bool key = false;
	int status = find_kind(i, line, header_has, &h);

	if (status != 0)
		return status;
	o = policy_object(i->kind);
	i->n_columns = n;
	for (size_t c = 0; c < n && status == 0; c++) {
		char name[65];

		snprintf(name, sizeof(name), "%.*s",
			(int)(fields[c].length < 64 ? fields[c].length : 64), fields[c].text);
		i->columns[c] = policy_field_find(o, fields[c].text, fields[c].length);
		if (!i->columns[c] && is_identity(i, fields[c].text, fields[c].length) &&
			!header_has(&h, "Domain"))
			i->columns[c] = &o->fields[0];
		for (size_t d = 0; d < c && i->columns[c]; d++)
			if (i->columns[d] == i->columns[c])
				status = policy_mistake(&i->job.mistakes, line, i->columns[c]->name,
					"each column once", "columns %zu and %zu are the same",
					d + 1, c + 1);
		key = key || i->columns[c] == &o->fields[0];
		if (!i->columns[c] && !is_identity(i, fields[c].text, fields[c].length) &&
			!ignore(i, name))
			return no_memory(i);
	}
	if (status == 0 && o->keyed && !key)
		status = policy_mistake(&i->job.mistakes, line, o->fields[0].name,
			"a first line that names the columns", "there is no column of that name");
	return status;
}

static int read_record(struct import *i, const struct policy_slice *fields, size_t n, int line)
{
	struct policy_entry e = {.kind = i->kind};
	bool good = true;
	int status = 0;

	if (n != i->n_columns)
		return policy_mistake(&i->job.mistakes, line, "", "as many as the first line has",
			"here are %zu columns, and the first line has %zu", n, i->n_columns);
	for (size_t c = 0; c < n && status != -ENOMEM; c++) {
		if (!i->columns[c])
			continue;
		status = policy_mistake_value(&i->job.mistakes, &e, i->columns[c], fields[c].text,
			fields[c].length, line);
		good = good && status == 0;
	}
	if (status == -ENOMEM)
		status = no_memory(i);
	else if (!good)
		status = -EINVAL;
	else if ((status = set_provider_kind(i, &e)) == 0)
		status = put(i, &e, line);
	policy_entry_clear(&e);
	return status;
}

static int read_csv(struct import *i)
{
	struct policy_slice fields[POLICY_COLUMNS_MAX];
	struct policy_csv csv;
	size_t n;
	int more, status = 0;
	bool headed = false;

	policy_csv_begin(&csv, i->text, i->length);
	while ((more = policy_csv_next(&csv, fields, &n)) != 0) {
		if (more < 0)
			status = policy_mistake(
				&i->job.mistakes, csv.record, "", "CSV (RFC 4180)", "%s", csv.why);
		else if (headed)
			status = read_record(i, fields, n, csv.record);
		else
			status = read_header(i, fields, n, csv.record);
		if (!headed && status != 0)
			return status;
		if (status != 0 && status != -EINVAL)
			return status;
		headed = true;
	}
	return 0;
}

// ---- JSON

static bool object_has(const void *of, const char *name)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)of, key,
		value) if (policy_name_equal(name, key, strlen(key))) return true;
	return false;
}

// Enumerations come as numbers by default, in the order in which their values are documented.
static const char *enumerated(const struct policy_field *f, json_int_t number)
{
	static const char *const levels[] = {
		"AlwaysVerifiable", "AlwaysUnverifiable", "UseSourceVerification"};
	static const char *const routings[] = {"UseDnsSrvRouting", "UseDefaultRouting"};

	if (f->property && strcmp(f->property, "RoutingMethod") == 0)
		return number >= 0 && number < 2 ? routings[number] : NULL;
	return number >= 0 && number < 3 ? levels[number] : NULL;
}

// What a value says, as text; NULL: it is nothing that a field can be. `room` is for numbers.
static const char *value_text(
	const struct policy_field *f, const json_t *value, char *room, size_t size)
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_null(value))
		return "";
	if (json_is_boolean(value))
		return json_is_true(value) ? "true" : "false";
	if (!json_is_integer(value))
		return NULL;
	if (f->type == POLICY_CHOICE)
		return enumerated(f, json_integer_value(value));
	snprintf(room, size, "%lld", (long long)json_integer_value(value));
	return room;
}

// A list of names or networks, joined; the caller frees it. NULL: it holds other things.
static char *join(const json_t *list)
{
	char *text = strdup("");
	size_t i;
	json_t *one;

	json_array_foreach((json_t *)(uintptr_t)list, i, one)
	{
		const char *s = json_string_value(one);
		char *longer = NULL;

		if (!s || !text || asprintf(&longer, "%s%s%s", text, i > 0 ? "," : "", s) < 0)
			longer = NULL;
		free(text);
		text = longer;
		if (!text)
			break;
	}
	return text;
}

static int read_property(struct import *i, struct policy_entry *e, const struct policy_field *f,
	const json_t *value, int line)
{
	char room[32], expected[512];
	const bool list = f->type == POLICY_DOMAINS || f->type == POLICY_PREFIXES;
	char *joined = list && json_is_array(value) ? join(value) : NULL;
	const char *text = joined ? joined : value_text(f, value, room, sizeof(room));
	int status;

	if (text)
		status = policy_mistake_value(&i->job.mistakes, e, f, text, strlen(text), line);
	else
		status = policy_mistake(&i->job.mistakes, line, f->name,
			policy_value_expect(f, expected, sizeof(expected)),
			"this is no value of it");
	free(joined);
	return status;
}

static int read_properties(struct import *i, struct policy_entry *e, const json_t *object,
	const struct policy_slice *slice, int line)
{
	const struct policy_object *o = policy_object(i->kind);
	const char *key;
	json_t *value;
	bool good = true;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		const struct policy_field *f = policy_field_find(o, key, strlen(key));
		const bool identity = is_identity(i, key, strlen(key));

		if (!f && identity && !object_has(object, "Domain"))
			f = &o->fields[0];
		if (!f) {
			if (!identity && !ignore(i, key))
				return no_memory(i);
			continue;
		}
		const int status =
			read_property(i, e, f, value, policy_json_line(slice, line, key));
		if (status == -ENOMEM)
			return no_memory(i);
		good = good && status == 0;
	}
	return good ? 0 : -EINVAL;
}

static int read_object(struct import *i, const struct policy_slice *slice, int line)
{
	json_error_t error;
	json_t *object = json_loadb(slice->text, slice->length, JSON_REJECT_DUPLICATES, &error);
	struct policy_entry e = {.kind = POLICY_ALLOWED};
	int status;

	if (!object)
		return policy_mistake(&i->job.mistakes,
			line + (error.line > 0 ? error.line - 1 : 0), "",
			"JSON as ConvertTo-Json writes it", "%s", error.text);
	status = find_kind(i, line, object_has, object);
	e.kind = i->kind;
	if (status == 0)
		status = read_properties(i, &e, object, slice, line);
	json_decref(object);
	if (status == 0 && policy_object(e.kind)->keyed && !e.value[0])
		status = policy_mistake(&i->job.mistakes, line,
			policy_object(e.kind)->fields[0].name, "which one it is", "it is missing");
	if (status == 0)
		status = set_provider_kind(i, &e);
	if (status == 0)
		status = put(i, &e, line);
	policy_entry_clear(&e);
	return status;
}

static int read_json(struct import *i)
{
	struct policy_json j;
	struct policy_slice object;
	int more, status = 0;

	policy_json_begin(&j, i->text, i->length);
	while ((more = policy_json_next(&j, &object)) != 0) {
		if (more < 0)
			status = policy_mistake(&i->job.mistakes, j.record, "",
				"JSON as ConvertTo-Json writes it", "%s", j.why);
		else
			status = read_object(i, &object, j.record);
		if (status != 0 && status != -EINVAL)
			return status;
	}
	return 0;
}

// ---- The whole

static int read_file(struct import *i)
{
	int status = policy_text_read(i->file.fd, POLICY_FILE_MAX, &i->text, &i->length);

	if (status == -EFBIG)
		return policy_mistake(
			&i->job.mistakes, 0, "", "at most 512 MiB", "the file is too large");
	if (status == 0)
		status = policy_text_decode(&i->text, &i->length);
	if (status == -ENOMEM)
		return no_memory(i);
	if (status != 0)
		return policy_mistake(&i->job.mistakes, 0, "", "a file that can be read",
			"it cannot be read: %s", strerror(-status));
	const size_t space = strspn(i->text, " \t\r\n");
	if (space == i->length)
		return policy_mistake(&i->job.mistakes, 0, "", "CSV or JSON", "the file is empty");
	return i->text[space] == '{' || i->text[space] == '[' ? read_json(i) : read_csv(i);
}

static int run(struct policy_job *job, struct policy_db *d)
{
	struct import *i = (struct import *)job;
	int status;

	i->db = d;
	job->ignored = json_object();
	job->differences = json_array();
	if (!job->ignored || !job->differences)
		return no_memory(i);
	status = policy_bulk_begin(job, d, &i->file, &i->write);
	if (status == 0)
		status = read_file(i);
	// The text may be large, and what follows takes its time.
	free(i->text);
	i->text = NULL;
	if (status == 0)
		status = policy_bulk_end(job, d, &i->file, &i->write);
	policy_bulk_rest(d);
	return status;
}

static void committed(struct policy_job *job, struct policy_db *d)
{
	uint64_t n;

	if (job->id >= 0 && job->policy->tables)
		policy_feed_told(policy_feed_load(job->policy, (uint16_t)job->id, d,
					 job->organisation, job->result.revision, &n),
			d, job->organisation);
}

static void clear(struct policy_job *job)
{
	struct import *i = (struct import *)job;

	close(i->file.fd);
	free(i->text);
	policy_seen_clear(&i->seen);
}

int policy_import(struct policy *p, const struct policy_file *file,
	const struct store_audit *record, policy_done done, void *user)
{
	struct policy_job *job =
		policy_job_new(p, sizeof(struct import), file->organisation, record, done, user);
	struct import *i = (struct import *)job;

	if (!job) {
		close(file->fd);
		return -ENOMEM;
	}
	i->file = *file;
	job->run = run;
	job->committed = committed;
	job->free = clear;
	return policy_job_submit(job, POLICY_LARGE, sizeof(*i));
}
