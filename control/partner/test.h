// SPDX-License-Identifier: BSD-2-Clause
// The set of tests. Nobody outside includes this.

#pragma once

#include "control/partner/partner.h"

#include <sys/queue.h>

struct partner_set {
	struct event_base *base;
	struct discovery *discovery;
	struct partner_identities *identities; // NULL: not loaded yet
	LIST_HEAD(, partner_test) tests;
	unsigned n_tests;
};

// What a service shows, or what is shown without one; NULL: nothing has been loaded.
SSL_CTX *partner_set_context(const struct partner_set *set, const char *service);
