// SPDX-License-Identifier: BSD-2-Clause
// Services: what follows from their profile and transport where the file is silent.

#include "control/config/read.h"
#include "control/config/schema.h"

#include <string.h>

#define MINUTE (60u * 1000u)

// For UDP RFC 4787 REQ-5 asks for 5 minutes; SIP over TCP wants 30 at least.
#define IDLE_TCP (30 * MINUTE)
#define IDLE_UDP (5 * MINUTE)

struct profile {
	uint16_t tcp_port; // 0: the file says which
	uint16_t udp_port;
	enum config_translate translate;
	enum config_affinity affinity;
};

// SIP wants each connection balanced for itself. The media of an A/V edge and what a browser opens
// must come to the server where the client's other connections are, whatever their transport.
static const struct profile profiles[] = {
	[CONFIG_PROFILE_NONE] = {0, 0, CONFIG_TRANSLATE_SOURCE, CONFIG_AFFINITY_TUPLE},
	[CONFIG_PROFILE_ACCESS_EDGE] = {5061, 0, CONFIG_TRANSLATE_SOURCE, CONFIG_AFFINITY_TUPLE},
	[CONFIG_PROFILE_WEB_CONFERENCING] = {443, 0, CONFIG_TRANSLATE_SOURCE,
		CONFIG_AFFINITY_TUPLE},
	[CONFIG_PROFILE_AV_EDGE] = {443, 3478, CONFIG_TRANSLATE_DESTINATION,
		CONFIG_AFFINITY_SOURCE},
	[CONFIG_PROFILE_XMPP] = {5269, 0, CONFIG_TRANSLATE_SOURCE, CONFIG_AFFINITY_TUPLE},
	[CONFIG_PROFILE_WEB] = {443, 443, CONFIG_TRANSLATE_SOURCE, CONFIG_AFFINITY_SOURCE},
};

static bool is_given(const struct config_service *s, const char *key)
{
	const struct schema_field *f = schema_field_find(&config_service_schema, key);
	return s->given & (UINT32_C(1) << (f - config_service_schema.fields));
}

static bool was_wrong(const struct config_context *ctx, size_t service, const char *key)
{
	char path[64];
	snprintf(path, sizeof(path), "services[%zu].%s", service, key);
	return config_was_wrong(ctx, path);
}

// An address alone takes its port from the profile. One that gets none is marked as wrong.
static void complete_listens(
	struct config_context *ctx, struct config_service *s, size_t index, uint16_t port)
{
	for (size_t i = 0; i < s->listen.count; i++) {
		struct config_listen *l = &s->listen.items[i];
		char text[POSTERN_ADDR_TEXT];
		if (l->at.port || postern_addr_is_none(&l->at.addr))
			continue;
		l->at.port = port;
		if (port)
			continue;
		config_path_set(ctx, "services[%zu].listen[%zu]", index, i);
		// A profile or transport that was wrong may have been one that has a port.
		if (was_wrong(ctx, index, "profile") || was_wrong(ctx, index, "transport"))
			;
		else if (s->profile == CONFIG_PROFILE_NONE)
			config_mistake_here(ctx,
				"an address with a port such as \"192.0.2.1:5061\", or a profile",
				"%s has no port", postern_addr_format(&l->at.addr, text));
		else
			config_mistake_here(ctx, "a port, or transport: tcp",
				"%s has no port, and the profile %s has none over UDP",
				postern_addr_format(&l->at.addr, text),
				config_profile_name(s->profile));
		memset(l, 0, sizeof(*l));
	}
}

static void complete(struct config_context *ctx, struct config_service *s, size_t index)
{
	const struct profile *p = &profiles[s->profile];
	bool udp = s->transport == CONFIG_SERVICE_UDP;
	if (!is_given(s, "translate"))
		s->translate = p->translate;
	if (!is_given(s, "affinity"))
		s->affinity = p->affinity;
	if (s->timeouts.idle_ms == 0)
		s->timeouts.idle_ms = udp ? IDLE_UDP : IDLE_TCP;
	complete_listens(ctx, s, index, udp ? p->udp_port : p->tcp_port);
}

void config_services_complete(struct config_context *ctx, struct config *c)
{
	for (size_t i = 0; i < c->services.count; i++)
		complete(ctx, &c->services.items[i], i);
}

const char *config_service_organisation(const struct config *c, const struct config_service *s)
{
	if (s->organisation)
		return s->organisation;
	return c->organisations.count == 1 ? c->organisations.items[0].name : NULL;
}

bool config_wants_admission(const struct config *c)
{
	for (size_t i = 0; i < c->services.count; i++)
		if (c->services.items[i].admission != CONFIG_ADMISSION_ANY)
			return true;
	return false;
}
