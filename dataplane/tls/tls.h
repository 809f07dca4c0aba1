// SPDX-License-Identifier: BSD-2-Clause
// TLS over the TCP endpoint: plain bytes above, records below, both roles. One instance a worker, which
// the worker calls and nobody else; with a crypto thread that thread does the handshakes, and a
// connection belongs to either of the two at a time.
//
// A turn of whoever stands above, around a turn of tcp/tcp.h:
//
//     tls_time(t, now_us, wall);
//     tcp_events(): for each of a connection here, tls_tcp_event(c, what);
//     tls_poll(t);                            handshakes, as many as the budget allows
//     n = tls_events(t, events, ROOM);        what has happened, one entry a connection
//     tls_peek, tls_consume, tls_write ...
//     tls_flush(t);                           what was written leaves as records, then tcp_flush()
//
// What several writes of one turn have brought leaves in one record as far as it fits. A record is
// decrypted when its bytes are asked for, so that who does not read shuts TCP's window; an idle
// connection holds no buffers.

#pragma once

#include "cert/cert.h"
#include "tcp/tcp.h"

#include "postern/addr.h"
#include "postern/domain.h"
#include "postern/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct tls;
struct tls_context;
struct tls_conn;

// X(enumerator, shown name, what it means)
#define TLS_REASONS(X)                                                                             \
	X(NONE, "open", "it is open, or still opening")                                            \
	X(CLOSED, "closed", "closed by both sides")                                                \
	X(CERTIFICATE, "certificate",                                                              \
		"the peer's certificate was refused, by a reason of its own")                      \
	X(PEER_CERTIFICATE, "peer-refused-certificate",                                            \
		"the peer refused our certificate, with an alert that says so")                    \
	X(PEER_ALERT, "peer-alert", "the peer ended it with an alert")                             \
	X(NO_VERSION, "no-common-version",                                                         \
		"the peer speaks no version of TLS that is allowed here")                          \
	X(NO_CIPHER, "no-common-cipher", "the peer offers no cipher suite that is allowed here")   \
	X(OLD_CIPHERS, "old-ciphers",                                                              \
		"the peer offers only RC4, 3DES or worse, which this OpenSSL does not have: "      \
		"forward mode can still serve it")                                                 \
	X(NO_GROUP, "no-common-group",                                                             \
		"the peer offers no group or signature that is allowed here")                      \
	X(NOT_TLS, "not-tls", "what came was no TLS")                                              \
	X(PROTOCOL, "protocol-error", "the peer broke the rules of TLS")                           \
	X(BAD_RECORD, "bad-record", "a record did not decrypt")                                    \
	X(DOWNGRADE, "downgrade", "a lower version was agreed than both sides speak: an attack")   \
	X(FLOOD, "flood", "too many renegotiations or key updates")                                \
	X(TIMEOUT, "handshake-timeout", "the handshake was not completed in time")                 \
	X(HANDSHAKES, "handshake-limit", "too many handshakes were under way")                     \
	X(ADDRESS_RATE, "address-limit", "too many handshakes of one address")                     \
	X(PARTNER_RATE, "partner-limit", "too many handshakes of one partner")                     \
	X(HUNG_UP, "hung-up", "the peer closed its side in the middle of a handshake")             \
	X(TRUNCATED, "truncated", "the peer closed without saying so in TLS: data may be missing") \
	X(TRANSPORT, "transport", "the TCP connection ended; its own reason tells why")            \
	X(ABORTED, "aborted", "ended by us")                                                       \
	X(NO_MEMORY, "no-memory", "out of memory")

enum tls_reason {
#define X(enumerator, name, help) TLS_REASON_##enumerator,
	TLS_REASONS(X)
#undef X
	TLS_REASON_COUNT
};

// Any thread.
const char *tls_reason_name(enum tls_reason r);
const char *tls_reason_help(enum tls_reason r);
// The name of an alert, as RFC 8446 6 spells it.
const char *tls_alert_name(uint8_t alert);

// --- once for the process

// Lets OpenSSL allocate through mimalloc. Before anything of OpenSSL is used. -EPERM: too late; -ENOSYS:
// built with a sanitizer, which must see each allocation.
int tls_use_allocator(void);

// --- an instance

struct tls_limits {
	uint32_t handshakes; // under way at once
	uint32_t steps; // of handshakes in one turn: each is at most a signature and a key exchange
	uint32_t deadline_ms;
	// Handshakes begun, of one IPv4 address or IPv6 /64, and completed, of one partner (by its first name):
	// so many a second, and so many at once after a rest.
	uint32_t address_rate, address_burst;
	uint32_t partner_rate, partner_burst;
	uint32_t sessions;      // that a server context remembers
	uint32_t peer_sessions; // that are remembered of servers that we connect to
	uint32_t session_seconds;
	uint32_t good_verdicts, bad_verdicts;
};

struct tls_limits tls_limits_default(void);

struct tls_user {
	void *context;
	// Asked when a certificate is known and when a session is resumed: the rules of whom these names
	// belong to. `rules` is zero, which is the context's own. `user` is the connection's. Of a subject's CN beside
	// alternative names it is asked alone, for `accept_cn` and nothing else. Called by the
	// thread that does handshakes, an RCU reader. NULL: the context's rules for all.
	void (*rules)(void *context, void *user, const struct postern_name *names, unsigned n,
		struct postern_peer_tls *rules);
};

struct tls_setup {
	struct tcp *tcp;
	struct tls_limits limits;
	struct tls_user user;
	struct cert_crls *crls; // may be NULL
	uint64_t now_us;
	int64_t wall;
	bool crypto; // handshakes are done by tls_crypto_run() in another thread
};

// 50 ms: it has a library context of its own. -ENOMEM.
int tls_new(const struct tls_setup *setup, struct tls **out);
// When all connections are released, all contexts given up and the crypto thread has stopped.
void tls_free(struct tls *t);

// The library context that keys, certificates and trust of this worker live in.
OSSL_LIB_CTX *tls_library(struct tls *t);

void tls_time(struct tls *t, uint64_t now_us, int64_t wall);

// --- contexts: the TLS settings of a service or a pool

struct tls_identity {
	const char *chain; // PEM: the certificate, and what lies between it and its root
	size_t chain_size;
	const char *key; // PEM, without a password
	size_t key_size;
};

enum tls_verify {
	TLS_VERIFY_REQUIRE, // a peer without a certificate is refused
	TLS_VERIFY_ASK,     // one is asked for, and if there is one it must be good
	TLS_VERIFY_NONE
};

struct tls_settings {
	bool is_client;
	uint8_t lowest_version;  // 10, 12, 13 as in struct postern_peer_tls; 0: 12
	uint8_t highest_version; // 0: 13
	// The first one's is the default; others are chosen by server name (SNI). Of those with the same first
	// name one may be ECDSA and one RSA. A client has one.
	const struct tls_identity *identities;
	unsigned n_identities;
	const char *trust; // PEM
	size_t trust_size;
	const char *intermediates; // that partners forget to send, PEM; NULL: none
	size_t intermediates_size;
	struct cert_floor floor; // zero: the default
	enum tls_verify verify;
	struct postern_peer_tls rules; // of whom `rules` says nothing else
	bool need_names;
	bool tickets; // sessions travel with the peer, under tls_set_ticket_keys()
	bool no_resumption;
	const char *ciphers; // of TLS 1.2 and older, OpenSSL's syntax; NULL: the default
	const char *suites;  // of TLS 1.3
	const char *groups;
	uint16_t organisation; // sessions of one do not resume under another
};

// Builds it in the library context of `t`, some milliseconds. Calls of other functions for the same `t` may
// go on meanwhile in their threads. -EINVAL with a sentence in `why`, -ENOMEM.
int tls_context_new(struct tls *t, const struct tls_settings *s, struct tls_context **out,
	char *why, size_t why_size);
// Connections that use it keep it until they end. Worker.
void tls_context_release(struct tls_context *x);

// A digest of all that decides who may connect; sessions pass between equal ones only.
const uint8_t *tls_context_policy(const struct tls_context *x);

#define TLS_TICKET_KEY_SIZE 80 // name 16, AES-256 32, HMAC-SHA-256 32
#define TLS_TICKET_KEYS     4

// The keys of tickets, as several appliances may share them: the first of `n` encrypts, all decrypt. Copied;
// to be called again to rotate, not faster than once a second. Worker.
int tls_set_ticket_keys(struct tls *t, const uint8_t (*keys)[TLS_TICKET_KEY_SIZE], unsigned n);

// --- connections

// TLS on an accepted TCP connection, which belongs to `*out` from now on. -EBUSY: refused by a limit, and
// the TCP connection has been reset and released; -ENOMEM likewise.
int tls_accept(struct tls *t, struct tls_context *x, struct tcp_conn *tcp, void *user,
	struct tls_conn **out);

// Opens a TCP connection and TLS on it. The peer must prove one of `names`, the first of which it is also
// asked for (SNI); they are copied. None: any certificate of the trust set will do. Errors are those of
// tcp_connect(), and -EBUSY.
int tls_connect(struct tls *t, struct tls_context *x, const struct postern_addr *local,
	const struct postern_endpoint *remote, uint32_t timeout_ms,
	const struct postern_domain *names, unsigned n_names, void *user, struct tls_conn **out);

void tls_conn_set_user(struct tls_conn *c, void *user);
struct tcp_conn *tls_conn_tcp(
	struct tls_conn *c); // to ask for addresses; not to read, write or end

// What has happened to the TCP connection whose user is `c`.
void tls_tcp_event(struct tls_conn *c, uint32_t what);

// Does handshakes within the budget and ends those that took too long.
void tls_poll(struct tls *t);

#define TLS_EVENT_OPEN     0x01u // the handshake is done; tls_outcome() tells with whom
#define TLS_EVENT_READABLE 0x02u // tls_peek() may have bytes, or the end
#define TLS_EVENT_WRITABLE 0x04u // tls_write() takes more after it took too little
#define TLS_EVENT_CLOSED   0x08u // it is over, tls_outcome() says why; only the release is left

struct tls_event {
	struct tls_conn *conn;
	void *user;
	uint32_t what;
};

unsigned tls_events(struct tls *t, struct tls_event *out, unsigned n);

struct tls_outcome {
	enum tls_reason reason;
	enum cert_reason certificate; // GOOD, or why it was refused
	uint8_t alert;                // of who ended it so; 0: none (close_notify is no such end)
	bool alert_is_ours;
	bool resumed;
	bool asked_for_names;             // the peer is who we connected to by name
	uint16_t version;                 // 0x0301 to 0x0304
	const char *cipher;               // OpenSSL's name; NULL: not agreed
	const char *issuer;               // where the chain ends that was found, as text
	const struct postern_name *names; // P; as long as the connection is held
	uint16_t n_names;
	bool by_cn;         // P has the subject's CN by the option
	int64_t good_until; // wall: the first of notAfter and nextUpdate
	int64_t leaf_not_after;
	int error;           // OpenSSL's X509_V_ERR_... if it was the chain
	const char *library; // what OpenSSL said of it, a constant; NULL: nothing
};

const struct tls_outcome *tls_outcome(const struct tls_conn *c);

// Decides again with the rules and lists of now, as is to be done from time to time and when they have
// changed. GOOD, or why it no longer would be; the connection stays. Worker.
enum cert_reason tls_judge_again(struct tls_conn *c);

// Fills `iov` with the bytes that can be read, one piece at present, and returns how many pieces: 0 when
// there are none. They stay where they are until any connection of this instance is peeked at or
// released; what was not consumed by then is kept aside and comes first the next time. Call until it returns 0.
unsigned tls_peek(struct tls_conn *c, struct iovec *iov, unsigned n);
void tls_consume(struct tls_conn *c, size_t bytes);
// True when the peer has said that it will send nothing more (close_notify) and all was consumed.
bool tls_is_finished(const struct tls_conn *c);

// Takes bytes to be sent with the next flush, or as many as there is room for; where that is fewer, WRITABLE
// tells when to go on: that is the back-pressure.
size_t tls_write(struct tls_conn *c, const void *bytes, size_t size);
size_t tls_room(const struct tls_conn *c);
// True when nothing written is left here: all is with TCP.
bool tls_is_flushed(const struct tls_conn *c);
void tls_flush(struct tls *t);

// Half-close: close_notify and a FIN follow what was written; reading goes on.
void tls_shutdown(struct tls_conn *c);
// Ends it at once with an alert and a reset.
void tls_abort(struct tls_conn *c);
// The user is done with it and must not name it again. What was written is still sent, close_notify and a
// FIN follow, if there is room for them at once.
void tls_release(struct tls_conn *c);

// --- the crypto thread

// Does up to `budget` handshake steps that the worker has handed over; how many. The thread is registered
// with RCU. With several workers, called for one after the other.
unsigned tls_crypto_run(struct tls *t, unsigned budget);
// Before that thread ends: what OpenSSL keeps for a thread is freed.
void tls_crypto_stop(struct tls *t);

// --- looking in

struct tls_use {
	uint64_t full, resumed; // handshakes completed
	uint64_t by_cn;         // peers whose subject's CN counted by the option
	uint64_t ended[TLS_REASON_COUNT];
	uint64_t refused[CERT_REASON_COUNT]; // of CERTIFICATE
	uint64_t tickets_unknown;            // that no key of ours opens
	uint64_t records_in, records_out;
	uint32_t connections, handshakes;
	uint64_t
		queue_age_us; // of the handshake that has waited longest for its turn; 0: none waits
	uint64_t queue_age_max_us;
};

struct tls_use tls_use(const struct tls *t);
