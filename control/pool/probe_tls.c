// SPDX-License-Identifier: BSD-2-Clause
// The TLS side of a probe. In TLS 1.3 the handshake is complete here before the server has looked
// at our certificate (RFC 8446 section 2: it is in the client's last flight), so a server that
// wants another one objects afterwards. The probe therefore says good-bye (close_notify, then
// FIN) and looks at what comes back: an alert is a failure; session tickets, data, a close_notify
// or the end of the stream say that the server was content.

#include "control/pool/probe.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// What a server that speaks first may send until we have seen enough.
#define READS 16

struct probe_tls {
	SSL *ssl;
	int fd;
	bool reset; // a write met a reset; reads show a plain end of the stream after that
	bool shaken;
	bool accepted; // the server has shown that it accepts our last flight
	bool talks;    // the handshake is not all
};

// OpenSSL's own socket BIO uses write(), which raises SIGPIPE; hence a BIO of ours.
static int bio_write(BIO *b, const char *data, int length)
{
	struct probe_tls *t = BIO_get_data(b);
	ssize_t n = send(t->fd, data, (size_t)length, MSG_NOSIGNAL);
	BIO_clear_retry_flags(b);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(b);
	else if (n < 0)
		t->reset = true;
	return (int)n;
}

static int bio_read(BIO *b, char *data, int length)
{
	const struct probe_tls *t = BIO_get_data(b);
	ssize_t n = recv(t->fd, data, (size_t)length, 0);
	BIO_clear_retry_flags(b);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(b);
	else if (n == 0)
		BIO_set_flags(b, BIO_FLAGS_IN_EOF);
	return (int)n;
}

static long bio_control(BIO *b, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
	default:
		return 0;
	}
}

static int bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

BIO_METHOD *probe_tls_method_new(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "probe");
	if (m == NULL)
		return NULL;
	BIO_meth_set_write(m, bio_write);
	BIO_meth_set_read(m, bio_read);
	BIO_meth_set_ctrl(m, bio_control);
	BIO_meth_set_create(m, bio_create);
	return m;
}

static void message_seen(
	int is_write, int version, int type, const void *data, size_t length, SSL *ssl, void *arg)
{
	(void)version;
	(void)ssl;
	struct probe_tls *t = arg;
	if (!is_write && type == SSL3_RT_HANDSHAKE && length > 0 &&
		*(const unsigned char *)data == SSL3_MT_NEWSESSION_TICKET)
		t->accepted = true;
}

struct probe_tls *probe_tls_new(
	BIO_METHOD *method, SSL_CTX *ctx, int fd, const char *server_name, bool talks)
{
	struct probe_tls *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->fd = fd;
	t->talks = talks;
	t->ssl = SSL_new(ctx);
	BIO *bio = BIO_new(method);
	if (t->ssl == NULL || bio == NULL) {
		BIO_free(bio);
		probe_tls_free(t);
		ERR_clear_error();
		return NULL;
	}
	BIO_set_data(bio, t);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_msg_callback(t->ssl, message_seen);
	SSL_set_msg_callback_arg(t->ssl, t);
	if (server_name != NULL)
		SSL_set_tlsext_host_name(t->ssl, server_name);
	return t;
}

void probe_tls_free(struct probe_tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	free(t);
}

bool probe_tls_shaken(const struct probe_tls *t)
{
	return t->shaken;
}

// "TLS: peer sent alert: certificate required". OpenSSL files an alert under the reason 1000 + its
// number; the text is the reason's ("tlsv13 alert certificate required") from "alert" on.
static void describe_alert(unsigned long error, char *why, size_t size)
{
	int number = ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET;
	const char *text = ERR_reason_error_string(error);
	const char *tail = text != NULL ? strstr(text, "alert ") : NULL;
	if (tail != NULL)
		snprintf(why, size, "TLS: peer sent alert: %s", tail + strlen("alert "));
	else
		snprintf(why, size, "TLS: peer sent alert: number %d", number);
}

static void describe_failure(
	const struct probe_tls *t, int error, int system_error, char *why, size_t size)
{
	const char *when = t->shaken ? "after" : "during";
	unsigned long first = ERR_peek_error();
	int reason = ERR_GET_LIB(first) == ERR_LIB_SSL ? ERR_GET_REASON(first) : 0;
	long verified = SSL_get_verify_result(t->ssl);
	char text[120];
	if (reason > SSL_AD_REASON_OFFSET)
		describe_alert(first, why, size);
	else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK)
		snprintf(why, size, "TLS: %s", X509_verify_cert_error_string(verified));
	else if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING ||
		 (error == SSL_ERROR_SYSCALL && system_error == 0))
		snprintf(why, size, "TLS: peer closed the connection %s the handshake", when);
	else if (error == SSL_ERROR_SYSCALL)
		snprintf(why, size, "TLS: %s %s the handshake",
			system_error == ECONNRESET ? "connection reset" : strerror(system_error),
			when);
	else if (reason == SSL_R_WRONG_VERSION_NUMBER)
		snprintf(why, size, "TLS: peer does not speak TLS");
	else
		snprintf(why, size, "TLS: %s", pool_tls_reason(text, sizeof(text)));
}

static bool check_names(struct probe_tls *t, const struct pool_member *m, char *why, size_t size)
{
	const struct config_tls *c = &m->pool->config->tls;
	X509 *certificate = SSL_get0_peer_certificate(t->ssl);
	char found[96];
	if (c->trust == NULL)
		return true;
	if (certificate == NULL) {
		snprintf(why, size, "TLS: peer has no certificate");
		return false;
	}
	if (probe_names_match(
		    certificate, m->fqdn, c->names.items, c->names.count, found, sizeof(found)))
		return true;
	snprintf(why, size, "TLS: certificate names do not hold %s (they are: %s)",
		m->fqdn != NULL ? m->fqdn : c->names.items[0], found);
	return false;
}

void probe_tls_end(struct probe_tls *t)
{
	SSL_shutdown(t->ssl);
	shutdown(t->fd, SHUT_WR);
	ERR_clear_error();
}

static enum probe_step shake(
	struct probe_tls *t, const struct pool_member *m, char *why, size_t size)
{
	errno = 0;
	int status = SSL_connect(t->ssl);
	int system_error = errno;
	if (status == 1) {
		t->shaken = check_names(t, m, why, size);
		// Up to TLS 1.2 the server's Finished is the last message and answers ours.
		t->accepted |= SSL_version(t->ssl) < TLS1_3_VERSION;
		if (!t->talks || !t->shaken)
			probe_tls_end(t);
		return t->shaken ? PROBE_DONE : PROBE_FAILED;
	}
	int error = SSL_get_error(t->ssl, status);
	if (error == SSL_ERROR_WANT_READ)
		return PROBE_WANT_READ;
	if (error == SSL_ERROR_WANT_WRITE)
		return PROBE_WANT_WRITE;
	describe_failure(t, error, system_error, why, size);
	return PROBE_FAILED;
}

// What a read without data means; PROBE_DONE if the stream has ended.
static enum probe_step read_nothing(
	struct probe_tls *t, int status, int system_error, char *why, size_t size)
{
	int error = SSL_get_error(t->ssl, status);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return PROBE_WANT_READ;
	if (error == SSL_ERROR_ZERO_RETURN)
		return PROBE_DONE;
	// A stream that ends without close_notify is how many servers answer one.
	if (error == SSL_ERROR_SSL &&
		ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		if (!t->reset)
			return PROBE_DONE;
		error = SSL_ERROR_SYSCALL;
		system_error = ECONNRESET;
		ERR_clear_error();
	}
	// An alert counts at any time; a reset only if nothing better has been seen.
	if (error == SSL_ERROR_SYSCALL && t->accepted)
		return PROBE_DONE;
	describe_failure(t, error, system_error, why, size);
	return PROBE_FAILED;
}

static enum probe_step await_verdict(struct probe_tls *t, char *why, size_t size)
{
	char data[1024];
	int status = 0;
	for (int i = 0; i < READS; i++) {
		errno = 0;
		status = SSL_read(t->ssl, data, sizeof(data));
		if (status <= 0)
			break;
		t->accepted = true;
	}
	return status > 0 ? PROBE_DONE : read_nothing(t, status, errno, why, size);
}

enum probe_step probe_tls_write(struct probe_tls *t, const char *data, size_t length, size_t *done)
{
	ERR_clear_error();
	if (SSL_write_ex(t->ssl, data, length, done) == 1)
		return PROBE_DONE;
	*done = 0;
	int error = SSL_get_error(t->ssl, 0);
	ERR_clear_error();
	if (error == SSL_ERROR_WANT_READ)
		return PROBE_WANT_READ;
	return error == SSL_ERROR_WANT_WRITE ? PROBE_WANT_WRITE : PROBE_FAILED;
}

enum probe_step probe_tls_read(
	struct probe_tls *t, char *data, size_t room, size_t *got, char *why, size_t size)
{
	ERR_clear_error();
	errno = 0;
	int status = SSL_read_ex(t->ssl, data, room, got);
	if (status == 1)
		return PROBE_DONE;
	*got = 0;
	enum probe_step step = read_nothing(t, status, errno, why, size);
	ERR_clear_error();
	return step;
}

enum probe_step probe_tls_step(
	struct probe_tls *t, const struct pool_member *m, char *why, size_t size)
{
	ERR_clear_error();
	enum probe_step step = PROBE_DONE;
	if (!t->shaken)
		step = shake(t, m, why, size);
	if (step == PROBE_DONE && !t->talks)
		step = await_verdict(t, why, size);
	ERR_clear_error();
	return step;
}
