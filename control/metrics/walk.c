// SPDX-License-Identifier: BSD-2-Clause
// From one line of a scrape to the next. Subjects are found again by their place in each slice,
// since a reload may have freed them in between.

#include "control/metrics/private.h"

#include <event2/buffer.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LABELS_SIZE 512

void metrics_walk_begin(
	struct metrics_walk *walk, const struct metrics_source *source, enum metrics_format format)
{
	*walk = (struct metrics_walk){
		.source = source,
		.format = format,
		.epoch = source->snapshot(source->daemon)->epoch,
	};
	postern_counters_read(source->dp, walk->counters);
	if (source->dns != NULL)
		source->dns(source->daemon, &walk->dns);
}

static const struct {
	const char *name, *help;
} dns_counters[] = {
#define X(enumerator, name, help) {name, help},
	DISCOVERY_COUNTERS(X)
#undef X
};

// "rx-bytes" becomes postern_rx_bytes, with bytes as its unit.
static int write_counter(struct metrics_walk *walk, struct evbuffer *out)
{
	const bool dns = walk->counter >= POSTERN_COUNTER_COUNT;
	const unsigned c = dns ? walk->counter - POSTERN_COUNTER_COUNT : walk->counter;
	const char *shown =
		dns ? dns_counters[c].name : postern_counter_name((enum postern_counter)c);
	const size_t length = strlen(shown);
	char name[96];
	struct metrics_family family = {.name = name,
		.type = METRICS_COUNTER,
		.help = dns ? dns_counters[c].help : postern_counter_help((enum postern_counter)c)};

	snprintf(name, sizeof(name), "postern_%s", shown);
	for (char *at = name; *at != '\0'; at++)
		if (*at == '-')
			*at = '_';
	if (length > 6 && strcmp(shown + length - 6, "-bytes") == 0)
		family.unit = "bytes";
	int rc = metrics_text_head(out, walk->format, &family);
	if (rc == 0)
		rc = metrics_text_sample(
			out, &family, "", dns ? walk->dns.counters[c] : walk->counters[c]);
	walk->counter++;
	return rc;
}

static const struct postern_service *find_service(const struct postern_snapshot *s, uint16_t id)
{
	// An id is the index in all snapshots that we build; others are looked through.
	if (id < s->n_services && s->services[id].id == id)
		return &s->services[id];
	for (uint16_t i = 0; i < s->n_services; i++)
		if (s->services[i].id == id)
			return &s->services[i];
	return NULL;
}

static bool at_listen(const struct metrics_walk *walk, struct metrics_subject *at)
{
	const struct postern_snapshot *s = walk->source->snapshot(walk->source->daemon);

	if (walk->outer >= s->n_listens)
		return false;
	at->listen = &s->listens[walk->outer];
	at->service = find_service(s, at->listen->service);
	return true;
}

static bool at_outbound(const struct metrics_walk *walk, struct metrics_subject *at)
{
	const struct postern_snapshot *s = walk->source->snapshot(walk->source->daemon);

	if (walk->outer >= s->n_outbounds)
		return false;
	at->outbound = &s->outbounds[walk->outer];
	return true;
}

static bool at_interface(const struct metrics_walk *walk, struct metrics_subject *at)
{
	const struct config *c = walk->source->config(walk->source->daemon);

	if (walk->outer >= c->interfaces.count)
		return false;
	at->interface = &c->interfaces.items[walk->outer];
	at->index = walk->outer;
	return true;
}

static bool at_member(struct metrics_walk *walk, struct metrics_subject *at)
{
	while ((at->pool = pool_set_at(walk->source->pools, walk->outer)) != NULL) {
		if (walk->inner < at->pool->n_members) {
			at->member = at->pool->members[walk->inner];
			return true;
		}
		walk->outer++;
		walk->inner = 0;
	}
	return false;
}

// The subject that the walk stands at; false behind the last.
static bool find_subject(
	struct metrics_walk *walk, enum metrics_each each, struct metrics_subject *at)
{
	*at = (struct metrics_subject){.dns = &walk->dns};
	switch (each) {
	case METRICS_ONE:
		return walk->outer == 0;
	case METRICS_SEVERITY:
		at->index = walk->outer;
		return walk->outer < ALARM_SEVERITIES;
	case METRICS_INTERFACE:
		return at_interface(walk, at);
	case METRICS_LISTEN:
		return at_listen(walk, at);
	case METRICS_OUTBOUND:
		return at_outbound(walk, at);
	case METRICS_POOL:
		at->pool = pool_set_at(walk->source->pools, walk->outer);
		return at->pool != NULL;
	case METRICS_MEMBER:
		return at_member(walk, at);
	case METRICS_RESOLVER:
		at->resolver = &walk->dns.resolvers[walk->outer];
		return walk->outer < walk->dns.n_resolvers;
	}
	return false;
}

// One more label; text is escaped. Names have at most 63 characters, so that all fit.
static void label(char *labels, const char *key, const char *text)
{
	char safe[2 * POSTERN_NAME_SIZE];
	const size_t used = strlen(labels);

	metrics_text_escape(safe, sizeof(safe), text);
	snprintf(
		labels + used, LABELS_SIZE - used, "%s%s=\"%s\"", used == 0 ? "{" : ",", key, safe);
}

static void write_labels(
	char *labels, const struct metrics_family *family, const struct metrics_subject *at)
{
	char text[POSTERN_ENDPOINT_TEXT];

	labels[0] = '\0';
	switch (family->each) {
	case METRICS_ONE:
		if (family->type == METRICS_INFO)
			label(labels, "version", POSTERN_VERSION);
		break;
	case METRICS_SEVERITY:
		label(labels, "severity", alarm_severity_name((enum alarm_severity)at->index));
		break;
	case METRICS_INTERFACE:
		if (at->interface != NULL)
			label(labels, "interface", at->interface->name);
		break;
	case METRICS_OUTBOUND:
		if (at->outbound == NULL)
			break;
		label(labels, "outbound", at->outbound->name);
		label(labels, "family", at->outbound->family == POSTERN_V4 ? "ipv4" : "ipv6");
		break;
	case METRICS_LISTEN:
		label(labels, "service", at->service != NULL ? at->service->name : "");
		label(labels, "listen", postern_endpoint_format(&at->listen->at, text));
		break;
	case METRICS_MEMBER:
		label(labels, "pool", at->pool->name);
		label(labels, "member", at->member->name);
		label(labels, "address", postern_endpoint_format(&at->member->at, text));
		break;
	case METRICS_POOL:
		label(labels, "pool", at->pool->name);
		break;
	case METRICS_RESOLVER:
		label(labels, "resolver", postern_endpoint_format(&at->resolver->at, text));
		break;
	}
	const size_t used = strlen(labels);
	if (used > 0)
		snprintf(labels + used, LABELS_SIZE - used, "}");
}

static void next_family(struct metrics_walk *walk)
{
	walk->family++;
	walk->outer = 0;
	walk->inner = 0;
	walk->headed = false;
}

// One line: a head, a sample, or nothing when a family ends.
static int write_line(struct metrics_walk *walk, struct evbuffer *out)
{
	const struct metrics_family *family = &metrics_families[walk->family];
	struct metrics_subject at;
	char labels[LABELS_SIZE];

	if (!walk->headed) {
		walk->headed = true;
		return metrics_text_head(out, walk->format, family);
	}
	if (!find_subject(walk, family->each, &at)) {
		next_family(walk);
		return 0;
	}
	if (family->each == METRICS_MEMBER)
		walk->inner++;
	else
		walk->outer++;
	write_labels(labels, family, &at);
	return metrics_text_sample(out, family, labels, family->value(walk->source, &at));
}

int metrics_walk_step(struct metrics_walk *walk, struct evbuffer *out, unsigned lines)
{
	const struct metrics_source *source = walk->source;
	int rc = 0;

	if (source->snapshot(source->daemon)->epoch != walk->epoch)
		return -ESTALE;
	for (unsigned i = 0; i < lines && rc == 0; i++) {
		if (walk->counter < (unsigned)POSTERN_COUNTER_COUNT + DISCOVERY_COUNTER_COUNT)
			rc = write_counter(walk, out);
		else if (walk->family < metrics_n_families)
			rc = write_line(walk, out);
		else
			return metrics_text_end(out, walk->format);
	}
	return rc == 0 ? 1 : rc;
}
