// SPDX-License-Identifier: BSD-2-Clause
// What posternctl does over time: counters as rates, and waiting for a node to become empty. Ctrl-C
// ends either, and nothing in postern with it.

#include "control/ctl/ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000
#define POLL_NS   500000000 // how often it is looked whether a node is empty

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

// Without SA_RESTART, so that a sleep ends at once.
static void catch_interrupt(void)
{
	const struct sigaction action = {.sa_handler = on_interrupt};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

static void sleep_until(int64_t ns)
{
	const struct timespec t = {.tv_sec = ns / SECOND_NS, .tv_nsec = ns % SECOND_NS};

	while (!interrupted && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		continue;
}

json_int_t ctl_watch_rate(const json_t *before, const json_t *after, const char *key, int64_t ns)
{
	const json_int_t grown = json_integer_value(json_object_get(after, key)) -
				 json_integer_value(json_object_get(before, key));

	// A postern that was restarted counts from 0.
	if (grown <= 0 || ns <= 0)
		return 0;
	return (json_int_t)((double)grown * SECOND_NS / (double)ns + 0.5);
}

struct sample {
	json_t *counters;
	int64_t at_ns;
	int64_t interval_ns; // since the one before
};

static void wall_text(char *text, size_t size)
{
	const time_t now = time(NULL);
	struct tm tm;

	if (!gmtime_r(&now, &tm) || strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		text[0] = '\0';
}

// A screen: everything that has ever been counted.
static void show_screen(const struct sample *old, const struct sample *new)
{
	const char *key;
	json_t *value;

	printf("\033[H\033[J%-28s %14s %20s\n", "COUNTER", "PER SECOND", "SINCE START");
	json_object_foreach(new->counters, key, value)
	{
		if (json_integer_value(value) == 0)
			continue;
		char *label = ctl_text_safe(key, false);
		printf("%-28s %14" JSON_INTEGER_FORMAT " %20" JSON_INTEGER_FORMAT "\n", label,
			ctl_watch_rate(old->counters, new->counters, key, new->interval_ns),
			json_integer_value(value));
		free(label);
	}
	puts("\nCtrl-C ends");
}

// A line: what has moved.
static void show_line(const struct sample *old, const struct sample *new)
{
	char time[32];
	const char *key;
	json_t *value;
	bool moved = false;

	wall_text(time, sizeof(time));
	fputs(time, stdout);
	json_object_foreach(new->counters, key, value)
	{
		const json_int_t rate =
			ctl_watch_rate(old->counters, new->counters, key, new->interval_ns);

		if (rate == 0)
			continue;
		char *label = ctl_text_safe(key, false);
		printf("  %s %" JSON_INTEGER_FORMAT "/s", label, rate);
		free(label);
		moved = true;
	}
	puts(moved ? "" : "  nothing");
}

static void show_json(const struct sample *old, const struct sample *new)
{
	json_t *rates = json_object();
	char time[32];
	const char *key;
	json_t *value;

	json_object_foreach(new->counters, key, value) json_object_set_new(rates, key,
		json_integer(ctl_watch_rate(old->counters, new->counters, key, new->interval_ns)));
	wall_text(time, sizeof(time));
	json_t *line = json_pack("{s:s, s:I, s:o}", "time", time, "interval-ms",
		(json_int_t)(new->interval_ns / 1000000), "per-second", rates);
	json_dumpf(line, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	fputc('\n', stdout);
	json_decref(line);
}

static void show(const struct sample *old, const struct sample *new, bool json)
{
	if (json)
		show_json(old, new);
	else if (isatty(STDOUT_FILENO))
		show_screen(old, new);
	else
		show_line(old, new);
	fflush(stdout); // whoever reads a pipe wants each second as it comes
}

// Asks and returns the result, a new reference; NULL after having printed what is wrong.
static json_t *ask(struct ctl_client *c, const char *method, json_t *params)
{
	json_t *answer = ctl_client_call(c, method, params, false);
	json_t *result = json_incref(json_object_get(answer, "result"));

	if (answer && !result)
		ctl_print_error(json_object_get(answer, "error"));
	json_decref(answer);
	return result;
}

static bool take_sample(struct ctl_client *c, struct sample *sample, int64_t before_ns)
{
	sample->counters = ask(c, "stats.show", json_object());
	sample->at_ns = now_ns();
	sample->interval_ns = sample->at_ns - before_ns;
	return sample->counters != NULL;
}

int ctl_watch_stats(struct ctl_client *c, bool json)
{
	struct sample old, new;
	int64_t next = now_ns();

	catch_interrupt();
	if (!take_sample(c, &old, next))
		return CTL_USAGE;
	for (;;) {
		next += SECOND_NS;
		sleep_until(next);
		if (interrupted)
			break;
		if (!take_sample(c, &new, old.at_ns)) {
			json_decref(old.counters);
			return CTL_USAGE;
		}
		show(&old, &new, json);
		json_decref(old.counters);
		old = new;
	}
	json_decref(old.counters);
	return CTL_OK;
}

static void show_progress(const char *node, json_int_t sessions, json_int_t before)
{
	const bool terminal = isatty(STDERR_FILENO);

	if (sessions == before)
		return;
	fprintf(stderr, "%s%s: %" JSON_INTEGER_FORMAT " session%s left%s", terminal ? "\r" : "",
		node, sessions, sessions == 1 ? "" : "s", terminal ? "    " : "\n");
}

static int tell_end(
	const char *node, json_int_t sessions, const char *admin, bool json, const json_t *shown)
{
	if (isatty(STDERR_FILENO))
		fputc('\n', stderr);
	if (strcmp(admin, "drain") != 0 && strcmp(admin, "maint") != 0) {
		fprintf(stderr,
			"posternctl: %s is not drained any more: somebody has set it to %s\n", node,
			admin);
		return CTL_FAILED;
	}
	if (sessions > 0) {
		fprintf(stderr,
			"posternctl: %s goes on draining, %" JSON_INTEGER_FORMAT
			" left; to take it back: posternctl node set %s state ready\n",
			node, sessions, node);
		return CTL_FAILED;
	}
	if (json) {
		json_dumpf(shown, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		fputc('\n', stdout);
	} else {
		printf("%s: no session is left\n", node);
	}
	return CTL_OK;
}

int ctl_watch_drain(struct ctl_client *c, const char *node, bool json)
{
	char *safe = ctl_text_safe(node, false);
	json_int_t before = -1;
	int code = CTL_USAGE;

	catch_interrupt();
	for (;;) {
		json_t *shown = ask(c, "node.show", json_pack("{s:s}", "node", node));
		if (!shown)
			break;
		const json_int_t sessions = json_integer_value(json_object_get(shown, "sessions"));
		const char *admin = json_string_value(json_object_get(shown, "admin"));
		const bool drained =
			admin && (strcmp(admin, "drain") == 0 || strcmp(admin, "maint") == 0);

		show_progress(safe, sessions, before);
		before = sessions;
		if (sessions == 0 || !drained || interrupted) {
			code = tell_end(safe, sessions, admin ? admin : "?", json, shown);
			json_decref(shown);
			break;
		}
		json_decref(shown);
		sleep_until(now_ns() + POLL_NS);
	}
	free(safe);
	return code;
}
