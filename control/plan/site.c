// SPDX-License-Identifier: BSD-2-Clause
// Which services an organisation has and how they are called, and the collecting of rows.

#include "control/plan/private.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool plan_listens(const struct config_service *s, uint16_t port)
{
	for (size_t i = 0; i < s->listen.count; i++)
		if (port == 0 || s->listen.items[i].at.port == port)
			return true;
	return false;
}

enum config_profile plan_role(const struct config_service *s)
{
	if (s->profile != CONFIG_PROFILE_NONE || s->transport != CONFIG_SERVICE_TCP)
		return s->profile;
	if (plan_listens(s, 5061))
		return CONFIG_PROFILE_ACCESS_EDGE;
	return plan_listens(s, 5269) ? CONFIG_PROFILE_XMPP : CONFIG_PROFILE_NONE;
}

static bool is_ours(const struct plan_question *q, const struct config_service *s)
{
	return !s->organisation || strcmp(s->organisation, q->organisation->name) == 0;
}

const struct config_service *plan_next(
	const struct plan_question *q, enum config_profile role, size_t *at)
{
	while (*at < q->config->services.count) {
		const struct config_service *s = &q->config->services.items[(*at)++];

		if (is_ours(q, s) && (role == PLAN_ANY_ROLE || plan_role(s) == role))
			return s;
	}
	return NULL;
}

const struct config_service *plan_first(const struct plan_question *q, enum config_profile role)
{
	size_t at = 0;

	return plan_next(q, role, &at);
}

const struct config_pool *plan_pool(const struct plan_question *q, const struct config_service *s)
{
	return config_pool_find(q->config, s->pool);
}

bool plan_serves_pool(const struct plan_question *q, const struct config_pool *pool)
{
	const struct config_service *s;

	for (size_t at = 0; (s = plan_next(q, PLAN_ANY_ROLE, &at));)
		if (strcmp(s->pool, pool->name) == 0)
			return true;
	return false;
}

static void add_more(json_t *list, size_t all)
{
	json_t *more =
		all > PLAN_MEMBERS_MAX ? plan_textf("%zu more", all - PLAN_MEMBERS_MAX) : NULL;

	if (more)
		json_array_append_new(list, more);
}

void plan_members_add(json_t *list, const struct config_pool *pool)
{
	for (size_t i = 0; i < pool->members.count && i < PLAN_MEMBERS_MAX; i++) {
		json_t *text = plan_textf("%s/%s", pool->name, pool->members.items[i].name);

		plan_strings_add(list, json_string_value(text));
		json_decref(text);
	}
	add_more(list, pool->members.count);
}

void plan_address_add(json_t *list, const struct postern_addr *a)
{
	char text[POSTERN_ADDR_TEXT];

	plan_strings_add(list, postern_addr_format(a, text));
}

void plan_member_addresses_add(json_t *list, const struct config_pool *pool)
{
	for (size_t i = 0; i < pool->members.count && i < PLAN_MEMBERS_MAX; i++)
		plan_address_add(list, &pool->members.items[i].address.addr);
	add_more(list, pool->members.count);
}

json_t *plan_service_addresses(
	const struct plan_question *q, enum config_profile role, uint16_t port)
{
	json_t *list = json_array();
	const struct config_service *s;

	for (size_t at = 0; (s = plan_next(q, role, &at));)
		for (size_t i = 0; i < s->listen.count; i++) {
			const uint16_t here = s->listen.items[i].at.port;

			if (port == 0 ? here != 443 : here == port)
				plan_address_add(list, &s->listen.items[i].at.addr);
		}
	return list;
}

json_t *plan_member_addresses(const struct plan_question *q, enum config_profile role)
{
	json_t *list = json_array();
	const struct config_service *s;

	for (size_t at = 0; (s = plan_next(q, role, &at));)
		if (plan_pool(q, s))
			plan_member_addresses_add(list, plan_pool(q, s));
	return list;
}

bool plan_in_domain(const char *name, const char *domain)
{
	const size_t n = strlen(name), d = strlen(domain);

	return n >= d && strcasecmp(name + n - d, domain) == 0 &&
	       (n == d || name[n - d - 1] == '.');
}

const char *plan_zone_of(const struct plan_question *q, const char *name)
{
	const char *found = NULL;

	for (size_t i = 0; i < q->organisation->domains.count; i++) {
		const char *domain = q->organisation->domains.items[i];

		if (plan_in_domain(name, domain) && (!found || strlen(domain) > strlen(found)))
			found = domain;
	}
	return found;
}

const char *plan_host(const struct config_service *s, const char *label, const char *domain,
	char name[static PLAN_NAME])
{
	if (s->fqdn && plan_in_domain(s->fqdn, domain))
		snprintf(name, PLAN_NAME, "%s", s->fqdn);
	else
		snprintf(name, PLAN_NAME, "%s.%s", label, domain);
	return name;
}

const struct config_service *plan_edge(const struct config *config,
	const struct config_organisation *organisation, char name[static PLAN_EDGE_NAME])
{
	const struct plan_question q = {.config = config, .organisation = organisation};
	const struct config_service *s, *found = plan_first(&q, CONFIG_PROFILE_ACCESS_EDGE);

	name[0] = '\0';
	for (size_t at = 0; (s = plan_next(&q, CONFIG_PROFILE_ACCESS_EDGE, &at));)
		if (s->tls.certificate && (!found || !found->tls.certificate))
			found = s;
	if (found && organisation->domains.count > 0)
		plan_host(found, "sip", organisation->domains.items[0], name);
	return found;
}

const char *plan_label(enum config_profile role)
{
	if (role == CONFIG_PROFILE_ACCESS_EDGE)
		return "sip";
	return role == CONFIG_PROFILE_XMPP ? "xmpp" : NULL;
}

bool plan_is_on(const json_t *entry, const char *key)
{
	return json_is_true(json_object_get(entry, key));
}

const char *plan_string(const json_t *entry, const char *key)
{
	return json_string_value(json_object_get(entry, key));
}

bool plan_has_provider(const struct plan_question *q, const char *fqdn)
{
	for (size_t i = 0; i < json_array_size(q->providers); i++) {
		const json_t *p = json_array_get(q->providers, i);
		const char *name = plan_string(p, "proxy-fqdn");

		if (name && strcasecmp(name, fqdn) == 0 && plan_is_on(p, "enabled"))
			return true;
	}
	return false;
}

void plan_begin(struct plan_build *b, const struct plan_question *q, const char *list)
{
	*b = (struct plan_build){.result = json_pack("{s:s, s:[], s:[]}", "organisation",
					 q->organisation->name, list, "notes"),
		.seen = json_object()};
	b->failed = !b->result || !b->seen;
}

void plan_row(struct plan_build *b, const char *list, json_t *row)
{
	if (!row || json_array_append_new(json_object_get(b->result, list), row) != 0)
		b->failed = true;
}

json_t *plan_textf(const char *format, ...)
{
	va_list args;
	char *text = NULL;

	va_start(args, format);
	const int n = vasprintf(&text, format, args);
	va_end(args);
	json_t *value = n < 0 ? NULL : json_string(text);
	if (n >= 0)
		free(text);
	return value;
}

void plan_note(struct plan_build *b, const char *format, ...)
{
	va_list args;
	char *text = NULL;

	va_start(args, format);
	const int n = vasprintf(&text, format, args);
	va_end(args);
	plan_row(b, "notes", n < 0 ? NULL : json_string(text));
	if (n >= 0)
		free(text);
}

void plan_strings_add(json_t *list, const char *text)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcasecmp(json_string_value(json_array_get(list, i)), text) == 0)
			return;
	json_array_append_new(list, json_string(text));
}

json_t *plan_end(struct plan_build *b, plan_writer write)
{
	char *text = NULL;
	size_t size = 0;

	json_decref(b->seen);
	FILE *to = b->failed ? NULL : open_memstream(&text, &size);

	if (to) {
		write(to, b->result);
		b->failed = fclose(to) != 0 ||
			    json_object_set_new(b->result, "text", json_stringn(text, size)) != 0;
		free(text);
	} else {
		b->failed = true;
	}
	if (!b->failed)
		return b->result;
	json_decref(b->result);
	return NULL;
}
