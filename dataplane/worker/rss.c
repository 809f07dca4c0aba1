// SPDX-License-Identifier: BSD-2-Clause
// Whether the ports' RSS keeps its word: every packet is looked at, and what has come to another
// queue than the port was told is counted.

#include "worker/worker.h"

#include "postern/log.h"

#include <errno.h>

LOG_SUBSYSTEM("worker");

// So many packets at a wrong queue are no accident: what is known of headers that hash differently
// is not counted at all.
#define MISLED_MAX 16

static bool is_broken(const struct postern_dataplane *dp, uint16_t interface)
{
	uint64_t misled = 0;

	for (unsigned i = 0; i < dp->n_workers; i++)
		misled += base_get(&dp->workers[i]->misled[interface]);
	return misled > MISLED_MAX;
}

void worker_rss_watch(struct postern_dataplane *dp)
{
	for (uint16_t i = 0; i < dp->n_ports; i++) {
		if (dp->rss_told[i] || !is_broken(dp, i))
			continue;
		dp->rss_told[i] = true;
		LOG(WARNING,
			"interface %s: its RSS brings packets to other queues than it was told; "
			"workers hand them over, which costs speed",
			dp->epoch->snapshot->interfaces[i].name);
	}
}

int postern_port_read(
	const struct postern_dataplane *dp, uint16_t interface, struct postern_port_info *out)
{
	if (interface >= dp->n_ports)
		return -ENOENT;
	port_info_read(&dp->ports[interface], out);
	for (unsigned i = 0; i < dp->n_workers; i++)
		out->rx_handed_over += base_get(&dp->workers[i]->handed_in[interface]);
	if (out->rss == POSTERN_RSS_VERIFIED && is_broken(dp, interface))
		out->rss = POSTERN_RSS_BROKEN;
	return 0;
}
