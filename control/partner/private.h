// SPDX-License-Identifier: BSD-2-Clause
// What the steps of one connection share. Nobody outside includes this.

#pragma once

#include "control/partner/peer.h"
#include "control/pool/sip_answer.h"

#include <openssl/ssl.h>

#include <stddef.h>

// The request: two names of up to 253 bytes, two of them twice, and some 500 bytes around them.
#define PARTNER_REQUEST 3072

// What the handshake has shown so far.
struct partner_tls {
	SSL *ssl;
	BIO *in, *out; // the SSL's
	unsigned char first[24];
	size_t n_first;      // bytes that came first, kept to tell what is no TLS
	int hello_version;   // of the peer's ServerHello, as it stands there; 0: none came
	int alert;           // that the peer sent; negative: none
	bool asked;          // for a certificate of ours
	bool shown;          // and there is one
	bool shaken;         // the handshake is complete
	unsigned long chain; // a bit for each enum partner_result that is wrong with the chain
	int chain_error;     // the first error of X509_verify_cert(); 0: none
};

enum partner_way {
	PARTNER_WANT_MORE, // bytes of the peer
	PARTNER_DONE,
	PARTNER_FAILED,
};

// peer_tls.c. -ENOMEM.
int partner_tls_begin(struct partner_tls *t, const struct partner_peer_question *q);
void partner_tls_end(struct partner_tls *t);
// What the peer sent; what is to be sent to it (0: nothing); that it will send no more.
bool partner_tls_take(struct partner_tls *t, const void *data, size_t n);
size_t partner_tls_give(struct partner_tls *t, void *data, size_t room);
void partner_tls_take_end(struct partner_tls *t);
enum partner_way partner_tls_shake(struct partner_tls *t);
// Says close_notify, if it may be said.
void partner_tls_bye(struct partner_tls *t);
enum partner_way partner_tls_write(struct partner_tls *t, const char *data, size_t n);
// PARTNER_DONE with *got 0: the peer has ended in the ordinary way.
enum partner_way partner_tls_read(struct partner_tls *t, char *data, size_t room, size_t *got);

// peer_verdict.c: what the handshake has come to, in a step. The connection was `reset`, or `closed`.
void partner_verdict_failed(
	const struct partner_tls *t, bool reset, bool closed, struct partner_step *step);
void partner_verdict_shaken(const struct partner_tls *t, struct partner_step *step);
void partner_verdict_chain(const struct partner_tls *t, struct partner_step *step);
// Adds the names to the report.
void partner_verdict_names(const struct partner_tls *t, const struct partner_peer_question *q,
	struct partner_peer_report *report, struct partner_step *step);
// The oldest error in OpenSSL's queue, in words; empties the queue.
const char *partner_tls_reason(char *buf, size_t size);

// peer_sip.c: the request, and a Call-ID of 33 bytes; its length, 0 if no random numbers can be had.
size_t partner_sip_request(const struct partner_peer_question *q,
	const struct postern_endpoint *own, char *request, size_t size, char call_id[static 33]);
#define PARTNER_SIP_CSEQ 1
void partner_sip_answered(const struct sip_answer *a, struct partner_step *step);
