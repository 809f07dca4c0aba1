// SPDX-License-Identifier: BSD-2-Clause
// The state of a member: what its probes, the dataplane and the operator say, and the health word
// that follows. Every change is logged in one line and told to the owner.

#include "control/pool/private.h"
#include "control/pool/probe.h"

#include "postern/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

LOG_SUBSYSTEM("pool");

const char *pool_admin_name(enum pool_admin a)
{
	switch (a) {
	case POOL_ADMIN_READY:
		return "ready";
	case POOL_ADMIN_DRAIN:
		return "drain";
	case POOL_ADMIN_MAINT:
		return "maint";
	}
	return "?";
}

int pool_admin_parse(const char *name)
{
	for (int a = POOL_ADMIN_READY; a <= POOL_ADMIN_MAINT; a++) {
		if (strcmp(name, pool_admin_name((enum pool_admin)a)) == 0)
			return a;
	}
	return -EINVAL;
}

const char *pool_health_name(enum pool_health h)
{
	switch (h) {
	case POOL_HEALTH_UNKNOWN:
		return "unknown";
	case POOL_HEALTH_UP:
		return "up";
	case POOL_HEALTH_DOWN:
		return "down";
	}
	return "?";
}

// With nobody left in a pool that tries all, those that are down take sessions after all, and
// resetting them would help nobody.
static bool is_reset(const struct pool_member *m)
{
	const struct config_pool *c = m->pool->config;
	bool tried = c->all_down == CONFIG_ALL_DOWN_TRY_ALL && pool_group_of(m->pool)->taking == 0;
	return c->on_down == CONFIG_ON_DOWN_RESET && !tried;
}

// A share is withheld only while there is somebody else to take it.
static uint32_t withheld(const struct pool_member *m)
{
	return pool_group_of(m->pool)->taking > 1 ? pool_seat_of(m)->withheld << 8 : 0;
}

uint32_t pool_member_word(const struct pool_member *m)
{
	if (m->admin == POOL_ADMIN_MAINT)
		return POSTERN_MEMBER_RESET;
	// Silence can be forged by who spoils his own SYNs. It keeps new sessions away at once, but
	// ends those that stand only when a probe finds the same.
	if (m->health == POOL_HEALTH_DOWN && pool_seat_of(m)->suspected)
		return 0;
	if (m->health == POOL_HEALTH_DOWN)
		return is_reset(m) ? POSTERN_MEMBER_RESET : 0;
	return m->admin == POOL_ADMIN_READY ? POSTERN_MEMBER_TAKES_NEW | withheld(m) : 0;
}

unsigned pool_member_share(const struct pool_member *m)
{
	return 100 - (POSTERN_MEMBER_SHARE_WITHHELD(pool_member_word(m)) * 100 + 128) / 256;
}

// Sessions of a removed member are reset whatever on-down says: nobody probes it any more, so
// nobody would ever find out that they hang.
bool pool_member_write(struct pool_seat *seat, bool always)
{
	uint32_t word = seat->removed ? POSTERN_MEMBER_RESET : pool_member_word(&seat->member);
	bool changed = word != seat->word;
	seat->word = word;
	if ((changed || always) && seat->set->dp != NULL)
		postern_member_set_health(seat->set->dp, seat->member.id, word);
	return changed;
}

// "2 of 3 members take sessions"
static const char *describe_pool(const struct pool *pool, char *buf, size_t size)
{
	unsigned taking = 0;
	for (unsigned i = 0; i < pool->n_members; i++) {
		const struct pool_member *m = pool->members[i];
		taking += m->weight > 0 && (pool_member_word(m) & POSTERN_MEMBER_TAKES_NEW);
	}
	snprintf(buf, size, "%u of %u members take%s sessions", taking, pool->n_members,
		taking == 1 ? "s" : "");
	return buf;
}

static void forget_probes(struct pool_seat *seat)
{
	seat->ok_in_row = 0;
	seat->failed_in_row = 0;
}

static void tell(struct pool_seat *seat)
{
	pool_warm_refresh(seat->member.pool);
	pool_member_write(seat, false);
	if (seat->set->callbacks.changed != NULL)
		seat->set->callbacks.changed(seat->set->callbacks.user, &seat->member);
}

static void set_health(struct pool_seat *seat, enum pool_health health, const char *why)
{
	struct pool_member *m = &seat->member;
	if (health == POOL_HEALTH_DOWN)
		pool_warm_end(seat);
	else if (m->health == POOL_HEALTH_DOWN)
		pool_warm_begin(seat);
	if (health != POOL_HEALTH_DOWN)
		seat->suspected = false;
	m->health = health;
	m->since_ms = pool_now_us() / 1000;
	snprintf(m->why, sizeof(m->why), "%s", why);

	char pool[64];
	LOG(NOTICE, "pool %s: member %s is %s: %s; %s", m->pool->name, m->name,
		health == POOL_HEALTH_UNKNOWN ? "taken for healthy" : pool_health_name(health),
		m->why, describe_pool(m->pool, pool, sizeof(pool)));
	tell(seat);
}

static void succeeded(struct pool_seat *seat, const char *why)
{
	struct pool_member *m = &seat->member;
	uint32_t rise = m->settings->rise;
	seat->failed_in_row = 0;
	seat->ok_in_row++;
	if (m->health == POOL_HEALTH_UNKNOWN ||
		(m->health == POOL_HEALTH_DOWN && seat->ok_in_row >= rise))
		set_health(seat, POOL_HEALTH_UP, why);
	else if (m->health == POOL_HEALTH_DOWN)
		snprintf(m->why, sizeof(m->why), "%s (%u of %u in a row)", why, seat->ok_in_row,
			rise);
	else
		snprintf(m->why, sizeof(m->why), "%s", why);
}

static void failed(struct pool_seat *seat, const char *why)
{
	struct pool_member *m = &seat->member;
	uint32_t fall = m->settings->fall;
	seat->ok_in_row = 0;
	if (seat->failed_in_row < UINT32_MAX)
		seat->failed_in_row++;

	// The end of a long text goes, not the count behind it.
	char text[sizeof(m->why)];
	snprintf(text, sizeof(text), "%.*s (%u in a row)", (int)sizeof(text) - 32, why,
		seat->failed_in_row);
	if (m->health != POOL_HEALTH_DOWN && seat->failed_in_row >= fall)
		set_health(seat, POOL_HEALTH_DOWN, text);
	else
		snprintf(m->why, sizeof(m->why), "%s", text);
	if (seat->suspected) {
		seat->suspected = false;
		LOG(NOTICE, "pool %s: member %s: a probe agrees: %s", m->pool->name, m->name,
			m->why);
		tell(seat);
	}
}

void pool_member_probed(struct pool_seat *seat, bool ok, uint32_t took_ms, const char *why)
{
	struct pool_member *m = &seat->member;
	m->last_probe_ms = took_ms;
	if (ok)
		m->probes_ok++;
	else
		m->probes_failed++;
	if (!ok)
		failed(seat, why);
	else
		succeeded(seat, why);
}

void pool_member_observed(struct pool_seat *seat, enum postern_event_kind kind, uint32_t in_a_row)
{
	struct pool_member *m = &seat->member;
	uint32_t fall = m->pool->config->observe_fall;
	if (fall == 0 || in_a_row < fall || m->health == POOL_HEALTH_DOWN ||
		m->admin == POOL_ADMIN_MAINT)
		return;

	char why[96];
	const char *plural = in_a_row == 1 ? "" : "s in a row";
	if (kind == POSTERN_EVENT_REFUSED)
		snprintf(why, sizeof(why), "refused %u SYN%s, seen by the dataplane", in_a_row,
			plural);
	else
		snprintf(why, sizeof(why), "did not answer %u SYN%s, seen by the dataplane",
			in_a_row, plural);
	forget_probes(seat);
	seat->suspected = kind == POSTERN_EVENT_SILENT && m->probe != NULL &&
			  m->settings->kind != CONFIG_PROBE_NONE;
	set_health(seat, POOL_HEALTH_DOWN, why);
	// A probe that is under way began before and would prove nothing; a new one asks at once.
	if (m->probe != NULL)
		pool_probe_restart(seat, 0);
}

void pool_member_release(struct pool_seat *seat)
{
	char why[64];
	forget_probes(seat);
	snprintf(why, sizeof(why), "not probed, and down for %u s", POOL_HOLD_MS / 1000);
	set_health(seat, POOL_HEALTH_UNKNOWN, why);
}

void pool_member_set_admin(struct pool_set *set, struct pool_member *m, enum pool_admin admin)
{
	(void)set;
	struct pool_seat *seat = pool_seat_of(m);
	if (m->admin == admin)
		return;
	bool probing = (m->admin == POOL_ADMIN_MAINT) != (admin == POOL_ADMIN_MAINT);
	if (admin == POOL_ADMIN_MAINT) {
		pool_warm_end(seat);
		seat->cold = true;
	}
	// A server that was worked on is as cold as one that was down.
	if (admin == POOL_ADMIN_READY && seat->cold) {
		seat->cold = false;
		pool_warm_begin(seat);
	}
	if (m->admin == POOL_ADMIN_MAINT) {
		m->health = POOL_HEALTH_UNKNOWN;
		seat->suspected = false;
		forget_probes(seat);
	}
	m->admin = admin;
	m->since_ms = pool_now_us() / 1000;
	snprintf(m->why, sizeof(m->why), "set to %s", pool_admin_name(admin));

	char pool[64];
	LOG(NOTICE, "pool %s: member %s is set to %s; %s", m->pool->name, m->name,
		pool_admin_name(admin), describe_pool(m->pool, pool, sizeof(pool)));
	if (probing && m->probe != NULL)
		pool_probe_restart(seat, 0);
	tell(seat);
}

void pool_member_set_weight(struct pool_set *set, struct pool_member *m, int32_t weight)
{
	(void)set;
	if (m->weight_set == weight)
		return;
	m->weight_set = weight;
	m->weight = weight >= 0 ? (uint32_t)weight : m->weight_file;
	LOG(NOTICE, "pool %s: member %s weighs %u%s", m->pool->name, m->name, m->weight,
		weight >= 0 ? ", as an operator has set it" : ", as the file says");
	tell(pool_seat_of(m));
}
