// SPDX-License-Identifier: BSD-2-Clause
// Admission as workers see it: one question, one answer. What the words mean stands in
// postern/policy.h, the table of rows in README.md.

#pragma once

#include "postern/policy.h"

// Decides. Worker, registered with liburcu and not offline; takes no lock. The answer is a copy.
void admit_decide(
	const struct postern_policy *p, const struct postern_question *q, struct postern_answer *a);
