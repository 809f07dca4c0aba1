// SPDX-License-Identifier: BSD-2-Clause
// What both halves know of the first bytes of a client that is relayed.

#pragma once

#include <stdint.h>

// X(enumerator, shown name, what it is)
#define POSTERN_HELLO_KINDS(X)                                                                     \
	X(TLS, "tls", "a ClientHello of SSL 3.0 to TLS 1.3")                                       \
	X(SSLV2, "sslv2", "a ClientHello in the form of SSLv2, whatever version it offers")        \
	X(HTTP, "http", "plain HTTP")                                                              \
	X(SIP, "sip", "plain SIP")                                                                 \
	X(XMPP, "xmpp", "an XMPP stream, which may ask for STARTTLS")                              \
	X(SSH, "ssh", "SSH")                                                                       \
	X(TEXT, "text", "plain text of no known protocol")                                         \
	X(OTHER, "other", "bytes of no known protocol")                                            \
	X(SILENT, "silent", "nothing in time")

enum postern_hello {
#define X(enumerator, name, help) POSTERN_HELLO_##enumerator,
	POSTERN_HELLO_KINDS(X)
#undef X
	POSTERN_HELLOS
};

// "tls". Any thread.
const char *postern_hello_name(enum postern_hello kind);

#define POSTERN_SERVER_NAME_SIZE 256 // of 253 bytes at most (RFC 1035 2.3.4), NUL included
#define POSTERN_JA4_SIZE         40  // "t13d1516h2_8daaf6152771_e5627efa2ab1" and NUL

#define POSTERN_SSL2  0x0002u
#define POSTERN_SSL3  0x0300u
#define POSTERN_TLS10 0x0301u
#define POSTERN_TLS11 0x0302u
#define POSTERN_TLS12 0x0303u
#define POSTERN_TLS13 0x0304u

// "tls1.2", "ssl3", "ssl2", "none" of 0, "unknown". Any thread.
const char *postern_tls_version_name(uint16_t version);
