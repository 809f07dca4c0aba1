// SPDX-License-Identifier: BSD-2-Clause
// What control may ask about sessions in relay mode: both connections, what was read of the client, and who
// has said what before. Control thread.

#pragma once

#include "postern/addr.h"
#include "postern/hello.h"
#include "postern/tcp_info.h"

#include <stdbool.h>
#include <stdint.h>

struct postern_dataplane;

// As much of a server name and of the first protocol of ALPN as is kept of a session; longer ones are cut.
#define POSTERN_NAME_SHOWN 104
#define POSTERN_ALPN_SHOWN 16

struct postern_relay_info {
	struct postern_tcp_info client;
	struct postern_tcp_info member;
	bool has_member; // `member` says something
	bool has_hello;  // what follows has been read
	uint8_t kind;    // enum postern_hello
	uint8_t asked;   // members
	uint16_t version;
	char name[POSTERN_NAME_SHOWN];
	char alpn[POSTERN_ALPN_SHOWN];
	char ja4[POSTERN_JA4_SIZE];
};

// -ENOENT: it is gone, or is none in relay mode.
int postern_relay_get(const struct postern_dataplane *dp, unsigned worker, uint32_t slot,
	uint32_t generation, struct postern_relay_info *out);

// What one source has said alike, over and over. One worker's count: others may have the same.
struct postern_hello_seen {
	struct postern_addr from;
	uint16_t listen; // id
	uint16_t version;
	uint8_t kind; // enum postern_hello
	char name[POSTERN_NAME_SHOWN];
	char alpn[POSTERN_ALPN_SHOWN];
	char ja4[POSTERN_JA4_SIZE];
	uint64_t count;
	uint64_t first_ms; // ago
	uint64_t last_ms;  // ago
};

// Walks what workers have seen as postern_session_next() does sessions. Bounded: what was not seen for
// long gives way to what is new.
int postern_hello_next(const struct postern_dataplane *dp, uint64_t *cursor, unsigned budget,
	struct postern_hello_seen *out);
