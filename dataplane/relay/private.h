// SPDX-License-Identifier: BSD-2-Clause
// What the files of this folder share: the session, the instance.

#pragma once

#include "admit/admit.h"
#include "base/recorder.h"
#include "base/wheel.h"
#include "relay/hello.h"
#include "relay/relay.h"

// Members that are asked for one session before its client is told no.
#define RELAY_TRIES 3u

// A member has so long for its answer to a SYN, which is repeated after a second (RFC 6298 2.1).
#define RELAY_CONNECT_MS 2000u

enum {
	RELAY_CLIENT,
	RELAY_MEMBER,
	RELAY_SIDES
};

enum relay_phase {
	RELAY_HELLO,   // what the client says first is not whole
	RELAY_OPENING, // a member has been asked
	RELAY_COPYING,
};

// What a connection's events are told with.
struct relay_side {
	struct tcp_conn *conn; // NULL: none, or released
	uint64_t bytes;        // from this side
	uint8_t which;
	bool over; // all that it will ever send has been passed on, and the other side was told
};

// Slots are reused; a session is named by slot and generation, which is odd while the slot is in use.
// worker: rw; control reads copies (show.c)
struct relay_session {
	struct relay_side side[RELAY_SIDES];
	uint32_t generation;
	uint8_t phase; // enum relay_phase
	uint8_t tries;
	uint8_t kind;       // enum postern_hello
	bool was_silent;    // the member that was asked last
	bool header_wanted; // of the PROXY protocol, before anything else
	uint16_t listen;    // id
	uint16_t pool;      // id
	uint16_t member;    // id; POSTERN_ID_NONE: none yet
	uint16_t tried[RELAY_TRIES];
	uint16_t version;
	uint32_t hash;      // what chooses the member
	uint32_t next_free; // slot + 1
	size_t need;        // bytes of the hello before it is looked at again
	struct base_wheel_node timer;
	uint64_t opened_us;
	uint64_t last_us;   // when something was copied last
	uint64_t joined_us; // when its member was asked
	struct postern_endpoint client;
	struct postern_endpoint local;      // that the client connected to
	struct postern_endpoint translated; // ours towards the member
	char name[POSTERN_NAME_SHOWN];
	char alpn[POSTERN_ALPN_SHOWN];
	char ja4[POSTERN_JA4_SIZE];
};

// worker: rw, control: ro (stats)
struct relay_member {
	struct postern_endpoint at;
	uint32_t in_a_row; // failures since it last accepted
	bool taking;
	uint64_t reset_us; // since when its sessions are to be reset; 0: they are not
	struct postern_member_stats stats;
};

struct relay_listen {
	struct postern_endpoint at;
	uint16_t id;
	uint16_t service; // id
	bool known;
	bool gone; // no longer in the configuration
	struct postern_listen_stats stats;
};

struct relay_seen {
	uint32_t version; // odd while it is written; 0: free
	uint64_t key;
	uint64_t first_us;
	uint64_t last_us;
	struct postern_hello_seen seen; // without times
};

// Fingerprints by what they are made from.
#define RELAY_JA4_CACHE 256u
struct relay_ja4_known {
	uint64_t key;
	char ja4[POSTERN_JA4_SIZE];
};

#define RELAY_IDS 65536u

#define RELAY_LOST_MOST 64u // addresses that are looked for together

struct relay {
	struct base_counters *counters;
	struct tcp *tcp;
	const struct relay_config *config;
	struct relay_session *sessions;
	uint32_t capacity;
	uint32_t first_slot;
	uint32_t in_use;     // worker: rw, control: ro
	uint32_t high_water; // worker: rw, control: ro
	uint32_t free;       // slot + 1
	uint32_t address_opening;
	struct base_wheel wheel;
	struct relay_member *members; // by id
	struct relay_listen *listens; // by id
	uint32_t n_member_ids;        // ids that have been used
	uint32_t n_listen_ids;
	struct relay_seen *seen;
	struct relay_ja4_known *ja4;
	uint64_t now_us;
	const uint32_t *health;
	const uint64_t *health_changes;
	uint64_t health_seen;
	uint32_t sweep_at; // slot at which the search for sessions that must go is
	bool sweeping;
	bool event_mark;
	uint8_t worker;
	struct base_secret secret;
	struct base_recorder *recorder;
	struct rte_ring *events;
	struct rte_ring *closes;
	struct rte_ring *closed;
	const struct postern_policy *policy; // NULL: all are admitted everywhere
	// admission.c: sessions whose address has lost its last partner
	struct {
		struct admit_lost lost[RELAY_LOST_MOST];
		unsigned n;
		bool all; // any address may be one
		bool sweeping;
		bool wanted; // a service ends such sessions
		uint32_t at; // slot
		uint64_t cursor;
	} withdrawn;
	bool (*source)(void *context, const struct postern_addr *member, uint32_t n,
		struct postern_addr *out);
	void *context;
	struct relay_hello hello; // the one that is being read
};

static inline struct relay_session *relay_session_of(struct relay_side *side)
{
	return (struct relay_session *)(void *)(side - side->which);
}

static inline uint32_t relay_slot(const struct relay *r, const struct relay_session *s)
{
	return (uint32_t)(s - r->sessions);
}

// The service of a listening endpoint by the configuration of now; NULL: it is gone.
static inline const struct postern_service *relay_service(
	const struct relay *r, const struct relay_listen *l)
{
	return l->gone ? NULL : r->config->services[l->service];
}

static inline void relay_sessions_add(uint32_t *cell, int n)
{
	__atomic_store_n(cell, *cell + (uint32_t)n, __ATOMIC_RELAXED);
}

// session.c
// A client has connected: makes a session of it, or sends it away.
struct relay_session *relay_begin(struct relay *r, struct relay_listen *l, struct tcp_conn *conn);
// Ends a session: what was passed on is delivered, connections are closed.
void relay_end(struct relay *r, struct relay_session *s, enum postern_counter reason);
// The same with a reset to whoever is still there. `side`: who ended it, or was silent.
void relay_kill(struct relay *r, struct relay_session *s, enum postern_counter reason,
	enum postern_side side);
// The client is told no: with a TLS alert where it speaks TLS, else with a reset.
void relay_refuse(
	struct relay *r, struct relay_session *s, enum postern_counter reason, uint8_t alert);
// Arms the timer by what the session waits for.
void relay_arm(struct relay *r, struct relay_session *s);
void relay_expired(struct relay *r, struct relay_session *s);
// The hello is whole, or will never be: goes on to a member.
void relay_leave_hello(struct relay *r, struct relay_session *s);

// read.c
// Looks at what the client has said so far. `last`: it is all that there will be.
void relay_read(struct relay *r, struct relay_session *s, bool last);

// choose.c
struct relay_choice {
	uint16_t pool;               // id; POSTERN_ID_NONE: refused, for
	enum postern_counter reason; // this
};
struct relay_choice relay_choose(
	const struct postern_service *service, const struct relay_hello *hello);

// open.c
// Asks a member of the session's pool, one that was not asked yet; refuses the client if there is none.
void relay_open(struct relay *r, struct relay_session *s);
// The member that was asked has failed.
void relay_open_failed(struct relay *r, struct relay_session *s, enum tcp_reason reason);
void relay_open_succeeded(struct relay *r, struct relay_session *s);
// The session has nothing to do with its member any more.
void relay_leave_member(struct relay *r, struct relay_session *s);

// copy.c
// Passes on what has come, both ways, and ends of streams. May end the session.
void relay_copy(struct relay *r, struct relay_session *s);

// proxy.c
#define RELAY_PROXY_MAX (16u + 36u + 3u + POSTERN_NAME_SHOWN)
// Writes a header of the PROXY protocol, version 2, and returns its length.
unsigned relay_proxy_write(const struct relay_session *s, uint8_t out[static RELAY_PROXY_MAX]);

// seen.c
// Notes the hello in r->hello as the session's, and counts it for its source.
void relay_see(struct relay *r, struct relay_session *s);

// admission.c
void relay_admission_adopt(struct relay *r);
// Ends sessions whose address has lost its last partner, a bounded number. True if more wait.
bool relay_withdraw_some(struct relay *r);

// record.c
void relay_record(struct relay *r, const struct relay_session *s, enum postern_step step,
	enum postern_counter reason, enum postern_side side);
