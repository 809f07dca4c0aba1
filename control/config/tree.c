// SPDX-License-Identifier: BSD-2-Clause
// Finding one's way in the tree.

#include "control/config/tree.h"

#include "control/config/config.h"

#include <stdlib.h>
#include <string.h>

void config_tree_free(struct config_tree *t)
{
	free(t->nodes);
	free(t->text);
	*t = (struct config_tree){0};
}

const struct config_node *config_tree_node(const struct config_tree *t, uint32_t index)
{
	const struct config_node *n = &t->nodes[index];
	// An anchor belongs to a node with content, so that one step always ends the search.
	return n->kind == CONFIG_NODE_ALIAS ? &t->nodes[n->first] : n;
}

const char *config_tree_text(const struct config_tree *t, const struct config_node *n)
{
	return t->text + n->text;
}

bool config_node_is_null(const struct config_tree *t, const struct config_node *n)
{
	if (n->kind != CONFIG_NODE_SCALAR || !n->plain)
		return false;
	const char *text = config_tree_text(t, n);
	return n->length == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

// The value of a key, by index; 0 if it is not there.
static uint32_t map_value(
	const struct config_tree *t, const struct config_node *map, const char *key, size_t length)
{
	for (uint32_t i = map->first; i; i = t->nodes[t->nodes[i].next].next) {
		const struct config_node *k = config_tree_node(t, i);
		if (k->kind == CONFIG_NODE_SCALAR && k->length == length &&
			memcmp(config_tree_text(t, k), key, length) == 0)
			return t->nodes[i].next;
	}
	return 0;
}

static uint32_t list_element(
	const struct config_tree *t, const struct config_node *list, unsigned long at)
{
	uint32_t i = list->first;
	for (; i && at > 0; at--)
		i = t->nodes[i].next;
	return i;
}

// One step along a path; *path moves behind it.
static uint32_t step(const struct config_tree *t, const struct config_node *n, const char **path)
{
	if (**path == '[') {
		char *end;
		unsigned long at = strtoul(*path + 1, &end, 10);
		*path = end + 1;
		return n->kind == CONFIG_NODE_LIST ? list_element(t, n, at) : 0;
	}
	if (**path == '.')
		++*path;
	size_t length = strcspn(*path, ".[");
	const char *key = *path;
	*path += length;
	return n->kind == CONFIG_NODE_MAP ? map_value(t, n, key, length) : 0;
}

static int find_line(const struct config_tree *t, const char *path, bool nearest)
{
	if (t->count <= CONFIG_TREE_ROOT)
		return 0;
	const struct config_node *n = config_tree_node(t, CONFIG_TREE_ROOT);
	while (*path) {
		uint32_t next = step(t, n, &path);
		if (!next && !nearest)
			return 0;
		if (!next)
			break;
		n = config_tree_node(t, next);
	}
	return n->line;
}

int config_tree_line(const struct config_tree *t, const char *path)
{
	return find_line(t, path, true);
}

int config_tree_line_of(const struct config_tree *t, const char *path)
{
	return find_line(t, path, false);
}

int config_line(const struct config *c, const char *path)
{
	return c->tree ? config_tree_line_of(c->tree, path) : 0;
}

void config_forget_lines(struct config *c)
{
	if (c->tree)
		config_tree_free(c->tree);
	free(c->tree);
	c->tree = NULL;
}
