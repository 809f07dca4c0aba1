// SPDX-License-Identifier: BSD-2-Clause
// Where records come from and go to: straight to the packet buffers of the TCP connection, or, while a
// crypto thread has the connection, to memory that goes with it.

#include "tls/private.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>

#include <string.h>

#define PIECES      16
#define PARCEL_MOST (256u << 10) // cipher text of one step; a flight is bounded by TLS_LIST_MAX

void tls_parcel_free(struct tls_parcel *p)
{
	if (p == NULL)
		return;
	OPENSSL_free(p->in);
	OPENSSL_free(p->out);
	OPENSSL_free(p);
}

static size_t read_parcel(struct tls_parcel *p, char *out, size_t size)
{
	const size_t n = p->in_size - p->in_at < size ? p->in_size - p->in_at : size;

	if (n > 0)
		memcpy(out, p->in + p->in_at, n);
	p->in_at += (uint32_t)n;
	return n;
}

static size_t read_tcp(struct tls_conn *c, char *out, size_t size)
{
	struct iovec iov[PIECES];
	const unsigned n = tcp_peek(c->t->tcp, c->tcp, iov, PIECES);
	size_t done = 0;

	for (unsigned i = 0; i < n && done < size; i++) {
		const size_t part = iov[i].iov_len < size - done ? iov[i].iov_len : size - done;

		memcpy(out + done, iov[i].iov_base, part);
		done += part;
	}
	tcp_consume(c->t->tcp, c->tcp, done);
	return done;
}

static bool is_at_end(const struct tls_conn *c)
{
	if (c->away && c->parcel != NULL)
		return c->parcel->finished && c->parcel->in_at == c->parcel->in_size;
	return c->tcp_lost || (tcp_is_finished(c->tcp) && tcp_readable(c->tcp) == 0);
}

static int bio_read(BIO *b, char *out, size_t size, size_t *done)
{
	struct tls_conn *c = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	*done = 0;
	if (c->parcel != NULL)
		*done = read_parcel(c->parcel, out, size);
	if (*done == 0 && !c->away && !c->tcp_lost)
		*done = read_tcp(c, out, size);
	if (*done > 0)
		return 1;
	if (!is_at_end(c))
		BIO_set_retry_read(b);
	return 0;
}

static bool grow(struct tls_parcel *p, size_t size)
{
	uint32_t room = p->out_room > 0 ? p->out_room : 4096;
	uint8_t *more;

	while (room - p->out_size < size)
		if ((room *= 2) > PARCEL_MOST)
			return false;
	if (room == p->out_room)
		return true;
	more = OPENSSL_realloc(p->out, room);
	if (more == NULL)
		return false;
	p->out = more;
	p->out_room = room;
	return true;
}

static size_t write_tcp(struct tls_conn *c, const char *in, size_t size)
{
	struct iovec iov[PIECES];
	size_t done = 0;

	if (c->tcp_over || (c->parcel != NULL && c->parcel->out_at < c->parcel->out_size))
		return 0;
	while (done < size) {
		const size_t got = tcp_reserve(c->t->tcp, c->tcp, size - done, iov, PIECES);
		size_t put = 0;

		if (got == 0)
			break;
		for (unsigned i = 0; put < got; i++) {
			const size_t part = iov[i].iov_len < got - put ? iov[i].iov_len : got - put;

			memcpy(iov[i].iov_base, in + done + put, part);
			put += part;
		}
		tcp_commit(c->t->tcp, c->tcp, got);
		done += got;
	}
	return done;
}

static int bio_write(BIO *b, const char *in, size_t size, size_t *done)
{
	struct tls_conn *c = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	*done = 0;
	if (!c->away) {
		*done = write_tcp(c, in, size);
	} else if (c->parcel != NULL && grow(c->parcel, size)) {
		memcpy(c->parcel->out + c->parcel->out_size, in, size);
		c->parcel->out_size += (uint32_t)size;
		*done = size;
	}
	if (*done > 0)
		return 1;
	if (!c->away && !c->tcp_over)
		BIO_set_retry_write(b);
	return 0;
}

static long bio_control(BIO *b, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH:
	case BIO_CTRL_DUP:
		return 1;
	case BIO_CTRL_EOF:
		return is_at_end(BIO_get_data(b));
	default:
		return 0;
	}
}

BIO_METHOD *tls_bio_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postern");

	if (m == NULL || BIO_meth_set_read_ex(m, bio_read) != 1 ||
		BIO_meth_set_write_ex(m, bio_write) != 1 ||
		BIO_meth_set_ctrl(m, bio_control) != 1) {
		BIO_meth_free(m);
		return NULL;
	}
	return m;
}
