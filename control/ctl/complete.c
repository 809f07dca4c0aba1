// SPDX-License-Identifier: BSD-2-Clause
// Completion: the shell's script asks us, and we ask the server, for words and for names of
// things. Whatever goes wrong, silence is the answer: the user is in the middle of a line.

#include "control/ctl/ctl.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// COMP_WORDS breaks a word at "=", which the words after it understand.
static const char bash_script[] =
	"_posternctl()\n"
	"{\n"
	"\tlocal IFS=$'\\n'\n"
	"\tCOMPREPLY=($(\"${COMP_WORDS[0]}\" __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" "
	"2>/dev/null))\n"
	"}\n"
	"complete -F _posternctl posternctl\n";

static const char zsh_script[] =
	"#compdef posternctl\n"
	"_posternctl()\n"
	"{\n"
	"\tlocal -a found\n"
	"\tfound=(${(f)\"$(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
	"\tcompadd -a found\n"
	"}\n"
	"compdef _posternctl posternctl\n";

int ctl_completion(const char *shell)
{
	if (shell && strcmp(shell, "bash") == 0) {
		fputs(bash_script, stdout);
		return CTL_OK;
	}
	if (shell && strcmp(shell, "zsh") == 0) {
		fputs(zsh_script, stdout);
		return CTL_OK;
	}
	fputs("posternctl: completion for which shell? bash or zsh, as in\n"
	      "  source <(posternctl completion bash)\n",
		stderr);
	return CTL_USAGE;
}

// A shell takes what is printed here apart: only plain names are offered.
static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if (!isalnum((unsigned char)*text) && !strchr("._/-@:+", *text))
			return false;
	return true;
}

static void offer(const char *text, size_t length, const char *begun)
{
	char *word = ctl_text_format("%.*s", (int)length, text);

	if (length > 0 && strncmp(word, begun, strlen(begun)) == 0 && is_plain(word))
		puts(word);
	free(word);
}

static void offer_text(const char *text, const char *begun)
{
	if (text)
		offer(text, strlen(text), begun);
}

static void offer_nouns(const struct ctl_client *c, const char *begun)
{
	const char *last = "";
	size_t i;
	json_t *method;

	json_array_foreach(c->methods, i, method)
	{
		const char *name = json_string_value(json_object_get(method, "name"));
		size_t length = name ? strcspn(name, ".") : 0;

		// Methods of a noun stand together, so each noun is offered once.
		if (length > 0 && (strncmp(last, name, length) != 0 || last[length] != '.'))
			offer(name, length, begun);
		last = name ? name : last;
	}
	offer_text("help", begun);
	offer_text("completion", begun);
}

static void offer_verbs(const struct ctl_client *c, const char *noun, const char *begun)
{
	const size_t length = strlen(noun);
	size_t i;
	json_t *method;

	json_array_foreach(c->methods, i, method)
	{
		const char *name = json_string_value(json_object_get(method, "name"));

		if (name && strncmp(name, noun, length) == 0 && name[length] == '.')
			offer_text(name + length + 1, begun);
	}
}

// Names of things: those of a noun's list, when the parameter is called like the noun.
static void offer_names(struct ctl_client *c, const char *noun, const char *begun)
{
	size_t i;
	json_t *item;

	if (!ctl_client_method(c, noun, "list"))
		return;
	char *method = ctl_text_format("%s.list", noun);
	json_t *answer = ctl_client_call(c, method, json_object(), true);
	json_array_foreach(json_object_get(json_object_get(answer, "result"), "items"), i, item)
		offer_text(json_string_value(json_object_get(item, "name")), begun);
	json_decref(answer);
	free(method);
}

static void offer_values(struct ctl_client *c, const json_t *param, const char *begun)
{
	const char *name = json_string_value(json_object_get(param, "name"));
	const char *type = json_string_value(json_object_get(param, "type"));
	size_t i;
	json_t *choice;

	json_array_foreach(json_object_get(param, "choices"), i, choice)
		offer_text(json_string_value(choice), begun);
	if (type && strcmp(type, "boolean") == 0) {
		offer_text("true", begun);
		offer_text("false", begun);
	}
	if (name)
		offer_names(c, name, begun);
}

static void offer_params(
	const json_t *method, const struct ctl_arg *args, size_t n, const char *begun)
{
	size_t i;
	json_t *param;

	json_array_foreach(json_object_get(method, "params"), i, param)
	{
		bool taken = false;

		for (size_t k = 0; k < n; k++)
			taken = taken || args[k].param == param;
		if (!taken)
			offer_text(json_string_value(json_object_get(param, "name")), begun);
	}
}

// The last word is the one being typed.
static void complete_args(struct ctl_client *c, const json_t *method, char *const *words, size_t n)
{
	struct ctl_arg *args = calloc(n, sizeof(*args));

	if (!args)
		return;
	size_t filled = ctl_args_scan(method, words, n, args);
	const struct ctl_arg *last = &args[filled - 1];
	if (last->param && last->value)
		offer_values(c, last->param, last->value);
	if (!last->named)
		offer_params(method, args, filled - 1, last->word);
	free(args);
}

static void complete(struct ctl_client *c, char *const *words, size_t n)
{
	const char *begun = words[n - 1];

	if (n == 1) {
		offer_nouns(c, begun);
	} else if (strcmp(words[0], "help") == 0) {
		if (n == 2)
			offer_nouns(c, begun);
		else if (n == 3)
			offer_verbs(c, words[1], begun);
	} else if (strcmp(words[0], "completion") == 0) {
		offer_text("bash", begun);
		offer_text("zsh", begun);
	} else if (n == 2) {
		offer_verbs(c, words[0], begun);
	} else {
		const json_t *method = ctl_client_method(c, words[0], words[1]);

		if (method)
			complete_args(c, method, words + 2, n - 2);
	}
}

int ctl_complete(const char *socket, char *const *words, size_t n)
{
	static char nothing[] = "";
	struct ctl_client c;
	// Words that are nothing but "=" come from the shell's breaking of name=value.
	char **kept = calloc(n + 1, sizeof(*kept));
	size_t count = 0;

	if (!kept)
		return CTL_OK;
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], "=") != 0)
			kept[count++] = words[i];
	// "name=" with nothing behind it yet: the value is being typed.
	if (n > 0 && strcmp(words[n - 1], "=") == 0)
		kept[count++] = nothing;
	if (count > 0 && ctl_client_open(&c, socket, true) == CTL_OK)
		complete(&c, kept, count);
	if (count > 0)
		ctl_client_close(&c);
	free(kept);
	return CTL_OK;
}
