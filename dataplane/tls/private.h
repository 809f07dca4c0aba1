// SPDX-License-Identifier: BSD-2-Clause
// What the files of this folder share.

#pragma once

#include "base/bucket.h"
#include "base/hash.h"
#include "tls/tls.h"

#include <openssl/ssl.h>

#define TLS_CHUNK     16384 // plain bytes of a connection that wait, each way; also the largest record
#define TLS_SCRATCH   65536 // plain bytes of whoever is read from just now
#define TLS_NAMES     8     // that a peer we connect to may have
#define TLS_RING      1024  // connections on their way to or from the crypto thread
#define TLS_ODD_RATE  10 // handshake messages a second on an open connection, key updates among them
#define TLS_ODD_BURST 64
#define TLS_LIST_MAX  49152 // bytes of certificates that a peer may send

enum tls_list {
	TLS_LIST_STEP,     // handshakes that can go on
	TLS_LIST_DEADLINE, // all handshakes, the oldest first
	TLS_LIST_EVENT,
	TLS_LIST_DIRTY, // with plain bytes to be sent
	TLS_LISTS
};

struct tls_link {
	struct tls_conn *prev, *next;
	bool in;
};

struct tls_head {
	struct tls_conn *first, *last;
};

enum tls_state {
	TLS_CONNECTING, // TCP is
	TLS_HANDSHAKE,
	TLS_OPEN,
	TLS_ENDED
};

// Cipher text on its way between TCP and a crypto thread.
struct tls_parcel {
	uint8_t *in, *out;
	uint32_t in_size, in_at, in_room;
	uint32_t out_size, out_at, out_room;
	bool finished; // nothing comes behind what lies in `in`
	int result;    // of SSL_do_handshake()
	int error;     // SSL_get_error()
};

struct tls_chunk {
	uint32_t at, size;
	uint32_t pending; // of a record that has been begun
	uint8_t bytes[TLS_CHUNK];
};

// What is known of a handshake while it lasts, freed with it.
struct tls_expected {
	unsigned n_names;
	struct postern_domain names[TLS_NAMES];
};

struct tls_conn {
	// worker: rw
	struct tls_link links[TLS_LISTS];
	struct tls *t;
	struct tls_context *x;
	struct tcp_conn *tcp;
	void *user;
	uint64_t began_us, queued_us;
	struct tls_chunk *in, *out;
	uint32_t events;
	enum tls_state state;
	bool away;     // with the crypto thread: then nothing below is the worker's
	bool doomed;   // to be ended when it comes back
	bool released; // likewise to be freed
	bool aborted;  // likewise: by us
	bool starved;  // tls_write() took too little
	bool shut;     // close_notify is to be sent
	bool notified; // and has been
	bool tcp_over; // nothing can be sent
	bool tcp_lost; // nor read what may lie there
	bool woken;    // something came while it was away
	uint64_t sent;

	// whoever has it: rw
	SSL *ssl;
	struct tls_parcel *parcel;
	struct tls_expected *expected;
	struct cert_verdict *verdict;
	SSL_SESSION *fresh;     // a session that a server gave us
	struct base_bucket odd; // handshake messages on an open connection
	void *asked_for;        // `user` as it was when the step began
	struct tls_outcome outcome;
	uint8_t alert_in, alert_out;
	bool old_ciphers; // all that was offered
	bool flooded, finished, broken;
	bool judged;
};

struct tls_rates;
struct tls_peers;

struct tls_ticket_keys {
	unsigned n;
	uint8_t keys[TLS_TICKET_KEYS][TLS_TICKET_KEY_SIZE];
};

struct tls {
	// Not changed after tls_new().
	struct tcp *tcp;
	struct tls_limits limits;
	struct tls_user user;
	struct cert_crls *crls;
	OSSL_LIB_CTX *lib, *inner;
	OSSL_PROVIDER *provider, *inner_provider;
	BIO_METHOD *method;
	EVP_CIPHER *ticket_cipher;
	struct rte_ring *to_crypto, *from_crypto; // NULL: the worker does handshakes

	struct cert_cache *cache; // whoever does handshakes: rw
	// worker: rw, crypto: ro
	int64_t wall;
	struct tls_ticket_keys *keys;
	struct tls_ticket_keys
		*old_keys;        // worker: those before, of which a callback may still read
	uint64_t tickets_unknown; // whoever does handshakes: rw, others: ro

	// worker: rw
	uint64_t now_us;
	struct tls_head lists[TLS_LISTS];
	struct tls_conn *scratch_of;
	uint32_t scratch_at, scratch_size;
	uint32_t away;
	struct tls_rates *addresses, *partners;
	struct tls_peers *peers;
	struct tls_use use;
	struct base_secret secret;
	uint8_t scratch[TLS_SCRATCH];
};

struct tls_named {
	char name[POSTERN_DOMAIN_MAX + 1];
	SSL_CTX *ctx;
};

struct tls_context {
	struct tls *t;
	uint32_t references; // worker: rw
	SSL_CTX *ctx;        // the default's
	struct cert_trust *trust;
	struct tls_settings settings; // its pointers are not valid any more
	uint8_t policy[CERT_DIGEST_SIZE];
	unsigned n_named;
	struct tls_named *named;
};

// lists.c
void tls_list_add(struct tls_conn *c, enum tls_list l);
void tls_list_drop(struct tls_conn *c, enum tls_list l);
void tls_tell(struct tls_conn *c, uint32_t what);

// library.c
int tls_library_new(struct tls *t);
void tls_library_free(struct tls *t);
OSSL_LIB_CTX *tls_enter(struct tls *t);
void tls_leave(OSSL_LIB_CTX *before);

// bio.c
BIO_METHOD *tls_bio_method(void);
void tls_parcel_free(struct tls_parcel *p);

// hello.c
int tls_hello(SSL *ssl, int *alert, void *context);
int tls_choose(SSL *ssl, int *alert, void *context);

// verify.c
int tls_verify(X509_STORE_CTX *ctx, void *t);
// After the handshake, by whoever did it: what it came to. True: it may go on.
bool tls_conclude(struct tls_conn *c);
void tls_info(const SSL *ssl, int where, int value);
void tls_message(int written, int version, int type, const void *bytes, size_t size, SSL *ssl,
	void *context);
void tls_explain(struct tls_conn *c, int ssl_error);

// session.c
int tls_sessions_set(struct tls_context *x, SSL_CTX *ctx);
void tls_policy_digest(struct tls_context *x);
int tls_peers_new(struct tls *t);
void tls_peers_free(struct tls *t);
void tls_peers_keep(struct tls_conn *c);
void tls_peers_use(struct tls_conn *c);

// rate.c
int tls_rates_new(struct tls_rates **out);
bool tls_rates_take(
	struct tls_rates *r, uint64_t key, uint64_t now_us, uint32_t rate, uint32_t burst);

// handshake.c
void tls_handshake_begin(struct tls_conn *c);
void tls_handshake_wake(struct tls_conn *c);
void tls_end(struct tls_conn *c, enum tls_reason reason);
void tls_conn_free(struct tls_conn *c);

// crypto.c
int tls_crypto_new(struct tls *t);
void tls_crypto_free(struct tls *t);
bool tls_crypto_send(struct tls_conn *c);
void tls_crypto_collect(struct tls *t);
void tls_step(struct tls_conn *c);                             // by whoever has it
void tls_step_done(struct tls_conn *c, int result, int error); // worker

// io.c
void tls_push(struct tls_conn *c);
bool tls_drain(
	struct tls_conn *c); // what the crypto thread has written, to TCP; true: nothing is left

static inline struct tls_conn *tls_conn_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}
