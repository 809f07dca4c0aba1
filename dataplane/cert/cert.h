// SPDX-License-Identifier: BSD-2-Clause
// Certificates of peers: which names one proves, whether its chain leads to a root of ours, whether it
// is revoked. Nothing here reads a file or asks the network: control hands in bytes.
//
//     cert_check()    the chain a peer presented -> a verdict, from the cache where it has been seen
//     cert_judge()    a verdict and the rules of one partner -> good, or the reason
//
// A verdict holds what does not depend on the partner, so that one serves all; it stays true until a
// certificate of its chain ends. Revocation is looked up each time one is judged: it costs a probe for
// each certificate of the chain, and a list that has come or gone stale counts at once.
//
// Threads. A trust set is not changed once it is used. A cache has one user, the thread that does the
// handshakes of its worker. Verdicts are counted atomically: a connection of the worker holds one
// that its crypto thread has made. The set of revocation lists is RCU (QSBR): readers are registered.
//
// Wall time is seconds since 1970, as control tells it.

#pragma once

#include "postern/domain.h"
#include "postern/policy.h"

#include <openssl/x509.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CERT_NAMES_MAX    512 // of one certificate; Microsoft's own has some 200
#define CERT_CHAIN_MAX    10  // certificates that a peer presents
#define CERT_DEPTH_MAX    8   // of a chain from leaf to root, the root included
#define CERT_POINTS_MAX   4   // distribution points of one certificate that are looked at
#define CERT_SERIAL_MAX   20  // bytes (RFC 5280 4.1.2.2)
#define CERT_DIGEST_SIZE  32  // SHA-256
#define CERT_PACKED_MAX   2048
#define CERT_ISSUER_SHOWN 96

// X(enumerator, shown name, for the operator, for the partner)
#define CERT_REASONS(X)                                                                            \
	X(GOOD, "good", "the certificate is good", "the certificate is accepted")                  \
	X(NONE, "no-certificate", "the partner presented no certificate",                          \
		"present a certificate: the connection must be mutually authenticated")            \
	X(MALFORMED, "malformed", "a certificate of the chain cannot be read",                     \
		"the certificate, or one presented with it, is malformed; have it issued anew")    \
	X(EXPIRED, "expired", "a certificate of the chain has expired",                            \
		"the certificate, or one of its issuers, has expired; renew it")                   \
	X(NOT_YET_VALID, "not-yet-valid",                                                          \
		"a certificate of the chain is not valid yet; see also the clock here",            \
		"the certificate is not valid yet; see the date of its issue and the clocks")      \
	X(CHAIN_INCOMPLETE, "chain-incomplete",                                                    \
		"the issuer of the partner's certificate was not sent with it, and is not known "  \
		"here",                                                                            \
		"send the intermediate certificates together with the certificate")                \
	X(UNKNOWN_CA, "unknown-ca",                                                                \
		"the chain ends at a certification authority that this service does not trust",    \
		"use a certificate of a certification authority that we both trust")               \
	X(SELF_SIGNED, "self-signed",                                                              \
		"the certificate is signed by itself, and is not trusted as it is",                \
		"use a certificate that a certification authority has issued")                     \
	X(BAD_SIGNATURE, "bad-signature", "a signature in the chain is wrong",                     \
		"the certificate was not signed by the issuer that was sent with it")              \
	X(NOT_A_CA, "not-a-ca", "a certificate of the chain was issued by one that may not",       \
		"an intermediate certificate is none of a certification authority")                \
	X(PATH_LENGTH, "path-length", "the chain is longer than one of its issuers allows",        \
		"the chain is longer than its path length constraint allows")                      \
	X(CHAIN_TOO_LONG, "chain-too-long", "more certificates than any sound chain has",          \
		"send only the certificates between yours and its root")                           \
	X(NAME_CONSTRAINTS, "name-constraints",                                                    \
		"the certificate has names that its issuer may not certify",                       \
		"the issuer's name constraints do not permit the names of the certificate")        \
	X(CRITICAL_EXTENSION, "critical-extension",                                                \
		"a certificate has a critical extension that nobody here knows",                   \
		"the certificate has a critical extension that we do not know")                    \
	X(WEAK_KEY, "weak-key", "a key of the chain is shorter, or of another kind, than allowed", \
		"use an RSA key of at least 2048 bits or an ECDSA key of at least 256")            \
	X(WEAK_SIGNATURE, "weak-signature", "a signature of the chain uses SHA-1, MD5 or worse",   \
		"have the certificate issued with SHA-256 or better")                              \
	X(POLICY, "policy", "the chain does not satisfy certificate policies that it demands",     \
		"the chain does not satisfy the certificate policies that it demands itself")      \
	X(KEY_USAGE, "key-usage", "the certificate is not meant for this use of it",               \
		"the certificate's (extended) key usage does not permit what it was used for")     \
	X(NO_NAMES, "no-names", "the certificate proves no domain name",                           \
		"the certificate needs its server's name as a DNS name in the subject "            \
		"alternative names")                                                               \
	X(NAME_NUL, "name-nul", "a name of the certificate has a NUL in it: an attack",            \
		"a name of the certificate has a NUL character in it")                             \
	X(WILDCARD, "wildcard", "the certificate has only wildcard names, which prove nothing",    \
		"wildcard names are not accepted in federation; name the server in full")          \
	X(ADDRESS_ONLY, "address-only", "the certificate has only IP addresses",                   \
		"the certificate needs its server's name, not its address")                        \
	X(TOO_MANY_NAMES, "too-many-names", "the certificate has more names than are read",        \
		"the certificate has too many subject alternative names")                          \
	X(NAME_MISMATCH, "name-mismatch",                                                          \
		"the certificate proves none of the names that the peer was reached by",           \
		"the certificate does not have the name by which the server is reached")           \
	X(REVOKED, "revoked", "a certificate of the chain is on its issuer's revocation list",     \
		"the certificate, or one of its issuers, has been revoked")                        \
	X(CRL_STALE, "crl-stale",                                                                  \
		"the newest revocation list that is known of an issuer is out of date",            \
		"your certification authority's revocation list is out of date")                   \
	X(CRL_UNKNOWN, "crl-unknown", "no revocation list is known of an issuer of the chain",     \
		"your certification authority's revocation list cannot be had")                    \
	X(VERSION_LOW, "version-low", "the TLS version is lower than set for this partner",        \
		"use a newer version of TLS")                                                      \
	X(NO_MEMORY, "no-memory", "out of memory while checking", "try again later")               \
	X(OTHER, "other", "the chain was refused for a rarer reason",                              \
		"the certificate chain does not satisfy RFC 5280")

enum cert_reason {
#define X(enumerator, name, operator_text, partner_text) CERT_##enumerator,
	CERT_REASONS(X)
#undef X
	CERT_REASON_COUNT
};

// Any thread.
const char *cert_reason_name(enum cert_reason r);
const char *cert_reason_for_operator(enum cert_reason r);
const char *cert_reason_for_partner(enum cert_reason r);

// --- P, the names that a certificate proves

struct cert_names {
	// Those of the subject alternative names: all dNSNames, and the hosts of sip URIs without user part.
	// Behind them lies the subject's CN, if it is one, which is not among the `n`.
	const struct postern_name *names;
	uint16_t n;
	bool has_cn;
	bool has_alternative;     // there is such an extension, so the CN counts only by an option
	uint16_t wildcards;       // names that were passed over
	uint16_t addresses;       // likewise: IP addresses
	uint16_t others;          // likewise: malformed, other schemes, with a user part
	enum cert_reason problem; // NAME_NUL, TOO_MANY_NAMES, MALFORMED, NO_MEMORY; or GOOD
};

// Reads them into one allocation, which `*memory` tells to be freed with OPENSSL_free(). Any thread.
void cert_names_read(const X509 *certificate, struct cert_names *out, void **memory);

// --- trust

// The least that is accepted in a chain, whatever OpenSSL's security level: at level 0, which TLS 1.0
// needs for its own signatures, OpenSSL would take anything.
struct cert_floor {
	uint16_t rsa_bits;
	uint16_t ec_bits;
	bool sha1; // SHA-1 is taken; MD5 and older never are
};

// RSA 2048, EC 256 (of which a bit more or less is no matter: 255 for Ed25519), no SHA-1.
struct cert_floor cert_floor_default(void);

struct cert_trust;

// Reads roots from PEM into a set of `lib`, which it must not outlive. -EINVAL with a sentence in
// `why`; -ENOMEM. Freed with cert_trust_free() when no context uses it.
int cert_trust_new(OSSL_LIB_CTX *lib, const struct cert_floor *floor, const void *pem, size_t size,
	struct cert_trust **out, char *why, size_t why_size);
void cert_trust_free(struct cert_trust *t);

// Adds intermediates that partners forget to send and control has remembered, PEM as above. They are used
// to build a chain and are trusted in nothing. Before the set is used.
int cert_trust_add_intermediates(
	struct cert_trust *t, const void *pem, size_t size, char *why, size_t why_size);

// What makes two sets the same for a session that is resumed: roots and floor, not intermediates.
const uint8_t *cert_trust_digest(const struct cert_trust *t);

// --- revocation

struct cert_crls;

int cert_crls_new(struct cert_crls **out);
// When nobody reads any more. Waits for grace periods.
void cert_crls_free(struct cert_crls *s);

// What of a list counts.
struct cert_crl_facts {
	int64_t this_update, next_update;
	uint32_t revoked;
	uint64_t number; // 0: it has none
};

// Takes a list, DER or PEM, that `issuer` must have signed, a certificate that is trusted already. A newer
// list of the same issuer and distribution point takes the place of an older one. -EINVAL with a
// sentence in `why`: unreadable, not its issuer's, or of a kind that proves nothing by itself (delta,
// indirect, some reasons only, without an end). -EKEYREJECTED: wrong signature. -ESTALE: a newer one is
// known. -ENOSPC, -ENOMEM. One thread at a time, which is registered with RCU; not a worker.
int cert_crls_set(struct cert_crls *s, const X509 *issuer, const void *bytes, size_t size,
	struct cert_crl_facts *facts, char *why, size_t why_size);

// Forgets lists whose nextUpdate is before that. How many.
unsigned cert_crls_expire(struct cert_crls *s, int64_t before);

// --- verdicts

#define CERT_USE_SERVER 0x1u // extended key usage: what the whole chain permits
#define CERT_USE_CLIENT 0x2u
#define CERT_USE_SIP    0x4u // id-kp-sipDomain (RFC 5924)

// A certificate of the chain as revocation is looked up for it.
struct cert_link {
	uint8_t issuer[CERT_DIGEST_SIZE]; // its issuer's name and key
	uint64_t points[CERT_POINTS_MAX]; // hashes of its distribution points
	uint8_t serial[CERT_SERIAL_MAX];
	uint8_t serial_size;
	uint8_t n_points;
	bool is_ca;
};

struct cert_verdict {
	uint8_t key[CERT_DIGEST_SIZE];   // of the chain as presented, and of the trust set
	uint8_t trust[CERT_DIGEST_SIZE]; // cert_trust_digest()
	enum cert_reason reason;         // of the chain
	int error;                       // OpenSSL's X509_V_ERR_..., for what became of it
	uint8_t at;                      // depth in the chain at which that was found
	uint8_t n_links;
	uint8_t uses;     // CERT_USE_...
	bool can_sign;    // key usage permits signatures (or says nothing)
	bool can_encrypt; // likewise the exchange of keys
	uint16_t key_bits;
	int64_t not_before, not_after; // of the whole chain
	int64_t leaf_not_after;
	struct cert_names names;
	struct cert_link links[CERT_DEPTH_MAX]; // leaf first, without the root
	char issuer[CERT_ISSUER_SHOWN];         // of the last certificate that was found, as text
	uint32_t references;                    // atomic
	void *memory;                           // of names
};

void cert_verdict_hold(struct cert_verdict *v);
void cert_verdict_release(struct cert_verdict *v); // NULL is fine

struct cert_cache;

// Room for `good` verdicts and `bad` ones apart, so that who presents one bad chain after the other pushes
// no partner out.
int cert_cache_new(OSSL_LIB_CTX *lib, unsigned good, unsigned bad, struct cert_cache **out);
void cert_cache_free(struct cert_cache *c);

struct cert_cache_use {
	uint64_t hits, misses;
	unsigned good, bad; // held now
};

struct cert_cache_use cert_cache_use(const struct cert_cache *c);

// The verdict on a chain, leaf first (which may be in the stack as well). Never NULL but for lack of
// memory; released by the caller.
struct cert_verdict *cert_check(struct cert_cache *c, const struct cert_trust *t, X509 *leaf,
	STACK_OF(X509) * chain, int64_t now);

// What a resumed session needs of its verdict, as bytes that travel in a ticket: the names come from the
// leaf, which the ticket holds as well. The size, at most CERT_PACKED_MAX.
size_t cert_verdict_pack(const struct cert_verdict *v, uint8_t out[static CERT_PACKED_MAX]);
// The verdict out of the cache if it is there, else made of the bytes and the leaf. NULL: malformed, of
// another trust set, or no memory; then the session is of no use.
struct cert_verdict *cert_verdict_unpack(struct cert_cache *c, const struct cert_trust *t,
	const X509 *leaf, const uint8_t *bytes, size_t size);

// --- the rules of one partner

struct cert_rules {
	enum postern_key_usage key_usage;   // DEFAULT: accept-server-auth
	enum postern_revocation revocation; // DEFAULT: try
	bool accept_cn;                     // the CN counts although there are alternative names
	bool need_names;                    // a certificate that proves none is refused
	bool peer_is_client;                // it has connected to us
};

struct cert_judgement {
	enum cert_reason reason;
	const struct postern_name *names; // P, as long as the verdict is held
	uint16_t n_names;
	bool by_cn;         // the CN is among them by the option: to be counted
	int64_t good_until; // of a good one: first of notAfter and nextUpdate
};

// `crls` may be NULL: no list is known. The calling thread is an RCU reader.
void cert_judge(const struct cert_verdict *v, const struct cert_rules *rules,
	struct cert_crls *crls, int64_t now, struct cert_judgement *out);

// True if one of the names is among P.
bool cert_proves(const struct cert_judgement *j, const struct postern_domain *name);
