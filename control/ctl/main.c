// SPDX-License-Identifier: BSD-2-Clause
// posternctl's command line.

#include "control/ctl/ctl.h"

#include <stdlib.h>
#include <string.h>

struct options {
	const char *socket;
	bool json;
	bool help;
	bool version;
	bool wrong;
	char **words; // what is not an option of ours
	size_t n;
};

// Options of ours are taken from anywhere, since they are often thought of last. Returns whether
// the word is one; a value that it needs is taken from `next`.
static bool take_option(struct options *o, const char *word, const char *next, bool *used_next)
{
	if (strcmp(word, "--json") == 0) {
		o->json = true;
	} else if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
		o->help = true;
	} else if (strcmp(word, "--version") == 0) {
		o->version = true;
	} else if (strcmp(word, "-s") == 0 && next) {
		o->socket = next;
		*used_next = true;
	} else if (strncmp(word, "-s", 2) == 0 && word[2] != '\0') {
		o->socket = word + 2;
	} else if (word[0] == '-' && word[1] != '-' && word[1] != '\0' &&
		   !strchr("0123456789", word[1])) {
		char *safe = ctl_text_safe(word, false);

		fprintf(stderr, "posternctl: %s: %s\n", safe,
			word[1] == 's' ? "the socket's path is missing" : "no such option");
		free(safe);
		o->wrong = true;
	} else {
		return false;
	}
	return true;
}

static void parse(struct options *o, char **argv, int argc)
{
	bool only_words = false;

	for (int i = 1; i < argc; i++) {
		bool used_next = false;
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;

		if (!only_words && strcmp(argv[i], "--") == 0)
			only_words = true;
		else if (only_words || !take_option(o, argv[i], next, &used_next))
			o->words[o->n++] = argv[i];
		i += used_next;
	}
}

static int verdict_code(const json_t *result)
{
	const char *verdict = json_string_value(json_object_get(result, "verdict"));

	if (verdict && strcmp(verdict, "ok") == 0)
		return CTL_OK;
	return verdict && strcmp(verdict, "degraded") == 0 ? CTL_FAILED : CTL_DOWN;
}

// Methods that find something right or wrong.
static bool is_verdict(const char *name)
{
	return strcmp(name, "partner.test") == 0 || strcmp(name, "plan.check") == 0;
}

static int finding_code(const json_t *result)
{
	const char *verdict = json_string_value(json_object_get(result, "verdict"));
	const bool right = verdict && (strcmp(verdict, "ok") == 0 || strcmp(verdict, "right") == 0);

	return right ? CTL_OK : CTL_FAILED;
}

static void print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	fputc('\n', stdout);
}

static bool is_usage_error(const json_t *error)
{
	json_int_t code = json_integer_value(json_object_get(error, "code"));

	return code == CTL_NO_METHOD || code == CTL_WRONG_PARAMS;
}

// Takes the parameters.
static int call(struct ctl_client *c, const struct options *o, const char *name, json_t *params)
{
	json_t *answer = ctl_client_call(c, name, params, false);
	const json_t *result = json_object_get(answer, "result");
	const json_t *error = json_object_get(answer, "error");
	int code = CTL_OK;

	if (!answer) {
		code = CTL_USAGE;
	} else if (!result) {
		ctl_print_error(error);
		if (o->json)
			print_json(answer);
		code = is_usage_error(error) ? CTL_USAGE : CTL_FAILED;
	} else {
		if (o->json)
			print_json(result);
		else
			ctl_print(stdout, result);
		if (strcmp(name, "status.show") == 0)
			code = verdict_code(result);
		else if (is_verdict(name))
			code = finding_code(result);
	}
	json_decref(answer);
	return code;
}

static bool is_verb(const char *word)
{
	return strncmp(word, "--", 2) != 0 && !strchr(word, '=');
}

// Takes a word out of the line, if it is there.
static bool take_word(struct options *o, const char *word)
{
	for (size_t i = 0; i < o->n; i++) {
		if (strcmp(o->words[i], word) != 0)
			continue;
		memmove(&o->words[i], &o->words[i + 1], (o->n - i - 1) * sizeof(*o->words));
		o->n--;
		return true;
	}
	return false;
}

// Drains, and stays until no session is left.
static int drain(struct ctl_client *c, const struct options *o, const json_t *method)
{
	json_t *params = ctl_args_params(method, o->words + 2, o->n - 2);
	json_t *answer = params ? ctl_client_call(c, "node.drain", params, false) : NULL;
	const json_t *error = json_object_get(answer, "error");
	const char *node =
		json_string_value(json_object_get(json_object_get(answer, "result"), "name"));
	int code = CTL_USAGE;

	if (node) {
		code = ctl_watch_drain(c, node, o->json);
	} else if (error) {
		ctl_print_error(error);
		code = is_usage_error(error) ? CTL_USAGE : CTL_FAILED;
	}
	json_decref(answer);
	return code;
}

// All pieces of a file, one after the other.
static int export_pieces(struct ctl_client *c, const struct options *o, const json_t *method)
{
	json_t *params = ctl_args_params(method, o->words + 2, o->n - 2);
	int code = params ? CTL_OK : CTL_USAGE;

	while (params) {
		json_t *answer = ctl_client_call(c, "policy.export", json_deep_copy(params), false);
		const json_t *result = json_object_get(answer, "result");
		const char *text = json_string_value(json_object_get(result, "yaml"));
		const json_t *next = json_object_get(result, "next");

		if (text) {
			fputs(text, stdout);
		} else {
			if (answer)
				ctl_print_error(json_object_get(answer, "error"));
			code = answer ? CTL_FAILED : CTL_USAGE;
		}
		if (!text || !json_is_string(next) ||
			json_object_set(params, "cursor", (json_t *)(uintptr_t)next) != 0) {
			json_decref(params);
			params = NULL;
		}
		json_decref(answer);
	}
	return code;
}

// What is asked more than once. Returns whether the line is that.
static bool ask_again(struct ctl_client *c, struct options *o, int *code)
{
	const json_t *method = ctl_client_method(c, "node", "drain");

	const json_t *export = ctl_client_method(c, "policy", "export");

	if (o->n > 1 && export && !o->json && strcmp(o->words[0], "policy") == 0 &&
		strcmp(o->words[1], "export") == 0) {
		*code = export_pieces(c, o, export);
		return true;
	}
	if (strcmp(o->words[0], "stats") == 0 && take_word(o, "--watch")) {
		*code = ctl_watch_stats(c, o->json);
		return true;
	}
	if (o->n > 1 && method && strcmp(o->words[0], "node") == 0 &&
		strcmp(o->words[1], "drain") == 0 && take_word(o, "--wait")) {
		*code = drain(c, o, method);
		return true;
	}
	return false;
}

// A verb that the noun has not. Returns whether that was said.
static bool say_no_verb(const struct ctl_client *c, const struct options *o)
{
	char *verbs = ctl_client_verbs(c, o->words[0]);

	if (!verbs)
		return false;
	char *noun = ctl_text_safe(o->words[0], false);
	char *word = ctl_text_safe(o->words[1], false);
	char *safe = ctl_text_safe(verbs, false);
	fprintf(stderr, "posternctl: %s has no verb \"%s\"; expected: %s\n", noun, word, safe);
	free(safe);
	free(word);
	free(noun);
	free(verbs);
	return true;
}

static int ask(struct ctl_client *c, const struct options *o)
{
	bool with_verb = o->n > 1 && is_verb(o->words[1]);
	const json_t *method = with_verb ? ctl_client_method(c, o->words[0], o->words[1])
					 : ctl_client_default(c, o->words[0]);

	// What a noun's only verb is asked about may follow at once, but no verb that others have.
	if (!method && !(with_verb && ctl_client_is_verb(c, o->words[1])) &&
		(method = ctl_client_only(c, o->words[0])) != NULL)
		with_verb = false;
	if (!method && with_verb && say_no_verb(c, o))
		return CTL_USAGE;

	if (method) {
		size_t used = with_verb ? 2 : 1;
		json_t *params = ctl_args_params(method, o->words + used, o->n - used);

		return params ? call(c, o, json_string_value(json_object_get(method, "name")),
					params)
			      : CTL_USAGE;
	}
	// The server knows what may have been meant.
	char *name = ctl_text_format("%s.%s", o->words[0], with_verb ? o->words[1] : "show");
	int code = call(c, o, name, json_object());
	free(name);
	return code;
}

static int serve(struct options *o)
{
	struct ctl_client c;
	const bool help = o->help || strcmp(o->words[0], "help") == 0;
	int code = ctl_client_open(&c, o->socket, false);

	if (code != CTL_OK) {
		if (help) {
			ctl_help_options(stdout);
			ctl_help_unreached(stdout);
		}
	} else if (o->help) {
		code = ctl_help(&c, o->words, o->n);
	} else if (help) {
		code = ctl_help(&c, o->words + 1, o->n - 1);
	} else if (o->n == 1 && strcmp(o->words[0], "describe") == 0) {
		code = call(&c, o, "describe", json_object());
	} else if (!ask_again(&c, o, &code)) {
		code = ask(&c, o);
	}
	ctl_client_close(&c);
	return code;
}

// Asked for without a noun: what a postern that answers can do is shown, too.
static int help_all(const struct options *o)
{
	struct ctl_client c;

	if (ctl_client_open(&c, o->socket, true) == CTL_OK)
		ctl_help(&c, NULL, 0);
	else {
		ctl_help_options(stdout);
		ctl_help_unreached(stdout);
	}
	ctl_client_close(&c);
	return CTL_OK;
}

static int run(struct options *o)
{
	if (o->wrong)
		return CTL_USAGE;
	if (o->version) {
		puts("posternctl " POSTERN_VERSION);
		return CTL_OK;
	}
	if (o->n == 0 && o->help)
		return help_all(o);
	if (o->n == 0) {
		ctl_help_options(stderr);
		return CTL_USAGE;
	}
	if (strcmp(o->words[0], "completion") == 0 && !o->help)
		return ctl_completion(o->n > 1 ? o->words[1] : NULL);
	return serve(o);
}

int main(int argc, char **argv)
{
	const char *env = getenv("POSTERN_SOCKET");
	struct options o = {.socket = env && env[0] != '\0' ? env : CTL_SOCKET_DEFAULT};

	o.words = calloc((size_t)argc + 1, sizeof(*o.words));
	if (!o.words) {
		fputs("posternctl: out of memory\n", stderr);
		return CTL_FAILED;
	}
	int code;
	if (argc > 1 && strcmp(argv[1], "__complete") == 0) {
		// The line being typed has options, too, and its last word is not finished.
		parse(&o, argv + 1, argc - 1);
		code = ctl_complete(o.socket, o.words, o.n);
	} else {
		parse(&o, argv, argc);
		code = run(&o);
	}
	free(o.words);
	if (fflush(stdout) != 0)
		code = CTL_FAILED;
	return code;
}
