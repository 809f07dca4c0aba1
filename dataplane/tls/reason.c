// SPDX-License-Identifier: BSD-2-Clause
// Names of reasons and alerts.

#include "tls/private.h"

static const struct {
	const char *name, *help;
} words[] = {
#define X(enumerator, name, help) {name, help},
	TLS_REASONS(X)
#undef X
};

const char *tls_reason_name(enum tls_reason r)
{
	return (unsigned)r < TLS_REASON_COUNT ? words[r].name : "unknown";
}

const char *tls_reason_help(enum tls_reason r)
{
	return (unsigned)r < TLS_REASON_COUNT ? words[r].help : "unknown";
}

const char *tls_alert_name(uint8_t alert)
{
	switch (alert) {
	case SSL_AD_CLOSE_NOTIFY:
		return "close_notify";
	case SSL_AD_UNEXPECTED_MESSAGE:
		return "unexpected_message";
	case SSL_AD_BAD_RECORD_MAC:
		return "bad_record_mac";
	case SSL_AD_RECORD_OVERFLOW:
		return "record_overflow";
	case SSL_AD_HANDSHAKE_FAILURE:
		return "handshake_failure";
	case SSL_AD_NO_CERTIFICATE:
		return "no_certificate";
	case SSL_AD_BAD_CERTIFICATE:
		return "bad_certificate";
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
		return "unsupported_certificate";
	case SSL_AD_CERTIFICATE_REVOKED:
		return "certificate_revoked";
	case SSL_AD_CERTIFICATE_EXPIRED:
		return "certificate_expired";
	case SSL_AD_CERTIFICATE_UNKNOWN:
		return "certificate_unknown";
	case SSL_AD_ILLEGAL_PARAMETER:
		return "illegal_parameter";
	case SSL_AD_UNKNOWN_CA:
		return "unknown_ca";
	case SSL_AD_ACCESS_DENIED:
		return "access_denied";
	case SSL_AD_DECODE_ERROR:
		return "decode_error";
	case SSL_AD_DECRYPT_ERROR:
		return "decrypt_error";
	case SSL_AD_PROTOCOL_VERSION:
		return "protocol_version";
	case SSL_AD_INSUFFICIENT_SECURITY:
		return "insufficient_security";
	case SSL_AD_INTERNAL_ERROR:
		return "internal_error";
	case SSL_AD_INAPPROPRIATE_FALLBACK:
		return "inappropriate_fallback";
	case SSL_AD_USER_CANCELLED:
		return "user_canceled";
	case SSL_AD_NO_RENEGOTIATION:
		return "no_renegotiation";
	case SSL_AD_MISSING_EXTENSION:
		return "missing_extension";
	case SSL_AD_UNSUPPORTED_EXTENSION:
		return "unsupported_extension";
	case SSL_AD_UNRECOGNIZED_NAME:
		return "unrecognized_name";
	case SSL_AD_CERTIFICATE_REQUIRED:
		return "certificate_required";
	case SSL_AD_NO_APPLICATION_PROTOCOL:
		return "no_application_protocol";
	default:
		return "unknown alert";
	}
}
