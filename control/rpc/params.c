// SPDX-License-Identifier: BSD-2-Clause
// Checks the parameters of a call against what its method says of them, and finds what somebody
// who mistyped a name may have meant.

#include "control/rpc/internal.h"

#include <stdio.h>
#include <string.h>

// Longer names are not worth a guess; this bounds the work and the row on the stack.
#define GUESS_MAX 48u

unsigned rpc_distance(const char *a, const char *b)
{
	unsigned row[GUESS_MAX + 1];
	size_t n = strlen(b);

	if (strlen(a) > GUESS_MAX || n > GUESS_MAX)
		return UINT32_MAX;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		unsigned corner = row[0];

		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < n; j++) {
			unsigned best = corner + (a[i] != b[j]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j + 1] + 1 < best)
				best = row[j + 1] + 1;
			corner = row[j + 1];
			row[j + 1] = best;
		}
	}
	return row[n];
}

// A third of the letters wrong is still a slip of the hand.
static bool is_near(const char *name, unsigned distance)
{
	size_t allowed = strlen(name) / 3;

	return distance <= (allowed > 2 ? allowed : 2);
}

bool rpc_is_near(const char *name, const char *known)
{
	return is_near(name, rpc_distance(name, known));
}

// "reload" is typed where "config reload" is meant: a verb that only one noun has.
static const char *method_of_verb(const struct rpc_server *server, const char *name)
{
	const size_t length = strcspn(name, ".");
	const char *found = NULL;

	for (unsigned g = 0; g < server->n_groups; g++) {
		for (size_t i = 0; i < server->groups[g].count; i++) {
			const char *known = server->groups[g].methods[i].name;
			const char *dot = strchr(known, '.');

			if (!dot || strlen(dot + 1) != length ||
				strncmp(dot + 1, name, length) != 0)
				continue;
			if (found)
				return NULL;
			found = known;
		}
	}
	return found;
}

const char *rpc_method_nearest(const struct rpc_server *server, const char *name)
{
	const char *best = NULL;
	unsigned least = UINT32_MAX;
	const char *verb = method_of_verb(server, name);

	if (verb)
		return verb;
	for (unsigned g = 0; g < server->n_groups; g++) {
		for (size_t i = 0; i < server->groups[g].count; i++) {
			const char *known = server->groups[g].methods[i].name;
			unsigned distance = rpc_distance(name, known);

			if (distance < least) {
				least = distance;
				best = known;
			}
		}
	}
	return best && is_near(name, least) ? best : NULL;
}

static const struct rpc_param comment = {
	"comment", RPC_STRING, false, false, NULL, "why, for the audit"};

static const struct rpc_param *find_own(const struct rpc_method *method, const char *name)
{
	for (const struct rpc_param *p = method->params; p && p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

const struct rpc_param *rpc_param_comment(const struct rpc_method *method)
{
	return method->role != RPC_VIEW && !find_own(method, comment.name) ? &comment : NULL;
}

static const struct rpc_param *find_param(const struct rpc_method *method, const char *name)
{
	const struct rpc_param *own = find_own(method, name);

	return own || strcmp(name, comment.name) != 0 ? own : rpc_param_comment(method);
}

static void append(char *text, size_t size, const char *more)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s", more);
}

static const char *list_params(const struct rpc_method *method, char *text, size_t size)
{
	text[0] = '\0';
	for (const struct rpc_param *p = method->params; p && p->name; p++) {
		append(text, size, text[0] == '\0' ? "one of " : ", ");
		append(text, size, p->name);
	}
	return text[0] == '\0' ? "no parameters" : text;
}

static const char *expected_value(const struct rpc_param *p, char *text, size_t size)
{
	static const char *const types[] = {
		[RPC_STRING] = "a string",
		[RPC_INTEGER] = "an integer",
		[RPC_BOOLEAN] = "true or false",
		[RPC_DURATION] = "an integer of milliseconds",
	};

	if (!p->choices)
		return types[p->type];
	text[0] = '\0';
	for (const char *const *choice = p->choices; *choice; choice++) {
		append(text, size, text[0] == '\0' ? "one of " : ", ");
		append(text, size, *choice);
	}
	return text;
}

static bool is_choice(const struct rpc_param *p, const char *value)
{
	for (const char *const *choice = p->choices; *choice; choice++)
		if (strcmp(*choice, value) == 0)
			return true;
	return false;
}

static bool has_type(const struct rpc_param *p, const json_t *value)
{
	switch (p->type) {
	case RPC_STRING:
		return json_is_string(value);
	case RPC_INTEGER:
	case RPC_DURATION:
		return json_is_integer(value);
	case RPC_BOOLEAN:
		return json_is_boolean(value);
	}
	return false;
}

static json_t *check_unknown(json_t *data, const struct rpc_method *method, const char *key)
{
	char name[80];
	char text[256];
	const char *expected = list_params(method, text, sizeof(text));

	for (const struct rpc_param *p = method->params; p && p->name; p++)
		if (is_near(key, rpc_distance(key, p->name)))
			expected = p->name;
	snprintf(name, sizeof(name), "%.64s", key);
	return rpc_mistake(data, name, 0, "there is no such parameter", expected);
}

static json_t *check_value(json_t *data, const struct rpc_param *p, const json_t *value)
{
	char what[128];
	char text[256];
	const char *expected = expected_value(p, text, sizeof(text));

	// "a string" tells nobody what to type.
	if (!value && p->type == RPC_STRING && !p->choices && p->help)
		expected = p->help;
	if (!value)
		return p->required ? rpc_mistake(data, p->name, 0, "missing", expected) : data;
	if (!has_type(p, value))
		return rpc_mistake(data, p->name, 0, "wrong type", expected);
	if (p->choices && !is_choice(p, json_string_value(value))) {
		snprintf(what, sizeof(what), "\"%.64s\" is not a value of it",
			json_string_value(value));
		return rpc_mistake(data, p->name, 0, what, expected);
	}
	return data;
}

// A request of 1 MiB may hold a hundred thousand mistakes; nobody reads past these.
#define MISTAKES_MAX 20u

json_t *rpc_params_check(const struct rpc_method *method, const json_t *params)
{
	json_t *data = NULL;
	const char *key;
	json_t *value;
	unsigned unknown = 0;

	json_object_foreach((json_t *)(uintptr_t)params, key, value)
	{
		if (find_param(method, key))
			continue;
		if (unknown++ < MISTAKES_MAX)
			data = check_unknown(data, method, key);
	}
	for (const struct rpc_param *p = method->params; p && p->name; p++)
		data = check_value(data, p, json_object_get(params, p->name));
	const struct rpc_param *more = rpc_param_comment(method);
	const json_t *text = more ? json_object_get(params, more->name) : NULL;
	if (more)
		data = check_value(data, more, text);
	if (json_string_length(text) > RPC_COMMENT_MAX)
		data = rpc_mistake(
			data, more->name, 0, "longer than 1000 bytes", "at most 1000 bytes");
	return data;
}
