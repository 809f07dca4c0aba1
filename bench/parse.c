// SPDX-License-Identifier: BSD-2-Clause
// How long a SIP message takes to be framed, indexed, checked, and read as far as admission and
// routing need it. Prints one JSON object a set of messages and parser.
//
//   bench_parse [FOLDER]        FOLDER holds the messages of RFC 4475 as NAME.dat
//   bench_parse --repeat PARSER N   reads the MESSAGEs N times over with one parser, to be counted
//                               from outside
//
// Each figure is the least of many rounds: on a machine that others use too, the least is what the
// code takes, and everything above it is the others.

#include "bench/parse.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS    400
#define MIN_READS 256 // a round reads each variant, or one message so often

static const struct parse_parser *const parsers[] = {&parse_postern, &parse_sofia, &parse_osip};

#define N_PARSERS (sizeof(parsers) / sizeof(parsers[0]))

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static unsigned read_all(const struct parse_parser *p, const struct parse_set *s, unsigned times)
{
	unsigned good = 0;

	for (unsigned i = 0; i < times; i++)
		for (unsigned k = 0; k < s->n; k++)
			good += p->read(s->text[k], s->length[k]);
	return good;
}

static void measure(const struct parse_parser *p, const struct parse_set *s)
{
	const unsigned times = s->n < MIN_READS ? MIN_READS / s->n : 1;
	double least = 1e18, bytes = 0;
	unsigned good = 0;

	for (unsigned k = 0; k < s->n; k++)
		bytes += (double)s->length[k] / s->n;
	for (unsigned round = 0; round < ROUNDS; round++) {
		const double began = now_ns();

		good = read_all(p, s, times);
		const double took = (now_ns() - began) / (times * s->n);

		if (took < least)
			least = took;
	}
	printf("{\"set\": \"%s\", \"parser\": \"%s\", \"version\": \"%s\", \"ns\": %.1f, "
	       "\"bytes\": %.0f, \"good\": %s}\n",
		s->name, p->name, p->version, least, bytes,
		good == times * s->n ? "true" : "false");
}

static void measure_all(const struct parse_set *s)
{
	for (size_t i = 0; i < N_PARSERS; i++)
		measure(parsers[i], s);
}

static int is_message(const struct dirent *e)
{
	const size_t length = strlen(e->d_name);

	return length > 4 && strcmp(e->d_name + length - 4, ".dat") == 0;
}

// The torture messages one by one. Many of them are bad: that is what an attacker would send.
static void measure_folder(const char *folder)
{
	struct dirent **list;
	const int n = scandir(folder, &list, is_message, alphasort);

	for (int i = 0; i < n; i++) {
		char path[512], name[300];
		struct parse_set s;

		snprintf(path, sizeof(path), "%s/%s", folder, list[i]->d_name);
		snprintf(name, sizeof(name), "RFC 4475 %.*s", (int)strlen(list[i]->d_name) - 4,
			list[i]->d_name);
		if (parse_set_load(&s, name, path)) {
			measure_all(&s);
			free(s.text[0]);
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

static int repeat(const struct parse_set *s, const char *parser, const char *times)
{
	for (size_t i = 0; i < N_PARSERS; i++)
		if (strcmp(parsers[i]->name, parser) == 0) {
			read_all(parsers[i], s, (unsigned)strtoul(times, NULL, 10));
			return 0;
		}
	return 2;
}

int main(int argc, char **argv)
{
	static struct parse_set sets[PARSE_SETS];
	const unsigned n = parse_sets_make(sets);

	for (size_t i = 0; i < N_PARSERS; i++)
		parsers[i]->start();
	if (argc == 4 && strcmp(argv[1], "--repeat") == 0)
		return repeat(&sets[0], argv[2], argv[3]);
	for (unsigned i = 0; i < n; i++)
		measure_all(&sets[i]);
	if (argc > 1)
		measure_folder(argv[1]);
	return 0;
}
