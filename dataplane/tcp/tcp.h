// SPDX-License-Identifier: BSD-2-Clause
// A TCP endpoint: packets and time go in, packets and events come out. It has no port and no clock, and
// the memory that it lives in is handed to it. One instance a worker, and no thread but that worker
// calls anything here.
//
// A turn of whoever stands above:
//
//     tcp_time(t, now);                       what time it is
//     tcp_input_burst(t, packets, n);         all packets of the burst
//     tcp_poll(t, budget);                    timers whose time has come
//     n = tcp_events(t, events, ROOM);        what has happened, one entry a connection
//     tcp_peek, tcp_consume, tcp_reserve, tcp_commit ...
//     tcp_flush(t);                           what was committed leaves, whole segments first
//
// Received bytes are read where they lie, as an iovec over packet buffers; bytes to be sent are
// written into the buffers that they leave in. What several commits of one turn have written leaves
// together at the flush, so several short messages share a segment.

#pragma once

#include "ip/ip.h"

#include "postern/addr.h"
#include "postern/tcp_counter.h"
#include "postern/tcp_info.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct tcp;
struct tcp_conn;

// Why a connection ended, or was never made.
#define TCP_REASONS(X)                                                                             \
	X(NONE, "open")                                                                            \
	X(FIN, "closed by both sides")                                                             \
	X(RESET, "reset by the peer")                                                              \
	X(REFUSED, "refused: the peer answered the SYN with a reset")                              \
	X(UNREACHABLE, "no way to the peer")                                                       \
	X(CONNECT_TIMEOUT, "the peer did not answer the SYN in time")                              \
	X(TIMEOUT, "the peer no longer acknowledges")                                              \
	X(KEEPALIVE, "the peer no longer answers while idle")                                      \
	X(ZERO_WINDOW, "the peer kept its window shut for too long")                               \
	X(FIN_WAIT, "the peer never closed its side")                                              \
	X(ABORTED, "aborted by us")                                                                \
	X(DATA_LOST, "released by us while data were unread or still came")

enum tcp_reason {
#define X(name, text) TCP_REASON_##name,
	TCP_REASONS(X)
#undef X
	TCP_REASON_COUNT
};

// The text of a reason. Any thread.
const char *tcp_reason_text(enum tcp_reason reason);

// What the engine counts: include/postern/tcp_counter.h.
#define TCP_COUNTERS(X) POSTERN_TCP_COUNTERS(X)

enum tcp_counter {
#define X(name, shown, text) TCP_COUNTER_##name,
	TCP_COUNTERS(X)
#undef X
	TCP_COUNTER_COUNT
};

const char *tcp_counter_name(enum tcp_counter c);

// What carries packets: handed down at tcp_init(), never called but from within a call from above.
struct tcp_link {
	void *context;
	// Finds the way to `remote` and holds it until released. Fills the handle and the MTU of the
	// way in bytes of IP packet. 0, or a negative errno when there is none.
	int (*route)(void *context, const struct postern_addr *local,
		const struct postern_addr *remote, uint32_t *route, uint16_t *mtu);
	void (*release)(void *context, uint32_t route);
	// Sends an IP packet that has IP_OFFSET bytes of room in front. l2_len, l3_len and l4_len are
	// set, the TCP checksum is the link's to make: a port may do it. Takes the packet. A buffer
	// may also be held by the engine; it is not written again before the link has freed it.
	void (*send)(void *context, struct rte_mbuf *m, uint32_t route);
	// The same in answer to a packet that belongs to no connection, back to where it came from;
	// the link may hold such answers back.
	void (*reply)(void *context, struct rte_mbuf *m, const struct ip_packet *to);
	// True if what comes back for a connection with these ends will come to this worker. `back`
	// is seen from outside: its source is the remote. NULL: all come here.
	bool (*is_home)(void *context, const struct ip_tuple *back);
};

enum tcp_admission {
	TCP_ADMIT,
	TCP_REFUSE, // answered with a reset
	TCP_IGNORE
};

// Who uses connections: handed down at tcp_init().
struct tcp_user {
	void *context;
	// Asked once for each connection that a peer wants to open; under pressure not for the SYN
	// but for the acknowledgement that proves the address. `listener` is what tcp_listen() was
	// given. NULL: all are admitted.
	enum tcp_admission (*admit)(void *context, void *listener,
		const struct postern_endpoint *local, const struct postern_endpoint *remote);
};

// Times in milliseconds, sizes in bytes. tcp_settings_default() says what is usual and why.
struct tcp_settings {
	uint32_t receive_buffer; // unread bytes of a connection; the largest window, at most 1 GB
	uint32_t send_buffer;    // committed bytes of a connection that are not acknowledged
	uint32_t rto_min;
	uint32_t rto_max;
	uint32_t rto_initial;
	uint32_t ack_delay; // below 500 (RFC 9293 MUST-40)
	uint32_t give_up;   // R2: unanswered retransmissions for so long end a connection
	uint32_t connect_timeout;
	uint32_t syn_ack_timeout; // half-open connections
	uint32_t time_wait;       // two maximum segment lifetimes
	uint32_t fin_wait;        // in FIN-WAIT-2 after the release
	uint32_t zero_window;     // a window shut for so long ends the connection; 0: never
	uint32_t keepalive;       // idle time before the first probe; 0: none are sent
	uint32_t keepalive_interval;
	uint32_t connection_buffers; // limits, in packet buffers, for received and unsent data
	uint32_t address_buffers;    // of one IPv4 address or one IPv6 /64
	uint32_t address_connections;
	uint32_t address_half_open;
	uint32_t cookies_from; // SYN cookies from so many half-open connections
	uint16_t port_first;   // of connections that we open
	uint16_t port_last;
	uint8_t keepalive_probes;
	bool timestamps;
	bool sack;
	bool window_scale;
	bool nagle;
};

struct tcp_settings tcp_settings_default(void);

struct tcp_setup {
	struct tcp_settings settings;
	struct tcp_link link;
	struct tcp_user user;
	struct rte_mempool *pool; // of buffers to send from; outlives the instance
	uint32_t connections;     // capacities
	uint32_t half_open;
	uint32_t time_wait;
	uint32_t listeners;
	uint32_t buffers; // packet buffers held, received and to be sent, all connections together
	uint64_t now_us;
	uint8_t secret[64]; // drawn at start: keys of tables, sequence numbers and cookies
};

// How much memory an instance of these capacities needs.
size_t tcp_memory(const struct tcp_setup *setup);

// Makes an instance in memory of that size, zeroed and aligned to 64 bytes, which stays the
// caller's. The instance holds packet buffers from then on: tcp_fini() gives them back.
struct tcp *tcp_init(void *memory, const struct tcp_setup *setup);

// Forgets all connections without a word to anybody and frees every buffer.
void tcp_fini(struct tcp *t);

// --- a turn

void tcp_time(struct tcp *t, uint64_t now_us);

// Takes a TCP packet as ip_input() hands it up, with its buffers.
void tcp_input(struct tcp *t, struct ip_packet *p);

// The same for a burst of them, which is faster: what each will need of memory is fetched beforehand.
void tcp_input_burst(struct tcp *t, struct ip_packet *p, unsigned n);

// Takes an ICMP or ICMPv6 error, likewise. True if it was about a connection of ours; otherwise the
// packet still is the caller's.
bool tcp_icmp(struct tcp *t, struct ip_packet *p);

// True if a TCP packet is this instance's: somebody listens there, or a connection has these ends, one that
// is half-open or over included.
bool tcp_wants(const struct tcp *t, const struct ip_packet *p);
// The same of addresses and ports; `t` as the packet would have them.
bool tcp_has(const struct tcp *t, const struct ip_tuple *tuple);

// Does what is due, `budget` timers of each kind at most.
void tcp_poll(struct tcp *t, unsigned budget);

#define TCP_EVENT_ACCEPTED  0x01u // a peer has opened it; it is the user's now
#define TCP_EVENT_CONNECTED 0x02u // our SYN was accepted
#define TCP_EVENT_READABLE  0x04u // more bytes than before lie there to be read
#define TCP_EVENT_WRITABLE  0x08u // tcp_reserve() has room again after it had too little
#define TCP_EVENT_FIN       0x10u // nothing comes behind what lies there
#define TCP_EVENT_URGENT    0x20u // tcp_urgent() has grown
#define TCP_EVENT_SOFT      0x40u // an ICMP error that may pass; tcp_conn_soft_error()
#define TCP_EVENT_CLOSED    0x80u // it is over, tcp_conn_reason() says why; only the release is left

struct tcp_event {
	struct tcp_conn *conn;
	void *user; // as set by tcp_connect() or tcp_conn_set_user(); of ACCEPTED, the listener's
	uint32_t what;
};

// Fills `out` with up to `n` connections to which something has happened since they were last named
// here, one entry each, and returns how many.
unsigned tcp_events(struct tcp *t, struct tcp_event *out, unsigned n);

// Sends what was committed, and acknowledgements that are due.
void tcp_flush(struct tcp *t);

// --- opening

// Answers SYNs for an address and port; `listener` comes back with ACCEPTED. -EEXIST, -ENOSPC.
int tcp_listen(struct tcp *t, const struct postern_endpoint *local, void *listener);
// Ends that; connections stay, half-open ones do not become connections. -ENOENT.
int tcp_unlisten(struct tcp *t, const struct postern_endpoint *local);

// Opens a connection from an address of ours and a port that is drawn, so that answers come to this
// worker. `timeout_ms` for the handshake; 0: as set. -ENOSPC, -EADDRINUSE when no port is free,
// or what the link said. On success *out is the user's until released.
int tcp_connect(struct tcp *t, const struct postern_addr *local,
	const struct postern_endpoint *remote, uint32_t timeout_ms, void *user,
	struct tcp_conn **out);

// A word of the user's for the remote address (IPv4) or network (/64) of a connection; 0 when the first
// connection of the address begins.
uint32_t *tcp_conn_peer_word(struct tcp *t, const struct tcp_conn *c);

// --- a connection. Each is the user's from ACCEPTED or tcp_connect() until tcp_release().

void tcp_conn_set_user(struct tcp_conn *c, void *user);
struct postern_endpoint tcp_conn_local(const struct tcp_conn *c);
struct postern_endpoint tcp_conn_remote(const struct tcp_conn *c);
enum tcp_reason tcp_conn_reason(const struct tcp_conn *c);
// ICMP type and code of the last soft error, type << 8 | code; 0: none.
uint16_t tcp_conn_soft_error(const struct tcp_conn *c);
// Nagle's algorithm for one connection (RFC 9293 MUST-17).
void tcp_conn_set_nagle(struct tcp_conn *c, bool on);

// Bytes that lie there to be read.
size_t tcp_readable(const struct tcp_conn *c);
// Fills `iov` with up to `n` pieces of what lies there, from its beginning, and returns how many.
// They stay where they are until consumed or until the connection closes with another reason than
// FIN; a later peek begins at the same byte, with more pieces perhaps.
unsigned tcp_peek(const struct tcp *t, const struct tcp_conn *c, struct iovec *iov, unsigned n);
// Gives up the first `bytes` of what was peeked; the window opens by it.
void tcp_consume(struct tcp *t, struct tcp_conn *c, size_t bytes);
// Bytes up to and including the last urgent one, from the first unread one; 0: nothing urgent.
uint32_t tcp_urgent(const struct tcp_conn *c);

// True when all that the peer will ever send has been received (RFC 9293: its FIN).
bool tcp_is_finished(const struct tcp_conn *c);

// Fills `iov` with room for `wanted` bytes, or for as many as limits and `n` pieces allow, and
// returns how many that are. Where it is fewer, WRITABLE tells when to ask again: that is the
// back-pressure. The room is there until tcp_flush(); what has not been committed then is given back.
size_t tcp_reserve(struct tcp *t, struct tcp_conn *c, size_t wanted, struct iovec *iov, unsigned n);
// The first `bytes` of the last reservation are to be sent. Nothing leaves before tcp_flush().
void tcp_commit(struct tcp *t, struct tcp_conn *c, size_t bytes);
// Both with a copy. Returns how many bytes were taken, 0 when there is no room.
size_t tcp_write(struct tcp *t, struct tcp_conn *c, const void *bytes, size_t size);
// Committed bytes that the peer has not acknowledged yet.
size_t tcp_unacknowledged(const struct tcp_conn *c);

// Half-close: a FIN follows what was committed; receiving goes on. May be called again.
void tcp_shutdown(struct tcp *t, struct tcp_conn *c);
// Ends it at once: a reset tells the peer, what was not sent is lost. CLOSED follows, unless it had come
// already; the connection still is to be released.
void tcp_abort(struct tcp *t, struct tcp_conn *c);
// The user is done with it and must not name it again. What was committed is still delivered, a FIN
// follows; if data were left unread, or still come, the peer is reset, so that it knows that they were
// lost (RFC 9293 3.6.1).
void tcp_release(struct tcp *t, struct tcp_conn *c);

// --- looking in

struct tcp_use {
	uint32_t connections; // the user's and those that still finish
	uint32_t half_open;
	uint32_t time_wait;
	uint32_t buffers;
	uint32_t addresses; // remote ones that anything is kept for
};

// Any thread, while the worker runs: figures of one moment each.
struct tcp_use tcp_use(const struct tcp *t);
uint64_t tcp_count(const struct tcp *t, enum tcp_counter c);
// What a connection is like now. Any thread, as long as the instance is there: of one that ends
// meanwhile the figures mean nothing, which its user has to find out.
void tcp_conn_info(const struct tcp_conn *c, uint64_t now_us, struct postern_tcp_info *out);

// For tests: everything that the tables, queues and limits keep agrees. Names what does not, or NULL.
const char *tcp_check(const struct tcp *t);
