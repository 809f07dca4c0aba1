// SPDX-License-Identifier: BSD-2-Clause
// Handshakes as a class of their own: those that can go on wait in a queue, of which each turn does a few,
// so that established connections wait no longer than for these.

#include "tls/private.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#define SENT 32 // to a crypto thread, in one turn

void tls_handshake_begin(struct tls_conn *c)
{
	c->state = TLS_HANDSHAKE;
	c->began_us = c->t->now_us;
	c->odd = (struct base_bucket){c->t->now_us, TLS_ODD_BURST};
	c->t->use.handshakes++;
	tls_list_add(c, TLS_LIST_DEADLINE);
}

void tls_handshake_wake(struct tls_conn *c)
{
	if (c->away) {
		c->woken = true;
		return;
	}
	if (c->links[TLS_LIST_STEP].in)
		return;
	c->queued_us = c->t->now_us;
	tls_list_add(c, TLS_LIST_STEP);
}

// One flight as far as it has come, at most.
void tls_step(struct tls_conn *c)
{
	int result, error = SSL_ERROR_NONE;

	OSSL_LIB_CTX *before = tls_enter(c->t);

	ERR_clear_error();
	result = SSL_do_handshake(c->ssl);
	if (result == 1) {
		if (!tls_conclude(c))
			result = 0;
	} else {
		error = SSL_get_error(c->ssl, result);
		if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
			tls_explain(c, error);
		result = -1;
	}
	ERR_clear_error();
	tls_leave(before);
	if (c->parcel != NULL) {
		c->parcel->result = result;
		c->parcel->error = error;
	}
	if (!c->away)
		tls_step_done(c, result, error);
}

static bool is_too_often(struct tls_conn *c)
{
	struct tls *t = c->t;
	const struct tls_outcome *o = &c->outcome;

	if (o->n_names == 0 || c->x->settings.is_client)
		return false;
	return !tls_rates_take(t->partners,
		base_hash_keyed(&t->secret, o->names[0].text, o->names[0].length), t->now_us,
		t->limits.partner_rate, t->limits.partner_burst);
}

static void open_up(struct tls_conn *c)
{
	struct tls *t = c->t;

	if (is_too_often(c)) {
		tls_end(c, TLS_REASON_PARTNER_RATE);
		return;
	}
	t->use.handshakes--;
	tls_list_drop(c, TLS_LIST_DEADLINE);
	c->state = TLS_OPEN;
	*(c->outcome.resumed ? &t->use.resumed : &t->use.full) += 1;
	t->use.by_cn += c->outcome.by_cn;
	tls_peers_keep(c);
	tls_tell(c, TLS_EVENT_OPEN | TLS_EVENT_READABLE);
}

// Worker: what came of a step, also of one that a crypto thread has done.
void tls_step_done(struct tls_conn *c, int result, int error)
{
	if (result == 1)
		open_up(c);
	else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
		tls_end(c, c->outcome.reason);
	else if (c->woken)
		tls_handshake_wake(c);
	c->woken = false;
}

static void end_late(struct tls *t)
{
	struct tls_conn *c;

	while ((c = t->lists[TLS_LIST_DEADLINE].first) != NULL &&
		t->now_us - c->began_us >= (uint64_t)t->limits.deadline_ms * 1000) {
		if (!c->away) {
			tls_end(c, TLS_REASON_TIMEOUT);
			continue;
		}
		c->doomed = true;
		t->use.handshakes--;
		tls_list_drop(c, TLS_LIST_DEADLINE);
	}
}

void tls_poll(struct tls *t)
{
	// To hand one over is no more than to copy what has come.
	const unsigned budget = t->to_crypto != NULL ? SENT : t->limits.steps;
	struct tls_conn *c;

	if (t->to_crypto != NULL)
		tls_crypto_collect(t);
	end_late(t);
	for (unsigned i = 0; i < budget && (c = t->lists[TLS_LIST_STEP].first) != NULL; i++) {
		const uint64_t age = t->now_us - c->queued_us;

		if (t->to_crypto != NULL && !tls_crypto_send(c))
			return;
		if (age > t->use.queue_age_max_us)
			t->use.queue_age_max_us = age;
		tls_list_drop(c, TLS_LIST_STEP);
		if (t->to_crypto == NULL) {
			c->asked_for = c->user;
			tls_step(c);
		}
	}
}
