// SPDX-License-Identifier: BSD-2-Clause
// A worker without ports: packets are put in by hand and taken out of its transmit queues, time is
// a number, neighbours answer at once unless a test says otherwise.
//
// The world of a rig, two-arm (addresses of one-arm in brackets; everything on interface 0 then):
//   outside 203.0.113.10/24 2001:db8:1::10/64, gateways .1 and ::1       [10.0.0.10, 2001:db8:2::10]
//   inside  10.0.0.10/24    2001:db8:2::10/64, translate-from .20 ::20 and following
//   service 203.0.113.20 [2001:db8:1::20], port 5061                    [10.0.0.100, 2001:db8:2::100]
//   members 10.0.0.101 [2001:db8:2::101] and following, port 5071
//   outbound rules translate to 203.0.113.25 [2001:db8:1::25]           [10.0.0.90, 2001:db8:2::90]
//   clients 198.18.0.N [2001:db8:99::N], behind the gateways

#pragma once

#include "steer/private.h"
#include "worker/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RIG_OUTSIDE,
	RIG_INSIDE
};

// Ids in every snapshot of a rig.
#define RIG_POOL         1
#define RIG_SERVICE      1
#define RIG_SERVICE_MORE 2
#define RIG_LISTEN_V4    1  // + POSTERN_V4 or POSTERN_V6
#define RIG_LISTEN_MORE  3  // likewise
#define RIG_OUTBOUND     11 // likewise, + 2 * how it translates
#define RIG_MEMBER_V4    1  // + number
#define RIG_MEMBER_V6    101
#define RIG_MEMBERS_MAX  32

#define RIG_ORGANISATION 7 // of every service

#define RIG_PORT        5061
#define RIG_PORT_MORE   5062
#define RIG_MEMBER_PORT 5071

// A table of 128 entries, as most ports have.
#define RIG_HOME_BITS 7

// Ports that outbound rules allow over both protocols, and of members where others may begin.
#define RIG_OUT_FIRST 5061
#define RIG_OUT_LAST  5063
#define RIG_IN_FIRST  50000
#define RIG_IN_LAST   50099

#define RIG_MS 1000ull // in microseconds
#define RIG_S  1000000ull

enum rig_outbound {
	RIG_OUTBOUND_NONE,
	RIG_OUTBOUND_ROUTE,
	RIG_OUTBOUND_TRANSLATE,
	RIG_OUTBOUND_SERVICE, // translated to the service's address
};

// What a snapshot says. Zero stands for the default in brackets.
struct rig_world {
	bool one_arm;
	bool no_service;
	bool second_service;
	bool no_gateway;
	bool udp;         // every service is one of UDP
	bool twin;        // the second service has the first one's port, and the other protocol
	bool destination; // translation of the destination alone
	bool try_all;
	enum postern_affinity affinity;
	enum rig_outbound outbound;
	bool outbound_near;                 // not to clients from 256 on
	bool outbound_other;                // the rule is another one, by its id
	uint16_t outbound_last;             // port [RIG_OUT_LAST]
	uint32_t flows_per_member;          // [1000]
	uint16_t last_port;                 // of the first service, which then listens on a range
	unsigned members;                   // of each family [2]
	uint32_t without;                   // bit set of members left out
	unsigned translate;                 // addresses of each family [1]
	uint16_t observe_fall;              // [0: never]
	uint16_t mtu;                       // of the inside interface [1500]
	struct postern_session_times times; // [RIG_TIMES]
	enum postern_admission admission;   // where there is a policy
	bool refuse_reset;
	bool close_on_block;
};

#define RIG_TIMES                                                                                  \
	((struct postern_session_times){                                                           \
		.opening_ms = 60000, .idle_ms = 1800000, .closing_ms = 120000, .reset_ms = 30000})

#define RIG_UDP_IDLE_MS 300000

struct rig_options {
	struct rig_world world;
	uint32_t sessions; // [64]
	uint32_t flows;    // [64] that members begin
	uint64_t start_us; // [1 s]
	bool tx_checksum;  // ports write checksums
	bool rx_checksum;  // ports verify them
	bool announces;    // stop before the first announcement
	bool rss;          // ports bring packets to the queue that their key says
	bool deaf;         // nobody answers ARP and neighbour solicitations
	struct postern_policy *policy;
	uint8_t secret; // keys are this byte over and over, to do the same again [drawn]
};

struct rig_packet {
	uint16_t interface;
	uint16_t length;
	uint8_t bytes[2048];
};

#define RIG_OUT_MAX 8192

struct rig {
	struct postern_dataplane *dp;
	struct worker *w;
	struct rte_mempool *in_pool; // of packets that are put in
	uint64_t now_us;
	uint64_t rx_flags; // of packets that are put in
	bool deaf;
	bool shows_requests; // our own ARP and neighbour solicitations lie in `out` too
	bool answering;
	struct rig_world world;
	unsigned n_out, next_out;
	unsigned n_ask, next_ask; // requests of ours that wait for their answer
	struct rig_packet ask[256];
	struct rig_packet out[RIG_OUT_MAX];
};

struct rig *rig_new(const struct rig_options *options);
// Frees everything and checks that every packet buffer is back.
void rig_free(struct rig *r);

// rig_snapshot.c
uint16_t rig_outbound_id(const struct rig_world *world, uint8_t family);
struct postern_snapshot *rig_snapshot(const struct rig_world *world);
// Publishes a snapshot and lets the worker adopt it.
void rig_adopt(struct rig *r, const struct rig_world *world);
void rig_adopt_snapshot(struct rig *r, struct postern_snapshot *s);

// A turn of the loop without packets, at the present time.
void rig_turn(struct rig *r);
void rig_advance(struct rig *r, uint64_t us);
// The same in steps, as a worker that is awake would see time.
void rig_advance_slowly(struct rig *r, uint64_t us, uint64_t step_us);

// Puts a frame in and takes what comes out to the end of `out`.
void rig_put(struct rig *r, uint16_t interface, const void *bytes, size_t length);

// The oldest packet that came out, or NULL. Valid until the next packet is put in.
const struct rig_packet *rig_take(struct rig *r);
unsigned rig_waiting(const struct rig *r);
void rig_discard(struct rig *r);

void rig_health(struct rig *r, uint16_t member, uint32_t word);
// Buffers that wait for the rest of their packets, of all workers.
uint32_t rig_held(const struct rig *r);
uint64_t rig_count(const struct rig *r, enum postern_counter c);
// The sum of all counters that stand for one packet's end: drops, refusals, answers.
uint64_t rig_count_ends(const struct rig *r);

// Every list, the wheel, the table and the counts of the steering agree. Slow.
void rig_check_steer(const struct rig *r);

// rig_packet.c: frames and segments
struct rig_tcp {
	uint16_t interface;
	struct postern_addr src, dst;
	uint16_t sport, dport; // host order
	uint32_t seq, ack;
	uint8_t flags;
	uint8_t ttl;
	uint16_t window;
	uint16_t checksum_error; // added to the right one
	uint16_t payload;        // bytes
	uint8_t n_options;       // bytes, a multiple of 4
	uint8_t options[40];
};

struct rig_udp {
	uint16_t interface;
	struct postern_addr src, dst;
	uint16_t sport, dport; // host order
	uint8_t ttl;
	bool no_checksum;
	uint16_t checksum; // taken: as it stands
	uint16_t checksum_error;
	uint16_t length; // 0: header and payload
	uint16_t payload;
	uint16_t mark; // in the first two bytes of the payload
};

struct postern_addr rig_addr(const char *text);
struct postern_addr rig_client(uint8_t family, unsigned n);
struct postern_addr rig_service(const struct rig *r, uint8_t family);
struct postern_addr rig_member(uint8_t family, unsigned n);
// What others see of a member under an outbound rule.
struct postern_addr rig_seen(const struct rig_world *w, uint8_t family, unsigned member);
// The number of a member at an address.
unsigned rig_member_number(const struct postern_addr *a);
// The station that has an address, or leads there.
struct rte_ether_addr rig_mac(const struct postern_addr *a);
struct rte_ether_addr rig_own_mac(uint16_t interface);

// Sum of 16-bit words in network order, not complemented.
uint32_t rig_sum(const void *bytes, size_t length, uint32_t sum);
// The checksum that a TCP, ICMPv6 packet must have; `l4` is the offset in the frame.
uint16_t rig_l4_checksum(const uint8_t *frame, size_t length);

size_t rig_tcp_build(const struct rig *r, const struct rig_tcp *t, uint8_t *frame);
void rig_tcp_put(struct rig *r, const struct rig_tcp *t);
// Takes the oldest packet, which must be TCP with right lengths, checksums and stations.
struct rig_tcp rig_tcp_take(struct rig *r);
size_t rig_udp_build(const struct rig_udp *u, uint8_t *frame);
void rig_udp_put(struct rig *r, const struct rig_udp *u);
// Takes the oldest packet, which must be UDP with right lengths and stations.
struct rig_udp rig_udp_take(struct rig *r);
// Ethernet and IP headers from `src` to `dst`; `length` is that of the transport. Returns theirs.
size_t rig_headers_put(uint16_t interface, const struct postern_addr *src,
	const struct postern_addr *dst, uint8_t ttl, uint8_t proto, unsigned length,
	uint8_t *frame);
// Answers a request of ours for a neighbour.
void rig_answer_request(struct rig *r, const struct rig_packet *request);
bool rig_is_request(const struct rig_packet *p);

// What stands here is called when a check of the rig fails; never returns.
extern void (*rig_failed)(const char *what, const char *file, int line);

#define RIG_CHECK(x) ((x) ? (void)0 : rig_failed(#x, __FILE__, __LINE__))
