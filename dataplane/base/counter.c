// SPDX-License-Identifier: BSD-2-Clause
// Names and help texts of the counters.

#include "postern/counter.h"

static const struct {
	const char *name;
	const char *help;
} counters[POSTERN_COUNTER_COUNT] = {
#define X(enumerator, shown, text) [POSTERN_COUNTER_##enumerator] = {shown, text},
	POSTERN_COUNTERS(X)
#undef X
#define X(enumerator, shown, text) [POSTERN_COUNTER_TCP_##enumerator] = {shown, text},
		POSTERN_TCP_COUNTERS(X)
#undef X
};

const char *postern_counter_name(enum postern_counter c)
{
	return counters[c].name;
}

const char *postern_counter_help(enum postern_counter c)
{
	return counters[c].help;
}
