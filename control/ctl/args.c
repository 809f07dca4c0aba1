// SPDX-License-Identifier: BSD-2-Clause
// From words to parameters, by what the server says of the method.

#include "control/ctl/ctl.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *param_name(const json_t *param)
{
	const char *name = json_string_value(json_object_get(param, "name"));

	return name ? name : "";
}

static const json_t *find_param(const json_t *method, const char *name, size_t length)
{
	size_t i;
	json_t *param;

	json_array_foreach(json_object_get(method, "params"), i, param)
	{
		const char *known = param_name(param);

		if (strlen(known) == length && strncmp(known, name, length) == 0)
			return param;
	}
	return NULL;
}

static bool is_taken(const json_t *param, const struct ctl_arg *args, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (args[i].param == param)
			return true;
	return false;
}

static const json_t *next_positional(const json_t *method, const struct ctl_arg *args, size_t n)
{
	size_t i;
	json_t *param;

	json_array_foreach(json_object_get(method, "params"), i,
		param) if (json_is_true(json_object_get(param, "positional")) &&
			   !is_taken(param, args, n)) return param;
	return NULL;
}

static bool is_flag(const json_t *param)
{
	const char *type = json_string_value(json_object_get(param, "type"));

	return type && strcmp(type, "boolean") == 0;
}

// "name=value" or "--name=value".
static bool scan_pair(const json_t *method, const char *word, struct ctl_arg *arg)
{
	const char *name = strncmp(word, "--", 2) == 0 ? word + 2 : word;
	const char *equals = strchr(name, '=');

	if (!equals)
		return false;
	arg->param = find_param(method, name, (size_t)(equals - name));
	arg->value = equals + 1;
	arg->named = true;
	return arg->param != NULL;
}

// "count=3": a name of letters and hyphens before the sign, which a mere value hardly has. One letter is
// taken for a value.
static bool is_pair(const char *word)
{
	const size_t length = strspn(word, "abcdefghijklmnopqrstuvwxyz-");

	return length > 1 && word[length] == '=';
}

size_t ctl_args_scan(const json_t *method, char *const *words, size_t n, struct ctl_arg *out)
{
	size_t filled = 0;

	for (size_t i = 0; i < n; i++, filled++) {
		struct ctl_arg *arg = &out[filled];
		const bool dashed = strncmp(words[i], "--", 2) == 0;
		const char *name = dashed ? words[i] + 2 : words[i];

		*arg = (struct ctl_arg){.word = words[i]};
		if (scan_pair(method, words[i], arg))
			continue;
		*arg = (struct ctl_arg){.word = words[i]};
		const json_t *param = find_param(method, name, strlen(name));
		// A bare word that ends the line cannot be a name, so it is a value.
		if (param && (dashed || (i + 1 < n && !is_taken(param, out, filled)))) {
			arg->param = param;
			arg->named = true;
			if (dashed && is_flag(param))
				arg->value = "true";
			else if (i + 1 < n)
				arg->value = words[++i];
		} else if (!dashed && !is_pair(words[i])) {
			arg->param = next_positional(method, out, filled);
			arg->value = words[i];
		}
	}
	return filled;
}

// The server runs in another folder than we do.
static json_t *path_value(const char *path)
{
	char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);

	if (!here)
		return json_string(path);
	char *whole = ctl_text_format("%s/%s", here, path);
	json_t *value = json_string(whole);
	free(whole);
	free(here);
	return value;
}

static json_t *integer_value(const char *text)
{
	char *end = NULL;

	errno = 0;
	long long number = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' ? json_integer(number) : NULL;
}

// Into milliseconds. Units as in the configuration file.
static json_t *duration_value(const char *text)
{
	static const struct {
		const char *name;
		long long ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	char *end = NULL;
	long long ms;

	errno = 0;
	const long long number = strtoll(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (errno == 0 && end != text && strcmp(end, units[i].name) == 0 &&
			!__builtin_mul_overflow(number, units[i].ms, &ms))
			return json_integer(ms);
	return NULL;
}

static json_t *boolean_value(const char *text)
{
	if (strcmp(text, "true") == 0 || strcmp(text, "yes") == 0)
		return json_true();
	if (strcmp(text, "false") == 0 || strcmp(text, "no") == 0)
		return json_false();
	return NULL;
}

static json_t *typed_value(const json_t *param, const char *text)
{
	const char *type = json_string_value(json_object_get(param, "type"));

	if (type && strcmp(type, "integer") == 0)
		return integer_value(text);
	if (type && strcmp(type, "duration") == 0)
		return duration_value(text);
	if (is_flag(param))
		return boolean_value(text);
	return strcmp(param_name(param), "file") == 0 ? path_value(text) : json_string(text);
}

static void complain(const char *what, const char *word)
{
	char *safe = ctl_text_safe(word, false);

	fprintf(stderr, "posternctl: %s: %s\n", safe, what);
	free(safe);
}

static bool set_value(json_t *params, const struct ctl_arg *arg)
{
	const char *type = json_string_value(json_object_get(arg->param, "type"));

	if (json_object_get(params, param_name(arg->param))) {
		complain("given twice", param_name(arg->param));
		return false;
	}
	if (!arg->value) {
		complain("its value is missing", arg->word);
		return false;
	}
	json_t *value = typed_value(arg->param, arg->value);
	if (value)
		return json_object_set_new(params, param_name(arg->param), value) == 0;
	complain(type && strcmp(type, "integer") == 0 ? "an integer is expected"
		 : type && strcmp(type, "duration") == 0
			 ? "a time with its unit is expected, such as 30s or 5m"
		 : is_flag(arg->param) ? "true or false is expected"
				       : "this is not valid UTF-8",
		arg->value);
	return false;
}

json_t *ctl_args_params(const json_t *method, char *const *words, size_t n)
{
	struct ctl_arg *args = calloc(n + 1, sizeof(*args));
	json_t *params = json_object();
	bool right = args && params;
	size_t filled = args ? ctl_args_scan(method, words, n, args) : 0;

	for (size_t i = 0; i < filled; i++) {
		if (!args[i].param) {
			complain("there is no such parameter", args[i].word);
			right = false;
		} else if (!set_value(params, &args[i])) {
			right = false;
		}
	}
	free(args);
	if (right)
		return params;
	json_decref(params);
	ctl_help_usage(stderr, method);
	return NULL;
}
