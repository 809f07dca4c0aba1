// SPDX-License-Identifier: BSD-2-Clause
// Questions by an address alone, as forward mode asks them of first packets: by what has been decided
// beforehand, or live where that cannot be told yet.

#include "admit/private.h"

static void decide_now(const struct postern_policy *p, uint16_t organisation,
	const struct postern_addr *address, struct admit_verdict *out)
{
	const struct postern_question q = {
		.organisation = organisation,
		.proof = POSTERN_PROOF_ADDRESS,
		.address = *address,
	};
	struct postern_answer a;

	admit_ask(p, &q, &a);
	*out = (struct admit_verdict){
		.outcome = (uint8_t)a.outcome,
		.row = (uint8_t)a.row,
		.reason = (uint8_t)a.reason,
		.admission = (uint8_t)a.admission,
	};
}

// As admit_ask() goes through prefixes, the longest first. False: a verdict is out of date, or may be
// missing.
static bool decided(const struct postern_policy *p, uint16_t organisation,
	const struct postern_addr *address, struct admit_verdict *out)
{
	const unsigned family = postern_addr_is_v4(address) ? 0 : 1;

	*out = (struct admit_verdict){
		.outcome = POSTERN_REFUSE,
		.row = POSTERN_ROW_OTHERWISE,
		.reason = POSTERN_REASON_NO_PARTNER,
		.admission = POSTERN_ADMISSION_ENFORCE,
	};
	for (unsigned word = 3; word-- > 0;) {
		uint64_t bits = __atomic_load_n(&p->lengths[family][word], __ATOMIC_RELAXED);

		while (bits != 0) {
			const unsigned bit = 63 - (unsigned)__builtin_clzll(bits);
			struct admit_verdict v;
			struct admit_key k;

			bits &= ~(UINT64_C(1) << bit);
			admit_key_of_prefix(&k, organisation, address, word * 64 + bit);
			if (!admit_verdict_find(p, &k, &v))
				return false;
			if (v.row == POSTERN_ROW_NONE)
				continue;
			*out = v;
			if (v.outcome == POSTERN_ADMIT)
				return true;
		}
	}
	return true;
}

void admit_address(const struct postern_policy *p, uint16_t organisation,
	const struct postern_addr *address, struct admit_verdict *out)
{
	if (!postern_policy_is_complete(p)) {
		*out = (struct admit_verdict){.outcome = POSTERN_ASK};
		return;
	}
	// Nearly every partner: two cache lines. Verdicts bear what the switches say.
	if (admit_verdict_admits(p, organisation, address, out))
		return;
	const struct admit_organisation *o = admit_organisation_of(p, organisation);

	// The default route is one name, which stands in no index.
	if (o == NULL || !o->switches.allow_federated_users ||
		o->switches.default_route.length > 0 || !decided(p, organisation, address, out))
		decide_now(p, organisation, address, out);
}
