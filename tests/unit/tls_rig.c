// SPDX-License-Identifier: BSD-2-Clause
// Two TLS instances with a link between them.

#include "tls_rig.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <stdlib.h>
#include <string.h>

#define UNDER_WAY 4096
#define TURN_US   100

struct tls_rig_packet {
	uint64_t at_us;
	bool to_server;
	uint16_t length;
	uint8_t bytes[TCP_RIG_FRAME];
};

static struct postern_endpoint server_at(void)
{
	struct postern_endpoint e = {.port = 5061};

	TCP_RIG_CHECK(postern_addr_parse("192.0.2.2", &e.addr) == 0);
	return e;
}

static uint32_t draw(struct tls_rig *g, uint32_t n)
{
	g->random ^= g->random << 13;
	g->random ^= g->random >> 7;
	g->random ^= g->random << 17;
	return (uint32_t)((g->random >> 20) % n);
}

static void side_new(
	struct tls_rig_side *s, const struct tls_rig_options *o, struct tls_rig *g, bool server)
{
	struct tcp_rig_options t = tcp_rig_defaults();

	t.connections = 1024;
	t.half_open = 1024;
	t.time_wait = 2048;
	t.secret = server;
	t.settings.time_wait = 10;
	t.settings.address_connections = 2000;
	t.settings.address_half_open = 2000;
	if (o->buffer != 0)
		t.settings.receive_buffer = t.settings.send_buffer = o->buffer;
	s->tcp = tcp_rig_new(&t);
	struct tls_setup setup = {
		.tcp = s->tcp->t,
		.limits = o->limits.handshakes != 0 ? o->limits : tls_limits_default(),
		.now_us = g->now_us,
		.wall = g->wall,
	};

	if (server) {
		setup.user = o->user;
		setup.crls = o->crls;
		setup.crypto = o->crypto;
	}
	TCP_RIG_CHECK(tls_new(&setup, &s->t) == 0);
}

void tls_rig_new(struct tls_rig *g, const struct tls_rig_options *o)
{
	const struct postern_endpoint at = server_at();

	memset(g, 0, sizeof(*g));
	g->now_us = 1000000;
	g->wall = PKI_NOW;
	g->delay_us = 100;
	g->random = 88172645463325252u;
	g->loss = o->loss;
	g->link = malloc(UNDER_WAY * sizeof(g->link[0]));
	TCP_RIG_CHECK(g->link != NULL);
	pki_new(&g->pki, "ec");
	X509 *leaf[2] = {
		pki_leaf(&g->pki, "ec", "DNS:sip.example.com,DNS:example.com"), g->pki.issuer};
	X509 *client[2] = {pki_leaf(&g->pki, "ec", "DNS:edge.partner.example"), g->pki.issuer};
	X509 *rsa[2] = {pki_leaf(&g->pki, "rsa2048", "DNS:sip.example.com"), g->pki.issuer};

	g->leaf_pem[0] = pki_pem(leaf, 2);
	g->key_pem[0] = pki_pem_key(pki_key("ec", 0));
	g->leaf_pem[1] = pki_pem(rsa, 2);
	g->key_pem[1] = pki_pem_key(pki_key("rsa2048", 0));
	g->client_pem = pki_pem(client, 2);
	g->client_key_pem = pki_pem_key(pki_key("ec", 0));
	X509_free(leaf[0]);
	X509_free(client[0]);
	X509_free(rsa[0]);
	side_new(&g->client, o, g, false);
	side_new(&g->server, o, g, true);
	TCP_RIG_CHECK(tcp_listen(g->server.tcp->t, &at, NULL) == 0);
	tls_rig_use(g, NULL, NULL);
}

static void side_free(struct tls_rig_side *s)
{
	for (unsigned i = 0; i < TLS_RIG_CONNS; i++)
		free(s->conns[i].bytes);
	tls_context_release(s->x);
	tls_free(s->t);
	tcp_rig_free(s->tcp);
}

void tls_rig_free(struct tls_rig *g)
{
	foreign_free(g);
	tls_rig_clear(g);
	side_free(&g->client);
	side_free(&g->server);
	for (unsigned i = 0; i < 2; i++) {
		OPENSSL_free(g->leaf_pem[i]);
		OPENSSL_free(g->key_pem[i]);
	}
	OPENSSL_free(g->client_pem);
	OPENSSL_free(g->client_key_pem);
	pki_free(&g->pki);
	free(g->link);
}

struct tls_settings tls_rig_settings(struct tls_rig *g, bool is_client)
{
	static struct tls_identity own[2][2];
	struct tls_identity *i = own[is_client];

	i[0] = (struct tls_identity){is_client ? g->client_pem : g->leaf_pem[0], 0,
		is_client ? g->client_key_pem : g->key_pem[0], 0};
	i[1] = (struct tls_identity){g->leaf_pem[1], 0, g->key_pem[1], 0};
	for (unsigned k = 0; k < 2; k++) {
		i[k].chain_size = strlen(i[k].chain);
		i[k].key_size = strlen(i[k].key);
	}
	return (struct tls_settings){
		.is_client = is_client,
		.identities = i,
		.n_identities = is_client ? 1 : 2,
		.trust = g->pki.root_pem,
		.trust_size = strlen(g->pki.root_pem),
		.need_names = true,
	};
}

struct tls_context *tls_rig_context(struct tls_rig *g, const struct tls_settings *s)
{
	struct tls_context *x = NULL;
	char why[256];

	if (tls_context_new(s->is_client ? g->client.t : g->server.t, s, &x, why, sizeof(why)) != 0)
		tcp_rig_failed(why, __FILE__, __LINE__);
	return x;
}

static void use(struct tls_rig *g, struct tls_rig_side *side, const struct tls_settings *s)
{
	const struct tls_settings usual = tls_rig_settings(g, side == &g->client);

	if (side->x != NULL)
		tls_context_release(side->x);
	side->x = tls_rig_context(g, s != NULL ? s : &usual);
}

void tls_rig_use(
	struct tls_rig *g, const struct tls_settings *client, const struct tls_settings *server)
{
	use(g, &g->client, client);
	use(g, &g->server, server);
}

// --- the link

static void collect(struct tls_rig *g, struct tcp_rig *from, bool to_server)
{
	const struct tcp_rig_packet *p;

	while ((p = tcp_rig_take(from)) != NULL) {
		struct tls_rig_packet *k = &g->link[g->n_link];

		if (g->n_link == UNDER_WAY || draw(g, 10000) < g->loss)
			continue;
		k->at_us = g->now_us + g->delay_us;
		k->to_server = to_server;
		k->length = p->length;
		memcpy(k->bytes, p->bytes, p->length);
		g->n_link++;
	}
}

static void deliver(struct tls_rig *g)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < g->n_link; i++) {
		struct tls_rig_packet *k = &g->link[i];

		if (k->at_us <= g->now_us)
			tcp_rig_put(
				k->to_server ? g->server.tcp : g->client.tcp, k->bytes, k->length);
		else
			g->link[kept++] = *k;
	}
	g->n_link = kept;
}

// --- users

static struct tls_rig_conn *conn_new(struct tls_rig_side *s)
{
	struct tls_rig_conn *k = NULL;

	for (unsigned i = 0; i < s->n && k == NULL; i++)
		if (s->conns[i].c == NULL && s->n == TLS_RIG_CONNS)
			k = &s->conns[i];
	if (k == NULL) {
		TCP_RIG_CHECK(s->n < TLS_RIG_CONNS);
		k = &s->conns[s->n++];
	}
	free(k->bytes);
	memset(k, 0, sizeof(*k));
	return k;
}

static void note(struct tls_rig_conn *k)
{
	const struct tls_outcome *o = tls_outcome(k->c);

	k->outcome = *o;
	k->names[0] = '\0';
	for (unsigned i = 0; i < o->n_names; i++) {
		strncat(k->names, i > 0 ? " " : "", sizeof(k->names) - strlen(k->names) - 1);
		strncat(k->names, o->names[i].text, sizeof(k->names) - strlen(k->names) - 1);
	}
	snprintf(k->issuer, sizeof(k->issuer), "%s", o->issuer != NULL ? o->issuer : "");
}

static void take(struct tls_rig_conn *k, const struct iovec *iov)
{
	const size_t room = TLS_RIG_BYTES > k->received ? TLS_RIG_BYTES - k->received : 0;
	const size_t n = iov->iov_len < room ? iov->iov_len : room;

	if (k->bytes == NULL)
		k->bytes = malloc(TLS_RIG_BYTES);
	TCP_RIG_CHECK(k->bytes != NULL);
	memcpy(k->bytes + (room > 0 ? k->received : 0), iov->iov_base, n);
	k->received += iov->iov_len;
	k->reads++;
}

static void read_all(struct tls_rig_conn *k)
{
	struct iovec iov[4];

	while (!k->idle && tls_peek(k->c, iov, 4) > 0) {
		take(k, iov);
		tls_consume(k->c, iov[0].iov_len);
	}
	k->finished = tls_is_finished(k->c);
}

static void tcp_side(struct tls_rig *g, struct tls_rig_side *s)
{
	struct tcp_event e[16];
	unsigned n;

	while ((n = tcp_events(s->tcp->t, e, 16)) > 0)
		for (unsigned i = 0; i < n; i++) {
			if ((e[i].what & TCP_EVENT_ACCEPTED) != 0) {
				struct tls_rig_conn *k = conn_new(s);

				if (tls_accept(s->t, s->x, e[i].conn, k, &k->c) != 0)
					s->refused++;
				else
					tls_tcp_event(k->c, e[i].what);
				continue;
			}
			TCP_RIG_CHECK(e[i].user != NULL);
			tls_tcp_event(e[i].user, e[i].what);
		}
	(void)g;
}

static void tls_side(struct tls_rig_side *s)
{
	struct tls_event e[8];
	unsigned n;

	tls_poll(s->t);
	while ((n = tls_events(s->t, e, 8)) > 0)
		for (unsigned i = 0; i < n; i++) {
			struct tls_rig_conn *k = e[i].user;

			TCP_RIG_CHECK(k->c == e[i].conn && !k->closed);
			k->open |= (e[i].what & TLS_EVENT_OPEN) != 0;
			k->writable |= (e[i].what & TLS_EVENT_WRITABLE) != 0;
			if ((e[i].what & TLS_EVENT_READABLE) != 0)
				read_all(k);
			note(k);
			k->closed |= (e[i].what & TLS_EVENT_CLOSED) != 0;
		}
	tls_flush(s->t);
	tcp_flush(s->tcp->t);
}

static void foreign_turn(struct tls_rig *g);

void tls_rig_turn(struct tls_rig *g)
{
	struct tls_rig_side *sides[2] = {&g->client, &g->server};

	g->now_us += TURN_US;
	deliver(g);
	for (unsigned i = 0; i < 2; i++) {
		struct tls_rig_side *s = sides[i];

		s->tcp->now_us = g->now_us;
		tcp_time(s->tcp->t, g->now_us);
		tls_time(s->t, g->now_us, g->wall);
		tcp_poll(s->tcp->t, 64);
		if (i == 0 && g->foreign != NULL) {
			foreign_turn(g);
			continue;
		}
		tcp_side(g, s);
		tls_side(s);
		tcp_side(g, s);
	}
	if (g->between != NULL)
		g->between(g);
	collect(g, g->client.tcp, true);
	collect(g, g->server.tcp, false);
}

void tls_rig_run(struct tls_rig *g, unsigned ms)
{
	for (unsigned i = 0; i < ms * 1000 / TURN_US; i++)
		tls_rig_turn(g);
}

unsigned tls_rig_connect(struct tls_rig *g, const char *name)
{
	const struct postern_endpoint remote = server_at();
	struct tls_rig_conn *k = conn_new(&g->client);
	struct postern_domain d;
	struct postern_addr local;

	TCP_RIG_CHECK(postern_addr_parse("192.0.2.1", &local) == 0);
	if (name != NULL)
		TCP_RIG_CHECK(postern_domain_parse(name, strlen(name), &d) == 0);
	TCP_RIG_CHECK(tls_connect(g->client.t, g->client.x, &local, &remote, 0, &d, name != NULL, k,
			      &k->c) == 0);
	return (unsigned)(k - g->client.conns);
}

static void clear(struct tls_rig_side *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		if (s->conns[i].c != NULL)
			tls_release(s->conns[i].c);
		s->conns[i].c = NULL;
		free(s->conns[i].bytes);
		s->conns[i].bytes = NULL;
	}
	s->n = 0;
	tcp_flush(s->tcp->t);
}

void tls_rig_clear(struct tls_rig *g)
{
	clear(&g->client);
	clear(&g->server);
	tls_rig_run(g, 100);
	clear(&g->server);
}

// --- a foreign peer

SSL_CTX *foreign_ctx(struct tls_rig *g)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	X509 *leaf = pki_leaf(&g->pki, "ec", "DNS:edge.partner.example");

	TCP_RIG_CHECK(ctx != NULL && SSL_CTX_use_certificate(ctx, leaf) == 1);
	TCP_RIG_CHECK(SSL_CTX_use_PrivateKey(ctx, pki_key("ec", 0)) == 1);
	TCP_RIG_CHECK(SSL_CTX_add1_chain_cert(ctx, g->pki.issuer) == 1);
	X509_free(leaf);
	return ctx;
}

static void on_alert(const SSL *ssl, int where, int value)
{
	struct foreign *f = SSL_get_app_data(ssl);

	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && (value & 0xff) != 0) {
		f->alerts++;
		f->last_alert = (uint8_t)value;
	}
}

struct foreign *foreign_new(struct tls_rig *g, SSL_CTX *ctx)
{
	const struct postern_endpoint remote = server_at();
	struct foreign *f = calloc(1, sizeof(*f));
	struct postern_addr local;

	TCP_RIG_CHECK(f != NULL && g->foreign == NULL);
	TCP_RIG_CHECK(postern_addr_parse("192.0.2.1", &local) == 0);
	f->ctx = ctx;
	if (ctx != NULL) {
		f->ssl = SSL_new(ctx);
		f->in = BIO_new(BIO_s_mem());
		f->out = BIO_new(BIO_s_mem());
		TCP_RIG_CHECK(f->ssl != NULL && f->in != NULL && f->out != NULL);
		BIO_set_mem_eof_return(f->in, -1);
		SSL_set_bio(f->ssl, f->in, f->out);
		SSL_set_app_data(f->ssl, f);
		SSL_set_info_callback(f->ssl, on_alert);
		SSL_set_connect_state(f->ssl);
	}
	TCP_RIG_CHECK(tcp_connect(g->client.tcp->t, &local, &remote, 0, f, &f->tcp) == 0);
	g->foreign = f;
	return f;
}

void foreign_free(struct tls_rig *g)
{
	struct foreign *f = g->foreign;

	if (f == NULL)
		return;
	SSL_free(f->ssl);
	tcp_consume(g->client.tcp->t, f->tcp, tcp_readable(f->tcp));
	tcp_release(g->client.tcp->t, f->tcp);
	tcp_flush(g->client.tcp->t);
	g->foreign = NULL;
	free(f);
}

void foreign_send(struct tls_rig *g, const void *bytes, size_t size)
{
	TCP_RIG_CHECK(tcp_write(g->client.tcp->t, g->foreign->tcp, bytes, size) == size);
}

static void foreign_read(struct tls_rig *g)
{
	struct foreign *f = g->foreign;
	struct iovec iov[8];
	unsigned n;

	while (!f->mute && !f->closed && (n = tcp_peek(g->client.tcp->t, f->tcp, iov, 8)) > 0) {
		size_t size = 0;

		for (unsigned i = 0; i < n; i++) {
			if (f->ssl != NULL)
				TCP_RIG_CHECK(BIO_write(f->in, iov[i].iov_base,
						      (int)iov[i].iov_len) == (int)iov[i].iov_len);
			size += iov[i].iov_len;
			for (size_t b = 0; b < iov[i].iov_len; b++)
				f->bytes[f->n_bytes++ % sizeof(f->bytes)] =
					((uint8_t *)iov[i].iov_base)[b];
		}
		tcp_consume(g->client.tcp->t, f->tcp, size);
	}
	f->fin |= tcp_is_finished(f->tcp);
}

static void foreign_ssl(struct foreign *f)
{
	uint8_t plain[4096];
	size_t got;

	ERR_clear_error();
	if (!f->done && f->error == 0) {
		const int rc = SSL_do_handshake(f->ssl);

		f->done = rc == 1;
		if (rc != 1 && SSL_get_error(f->ssl, rc) == SSL_ERROR_SSL)
			f->error = ERR_GET_REASON(ERR_peek_error());
	}
	while (f->done && SSL_read_ex(f->ssl, plain, sizeof(plain), &got) == 1)
		f->received += got;
	ERR_clear_error();
}

static void foreign_turn(struct tls_rig *g)
{
	struct foreign *f = g->foreign;
	struct tcp_event e[8];
	unsigned n;
	char *bytes;
	long size;

	while ((n = tcp_events(g->client.tcp->t, e, 8)) > 0)
		for (unsigned i = 0; i < n; i++) {
			if (e[i].user != f)
				continue;
			f->connected |= (e[i].what & TCP_EVENT_CONNECTED) != 0;
			f->closed |= (e[i].what & TCP_EVENT_CLOSED) != 0;
		}
	if (f->connected)
		foreign_read(g);
	if (f->connected && f->ssl != NULL) {
		foreign_ssl(f);
		size = BIO_get_mem_data(f->out, &bytes);
		if (size > 0 && !f->closed) {
			const size_t sent =
				tcp_write(g->client.tcp->t, f->tcp, bytes, (size_t)size);
			char skip[4096];

			for (size_t left = sent; left > 0;) {
				const int part = BIO_read(f->out, skip,
					(int)(left < sizeof(skip) ? left : sizeof(skip)));

				left -= (size_t)part;
			}
		}
	}
	tcp_flush(g->client.tcp->t);
}
