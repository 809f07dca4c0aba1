// SPDX-License-Identifier: BSD-2-Clause
// Holding answers against plans.

#include "control/plan/check.h"

#include "control/plan/private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static json_t *borrow(const json_t *value)
{
	return (json_t *)(uintptr_t)value;
}

// ---- What to ask

static bool is_question(const json_t *q, const char *name, const char *type)
{
	return strcasecmp(plan_string(q, "name"), name) == 0 &&
	       strcmp(plan_string(q, "type"), type) == 0;
}

static int add_question(json_t *list, json_t *seen, const char *name, const char *type)
{
	char key[PLAN_NAME + 8];

	snprintf(key, sizeof(key), "%s %s", type, name);
	for (char *c = key; *c != '\0'; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
	if (json_object_get(seen, key))
		return 0;
	if (json_object_set_new(seen, key, json_true()) != 0)
		return -1;
	return json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "type", type));
}

json_t *plan_check_questions(const json_t *dns)
{
	json_t *list = json_array(), *seen = json_object();
	int failed = list && seen ? 0 : -1;
	size_t i;
	json_t *r;

	json_array_foreach(json_object_get(dns, "records"), i, r)
	{
		const char *name = plan_string(r, "name"), *type = plan_string(r, "type");

		if (strcmp(type, "SRV") == 0) {
			failed |= add_question(list, seen, name, "SRV");
			continue;
		}
		// An address of the family that is not wanted misleads as well.
		failed |= add_question(list, seen, name, "A");
		failed |= add_question(list, seen, name, "AAAA");
	}
	json_decref(seen);
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

// ---- What came back

static json_t *wanted_of(const json_t *dns, const char *name, const char *type)
{
	json_t *list = json_array();
	size_t i;
	json_t *r;

	json_array_foreach(json_object_get(dns, "records"), i, r)
	{
		const char *target = plan_string(r, "target");

		if (!is_question(r, name, type))
			continue;
		json_array_append_new(
			list, target ? plan_textf("0 0 %d %s",
					       (int)json_integer_value(json_object_get(r, "port")),
					       target)
				     : json_string(plan_string(r, "address")));
	}
	return list;
}

// Priority and weight order several records; of the one that is wanted they mean nothing.
static const char *matter(const char *text)
{
	const char *port = text;

	for (unsigned spaces = 0; *port != '\0' && spaces < 2; port++)
		spaces += *port == ' ';
	return *port != '\0' ? port : text;
}

static bool holds(const json_t *list, const char *text)
{
	size_t i;
	json_t *item;

	json_array_foreach(borrow(list), i, item)
	{
		if (strcasecmp(matter(json_string_value(item)), matter(text)) == 0)
			return true;
	}
	return false;
}

// Those of one list that the other lacks.
static json_t *beyond(const json_t *list, const json_t *other)
{
	json_t *found = json_array();
	size_t i;
	json_t *item;

	json_array_foreach(borrow(list), i, item)
	{
		if (!holds(other, json_string_value(item)))
			json_array_append(found, item);
	}
	return found;
}

static char *joined(const json_t *list)
{
	char *text = NULL;
	size_t size = 0, i;
	json_t *item;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	json_array_foreach(borrow(list), i, item)
	{
		fprintf(to, "%s%s", i > 0 ? ", " : "", json_string_value(item));
	}
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

static json_t *text_of(const json_t *list)
{
	char *text = joined(list);
	json_t *value = text ? json_string(text[0] != '\0' ? text : "nothing") : NULL;

	free(text);
	return value;
}

// "publish A 192.0.2.20; remove A 192.0.2.9"
static json_t *fix_of(const char *type, const json_t *lacks, const json_t *more)
{
	char *publish = joined(lacks), *removed = joined(more);
	json_t *fix = NULL;

	if (publish && removed)
		fix = plan_textf("%s%s%s%s%s%s%s", publish[0] != '\0' ? "publish " : "",
			publish[0] != '\0' ? type : "", publish[0] != '\0' ? " " : "", publish,
			publish[0] != '\0' && removed[0] != '\0' ? "; " : "",
			removed[0] != '\0' ? "remove " : "", removed);
	free(publish);
	free(removed);
	return fix;
}

static const char *state_of(const json_t *lacks, const json_t *more)
{
	if (json_array_size(lacks) == 0)
		return json_array_size(more) == 0 ? "right" : "more";
	return json_array_size(more) == 0 ? "missing" : "different";
}

static json_t *compare(const json_t *question, const json_t *answer, const json_t *wanted)
{
	const char *name = plan_string(question, "name"), *type = plan_string(question, "type");
	const json_t *found = json_object_get(answer, "found");
	const char *why = plan_string(answer, "why");
	json_t *lacks = beyond(wanted, found), *more = beyond(found, wanted);
	const char *state = why ? "unknown" : state_of(lacks, more);
	json_t *item = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "what", "dns", "name", name,
		"aspect", type, "state", state, "wanted", text_of(wanted), "found",
		why ? json_string(why) : text_of(found), "fix",
		why || strcmp(state, "right") == 0 ? json_null() : fix_of(type, lacks, more));

	json_decref(lacks);
	json_decref(more);
	return item;
}

json_t *plan_check_dns(const json_t *dns, const json_t *questions, const json_t *answers)
{
	json_t *items = json_array();
	int failed = items ? 0 : -1;
	size_t i;
	json_t *q;

	json_array_foreach(borrow(questions), i, q)
	{
		const json_t *answer = json_array_get(answers, i);
		json_t *wanted = wanted_of(dns, plan_string(q, "name"), plan_string(q, "type"));
		const bool nothing = json_array_size(wanted) == 0 && !plan_string(answer, "why") &&
				     json_array_size(json_object_get(answer, "found")) == 0;

		if (!nothing)
			failed |= json_array_append_new(items, compare(q, answer, wanted));
		json_decref(wanted);
	}
	if (!failed)
		return items;
	json_decref(items);
	return NULL;
}

// ---- The whole

struct counts {
	unsigned right, different, unknown, elsewhere;
};

static struct counts count(const json_t *items)
{
	struct counts c = {0};
	size_t i;
	json_t *item;

	json_array_foreach(borrow(items), i, item)
	{
		const char *state = plan_string(item, "state");

		if (strcmp(state, "right") == 0)
			c.right++;
		else if (strcmp(state, "unknown") == 0)
			c.unknown++;
		else if (strcmp(state, "elsewhere") == 0)
			c.elsewhere++;
		else
			c.different++;
	}
	return c;
}

static void print_item(FILE *to, const json_t *item)
{
	const char *state = plan_string(item, "state"), *fix = plan_string(item, "fix");
	const bool right = strcmp(state, "right") == 0;
	fprintf(to, "  %-9s  %s %s: %s\n", right ? "right" : state, plan_string(item, "name"),
		plan_string(item, "aspect"), plan_string(item, "found"));
	if (!right && strcmp(state, "elsewhere") != 0)
		plan_print_words(to, "             wanted: ", "                     ",
			plan_string(item, "wanted"));
	if (fix)
		plan_print_words(to, "             do:     ", "                     ", fix);
}

static void print_part(FILE *to, const json_t *items, const char *what, const char *title)
{
	bool begun = false;
	size_t i;
	json_t *item;

	json_array_foreach(borrow(items), i, item)
	{
		if (strcmp(plan_string(item, "what"), what) != 0)
			continue;
		if (!begun)
			fprintf(to, "\n%s\n", title);
		begun = true;
		print_item(to, item);
	}
}

static void write_text(FILE *to, const json_t *result)
{
	const json_t *items = json_object_get(result, "items");
	const char *resolver = plan_string(result, "resolver");
	const struct counts c = count(items);
	char title[160];

	fprintf(to, "What is there, against the plans, of %s\n",
		plan_string(result, "organisation"));
	snprintf(title, sizeof(title), "DNS, as %s answers", resolver ? resolver : "nobody");
	print_part(to, items, "dns", title);
	print_part(to, items, "certificate", "Certificates, as the files hold them");
	fprintf(to, "\n%u right, %u different", c.right, c.different);
	if (c.unknown > 0)
		fprintf(to, ", %u not to be found out", c.unknown);
	if (c.elsewhere > 0)
		fprintf(to, ", %u kept elsewhere", c.elsewhere);
	fputc('\n', to);
	plan_print_notes(to, result);
}

json_t *plan_check_end(const char *organisation, json_t *items, const char *resolver)
{
	const struct counts c = count(items);
	struct plan_build b = {.seen = json_object()};

	b.result = json_pack("{s:s, s:s, s:s?, s:i, s:i, s:i, s:o, s:[]}", "organisation",
		organisation, "verdict",
		c.different > 0 ? "different"
		: c.unknown > 0 ? "unknown"
				: "right",
		"resolver", resolver, "right", (int)c.right, "different", (int)c.different,
		"unknown", (int)c.unknown, "items", items, "notes");
	b.failed = !b.result || !b.seen;
	if (!b.failed && resolver)
		plan_note(&b, "a resolver inside may have a view of its own: resolver=ADDRESS asks "
			      "another one");
	if (!b.failed && c.elsewhere > 0)
		plan_note(&b, "of certificates that the members hold, files here can be named: tls "
			      "of the service");
	return plan_end(&b, write_text);
}
