// SPDX-License-Identifier: BSD-2-Clause
// Help: the options are ours, the rest comes from the server.

#include "control/ctl/ctl.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void ctl_help_options(FILE *to)
{
	fputs("Usage: posternctl [-s SOCKET] [--json] NOUN [VERB] [ARGUMENTS]\n"
	      "\n"
	      "  -s SOCKET     control socket; default " CTL_SOCKET_DEFAULT ", or the\n"
	      "                environment's POSTERN_SOCKET\n"
	      "  --json        the answer as JSON\n"
	      "  -h, --help    this text, or that of a noun and verb\n"
	      "  --version     the version of posternctl\n"
	      "\n"
	      "  help [NOUN [VERB]]      what can be asked\n"
	      "  describe                the same as a list\n"
	      "  completion bash|zsh     a script for the shell to read\n"
	      "\n"
	      "  stats --watch           what is counted in each second, until Ctrl-C\n"
	      "  node drain NODE --wait  ... and stays until no session is left there; Ctrl-C\n"
	      "                          leaves it draining\n"
	      "\n"
	      "Arguments are given in their order, or as name=value, name value or --name value.\n"
	      "Exit code of status: 0 ok, 1 degraded, 2 down, 3 not reached. Otherwise 0, 1 when\n"
	      "postern refused, 3 when the command was wrong or postern cannot be reached.\n",
		to);
}

void ctl_help_unreached(FILE *to)
{
	fputs("\nWhat can be asked is told by a running postern, and none was reached: start it "
	      "with\n"
	      "postern -c FILE, or give its control socket with -s SOCKET (control-socket of the "
	      "file).\n",
		to);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void put_safe(FILE *to, const char *text)
{
	char *safe = ctl_text_safe(text, false);

	fputs(safe, to);
	free(safe);
}

// "member.set" is typed as "member set".
static void put_method_name(FILE *to, const json_t *method)
{
	char *safe = ctl_text_safe(text_of(method, "name"), false);
	char *dot = strchr(safe, '.');

	if (dot)
		*dot = ' ';
	fputs(safe, to);
	free(safe);
}

static void put_param(FILE *to, const json_t *param)
{
	const bool required = json_is_true(json_object_get(param, "required"));
	const bool positional = json_is_true(json_object_get(param, "positional"));
	char *name = ctl_text_safe(text_of(param, "name"), false);

	if (!positional)
		fprintf(to, required ? " %s=" : " [%s=", name);
	else
		fputs(required ? " " : " [", to);
	for (char *c = name; *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
	fprintf(to, "%s%s", name, required ? "" : "]");
	free(name);
}

void ctl_help_usage(FILE *to, const json_t *method)
{
	size_t i;
	json_t *param;

	fputs("Usage: posternctl ", to);
	put_method_name(to, method);
	json_array_foreach(json_object_get(method, "params"), i, param) put_param(to, param);
	fputc('\n', to);
}

// Of the longest name.
static int width_of(const json_t *named)
{
	size_t widest = 0;
	size_t i;
	json_t *one;

	json_array_foreach((json_t *)(uintptr_t)named, i, one)
	{
		const size_t length = strlen(text_of(one, "name"));

		if (length > widest)
			widest = length;
	}
	return (int)(widest < 40 ? widest : 40);
}

static void help_method(const json_t *method)
{
	const json_t *params = json_object_get(method, "params");
	size_t i;
	json_t *param;

	ctl_help_usage(stdout, method);
	fputs("\n", stdout);
	put_safe(stdout, text_of(method, "help"));
	fputs(strcmp(text_of(method, "role"), "view") != 0 ? " (changes something; is logged)\n"
							   : "\n",
		stdout);
	if (json_array_size(params) > 0)
		fputs("\n", stdout);
	json_array_foreach((json_t *)(uintptr_t)params, i, param)
	{
		const json_t *choices = json_object_get(param, "choices");
		char *name = ctl_text_safe(text_of(param, "name"), false);

		printf("  %-*s  ", width_of(params), name);
		put_safe(stdout, text_of(param, "help"));
		if (json_is_array(choices)) {
			char *list = ctl_text_value("", choices);

			printf(" (%s)", list);
			free(list);
		}
		fputc('\n', stdout);
		free(name);
	}
}

static void help_line(const json_t *method, int width)
{
	char *name = ctl_text_safe(text_of(method, "name"), false);
	char *dot = strchr(name, '.');

	if (dot)
		*dot = ' ';
	printf("  %-*s  ", width, name);
	put_safe(stdout, text_of(method, "help"));
	fputc('\n', stdout);
	free(name);
}

// All methods, or those of a noun. Returns how many there were.
static size_t help_methods(const struct ctl_client *c, const char *noun)
{
	const int width = width_of(c->methods);
	size_t shown = 0;
	size_t i;
	json_t *method;

	json_array_foreach(c->methods, i, method)
	{
		const char *name = text_of(method, "name");
		const size_t length = noun ? strlen(noun) : 0;

		if (noun && (strncmp(name, noun, length) != 0 || name[length] != '.'))
			continue;
		help_line(method, width);
		shown++;
	}
	return shown;
}

int ctl_help(const struct ctl_client *c, char *const *words, size_t n)
{
	if (n == 0) {
		ctl_help_options(stdout);
		fputs("\nWhat can be asked:\n", stdout);
		help_methods(c, NULL);
		return CTL_OK;
	}
	if (n >= 2) {
		const json_t *method = ctl_client_method(c, words[0], words[1]);

		if (method) {
			help_method(method);
			return CTL_OK;
		}
	}
	if (n == 1 && help_methods(c, words[0]) > 0)
		return CTL_OK;
	fputs("posternctl: there is no help on ", stderr);
	put_safe(stderr, words[0]);
	if (n >= 2) {
		fputc(' ', stderr);
		put_safe(stderr, words[1]);
	}
	fputs("; posternctl help lists what there is\n", stderr);
	return CTL_USAGE;
}
