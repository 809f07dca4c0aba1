// SPDX-License-Identifier: BSD-2-Clause
// The configuration file: what it says, once it has been read, checked and completed with
// defaults. One schema table (schema.c) drives reading, checking, `config show` and the manual.

#pragma once

#include "postern/addr.h"
#include "postern/dataplane.h"
#include "postern/hello.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// A list of T with its length; elements are owned by the config.
#define CONFIG_LIST(T)                                                                             \
	struct {                                                                                   \
		T *items;                                                                          \
		size_t count;                                                                      \
	}

enum config_log {
	CONFIG_LOG_STDERR,
	CONFIG_LOG_SYSLOG,
};

enum config_mode {
	CONFIG_MODE_FORWARD,
	CONFIG_MODE_RELAY,
};

// What a service is for; sets what the file does not say of it (service.c).
enum config_profile {
	CONFIG_PROFILE_NONE,
	CONFIG_PROFILE_ACCESS_EDGE,
	CONFIG_PROFILE_WEB_CONFERENCING,
	CONFIG_PROFILE_AV_EDGE,
	CONFIG_PROFILE_XMPP,
	CONFIG_PROFILE_WEB,
};

// What members of a service in relay mode are told about clients.
enum config_proxy {
	CONFIG_PROXY_NONE,
	CONFIG_PROXY_V2,
};

// Versions of TLS that a rule may ask for.
enum config_version {
	CONFIG_VERSION_ANY,
	CONFIG_VERSION_SSL3,
	CONFIG_VERSION_TLS10,
	CONFIG_VERSION_TLS11,
	CONFIG_VERSION_TLS12,
	CONFIG_VERSION_TLS13,
};

enum config_service_transport {
	CONFIG_SERVICE_TCP,
	CONFIG_SERVICE_UDP,
};

enum config_translate {
	CONFIG_TRANSLATE_SOURCE,      // members see an address of postern as the client's
	CONFIG_TRANSLATE_DESTINATION, // members see the client's own; postern is their gateway
};

enum config_affinity {
	CONFIG_AFFINITY_TUPLE,  // each connection for itself
	CONFIG_AFFINITY_SOURCE, // all that comes from a client's address goes to one member
};

// Whether who comes must be a partner of the service's organisation.
enum config_admission {
	CONFIG_ADMISSION_ANY,
	CONFIG_ADMISSION_OBSERVE, // let through, and recorded
	CONFIG_ADMISSION_ENFORCE,
};

// What becomes of a first packet that is not admitted.
enum config_on_refuse {
	CONFIG_ON_REFUSE_DROP,
	CONFIG_ON_REFUSE_RESET,
};

// What becomes of the sessions of an address that has lost its last partner.
enum config_on_block {
	CONFIG_ON_BLOCK_KEEP,
	CONFIG_ON_BLOCK_RESET,
};

enum config_all_down {
	CONFIG_ALL_DOWN_REFUSE,
	CONFIG_ALL_DOWN_TRY_ALL, // as if the probes were wrong and all members up
};

enum config_on_down {
	CONFIG_ON_DOWN_RESET, // sessions of a member that goes down are reset on both sides
	CONFIG_ON_DOWN_KEEP,
};

enum config_probe_kind {
	CONFIG_PROBE_TCP,  // the member accepts a connection
	CONFIG_PROBE_TLS,  // ... and completes a TLS handshake
	CONFIG_PROBE_SIP,  // the member answers an OPTIONS request
	CONFIG_PROBE_NONE, // always taken for healthy; only what the dataplane sees counts
};

enum config_transport {
	CONFIG_TRANSPORT_TLS,
	CONFIG_TRANSPORT_TCP,
};

struct config_route {
	struct postern_prefix to;
	struct postern_addr via;
	int line;
};

// What of an interface the kernel has.
enum config_kernel {
	CONFIG_KERNEL_NONE,
	CONFIG_KERNEL_TAP, // a TAP device with its name and addresses
};

struct config_interface {
	char *name;
	char *device;
	CONFIG_LIST(struct postern_prefix) addresses;
	CONFIG_LIST(struct postern_addr) gateways; // at most one a family
	CONFIG_LIST(struct config_route) routes;
	CONFIG_LIST(struct postern_addr) translate_from;
	uint32_t mtu; // bytes; 0: the port's own
	enum config_kernel kernel;
	int line;
};

// What probes to the members of a pool use, and what a service shows to the outside. Paths are
// absolute after reading: relative ones are taken from the folder of the file.
struct config_tls {
	char *certificate; // NULL: none
	char *key;
	char *trust;               // NULL: members are not verified, partners by the system's
	CONFIG_LIST(char *) names; // of a pool: those that count as the member's beside its fqdn
	int line;                  // 0: no tls block
};

struct config_probe {
	enum config_probe_kind kind;
	uint32_t interval_ms;
	uint32_t timeout_ms;
	uint32_t rise;
	uint32_t fall;
	uint32_t jitter_percent;     // each interval is longer or shorter by up to this much
	struct postern_addr address; // none: the member's
	uint32_t port;               // 0: the member's
	// Of CONFIG_PROBE_SIP alone.
	enum config_transport transport;
	char *from;                      // NULL: the address that the probe comes from
	char *uri;                       // NULL: the member's fqdn, or its address
	CONFIG_LIST(uint32_t) alive;     // status codes; one digit stands for a class, 2 for 2xx
	CONFIG_LIST(uint32_t) not_alive; // likewise
	uint32_t given;                  // bit i: the file had the i-th key of the schema
	int line;                        // 0: no probe block
};

struct config_member {
	char *name;
	struct postern_endpoint address;
	char *fqdn;                // NULL: none
	uint32_t weight;           // 0: takes no new sessions
	struct config_probe probe; // whole, if it has a line; else the pool's counts
	int line;
};

struct config_pool {
	char *name;
	CONFIG_LIST(struct config_member) members;
	struct config_tls tls;
	struct config_probe probe;
	uint32_t minimum;      // members that must take sessions; fewer raise an alarm
	uint32_t observe_fall; // failed SYNs in a row that take a member down; 0: never
	enum config_on_down on_down;
	enum config_all_down all_down;
	uint32_t slow_start_ms; // over which a member that was down gets its share back; 0: at once
	int line;
};

struct config_listen {
	struct postern_endpoint at;
	uint16_t last_port; // of a range that begins at at.port; 0: one port
};

// Where clients of a service in relay mode go that say such a thing first.
struct config_choose {
	CONFIG_LIST(uint32_t) first;      // enum postern_hello
	CONFIG_LIST(char *) server_names; // lower case
	char *organisation;               // NULL: the names are in the list
	bool no_server_name;
	CONFIG_LIST(char *) alpn;
	enum config_version version; // the highest that is offered is at most this
	char *pool;                  // NULL: refused
	bool refuse;
	int line;
};

struct config_service {
	char *name;
	CONFIG_LIST(struct config_listen) listen;
	enum config_mode mode;
	char *side; // interface that announces the address; NULL: the one whose prefix holds it
	char *pool; // in relay mode of clients that no rule fits
	CONFIG_LIST(struct config_choose) choose; // of relay mode: the first that fits counts
	enum config_proxy proxy_protocol;         // likewise
	char *fqdn;         // name that it is published under; NULL: as the profile has it
	char *organisation; // whom it is for; NULL: all of them
	struct config_tls tls;
	enum config_profile profile;
	enum config_service_transport transport;
	enum config_translate translate;
	enum config_affinity affinity;
	enum config_admission admission;
	enum config_on_refuse on_refuse;
	enum config_on_block on_block;
	struct postern_session_times timeouts;
	uint32_t given; // bit i: the file had the i-th key of the schema
	int line;
};

// One mistake in a file, or a warning.
struct config_ports {
	uint16_t first;
	uint16_t last; // included
};

enum config_outbound_mode {
	CONFIG_OUTBOUND_ROUTE,     // others see the member's own address
	CONFIG_OUTBOUND_TRANSLATE, // others see one of postern's
};

struct config_outbound_times {
	uint32_t opening_ms;
	uint32_t idle_ms;
	uint32_t udp_idle_ms;
	uint32_t closing_ms;
	uint32_t reset_ms;
};

// What passes for members without a service.
struct config_outbound {
	char *name;
	CONFIG_LIST(char *) pools;
	enum config_outbound_mode mode;
	CONFIG_LIST(struct postern_addr) translate_to; // at most one a family
	char *side;                            // NULL: see interface_of() in daemon/snapshot.c
	CONFIG_LIST(struct postern_prefix) to; // empty: everywhere
	CONFIG_LIST(struct config_ports) tcp;
	CONFIG_LIST(struct config_ports) udp;
	CONFIG_LIST(struct config_ports) inbound_tcp;
	CONFIG_LIST(struct config_ports) inbound_udp;
	uint32_t flows_per_member;
	struct config_outbound_times timeouts;
	int line;
};

struct config_error {
	int line;       // 1-based; 0: the file as a whole
	char *field;    // "pools[0].members[1].address"
	char *what;     // what is wrong
	char *expected; // what would be right
};

struct config_errors {
	CONFIG_LIST(struct config_error) list;
};

// Who may do what over the control socket: names of groups and of users.
struct config_roles {
	CONFIG_LIST(char *) view;
	CONFIG_LIST(char *) operate; // empty: the control group
	CONFIG_LIST(char *) policy;
};

// Whom postern serves.
struct config_organisation {
	char *name;
	CONFIG_LIST(char *) domains; // SIP domains, as postern_domain_read() writes them
	int line;
};

// The choices of dns.order.
enum config_dns_order {
	CONFIG_DNS_ORDER_RFC2782,
	CONFIG_DNS_ORDER_PARTNER,
};

// How partners are looked up.
struct config_dns {
	uint32_t timeout_ms;
	uint32_t tries;
	uint32_t lowest_ttl_ms;
	uint32_t highest_ttl_ms;
	uint32_t negative_ttl_ms;
	uint32_t keep_ms; // of a last good answer; 0: not at all
	uint32_t rate;
	uint32_t questions;
	enum config_dns_order order;
};

struct config_tree;

struct config {
	char *file;
	struct config_tree *tree; // the file as it is written, for lines; NULL: forgotten
	struct {
		char *control_socket;
		char *control_group; // NULL: none, the socket is the owner's alone
		uint32_t log_level;  // enum postern_log_level
		enum config_log log;
		char *user; // NULL: whoever starts it
		bool seccomp;
		struct postern_endpoint metrics; // port 0: off
		char *state;                     // the state database
		struct config_roles roles;
	} postern;
	struct {
		CONFIG_LIST(uint32_t) workers; // CPUs
		CONFIG_LIST(char *) eal;
		uint32_t huge_pages; // enum postern_huge_pages
		uint32_t memory_mb;  // 0: computed
		uint32_t buffers;
		uint32_t sessions;
		uint32_t member_flows;
		uint32_t connections;
		uint32_t connections_per_address;
		uint32_t opening_per_address;
		bool busy_poll;
	} dataplane;
	CONFIG_LIST(struct config_interface) interfaces;
	CONFIG_LIST(struct config_pool) pools;
	CONFIG_LIST(struct config_service) services;
	CONFIG_LIST(struct config_organisation) organisations;
	CONFIG_LIST(struct config_outbound) outbound;
	CONFIG_LIST(struct postern_endpoint) resolvers; // empty: those of /etc/resolv.conf
	struct config_dns dns;
	// What works and is probably not meant, ordered by line; then that of the files it names.
	struct config_errors warnings;
};

// Reads and checks a file. Returns 0 and a config that the caller frees with config_free(); or
// -EINVAL with every mistake found in `errors`, or -ENOENT, -EACCES, ... with one error that says
// so; *out is NULL then. Mistakes are ordered by line. `errors` starts zeroed and is freed with
// config_errors_free() in every case.
int config_read(const char *file, struct config **out, struct config_errors *errors);
void config_free(struct config *c);
void config_errors_free(struct config_errors *errors);

// Adds a mistake that was found outside of this folder. 0, or -ENOMEM.
int config_errors_add(struct config_errors *errors, int line, const char *field,
	const char *expected, const char *format, ...) __attribute__((format(printf, 5, 6)));

// "FILE:LINE: FIELD: what is wrong; what would be right", without what is not known. The caller
// frees it; NULL when memory is refused.
char *config_error_text(const char *file, const struct config_error *e);

// Prints each mistake so, on a line of its own.
void config_errors_print(FILE *to, const char *file, const struct config_errors *errors);

// Likewise of warnings, "FILE:LINE: warning: FIELD: ...".
void config_warnings_print(FILE *to, const char *file, const struct config_errors *warnings);
// The line on which the file has the value at a path such as "pools[0].tls.key"; 0 if it has none
// there, or has been forgotten. What was read of the file is kept for that until it is forgotten.
int config_line(const struct config *c, const char *path);
void config_forget_lines(struct config *c);

// Writes the whole configuration, defaults included, as YAML that config_read() accepts.
void config_show(FILE *to, const struct config *c);

// Writes the reference of all keys for the manual, a table in Markdown.
void config_reference(FILE *to);

// What in `next` cannot be reached from `now` without a restart (interfaces, workers, memory, the
// control socket): one error for each, none if a reload will do. Returns how many.
size_t config_needs_restart(
	const struct config *now, const struct config *next, struct config_errors *errors);

enum config_change_kind {
	CONFIG_ADDED,
	CONFIG_REMOVED,
	CONFIG_CHANGED,
};

// One difference between two configurations.
struct config_change {
	enum config_change_kind kind;
	char *object; // "pool edges", "pool edges member fe1", "dataplane"
	char *field;  // "probe.interval"; empty: the object as a whole
	char *was;    // as YAML; NULL: not there
	char *will;
	bool restart; // a reload does not reach it
};

struct config_changes {
	CONFIG_LIST(struct config_change) list;
};

// What `next` changes of `now`. Files that both name and that have changed are not looked into.
// 0, or -ENOMEM; `changes` starts zeroed and is freed with config_changes_free() in either case.
int config_compare(
	const struct config *now, const struct config *next, struct config_changes *changes);
void config_changes_free(struct config_changes *changes);
const char *config_change_name(enum config_change_kind kind); // "added"

const struct config_organisation *config_organisation_find(
	const struct config *c, const char *name);
const struct config_pool *config_pool_find(const struct config *c, const char *name);
const struct config_interface *config_interface_find(const struct config *c, const char *name);

// How a member is probed: its own settings, or the pool's.
const struct config_probe *config_member_probe(
	const struct config_pool *pool, const struct config_member *m);
bool config_probe_uses_tls(const struct config_probe *p);

// Whether a final answer of this status means that a member is alive. A code counts before its
// class, and not-alive before alive.
bool config_probe_alive(const struct config_probe *p, uint32_t status);

// "192.0.2.1:5061", or "192.0.2.1:50000-59999".
#define CONFIG_LISTEN_TEXT (POSTERN_ENDPOINT_TEXT + 6)
const char *config_listen_format(
	const struct config_listen *l, char buf[static CONFIG_LISTEN_TEXT]);

uint16_t config_version_number(enum config_version v); // 0x0303; 0 of any
const char *config_mode_name(enum config_mode m);
const char *config_profile_name(enum config_profile p);
const char *config_transport_name(enum config_service_transport t);
const char *config_translate_name(enum config_translate t);
const char *config_affinity_name(enum config_affinity a);
const char *config_admission_name(enum config_admission a);
const char *config_on_refuse_name(enum config_on_refuse r);
const char *config_on_block_name(enum config_on_block b);

// The organisation whose partners a service admits: the one that it names, else the only one. NULL: there
// is none, or which one is not said.
const char *config_service_organisation(const struct config *c, const struct config_service *s);
// Whether any service asks who comes.
bool config_wants_admission(const struct config *c);
const char *config_outbound_mode_name(enum config_outbound_mode m);

// "5061", or "50000-59999".
#define CONFIG_PORTS_TEXT 12
const char *config_ports_format(const struct config_ports *p, char buf[static CONFIG_PORTS_TEXT]);

// How many flows a member of a pool may have begun at once; 0: no rule lets it out.
uint32_t config_flows_limit(const struct config *c, const char *pool);

// The interface that leads to an address: the longest of prefixes and routes, else a gateway; NULL
// if none does.
const struct config_interface *config_interface_towards(
	const struct config *c, const struct postern_addr *a);

// Ports of a source address that sessions get: those above the well-known ones, 1024 to 65535.
#define CONFIG_PORTS_PER_ADDRESS 64512u

// True if every service of a pool leaves it the clients' own ports, and none of postern's is needed.
bool config_pool_needs_no_ports(const struct config *c, const char *pool);

// How many sessions a member can have at most, by the addresses that they may come from.
uint32_t config_sessions_limit(const struct config *c, const struct postern_addr *member);
