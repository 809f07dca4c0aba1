// SPDX-License-Identifier: BSD-2-Clause
// What may come of each step towards a partner's server, what that means, and what to ask for. Pure;
// any thread may call.

#pragma once

#include <stdbool.h>
#include <stdint.h>

// Steps in their order. The names are an interface to scripts.
#define PARTNER_STEPS(X)                                                                           \
	X(DECISION, "decision")                                                                    \
	X(SRV, "srv")                                                                              \
	X(ADDRESS, "address")                                                                      \
	X(TCP, "tcp")                                                                              \
	X(TLS, "tls")                                                                              \
	X(CERTIFICATE, "certificate")                                                              \
	X(NAMES, "names")                                                                          \
	X(OPTIONS, "options")

enum partner_step_kind {
#define X(enumerator, name) PARTNER_STEP_##enumerator,
	PARTNER_STEPS(X)
#undef X
	PARTNER_STEP_COUNT
};

// X(enumerator, shown name); words are in result.c.
#define PARTNER_RESULTS(X)                                                                         \
	X(OK, "ok")                                                                                \
	X(SKIPPED, "not-needed")                                                                   \
	X(REFUSED_HERE, "refused-here")                                                            \
	X(REFUSED_FOR_DNS, "refused-for-dns")                                                      \
	X(LOCAL, "not-tried")                                                                      \
	X(SRV_NONE, "no-srv")                                                                      \
	X(SRV_FAILED, "srv-failed")                                                                \
	X(SRV_BOGUS, "srv-bogus")                                                                  \
	X(SRV_NOT_OFFERED, "srv-not-offered")                                                      \
	X(SRV_UNUSABLE, "srv-unusable")                                                            \
	X(SRV_OTHER_DOMAIN, "srv-other-domain")                                                    \
	X(ADDRESS_NONE, "no-address")                                                              \
	X(ADDRESS_FAILED, "address-failed")                                                        \
	X(ADDRESS_BOGUS, "address-bogus")                                                          \
	X(ADDRESS_UNUSABLE, "address-unusable")                                                    \
	X(TCP_REFUSED, "refused")                                                                  \
	X(TCP_TIMEOUT, "timeout")                                                                  \
	X(TCP_UNREACHABLE, "unreachable")                                                          \
	X(TCP_RESET, "reset")                                                                      \
	X(TLS_TIMEOUT, "tls-timeout")                                                              \
	X(TLS_NOT_TLS, "not-tls")                                                                  \
	X(TLS_VERSION, "tls-version")                                                              \
	X(TLS_CIPHER, "tls-cipher")                                                                \
	X(TLS_CLOSED, "tls-closed")                                                                \
	X(TLS_RESET, "tls-reset")                                                                  \
	X(TLS_NO_CERTIFICATE, "client-certificate-missing")                                        \
	X(TLS_CERTIFICATE_REFUSED, "client-certificate-refused")                                   \
	X(TLS_PEER_ALERT, "peer-alert")                                                            \
	X(TLS_FAILED, "tls-failed")                                                                \
	X(CHAIN_INCOMPLETE, "chain-incomplete")                                                    \
	X(CHAIN_UNTRUSTED, "untrusted")                                                            \
	X(CHAIN_SELF_SIGNED, "self-signed")                                                        \
	X(CHAIN_EXPIRED, "expired")                                                                \
	X(CHAIN_NOT_YET, "not-yet-valid")                                                          \
	X(CHAIN_PURPOSE, "wrong-purpose")                                                          \
	X(CHAIN_WEAK, "too-weak")                                                                  \
	X(CHAIN_BAD, "bad-certificate")                                                            \
	X(NAME_MISMATCH, "name-mismatch")                                                          \
	X(OPTIONS_FORBIDDEN, "answered-forbidden")                                                 \
	X(OPTIONS_UNROUTED, "answered-unrouted")                                                   \
	X(OPTIONS_TIMEOUT, "no-answer")                                                            \
	X(OPTIONS_CLOSED, "closed-without-answer")                                                 \
	X(OPTIONS_NOT_SIP, "not-sip")

enum partner_result {
#define X(enumerator, name) PARTNER_##enumerator,
	PARTNER_RESULTS(X)
#undef X
	PARTNER_RESULT_COUNT
};

const char *partner_step_name(enum partner_step_kind kind);
const char *partner_result_name(enum partner_result result);

// Whether the next step can follow; an answer that refuses us is an answer.
bool partner_result_is_good(enum partner_result result);

// What a result means, and what the partner is to be asked for, in a sentence or two each; NULL: there
// is nothing to say.
const char *partner_result_meaning(enum partner_result result);
const char *partner_result_request(enum partner_result result);

#define PARTNER_TEXT 640

// One step as it went.
struct partner_step {
	enum partner_step_kind kind;
	enum partner_result result;
	uint64_t took_us;
	char text[PARTNER_TEXT]; // what was seen; printable
};

// Adds to the text; what does not fit is cut.
void partner_step_add(struct partner_step *step, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
