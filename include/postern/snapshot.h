// SPDX-License-Identifier: BSD-2-Clause
// What the control half wants, as one immutable value: which addresses are ours, which services
// answer on them, which members stand behind. Control builds a snapshot aside, hands it to
// postern_dataplane_publish() and never touches it again.
//
// Ids are 16 bits. Those of pools, members and listening endpoints are stable by name from one
// snapshot to the next, and reused only when postern_*_is_idle() says that the last session of the
// id has gone. A service's id holds within its snapshot.

#pragma once

#include "postern/addr.h"
#include "postern/policy.h"

#include <stdbool.h>
#include <stdint.h>

#define POSTERN_NAME_SIZE 64 // longest name of an object, NUL included
#define POSTERN_ID_NONE   UINT16_MAX

struct postern_route {
	struct postern_prefix to;
	struct postern_addr via;
};

// An interface is fixed from start to stop; only a restart changes one.
struct postern_interface {
	char name[POSTERN_NAME_SIZE];
	char device[256]; // PCI address, or virtual device "net_af_packet0,iface=eth1"
	struct postern_prefix *addresses;
	uint16_t n_addresses;
	struct postern_addr gateway_v4; // none: all zero
	struct postern_addr gateway_v6;
	struct postern_route *routes;
	uint16_t n_routes;
	struct postern_addr *translate_from; // sources of what goes to members through here
	uint16_t n_translate_from;
	uint16_t mtu; // bytes of IP packet; 0: as the port has it
	bool kernel;  // the kernel has a TAP device beside it, with its name and its addresses
};

// What is replaced on the way to a member.
enum postern_translate {
	POSTERN_TRANSLATE_SOURCE,      // both addresses; members need no route back
	POSTERN_TRANSLATE_DESTINATION, // the service's alone; postern is the members' gateway
};

// What a client's sessions have in common when a member is chosen.
enum postern_affinity {
	POSTERN_AFFINITY_NONE,   // nothing: addresses and ports of both sides decide
	POSTERN_AFFINITY_SOURCE, // the client's address decides
};

// How long a session may stay without a packet in each of its states, in milliseconds.
struct postern_session_times {
	uint32_t opening_ms;
	uint32_t idle_ms;
	uint32_t closing_ms;
	uint32_t reset_ms;
};

enum postern_mode {
	POSTERN_MODE_FORWARD, // packets are steered
	POSTERN_MODE_RELAY, // connections end here on both sides, and what is said first chooses the pool
};

struct postern_texts {
	char **items;
	uint16_t n;
};

// Where clients of a service in relay mode go, by what they say first; of several rules that fit the
// first counts. What is not asked for fits always.
struct postern_relay_rule {
	uint16_t kinds;             // bit set of enum postern_hello
	uint16_t version_at_most;   // the highest version that is offered is this or lower; 0: any
	bool no_name;               // no server name is asked for
	struct postern_texts names; // one of these server names; "*.example.com": any below it
	struct postern_texts protocols; // one of these is among those that are offered (ALPN)
	uint16_t pool;                  // id; POSTERN_ID_NONE: refused
};

struct postern_service {
	uint16_t id;
	uint16_t pool; // id; in relay mode of what no rule fits, if it is TLS
	char name[POSTERN_NAME_SIZE];
	struct postern_session_times times;
	enum postern_translate translate;
	enum postern_affinity affinity;
	// Whether the address of a first packet must be one of a partner of this organisation, by its id in
	// postern/policy.h.
	enum postern_admission admission;
	uint16_t organisation;
	bool refuse_reset; // who is refused is told, with a reset or by ICMP; else nothing is said
	bool close_on_block; // sessions end when their address has lost its last partner
	enum postern_mode mode;
	struct postern_relay_rule *rules;
	uint16_t n_rules;
	bool proxy_protocol; // members are told who the client is, by version 2 of it
};

// One address and port, or range of ports, that a service answers on.
struct postern_listen {
	uint16_t id;
	uint16_t service;   // id
	uint16_t interface; // index: where its address is announced
	struct postern_endpoint at;
	// The last port of a range, which is kept towards members: destination translation only.
	// 0: one port, and the member's own is used.
	uint16_t last_port;
	uint8_t protocol; // IPPROTO_TCP or IPPROTO_UDP
};

struct postern_member {
	uint16_t id;
	uint16_t pool; // id
	char name[POSTERN_NAME_SIZE];
	struct postern_endpoint at;
};

// A Maglev table over a pool's members of one family: slot to member id.
struct postern_maglev {
	uint32_t size; // prime; 0: the pool has no member of this family
	uint16_t *slots;
};

enum {
	POSTERN_V4,
	POSTERN_V6,
	POSTERN_FAMILIES
};

struct postern_pool {
	uint16_t id;
	char name[POSTERN_NAME_SIZE];
	uint16_t *members; // ids
	uint16_t n_members;
	struct postern_maglev maglev[POSTERN_FAMILIES];
	uint16_t observe_fall; // failures in a row after which a worker reports; 0: never
	bool try_all;          // when no member takes sessions, choose as if all did
};

struct postern_ports {
	uint16_t first;
	uint16_t last; // included
};

struct postern_port_list {
	struct postern_ports *items;
	uint16_t n;
};

enum postern_outbound_ports {
	POSTERN_OUTBOUND_TCP, // of others, that members may begin flows to
	POSTERN_OUTBOUND_UDP,
	POSTERN_INBOUND_TCP, // of members, that others may begin flows to; only without translation
	POSTERN_INBOUND_UDP,
	POSTERN_OUTBOUND_PORTS
};

// What passes for members without a service, postern being their router: what they begin, and what may
// reach them at their own addresses. One family; of several rules that fit the first counts.
struct postern_outbound {
	uint16_t id; // of the same numbers as listening endpoints; stable by name and translation
	uint8_t family;
	char name[POSTERN_NAME_SIZE];
	// That others see instead of the member's; none: the member's own.
	struct postern_addr address;
	// Index: where the address is announced, and whose gateway is taken; POSTERN_ID_NONE: any but the
	// members' own.
	uint16_t interface;
	uint16_t *pools; // ids: whose members
	uint16_t n_pools;
	struct postern_prefix *to; // where others are; none: anywhere
	uint16_t n_to;
	struct postern_port_list ports[POSTERN_OUTBOUND_PORTS];
	uint32_t flows_per_member;
	struct postern_session_times times;
	uint32_t udp_idle_ms; // of UDP, in place of times.idle_ms
};

struct postern_snapshot {
	uint64_t epoch; // set by postern_dataplane_publish()
	struct postern_interface *interfaces;
	uint16_t n_interfaces;
	struct postern_service *services;
	uint16_t n_services;
	struct postern_listen *listens;
	uint16_t n_listens;
	struct postern_pool *pools;
	uint16_t n_pools;
	struct postern_member *members;
	struct postern_outbound *outbounds;
	uint16_t n_members;
	uint16_t n_outbounds;
};

// Frees a snapshot that was never published, and everything that it points to; every pointer in
// it comes from malloc(). NULL is fine. Control thread.
void postern_snapshot_free(struct postern_snapshot *s);
