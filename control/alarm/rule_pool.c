// SPDX-License-Identifier: BSD-2-Clause
// Rules on services, pools and their members.

#include "control/alarm/private.h"

#include <stdio.h>

#define DAY_S     86400
#define SOON_DAYS 7  // a certificate that ends so soon is a matter for today
#define LATE_DAYS 30 // ... and this one for the next maintenance

static bool takes_new(const struct pool_member *m)
{
	return m->weight > 0 && (pool_member_word(m) & POSTERN_MEMBER_TAKES_NEW) != 0;
}

unsigned alarm_count_taking(const struct pool *pool)
{
	unsigned taking = 0;

	for (uint16_t i = 0; i < pool->n_members; i++)
		taking += takes_new(pool->members[i]);
	return taking;
}

unsigned alarm_taking(const struct pool *pool, const struct postern_addr *of)
{
	unsigned taking = 0;

	for (uint16_t i = 0; pool != NULL && i < pool->n_members; i++)
		taking += takes_new(pool->members[i]) &&
			  postern_addr_is_v4(&pool->members[i]->at.addr) == postern_addr_is_v4(of);
	return taking;
}

// Sessions go to members of their own family, so each address stands and falls by itself. Writes
// those that nobody serves; as many as have room, which the last of them tells.
static size_t list_unserved(
	const struct config_service *service, const struct pool *pool, char *text, size_t size)
{
	size_t n = 0;
	size_t used = 0;

	for (size_t i = 0; i < service->listen.count; i++) {
		const struct config_listen *listen = &service->listen.items[i];
		char one[CONFIG_LISTEN_TEXT];

		if (alarm_taking(pool, &listen->at.addr) > 0)
			continue;
		if (used + 2 * sizeof(one) < size)
			used += (size_t)snprintf(text + used, size - used, "%s%s",
				n > 0 ? ", " : "", config_listen_format(listen, one));
		else if (text[used - 1] != '.')
			used += (size_t)snprintf(text + used, size - used, ", ...");
		n++;
	}
	return n;
}

void alarm_rule_services(struct alarm_set *set)
{
	const struct config *config = set->source.config(set->source.daemon);

	for (size_t i = 0; i < config->services.count; i++) {
		const struct config_service *service = &config->services.items[i];
		const struct pool *pool = pool_set_find(set->source.pools, service->pool);
		char remedy[128];
		char text[4 * POSTERN_NAME_SIZE];

		if (list_unserved(service, pool, text, sizeof(text)) == 0)
			continue;
		snprintf(remedy, sizeof(remedy), "posternctl member list %s", service->pool);
		alarm_raise(set, ALARM_SERVICE_DOWN, ALARM_DOWN, service->name, remedy,
			"service %s: no member takes new sessions for %s", service->name, text);
	}
}

static void look_at_minimum(struct alarm_set *set, const struct pool *pool)
{
	const uint32_t minimum = pool->config->minimum;
	const unsigned taking = minimum > 0 ? alarm_count_taking(pool) : 0;
	char remedy[128];

	if (taking >= minimum)
		return;
	snprintf(remedy, sizeof(remedy), "posternctl member list %s", pool->name);
	alarm_raise(set, ALARM_POOL_MINIMUM, ALARM_DEGRADED, pool->name, remedy,
		"pool %s: %u of %u members take new sessions, its minimum is %u", pool->name,
		taking, pool->n_members, minimum);
}

static void look_at_certificate(struct alarm_set *set, const struct pool *pool)
{
	const int64_t end = pool_certificate_end(pool);
	const int64_t left = end - (int64_t)(set->now.wall_us / 1000000);

	if (end == 0 || left >= (int64_t)LATE_DAYS * DAY_S)
		return;
	const char *remedy = "renew the file that tls.certificate of the pool names, then: "
			     "posternctl config reload";
	if (left <= 0)
		alarm_raise(set, ALARM_POOL_CERTIFICATE, ALARM_DEGRADED, pool->name, remedy,
			"pool %s: the certificate of its probes has expired", pool->name);
	else
		alarm_raise(set, ALARM_POOL_CERTIFICATE,
			left < (int64_t)SOON_DAYS * DAY_S ? ALARM_DEGRADED : ALARM_WARNING,
			pool->name, remedy,
			"pool %s: the certificate of its probes expires within %u day%s",
			pool->name, (unsigned)(left / DAY_S) + 1, left < DAY_S ? "" : "s");
}

void alarm_rule_pools(struct alarm_set *set)
{
	const struct pool *pool;

	for (unsigned i = 0; (pool = pool_set_at(set->source.pools, i)) != NULL; i++) {
		look_at_minimum(set, pool);
		look_at_certificate(set, pool);
	}
}

// Made only for those that are told of: there may be tens of thousands.
struct member_name {
	char text[2 * POSTERN_NAME_SIZE];
};

static const char *name_of(const struct pool_member *m, struct member_name *name)
{
	alarm_join(name->text, sizeof(name->text), m->pool->name, "/", m->name);
	return name->text;
}

static void note_drained(struct alarm_set *set, const struct pool_member *m)
{
	char remedy[2 * POSTERN_NAME_SIZE + 64];
	struct postern_member_stats stats;
	char since[ALARM_TIME_SIZE];
	struct member_name room;

	const char *name = name_of(m, &room);
	postern_member_read(set->source.dp, m->id, &stats);
	const uint32_t left = stats.sessions - stats.ending;
	alarm_time_text(since, alarm_since(set, ALARM_MEMBER_DRAINED, name));
	alarm_join(remedy, sizeof(remedy), "posternctl member set ", name, " state ready");
	alarm_raise(set, ALARM_MEMBER_DRAINED, ALARM_NOTE, name, remedy,
		"member %s is drained since %s, %u session%s left", name, since, left,
		left == 1 ? "" : "s");
}

static void look_at_health(struct alarm_set *set, const struct pool_member *m)
{
	char begun[2 * POSTERN_NAME_SIZE + 16];
	char text[sizeof(begun) + sizeof(m->why) + 16];
	char remedy[2 * POSTERN_NAME_SIZE + 64];
	struct member_name room;

	if (m->admin == POOL_ADMIN_DRAIN)
		note_drained(set, m);
	if (m->admin != POOL_ADMIN_MAINT && m->health != POOL_HEALTH_DOWN)
		return;
	const char *name = name_of(m, &room);
	alarm_join(begun, sizeof(begun), "member ", name, " is ");
	if (m->admin == POOL_ADMIN_MAINT) {
		alarm_join(remedy, sizeof(remedy), "posternctl member set ", name, " state ready");
		alarm_join(text, sizeof(text), begun, "in maintenance", "");
		alarm_raise_text(set, ALARM_MEMBER_MAINTENANCE, ALARM_DEGRADED, name, remedy, text);
	} else {
		alarm_join(remedy, sizeof(remedy), "posternctl member show ", name, "");
		alarm_join(text, sizeof(text), begun, "down: ", m->why);
		alarm_raise_text(set, ALARM_MEMBER_DOWN, ALARM_DEGRADED, name, remedy, text);
	}
}

static void look_at_flows(struct alarm_set *set, const struct config *config,
	const struct pool_member *m, uint32_t flows)
{
	struct member_name room;
	char remedy[2 * POSTERN_NAME_SIZE + 160];

	if (flows == 0)
		return;
	const char *name = name_of(m, &room);
	const uint32_t limit = config_flows_limit(config, m->pool->name);

	if (limit == 0 || !alarm_is_nearly_full(set, ALARM_MEMBER_FLOWS, name, flows, limit))
		return;
	snprintf(remedy, sizeof(remedy),
		"posternctl session list kind outbound member %s; if they are wanted, raise "
		"flows-per-member of the outbound rule",
		name);
	alarm_raise(set, ALARM_MEMBER_FLOWS, ALARM_DEGRADED, name, remedy,
		"member %s: %u of %u flows of its own are in use", name, flows, limit);
}

static void look_at_ports(
	struct alarm_set *set, const struct config *config, const struct pool_member *m)
{
	struct postern_member_stats stats;
	struct member_name room;

	postern_member_read(set->source.dp, m->id, &stats);
	look_at_flows(set, config, m, stats.flows);
	// No limit is lower than one address's ports, and the way to a member takes a while to find.
	if ((uint64_t)stats.sessions * 100 <
			(uint64_t)CONFIG_PORTS_PER_ADDRESS * ALARM_CLEAR_PERCENT ||
		config_pool_needs_no_ports(config, m->pool->name))
		return;
	const char *name = name_of(m, &room);
	const uint32_t limit = config_sessions_limit(config, &m->at.addr);
	const struct config_interface *way = config_interface_towards(config, &m->at.addr);
	char remedy[POSTERN_NAME_SIZE + 128];

	if (!alarm_is_nearly_full(set, ALARM_MEMBER_PORTS, name, stats.sessions, limit))
		return;
	snprintf(remedy, sizeof(remedy),
		"add an address to translate-from of interface %s and restart postern, or add "
		"members",
		way != NULL ? way->name : "?");
	alarm_raise(set, ALARM_MEMBER_PORTS, ALARM_DEGRADED, name, remedy,
		"member %s: %u of %u source ports are in use", name, stats.sessions, limit);
}

void alarm_rule_members(struct alarm_set *set)
{
	const struct config *config = set->source.config(set->source.daemon);
	const struct pool *pool;

	for (unsigned i = 0; (pool = pool_set_at(set->source.pools, i)) != NULL; i++) {
		for (uint16_t k = 0; k < pool->n_members; k++) {
			look_at_health(set, pool->members[k]);
			look_at_ports(set, config, pool->members[k]);
		}
	}
}
