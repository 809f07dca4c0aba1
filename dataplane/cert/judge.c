// SPDX-License-Identifier: BSD-2-Clause
// A verdict and the rules of one partner. Nothing here takes longer than a microsecond.

#include "cert/private.h"

#include <string.h>

// Public authorities no longer issue certificates for clients, so one for servers serves both ways unless
// an operator says otherwise. Who is connected to is a server in any case.
static bool may_be_used(const struct cert_verdict *v, const struct cert_rules *r)
{
	uint8_t wanted;

	switch (r->key_usage) {
	case POSTERN_KEY_USAGE_ANY:
		return true;
	case POSTERN_KEY_USAGE_REQUIRE_CLIENT_AUTH:
		wanted = r->peer_is_client ? CERT_USE_CLIENT : CERT_USE_SERVER;
		break;
	default:
		wanted = r->peer_is_client ? CERT_USE_CLIENT | CERT_USE_SERVER | CERT_USE_SIP
					   : CERT_USE_SERVER | CERT_USE_SIP;
		break;
	}
	return (v->uses & wanted) != 0 && (v->can_sign || (!r->peer_is_client && v->can_encrypt));
}

static enum cert_reason judge_names(
	const struct cert_verdict *v, const struct cert_rules *r, struct cert_judgement *out)
{
	const struct cert_names *n = &v->names;

	if (n->problem != CERT_GOOD)
		return n->problem;
	out->names = n->names;
	out->n_names = n->n;
	if (n->has_cn && (r->accept_cn || !n->has_alternative)) {
		out->n_names++;
		out->by_cn = n->has_alternative;
	}
	if (out->n_names > 0 || !r->need_names)
		return CERT_GOOD;
	if (n->wildcards > 0)
		return CERT_WILDCARD;
	return n->addresses > 0 ? CERT_ADDRESS_ONLY : CERT_NO_NAMES;
}

static enum cert_reason judge_revocation(const struct cert_verdict *v, const struct cert_rules *r,
	struct cert_crls *crls, int64_t now, int64_t *until)
{
	enum cert_reason worst = CERT_GOOD;

	if (r->revocation == POSTERN_REVOCATION_OFF)
		return CERT_GOOD;
	for (unsigned i = 0; i < v->n_links; i++) {
		switch (cert_crls_look(crls, &v->links[i], now, until)) {
		case CERT_REVOCATION_REVOKED:
			return CERT_REVOKED;
		case CERT_REVOCATION_STALE:
			worst = CERT_CRL_STALE;
			break;
		case CERT_REVOCATION_UNKNOWN:
			if (worst == CERT_GOOD)
				worst = CERT_CRL_UNKNOWN;
			break;
		default:
			break;
		}
	}
	return r->revocation == POSTERN_REVOCATION_REQUIRE ? worst : CERT_GOOD;
}

void cert_judge(const struct cert_verdict *v, const struct cert_rules *rules,
	struct cert_crls *crls, int64_t now, struct cert_judgement *out)
{
	memset(out, 0, sizeof(*out));
	out->reason = v->reason;
	out->good_until = v->not_after;
	if (out->reason != CERT_GOOD)
		return;
	if (now > v->not_after)
		out->reason = CERT_EXPIRED;
	else if (now < v->not_before)
		out->reason = CERT_NOT_YET_VALID;
	else if (!may_be_used(v, rules))
		out->reason = CERT_KEY_USAGE;
	if (out->reason == CERT_GOOD)
		out->reason = judge_names(v, rules, out);
	if (out->reason == CERT_GOOD)
		out->reason = judge_revocation(v, rules, crls, now, &out->good_until);
}

bool cert_proves(const struct cert_judgement *j, const struct postern_domain *name)
{
	for (unsigned i = 0; i < j->n_names; i++)
		if (j->names[i].length == name->length &&
			memcmp(j->names[i].text, name->text, name->length) == 0)
			return true;
	return false;
}
