// SPDX-License-Identifier: BSD-2-Clause
// TLS handshakes, both ends in one process on one CPU: ours over two TCP endpoints, and OpenSSL's as it is
// commonly used, over memory. Then memory of idle connections. Prints one JSON object a line;
// bench/handshake makes figures of them.
//
// Arguments: seconds of each measurement [1], and idle connections [2000].

#include "tls_rig.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct pki pki;
static char *chain_pem[2], *key_pem[2]; // server, client
static double seconds = 1;
static unsigned idle = 2000;

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#define CHECK(x) ((x) ? (void)0 : stop(#x, __LINE__))

static void stop(const char *what, int line)
{
	fprintf(stderr, "handshake.c:%d: %s\n", line, what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static void make(const char *kind)
{
	static const char *const names[] = {
		"DNS:sip.example.com,DNS:example.com", "DNS:edge.partner.example"};

	pki_new(&pki, kind);
	for (unsigned i = 0; i < 2; i++) {
		const struct pki_options o = {.cn = "leaf", .alternative = names[i]};
		X509 *both[2] = {
			pki_issue(&o, pki_key(kind, i), pki.issuer, pki.issuer_key), pki.issuer};

		chain_pem[i] = pki_pem(both, 2);
		key_pem[i] = pki_pem_key(pki_key(kind, i));
		X509_free(both[0]);
	}
}

static void unmake(void)
{
	for (unsigned i = 0; i < 2; i++) {
		OPENSSL_free(chain_pem[i]);
		OPENSSL_free(key_pem[i]);
	}
	pki_free(&pki);
}

static void print(const char *what, const char *kind, int version, const char *how, double rate)
{
	printf("{\"what\": \"%s\", \"key\": \"%s\", \"version\": \"%s\", \"how\": \"%s\", "
	       "\"rate\": %.1f}\n",
		what, kind, version == 13 ? "1.3" : "1.2", how, rate);
	fflush(stdout);
}

// --- OpenSSL as it is commonly used: one context a side, memory in between

static SSL_CTX *common_ctx(unsigned side, int version, const char *how)
{
	SSL_CTX *ctx = SSL_CTX_new(side == 0 ? TLS_server_method() : TLS_client_method());
	BIO *in = BIO_new_mem_buf(chain_pem[side], -1);
	X509 *leaf = PEM_read_bio_X509(in, NULL, NULL, NULL);
	X509 *issuer = PEM_read_bio_X509(in, NULL, NULL, NULL);
	BIO *key_in = BIO_new_mem_buf(key_pem[side], -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(key_in, NULL, NULL, NULL);
	const int wire = version == 13 ? TLS1_3_VERSION : TLS1_2_VERSION;

	CHECK(ctx != NULL && leaf != NULL && issuer != NULL && key != NULL);
	CHECK(SSL_CTX_use_certificate(ctx, leaf) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1);
	CHECK(SSL_CTX_add0_chain_cert(ctx, issuer) == 1);
	CHECK(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), pki.root) == 1);
	X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(ctx), PKI_NOW);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_session_id_context(ctx, (const uint8_t *)"bench", 5);
	SSL_CTX_set_min_proto_version(ctx, wire);
	SSL_CTX_set_max_proto_version(ctx, wire);
	SSL_CTX_set1_groups_list(ctx, "P-256");
	if (strcmp(how, "ticket") != 0)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, strcmp(how, "full") == 0 ? 0 : 1);
	if (strcmp(how, "full") == 0)
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	X509_free(leaf);
	EVP_PKEY_free(key);
	BIO_free(in);
	BIO_free(key_in);
	return ctx;
}

static SSL_SESSION *common_once(SSL_CTX *const *ctx, SSL_SESSION *resume, bool want)
{
	SSL *s[2] = {SSL_new(ctx[0]), SSL_new(ctx[1])};
	BIO *a, *b;
	SSL_SESSION *out = NULL;
	char byte;

	CHECK(BIO_new_bio_pair(&a, 65536, &b, 65536) == 1);
	SSL_set_bio(s[0], a, a);
	SSL_set_bio(s[1], b, b);
	SSL_set_accept_state(s[0]);
	SSL_set_connect_state(s[1]);
	if (resume != NULL)
		CHECK(SSL_set_session(s[1], resume) == 1);
	for (unsigned i = 0; SSL_in_init(s[0]) || SSL_in_init(s[1]); i++) {
		SSL_do_handshake(s[1]);
		SSL_do_handshake(s[0]);
		CHECK(i < 10);
	}
	SSL_read(s[1], &byte, 1); // tickets of TLS 1.3
	CHECK(SSL_session_reused(s[1]) == (resume != NULL));
	if (want)
		out = SSL_get1_session(s[1]);
	for (unsigned i = 0; i < 2; i++) {
		SSL_shutdown(s[i]);
		SSL_free(s[i]);
	}
	return out;
}

static void common(const char *kind, int version, const char *how)
{
	SSL_CTX *ctx[2] = {common_ctx(0, version, how), common_ctx(1, version, how)};
	const bool full = strcmp(how, "full") == 0;
	SSL_SESSION *s = common_once(ctx, NULL, !full), *next;
	uint64_t began = cpu_ns(), now;
	unsigned n = 0;

	do {
		next = common_once(ctx, s, !full);
		SSL_SESSION_free(s);
		s = next;
		n++;
		now = cpu_ns();
	} while ((double)(now - began) < seconds * 1e9);
	SSL_SESSION_free(s);
	print("openssl", kind, version, how, n / ((double)(now - began) / 1e9));
	SSL_CTX_free(ctx[0]);
	SSL_CTX_free(ctx[1]);
}

// --- ours

struct end {
	struct tls *t;
	struct tcp_rig *tcp;
	struct tls_context *x;
};

static struct end ends[2]; // server, client
static uint64_t now_us;
static unsigned opened, resumed;

static void end_new(struct end *e, unsigned side, const struct tls_settings *s)
{
	struct tcp_rig_options o = tcp_rig_defaults();
	struct tls_limits l = tls_limits_default();
	char why[256];

	o.connections = idle + 64;
	o.half_open = 256;
	o.time_wait = 256;
	o.secret = (uint8_t)side;
	o.settings.time_wait = 1;
	o.settings.address_connections = idle + 64;
	e->tcp = tcp_rig_new(&o);
	l.address_rate = l.partner_rate = 0;
	l.steps = 64;
	const struct tls_setup setup = {
		.tcp = e->tcp->t, .limits = l, .now_us = now_us, .wall = PKI_NOW};

	CHECK(tls_new(&setup, &e->t) == 0);
	if (tls_context_new(e->t, s, &e->x, why, sizeof(why)) != 0)
		stop(why, __LINE__);
}

static struct tls_conn *accepted, *connected;

static void take(struct end *e)
{
	struct tcp_event t[16];
	struct tls_event v[16];
	unsigned n;

	while ((n = tcp_events(e->tcp->t, t, 16)) > 0)
		for (unsigned i = 0; i < n; i++)
			if ((t[i].what & TCP_EVENT_ACCEPTED) != 0)
				CHECK(tls_accept(e->t, e->x, t[i].conn, NULL, &accepted) == 0);
			else
				tls_tcp_event(t[i].user, t[i].what);
	tls_poll(e->t);
	while ((n = tls_events(e->t, v, 16)) > 0)
		for (unsigned i = 0; i < n; i++) {
			struct iovec iov[1];

			if ((v[i].what & TLS_EVENT_OPEN) != 0) {
				opened++;
				resumed += tls_outcome(v[i].conn)->resumed;
			}
			if ((v[i].what & TLS_EVENT_CLOSED) != 0 && opened == 0)
				stop(tls_reason_name(tls_outcome(v[i].conn)->reason), __LINE__);
			while (tls_peek(v[i].conn, iov, 1) > 0)
				tls_consume(v[i].conn, iov[0].iov_len);
		}
	tls_flush(e->t);
	tcp_flush(e->tcp->t);
}

// Packets go straight to the other side.
static void turn(void)
{
	now_us += 50;
	for (unsigned i = 0; i < 2; i++) {
		const struct tcp_rig_packet *p;

		ends[i].tcp->now_us = now_us;
		tcp_time(ends[i].tcp->t, now_us);
		tls_time(ends[i].t, now_us, PKI_NOW);
		tcp_poll(ends[i].tcp->t, 64);
		take(&ends[i]);
		while ((p = tcp_rig_take(ends[i].tcp)) != NULL)
			tcp_rig_put(ends[!i].tcp, p->bytes, p->length);
		tcp_rig_let_go(ends[i].tcp);
	}
}

static void ours_begin(int version, const char *how)
{
	const bool full = strcmp(how, "full") == 0;
	struct postern_endpoint at = {.port = 5061};
	const struct tls_identity own[2] = {
		{chain_pem[0], strlen(chain_pem[0]), key_pem[0], strlen(key_pem[0])},
		{chain_pem[1], strlen(chain_pem[1]), key_pem[1], strlen(key_pem[1])}};
	uint8_t keys[1][TLS_TICKET_KEY_SIZE] = {{1, 2, 3}};

	now_us = 1000000;
	for (unsigned i = 0; i < 2; i++) {
		const struct tls_settings s = {
			.is_client = i == 1,
			.lowest_version = (uint8_t)version,
			.highest_version = (uint8_t)version,
			.identities = &own[i],
			.n_identities = 1,
			.trust = pki.root_pem,
			.trust_size = strlen(pki.root_pem),
			.need_names = true,
			.groups = "P-256",
			.no_resumption = full,
			.tickets = strcmp(how, "ticket") == 0,
		};

		end_new(&ends[i], i, &s);
	}
	CHECK(tls_set_ticket_keys(ends[0].t, keys, 1) == 0);
	CHECK(postern_addr_parse("192.0.2.2", &at.addr) == 0);
	CHECK(tcp_listen(ends[0].tcp->t, &at, NULL) == 0);
}

static void ours_end(void)
{
	for (unsigned i = 0; i < 200; i++)
		turn();
	for (unsigned i = 0; i < 2; i++) {
		tls_context_release(ends[i].x);
		tls_free(ends[i].t);
		tcp_fini(ends[i].tcp->t);
		tcp_rig_let_go(ends[i].tcp);
		tcp_rig_abandon(ends[i].tcp);
	}
}

static void ours_open(void)
{
	struct postern_endpoint at = {.port = 5061};
	struct postern_addr local;
	struct postern_domain name;

	CHECK(postern_addr_parse("192.0.2.2", &at.addr) == 0);
	CHECK(postern_addr_parse("192.0.2.1", &local) == 0);
	CHECK(postern_domain_parse("sip.example.com", 15, &name) == 0);
	accepted = connected = NULL;
	opened = 0;
	CHECK(tls_connect(ends[1].t, ends[1].x, &local, &at, 0, &name, 1, NULL, &connected) == 0);
	for (unsigned i = 0; opened < 2; i++) {
		turn();
		CHECK(i < 100);
	}
	turn(); // the ticket of TLS 1.3
}

static void ours(const char *kind, int version, const char *how)
{
	const bool full = strcmp(how, "full") == 0;
	uint64_t began, now;
	unsigned n = 0;

	ours_begin(version, how);
	for (unsigned warm = 1;; warm = 0) {
		if (n == 0 && !warm)
			began = cpu_ns();
		resumed = 0;
		ours_open();
		CHECK(warm || resumed == (full ? 0 : 2));
		tls_release(connected);
		tls_release(accepted);
		if (warm)
			continue;
		n++;
		now = cpu_ns();
		if ((double)(now - began) >= seconds * 1e9)
			break;
	}
	print("postern", kind, version, how, n / ((double)(now - began) / 1e9));
	ours_end();
}

// --- memory of what is idle

static size_t resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long whole = 0, here = 0;

	CHECK(f != NULL && fscanf(f, "%lu %lu", &whole, &here) == 2);
	fclose(f);
	return here * 4096;
}

// The engines' own memory has been touched before: what a connection takes of it.
static double tcp_each(void)
{
	struct tcp_setup a = {.settings = tcp_settings_default(),
		.connections = 10000,
		.half_open = 64,
		.time_wait = 64,
		.listeners = 4,
		.buffers = 64};
	const size_t few = tcp_memory(&a);

	a.connections = 20000;
	return (double)(tcp_memory(&a) - few) / 10000;
}

static void hold(int version)
{
	struct tls_conn **held = calloc(2 * idle, sizeof(held[0]));
	size_t before;

	CHECK(held != NULL);
	ours_begin(version, "cache");
	for (unsigned i = 0; i < 2; i++)
		held[i] = NULL;
	ours_open();
	tls_release(connected);
	tls_release(accepted);
	before = resident();
	for (unsigned i = 0; i < idle; i++) {
		ours_open();
		held[2 * i] = connected;
		held[2 * i + 1] = accepted;
	}
	printf("{\"what\": \"idle\", \"version\": \"%s\", \"connections\": %u, \"bytes\": %.0f}\n",
		version == 13 ? "1.3" : "1.2", idle,
		(double)(resident() - before) / (2.0 * idle) + tcp_each());
	fflush(stdout);
	for (unsigned i = 0; i < 2 * idle; i++) {
		tls_release(held[i]);
		turn(); // what says so leaves
	}
	free(held);
	ours_end();
}

int main(int argc, char **argv)
{
	static const char *const kinds[] = {"ec", "rsa2048"};
	static const char *const hows[] = {"full", "cache", "ticket"};

	if (argc > 1)
		seconds = atof(argv[1]);
	if (argc > 2)
		idle = (unsigned)atoi(argv[2]);
	// OpenSSL alone goes first in a process of its own, with the allocator it comes with.
	const bool alone = argc > 3 && strcmp(argv[3], "openssl") == 0;

	if (!alone)
		CHECK(tls_use_allocator() <= 0);
	for (unsigned k = 0; k < 2; k++) {
		make(kinds[k]);
		for (int version = 12; version <= 13; version++)
			for (unsigned h = 0; h < 3; h++)
				(alone ? common : ours)(kinds[k], version, hows[h]);
		if (k == 0 && !alone)
			for (int version = 12; version <= 13; version++)
				hold(version);
		unmake();
	}
	return 0;
}
