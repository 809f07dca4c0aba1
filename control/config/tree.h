// SPDX-License-Identifier: BSD-2-Clause
// The YAML of a file as a tree in which every node knows its line. For this folder, and for others that
// read YAML.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_context;

enum config_node_kind {
	CONFIG_NODE_SCALAR,
	CONFIG_NODE_LIST,
	CONFIG_NODE_MAP,   // children are key, value, key, value, ...
	CONFIG_NODE_ALIAS, // stands for the node `first`
};

// Nodes refer to each other by index; 0 is no node.
struct config_node {
	uint8_t kind;
	bool plain; // a scalar without quotes
	int line;   // 1-based
	uint32_t first;
	uint32_t next;
	uint32_t children;
	size_t text; // of a scalar: offset of its bytes, followed by NUL
	size_t length;
};

struct config_tree {
	uint32_t limit; // of nodes; 0: as a configuration needs
	struct config_node *nodes;
	uint32_t count;
	uint32_t room;
	char *text;
	size_t text_length;
	size_t text_room;
};

#define CONFIG_TREE_ROOT 1

// Reads one YAML document. Returns 0, or a negative errno; mistakes are in the context. The tree
// starts zeroed, but for its limit, and is freed in either case.
int config_tree_parse(
	struct config_tree *t, struct config_context *ctx, const char *text, size_t length);
void config_tree_free(struct config_tree *t);

// The node, or what it stands for.
const struct config_node *config_tree_node(const struct config_tree *t, uint32_t index);
const char *config_tree_text(const struct config_tree *t, const struct config_node *n);

// True for a value that was left out ("key:", "key: ~", "key: null").
bool config_node_is_null(const struct config_tree *t, const struct config_node *n);

// The line of the node at a path such as "pools[0].members[1].address", or of the nearest node
// around it that is there.
int config_tree_line(const struct config_tree *t, const char *path);
// ... of that node alone; 0 if it is not there.
int config_tree_line_of(const struct config_tree *t, const char *path);
