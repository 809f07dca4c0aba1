// SPDX-License-Identifier: BSD-2-Clause
// Which pool a client goes to, by what it said first. It is a router's choice and proves nothing: whoever
// wants to be let in elsewhere says another name.

#include "relay/private.h"

#include <string.h>

// "*.example.com" stands for everything below example.com, however deep.
static bool is_name(const char *wanted, const struct relay_hello *h)
{
	const size_t length = strlen(wanted);

	if (wanted[0] != '*')
		return length == h->name_length && memcmp(wanted, h->name, length) == 0;
	return h->name_length > length - 1 &&
	       memcmp(wanted + 1, h->name + h->name_length - (length - 1), length - 1) == 0;
}

static bool has_name(const struct postern_texts *names, const struct relay_hello *h)
{
	for (unsigned i = 0; i < names->n; i++)
		if (is_name(names->items[i], h))
			return true;
	return false;
}

static bool has_protocol(const struct postern_texts *protocols, const struct relay_hello *h)
{
	for (unsigned i = 0; i < protocols->n; i++)
		if (relay_hello_offers(h, protocols->items[i], strlen(protocols->items[i])))
			return true;
	return false;
}

static bool fits(const struct postern_relay_rule *rule, const struct relay_hello *h)
{
	if (!(rule->kinds & 1u << h->kind))
		return false;
	if (rule->no_name && h->name_length > 0)
		return false;
	if (rule->names.n > 0 && !has_name(&rule->names, h))
		return false;
	if (rule->protocols.n > 0 && !has_protocol(&rule->protocols, h))
		return false;
	return rule->version_at_most == 0 || h->version <= rule->version_at_most;
}

struct relay_choice relay_choose(const struct postern_service *service, const struct relay_hello *h)
{
	for (unsigned i = 0; i < service->n_rules; i++)
		if (fits(&service->rules[i], h))
			return (struct relay_choice){
				service->rules[i].pool, POSTERN_COUNTER_REFUSE_RULE};
	switch (h->kind) {
	case POSTERN_HELLO_TLS:
		return (struct relay_choice){service->pool, POSTERN_COUNTER_REFUSE_RULE};
	case POSTERN_HELLO_SILENT:
		return (struct relay_choice){POSTERN_ID_NONE, POSTERN_COUNTER_REFUSE_HELLO_TIMEOUT};
	default:
		return (struct relay_choice){POSTERN_ID_NONE, POSTERN_COUNTER_REFUSE_NOT_TLS};
	}
}
