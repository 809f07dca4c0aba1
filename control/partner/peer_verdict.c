// SPDX-License-Identifier: BSD-2-Clause
// What a handshake has come to: from OpenSSL's errors, alerts and certificates to a result and words.

#include "control/partner/private.h"
#include "control/pool/names.h"

#include <openssl/err.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

__attribute__((format(printf, 3, 4))) static void tell(
	struct partner_step *step, enum partner_result result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(step->text, sizeof(step->text), format, args);
	va_end(args);
	step->result = result;
}

const char *partner_tls_reason(char *buf, size_t size)
{
	const unsigned long error = ERR_get_error();
	const char *text = error != 0 ? ERR_reason_error_string(error) : NULL;

	snprintf(buf, size, "%s", text != NULL ? text : "no reason given");
	ERR_clear_error();
	return buf;
}

static const char *version_name(int version)
{
	switch (version) {
	case SSL3_VERSION:
		return "SSL 3.0";
	case TLS1_VERSION:
		return "TLS 1.0";
	case TLS1_1_VERSION:
		return "TLS 1.1";
	case TLS1_2_VERSION:
		return "TLS 1.2";
	case TLS1_3_VERSION:
		return "TLS 1.3";
	default:
		return "an unknown version";
	}
}

// ---- Failures

static enum partner_result of_alert(const struct partner_tls *t)
{
	switch (t->alert) {
	case SSL_AD_PROTOCOL_VERSION:
		return PARTNER_TLS_VERSION;
	case SSL_AD_INSUFFICIENT_SECURITY:
		return PARTNER_TLS_CIPHER;
	case SSL_AD_HANDSHAKE_FAILURE:
		if (t->asked)
			break;
		return t->hello_version == 0 ? PARTNER_TLS_CIPHER : PARTNER_TLS_PEER_ALERT;
	case TLS13_AD_CERTIFICATE_REQUIRED:
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_ACCESS_DENIED:
		break;
	default:
		return PARTNER_TLS_PEER_ALERT;
	}
	return t->shown ? PARTNER_TLS_CERTIFICATE_REFUSED : PARTNER_TLS_NO_CERTIFICATE;
}

static enum partner_result of_reason(int reason)
{
	switch (reason) {
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_WRONG_SSL_VERSION:
		return PARTNER_TLS_VERSION;
	case SSL_R_DH_KEY_TOO_SMALL:
	case SSL_R_EE_KEY_TOO_SMALL:
	case SSL_R_WRONG_SIGNATURE_TYPE:
	case SSL_R_WRONG_CIPHER_RETURNED:
	case SSL_R_UNKNOWN_CIPHER_RETURNED:
	case SSL_R_WRONG_CURVE:
	case SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED:
		return PARTNER_TLS_CIPHER;
	default:
		return PARTNER_TLS_FAILED;
	}
}

// Every record begins with its type and the major version 3 (RFC 8446 5.1); to a ClientHello a server
// answers with a handshake or with an alert.
static bool is_tls(const struct partner_tls *t)
{
	return (t->first[0] == SSL3_RT_HANDSHAKE || t->first[0] == SSL3_RT_ALERT) &&
	       (t->n_first < 2 || t->first[1] == SSL3_VERSION_MAJOR);
}

static void tell_not_tls(const struct partner_tls *t, struct partner_step *step)
{
	char shown[sizeof(t->first) + 1];
	size_t n = 0;

	for (; n < t->n_first && t->first[n] != '\r' && t->first[n] != '\n'; n++)
		shown[n] = t->first[n] >= ' ' && t->first[n] <= '~' ? (char)t->first[n] : '?';
	shown[n] = '\0';
	tell(step, PARTNER_TLS_NOT_TLS, "what came back begins with \"%s\"", shown);
}

void partner_verdict_failed(
	const struct partner_tls *t, bool reset, bool closed, struct partner_step *step)
{
	const unsigned long error = ERR_peek_error();
	const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
	const char *when = t->shaken ? "after" : "in";
	char text[128];

	if (t->alert >= 0) {
		tell(step, of_alert(t), "the peer sent the alert \"%s\" %s the handshake%s",
			SSL_alert_desc_string_long(t->alert), when,
			t->asked && !t->shown ? ", having asked for our certificate" : "");
	} else if (t->n_first > 0 && !is_tls(t)) {
		tell_not_tls(t, step);
	} else if (reset) {
		tell(step, PARTNER_TLS_RESET, "the peer reset the connection %s the handshake",
			when);
	} else if (closed) {
		tell(step, PARTNER_TLS_CLOSED, "the peer closed the connection %s the handshake%s",
			when,
			t->n_first == 0         ? ", without a byte"
			: t->asked && !t->shown ? ", having asked for our certificate"
						: "");
	} else if (of_reason(reason) == PARTNER_TLS_VERSION && t->hello_version != 0) {
		tell(step, PARTNER_TLS_VERSION, "the peer speaks %s at most; we sent an alert",
			version_name(t->hello_version));
	} else {
		tell(step, of_reason(reason), "we ended it: %s",
			partner_tls_reason(text, sizeof(text)));
	}
	ERR_clear_error();
}

// ---- Successes

static void name_of(const X509_NAME *name, char *out, size_t size)
{
	char text[128];
	int n = X509_NAME_get_text_by_NID(
		(X509_NAME *)(uintptr_t)name, NID_commonName, text, (int)sizeof(text));

	if (n <= 0)
		n = X509_NAME_get_text_by_NID((X509_NAME *)(uintptr_t)name, NID_organizationName,
			text, (int)sizeof(text));
	if (n <= 0)
		snprintf(text, sizeof(text), "no name");
	for (char *c = text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~' || *c == '"')
			*c = '?';
	snprintf(out, size, "%s", text);
}

void partner_verdict_shaken(const struct partner_tls *t, struct partner_step *step)
{
	const X509 *own = SSL_get_certificate(t->ssl);
	char shown[136] = "no certificate of ours, for there is none";

	if (!t->asked) {
		snprintf(shown, sizeof(shown), "it did not ask for our certificate");
	} else if (own != NULL) {
		name_of(X509_get_subject_name(own), shown, 128);
		tell(step, PARTNER_OK, "%s, %s; shown our certificate of %s",
			SSL_get_version(t->ssl), SSL_get_cipher_name(t->ssl), shown);
		return;
	}
	tell(step, PARTNER_OK, "%s, %s; %s", SSL_get_version(t->ssl), SSL_get_cipher_name(t->ssl),
		shown);
}

static void date_of(const ASN1_TIME *at, char *out, size_t size)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(at, &tm) != 1 || strftime(out, size, "%Y-%m-%d", &tm) == 0)
		snprintf(out, size, "an unreadable date");
}

void partner_verdict_chain(const struct partner_tls *t, struct partner_step *step)
{
	static const enum partner_result order[] = {PARTNER_CHAIN_SELF_SIGNED,
		PARTNER_CHAIN_INCOMPLETE, PARTNER_CHAIN_UNTRUSTED, PARTNER_CHAIN_EXPIRED,
		PARTNER_CHAIN_NOT_YET, PARTNER_CHAIN_PURPOSE, PARTNER_CHAIN_WEAK,
		PARTNER_CHAIN_BAD};
	const X509 *certificate = SSL_get0_peer_certificate(t->ssl);
	const STACK_OF(X509) *sent = SSL_get_peer_cert_chain(t->ssl);
	char subject[128], issuer[128], begin[32], end[32];

	if (certificate == NULL) {
		tell(step, PARTNER_CHAIN_BAD, "the peer has no certificate");
		return;
	}
	name_of(X509_get_subject_name(certificate), subject, sizeof(subject));
	name_of(X509_get_issuer_name(certificate), issuer, sizeof(issuer));
	date_of(X509_get0_notBefore(certificate), begin, sizeof(begin));
	date_of(X509_get0_notAfter(certificate), end, sizeof(end));
	tell(step, PARTNER_OK, "\"%s\", issued by \"%s\", from %s to %s, %d sent", subject, issuer,
		begin, end, sk_X509_num(sent));
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if ((t->chain & 1ul << order[i]) == 0)
			continue;
		if (step->result == PARTNER_OK)
			step->result = order[i];
		partner_step_add(step, "; %s",
			order[i] == PARTNER_CHAIN_BAD
				? X509_verify_cert_error_string(t->chain_error)
				: partner_result_name(order[i]));
	}
}

struct names {
	const struct partner_peer_question *question;
	struct partner_peer_report *report;
	char shown[PARTNER_TEXT - 300];
	size_t used;
	unsigned more;
	bool matched;
};

static void show_name(struct names *n, const char *name, size_t length)
{
	const size_t separator = n->used > 0 ? 2 : 0;

	if (n->more > 0 || n->used + separator + length >= sizeof(n->shown)) {
		n->more++;
		return;
	}
	memcpy(n->shown + n->used, ", ", separator);
	n->used += separator;
	for (size_t i = 0; i < length; i++)
		n->shown[n->used++] = name[i] > ' ' && name[i] <= '~' ? name[i] : '?';
	n->shown[n->used] = '\0';
}

static void take_name(void *user, const char *name, size_t length)
{
	struct names *n = user;
	const struct partner_peer_question *q = n->question;
	struct partner_peer_report *r = n->report;
	struct postern_domain domain;

	show_name(n, name, length);
	// What is no name (wildcards, NUL) proves none.
	if (postern_domain_parse(name, length, &domain) != 0)
		return;
	n->matched |= postern_domain_equal(&domain, &q->server);
	for (unsigned i = 0; i < q->n_names; i++)
		n->matched |= postern_domain_equal(&domain, &q->names[i]);
	if (r->n_names < PARTNER_NAMES_MAX)
		r->names[r->n_names++] = domain;
}

void partner_verdict_names(const struct partner_tls *t, const struct partner_peer_question *q,
	struct partner_peer_report *report, struct partner_step *step)
{
	const X509 *certificate = SSL_get0_peer_certificate(t->ssl);
	struct names n = {.question = q, .report = report, .shown = "none"};

	if (certificate != NULL)
		pool_names_each(certificate, q->tls.accept_cn, take_name, &n);
	char more[32] = "";
	if (n.more > 0)
		snprintf(more, sizeof(more), " and %u more", n.more);
	if (n.matched)
		tell(step, PARTNER_OK, "%s%s", n.shown, more);
	else
		tell(step, PARTNER_NAME_MISMATCH, "%s is not among: %s%s", q->server.text, n.shown,
			more);
}
