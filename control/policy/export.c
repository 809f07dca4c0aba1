// SPDX-License-Identifier: BSD-2-Clause
// The policy as a file, piece by piece: what policy_apply() reads back to no difference.

#include "control/policy/private.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A piece ends behind this; one entry is some 30 KB at most.
#define PIECE_MAX (256u * 1024u)

struct export
{
	struct policy_job job; // first
	char *cursor;
	FILE *to;
	size_t length;
	enum policy_kind kind; // at hand
	bool begun;            // its key has been written
};

// The order in which people read them.
static const enum policy_kind order[POLICY_KINDS] = {
	POLICY_SWITCHES, POLICY_ALLOWED, POLICY_BLOCKED, POLICY_PROVIDER};

static bool is_plain(const char *text)
{
	static const char *const words[] = {
		"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"};

	if (!isalpha((unsigned char)text[0]))
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(text, words[i]) == 0)
			return false;
	return text[strspn(text,
		       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] ==
	       '\0';
}

static void put_text(FILE *to, const char *text)
{
	if (is_plain(text)) {
		fputs(text, to);
		return;
	}
	fputc('"', to);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', to);
		fputc(*text, to);
	}
	fputc('"', to);
}

static void put_list(FILE *to, const char *text)
{
	fputc('[', to);
	while (*text) {
		char one[512];
		const size_t n = strcspn(text, ",");

		snprintf(one, sizeof(one), "%.*s", (int)n, text);
		put_text(to, one);
		text += n + (text[n] == ',');
		fputs(*text ? ", " : "", to);
	}
	fputc(']', to);
}

static void put_value(FILE *to, const struct policy_field *f, const char *value)
{
	if (f->type == POLICY_BOOL || f->type == POLICY_NUMBER)
		fputs(value, to);
	else if (f->type == POLICY_DOMAINS || f->type == POLICY_PREFIXES)
		put_list(to, value);
	else
		put_text(to, value);
}

static void put_entry(FILE *to, const struct policy_entry *e)
{
	const struct policy_object *o = policy_object(e->kind);
	bool first = true;

	for (size_t i = 0; i < o->n; i++) {
		if (!e->value[i])
			continue;
		if (o->keyed)
			fputs(first ? "  - {" : ", ", to);
		else
			fputs("  ", to);
		fprintf(to, "%s: ", o->fields[i].name);
		put_value(to, &o->fields[i], e->value[i]);
		if (!o->keyed)
			fputc('\n', to);
		first = false;
	}
	if (o->keyed)
		fputs("}\n", to);
}

static int put(void *user, struct policy_entry *e)
{
	struct export *x = user;

	if (ftell(x->to) > (long)PIECE_MAX)
		return 1;
	if (!x->begun)
		fprintf(x->to, "%s:\n", policy_object(e->kind)->plural);
	x->begun = true;
	put_entry(x->to, e);
	free(x->job.next);
	x->job.next = NULL;
	if (policy_object(e->kind)->keyed &&
		asprintf(&x->job.next, "%" PRIu64 ":%d:%s", x->job.result.revision, (int)e->kind,
			e->value[0]) < 0)
		x->job.next = NULL;
	return 0;
}

// "REVISION:KIND:KEY" of the last entry before.
static int read_cursor(struct export *x, struct policy_db *d, size_t *from, const char **after)
{
	uint64_t revision = 0;
	int kind = -1, used = 0;

	if (!x->cursor)
		return 0;
	if (sscanf(x->cursor, "%" SCNu64 ":%d:%n", &revision, &kind, &used) != 2 || used == 0 ||
		kind < 0 || kind >= POLICY_SWITCHES)
		return policy_mistake(&x->job.mistakes, 0, "cursor",
			"the next of an earlier answer", "this is no cursor");
	if (revision != x->job.result.revision) {
		snprintf(d->why, STORE_WHY, "the policy has changed meanwhile; begin anew");
		return -ESTALE;
	}
	while (order[*from] != (enum policy_kind)kind)
		(*from)++;
	*after = x->cursor + used;
	x->begun = true;
	return 0;
}

static int put_all(struct export *x, struct policy_db *d)
{
	const char *after = NULL;
	size_t at = 0;
	int status = read_cursor(x, d, &at, &after);

	if (status == 0 && !x->cursor)
		fprintf(x->to, "organisation: %s\n", x->job.organisation);
	for (; at < POLICY_KINDS && status == 0; at++) {
		const struct policy_walk all = {
			.organisation = x->job.organisation, .kind = order[at], .after = after};

		status = policy_db_walk(d, &all, put, x);
		after = NULL;
		if (ftell(x->to) > (long)PIECE_MAX)
			return status;
		x->begun = false;
	}
	free(x->job.next);
	x->job.next = NULL;
	return status;
}

static int run(struct policy_job *job, struct policy_db *d)
{
	struct export *x = (struct export *)job;
	int status = policy_db_revision(d, job->organisation, &job->result.revision);

	if (status != 0)
		return status;
	x->to = open_memstream(&job->text, &x->length);
	if (!x->to)
		return store_wrong(d->store, NULL, SQLITE_NOMEM, d->why);
	status = put_all(x, d);
	if (fclose(x->to) != 0 && status == 0)
		status = store_wrong(d->store, NULL, SQLITE_NOMEM, d->why);
	return status;
}

static void clear(struct policy_job *job)
{
	free(((struct export *)job)->cursor);
}

int policy_export(struct policy *p, const char *organisation, const char *cursor, policy_done done,
	void *user)
{
	struct policy_job *job =
		policy_job_new(p, sizeof(struct export), organisation, NULL, done, user);
	struct export *x = (struct export *)job;

	if (!job)
		return -ENOMEM;
	x->cursor = cursor ? strdup(cursor) : NULL;
	job->run = run;
	job->free = clear;
	if (cursor && !x->cursor) {
		policy_job_free(job);
		return -ENOMEM;
	}
	return policy_job_submit(job, POLICY_READS, sizeof(*x));
}
