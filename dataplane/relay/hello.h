// SPDX-License-Identifier: BSD-2-Clause
// What a client says first: the ClientHello of TLS, read where it lies and however it is cut into
// segments and records; or something else, by its name.

#pragma once

#include "postern/hello.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

// The longest hello, its handshake header included. Those with keys of post-quantum groups are 2 KB;
// HAProxy's buffer is as large as this.
#define RELAY_HELLO_MAX 16384u

// A hello may come in records of one byte each, but no client's does; those of TLS libraries are of
// 512 bytes at least (RFC 8449 4 allows 64).
#define RELAY_HELLO_RECORDS 64u

// Bytes that are waited for before what is not TLS is given a name.
#define RELAY_HELLO_TEXT 64u

enum relay_hello_state {
	RELAY_HELLO_MORE, // `need` bytes must be there before it is worth while to look again
	RELAY_HELLO_READ, // `kind` and what follows it are known
	RELAY_HELLO_BAD,  // TLS by its first bytes, and broken or too long: `fault`
};

enum relay_hello_fault {
	RELAY_HELLO_MALFORMED, // lengths that contradict each other, parts that may not be there
	RELAY_HELLO_TOO_LONG,  // more than RELAY_HELLO_MAX bytes, or RELAY_HELLO_RECORDS records
	RELAY_HELLO_NAME,      // a server name that no DNS name is
};

// What is known of a hello. Pointers lead into `bytes`.
struct relay_hello {
	enum postern_hello kind;
	enum relay_hello_fault fault;
	size_t need;
	uint16_t version; // the highest that is offered: 0x0303 is TLS 1.2
	uint8_t name_length;
	char name[POSTERN_SERVER_NAME_SIZE]; // the server's, lower case; empty: none
	uint16_t alpn_length;
	const uint8_t *alpn;            // RFC 7301's list: a length byte before each name
	char ja4[POSTERN_JA4_SIZE];     // relay_ja4(); empty until then
	uint16_t ciphers_length;        // bytes
	const uint8_t *ciphers;         // two bytes each
	uint16_t extensions_length;     // bytes
	const uint8_t *extensions;      // type, length, bytes each
	const uint8_t *signatures;      // of signature_algorithms, two bytes each
	uint16_t signatures_length;     // bytes
	uint16_t gathered;              // bytes of the hello in `bytes`
	uint8_t bytes[RELAY_HELLO_MAX]; // without record headers
};

// Reads what lies in `n` pieces. `last`: nothing more will come, or not in time, so that what there is
// must do. Everything in *out is set. Pure; any thread.
enum relay_hello_state relay_hello_read(
	const struct iovec *iov, unsigned n, bool last, struct relay_hello *out);

// Writes the JA4 fingerprint (FoxIO) of a hello that has been read into hello->ja4. Of a hello of SSLv2
// there is none.
void relay_ja4(struct relay_hello *hello);

// True if a protocol is among those that the hello offers.
bool relay_hello_offers(const struct relay_hello *hello, const char *alpn, size_t length);
