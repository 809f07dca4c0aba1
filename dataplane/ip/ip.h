// SPDX-License-Identifier: BSD-2-Clause
// Ethernet, ARP, neighbour discovery, IPv4, IPv6 and ICMP: what arrives for a transport is handed
// up parsed, everything else is answered or dropped and counted here. One instance a worker.

#pragma once

#include "base/bucket.h"
#include "base/count.h"
#include "base/hash.h"
#include "base/wheel.h"
#include "port/port.h"

#include "postern/addr.h"
#include "postern/dataplane.h"
#include "postern/snapshot.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// No VLAN tags: the IP header always begins here.
#define IP_OFFSET 14

// The longest header pair of our own packets: IPv6 and TCP without options, 40 + 20.
#define IP_OWN_HEADERS 60

#define IP_DEFAULT_TTL 64

// Addresses and ports as they stand in a packet, ports in wire order.
struct ip_tuple {
	struct postern_addr src;
	struct postern_addr dst;
	uint16_t sport;
	uint16_t dport;
	uint32_t proto; // transport protocol; as wide as the gap that would be here
};

_Static_assert(sizeof(struct ip_tuple) == 40, "hashed as it lies, so without gaps");

// Protocol of a fragment that another worker may have to put together: in place of the ports stands its
// packet's number.
#define IP_PROTO_FRAGMENT 44u

// What input has learned of one packet.
struct ip_packet {
	struct ip_tuple tuple; // ports are the transport's to fill in
	struct rte_mbuf *m;
	uint16_t interface; // where it came in
	uint16_t l4;        // offset of the transport header from the first byte
	uint16_t l4_length; // bytes of transport header and payload
	uint8_t family;     // POSTERN_V4 or POSTERN_V6
	uint8_t ttl;
	bool reassembled;      // came in fragments
	bool handed;           // another worker has found it to be this one's
	bool checksum_missing; // the sender is on this machine and left the checksum to a port
};

// Whose an address of ours is; an address may be several at once.
#define IP_OWN       0x1u // an interface's
#define IP_SERVICE   0x2u
#define IP_TRANSLATE 0x4u // a source of what goes to members, or of what they send out

struct ip_local {
	struct postern_addr addr;
	uint16_t interface; // announces it
	uint8_t kind;       // IP_OWN, ...; 0: free slot
	bool fresh;         // not in the configuration before: to be announced
};

struct ip_interface {
	const struct postern_interface *settings; // in the snapshot
	struct rte_ether_addr mac;
	uint16_t mtu;
	bool tx_checksum;
};

// Answers of our own are limited by kind and interface, so that a flood of one kind, or on one side,
// keeps nothing else from being answered.
enum ip_answer {
	IP_ANSWER_NEIGHBOUR,
	IP_ANSWER_ECHO,
	IP_ANSWER_RESET,
	IP_ANSWER_ERROR,
	IP_ANSWERS
};

// ICMP errors of our own.
enum ip_error {
	IP_ERROR_TOO_BIG,
	IP_ERROR_TTL,
	IP_ERROR_PORT, // nobody there
	IP_ERROR_PROHIBITED,
	IP_ERRORS
};

// Everything that follows from a snapshot, built on the control thread, read by workers.
struct ip_config {
	struct ip_interface *interfaces;
	uint16_t n_interfaces;
	bool forwards;           // members send through us to addresses that are not ours
	struct ip_local *locals; // open addressing, a power of two
	uint32_t locals_mask;
	struct base_secret secret;
};

// Builds the configuration of a snapshot that outlives it. `previous` may be NULL. -ENOMEM.
int ip_config_build(struct ip_config *out, const struct postern_snapshot *snapshot,
	const struct port *ports, const struct base_secret *secret,
	const struct ip_config *previous);
void ip_config_clear(struct ip_config *c);

// The entry of one of our addresses, or NULL.
const struct ip_local *ip_config_find(const struct ip_config *c, const struct postern_addr *a);

struct ip_neigh;
struct ip_neigh_copy;
struct rte_ring;

// Neighbours that are to be asked for anew.
struct ip_flush {
	struct postern_addr addr;
	uint32_t interface; // POSTERN_INTERFACE_ANY: of all
	uint32_t all;       // whatever the address
};

// What one worker has heard of a neighbour, for the others.
struct ip_learnt {
	struct postern_addr addr;
	struct rte_ether_addr mac;
	uint16_t interface;
	uint32_t how; // IP_LEARN_..., private to this folder
	uint32_t has_mac;
};

#define IP_LEARNT_MAX 16 // in one turn; what is more is asked for again

struct ip_layer {
	struct base_counters *counters;
	struct rte_mempool *pool;
	const struct ip_config *config;
	struct port_tx *tx; // by interface
	uint64_t now_us;
	struct ip_neigh *neigh; // neigh.c
	uint16_t *neigh_buckets;
	uint16_t neigh_free;
	uint16_t neigh_hand;
	bool shares; // other workers want to know what is learnt
	uint8_t n_learnt;
	struct ip_learnt learnt[IP_LEARNT_MAX]; // in this turn
	struct ip_neigh_copy *neigh_copies;     // worker: rw, control: ro
	uint32_t neigh_high;                    // slots ever used; worker: rw, control: ro
	struct rte_ring *flushes;               // of struct ip_flush; NULL: none ever come
	struct ip_flush flush;                  // the one under way
	uint32_t flush_at;                      // slot
	bool flushing;
	uint16_t neigh_waiting; // buffers that wait, all entries together
	struct base_wheel neigh_wheel;
	uint16_t neigh_clients;                    // entries made for clients
	uint16_t *gateways;                        // entries held for good, two an interface
	struct base_bucket (*answers)[IP_ANSWERS]; // by interface
	struct ip_fragments *fragments;            // fragment.c
	uint32_t fragments_held;                   // buffers that wait for the rest of their packet
	uint64_t defended_us;                      // when an address was last defended
	uint32_t announce_at;                      // cursor over config->locals
	bool announces;                            // one worker speaks for all
	uint8_t workers;                           // that share the limits on answers
	uint8_t announce_rounds;
	bool announce_all; // not only what is new: an earlier round was cut short
	uint64_t announce_due_us;
};

// `tx` has one entry an interface; pool, tx and counters outlive the instance. The configuration is
// adopted at once, and its gateways are asked for; it announces and
// shares nothing until told otherwise by the fields of those names. -ENOMEM.
int ip_init(struct ip_layer *ip, struct base_counters *counters, struct rte_mempool *pool,
	struct port_tx *tx, const struct ip_config *config, uint64_t now_us);

// Frees the tables and every packet that waits for a neighbour.
void ip_fini(struct ip_layer *ip);

// From here on the instance works by another configuration of the same interfaces; the old one is
// not touched again.
void ip_adopt(struct ip_layer *ip, const struct ip_config *config);

// Takes received packets; fills `out` with those that carry TCP or UDP, and with sound ICMP errors,
// and returns how many. All others have been answered, queued or freed. `out` has room for n. With
// several workers fragments are handed up as they are, for their owner to take again.
unsigned ip_input(struct ip_layer *ip, uint16_t interface, struct rte_mbuf **pkts, unsigned n,
	struct ip_packet *out);

// The same for packets that another worker has received, and counted.
unsigned ip_input_again(struct ip_layer *ip, uint16_t interface, struct rte_mbuf **pkts, unsigned n,
	struct ip_packet *out);

// Takes what another worker has learnt.
void ip_learn(struct ip_layer *ip, const struct ip_learnt *l);

// Timers: neighbours, announcements. Once a turn.
void ip_poll(struct ip_layer *ip);

// True if a packet that belongs to no session may be looked at further: its source is one that a
// unicast packet can have and none of ours, and its destination is ours. Otherwise it has been
// counted, and the caller frees it.
bool ip_is_acceptable(struct ip_layer *ip, const struct ip_packet *p);
// The same of the source alone.
bool ip_source_is_acceptable(struct ip_layer *ip, const struct ip_packet *p);

enum ip_source {
	IP_SOURCE_FINE,
	IP_SOURCE_MARTIAN,
	IP_SOURCE_OURS
};

// What is wrong with an address as the source of a unicast packet that we receive.
enum ip_source ip_source_fault(const struct ip_layer *ip, const struct postern_addr *src);

// True if a packet must not leave towards a neighbour as large as it is, by its sender's will or its
// family's rule.
bool ip_is_too_big(const struct ip_layer *ip, const struct ip_packet *p, uint16_t neigh);

// Answers a received packet, which is as it came, with an ICMP error where that is allowed, and counts
// the reason, or that the limit on errors held it back. `mtu` is of IP_ERROR_TOO_BIG alone. Takes the
// packet.
void ip_error(struct ip_layer *ip, struct ip_packet *p, enum ip_error error, uint16_t mtu,
	enum postern_counter reason);

// Offset of the transport header from an IPv6 header of which so many bytes are there, and its protocol;
// 0 if none can be reached. Behind the header of a first fragment it is looked for too.
unsigned ip_transport6(const void *l3, unsigned there, uint8_t *proto);

// The header that IPv6 checksums are made with: extension headers have no part in it (RFC 8200 8.1).
static inline struct rte_ipv6_hdr ip_pseudo6(const void *l3, uint8_t proto, uint32_t l4_length)
{
	struct rte_ipv6_hdr h = *(const struct rte_ipv6_hdr *)l3;

	h.proto = proto;
	h.payload_len = rte_cpu_to_be_16((uint16_t)l4_length);
	return h;
}

// Makes the checksum of an ICMP or ICMPv6 message that lies behind an IP header.
void ip_icmp_sum(const void *l3, uint8_t family, void *icmp, uint16_t length);

// What an interface carries at most, in bytes of IP packet.
static inline uint16_t ip_interface_mtu(const struct ip_layer *ip, uint16_t interface)
{
	return ip->config->interfaces[interface].mtu;
}

// Where a destination is reached: the interface and the next hop. The longest on-link prefix or
// route wins, then the gateway of `prefer`, then any gateway of the family. -ENETUNREACH.
int ip_route(const struct ip_layer *ip, const struct postern_addr *dst, uint16_t prefer,
	uint16_t *interface, struct postern_addr *next_hop);

#define IP_NEIGH_NONE UINT16_MAX

// For whom: entries for what a stranger sends may fill three quarters of the table only.
enum ip_neigh_for {
	IP_NEIGH_OURS,
	IP_NEIGH_CLIENT
};

// Finds or makes the neighbour entry of a next hop and keeps it until released as often as held.
// Resolution begins at once. IP_NEIGH_NONE when the table is full (counted).
uint16_t ip_neigh_hold(struct ip_layer *ip, uint16_t interface, const struct postern_addr *addr,
	enum ip_neigh_for whom);
void ip_neigh_release(struct ip_layer *ip, uint16_t neigh);

// What control reads while the worker runs. -ENOENT: the slot is free, or changed meanwhile.
uint32_t ip_neigh_high_water(const struct ip_layer *ip);
int ip_neigh_read(
	const struct ip_layer *ip, uint32_t slot, uint64_t now_us, struct postern_neighbour *out);

// Sends an IP packet with room for the Ethernet header at its front to a neighbour, or lets it
// wait until that is resolved. Takes the packet. False if it was dropped, with its reason counted; a
// next hop that has not answered is no such reason but the destination's own silence.
bool ip_output(struct ip_layer *ip, struct rte_mbuf *m, uint16_t neigh);

// Completes the checksums of a TCP packet of our own whose l2_len and l3_len are set, and sends it
// as ip_output() does.
bool ip_finish_output(struct ip_layer *ip, struct rte_mbuf *m, uint16_t neigh);

// True if the TCP or UDP checksum of a received packet is right, whatever the port has said of it.
bool ip_transport_sums_up(const struct ip_packet *p);

// Computes the TCP or UDP checksum of a packet that goes out of an interface: the port does if it can,
// software otherwise. `l4` is the offset of the transport header.
void ip_checksum_fill(struct ip_layer *ip, struct rte_mbuf *m, uint16_t interface, uint8_t family,
	uint16_t l4, uint8_t proto);

// The interface that a neighbour is on.
uint16_t ip_neigh_interface(const struct ip_layer *ip, uint16_t neigh);

// Sends a packet back to the station that it came from, out of the interface that it came in by;
// the Ethernet header still is the received one. Takes the packet.
void ip_reply(struct ip_layer *ip, struct rte_mbuf *m, uint16_t interface);

// True if the limit on answers of that kind on that interface has room; takes one. Counts the refusal
// otherwise.
bool ip_answer_allowed(struct ip_layer *ip, uint16_t interface, enum ip_answer kind);

// Writes an IP header of our own at `at` and returns its length: 20 bytes for IPv4, 40 for IPv6.
// The IPv4 checksum is complete.
uint16_t ip_header_write(void *at, uint8_t family, const struct postern_addr *src,
	const struct postern_addr *dst, uint8_t proto, uint16_t l4_length);
