// SPDX-License-Identifier: BSD-2-Clause
// An instance: made, ended, looked into.

#include "tls/private.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <errno.h>

// What one CPU does: some 2500 handshakes a second, so a second and a half of them may wait; a step on the
// worker takes up to a third of a millisecond, so one a turn keeps established sessions waiting no
// longer than that. A partner's edge opens a handful of connections and keeps them for hours.
struct tls_limits tls_limits_default(void)
{
	return (struct tls_limits){
		.handshakes = 4096,
		.steps = 1,
		.deadline_ms = 10000,
		.address_rate = 20,
		.address_burst = 200,
		.partner_rate = 20,
		.partner_burst = 200,
		.sessions = 4096,
		.peer_sessions = 1024,
		.session_seconds = 3600,
		.good_verdicts = 4096,
		.bad_verdicts = 512,
	};
}

static int fill(struct tls *t, const struct tls_setup *s)
{
	int rc = base_secret_draw(&t->secret);

	if (rc == 0)
		rc = tls_library_new(t);
	if (rc == 0)
		rc = cert_cache_new(
			t->lib, t->limits.good_verdicts, t->limits.bad_verdicts, &t->cache);
	if (rc == 0)
		rc = tls_rates_new(&t->addresses);
	if (rc == 0)
		rc = tls_rates_new(&t->partners);
	if (rc == 0)
		rc = tls_peers_new(t);
	if (rc == 0 && s->crypto)
		rc = tls_crypto_new(t);
	if (rc != 0)
		return rc;
	t->method = tls_bio_method();
	t->ticket_cipher = EVP_CIPHER_fetch(t->lib, "AES-256-CBC", NULL);
	return t->method != NULL && t->ticket_cipher != NULL ? 0 : -ENOMEM;
}

int tls_new(const struct tls_setup *setup, struct tls **out)
{
	struct tls *t = OPENSSL_zalloc(sizeof(*t));
	int rc;

	if (t == NULL)
		return -ENOMEM;
	t->tcp = setup->tcp;
	t->limits = setup->limits;
	t->user = setup->user;
	t->crls = setup->crls;
	t->now_us = setup->now_us;
	t->wall = setup->wall;
	rc = fill(t, setup);
	ERR_clear_error();
	if (rc == 0)
		*out = t;
	else
		tls_free(t);
	return rc;
}

void tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	tls_crypto_free(t);
	tls_peers_free(t);
	OPENSSL_free(t->addresses);
	OPENSSL_free(t->partners);
	cert_cache_free(t->cache);
	EVP_CIPHER_free(t->ticket_cipher);
	BIO_meth_free(t->method);
	if (t->lib != NULL)
		OPENSSL_thread_stop_ex(t->lib);
	if (t->inner != NULL)
		OPENSSL_thread_stop_ex(t->inner);
	tls_library_free(t);
	OPENSSL_clear_free(t, sizeof(*t));
}

void tls_time(struct tls *t, uint64_t now_us, int64_t wall)
{
	t->now_us = now_us;
	__atomic_store_n(&t->wall, wall, __ATOMIC_RELAXED);
}

struct tls_use tls_use(const struct tls *t)
{
	const struct tls_conn *first = t->lists[TLS_LIST_STEP].first;
	struct tls_use u = t->use;

	u.tickets_unknown = __atomic_load_n(&t->tickets_unknown, __ATOMIC_RELAXED);
	u.queue_age_us = first != NULL ? t->now_us - first->queued_us : 0;
	return u;
}

const struct tls_outcome *tls_outcome(const struct tls_conn *c)
{
	return &c->outcome;
}
