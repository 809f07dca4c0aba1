// SPDX-License-Identifier: BSD-2-Clause
// Other parsers' reading of a message's From. Each in a file of its own: their names and ours meet.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PEER_HOST_SIZE 512

// The host of From as the parser has it, in lower case, without brackets and trailing dot. False if
// it refuses the message, or has no such host. `text` has a NUL behind its last byte.
bool peer_sofia(const char *text, size_t length, char host[static PEER_HOST_SIZE]);
bool peer_osip(const char *text, size_t length, char host[static PEER_HOST_SIZE]);

// Brings a host to that form.
bool peer_host(const char *from, char host[static PEER_HOST_SIZE]);
