// SPDX-License-Identifier: BSD-2-Clause
// DNS as the program uses it: settings from the configuration, and what the policy lists is followed.

#include "control/daemon/daemon.h"

#include "postern/log.h"

#include <string.h>

LOG_SUBSYSTEM("dns");

_Static_assert((int)CONFIG_DNS_ORDER_PARTNER == (int)DISCOVERY_ORDER_PARTNER,
	"the file's choices are discovery's");

static void settings_of(const struct config *c, struct discovery_settings *s)
{
	discovery_settings_default(s);
	s->timeout_ms = c->dns.timeout_ms;
	s->tries = c->dns.tries;
	s->lowest_ttl_s = c->dns.lowest_ttl_ms / 1000;
	s->highest_ttl_s = c->dns.highest_ttl_ms / 1000;
	s->negative_ttl_s = c->dns.negative_ttl_ms / 1000;
	s->keep_s = c->dns.keep_ms / 1000;
	s->rate = c->dns.rate;
	s->outstanding = c->dns.questions;
	s->order = (enum discovery_order)c->dns.order;
	for (size_t i = 0; i < c->resolvers.count && i < DISCOVERY_RESOLVERS_MAX; i++)
		s->resolvers[s->n_resolvers++] = c->resolvers.items[i];
	if (s->n_resolvers == 0 && discovery_settings_system(s) == 0)
		LOG(WARNING, "there is no resolver: partners are not found by name; name one with "
			     "`resolver: [ADDRESS]`, or in /etc/resolv.conf");
}

static void told(int status, const char *what)
{
	if (status < 0)
		LOG(ERROR, "%s is not followed in DNS: %s", what, strerror(-status));
}

static void on_switches(void *user, uint16_t organisation, const struct postern_switches *s)
{
	told(discovery_follow_switches(user, organisation, s), "the default route");
}

static void on_allowed(void *user, uint16_t organisation, const struct postern_allowed *a)
{
	told(discovery_follow_allowed(user, organisation, a), a->domain.text);
}

static void on_unlisted(void *user, uint16_t organisation, const struct postern_domain *domain)
{
	discovery_unfollow_listed(user, organisation, domain);
}

static void on_provider(void *user, uint16_t organisation, const struct postern_provider *v)
{
	told(discovery_follow_provider(user, organisation, v), v->proxy_fqdn.text);
}

static void on_provider_gone(void *user, uint16_t organisation, uint64_t id)
{
	discovery_unfollow_provider(user, organisation, id);
}

static void on_organisation_gone(void *user, uint16_t organisation)
{
	discovery_unfollow_organisation(user, organisation);
}

int dns_new(struct daemon *d)
{
	struct discovery_settings s;

	settings_of(d->config, &s);
	return discovery_new(d->base, d->tables, &s, &d->discovery);
}

struct policy_follower dns_follower(struct daemon *d)
{
	return (struct policy_follower){
		.switches = on_switches,
		.allowed = on_allowed,
		.unlisted = on_unlisted,
		.provider = on_provider,
		.provider_gone = on_provider_gone,
		.organisation_gone = on_organisation_gone,
		.user = d->discovery,
	};
}

void dns_use_config(struct daemon *d, const struct config *c)
{
	struct discovery_settings s;

	settings_of(c, &s);
	discovery_use_settings(d->discovery, &s);
}

void dns_read(void *daemon, struct discovery_stats *out)
{
	discovery_read(((struct daemon *)daemon)->discovery, out);
}
