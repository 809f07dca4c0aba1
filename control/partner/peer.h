// SPDX-License-Identifier: BSD-2-Clause
// One connection to a server of the outside, from this machine's kernel: TCP, TLS, what its certificate
// proves, and a SIP request. Each step is timed and told in words; nothing waits, and each step has
// its limit. Control thread only.

#pragma once

#include "control/partner/result.h"

#include "postern/addr.h"
#include "postern/domain.h"
#include "postern/policy.h"

#include <openssl/ssl.h>

struct event_base;
struct config_tls;
struct partner_peer;

// Longest waits for a connection, for a handshake, and for the answer to OPTIONS. A partner's edge on
// another continent needs half a second for each.
#define PARTNER_TCP_MS     3000
#define PARTNER_TLS_MS     4000
#define PARTNER_OPTIONS_MS 4000

#define PARTNER_NAMES_MAX  32 // of a certificate that are kept
#define PARTNER_PEER_STEPS 5  // TCP, TLS, CERTIFICATE, NAMES, OPTIONS

// All of it is copied, but for what says otherwise.
struct partner_peer_question {
	SSL_CTX *context; // partner_identity_load(); one more reference is held
	struct postern_endpoint at;
	struct postern_domain server; // the name that it is to prove, and the server name of TLS
	const struct postern_domain *names; // further ones that will do
	unsigned n_names;
	struct postern_peer_tls tls; // what the policy settles for this partner
	const char *own;             // our server's name, for Via and Contact
	const char *from;            // our SIP domain
	unsigned limit_ms;           // of each step; 0: the usual ones above
};

struct partner_peer_report {
	struct partner_step steps[PARTNER_PEER_STEPS];
	unsigned n;
	bool works; // it has answered, and proved its name
	// What its certificate proves, where that is a name; without those that are none.
	struct postern_domain names[PARTNER_NAMES_MAX];
	unsigned n_names;
};

// Begins; `done` is called once, not before the return, and frees nothing. NULL: out of memory.
struct partner_peer *partner_peer_new(struct event_base *base,
	const struct partner_peer_question *q, void (*done)(void *user), void *user);
// Whole once `done` has been called.
const struct partner_peer_report *partner_peer_report(const struct partner_peer *p);
// At any time, from `done` too. NULL is fine.
void partner_peer_free(struct partner_peer *p);

// Microseconds of the monotonic clock.
uint64_t partner_now_us(void);

// identity.c: what we show and trust. `tls` NULL: no certificate, and the authorities that the system
// trusts. -EINVAL with `why`, or -ENOMEM.
int partner_identity_load(const struct config_tls *tls, SSL_CTX **out, char *why, size_t size);
