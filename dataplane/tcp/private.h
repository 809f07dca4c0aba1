// SPDX-License-Identifier: BSD-2-Clause
// What the files of this folder share: connections, half-open and waiting ones, buffers, the instance.

#pragma once

#include "base/count.h"
#include "base/hash.h"
#include "base/siphash.h"
#include "base/wheel.h"
#include "tcp/tcp.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_tcp.h>

#define TCP_NONE UINT32_MAX

#define TCP_FIN RTE_TCP_FIN_FLAG
#define TCP_SYN RTE_TCP_SYN_FLAG
#define TCP_RST RTE_TCP_RST_FLAG
#define TCP_PSH RTE_TCP_PSH_FLAG
#define TCP_ACK RTE_TCP_ACK_FLAG
#define TCP_URG RTE_TCP_URG_FLAG

#define TCP_MS 1000ull    // microseconds
#define TCP_S  1000000ull // microseconds

// The longest headers: Ethernet 14, IPv6 40, TCP 60.
#define TCP_HEADROOM RTE_PKTMBUF_HEADROOM
_Static_assert(TCP_HEADROOM >= IP_OFFSET + 40 + 60, "headers go in front of the data");

// RFC 9293 3.7.1: what a peer takes that has not said how much.
#define TCP_MSS_V4 536u
#define TCP_MSS_V6 1220u
// Below this no peer's MSS is believed: 1-byte segments would cost a header each (CVE-2019-11479).
#define TCP_MSS_LEAST 88u
// RFC 1191's smallest sensible path, RFC 8200's smallest.
#define TCP_MTU_LEAST_V4 552u
#define TCP_MTU_LEAST_V6 1280u

#define TCP_WSCALE_MAX 14u // RFC 7323 2.3
#define TCP_DUP_ACKS   3u  // RFC 5681, RFC 8985 DupThresh
#define TCP_SACKS      4u

// Sequence numbers wrap; a is before b if the way forward to b is the shorter one (RFC 9293 3.4).
static inline bool seq_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_upto(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_before(a, b) ? b : a;
}

// Ports in wire order. Listeners have no remote.
struct tcp_key {
	struct postern_addr local;
	struct postern_addr remote;
	uint16_t lport;
	uint16_t rport;
};

_Static_assert(sizeof(struct tcp_key) == 40, "hashed up to its gap");
#define TCP_KEY_SIZE 36u

// Begins everything that a table holds.
struct tcp_entry {
	struct tcp_key key;
	uint32_t hash;
	uint32_t next; // of its bucket or of the free ones
	struct base_wheel_node timer;
	bool linked;
	bool taken;
};

// Entries of one kind, chained from buckets by keyed hash.
struct tcp_table {
	char *entries;
	uint32_t *buckets;
	size_t stride;
	uint32_t capacity;
	uint32_t used;
	uint32_t free;
	uint32_t mask;
};

// One packet buffer with received bytes or bytes to be sent.
struct tcp_block {
	struct rte_mbuf *m; // NULL: a FIN alone
	uint64_t sent_us;   // last transmission; received: when
	uint32_t next;
	uint32_t seq;
	uint16_t offset; // of the bytes from m->buf_addr
	uint16_t length;
	uint8_t flags;
	uint8_t spare[3];
};

_Static_assert(sizeof(struct tcp_block) == 32, "two a cache line");

#define BLOCK_FIN    0x01u // a FIN follows the bytes
#define BLOCK_SENT   0x02u
#define BLOCK_SACKED 0x04u
#define BLOCK_LOST   0x08u // to be sent again; not in flight
#define BLOCK_AGAIN  0x10u // was sent more than once (Karn)
#define BLOCK_PUSH   0x20u // ends what one flush had to send

static inline uint32_t block_span(const struct tcp_block *b)
{
	return b->length + (b->flags & BLOCK_FIN ? 1u : 0u);
}

static inline uint32_t block_end(const struct tcp_block *b)
{
	return b->seq + block_span(b);
}

// What is kept for one remote address (IPv4) or network (the first 64 bits of IPv6).
struct tcp_peer {
	struct tcp_entry entry;
	uint32_t connections;
	uint32_t half_open;
	uint32_t buffers;
	uint32_t word; // the user's
};

enum tcp_state {
	TCP_CLOSED,
	TCP_SYN_SENT,
	TCP_SYN_RECEIVED, // of simultaneous opens alone: others are half-open entries
	TCP_ESTABLISHED,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_CLOSE_WAIT,
	TCP_CLOSING,
	TCP_LAST_ACK
};

// What two ends have agreed on, as far as it outlives the handshake.
#define OPT_TIMESTAMPS 0x01u
#define OPT_SACK       0x02u
#define OPT_WSCALE     0x04u

struct tcp_range {
	uint32_t start;
	uint32_t end;
};

// Flags of a connection.
#define CONN_RELEASED     0x0001u // the user has gone
#define CONN_SHUT         0x0002u // a FIN is wanted
#define CONN_FIN_QUEUED   0x0004u // it lies in the queue, sent or not
#define CONN_FIN_RECEIVED 0x0008u
#define CONN_ACK_NOW      0x0010u
#define CONN_RECOVERY     0x0020u // RFC 6582, RFC 6675: until `recover` is acknowledged
#define CONN_LOSS         0x0040u // the same after a timeout
#define CONN_CWND_LIMITED 0x0080u
#define CONN_NAGLE        0x0100u
#define CONN_REORDERED    0x0200u // RFC 8985 RACK.reordering_seen
#define CONN_TLP_AGAIN    0x0400u // the probe repeated something
#define CONN_PERSIST      0x1000u // rto_at is the next window probe
#define CONN_SYN_AGAIN    0x2000u
#define CONN_URGENT       0x4000u
#define CONN_TLP_OUT      0x8000u
#define CONN_ACCEPTED     0x10000u // opened by the peer
#define CONN_ROUTED       0x20000u

#define CONN_OVERRIDE 0x40000u  // a segment held back for its smallness goes now
#define CONN_FORCE    0x80000u  // one segment is repeated whatever the congestion window says
#define CONN_FIN_SEEN 0x100000u // the peer's FIN is known, and stands at fin_seq

enum {
	PROBE_OFF,
	PROBE_TLP,
	PROBE_REORDER // RFC 8985 6.2 step 5
};

// The lists that a connection may stand in.
enum {
	LIST_READY, // has events
	LIST_DIRTY, // has something to send
	LIST_ROOM,  // wants room for bytes to be sent
	LISTS
};

struct tcp_conn {
	struct tcp_entry entry;
	void *user;
	uint32_t list_next[LISTS];
	uint32_t list_prev[LISTS];
	uint32_t flags;
	uint32_t peer;
	uint32_t route;
	uint16_t events;
	uint16_t soft_error;
	uint8_t state;
	uint8_t reason;
	uint8_t options; // OPT_...
	uint8_t listed;  // bit set of lists

	// sending
	uint32_t iss;
	uint32_t snd_una;
	uint32_t snd_nxt;
	uint32_t snd_wnd;
	uint32_t snd_wl1;
	uint32_t snd_wl2;
	uint32_t max_wnd;   // largest that the peer has offered
	uint32_t tx_head;   // blocks from snd_una on
	uint32_t tx_tail;   // the last one
	uint32_t tx_next;   // the first one not yet sent
	uint32_t tx_bytes;  // committed and not acknowledged
	uint32_t tx_end;    // sequence number behind the last committed byte
	uint32_t spare;     // blocks reserved behind the last one
	uint16_t tail_room; // reserved in the last one
	uint16_t mtu;
	uint16_t peer_mss;
	uint16_t mss; // bytes of data in a segment of ours
	uint8_t snd_wscale;
	uint8_t rcv_wscale;
	uint8_t backoff;
	uint8_t spare_byte;
	uint32_t dup_acks;

	// loss (RFC 8985 names in brackets)
	uint32_t recover; // [RecoveryPoint]
	uint32_t sacked;  // sequence space
	uint32_t lost;
	uint32_t sacked_blocks;
	uint32_t rack_end;     // [RACK.end_seq]
	uint32_t rack_fack;    // [RACK.fack]
	uint32_t rack_rtt_us;  // [RACK.rtt]
	uint32_t min_rtt_us;   // [RACK.min_RTT]
	uint32_t dsack_round;  // [RACK.dsack_round]
	uint32_t tlp_end;      // [TLP.end_seq]
	uint64_t rack_sent_us; // [RACK.xmit_ts]
	uint8_t reo_mult;      // [RACK.reo_wnd_mult]
	uint8_t reo_persist;   // [RACK.reo_wnd_persist]
	uint8_t probe_kind;
	uint8_t keepalives; // unanswered
	uint32_t srtt_us;
	uint32_t rttvar_us;
	uint32_t rto_us;

	// congestion (RFC 5681, RFC 9438)
	uint32_t cwnd;
	uint32_t ssthresh;
	uint32_t w_max;
	uint32_t w_est;
	uint32_t cwnd_prior; // the window when the last loss was found
	uint32_t k_ms;
	uint32_t acked_part; // bytes acknowledged that have not yet made a step of cwnd or w_est
	uint64_t epoch_us;   // 0: no epoch

	// timers, 0: off
	uint64_t rto_at;
	uint64_t probe_at;
	uint64_t ack_at;
	uint64_t idle_at;  // keep-alive, or the end of FIN-WAIT-2
	uint64_t armed_us; // what the wheel knows; it may be too early
	uint64_t
		stuck_us; // since when nothing was acknowledged, or the window is shut; 0: all is well
	uint64_t last_sent_us;
	uint64_t last_heard_us;
	uint64_t opened_us;
	uint32_t connect_ms;
	uint32_t retransmitted; // segments

	// receiving
	uint32_t irs;
	uint32_t rcv_nxt;
	uint32_t rcv_edge; // right edge of the window that was offered
	uint32_t last_ack; // [Last.ACK.sent] of RFC 7323
	uint32_t rcv_urgent;
	uint32_t rx_head;
	uint32_t rx_tail;
	uint32_t rx_bytes;
	uint32_t ofo_head; // sorted, without overlaps
	uint32_t ofo_bytes;
	uint32_t ofo_blocks;
	uint32_t fin_seq;
	uint32_t buffers;      // all blocks of this connection
	uint32_t unacked_rcvd; // bytes received since the last ACK
	uint16_t rcv_mss;      // largest segment seen
	uint8_t quick_acks;    // left to be sent at once
	uint8_t n_sacks;
	struct tcp_range sacks[TCP_SACKS]; // newest first
	struct tcp_range dsack;            // start == end: none

	// timestamps
	uint32_t ts_offset;
	uint32_t ts_recent;
	uint64_t ts_recent_us;

	uint64_t challenge_us; // when the budget was last filled
	uint8_t challenges;    // used of it
};

_Static_assert(
	sizeof(struct tcp_conn) <= 512, "an idle connection costs no more than 1 KB, all included");

// A connection of which only the SYN has come.
struct tcp_half {
	struct tcp_entry entry;
	uint32_t listener; // slot
	uint32_t listener_generation;
	uint32_t peer;
	uint32_t iss;
	uint32_t irs;
	uint32_t ts_recent;
	uint32_t ts_offset;
	uint16_t peer_mss;
	uint16_t window; // of the SYN, never scaled
	uint8_t options;
	uint8_t snd_wscale;
	uint8_t tries;
	uint8_t challenges;
	uint64_t opened_us;
	uint64_t challenge_us;
};

// What is left of a connection in TIME-WAIT.
struct tcp_wait {
	struct tcp_entry entry;
	uint32_t snd_nxt;
	uint32_t rcv_nxt;
	uint32_t ts_recent;
	uint32_t ts_offset;
	uint32_t newer; // list by age
	uint32_t older;
	uint64_t challenge_us;
	uint64_t since_us;
	uint16_t window;
	uint8_t options;
	uint8_t challenges;
};

struct tcp_listener {
	struct tcp_entry entry;
	void *user;
	uint32_t generation;
};

struct tcp_list {
	uint32_t head;
	uint32_t tail;
};

struct tcp {
	uint64_t now_us;
	struct tcp_settings settings;
	struct tcp_link link;
	struct tcp_user user;
	struct rte_mempool *pool;
	struct tcp_table conns;
	struct tcp_table halves;
	struct tcp_table waits;
	struct tcp_table peers;
	struct tcp_table listeners;
	struct base_wheel conn_wheel;
	struct base_wheel half_wheel;
	struct base_wheel wait_wheel;
	struct tcp_list lists[LISTS];
	struct tcp_block *blocks;
	uint32_t n_blocks;
	uint32_t free_block;
	uint32_t used_blocks;
	uint32_t oldest_wait;
	uint32_t newest_wait;
	uint32_t listener_generation;
	uint64_t random_drawn;
	uint64_t cookies_us; // when one was last sent; 0: never
	struct base_secret table_secret;
	struct base_siphash_key isn_key;
	struct base_siphash_key ts_key;
	struct base_siphash_key cookie_key;
	struct base_siphash_key random_key;
	uint64_t counters[TCP_COUNTER_COUNT]; // worker: rw, control: ro
};

#define TCP_COUNT(t, name)      base_add(&(t)->counters[TCP_COUNTER_##name], 1)
#define TCP_COUNT_N(t, name, n) base_add(&(t)->counters[TCP_COUNTER_##name], (n))

// A received segment, read and found to be sound.
struct tcp_segment {
	struct ip_packet *packet;
	struct tcp_key key;
	uint32_t hash;
	uint32_t seq;
	uint32_t ack;
	uint32_t length; // of data
	uint32_t ts_value;
	uint32_t ts_echo;
	uint16_t data; // offset from the first byte of the packet
	uint16_t window;
	uint16_t urgent;
	uint16_t mss; // 0: no option
	uint8_t flags;
	uint8_t wscale; // TCP_NO_WSCALE: no option
	bool sack_ok;
	bool has_ts;
	uint8_t n_sacks;
	struct tcp_range sacks[TCP_SACKS];
};

#define TCP_NO_WSCALE 0xffu

// Sequence space that a segment takes.
static inline uint32_t segment_span(const struct tcp_segment *s)
{
	return s->length + ((s->flags & TCP_SYN) != 0) + ((s->flags & TCP_FIN) != 0);
}

// What a segment of ours says besides its data.
struct tcp_out {
	struct tcp_key key;
	uint32_t seq;
	uint32_t ack;
	uint16_t window;
	uint8_t flags;
	uint8_t wscale; // TCP_NO_WSCALE: none
	uint16_t mss;   // 0: none
	bool sack_ok;
	bool has_ts;
	uint32_t ts_value;
	uint32_t ts_echo;
	uint8_t n_sacks;
	struct tcp_range sacks[TCP_SACKS];
};

// table.c. Entries are zeroed when taken.
size_t tcp_table_size(uint32_t capacity, size_t stride);
char *tcp_table_init(struct tcp_table *t, char *memory, uint32_t capacity, size_t stride);
uint32_t tcp_table_hash(const struct tcp *t, const struct tcp_key *key);
void *tcp_table_find(const struct tcp_table *t, const struct tcp_key *key, uint32_t hash);
void *tcp_table_take(struct tcp_table *t); // NULL when full
void tcp_table_link(struct tcp_table *t, struct tcp_entry *e, uint32_t hash);
void tcp_table_unlink(struct tcp_table *t, struct tcp_entry *e);
void tcp_table_give(struct tcp_table *t, struct tcp_entry *e);

static inline void *tcp_table_at(const struct tcp_table *t, uint32_t i)
{
	return t->entries + (size_t)i * t->stride;
}

// What a search will look at is on its way from memory: first its bucket, then the entry that it names.
static inline void tcp_table_fetch_bucket(const struct tcp_table *t, uint32_t hash)
{
	rte_prefetch0(&t->buckets[hash & t->mask]);
}

static inline void tcp_table_fetch_entry(const struct tcp_table *t, uint32_t hash)
{
	const uint32_t i = t->buckets[hash & t->mask];

	if (i == TCP_NONE)
		return;
	for (size_t at = 0; at < t->stride; at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0((const char *)tcp_table_at(t, i) + at);
}

static inline uint32_t tcp_table_index(const struct tcp_table *t, const void *entry)
{
	return (uint32_t)((size_t)((const char *)entry - t->entries) / t->stride);
}

static inline struct tcp_conn *tcp_conn_at(const struct tcp *t, uint32_t i)
{
	return tcp_table_at(&t->conns, i);
}

static inline uint32_t tcp_conn_index(const struct tcp *t, const struct tcp_conn *c)
{
	return tcp_table_index(&t->conns, c);
}

// peer.c
uint32_t tcp_peer_hold(struct tcp *t, const struct postern_addr *remote); // TCP_NONE: no room
void tcp_peer_release(struct tcp *t, uint32_t peer);

static inline struct tcp_peer *tcp_peer_at(const struct tcp *t, uint32_t i)
{
	return tcp_table_at(&t->peers, i);
}

// block.c
static inline struct tcp_block *tcp_block_at(const struct tcp *t, uint32_t i)
{
	return &t->blocks[i];
}

// True if one more buffer stays within all three limits; `counts` the refusal.
bool tcp_block_may_send(const struct tcp *t, const struct tcp_conn *c);
bool tcp_block_may_receive(struct tcp *t, const struct tcp_conn *c, bool counts);
// A block for a buffer, which becomes its own. TCP_NONE when there is none.
uint32_t tcp_block_new(struct tcp *t, struct tcp_conn *c, struct rte_mbuf *m);
void tcp_block_free(struct tcp *t, struct tcp_conn *c, uint32_t i);
uint16_t tcp_block_room(const struct tcp_block *b); // bytes behind the last one
void tcp_block_free_list(struct tcp *t, struct tcp_conn *c, uint32_t *head);

static inline char *tcp_block_bytes(const struct tcp_block *b)
{
	return (char *)b->m->buf_addr + b->offset;
}

// segment.c: false if the packet is not one; it has been counted, and is the caller's still.
bool tcp_segment_read(struct tcp *t, struct ip_packet *p, struct tcp_segment *s);
// option.c
bool tcp_options_read(struct tcp_segment *s, const uint8_t *at, unsigned length);
unsigned tcp_options_write(const struct tcp_out *o, uint8_t *at);
unsigned tcp_options_length(const struct tcp_out *o);

// packet.c
// Writes headers in front of the data of `m`, which begin at its first byte.
void tcp_packet_finish(struct rte_mbuf *m, const struct tcp_out *o);
struct rte_mbuf *tcp_packet_new(struct tcp *t); // without data, with room for headers
void tcp_packet_reply(struct tcp *t, const struct tcp_out *o, const struct tcp_segment *s);
void tcp_packet_reset(struct tcp *t, const struct tcp_segment *s); // in answer to what fits nowhere
// Answers on the way that the link finds for a key, for what is not yet or no longer a connection.
void tcp_packet_route(struct tcp *t, const struct tcp_out *o);

// conn.c
// `ours`: we open it, so that the remote address chose nothing and its limit on connections does not hold.
struct tcp_conn *tcp_conn_new(struct tcp *t, const struct tcp_key *key, bool ours);
void tcp_conn_options(struct tcp *t, struct tcp_conn *c, uint8_t options, uint16_t peer_mss);
void tcp_conn_set_mtu(struct tcp *t, struct tcp_conn *c, uint16_t mtu);
void tcp_conn_established(struct tcp *t, struct tcp_conn *c);
// It is over: buffers go back, the user is told; freed once released.
void tcp_conn_close(struct tcp *t, struct tcp_conn *c, enum tcp_reason reason);
void tcp_conn_reset(struct tcp *t, struct tcp_conn *c, enum tcp_reason reason); // with a RST
void tcp_conn_free(struct tcp *t, struct tcp_conn *c);
void tcp_conn_tell(struct tcp *t, struct tcp_conn *c, unsigned events);
void tcp_list_add(struct tcp *t, struct tcp_conn *c, unsigned list);
void tcp_list_remove(struct tcp *t, struct tcp_conn *c, unsigned list);
uint16_t tcp_mss_of_mtu(const struct postern_addr *a, uint16_t mtu);
uint8_t tcp_wscale_own(const struct tcp *t);

static inline uint32_t tcp_ts_now(const struct tcp *t, uint32_t offset)
{
	return (uint32_t)(t->now_us / 1000) + offset;
}

// secret.c
uint32_t tcp_isn(const struct tcp *t, const struct tcp_key *key);
uint32_t tcp_ts_offset(const struct tcp *t, const struct tcp_key *key);
uint64_t tcp_random(struct tcp *t);

// listen.c
// For a segment of no connection. `iss_least`: the sequence number that a connection made of it must
// begin at or behind; NULL: any. Like the next, returns the connection that the segment completes, which
// then takes it, or NULL.
struct tcp_conn *tcp_listen_input(struct tcp *t, struct tcp_segment *s, const uint32_t *iss_least);
struct tcp_conn *tcp_half_input(struct tcp *t, struct tcp_half *h, struct tcp_segment *s);
void tcp_half_fire(struct tcp *t, struct tcp_half *h);
void tcp_half_free(struct tcp *t, struct tcp_half *h);
struct tcp_listener *tcp_listener_find(const struct tcp *t, const struct tcp_key *key);
// The options of a SYN that we agree to.
uint8_t tcp_syn_options(const struct tcp *t, const struct tcp_segment *s);

// cookie.c
void tcp_cookie_send(struct tcp *t, const struct tcp_segment *s);
// True while cookies that we have sent may come back.
bool tcp_cookies_out(const struct tcp *t);
// Fills what the SYN said if the ACK carries a cookie of ours.
bool tcp_cookie_read(struct tcp *t, const struct tcp_segment *s, struct tcp_half *h);

// A connection of a handshake that is complete, NULL when a limit or the link is against it.
struct tcp_conn *tcp_accept(struct tcp *t, const struct tcp_listener *l, const struct tcp_half *h);
enum tcp_admission tcp_ask(
	const struct tcp *t, const struct tcp_listener *l, const struct tcp_key *key);

// wait.c
void tcp_wait_begin(struct tcp *t, struct tcp_conn *c);
// Returns as tcp_listen_input(), which a SYN may be handed to (RFC 6191).
struct tcp_conn *tcp_wait_input(struct tcp *t, struct tcp_wait *w, struct tcp_segment *s);
void tcp_wait_free(struct tcp *t, struct tcp_wait *w);

// input.c: a segment for a connection. True if its buffers were kept.
bool tcp_conn_input(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s);
// synsent.c
bool tcp_syn_sent_input(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s);
// A budget of answers to what does not fit, one a connection (RFC 5961 7). True if one may be sent.
bool tcp_challenge_allowed(struct tcp *t, uint64_t *filled_us, uint8_t *used);

// ack.c: false if the segment is to go no further.
bool tcp_ack_input(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s);

// rack.c
void tcp_rack_delivered(
	struct tcp *t, struct tcp_conn *c, const struct tcp_block *b, const struct tcp_segment *s);
void tcp_rack_dsack(struct tcp *t, struct tcp_conn *c);
uint32_t tcp_rack_window(const struct tcp_conn *c);
// Marks what RACK finds lost; true if anything was. Arms the reordering timer otherwise.
bool tcp_rack_detect(struct tcp *t, struct tcp_conn *c);
void tcp_block_lose(struct tcp_conn *c, struct tcp_block *b);

// congestion.c
void tcp_congestion_begin(struct tcp *t, struct tcp_conn *c);
void tcp_congestion_acked(struct tcp *t, struct tcp_conn *c, uint32_t bytes);
void tcp_congestion_lost(struct tcp *t, struct tcp_conn *c);    // found by acknowledgements
void tcp_congestion_timeout(struct tcp *t, struct tcp_conn *c); // found by the clock
void tcp_congestion_idle(struct tcp *t, struct tcp_conn *c);
void tcp_recovery_enter(struct tcp *t, struct tcp_conn *c);

static inline uint32_t tcp_flight(const struct tcp_conn *c)
{
	return c->snd_nxt - c->snd_una;
}

// Sequence space that is thought to be on its way (RFC 6675 "pipe"). Without SACK each duplicate ACK
// stands for a segment that has left the network (RFC 5681 3.2).
static inline uint32_t tcp_pipe(const struct tcp_conn *c)
{
	const uint32_t out = tcp_flight(c) - c->sacked - c->lost;
	const uint32_t left = c->options & OPT_SACK ? 0 : (uint32_t)c->dup_acks * c->mss;

	return out > left ? out - left : 0;
}

// rtt.c
void tcp_rtt_sample(struct tcp *t, struct tcp_conn *c, uint32_t us);
uint64_t tcp_rto(const struct tcp *t, const struct tcp_conn *c); // backed off
void tcp_rtt_begin(const struct tcp *t, struct tcp_conn *c);

// receive.c: data and FIN of an acceptable segment. True if its buffers were kept.
bool tcp_receive(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s);
uint32_t tcp_receive_window(const struct tcp *t, struct tcp_conn *c);
void tcp_sacks_trim(struct tcp_conn *c);

// output.c
void tcp_output(struct tcp *t, struct tcp_conn *c); // all that may leave now
void tcp_send_ack(struct tcp *t, struct tcp_conn *c);
void tcp_send_syn(struct tcp *t, struct tcp_conn *c);
void tcp_send_reset(struct tcp *t, struct tcp_conn *c);
void tcp_send_probe(struct tcp *t, struct tcp_conn *c);
bool tcp_send_block(struct tcp *t, struct tcp_conn *c, struct tcp_block *b);
void tcp_send_keepalive(struct tcp *t, struct tcp_conn *c);
bool tcp_block_split(struct tcp *t, struct tcp_conn *c, uint32_t i, uint16_t at);

// timer.c
void tcp_timer_arm(struct tcp *t, struct tcp_conn *c); // after deadlines have changed
void tcp_timer_sent(struct tcp *t, struct tcp_conn *c);
void tcp_timer_acked(struct tcp *t, struct tcp_conn *c, bool progress);
void tcp_timer_fire(struct tcp *t, struct tcp_conn *c);
void tcp_timer_keepalive(struct tcp *t, struct tcp_conn *c);
