// SPDX-License-Identifier: BSD-2-Clause
// Records of the flight recorder in words.

#pragma once

#include "control/rpc/rpc.h"

#include "postern/record.h"

#include <stddef.h>

// What happened, as a sentence, and what to do next: new JSON strings, NULL when memory is refused.
json_t *rpc_why_what(const struct rpc_context *context, const struct postern_record *r);
json_t *rpc_why_next(const struct rpc_context *context, const struct postern_record *r);

// The name of a step, for programs.
const char *rpc_why_step(const struct postern_record *r);

// Who it was: "198.51.100.7:4711", or a network if several of its addresses are counted together.
#define RPC_WHY_FROM 80u
void rpc_why_from(const struct postern_record *r, char out[static RPC_WHY_FROM]);
