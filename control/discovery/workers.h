// SPDX-License-Identifier: BSD-2-Clause
// Workers' questions: taken as they come, put to discovery, which asks once for all who want the same
// domain, and answered when the tables have changed. Control thread.

#pragma once

struct discovery;
struct discovery_workers;
struct event_base;
struct postern_dataplane;

// All three outlive it. -ENOMEM.
int discovery_workers_new(struct event_base *base, struct postern_dataplane *dp,
	struct discovery *discovery, struct discovery_workers **out);

// Nobody is answered any more. NULL is fine.
void discovery_workers_free(struct discovery_workers *all);
