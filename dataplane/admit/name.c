// SPDX-License-Identifier: BSD-2-Clause
// The words that answers are shown with.

#include "postern/policy.h"

static const char *const rows[POSTERN_ROWS] = {
	[POSTERN_ROW_NONE] = "none",
	[POSTERN_ROW_FEDERATION_OFF] = "1",
	[POSTERN_ROW_BLOCKED] = "2",
	[POSTERN_ROW_OWN_DOMAIN] = "3",
	[POSTERN_ROW_ALLOWED_DIRECT] = "4",
	[POSTERN_ROW_PUBLIC_PROVIDER] = "5",
	[POSTERN_ROW_HOSTING_PROVIDER] = "6",
	[POSTERN_ROW_ALLOWED_SRV] = "7",
	[POSTERN_ROW_DISCOVERED] = "8",
	[POSTERN_ROW_OTHERWISE] = "9",
	[POSTERN_ROW_DEFAULT_ROUTE] = "default-route",
};

static const char *const outcomes[] = {
	[POSTERN_REFUSE] = "refuse",
	[POSTERN_ADMIT] = "admit",
	[POSTERN_ASK] = "ask",
};

static const struct {
	const char *name;
	const char *help;
} reasons[POSTERN_REASON_COUNT] = {
#define X(enumerator, name, help) [POSTERN_REASON_##enumerator] = {name, help},
	POSTERN_REASONS(X)
#undef X
};

static const char *const types[POSTERN_TYPES] = {
	[POSTERN_TYPE_NONE] = "none",
	[POSTERN_TYPE_SHARED] = "shared",
	[POSTERN_TYPE_DIRECT] = "direct",
	[POSTERN_TYPE_PUBLIC] = "public",
	[POSTERN_TYPE_HOSTING] = "hosting",
	[POSTERN_TYPE_SRV] = "srv",
	[POSTERN_TYPE_ROUTE] = "route",
};

const char *postern_row_name(enum postern_row row)
{
	return rows[row];
}

const char *postern_outcome_name(enum postern_outcome outcome)
{
	return outcomes[outcome];
}

const char *postern_reason_name(enum postern_reason reason)
{
	return reasons[reason].name;
}

const char *postern_reason_help(enum postern_reason reason)
{
	return reasons[reason].help;
}

const char *postern_partner_type_name(enum postern_partner_type type)
{
	return types[type];
}
