// SPDX-License-Identifier: BSD-2-Clause
// A test's report: for scripts a list of steps, for people the same with what it means.

#include "control/partner/partner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE   100 // characters of a line of words
#define INDENT 23  // of what goes on in the next line

// What goes along while the report is written.
struct writer {
	const struct partner_report *report;
	json_t *steps;
	FILE *to;
	bool failed;
	unsigned long told; // a bit for each result whose meaning has been told
};

static bool is_whole(const struct partner_report *r)
{
	bool whole = partner_result_is_good(r->srv.result) && r->n_tries > 0;

	for (unsigned i = 0; i < r->n_servers; i++)
		whole &=
			!r->servers[i].outside && partner_result_is_good(r->servers[i].step.result);
	for (unsigned i = 0; i < r->n_tries; i++)
		whole &= r->tries[i].peer->works;
	return whole;
}

const char *partner_report_verdict(const struct partner_report *r)
{
	bool works = false;

	for (unsigned i = 0; i < r->n_tries; i++)
		works |= r->tries[i].peer->works;
	if (!works)
		return "failed";
	return is_whole(r) ? "ok" : "partly";
}

static void print_words(FILE *to, const char *first, const char *text)
{
	size_t at = strlen(first);

	fputs(first, to);
	for (bool begun = false; *text != '\0'; begun = true) {
		const size_t n = strcspn(text, " ");

		if (begun && at + 1 + n > LINE) {
			fprintf(to, "\n%*s", INDENT, "");
			at = INDENT;
		} else if (begun) {
			fputc(' ', to);
			at++;
		}
		fprintf(to, "%.*s", (int)n, text);
		at += n;
		text += n + (text[n] == ' ');
	}
	fputc('\n', to);
}

// "  tcp          ok         0.8 ms  connected"; below it what a failure means.
static void print_step(struct writer *w, const struct partner_step *s, bool timed)
{
	const bool good = partner_result_is_good(s->result);
	const char *meaning = partner_result_meaning(s->result);
	const char *request = partner_result_request(s->result);
	char time[32] = "", line[96];

	if (timed)
		snprintf(time, sizeof(time), "%.1f ms", (double)s->took_us / 1000);
	snprintf(line, sizeof(line), "  %-11s  %-6s%10s  ", partner_step_name(s->kind),
		s->result == PARTNER_SKIPPED ? "-"
		: good                       ? "ok"
					     : "FAILED",
		time);
	fprintf(w->to, "%s%s\n", line, s->text);
	if (meaning == NULL || (w->told & 1ul << s->result) != 0)
		return;
	w->told |= 1ul << s->result;
	print_words(w->to, "      it means:        ", meaning);
	if (request != NULL)
		print_words(w->to, "      ask the partner: ", request);
}

static json_t *text_or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? json_string(text) : json_null();
}

static void add_step(struct writer *w, const struct partner_step *s, const char *server,
	const struct postern_endpoint *at, bool timed)
{
	char address[POSTERN_ENDPOINT_TEXT];
	json_t *row = json_pack("{s:s, s:o, s:o, s:b, s:s, s:o, s:s, s:o, s:o}", "step",
		partner_step_name(s->kind), "server", text_or_null(server), "address",
		at != NULL ? json_string(postern_endpoint_format(at, address)) : json_null(),
		"good", partner_result_is_good(s->result), "result", partner_result_name(s->result),
		"took-ms", timed ? json_integer((json_int_t)(s->took_us / 1000)) : json_null(),
		"text", s->text, "meaning", text_or_null(partner_result_meaning(s->result)),
		"request", text_or_null(partner_result_request(s->result)));

	if (row == NULL || json_array_append_new(w->steps, row) != 0)
		w->failed = true;
	if (w->to != NULL)
		print_step(w, s, timed);
}

static bool is_timed(const struct partner_step *s)
{
	return s->kind != PARTNER_STEP_CERTIFICATE && s->kind != PARTNER_STEP_NAMES &&
	       s->result != PARTNER_SKIPPED;
}

static void add_try(struct writer *w, unsigned i)
{
	const struct partner_report *r = w->report;
	const struct partner_peer_report *peer = r->tries[i].peer;
	const char *server = r->servers[r->tries[i].server].name.text;
	char address[POSTERN_ENDPOINT_TEXT];

	fprintf(w->to, "%s, %s\n", server, postern_endpoint_format(&r->tries[i].at, address));
	for (unsigned k = 0; k < peer->n; k++)
		add_step(w, &peer->steps[k], server, &r->tries[i].at, is_timed(&peer->steps[k]));
}

static void add_decision(struct writer *w, const json_t *to)
{
	const json_t *decision = json_object_get(to, "decision");
	const char *outcome = json_string_value(json_object_get(decision, "decision"));
	const char *row = json_string_value(json_object_get(decision, "row"));
	const char *why = json_string_value(json_object_get(decision, "why"));
	const char *reason = json_string_value(json_object_get(decision, "reason"));
	struct partner_step s = {.kind = PARTNER_STEP_DECISION, .result = PARTNER_REFUSED_HERE};

	if (outcome != NULL && strcmp(outcome, "admit") == 0)
		s.result = PARTNER_OK;
	else if (reason != NULL && strncmp(reason, "srv-", 4) == 0)
		s.result = PARTNER_REFUSED_FOR_DNS;
	snprintf(s.text, sizeof(s.text), "%s, row %s: %s", outcome != NULL ? outcome : "unknown",
		row != NULL ? row : "none", why != NULL ? why : "");
	add_step(w, &s, NULL, NULL, false);
}

static void add_all(struct writer *w, const json_t *to)
{
	const struct partner_report *r = w->report;

	add_decision(w, to);
	add_step(w, &r->srv, NULL, NULL, is_timed(&r->srv));
	for (unsigned i = 0; i < r->n_servers; i++) {
		const struct partner_server *s = &r->servers[i];

		if (!s->outside)
			add_step(w, &s->step, s->name.text, NULL, true);
		else if (partner_result_is_good(r->srv.result))
			fprintf(w->to, "  %s is outside of the domain and was not tried\n",
				s->name.text);
	}
	for (unsigned i = 0; i < r->n_tries; i++)
		add_try(w, i);
	if (r->more > 0)
		fprintf(w->to, "%u more addresses were not tried\n", r->more);
}

static void print_verdict(struct writer *w, const json_t *to)
{
	const struct partner_report *r = w->report;
	const char *domain = json_string_value(json_object_get(to, "domain"));
	unsigned works = 0;

	for (unsigned i = 0; i < r->n_tries; i++)
		works += r->tries[i].peer->works;
	if (works == 0)
		fprintf(w->to, "\n%s cannot be reached from here.\n", domain);
	else if (is_whole(r))
		fprintf(w->to, "\n%s can be reached from here.\n", domain);
	else
		fprintf(w->to, "\n%s can be reached from here, at %u of %u addresses.\n", domain,
			works, r->n_tries + r->more);
}

int partner_report_write(const struct partner_report *r, json_t *to)
{
	char *text = NULL;
	size_t size = 0;
	struct writer w = {.report = r, .steps = json_array(), .to = open_memstream(&text, &size)};

	if (w.to == NULL || w.steps == NULL) {
		if (w.to != NULL)
			fclose(w.to);
		free(text);
		json_decref(w.steps);
		return -ENOMEM;
	}
	fprintf(w.to, "%s, as %s sees it from this machine\n",
		json_string_value(json_object_get(to, "domain")),
		json_string_value(json_object_get(to, "organisation")));
	add_all(&w, to);
	print_verdict(&w, to);
	w.failed |= fclose(w.to) != 0;
	w.failed |= json_object_set_new(to, "verdict", json_string(partner_report_verdict(r))) != 0;
	w.failed |= json_object_set_new(to, "steps", w.steps) != 0;
	w.failed |= json_object_set_new(to, "text", json_stringn(text, size)) != 0;
	free(text);
	return w.failed ? -ENOMEM : 0;
}
