// SPDX-License-Identifier: BSD-2-Clause
// Which sessions an operator means: by id, or by what they have in common.

#pragma once

#include "control/rpc/rpc.h"

#include "postern/addr.h"
#include "postern/dataplane.h"

struct postern_listen;
struct postern_snapshot;

// What sessions are looked for: the parameters of RPC_SESSION_FILTER_PARAMS, those that were given.
struct rpc_session_filter {
	json_t *params; // names are compared anew with each session: a reload may come in between
	bool by_client;
	struct postern_prefix client;
	uint16_t client_port; // 0: any
};

extern const char *const rpc_session_kinds[];
extern const char *const rpc_session_states[];

#define RPC_SESSION_FILTER_PARAMS                                                                  \
	{"service", RPC_STRING, false, false, NULL, "sessions of this service only"},              \
		{"pool", RPC_STRING, false, false, NULL, "sessions of this pool's members only"},  \
		{"member", RPC_STRING, false, false, NULL, "sessions of this POOL/MEMBER only"},   \
		{"client", RPC_STRING, false, false, NULL,                                         \
			"sessions from this ADDRESS, ADDRESS/BITS or ADDRESS:PORT only"},          \
		{"kind", RPC_STRING, false, false, rpc_session_kinds,                              \
			"service: of services; relay: of services in relay mode; outbound: begun " \
			"by members; inbound: begun at members' own addresses"},                   \
	{                                                                                          \
		"state", RPC_STRING, false, false, rpc_session_states,                             \
			"sessions in this state only"                                              \
	}

// Whether the service, pool and member of the parameters exist; ends the call if one does not.
bool rpc_session_names_exist(
	struct rpc_call *call, struct rpc_context *context, const json_t *params);
// Takes a reference to the parameters, also if there are mistakes, which are returned.
json_t *rpc_session_filter_set(struct rpc_session_filter *f, const json_t *params);
void rpc_session_filter_clear(struct rpc_session_filter *f);
bool rpc_session_matches(const struct rpc_context *context, const struct rpc_session_filter *f,
	const struct postern_session *s);

// Reads wWORKER.SLOT.GENERATION.
bool rpc_session_id_parse(const char *text, unsigned *worker, uint32_t *slot, uint32_t *generation);
json_t *rpc_session_id_mistake(json_t *mistakes);

// True if it is one of a service, in whichever mode.
static inline bool rpc_session_is_service(const struct postern_session *s)
{
	return s->kind == POSTERN_SESSION_SERVICE || s->kind == POSTERN_SESSION_RELAY;
}

// NULL: it has been removed since.
const struct postern_listen *rpc_session_listen(const struct postern_snapshot *s, uint16_t id);
// The name of the service, or of the outbound rule, that it belongs to.
const char *rpc_session_belongs(
	const struct postern_snapshot *s, const struct postern_session *session);
const char *rpc_session_service(const struct postern_snapshot *s, const struct postern_listen *l);
