// SPDX-License-Identifier: BSD-2-Clause
// JSON as ConvertTo-Json writes it: one object, or a list of them. They are taken one by one, so that a
// long list needs no room, a bad one hides no other, and lines are known.

#include "control/policy/bulk.h"

#include <errno.h>
#include <string.h>

// Objects within objects; ConvertTo-Json stops at 100.
#define DEPTH_MAX 200

void policy_json_begin(struct policy_json *j, const char *text, size_t length)
{
	*j = (struct policy_json){.at = text, .end = text + length, .line = 1};
}

static void skip_space(struct policy_json *j)
{
	while (j->at < j->end &&
		(*j->at == ' ' || *j->at == '\t' || *j->at == '\r' || *j->at == '\n'))
		j->line += *j->at++ == '\n';
}

static bool skip_string(struct policy_json *j)
{
	for (j->at++; j->at < j->end && *j->at != '"'; j->at++) {
		j->line += *j->at == '\n';
		if (*j->at == '\\' && j->at + 1 < j->end)
			j->at++;
	}
	if (j->at == j->end)
		return false;
	j->at++;
	return true;
}

// Past the object that begins here; what is in it is looked at by somebody else.
static int skip_object(struct policy_json *j)
{
	unsigned depth = 0;

	while (j->at < j->end) {
		const char c = *j->at;

		if (c == '"') {
			if (!skip_string(j))
				break;
			continue;
		}
		depth += c == '{' || c == '[';
		j->line += c == '\n';
		j->at++;
		if ((c == '}' || c == ']') && --depth == 0)
			return 1;
		if (depth > DEPTH_MAX) {
			j->why = "it is nested too deeply";
			return -EINVAL;
		}
	}
	j->why = "an object or a text is opened and not closed";
	return -EINVAL;
}

// Nothing more is read after a mistake outside of the objects.
static int stop(struct policy_json *j, const char *why)
{
	j->why = why;
	j->record = j->line;
	j->at = j->end;
	j->ended = true;
	return -EINVAL;
}

static int between(struct policy_json *j)
{
	skip_space(j);
	if (!j->begun) {
		j->begun = true;
		j->list = j->at < j->end && *j->at == '[';
		j->at += j->list;
		skip_space(j);
		if (j->list && j->at < j->end && *j->at == ']') {
			j->at++;
			j->ended = true;
		}
		return 0;
	}
	if (!j->list) {
		j->ended = true;
		return 0;
	}
	if (j->at < j->end && *j->at == ',') {
		j->at++;
		skip_space(j);
		return 0;
	}
	if (j->at == j->end || *j->at != ']')
		return stop(j, "a \",\" or the closing \"]\" is missing");
	j->at++;
	j->ended = true;
	return 0;
}

int policy_json_next(struct policy_json *j, struct policy_slice *object)
{
	if (j->ended)
		return 0;
	if (between(j) != 0)
		return -EINVAL;
	if (j->ended) {
		skip_space(j);
		return j->at == j->end ? 0 : stop(j, "something follows the end");
	}
	j->record = j->line;
	if (j->at == j->end || *j->at != '{')
		return stop(j, "there is no object where one must stand");
	const char *from = j->at;
	const int status = skip_object(j);
	if (status < 0) {
		j->at = j->end;
		j->ended = true;
		return status;
	}
	object->text = (char *)(uintptr_t)from;
	object->length = (size_t)(j->at - from);
	return 1;
}

int policy_json_line(const struct policy_slice *object, int line, const char *key)
{
	struct policy_json j = {
		.at = object->text, .end = object->text + object->length, .line = line};
	const size_t n = strlen(key);
	unsigned depth = 0;

	while (j.at < j.end) {
		const char *from = j.at;
		const int here = j.line;

		if (*j.at != '"') {
			depth += *j.at == '{' || *j.at == '[';
			depth -= *j.at == '}' || *j.at == ']';
			j.line += *j.at == '\n';
			j.at++;
			continue;
		}
		if (!skip_string(&j))
			break;
		if (depth != 1 || (size_t)(j.at - from) != n + 2 || memcmp(from + 1, key, n) != 0)
			continue;
		skip_space(&j);
		if (j.at < j.end && *j.at == ':')
			return here;
	}
	return line;
}
