// SPDX-License-Identifier: BSD-2-Clause
// What the control half may ask of the dataplane: start, publish, look, stop. Unless a comment
// says otherwise the functions are called from the control thread, return 0 or a negative errno,
// and never block.

#pragma once

#include "postern/addr.h"
#include "postern/counter.h"
#include "postern/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct postern_dataplane;

enum postern_huge_pages {
	POSTERN_HUGE_AUTO,    // use them if enough are free, else do without (virtual devices)
	POSTERN_HUGE_REQUIRE, // refuse to start without
	POSTERN_HUGE_OFF,
};

#define POSTERN_WORKERS_MAX 64

struct postern_start {
	const char *program;         // argv[0], for EAL's messages
	const uint32_t *worker_cpus; // one worker each; a CPU may stand more than once
	unsigned n_workers;
	enum postern_huge_pages huge_pages;
	unsigned memory_mb;           // EAL's memory; 0: computed from the buffers
	unsigned buffers;             // packet buffers in all
	uint32_t sessions;            // of all workers together
	uint32_t flows;               // likewise, of those that members begin; beside the sessions
	uint32_t connections;         // of TCP that end here; likewise
	uint32_t address_connections; // of these, that one address may have opened; of each worker
	uint32_t address_opening;     // of these, whose first words are not whole
	bool busy_poll;               // never sleep
	char *const *eal;             // further EAL arguments
	unsigned n_eal;
	struct postern_policy *policy; // outlives the dataplane; NULL: all are admitted everywhere
};

// Starts EAL, opens and configures every interface of the snapshot, adopts the snapshot as
// epoch 1 and starts the worker. May take seconds; called once. On failure `why` (of `size`
// bytes) says in one line what is wrong and what to type, and everything is undone; EAL
// cannot be started a second time in a process. Takes the snapshot in either case.
int postern_dataplane_start(const struct postern_start *start, struct postern_snapshot *snapshot,
	struct postern_dataplane **out, char *why, size_t size);

// Stops the worker, closes the ports and frees everything. Sends no resets: what is in progress
// is met with resets when its next packet arrives after a restart. May take some milliseconds.
void postern_dataplane_stop(struct postern_dataplane *dp);

// Publishes the next snapshot and returns its epoch (positive), or a negative errno. Takes the
// snapshot in either case. Interfaces must be those of the first snapshot.
int64_t postern_dataplane_publish(struct postern_dataplane *dp, struct postern_snapshot *snapshot);

// The lowest epoch that every worker has adopted.
uint64_t postern_dataplane_adopted(const struct postern_dataplane *dp);

// Frees snapshots that no worker can still see, and logs what workers have found out; called now and then from the control loop.
void postern_dataplane_reclaim(struct postern_dataplane *dp);

// Member health, one word a member (control: rw, worker: ro).
#define POSTERN_MEMBER_TAKES_NEW 0x1u // new sessions may go there
// Bits 8 to 15: of 256 new sessions so many are withheld from it while it warms up; 0: none.
#define POSTERN_MEMBER_SHARE_WITHHELD(word) (((word) >> 8) & 0xffu)
#define POSTERN_MEMBER_RESET                0x2u // its sessions are to be reset on both sides, now

void postern_member_set_health(struct postern_dataplane *dp, uint16_t member, uint32_t word);

// What a worker has seen of a member. Only control changes health; this is advice.
enum postern_event_kind {
	POSTERN_EVENT_REFUSED, // SYNs in a row were answered with a reset
	POSTERN_EVENT_SILENT,  // SYNs in a row were not answered
};

struct postern_event {
	uint8_t kind;
	uint8_t worker;
	uint16_t member;   // id
	uint32_t in_a_row; // failures since the member last accepted
};

// Takes up to `n` events; returns how many. The descriptor becomes readable when there are some.
unsigned postern_events_take(struct postern_dataplane *dp, struct postern_event *out, unsigned n);
int postern_events_fd(const struct postern_dataplane *dp);

unsigned postern_workers(const struct postern_dataplane *dp);
// How often a worker's loop has turned; one that sleeps for want of packets turns every few ms.
uint64_t postern_worker_turns(const struct postern_dataplane *dp, unsigned worker);

// Sums over all workers.
void postern_counters_read(
	const struct postern_dataplane *dp, uint64_t out[static POSTERN_COUNTER_COUNT]);

struct postern_member_stats {
	uint64_t opened;      // sessions sent there
	uint64_t established; // handshakes completed
	uint64_t refused;     // SYNs answered with a reset
	uint64_t silent;      // SYNs not answered
	uint64_t bytes_in;    // from clients to the member, IP packet bytes
	uint64_t bytes_out;   // from the member to clients
	uint32_t sessions;    // now, those included that are ending
	uint32_t ending;      // of these: reset, or closed by both sides, and only remembered
	uint32_t flows;       // now, begun by the member without a service; not among the sessions
	uint32_t inbound;     // likewise, begun by others at its own address
};

void postern_member_read(
	const struct postern_dataplane *dp, uint16_t member, struct postern_member_stats *out);

struct postern_listen_stats {
	uint64_t opened;
	uint64_t refused;      // no member
	uint64_t not_admitted; // refused or dropped: of no admitted partner
	uint64_t observed;     // likewise, but let through
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint32_t sessions; // as above
	uint32_t ending;
};

void postern_listen_read(
	const struct postern_dataplane *dp, uint16_t listen, struct postern_listen_stats *out);

// True when no session refers to the id any more, so that it may be given to another name.
bool postern_member_is_idle(const struct postern_dataplane *dp, uint16_t member);
bool postern_listen_is_idle(const struct postern_dataplane *dp, uint16_t listen);

enum postern_session_state {
	POSTERN_SESSION_OPENING,
	POSTERN_SESSION_ESTABLISHED,
	POSTERN_SESSION_CLOSING, // at least one side has sent FIN
	POSTERN_SESSION_RESET,   // a reset has passed, or we have sent them
	POSTERN_SESSION_STATES
};

const char *postern_session_state_name(enum postern_session_state s);

enum postern_session_kind {
	POSTERN_SESSION_SERVICE,  // a client's with a service
	POSTERN_SESSION_OUTBOUND, // begun by a member, without a service
	POSTERN_SESSION_INBOUND,  // begun at a member's own address
	POSTERN_SESSION_RELAY,    // a client's with a service, and ours with a member
	POSTERN_SESSION_KINDS
};

const char *postern_session_kind_name(enum postern_session_kind k);

struct postern_session {
	enum postern_session_kind kind;
	uint8_t worker;
	uint32_t slot;
	uint32_t generation;
	enum postern_session_state state;
	bool over;                      // in all but name: reset, or closed by both sides
	struct postern_endpoint client; // without a service: whom the member talks to
	uint16_t listen;                // id, of an outbound rule where there is no service
	uint16_t member;                // id
	// What the member sees as the client: ours, or the client's own. Begun by a member: what the other
	// side sees of it.
	struct postern_endpoint translated;
	uint16_t member_port; // the member's own; of services 0
	uint8_t protocol;
	uint64_t age_ms;
	uint64_t idle_ms;
	uint64_t bytes_in;
	uint64_t bytes_out;
};

// Walks the sessions without disturbing the worker: copies the first one at or after *cursor and
// moves the cursor behind it. Returns 1, or 0 at the end, or -EAGAIN after having looked at
// `budget` slots without finding one (call again). A walk begins with *cursor = 0; sessions that
// come and go meanwhile may be missed or seen.
int postern_session_next(const struct postern_dataplane *dp, uint64_t *cursor, unsigned budget,
	struct postern_session *out);

// One session by its id; -ENOENT when it is gone.
int postern_session_get(const struct postern_dataplane *dp, unsigned worker, uint32_t slot,
	uint32_t generation, struct postern_session *out);

// Asks a session's worker to reset both sides of it, as of one whose member is lost; datagrams of UDP
// begin a new one. -ENOENT: no such worker; -EAGAIN: so many wait that this one has to be asked for
// again. Everything else is answered by postern_closed_take(), a few milliseconds later.
int postern_session_close(struct postern_dataplane *dp, unsigned worker, uint32_t slot,
	uint32_t generation, uint32_t ticket);

struct postern_closed {
	uint32_t ticket; // as it was asked with
	uint32_t closed; // 1: it has been reset; 0: it was gone, or over, before
};

// Takes up to `n` answers; returns how many.
unsigned postern_closed_take(struct postern_dataplane *dp, struct postern_closed *out, unsigned n);

// Sessions of all modes.
uint32_t postern_sessions_capacity(const struct postern_dataplane *dp);
uint32_t postern_sessions_in_use(const struct postern_dataplane *dp);
// Of TCP connections that end here: those that are open or finish. 0 as long as no service needs any.
uint32_t postern_connections_capacity(const struct postern_dataplane *dp);
uint32_t postern_connections_in_use(const struct postern_dataplane *dp);
// Likewise of the flows that members begin.
uint32_t postern_flows_capacity(const struct postern_dataplane *dp);
uint32_t postern_flows_in_use(const struct postern_dataplane *dp);

enum postern_neighbour_state {
	POSTERN_NEIGHBOUR_NONE,
	POSTERN_NEIGHBOUR_RESOLVING, // asked for; packets wait
	POSTERN_NEIGHBOUR_REACHABLE,
	POSTERN_NEIGHBOUR_PROBING, // used, and asked for again
	POSTERN_NEIGHBOUR_FAILED,  // did not answer; packets are dropped, and it is soon asked anew
	POSTERN_NEIGHBOUR_STATES
};

const char *postern_neighbour_state_name(enum postern_neighbour_state s);

// A next hop on a link, as one worker knows it.
struct postern_neighbour {
	struct postern_addr addr;
	uint16_t interface; // index in the snapshot
	uint8_t worker;
	enum postern_neighbour_state state;
	uint8_t mac[6];
	bool known;        // `mac` is valid
	bool for_client;   // held for what a client sends, not for a gateway or member
	uint64_t heard_ms; // since it last said where it is; of a known one
	uint32_t users;    // sessions, members and gateways that hold it
};

// Walks what workers know of neighbours as postern_session_next() does sessions.
int postern_neighbour_next(const struct postern_dataplane *dp, uint64_t *cursor, unsigned budget,
	struct postern_neighbour *out);

#define POSTERN_INTERFACE_ANY UINT16_MAX

// Lets all workers ask for a neighbour anew, whoever answers; `addr` NULL: for all of an interface, or
// of all. What is known is used until the answer has come. -EAGAIN: others wait to be asked for.
int postern_neighbour_flush(
	struct postern_dataplane *dp, uint16_t interface, const struct postern_addr *addr);

// How packets come to the worker that owns them.
enum postern_rss {
	POSTERN_RSS_UNUSED,   // there is one worker
	POSTERN_RSS_VERIFIED, // the port's RSS brings them, has been asked, and keeps its word
	// Whoever receives a packet hands it over:
	POSTERN_RSS_NONE,    // the driver offers no RSS
	POSTERN_RSS_QUEUES,  // there are fewer queues than workers
	POSTERN_RSS_REFUSED, // the port does not take key and table, or reads back others
	POSTERN_RSS_BROKEN,  // packets come to other queues than the port was told
};

// "verified", "handed over: ..."
const char *postern_rss_text(enum postern_rss rss);

struct postern_port_info {
	char driver[32];
	uint8_t mac[6];
	uint16_t mtu;
	uint16_t rx_queues, tx_queues;
	uint32_t speed_mbps; // 0: the port does not say
	bool up;
	bool rx_checksum; // the port verifies checksums
	bool tx_checksum; // the port writes checksums
	enum postern_rss rss;
	uint64_t rx_handed_over; // packets that another worker has received than owns them
	uint64_t rx_packets, rx_bytes, rx_missed, rx_errors;
	uint64_t rx_no_buffer; // packets lost for want of a buffer
	uint64_t tx_packets, tx_bytes, tx_errors;
	uint64_t tx_dropped; // packets that the port's transmit queues did not take
};

// `interface` is the index in the snapshot.
int postern_port_read(
	const struct postern_dataplane *dp, uint16_t interface, struct postern_port_info *out);

bool postern_dataplane_uses_huge_pages(const struct postern_dataplane *dp);
