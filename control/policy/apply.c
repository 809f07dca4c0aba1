// SPDX-License-Identifier: BSD-2-Clause
// A policy file, in YAML: the policy becomes what it says, entry by entry, all or nothing.

#include "control/config/context.h"
#include "control/config/read.h"
#include "control/config/tree.h"
#include "control/policy/bulk.h"
#include "control/policy/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct target {
	struct policy_entry e;
	int line;
};

struct targets {
	struct target *items;
	size_t n, room;
};

struct apply {
	struct policy_job job; // first
	struct policy_file file;
	struct policy_db *db;
	struct policy_write write;
	struct config_tree tree;
	struct targets targets[POLICY_KINDS]; // sorted by key
	struct targets gone;                  // in the order in which they are found
};

static int no_memory(struct apply *a)
{
	return store_wrong(a->db->store, NULL, SQLITE_NOMEM, a->db->why);
}

static struct target *add_target(struct targets *t, enum policy_kind kind, int line)
{
	if (t->n == t->room) {
		const size_t room = t->room ? 2 * t->room : 64;
		struct target *grown = realloc(t->items, room * sizeof(*grown));

		if (!grown)
			return NULL;
		t->items = grown;
		t->room = room;
	}
	t->items[t->n] = (struct target){.e = {.kind = kind}, .line = line};
	return &t->items[t->n++];
}

static void clear_targets(struct targets *t)
{
	for (size_t i = 0; i < t->n; i++)
		policy_entry_clear(&t->items[i].e);
	free(t->items);
}

// ---- Reading

static int mistake(
	struct apply *a, int line, const char *field, const char *expected, const char *what)
{
	return policy_mistake(&a->job.mistakes, line, field, expected, "%s", what);
}

// The elements of a list of texts with commas between; NULL: they are no texts.
static char *join(const struct config_tree *t, const struct config_node *list)
{
	char *text = strdup("");

	for (uint32_t at = list->first; at && text; at = t->nodes[at].next) {
		const struct config_node *n = config_tree_node(t, at);
		char *longer = NULL;

		if (n->kind != CONFIG_NODE_SCALAR ||
			asprintf(&longer, "%s%s%s", text, text[0] ? "," : "",
				config_tree_text(t, n)) < 0)
			longer = NULL;
		free(text);
		text = longer;
	}
	return text;
}

static int read_field(struct apply *a, struct policy_entry *e, const struct config_node *key,
	const struct config_node *n)
{
	const struct policy_object *o = policy_object(e->kind);
	const struct config_tree *t = &a->tree;
	const char *name = config_tree_text(t, key);
	const struct policy_field *f = NULL;
	char expected[512];
	char *joined = NULL;
	int status;

	for (size_t i = 0; i < o->n && key->kind == CONFIG_NODE_SCALAR; i++)
		if (policy_name_equal(o->fields[i].name, name, key->length))
			f = &o->fields[i];
	if (!f)
		return mistake(a, key->line, key->kind == CONFIG_NODE_SCALAR ? name : "",
			"what policy export writes", "there is no such key here");
	if (n->kind == CONFIG_NODE_LIST &&
		(f->type == POLICY_DOMAINS || f->type == POLICY_PREFIXES))
		joined = join(t, n);
	if (config_node_is_null(t, n))
		status = policy_mistake_value(&a->job.mistakes, e, f, "", 0, n->line);
	else if (joined)
		status = policy_mistake_value(
			&a->job.mistakes, e, f, joined, strlen(joined), n->line);
	else if (n->kind == CONFIG_NODE_SCALAR)
		status = policy_mistake_value(
			&a->job.mistakes, e, f, config_tree_text(t, n), n->length, n->line);
	else
		status = mistake(a, n->line, f->name,
			policy_value_expect(f, expected, sizeof(expected)),
			"this is no value of it");
	free(joined);
	return status;
}

static int read_entry(struct apply *a, enum policy_kind kind, const struct config_node *n)
{
	const struct config_tree *t = &a->tree;
	const struct policy_object *o = policy_object(kind);
	struct target *target = add_target(&a->targets[kind], kind, n->line);
	const size_t before = a->job.mistakes.list.list.count + a->job.mistakes.more;
	int status = 0;

	if (!target)
		return no_memory(a);
	// A name alone is an entry of which nothing else is said.
	if (n->kind == CONFIG_NODE_SCALAR && o->keyed && !config_node_is_null(t, n)) {
		status = policy_mistake_value(&a->job.mistakes, &target->e, &o->fields[0],
			config_tree_text(t, n), n->length, n->line);
	} else if (n->kind == CONFIG_NODE_MAP) {
		for (uint32_t at = n->first; at && status != -ENOMEM;
			at = t->nodes[t->nodes[at].next].next)
			status = read_field(a, &target->e, config_tree_node(t, at),
				config_tree_node(t, t->nodes[at].next));
		if (status != -ENOMEM && o->keyed && !target->e.value[0] &&
			before == a->job.mistakes.list.list.count + a->job.mistakes.more)
			status = mistake(
				a, n->line, o->fields[0].name, "which one it is", "it is missing");
	} else {
		status = mistake(a, n->line, o->plural, "a mapping of keys and values",
			"here is something else");
	}
	policy_entry_settle(&target->e);
	return status == -ENOMEM ? no_memory(a) : 0;
}

static int read_list(struct apply *a, enum policy_kind kind, const struct config_node *n)
{
	const struct config_tree *t = &a->tree;
	int status = 0;

	if (config_node_is_null(t, n))
		return 0;
	if (!policy_object(kind)->keyed)
		return read_entry(a, kind, n);
	if (n->kind != CONFIG_NODE_LIST)
		return mistake(a, n->line, policy_object(kind)->plural, "a list",
			       "here is something else") == -ENOMEM
			       ? no_memory(a)
			       : 0;
	for (uint32_t at = n->first; at && status == 0; at = t->nodes[at].next) {
		if (a->targets[kind].n == POLICY_ENTRIES_MAX) {
			mistake(a, t->nodes[at].line, policy_object(kind)->plural,
				"at most 2097152 of them", "there are more than the tables take");
			break;
		}
		status = read_entry(a, kind, config_tree_node(t, at));
	}
	return status;
}

static int read_key(struct apply *a, const struct config_node *key, const struct config_node *n)
{
	const struct config_tree *t = &a->tree;
	const char *name = key->kind == CONFIG_NODE_SCALAR ? config_tree_text(t, key) : "";
	char what[128];

	if (strcmp(name, "organisation") == 0) {
		if (n->kind == CONFIG_NODE_SCALAR &&
			strcmp(config_tree_text(t, n), a->job.organisation) == 0)
			return 0;
		snprintf(what, sizeof(what), "this is a policy of another organisation than %s",
			a->job.organisation);
		mistake(a, n->line, name, "organisation=… beside the file, or another file", what);
		return 0;
	}
	for (int kind = 0; kind < POLICY_KINDS; kind++)
		if (strcmp(name, policy_object((enum policy_kind)kind)->plural) == 0)
			return read_list(a, (enum policy_kind)kind, n);
	mistake(a, key->line, name,
		"one of organisation, switches, allowed-domains, blocked-domains, providers",
		"there is no such key");
	return 0;
}

static int compare_targets(const void *a, const void *b)
{
	const struct target *x = a, *y = b;
	const char *p = x->e.value[0] ? x->e.value[0] : "", *q = y->e.value[0] ? y->e.value[0] : "";
	const int order = strcmp(p, q);

	return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

static void sort(struct apply *a, enum policy_kind kind)
{
	struct targets *t = &a->targets[kind];
	const struct policy_object *o = policy_object(kind);

	if (!o->keyed || t->n == 0)
		return;
	qsort(t->items, t->n, sizeof(*t->items), compare_targets);
	for (size_t i = 1; i < t->n; i++)
		if (t->items[i].e.value[0] && t->items[i - 1].e.value[0] &&
			strcmp(t->items[i].e.value[0], t->items[i - 1].e.value[0]) == 0)
			policy_mistake(&a->job.mistakes, t->items[i].line, o->fields[0].name,
				"each once", "%s stands on line %d already", t->items[i].e.value[0],
				t->items[i - 1].line);
}

static int read_root(struct apply *a)
{
	const struct config_tree *t = &a->tree;
	const struct config_node *root =
		t->count > CONFIG_TREE_ROOT ? config_tree_node(t, CONFIG_TREE_ROOT) : NULL;
	int status = 0;

	// An empty file takes everything away: that is hardly meant.
	if (!root || root->kind != CONFIG_NODE_MAP)
		return mistake(a, root ? root->line : 0, "", "what policy export writes",
			"this is no policy file");
	for (uint32_t at = root->first; at && status == 0; at = t->nodes[t->nodes[at].next].next)
		status = read_key(
			a, config_tree_node(t, at), config_tree_node(t, t->nodes[at].next));
	for (int kind = 0; kind < POLICY_KINDS && status == 0; kind++)
		sort(a, (enum policy_kind)kind);
	return status;
}

static int parse(struct apply *a, const char *text, size_t length)
{
	struct config_context ctx = {.errors = &a->job.mistakes.list};

	a->tree.limit = POLICY_TREE_MAX;
	if (config_text_check(&ctx, text, length) != 0 ||
		config_tree_parse(&a->tree, &ctx, text, length) != 0)
		return ctx.failure == -ENOMEM ? no_memory(a) : -EINVAL;
	return read_root(a);
}

static int read_file(struct apply *a)
{
	char *text = NULL;
	size_t length = 0;
	int status = policy_text_read(a->file.fd, POLICY_TREE_FILE_MAX, &text, &length);

	if (status == 0)
		status = policy_text_decode(&text, &length);
	if (status == -ENOMEM)
		status = no_memory(a);
	else if (status == -EFBIG)
		status = policy_mistake(
			&a->job.mistakes, 0, "", "at most 256 MiB", "the file is too large");
	else if (status != 0)
		status = policy_mistake(&a->job.mistakes, 0, "", "a file that can be read",
			"it cannot be read: %s", strerror(-status));
	else
		status = parse(a, text, length);
	free(text);
	return status;
}

// ---- Doing

static int take_gone(void *user, struct policy_entry *e)
{
	struct apply *a = user;
	const struct targets *t = &a->targets[e->kind];
	const struct target key = {.e = {.value = {e->value[0]}}};
	size_t low = 0, high = t->n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const int order = strcmp(t->items[middle].e.value[0], key.e.value[0]);

		if (order == 0)
			return 0;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	struct target *gone = add_target(&a->gone, e->kind, 0);
	if (!gone || !policy_difference(&a->job, e, NULL))
		return no_memory(a);
	gone->e.id = e->id;
	gone->e.value[0] = strdup(e->value[0]);
	return gone->e.value[0] ? 0 : no_memory(a);
}

static int remove_gone(struct apply *a)
{
	int status = 0;

	for (int kind = 0; kind < POLICY_SWITCHES && status == 0; kind++) {
		const struct policy_walk all = {
			.organisation = a->job.organisation, .kind = (enum policy_kind)kind};

		status = policy_db_walk(a->db, &all, take_gone, a);
	}
	for (size_t i = 0; i < a->gone.n && status == 0; i++)
		status = policy_db_delete(a->db, a->job.organisation, a->gone.items[i].e.kind,
			a->gone.items[i].e.value[0]);
	return status;
}

static int put_all(struct apply *a)
{
	// What the file does not say of switches is the default.
	if (a->targets[POLICY_SWITCHES].n == 0 &&
		!add_target(&a->targets[POLICY_SWITCHES], POLICY_SWITCHES, 0))
		return no_memory(a);
	for (int kind = 0; kind < POLICY_KINDS; kind++) {
		struct targets *t = &a->targets[kind];

		for (size_t i = 0; i < t->n; i++) {
			const int status = policy_bulk_put(
				&a->job, a->db, &a->write, &t->items[i].e, false, t->items[i].line);

			if (status != 0 && status != -EINVAL)
				return status;
		}
	}
	return 0;
}

static int run(struct policy_job *job, struct policy_db *d)
{
	struct apply *a = (struct apply *)job;
	int status;

	a->db = d;
	job->differences = json_array();
	if (!job->differences)
		return no_memory(a);
	status = policy_bulk_begin(job, d, &a->file, &a->write);
	if (status == 0)
		status = read_file(a);
	if (status == 0 && job->mistakes.list.list.count > 0)
		status = -EINVAL;
	if (status == 0)
		status = remove_gone(a);
	if (status == 0)
		status = put_all(a);
	if (status == 0)
		status = policy_bulk_end(job, d, &a->file, &a->write);
	policy_bulk_rest(d);
	return status;
}

static void committed(struct policy_job *job, struct policy_db *d)
{
	struct apply *a = (struct apply *)job;
	uint64_t n;

	if (job->id < 0 || !job->policy->tables)
		return;
	// What was blocked and is allowed now is replaced by the load, and gone for no moment.
	for (size_t i = 0; i < a->gone.n; i++) {
		const struct policy_entry *e = &a->gone.items[i].e;
		struct policy_entry other;
		int found = -ENOENT;

		if (e->kind == POLICY_ALLOWED || e->kind == POLICY_BLOCKED) {
			found = policy_db_find(d, job->organisation,
				e->kind == POLICY_ALLOWED ? POLICY_BLOCKED : POLICY_ALLOWED,
				e->value[0], &other);
			policy_entry_clear(&other);
		}
		if (found != 0)
			policy_feed_remove(job->policy, (uint16_t)job->id, e);
	}
	policy_feed_told(policy_feed_load(job->policy, (uint16_t)job->id, d, job->organisation,
				 job->result.revision, &n),
		d, job->organisation);
}

static void clear(struct policy_job *job)
{
	struct apply *a = (struct apply *)job;

	close(a->file.fd);
	config_tree_free(&a->tree);
	for (int kind = 0; kind < POLICY_KINDS; kind++)
		clear_targets(&a->targets[kind]);
	clear_targets(&a->gone);
}

int policy_apply(struct policy *p, const struct policy_file *file, const struct store_audit *record,
	policy_done done, void *user)
{
	struct policy_job *job =
		policy_job_new(p, sizeof(struct apply), file->organisation, record, done, user);
	struct apply *a = (struct apply *)job;

	if (!job) {
		close(file->fd);
		return -ENOMEM;
	}
	a->file = *file;
	job->run = run;
	job->committed = committed;
	job->free = clear;
	return policy_job_submit(job, POLICY_LARGE, sizeof(*a));
}
