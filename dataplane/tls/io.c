// SPDX-License-Identifier: BSD-2-Clause
// Plain bytes. What is read lies in one area of the instance until somebody else is read from; what is written
// is kept until the turn's end, so that it leaves in one record.

#include "tls/private.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <string.h>

#define READS 64 // records of one peek, so that records of a byte each hold nobody up

bool tls_drain(struct tls_conn *c)
{
	struct tls_parcel *p = c->parcel;

	if (p == NULL || c->away)
		return p == NULL;
	if (!c->tcp_over && p->out_at < p->out_size)
		p->out_at += (uint32_t)tcp_write(
			c->t->tcp, c->tcp, p->out + p->out_at, p->out_size - p->out_at);
	if (p->out_at < p->out_size)
		return false;
	p->out_at = p->out_size = 0;
	if (p->in_at == p->in_size && c->state == TLS_OPEN) {
		tls_parcel_free(p);
		c->parcel = NULL;
	}
	return true;
}

// What its owner has not consumed is kept with it: somebody else is to be read from.
static void clear_scratch(struct tls *t)
{
	struct tls_conn *c = t->scratch_of;
	const uint32_t left = t->scratch_size - t->scratch_at;
	struct tls_chunk *k;

	t->scratch_of = NULL;
	if (c == NULL || left == 0)
		return;
	// Larger than a chunk where several records were read at once.
	k = OPENSSL_malloc(offsetof(struct tls_chunk, bytes) + left);
	if (k == NULL) {
		tls_end(c, TLS_REASON_NO_MEMORY);
		return;
	}
	k->at = 0;
	k->size = left;
	memcpy(k->bytes, t->scratch + t->scratch_at, left);
	c->in = k;
}

static void read_failed(struct tls_conn *c, int error)
{
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return;
	if (error == SSL_ERROR_ZERO_RETURN) {
		c->finished = true;
		return;
	}
	tls_explain(c, error);
	c->broken = true;
}

static void read_records(struct tls_conn *c)
{
	struct tls *t = c->t;

	OSSL_LIB_CTX *before = tls_enter(t);

	t->scratch_of = c;
	t->scratch_at = t->scratch_size = 0;
	ERR_clear_error();
	for (unsigned i = 0; i < READS && TLS_SCRATCH - t->scratch_size >= TLS_CHUNK; i++) {
		size_t got = 0;
		const int rc = SSL_read_ex(c->ssl, t->scratch + t->scratch_size, TLS_CHUNK, &got);

		if (rc != 1) {
			read_failed(c, SSL_get_error(c->ssl, rc));
			break;
		}
		t->scratch_size += (uint32_t)got;
	}
	tls_leave(before);
	if (c->flooded && !c->broken) {
		c->broken = true;
		c->outcome.reason = TLS_REASON_FLOOD;
	}
	if (c->fresh != NULL)
		tls_peers_keep(c);
	if (c->parcel != NULL)
		tls_drain(c);
}

unsigned tls_peek(struct tls_conn *c, struct iovec *iov, unsigned n)
{
	struct tls *t = c->t;

	if (n == 0 || c->state != TLS_OPEN)
		return 0;
	if (c->in != NULL) {
		*iov = (struct iovec){c->in->bytes + c->in->at, c->in->size - c->in->at};
		return 1;
	}
	if (t->scratch_of != c) {
		clear_scratch(t);
		if (!c->broken && !c->finished)
			read_records(c);
	}
	if (t->scratch_of == c && t->scratch_size > t->scratch_at) {
		*iov = (struct iovec){t->scratch + t->scratch_at, t->scratch_size - t->scratch_at};
		return 1;
	}
	t->scratch_of = NULL;
	if (c->broken)
		tls_end(c, c->outcome.reason);
	else if (c->tcp_over && c->finished)
		tls_end(c, TLS_REASON_CLOSED);
	return 0;
}

void tls_consume(struct tls_conn *c, size_t bytes)
{
	struct tls *t = c->t;

	if (c->in != NULL) {
		c->in->at += (uint32_t)bytes;
		if (c->in->at < c->in->size)
			return;
		OPENSSL_free(c->in);
		c->in = NULL;
	} else if (t->scratch_of == c) {
		t->scratch_at += (uint32_t)bytes;
		if (t->scratch_at == t->scratch_size)
			t->scratch_of = NULL;
	}
}

bool tls_is_finished(const struct tls_conn *c)
{
	return c->finished && c->in == NULL && c->t->scratch_of != c;
}

// --- writing

size_t tls_room(const struct tls_conn *c)
{
	if (c->state != TLS_OPEN || c->shut)
		return 0;
	return c->out == NULL ? TLS_CHUNK : TLS_CHUNK - (c->out->size - c->out->at);
}

bool tls_is_flushed(const struct tls_conn *c)
{
	return c->out == NULL && (c->parcel == NULL || c->parcel->out_at == c->parcel->out_size);
}

static bool prepare(struct tls_conn *c)
{
	struct tls_chunk *k = c->out;

	if (k == NULL) {
		k = OPENSSL_malloc(sizeof(*k));
		if (k == NULL)
			return false;
		k->at = k->size = k->pending = 0;
		c->out = k;
	} else if (k->at > 0) {
		memmove(k->bytes, k->bytes + k->at, k->size - k->at);
		k->size -= k->at;
		k->at = 0;
	}
	return true;
}

size_t tls_write(struct tls_conn *c, const void *bytes, size_t size)
{
	size_t done = 0;

	if (c->state != TLS_OPEN || c->shut)
		return 0;
	while (done < size) {
		if (tls_room(c) == 0)
			tls_push(c);
		const size_t room = tls_room(c);
		const size_t n = size - done < room ? size - done : room;

		if (n == 0 || !prepare(c)) {
			c->starved = true;
			break;
		}
		memcpy(c->out->bytes + c->out->size, (const uint8_t *)bytes + done, n);
		c->out->size += (uint32_t)n;
		done += n;
		tls_list_add(c, TLS_LIST_DIRTY);
	}
	return done;
}

static bool push_record(struct tls_conn *c)
{
	struct tls_chunk *k = c->out;
	// A record that TCP had no room for is to be asked for again as it was.
	const uint32_t size = k->pending > 0 ? k->pending : k->size - k->at;
	size_t done = 0;
	const int rc = SSL_write_ex(c->ssl, k->bytes + k->at, size, &done);
	int error;

	if (rc == 1) {
		k->at += (uint32_t)done;
		k->pending = 0;
		return true;
	}
	error = SSL_get_error(c->ssl, rc);
	k->pending = size;
	if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ)
		return false;
	tls_explain(c, error);
	tls_end(c, c->outcome.reason);
	return false;
}

static void push_close(struct tls_conn *c)
{
	int rc;

	if (!c->shut || c->notified || c->state != TLS_OPEN)
		return;
	rc = SSL_shutdown(c->ssl);
	if (rc < 0 && SSL_get_error(c->ssl, rc) == SSL_ERROR_WANT_WRITE)
		return;
	ERR_clear_error();
	c->notified = true;
	if (!c->tcp_over)
		tcp_shutdown(c->t->tcp, c->tcp);
}

void tls_push(struct tls_conn *c)
{
	if (c->state != TLS_OPEN || !tls_drain(c) || c->tcp_over)
		return;
	ERR_clear_error();
	while (c->out != NULL && c->out->at < c->out->size)
		if (!push_record(c))
			return;
	OPENSSL_free(c->out);
	c->out = NULL;
	push_close(c);
	if (c->starved) {
		c->starved = false;
		tls_tell(c, TLS_EVENT_WRITABLE);
	}
}

void tls_flush(struct tls *t)
{
	struct tls_conn *c;

	while ((c = t->lists[TLS_LIST_DIRTY].first) != NULL) {
		tls_list_drop(c, TLS_LIST_DIRTY);
		tls_push(c);
	}
}
