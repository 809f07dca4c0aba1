// SPDX-License-Identifier: BSD-2-Clause
// Questions by an address alone, as forward mode asks them of first packets.

#include "admit/private.h"

void admit_address(const struct postern_policy *p, uint16_t organisation,
	const struct postern_addr *address, struct admit_verdict *out)
{
	const struct postern_question q = {
		.organisation = organisation,
		.proof = POSTERN_PROOF_ADDRESS,
		.address = *address,
	};
	struct postern_answer a;

	if (!postern_policy_is_complete(p)) {
		*out = (struct admit_verdict){.outcome = POSTERN_ASK};
		return;
	}
	admit_ask(p, &q, &a);
	*out = (struct admit_verdict){
		.outcome = (uint8_t)a.outcome,
		.row = (uint8_t)a.row,
		.reason = (uint8_t)a.reason,
		.admission = (uint8_t)a.admission,
	};
}
