// SPDX-License-Identifier: BSD-2-Clause
// A connection on its way to a crypto thread and back. It goes whole, with the cipher text that has come;
// while it is away the worker touches nothing of it but its links and what TCP tells of it. So there is
// no lock, and exactly one owner at a time.

#include "tls/private.h"

#include <openssl/crypto.h>
#include <rte_ring.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define IN_MOST (64u << 10) // cipher text that goes along: TLS_LIST_MAX and its records

static struct rte_ring *ring_new(void)
{
	static unsigned number;
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "tls%u", __atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
	return rte_ring_create(name, TLS_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

int tls_crypto_new(struct tls *t)
{
	t->to_crypto = ring_new();
	t->from_crypto = ring_new();
	return t->to_crypto != NULL && t->from_crypto != NULL ? 0 : -ENOMEM;
}

void tls_crypto_free(struct tls *t)
{
	rte_ring_free(t->to_crypto);
	rte_ring_free(t->from_crypto);
}

static bool make_room(struct tls_parcel *p, uint32_t size)
{
	uint8_t *more;

	if (p->in_at > 0) {
		memmove(p->in, p->in + p->in_at, p->in_size - p->in_at);
		p->in_size -= p->in_at;
		p->in_at = 0;
	}
	if (p->in_room - p->in_size >= size)
		return true;
	more = OPENSSL_realloc(p->in, p->in_size + size);
	if (more == NULL)
		return false;
	p->in = more;
	p->in_room = p->in_size + size;
	return true;
}

static bool pack(struct tls_conn *c)
{
	struct tcp *tcp = c->t->tcp;
	struct tls_parcel *p = c->parcel;
	struct iovec iov[16];
	unsigned n;

	while (!c->tcp_lost && p->in_size - p->in_at < IN_MOST &&
		(n = tcp_peek(tcp, c->tcp, iov, 16)) > 0) {
		size_t size = 0;

		for (unsigned i = 0; i < n; i++)
			size += iov[i].iov_len;
		if (!make_room(p, (uint32_t)size))
			return false;
		for (unsigned i = 0; i < n; i++) {
			memcpy(p->in + p->in_size, iov[i].iov_base, iov[i].iov_len);
			p->in_size += (uint32_t)iov[i].iov_len;
		}
		tcp_consume(tcp, c->tcp, size);
	}
	p->finished = c->tcp_lost || (tcp_is_finished(c->tcp) && tcp_readable(c->tcp) == 0);
	return true;
}

// False when there is no room in the ring: it stays in the queue.
bool tls_crypto_send(struct tls_conn *c)
{
	struct tls *t = c->t;

	// What is away fits into the ring back, so the crypto thread never waits.
	if (t->away >= TLS_RING - 1)
		return false;
	if (c->parcel == NULL)
		c->parcel = OPENSSL_zalloc(sizeof(*c->parcel));
	if (c->parcel == NULL || !pack(c)) {
		tls_end(c, TLS_REASON_NO_MEMORY);
		return true;
	}
	c->asked_for = c->user;
	c->away = true;
	if (rte_ring_sp_enqueue(t->to_crypto, c) != 0) {
		c->away = false;
		return false;
	}
	t->away++;
	return true;
}

unsigned tls_crypto_run(struct tls *t, unsigned budget)
{
	unsigned n = 0;
	void *c;

	while (n < budget && rte_ring_sc_dequeue(t->to_crypto, &c) == 0) {
		tls_step(c);
		(void)rte_ring_sp_enqueue(t->from_crypto, c);
		n++;
	}
	return n;
}

void tls_crypto_stop(struct tls *t)
{
	OPENSSL_thread_stop_ex(t->lib);
	OPENSSL_thread_stop_ex(t->inner);
}

static void come_back(struct tls_conn *c)
{
	c->away = false;
	c->t->away--;
	if (c->released) {
		tls_conn_free(c);
		return;
	}
	if (c->doomed) {
		// What its step came to does not count any more.
		c->outcome.reason = TLS_REASON_NONE;
		tls_end(c, c->aborted ? TLS_REASON_ABORTED : TLS_REASON_TIMEOUT);
		return;
	}
	tls_drain(c);
	tls_step_done(c, c->parcel->result, c->parcel->error);
	if (c->state != TLS_ENDED && c->tcp_over)
		tls_tcp_event(c, TCP_EVENT_CLOSED);
}

void tls_crypto_collect(struct tls *t)
{
	void *c;

	while (rte_ring_sc_dequeue(t->from_crypto, &c) == 0)
		come_back(c);
}
