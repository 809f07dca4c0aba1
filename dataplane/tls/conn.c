// SPDX-License-Identifier: BSD-2-Clause
// Connections: begun, told of what TCP has seen, ended.

#include "tls/private.h"

#include <openssl/crypto.h>

#include <errno.h>
#include <string.h>

static struct tls_conn *conn_new(struct tls *t, struct tls_context *x, void *user)
{
	struct tls_conn *c = OPENSSL_zalloc(sizeof(*c));
	BIO *bio;

	if (c == NULL)
		return NULL;
	c->t = t;
	c->user = user;
	c->ssl = SSL_new(x->ctx);
	bio = c->ssl != NULL ? BIO_new(t->method) : NULL;
	if (bio == NULL) {
		SSL_free(c->ssl);
		OPENSSL_free(c);
		return NULL;
	}
	BIO_set_data(bio, c);
	BIO_set_init(bio, 1);
	SSL_set_bio(c->ssl, bio, bio);
	SSL_set_app_data(c->ssl, c);
	c->x = x;
	x->references++;
	t->use.connections++;
	return c;
}

// IPv6 by /64: one peer has all of it.
static uint64_t key_of_address(const struct tls *t, const struct postern_addr *a)
{
	return base_hash_keyed(&t->secret, a, postern_addr_is_v4(a) ? sizeof(*a) : 8);
}

static int give_up(struct tls *t, struct tcp_conn *tcp, enum tls_reason why)
{
	t->use.ended[why]++;
	tcp_abort(t->tcp, tcp);
	tcp_release(t->tcp, tcp);
	return why == TLS_REASON_NO_MEMORY ? -ENOMEM : -EBUSY;
}

int tls_accept(struct tls *t, struct tls_context *x, struct tcp_conn *tcp, void *user,
	struct tls_conn **out)
{
	const struct tls_limits *l = &t->limits;
	const struct postern_endpoint remote = tcp_conn_remote(tcp);
	struct tls_conn *c;

	if (t->use.handshakes >= l->handshakes)
		return give_up(t, tcp, TLS_REASON_HANDSHAKES);
	if (!tls_rates_take(t->addresses, key_of_address(t, &remote.addr), t->now_us,
		    l->address_rate, l->address_burst))
		return give_up(t, tcp, TLS_REASON_ADDRESS_RATE);
	c = conn_new(t, x, user);
	if (c == NULL)
		return give_up(t, tcp, TLS_REASON_NO_MEMORY);
	c->tcp = tcp;
	tcp_conn_set_user(tcp, c);
	SSL_set_accept_state(c->ssl);
	tls_handshake_begin(c);
	if (tcp_readable(tcp) > 0 || tcp_is_finished(tcp))
		tls_handshake_wake(c);
	*out = c;
	return 0;
}

static bool expect(struct tls_conn *c, const struct postern_domain *names, unsigned n)
{
	c->expected = OPENSSL_zalloc(sizeof(*c->expected));
	if (c->expected == NULL)
		return false;
	c->expected->n_names = n;
	memcpy(c->expected->names, names, n * sizeof(names[0]));
	return n == 0 || SSL_set_tlsext_host_name(c->ssl, names[0].text) == 1;
}

int tls_connect(struct tls *t, struct tls_context *x, const struct postern_addr *local,
	const struct postern_endpoint *remote, uint32_t timeout_ms,
	const struct postern_domain *names, unsigned n_names, void *user, struct tls_conn **out)
{
	struct tls_conn *c;
	int rc;

	if (n_names > TLS_NAMES)
		return -EINVAL;
	if (t->use.handshakes >= t->limits.handshakes) {
		t->use.ended[TLS_REASON_HANDSHAKES]++;
		return -EBUSY;
	}
	c = conn_new(t, x, user);
	if (c == NULL)
		return -ENOMEM;
	SSL_set_connect_state(c->ssl);
	rc = expect(c, names, n_names) ? 0 : -ENOMEM;
	if (rc == 0)
		rc = tcp_connect(t->tcp, local, remote, timeout_ms, c, &c->tcp);
	if (rc != 0) {
		tls_conn_free(c);
		return rc;
	}
	tls_peers_use(c);
	*out = c;
	return 0;
}

void tls_conn_set_user(struct tls_conn *c, void *user)
{
	c->user = user;
}

struct tcp_conn *tls_conn_tcp(struct tls_conn *c)
{
	return c->tcp;
}

// A connection that ended without close_notify may be resumed all the same: SIP servers rarely send one,
// and what was lost is for the layer above to notice.
static void free_ssl(struct tls_conn *c)
{
	if (c->ssl == NULL)
		return;
	if (c->state == TLS_OPEN && !c->broken)
		SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(c->ssl);
	c->ssl = NULL;
}

static void forget_handshake(struct tls_conn *c)
{
	if (c->links[TLS_LIST_DEADLINE].in)
		c->t->use.handshakes--;
	tls_list_drop(c, TLS_LIST_DEADLINE);
	tls_list_drop(c, TLS_LIST_STEP);
}

void tls_conn_free(struct tls_conn *c)
{
	struct tls *t = c->t;

	forget_handshake(c);
	for (unsigned l = 0; l < TLS_LISTS; l++)
		tls_list_drop(c, l);
	if (t->scratch_of == c)
		t->scratch_of = NULL;
	free_ssl(c);
	SSL_SESSION_free(c->fresh);
	cert_verdict_release(c->verdict);
	tls_parcel_free(c->parcel);
	OPENSSL_free(c->expected);
	OPENSSL_free(c->in);
	OPENSSL_free(c->out);
	if (c->tcp != NULL)
		tcp_release(t->tcp, c->tcp);
	tls_context_release(c->x);
	t->use.connections--;
	OPENSSL_free(c);
}

// Everything but what tells of it is freed at once, except while a crypto thread has it.
void tls_end(struct tls_conn *c, enum tls_reason reason)
{
	struct tls *t = c->t;

	if (c->state == TLS_ENDED)
		return;
	forget_handshake(c);
	tls_list_drop(c, TLS_LIST_DIRTY);
	if (c->outcome.reason == TLS_REASON_NONE)
		c->outcome.reason = reason;
	t->use.ended[c->outcome.reason]++;
	if (c->outcome.reason == TLS_REASON_CERTIFICATE)
		t->use.refused[c->outcome.certificate]++;
	if (c->fresh != NULL && c->state == TLS_OPEN)
		tls_peers_keep(c);
	// An alert is on its way; what the peer still sends must not turn the end into a reset that overtakes it.
	if (!c->tcp_over) {
		tcp_consume(t->tcp, c->tcp, tcp_readable(c->tcp));
		tcp_shutdown(t->tcp, c->tcp);
	}
	free_ssl(c);
	c->state = TLS_ENDED;
	tls_tell(c, TLS_EVENT_CLOSED);
}

static void closed_by_tcp(struct tls_conn *c)
{
	c->tcp_over = true;
	c->tcp_lost = tcp_conn_reason(c->tcp) != TCP_REASON_FIN;
	if (c->away) {
		c->woken = true;
		return;
	}
	if (c->state == TLS_HANDSHAKE && !c->tcp_lost) {
		tls_handshake_wake(c); // which finds the end behind what lies there
	} else if (c->state == TLS_OPEN && !c->tcp_lost) {
		// What lies there may still be read; the end is told behind it.
		if (c->finished && c->in == NULL && c->t->scratch_of != c)
			tls_end(c, TLS_REASON_CLOSED);
		else
			tls_tell(c, TLS_EVENT_READABLE);
	} else {
		tls_end(c, TLS_REASON_TRANSPORT);
	}
}

void tls_tcp_event(struct tls_conn *c, uint32_t what)
{
	if (c->state == TLS_ENDED) {
		c->tcp_over |= (what & TCP_EVENT_CLOSED) != 0;
		return;
	}
	if ((what & TCP_EVENT_CONNECTED) != 0 && c->state == TLS_CONNECTING) {
		tls_handshake_begin(c);
		tls_handshake_wake(c);
	}
	if ((what & (TCP_EVENT_READABLE | TCP_EVENT_FIN)) != 0) {
		if (c->state == TLS_OPEN)
			tls_tell(c, TLS_EVENT_READABLE);
		else if (c->state == TLS_HANDSHAKE)
			tls_handshake_wake(c);
	}
	if ((what & TCP_EVENT_WRITABLE) != 0 && tls_drain(c)) {
		if (c->state == TLS_OPEN)
			tls_push(c);
		else if (c->state == TLS_HANDSHAKE)
			tls_handshake_wake(c);
	}
	if ((what & TCP_EVENT_CLOSED) != 0 && c->state != TLS_ENDED)
		closed_by_tcp(c);
}

void tls_shutdown(struct tls_conn *c)
{
	if (c->state != TLS_OPEN || c->shut)
		return;
	c->shut = true;
	tls_list_add(c, TLS_LIST_DIRTY);
}

void tls_abort(struct tls_conn *c)
{
	if (c->state == TLS_ENDED)
		return;
	if (!c->tcp_over)
		tcp_abort(c->t->tcp, c->tcp);
	c->tcp_over = c->tcp_lost = true;
	if (c->away) {
		c->doomed = true;
		c->aborted = true;
		return;
	}
	tls_end(c, TLS_REASON_ABORTED);
}

void tls_release(struct tls_conn *c)
{
	tls_list_drop(c, TLS_LIST_EVENT);
	c->events = 0;
	if (c->away) {
		c->doomed = true;
		c->released = true;
		return;
	}
	if (c->state == TLS_OPEN) {
		c->shut = true;
		tls_push(c);
		tls_peers_keep(c);
		if (!c->tcp_over)
			tcp_consume(c->t->tcp, c->tcp, tcp_readable(c->tcp));
	}
	c->released = true;
	tls_conn_free(c);
}
