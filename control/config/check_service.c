// SPDX-License-Identifier: BSD-2-Clause
// Services: what their translation and profile allow, and that each port has one service.

#include "control/config/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// The addresses of all services share 16-bit ids, one of which stands for "none".
#define MOST_IDS UINT16_MAX

// One listening endpoint, and whose it is.
struct place {
	struct postern_addr addr;
	enum config_service_transport transport;
	uint32_t first; // port
	uint32_t last;
	size_t service; // index
	size_t listen;
};

static int compare_sizes(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

// In the order of the file.
static int compare_owners(const struct place *x, const struct place *y)
{
	int order = compare_sizes(x->service, y->service);
	return order ? order : compare_sizes(x->listen, y->listen);
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order = memcmp(x->addr.bytes, y->addr.bytes, sizeof(x->addr.bytes));
	if (!order)
		order = compare_sizes(x->transport, y->transport);
	if (!order)
		order = compare_sizes(x->first, y->first);
	return order ? order : compare_owners(x, y);
}

static void tell_taken(struct config_context *ctx, const struct config *c, const struct place *one,
	const struct place *other)
{
	bool in_order = compare_owners(one, other) < 0;
	const struct place *earlier = in_order ? one : other;
	const struct place *later = in_order ? other : one;
	const struct config_service *owner = &c->services.items[earlier->service];
	const struct config_listen *l =
		&c->services.items[later->service].listen.items[later->listen];
	bool same = one->first == other->first && one->last == other->last;
	char text[CONFIG_LISTEN_TEXT];
	config_path_set(ctx, "services[%zu].listen[%zu]", later->service, later->listen);
	config_mistake_here(ctx, "another address or port",
		same ? "%s is taken by services[%zu].listen[%zu] of \"%s\""
		     : "%s overlaps services[%zu].listen[%zu] of \"%s\"",
		config_listen_format(l, text), earlier->service, earlier->listen,
		owner->name ? owner->name : "?");
}

// Among sorted places the one that reaches furthest so far is the one to overlap with.
static void tell_overlaps(
	struct config_context *ctx, const struct config *c, const struct place *places, size_t n)
{
	for (size_t i = 1, far = 0; i < n; i++) {
		const struct place *p = &places[far];
		bool apart = !postern_addr_equal(&p->addr, &places[i].addr) ||
			     p->transport != places[i].transport || places[i].first > p->last;
		if (!apart)
			tell_taken(ctx, c, p, &places[i]);
		if (apart || places[i].last > p->last)
			far = i;
	}
}

static size_t collect_places(const struct config *c, struct place *places)
{
	size_t n = 0;
	for (size_t i = 0; i < c->services.count; i++) {
		const struct config_service *s = &c->services.items[i];
		for (size_t k = 0; k < s->listen.count; k++) {
			const struct config_listen *l = &s->listen.items[k];
			uint32_t last = l->last_port ? l->last_port : l->at.port;
			if (l->at.port)
				places[n++] = (struct place){
					l->at.addr, s->transport, l->at.port, last, i, k};
		}
	}
	return n;
}

static void check_ports(struct config_context *ctx, const struct config *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->services.count; i++)
		n += c->services.items[i].listen.count;
	if (n > MOST_IDS) {
		config_path_set(ctx, "services");
		config_mistake_here(ctx, "at most 65535", "the services have %zu addresses", n);
		return;
	}
	struct place *places = calloc(n + 1, sizeof(places[0]));
	if (!places) {
		ctx->failure = -ENOMEM;
		return;
	}
	n = collect_places(c, places);
	qsort(places, n, sizeof(places[0]), compare_places);
	tell_overlaps(ctx, c, places, n);
	free(places);
}

static void check_translate(
	struct config_context *ctx, const struct config_service *s, size_t index)
{
	char path[64];
	snprintf(path, sizeof(path), "services[%zu].translate", index);
	if (s->translate != CONFIG_TRANSLATE_SOURCE || config_was_wrong(ctx, path))
		return;
	if (s->profile == CONFIG_PROFILE_AV_EDGE) {
		config_path_set(ctx, "%s", path);
		config_mistake_here(ctx, "translate: destination, and postern as default gateway",
			"an A/V edge tells each side of a call where the other is, and must see "
			"the clients' own addresses for that");
	}
	for (size_t i = 0; i < s->listen.count; i++) {
		const struct config_listen *l = &s->listen.items[i];
		char text[CONFIG_LISTEN_TEXT];
		if (!l->last_port)
			continue;
		config_path_set(ctx, "services[%zu].listen[%zu]", index, i);
		config_mistake_here(ctx, "one port, or translate: destination",
			"%s is a range of ports, which source translation cannot keep",
			config_listen_format(l, text));
	}
}

static void check_organisation(struct config_context *ctx, const struct config *c,
	const struct config_service *s, size_t index)
{
	if (!s->organisation)
		return;
	for (size_t i = 0; i < c->organisations.count; i++)
		if (c->organisations.items[i].name &&
			strcmp(c->organisations.items[i].name, s->organisation) == 0)
			return;
	config_path_set(ctx, "services[%zu].organisation", index);
	config_mistake_here(ctx, "the name of one of organisations",
		"there is no organisation \"%s\"", s->organisation);
}

// Partners are an organisation's, so it must be clear which.
static void check_admission(struct config_context *ctx, const struct config *c,
	const struct config_service *s, size_t index)
{
	if (s->admission == CONFIG_ADMISSION_ANY || s->organisation ||
		c->organisations.count == 1 || config_was_wrong(ctx, "organisations"))
		return;
	config_path_set(ctx, "services[%zu].admission", index);
	if (c->organisations.count == 0)
		config_mistake_here(ctx, "organisations, or admission: any",
			"there is no organisation whose partners could be admitted");
	else
		config_mistake_here(ctx, "a key \"organisation\" beside it",
			"whose partners are admitted is not said, and there are %zu organisations",
			c->organisations.count);
}

static void check_service_tls(
	struct config_context *ctx, const struct config_service *s, size_t index)
{
	check_tls(ctx, &s->tls, "services", index);
	if (s->tls.line == 0 || s->transport != CONFIG_SERVICE_UDP)
		return;
	config_path_set(ctx, "services[%zu].tls", index);
	config_mistake_here(ctx, "no tls here, or transport: tcp", "over UDP there is no TLS");
}

void check_services(struct config_context *ctx, const struct config *c)
{
	for (size_t i = 0; i < c->services.count; i++) {
		check_translate(ctx, &c->services.items[i], i);
		check_organisation(ctx, c, &c->services.items[i], i);
		check_admission(ctx, c, &c->services.items[i], i);
		check_service_tls(ctx, &c->services.items[i], i);
	}
	check_ports(ctx, c);
}
