// SPDX-License-Identifier: BSD-2-Clause
// Why a certificate is refused: names and sentences, and OpenSSL's errors in ours.

#include "cert/private.h"

static const struct {
	const char *name, *for_operator, *for_partner;
} words[] = {
#define X(enumerator, name, operator_text, partner_text) {name, operator_text, partner_text},
	CERT_REASONS(X)
#undef X
};

const char *cert_reason_name(enum cert_reason r)
{
	return (unsigned)r < CERT_REASON_COUNT ? words[r].name : "unknown";
}

const char *cert_reason_for_operator(enum cert_reason r)
{
	return (unsigned)r < CERT_REASON_COUNT ? words[r].for_operator : "unknown";
}

const char *cert_reason_for_partner(enum cert_reason r)
{
	return (unsigned)r < CERT_REASON_COUNT ? words[r].for_partner : "unknown";
}

// A leaf alone whose issuer is nowhere to be found lacks what ought to have been sent with it; where an
// issuer was sent, it is the root that is not ours.
enum cert_reason cert_reason_of(int error, bool leaf_alone)
{
	switch (error) {
	case X509_V_OK:
		return CERT_GOOD;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return CERT_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return CERT_NOT_YET_VALID;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return leaf_alone ? CERT_CHAIN_INCOMPLETE : CERT_UNKNOWN_CA;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_UNTRUSTED:
	case X509_V_ERR_CERT_REJECTED:
		return CERT_UNKNOWN_CA;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return CERT_SELF_SIGNED;
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
	case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE:
	case X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH:
		return CERT_BAD_SIGNATURE;
	case X509_V_ERR_INVALID_CA:
	case X509_V_ERR_INVALID_NON_CA:
	case X509_V_ERR_NO_ISSUER_PUBLIC_KEY:
	case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
		return CERT_NOT_A_CA;
	case X509_V_ERR_PATH_LENGTH_EXCEEDED:
		return CERT_PATH_LENGTH;
	case X509_V_ERR_CERT_CHAIN_TOO_LONG:
		return CERT_CHAIN_TOO_LONG;
	case X509_V_ERR_PERMITTED_VIOLATION:
	case X509_V_ERR_EXCLUDED_VIOLATION:
	case X509_V_ERR_SUBTREE_MINMAX:
	case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
	case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
	case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
		return CERT_NAME_CONSTRAINTS;
	case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
		return CERT_CRITICAL_EXTENSION;
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
	case X509_V_ERR_EC_KEY_EXPLICIT_PARAMS:
		return CERT_WEAK_KEY;
	case X509_V_ERR_CA_MD_TOO_WEAK:
	case X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM:
		return CERT_WEAK_SIGNATURE;
	case X509_V_ERR_INVALID_POLICY_EXTENSION:
	case X509_V_ERR_NO_EXPLICIT_POLICY:
		return CERT_POLICY;
	case X509_V_ERR_INVALID_PURPOSE:
		return CERT_KEY_USAGE;
	case X509_V_ERR_INVALID_EXTENSION:
	case X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY:
	case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
	case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
	case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
		return CERT_MALFORMED;
	case X509_V_ERR_OUT_OF_MEM:
		return CERT_NO_MEMORY;
	default:
		return CERT_OTHER;
	}
}
