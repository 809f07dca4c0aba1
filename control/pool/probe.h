// SPDX-License-Identifier: BSD-2-Clause
// Probing a member, interval by interval, and its parts: the lost time of the event loop, the TLS
// side of a probe, the names of a certificate, the SIP side.

#pragma once

#include "control/pool/private.h"

#include <openssl/ssl.h>

// A member without probes that the dataplane found dead is tried again after this time. A try costs
// as many SYNs as the pool's observe-fall, which the dataplane then sends on to other members:
// little, once in 10 s; and a member that is back need not wait long for its sessions.
#define POOL_HOLD_MS 10000

// The first probe of a new member comes within this time, so that a start soon knows who is there.
#define POOL_FIRST_MS 100

struct pool_probe *pool_probe_new(struct pool_seat *seat); // NULL: out of memory
void pool_probe_free(struct pool_probe *probe);

// Ends what is in flight and begins anew, as configuration, administrative state and health want
// it: with a first probe within so many milliseconds, or with none.
void pool_probe_restart(struct pool_seat *seat, uint32_t within_ms);

// probe_lag.c: the beat runs while somebody uses it.
int pool_lag_init(struct pool_set *set);
void pool_lag_exit(struct pool_set *set);
void pool_lag_use(struct pool_lag *lag);
void pool_lag_leave(struct pool_lag *lag);
// Microseconds lost so far, up to this moment.
uint64_t pool_lag_total(struct pool_lag *lag);

// probe_tls.c: a handshake on a connected, non-blocking socket.
enum probe_step {
	PROBE_WANT_READ,
	PROBE_WANT_WRITE,
	PROBE_DONE,
	PROBE_FAILED,
};

struct probe_tls;

BIO_METHOD *probe_tls_method_new(void);
// `talks`: the handshake is the beginning of more, and no good-bye is said after it.
struct probe_tls *probe_tls_new(
	BIO_METHOD *method, SSL_CTX *ctx, int fd, const char *server_name, bool talks);
void probe_tls_free(struct probe_tls *t);
// Goes on as far as it can; with PROBE_FAILED `why` says why. `m` gives the names to expect.
enum probe_step probe_tls_step(
	struct probe_tls *t, const struct pool_member *m, char *why, size_t size);
// The handshake is complete; all that is awaited is whether the server objects.
bool probe_tls_shaken(const struct probe_tls *t);
// After the handshake. What could not be written may be called for again with the same bytes.
enum probe_step probe_tls_write(struct probe_tls *t, const char *data, size_t length, size_t *done);
// PROBE_DONE with *got 0: the stream has ended.
enum probe_step probe_tls_read(
	struct probe_tls *t, char *data, size_t room, size_t *got, char *why, size_t size);
// Says good-bye: close_notify, then FIN.
void probe_tls_end(struct probe_tls *t);

// probe_sip.c: an OPTIONS request and its answer, on a connected, non-blocking socket whose other
// end is `to`, or on the TLS that stands on it (NULL: none). NULL with errno if it cannot be made.
struct probe_sip;

struct probe_sip *probe_sip_new(const struct pool_member *m, const struct postern_endpoint *to,
	int fd, struct probe_tls *tls);
void probe_sip_free(struct probe_sip *s);
// Goes on as far as it can. `why` gets the answer with PROBE_DONE, and what is wrong with
// PROBE_FAILED.
enum probe_step probe_sip_step(
	struct probe_sip *s, const struct config_probe *c, char *why, size_t size);
// True if the member has answered, whatever the answer was.
bool probe_sip_answered(const struct probe_sip *s);
// "no answer to OPTIONS", "half an answer to OPTIONS"
void probe_sip_lacks(const struct probe_sip *s, char *buf, size_t size);

// probe_names.c

// True if the certificate holds `fqdn` (may be NULL) or one of the further names, or if no name is
// wanted at all. `found` gets the names that it holds.
bool probe_names_match(const X509 *certificate, const char *fqdn, char *const *names,
	size_t n_names, char *found, size_t size);

// tls.c: the settings of a pool's TLS; -EINVAL with `why`.
int pool_tls_load(const struct config_pool *config, SSL_CTX **out, char *why, size_t size);
// The oldest error in OpenSSL's queue, in words; empties the queue.
int pool_tls_no_password(char *buf, int size, int writing, void *user);
const char *pool_tls_reason(char *buf, size_t size);
