// SPDX-License-Identifier: BSD-2-Clause
// What one remote address uses, so that none can take what is meant for all. Of IPv6 the first 64 bits
// are one address: whoever has a network has all of its addresses.

#include "tcp/private.h"

static struct tcp_key key_of(const struct postern_addr *remote)
{
	struct tcp_key key = {.remote = *remote};

	if (!postern_addr_is_v4(remote))
		key.remote.quads[1] = 0;
	return key;
}

uint32_t tcp_peer_hold(struct tcp *t, const struct postern_addr *remote)
{
	const struct tcp_key key = key_of(remote);
	const uint32_t hash = tcp_table_hash(t, &key);
	struct tcp_peer *p = tcp_table_find(&t->peers, &key, hash);

	if (p == NULL) {
		p = tcp_table_take(&t->peers);
		if (p == NULL)
			return TCP_NONE;
		p->entry.key = key;
		tcp_table_link(&t->peers, &p->entry, hash);
	}
	return tcp_table_index(&t->peers, p);
}

void tcp_peer_release(struct tcp *t, uint32_t peer)
{
	struct tcp_peer *p = tcp_peer_at(t, peer);

	if (p->connections == 0 && p->half_open == 0 && p->buffers == 0)
		tcp_table_give(&t->peers, &p->entry);
}
