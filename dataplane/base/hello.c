// SPDX-License-Identifier: BSD-2-Clause
// Names of first bytes and of versions.

#include "postern/hello.h"

const char *postern_hello_name(enum postern_hello kind)
{
	static const char *const names[POSTERN_HELLOS] = {
#define X(enumerator, name, help) [POSTERN_HELLO_##enumerator] = (name),
		POSTERN_HELLO_KINDS(X)
#undef X
	};

	return kind < POSTERN_HELLOS ? names[kind] : "?";
}

const char *postern_tls_version_name(uint16_t version)
{
	switch (version) {
	case 0:
		return "none";
	case POSTERN_SSL2:
		return "ssl2";
	case POSTERN_SSL3:
		return "ssl3";
	case POSTERN_TLS10:
		return "tls1.0";
	case POSTERN_TLS11:
		return "tls1.1";
	case POSTERN_TLS12:
		return "tls1.2";
	case POSTERN_TLS13:
		return "tls1.3";
	default:
		return "unknown";
	}
}
