// SPDX-License-Identifier: BSD-2-Clause
// Two TLS instances on two TCP engines, with a link between them that delays and loses, on a clock that
// the test turns. In the place of the first a foreign peer may stand: OpenSSL as it comes, or raw bytes.

#pragma once

#include "pki.h"
#include "tcp_rig.h"
#include "tls/tls.h"

#include <openssl/ssl.h>

#define TLS_RIG_CONNS 8
#define TLS_RIG_BYTES (1u << 20)

struct tls_rig_conn {
	struct tls_conn *c;
	bool open, closed, finished, writable;
	bool idle; // nothing is read
	struct tls_outcome outcome;
	char names[512]; // P, with spaces between
	char issuer[128];
	size_t received;
	uint8_t *bytes; // the first TLS_RIG_BYTES of what was received
	unsigned reads; // pieces that were read
};

struct tls_rig_side {
	struct tcp_rig *tcp;
	struct tls *t;
	struct tls_context *x; // for connections that begin
	struct tls_rig_conn conns[TLS_RIG_CONNS];
	unsigned n, refused;
};

struct tls_rig {
	struct tls_rig_side client, server;
	struct pki pki;
	char *leaf_pem[2], *key_pem[2], *client_pem, *client_key_pem;
	uint64_t now_us;
	int64_t wall;
	unsigned loss;     // in 10,000
	uint32_t delay_us; // [100]
	uint64_t random;
	struct foreign *foreign;
	unsigned n_link;
	struct tls_rig_packet *link;
	void (*between)(struct tls_rig *g); // called each turn: another thread's work
};

struct tls_rig_options {
	struct tls_limits limits; // zero: the defaults
	struct tls_user user;     // of the server
	struct cert_crls *crls;   // likewise
	bool crypto;              // likewise
	unsigned loss;
	uint32_t buffer; // of TCP, each way; 0: the default
};

void tls_rig_new(struct tls_rig *g, const struct tls_rig_options *o);
void tls_rig_free(struct tls_rig *g);

// The usual settings: certificates of the rig's authority, both sides verify. To be changed and made.
struct tls_settings tls_rig_settings(struct tls_rig *g, bool is_client);
struct tls_context *tls_rig_context(struct tls_rig *g, const struct tls_settings *s);
// Both sides' with these settings, or the usual ones where NULL; the old ones are given up.
void tls_rig_use(
	struct tls_rig *g, const struct tls_settings *client, const struct tls_settings *server);

// Begins a connection and returns its number on the client's side. `name` NULL: none is expected.
unsigned tls_rig_connect(struct tls_rig *g, const char *name);
void tls_rig_turn(struct tls_rig *g);
// Turns until nothing is under way, or so many milliseconds have passed.
void tls_rig_run(struct tls_rig *g, unsigned ms);
// Releases the connections of both sides, and lets them end.
void tls_rig_clear(struct tls_rig *g);

// --- a foreign peer in the place of the client

struct foreign {
	SSL_CTX *ctx;
	SSL *ssl; // NULL: raw bytes
	BIO *in, *out;
	struct tcp_conn *tcp;
	bool connected, closed, fin, done; // done: its handshake
	bool mute;                         // reads nothing
	int error;                         // of the handshake, SSL_R_...
	unsigned alerts;
	uint8_t last_alert;
	size_t received;
	uint8_t bytes[16384]; // raw, the last ones
	size_t n_bytes;
};

// `ctx` NULL: raw. Its SSL is there before the first turn, to be set up.
struct foreign *foreign_new(struct tls_rig *g, SSL_CTX *ctx);
void foreign_send(struct tls_rig *g, const void *bytes, size_t size);
void foreign_free(struct tls_rig *g);
// OpenSSL's client with the rig's certificate.
SSL_CTX *foreign_ctx(struct tls_rig *g);
