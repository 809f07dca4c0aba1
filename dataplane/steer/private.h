// SPDX-License-Identifier: BSD-2-Clause
// What the files of this folder share: the session entry, the tables around it, the instance.

#pragma once

#include "admit/admit.h"
#include "base/recorder.h"
#include "base/siphash.h"
#include "base/wheel.h"
#include "steer/steer.h"

#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <netinet/in.h>

// Directions: who sent the packet.
enum {
	FROM_CLIENT,
	FROM_MEMBER,
	DIRECTIONS
};

// Flags of an entry.
#define FLOW_FIN_CLIENT 0x01u // bit of FROM_CLIENT
#define FLOW_FIN_MEMBER 0x02u // bit of FROM_MEMBER
#define FLOW_FIN_BOTH   (FLOW_FIN_CLIENT | FLOW_FIN_MEMBER)
#define FLOW_SYNACK     0x04u // the member has accepted
#define FLOW_ASSURED    0x04u // of UDP, which has no SYN: the client went on after an answer
#define FLOW_UDP        0x10u
#define FLOW_DESTINATION                                                                           \
	0x20u              // only the service's address is translated; without a service: nothing
#define FLOW_RANGE   0x40u // the member is asked on the service's port, not on its own
#define FLOW_GATEWAY 0x80u // without a service: we are the member's router; and of these:
#define FLOW_INBOUND 0x40u // begun by the other side, at the member's own address
#define FLOW_KILLED  0x08u // we have reset both sides; what still comes is answered with a reset

// What a SYN said, kept until the member has accepted, so that it can be said again to another.
struct steer_syn {
	uint32_t ts_value;
	uint16_t mss; // 0: no option
	uint16_t window;
	uint8_t wscale;  // SYN_NO_WSCALE: no option
	uint8_t options; // SYN_SACK, SYN_TS
	uint8_t tries;   // members asked so far
	bool asked;      // the SYN has left for the member, so that its silence means something
	uint8_t spare[4];
};

#define SYN_NO_WSCALE 0xffu
#define SYN_SACK      0x01u
#define SYN_TS        0x02u

// What every packet of a session needs, in one cache line. Slots are reused; a session is named
// by slot and generation, which is odd while the slot is in use.
// worker: rw; control reads copies (sessions.c)
struct steer_flow {
	struct postern_addr client;
	uint16_t client_port; // wire order
	// Wire order. Of source translation: our port towards the member; of destination
	// translation: the service's port, which is one of many if it listens on a range. Without a
	// service: the port that the client knows the member by.
	uint16_t own_port;
	uint16_t listen; // id
	uint16_t member; // id
	union {
		uint16_t nat;         // source translation: index of our address towards the member
		uint16_t member_port; // without a service; wire order
	};
	uint16_t neigh; // next hop towards the client
	uint8_t state;  // enum postern_session_state
	uint8_t flags;
	uint8_t bytes_high[DIRECTIONS]; // bits 32 to 39 of `bytes`
	uint32_t generation;
	uint32_t last_ms;          // time of the last packet
	uint32_t next[DIRECTIONS]; // sequence number that follows what this side has sent
	union {
		struct steer_syn
			syn; // until the member has accepted: FLOW_SYNACK; of services alone
		struct {
			uint32_t expects[DIRECTIONS]; // what this side has acknowledged last
			uint32_t bytes[DIRECTIONS];   // of IP packets
		};
	};
};

_Static_assert(sizeof(struct steer_flow) == 64, "one cache line");

// What is touched when a session begins, changes its state or ends.
struct steer_flow_cold {
	struct base_wheel_node timer;
	uint32_t member_next, member_prev; // sessions of one member; slot + 1
	uint32_t list_next, list_prev;     // sessions of one list, or the free slots; slot + 1
	uint32_t opened;                   // in units of OPENED_SHIFT
};

// Times of opening are kept in 2^14 microseconds: 32 bits of them last 2.2 years.
#define OPENED_SHIFT 14

_Static_assert(sizeof(struct steer_flow_cold) == 32, "half a cache line");

// The index from packet to session: buckets of eight, two places for each key. A reference is
// slot * 2 + direction.
struct steer_bucket {
	uint16_t tags[8]; // 0: free
	uint32_t refs[8];
	uint16_t spilled; // keys whose first place this is and that lie in their second
	uint16_t spare[7];
};

_Static_assert(sizeof(struct steer_bucket) == 64, "one cache line");

struct steer_table {
	struct steer_bucket *buckets;
	uint32_t n_buckets;
};

// Sessions in the order in which they came to a state, oldest first: who gives way when the table
// is full.
enum {
	LIST_NONE,
	LIST_OPENING,
	LIST_ENDING,
	LIST_FLOW_OPENING, // likewise of flows that members have begun, which give way to each other alone
	LIST_FLOW_ENDING,
	LISTS
};

// What has places of its own in the table.
enum {
	QUOTA_SESSIONS, // begun by clients
	QUOTA_FLOWS,    // begun by members
	QUOTAS
};

struct steer_list {
	uint32_t head, tail; // slot + 1
	uint32_t length;
};

// A member as its sessions see it; outlives its place in the configuration until the last of
// them has gone. worker: rw, control: ro (stats)
struct steer_member {
	struct postern_addr addr;
	uint16_t port; // wire order
	uint16_t pool; // id
	uint16_t interface;
	uint16_t neigh;    // IP_NEIGH_NONE: no route
	uint32_t flows;    // its sessions that are not yet reset; slot + 1
	uint32_t in_a_row; // failures since it last accepted
	uint8_t family;
	bool known;
	bool taking;                       // took new sessions when health was last looked at
	bool reset;                        // its sessions were to be reset then
	bool losing;                       // those that it had when that began are being reset
	bool gone;                         // no longer in the configuration
	struct postern_member_stats stats; // last: see adopt_member()
};

// A listening endpoint likewise, or an outbound rule, whose address is what members are known by.
struct steer_listen {
	struct postern_addr addr;
	uint16_t port;      // wire order
	uint16_t pool;      // id
	uint16_t last_port; // of a range, host order; 0: no range
	uint8_t protocol;
	bool known;
	bool gone; // no longer in the configuration
	enum postern_translate translate;
	enum postern_affinity affinity;
	uint8_t admission; // enum postern_admission
	bool refuse_reset;
	bool close_on_block;
	uint16_t organisation;
	struct postern_session_times times;
	uint32_t udp_idle_ms; // of an outbound rule
	struct postern_listen_stats stats;
};

// A range in the list of our addresses towards members.
struct steer_nat_range {
	uint16_t first;
	uint16_t count;
};

#define STEER_IDS 65536u

// Lost addresses that one walk through the sessions looks for.
#define STEER_LOST_MOST 16u

struct steer {
	struct base_counters *counters;
	struct ip_layer *ip;
	const struct steer_config *config;
	struct steer_flow *flows;
	struct steer_flow_cold *cold;
	struct steer_table table;
	struct base_secret secret;
	uint32_t now_ms;
	uint32_t capacity;        // slots
	uint32_t limits[QUOTAS];  // of these
	uint32_t in_use[QUOTAS];  // worker: rw, control: ro
	uint32_t n_gateway_flows; // without a service, whoever has begun them
	uint32_t high_water;      // worker: rw, control: ro
	uint32_t free;            // slot + 1
	struct steer_list lists[LISTS];
	struct base_wheel wheel;
	struct steer_member *members; // by id
	struct steer_listen *listens; // by id
	uint32_t n_member_ids;        // ids that have been used
	uint32_t n_listen_ids;
	struct postern_addr *nats; // ours towards members, all interfaces' together; fixed
	uint32_t n_nats;
	struct steer_nat_range *nat_ranges; // by interface * POSTERN_FAMILIES + family
	struct base_siphash_key ports_key;
	uint64_t draws; // of ports
	const uint32_t *health;
	const uint64_t *health_changes;
	uint64_t health_seen;
	uint32_t kill_at;  // member whose sessions are being reset
	uint32_t sweep_at; // slot at which the search for sessions of gone services is
	bool killing;
	bool sweeping;
	bool event_mark;
	uint8_t worker;
	const struct base_home *home;
	struct rte_ring *events;
	struct base_recorder *recorder;
	struct rte_ring *closes;
	struct rte_ring *closed;
	const struct postern_policy *policy;
	// admission.c: sessions whose address has lost its last partner
	struct {
		struct admit_lost lost[STEER_LOST_MOST];
		unsigned n;
		bool all; // any address may be one
		bool sweeping;
		bool wanted; // a service ends such sessions
		uint32_t at; // slot
		uint64_t cursor;
	} withdrawn;
	bool (*is_taken)(void *context, const struct ip_tuple *back);
	void *context;
};

// One packet on its way through. What TCP alone has is not set for others.
struct steer_packet {
	struct ip_packet *ip;
	union {
		struct rte_tcp_hdr *tcp;
		struct rte_udp_hdr *udp;
	};
	uint64_t hash;
	uint32_t seq;
	uint32_t ack;
	uint32_t end; // sequence number behind it
	uint8_t flags;
	bool prepared; // a first segment for which the following has been chosen
	uint16_t listen;
	uint16_t member;
	uint16_t nat;
	uint16_t own_port;
	uint64_t member_hash;
};

static inline struct steer_flow *steer_flow_at(const struct steer *s, uint32_t slot)
{
	return &s->flows[slot];
}

static inline uint32_t steer_slot(const struct steer *s, const struct steer_flow *f)
{
	return (uint32_t)(f - s->flows);
}

// A packet's end, and why.
static inline void steer_drop(struct steer *s, struct rte_mbuf *m, enum postern_counter reason)
{
	base_add(&s->counters->value[reason], 1);
	rte_pktmbuf_free(m);
}

#define STEER_DROP(s, m, reason) steer_drop(s, m, POSTERN_COUNTER_DROP_##reason)

// Counts that begin anew, while control may be reading them. `size` is a multiple of eight bytes.
static inline void steer_stats_clear(void *stats, size_t size)
{
	uint64_t __attribute__((may_alias)) *words = stats;

	for (size_t i = 0; i < size / sizeof(*words); i++)
		__atomic_store_n(&words[i], 0, __ATOMIC_RELAXED);
}

// Counts of sessions have one writer, as counters do, and also go down.
static inline void steer_sessions_add(uint32_t *cell, int n)
{
	__atomic_store_n(cell, *cell + (uint32_t)n, __ATOMIC_RELAXED);
}

// Of two IPv4 addresses only 32 bits each say anything, and a short key is hashed in half the time. Ports are
// in wire order.
static inline uint64_t steer_hash4(const struct steer *s, uint32_t src, uint32_t dst,
	uint16_t sport, uint16_t dport, uint32_t proto)
{
	const struct {
		uint32_t src, dst;
		uint16_t sport, dport;
		uint32_t proto;
	} key = {src, dst, sport, dport, proto};

	return base_hash_keyed(&s->secret, &key, sizeof(key));
}

static inline uint64_t steer_tuple_hash(const struct steer *s, const struct ip_tuple *t)
{
	if (likely(postern_addr_is_v4(&t->src) && postern_addr_is_v4(&t->dst)))
		return steer_hash4(
			s, t->src.words[3], t->dst.words[3], t->sport, t->dport, t->proto);
	return base_hash_keyed(&s->secret, t, sizeof(*t));
}

// table.c
#define STEER_NO_REF UINT32_MAX

int steer_table_init(struct steer_table *t, uint32_t keys);
void steer_table_fini(struct steer_table *t);
bool steer_table_insert(struct steer_table *t, uint64_t hash, uint32_t ref);
void steer_table_remove(struct steer_table *t, uint64_t hash, uint32_t ref);

// config.c
// True if there is a way to a member, which is looked for again if there was none. Counts the reason
// otherwise.
bool steer_member_reach(struct steer *s, uint16_t member);
// Forgets a member that is neither configured nor used by a session any more.
void steer_member_forget(struct steer *s, uint16_t member);

// Where a flow without a service is counted at its member.
static inline uint32_t *steer_flow_count(struct steer *s, const struct steer_flow *f)
{
	struct postern_member_stats *stats = &s->members[f->member].stats;

	return f->flags & FLOW_INBOUND ? &stats->inbound : &stats->flows;
}

// node.c
// 0, or -ENOMEM: then what there is is freed by steer_nodes_clear().
int steer_nodes_build(struct steer_config *c);
void steer_nodes_clear(struct steer_config *c);
// The machine at an address, or NULL.
const struct steer_node *steer_node_find(
	const struct steer_config *c, const struct postern_addr *a);
// The first rule that lets a node have a flow with a port, of others or its own, by kind; `rule` is an
// id, or POSTERN_ID_NONE for any. NULL: none does.
const struct steer_pass *steer_pass_find(const struct steer_config *c, const struct steer_node *n,
	enum postern_outbound_ports kind, const struct postern_addr *outside, uint16_t port,
	uint16_t rule);

// outbound.c
// A packet of no session whose destination is none of our addresses. Takes it.
void steer_pass_through(struct steer *s, struct steer_packet *p);
// True if the configuration still allows a flow without a service.
bool steer_outbound_stands(const struct steer *s, const struct steer_flow *f);

// input.c
#define STEER_FLAG_MASK (RTE_TCP_FIN_FLAG | RTE_TCP_SYN_FLAG | RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG)

static inline bool steer_is_first_segment(const struct steer_packet *p)
{
	return (p->flags & STEER_FLAG_MASK) == RTE_TCP_SYN_FLAG;
}

// Of the first segment of a side.
bool steer_checksum_is_right(const struct steer_packet *p);

// flow.c
// Who has begun it, FROM_CLIENT or FROM_MEMBER.
static inline unsigned steer_flow_asker(const struct steer_flow *f)
{
	return (f->flags & (FLOW_GATEWAY | FLOW_INBOUND)) == FLOW_GATEWAY ? FROM_MEMBER
									  : FROM_CLIENT;
}
static inline enum postern_side steer_flow_asker_side(const struct steer_flow *f)
{
	return steer_flow_asker(f) == FROM_CLIENT ? POSTERN_SIDE_CLIENT : POSTERN_SIDE_MEMBER;
}
// True if the session is over in all but name: reset, or closed by both sides.
static inline bool steer_flow_is_over(const struct steer_flow *f)
{
	return f->state == POSTERN_SESSION_RESET || (f->flags & FLOW_FIN_BOTH) == FLOW_FIN_BOTH;
}
// True if it may be given up for a new one: over, or begun by a client who may be forged.
bool steer_flow_may_give_way(const struct steer_flow *f);
// Both sides have answered.
void steer_flow_established(struct steer *s, struct steer_flow *f);
// Who began a session of UDP has gone on after an answer.
void steer_flow_assure(struct steer *s, struct steer_flow *f);
// The addresses and ports of a packet as it comes from a side.
void steer_flow_tuple(
	const struct steer *s, const struct steer_flow *f, unsigned direction, struct ip_tuple *t);
// The same as it leaves towards a side: what would come from there, reversed.
void steer_flow_tuple_to(
	const struct steer *s, const struct steer_flow *f, unsigned to, struct ip_tuple *t);
// The hash of what steer_flow_tuple() gives.
uint64_t steer_flow_hash(const struct steer *s, const struct steer_flow *f, unsigned direction);
// A slot for a new session with these flags, if need be that of an old one that gives way. NULL: table
// full.
struct steer_flow *steer_flow_alloc(struct steer *s, uint8_t flags);
// A new session is on its way: fetches what taking a slot for it will touch.
void steer_flow_prefetch_next(const struct steer *s);
// Shows a session that has been entered everywhere to readers.
void steer_flow_publish(struct steer_flow *f);
// Ends one that gives way to another.
void steer_flow_evict(struct steer *s, struct steer_flow *f);
// Gives the slot back; what was entered in tables and lists is taken out.
void steer_flow_free(struct steer *s, struct steer_flow *f);
void steer_flow_set_state(struct steer *s, struct steer_flow *f, enum postern_session_state state);
// One side has sent FIN.
void steer_flow_set_fin(struct steer *s, struct steer_flow *f, unsigned direction);
// Makes the session one of a member's, or takes it from its member's list.
void steer_flow_join(struct steer *s, struct steer_flow *f, uint16_t member);
void steer_flow_leave(struct steer *s, struct steer_flow *f);
// The time of a session has come: ends it, or lets it go on if packets have come since.
void steer_flow_expired(struct steer *s, struct steer_flow *f);
// Counts why a session that is over ends, and frees it.
void steer_flow_end(struct steer *s, struct steer_flow *f);

// config.c
// The listening endpoint that a packet is for, or POSTERN_ID_NONE.
uint16_t steer_listen_find(const struct steer *s, const struct ip_tuple *t);

// open.c
// Chooses for a packet that will perhaps begin a session, and fetches what beginning it will touch;
// changes nothing.
void steer_prepare(struct steer *s, struct steer_packet *p);
// When that has come: draws anew if the place towards the member looks taken.
void steer_prepare_again(struct steer *s, struct steer_packet *p);
// Begins a session for the first packet to a listening endpoint: chooses a member and enters the
// session everywhere. NULL if that cannot be; then the packet has been dealt with.
struct steer_flow *steer_begin(struct steer *s, struct steer_packet *p, uint16_t listen);
// The same for a SYN, which is sent on. Takes the packet.
void steer_open(struct steer *s, struct steer_packet *p, uint16_t listen);
// Chooses another member for a session that is opening and enters it there. False if there is
// none, or if enough have been asked.
bool steer_redispatch(struct steer *s, struct steer_flow *f);
// Draws of a source port before it is given up: with nine of ten ports towards a member taken,
// all 32 being taken has a probability of 3 %, with eight of ten 0.08 %.
#define STEER_PORT_DRAWS 32u
// A source port with an address of ours, at random. Packets to it find this worker by it.
uint16_t steer_port_draw(struct steer *s, const struct postern_addr *addr);
bool steer_port_is_ours(const struct steer *s, const struct postern_addr *addr, uint16_t port);
// A session or flow cannot be entered: counts and records why.
void steer_refuse_flow(struct steer *s, const struct steer_flow *f, enum postern_counter reason);
// The place of a side that sees the other's own address and port: there is nothing to draw, and what
// another service or flow has there may be in the way. One that is over gives way, as a receiver lets a
// port be used anew (RFC 9293 3.6.1). 0 with *hash, or -EADDRINUSE, which has been counted.
int steer_own_place(struct steer *s, struct steer_flow *f, unsigned side, uint64_t *hash);
// The next hop towards who has sent the first packet, or IP_NEIGH_NONE: that has been counted.
uint16_t steer_hold_client(
	struct steer *s, const struct steer_packet *p, const struct steer_flow *f);
uint16_t steer_pick_member(const struct steer *s, const struct steer_listen *l, uint8_t family,
	const struct ip_tuple *tuple, uint16_t avoid);

// admission.c
// Whether a first packet's address may begin sessions with a service that asks. False: it has been dealt
// with.
bool steer_admit(struct steer *s, struct steer_packet *p, uint16_t listen);
// Another configuration has been adopted.
void steer_admission_adopt(struct steer *s);
// Ends sessions whose address an operator has left without an admitted partner, a bounded number. True if
// more is to be looked at.
bool steer_withdraw_some(struct steer *s);

// syn.c
void steer_syn_read(struct steer_syn *syn, const struct steer_packet *p);
// Sends a SYN like the client's to the session's member.
void steer_syn_send(struct steer *s, struct steer_flow *f);

// observe.c
void steer_member_accepted(struct steer *s, struct steer_flow *f);
void steer_member_failed(struct steer *s, const struct steer_flow *f, enum postern_event_kind kind);

// rewrite.c
// Puts other addresses into an IP header, and so many hops less.
void steer_rewrite_ip(void *l3, uint8_t family, const struct ip_tuple *to, unsigned hops);
// Puts other ports into a transport header of which so many bytes are there, eight at least, and lets
// the checksum follow.
void steer_rewrite_transport(
	void *l4, unsigned there, const struct ip_tuple *was, const struct ip_tuple *to);
// Translates the packet for the other side and sends it. Takes the packet. False if it was dropped
// here, with its reason counted.
bool steer_forward(
	struct steer *s, struct steer_flow *f, unsigned direction, struct steer_packet *p);

// reset.c
// Answers a segment with a reset where it came from (RFC 9293 3.10.7.1) and counts the reason, or
// that the limit on resets held it back. Takes the packet.
void steer_answer_reset(struct steer *s, struct steer_packet *p, enum postern_counter reason);
// Resets both sides of a session and keeps its entry for a while, to answer what still comes.
void steer_kill(struct steer *s, struct steer_flow *f, enum postern_counter reason);
// A TCP segment of our own without payload: to the client, or to the member.
void steer_send_segment(struct steer *s, const struct steer_flow *f, unsigned to, uint8_t flags,
	uint32_t seq, uint32_t ack);
// Builds such a segment: Ethernet room, headers and `options` bytes of TCP options to be filled.
struct rte_mbuf *steer_segment_new(struct steer *s, const struct ip_tuple *t, uint8_t flags,
	uint32_t seq, uint32_t ack, unsigned options);

// error.c
// An ICMP error: goes to the side of the session that sent the packet it quotes. Takes the packet.
void steer_error_input(struct steer *s, struct ip_packet *p);

// record.c: what goes into the flight recorder.
// What is to be recorded of a packet, without facts.
struct postern_record steer_record_of(const struct steer_packet *p, enum postern_step step,
	enum postern_counter reason, uint16_t listen, uint16_t member);
// A packet that was refused or dropped; its ports are known. Ids may be POSTERN_ID_NONE.
void steer_record_packet(struct steer *s, const struct steer_packet *p, enum postern_step step,
	enum postern_counter reason, uint16_t listen, uint16_t member);
// So many SYNs of a burst that were held back in a flood, of which this is the first: one record for all.
void steer_record_flood(struct steer *s, const struct steer_packet *p, unsigned n);
// A session that ended, or whose member did not take it. `side`: who was silent or ended it.
void steer_record_flow(struct steer *s, const struct steer_flow *f, enum postern_step step,
	enum postern_counter reason, enum postern_side side);

// close.c
// Closes sessions that control has asked for, a bounded number. True if more wait.
bool steer_close_some(struct steer *s);

// udp.c
// Reads the header; false if the packet has been dropped.
bool steer_udp_read(struct steer *s, struct steer_packet *p);
// A datagram of a session, and one of none.
void steer_udp_in_session(
	struct steer *s, struct steer_flow *f, unsigned direction, struct steer_packet *p);
void steer_udp_stray(struct steer *s, struct steer_packet *p);

// track.c
// The most data that a SYN may carry (RFC 7413): a full segment.
#define SYN_DATA_MAX 1460u

// True if a segment of the asked side acknowledges the SYN, with the data in it or without.
static inline bool steer_acknowledges_syn(const struct steer_flow *f, const struct steer_packet *p)
{
	return p->ack - f->next[steer_flow_asker(f)] <= SYN_DATA_MAX;
}

static inline unsigned steer_other(unsigned direction)
{
	return direction == FROM_CLIENT ? FROM_MEMBER : FROM_CLIENT;
}

// How far around what its receiver expects a segment may lie to be taken for the sender's: behind,
// a window of retransmissions; ahead, more than any receive buffer by default (6 MB on Linux).
#define MAX_BEHIND (1u << 16)
#define MAX_AHEAD  (1u << 24)

static inline bool steer_is_in_stream(
	const struct steer_flow *f, unsigned direction, uint32_t number)
{
	return number - (f->expects[steer_other(direction)] - MAX_BEHIND) <= MAX_BEHIND + MAX_AHEAD;
}

// Follows what a side has sent and acknowledged. Numbers only go forward, and an acknowledgement
// no further than what the other side has sent, so that a forged segment moves little.
static inline void steer_follow(
	struct steer_flow *f, unsigned direction, const struct steer_packet *p)
{
	const uint32_t sent = p->end - f->next[direction];
	const uint32_t acked = p->ack - f->expects[direction];

	if (sent <= MAX_AHEAD && steer_is_in_stream(f, direction, p->end))
		f->next[direction] = p->end;
	if (acked <= f->next[steer_other(direction)] - f->expects[direction])
		f->expects[direction] = p->ack;
}

// Follows the state of a session from a packet that will be sent on.
void steer_track(
	struct steer *s, struct steer_flow *f, unsigned direction, const struct steer_packet *p);

// For ports: who sees some foresees no others (RFC 6056 3.3.3 asks for a keyed hash).
static inline uint64_t steer_random(struct steer *s)
{
	s->draws++;
	return base_siphash(&s->ports_key, &s->draws, sizeof(s->draws));
}
