// SPDX-License-Identifier: BSD-2-Clause
// Builds the tree from libfyaml's events. Events, not its documents: duplicate keys come through
// with their lines, aliases stay references instead of growing into copies, and depth and size
// are ours to bound.

#include "control/config/context.h"
#include "control/config/tree.h"

#include <libfyaml.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

// The schema needs 7 levels; beyond these the file is refused.
#define MOST_DEPTH 32
// 65535 members of four keys are some 600,000 nodes.
#define MOST_NODES (1u << 22)
// Anchors are looked up one by one.
#define MOST_ANCHORS 256

struct anchor {
	char *name;
	uint32_t node;
};

struct builder {
	struct config_tree *tree;
	struct config_context *ctx;
	struct {
		uint32_t node;
		uint32_t last; // child
	} open[MOST_DEPTH];
	unsigned depth;
	struct anchor anchors[MOST_ANCHORS];
	unsigned n_anchors;
	unsigned documents;
};

static int no_memory(struct builder *b)
{
	b->ctx->failure = -ENOMEM;
	return -ENOMEM;
}

static int event_line(struct fy_event *e)
{
	const struct fy_mark *mark = fy_event_start_mark(e);
	return mark && mark->line >= 0 && mark->line < INT_MAX ? mark->line + 1 : 0;
}

// Appends a node to the collection that is open. Returns its index, or 0 after an error.
static uint32_t add_node(struct builder *b, enum config_node_kind kind, int line)
{
	struct config_tree *t = b->tree;
	const uint32_t most = t->limit ? t->limit : MOST_NODES;
	if (t->count >= most) {
		config_mistake(b->ctx, line, "a smaller file", "more than %u values", most);
		return 0;
	}
	if (t->count == t->room) {
		uint32_t room = t->room ? t->room * 2 : 256;
		struct config_node *nodes = realloc(t->nodes, room * sizeof(nodes[0]));
		if (!nodes) {
			no_memory(b);
			return 0;
		}
		t->nodes = nodes;
		t->room = room;
	}
	if (t->count == 0)
		t->nodes[t->count++] = (struct config_node){0};
	// A value that is not there has no place: it counts as standing by its key.
	if (line == 0 && b->depth > 0) {
		uint32_t last = b->open[b->depth - 1].last;
		line = t->nodes[last ? last : b->open[b->depth - 1].node].line;
	}
	uint32_t index = t->count++;
	t->nodes[index] = (struct config_node){.kind = (uint8_t)kind, .line = line};
	if (b->depth > 0) {
		uint32_t parent = b->open[b->depth - 1].node;
		uint32_t last = b->open[b->depth - 1].last;
		if (last)
			t->nodes[last].next = index;
		else
			t->nodes[parent].first = index;
		t->nodes[parent].children++;
		b->open[b->depth - 1].last = index;
	}
	return index;
}

static int add_anchor(struct builder *b, struct fy_token *token, uint32_t node)
{
	if (!token)
		return 0;
	if (b->n_anchors == MOST_ANCHORS) {
		config_mistake(b->ctx, b->tree->nodes[node].line, "fewer anchors",
			"more than %d anchors", MOST_ANCHORS);
		return -EINVAL;
	}
	size_t length;
	const char *text = fy_token_get_text(token, &length);
	char *name = text ? strndup(text, length) : NULL;
	if (!name)
		return no_memory(b);
	b->anchors[b->n_anchors++] = (struct anchor){name, node};
	return 0;
}

static int refuse_tag(struct builder *b, struct fy_token *tag, int line)
{
	if (!tag)
		return 0;
	config_mistake(b->ctx, line, "the value alone", "tags (\"!...\") have no meaning here");
	return -EINVAL;
}

static int add_scalar(struct builder *b, struct fy_event *e)
{
	uint32_t index = add_node(b, CONFIG_NODE_SCALAR, event_line(e));
	if (!index)
		return -EINVAL;
	struct config_tree *t = b->tree;
	size_t length = 0;
	const char *text = e->scalar.value ? fy_token_get_text(e->scalar.value, &length) : NULL;
	if (!text)
		length = 0;
	if (t->text_room - t->text_length <= length) {
		size_t room = (t->text_room + length + 1) * 2;
		char *grown = realloc(t->text, room);
		if (!grown)
			return no_memory(b);
		t->text = grown;
		t->text_room = room;
	}
	struct config_node *n = &t->nodes[index];
	n->plain = !e->scalar.value || fy_token_scalar_style(e->scalar.value) == FYSS_PLAIN;
	n->text = t->text_length;
	n->length = length;
	if (length > 0)
		memcpy(t->text + t->text_length, text, length);
	t->text[t->text_length + length] = '\0';
	t->text_length += length + 1;
	int rc = refuse_tag(b, e->scalar.tag, n->line);
	return rc ? rc : add_anchor(b, e->scalar.anchor, index);
}

static int add_alias(struct builder *b, struct fy_event *e)
{
	int line = event_line(e);
	size_t length = 0;
	const char *text = fy_token_get_text(e->alias.anchor, &length);
	// The latest anchor of a name counts (YAML 1.2.2, 3.2.2.2).
	for (unsigned i = b->n_anchors; text && i-- > 0;) {
		const struct anchor *a = &b->anchors[i];
		if (strlen(a->name) != length || memcmp(a->name, text, length) != 0)
			continue;
		uint32_t index = add_node(b, CONFIG_NODE_ALIAS, line);
		if (!index)
			return -EINVAL;
		b->tree->nodes[index].first = a->node;
		return 0;
	}
	char quoted[CONFIG_QUOTE];
	config_mistake(b->ctx, line, "an anchor (\"&name\") before its alias (\"*name\")",
		"there is no anchor %s", config_quote(quoted, text ? text : "", text ? length : 0));
	return -EINVAL;
}

static int open_collection(struct builder *b, struct fy_event *e, enum config_node_kind kind)
{
	bool map = kind == CONFIG_NODE_MAP;
	uint32_t index = add_node(b, kind, event_line(e));
	if (!index)
		return -EINVAL;
	int line = b->tree->nodes[index].line;
	if (b->depth == MOST_DEPTH) {
		config_mistake(b->ctx, line, "what the manual's reference shows",
			"nested deeper than %d levels", MOST_DEPTH);
		return -EINVAL;
	}
	int rc = refuse_tag(b, map ? e->mapping_start.tag : e->sequence_start.tag, line);
	if (!rc)
		rc = add_anchor(b, map ? e->mapping_start.anchor : e->sequence_start.anchor, index);
	b->open[b->depth].node = index;
	b->open[b->depth++].last = 0;
	return rc;
}

static int take_event(struct builder *b, struct fy_event *e)
{
	switch (e->type) {
	case FYET_DOCUMENT_START:
		if (b->documents++ == 0)
			return 0;
		config_mistake(b->ctx, event_line(e), "one document in a file",
			"a second document begins");
		return -EINVAL;
	case FYET_SCALAR:
		return add_scalar(b, e);
	case FYET_ALIAS:
		return add_alias(b, e);
	case FYET_MAPPING_START:
		return open_collection(b, e, CONFIG_NODE_MAP);
	case FYET_SEQUENCE_START:
		return open_collection(b, e, CONFIG_NODE_LIST);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		b->depth--;
		return 0;
	default:
		return 0;
	}
}

// Whether there is what YAML takes for its own on a line or the three before it, where a bracket or a
// quote may have been opened.
static bool holds_special(const char *text, size_t length, int line)
{
	const char *end = text + length;
	for (int at = 1; at <= line && text < end; at++) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		for (stop = stop ? stop : end; text < stop; text++)
			if (at + 3 >= line && strchr("[{&*!|>%@`#\"'", *text))
				return true;
		if (text < end)
			text++;
	}
	return false;
}

static void tell_syntax(
	struct config_context *ctx, struct fy_diag *diag, const char *source, size_t length)
{
	static const char plain[] =
		"\"key: value\" with spaces before it, as many for each key of a "
		"mapping; no tabs";
	static const char expected[] = "a text that holds \": \", \" #\" or begins with one "
				       "of [ { & * ! | > % @ needs "
				       "quotes, and so does an IPv6 address";
	void *at = NULL;
	const struct fy_diag_error *e;
	size_t before = ctx->errors->list.count;
	while ((e = fy_diag_errors_iterate(diag, &at)) != NULL) {
		char text[CONFIG_QUOTE];
		config_quote(text, e->msg ? e->msg : "", e->msg ? strlen(e->msg) : 0);
		int line = e->line > 0 ? e->line : 0;
		config_mistake(ctx, line, holds_special(source, length, line) ? expected : plain,
			"this is no YAML: %s", text);
	}
	if (ctx->errors->list.count == before)
		config_mistake(ctx, 0, expected, "this is no YAML");
}

static int take_events(struct builder *b, struct fy_parser *parser, struct fy_diag *diag,
	const char *text, size_t length)
{
	for (;;) {
		struct fy_event *e = fy_parser_parse(parser);
		if (!e)
			break;
		bool end = e->type == FYET_STREAM_END;
		int rc = take_event(b, e);
		fy_parser_event_free(parser, e);
		if (rc)
			return rc;
		if (end)
			return 0;
	}
	tell_syntax(b->ctx, diag, text, length);
	return -EINVAL;
}

static struct fy_diag *new_diag(void)
{
	struct fy_diag_cfg cfg;
	fy_diag_cfg_default(&cfg);
	cfg.fp = NULL;
	cfg.level = FYET_ERROR;
	struct fy_diag *diag = fy_diag_create(&cfg);
	if (diag)
		fy_diag_set_collect_errors(diag, true);
	return diag;
}

static int build(struct builder *b, const char *text, size_t length)
{
	struct fy_diag *diag = new_diag();
	if (!diag)
		return no_memory(b);
	struct fy_parse_cfg cfg = {
		.flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE,
		.diag = diag,
	};
	int rc;
	struct fy_parser *parser = fy_parser_create(&cfg);
	if (!parser || fy_parser_set_string(parser, text, length))
		rc = no_memory(b);
	else
		rc = take_events(b, parser, diag, text, length);
	fy_parser_destroy(parser);
	fy_diag_destroy(diag);
	return rc;
}

int config_tree_parse(
	struct config_tree *t, struct config_context *ctx, const char *text, size_t length)
{
	struct builder *b = calloc(1, sizeof(*b));
	if (!b) {
		ctx->failure = -ENOMEM;
		return -ENOMEM;
	}
	b->tree = t;
	b->ctx = ctx;
	int rc = build(b, text, length);
	for (unsigned i = 0; i < b->n_anchors; i++)
		free(b->anchors[i].name);
	free(b);
	return rc;
}
