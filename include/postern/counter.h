// SPDX-License-Identifier: BSD-2-Clause
// Everything that the dataplane counts, declared once. Each drop, refusal and close has a named
// reason here; `posternctl stats` shows name and help text as they stand here.

#pragma once

#include "postern/tcp_counter.h"

#include <stdint.h>

// X(enumerator, shown name, what it means)
#define POSTERN_COUNTERS(X)                                                                        \
	/* what was received and sent */                                                           \
	X(RX_PACKETS, "rx-packets", "packets received on all interfaces")                          \
	X(RX_BYTES, "rx-bytes", "bytes received, Ethernet header included")                        \
	X(TX_PACKETS, "tx-packets", "packets handed to the ports")                                 \
	X(TX_BYTES, "tx-bytes", "bytes handed to the ports, Ethernet header included")             \
	X(ARP_ANSWERED, "arp-answered", "ARP requests for our addresses answered")                 \
	X(ND_ANSWERED, "nd-answered", "neighbour solicitations for our addresses answered")        \
	X(ARP_IGNORED, "arp-ignored", "ARP that asks for others or tells what nobody asked")       \
	X(ND_IGNORED, "nd-ignored", "neighbour discovery that concerns others")                    \
	X(ECHO_ANSWERED, "echo-answered", "ICMP and ICMPv6 echo requests answered")                \
	X(ERROR_TRANSLATED, "error-translated",                                                    \
		"ICMP errors about packets of sessions translated and passed on")                  \
	X(REASSEMBLED, "reassembled", "packets put together from their fragments")                 \
	X(FRAGMENTED, "fragmented", "packets sent on in fragments")                                \
	X(ERROR_SENT, "error-sent", "ICMP errors of our own about packets that could not go on")   \
	X(KERNEL_GIVEN, "kernel-given", "packets to our own addresses given to the kernel")        \
	X(KERNEL_TAKEN, "kernel-taken", "packets of the kernel's sent by a port")                  \
	/* what clients that are relayed say first */                                              \
	X(HELLO_TLS13, "hello-tls13", "ClientHellos that offer TLS 1.3")                           \
	X(HELLO_TLS12, "hello-tls12", "ClientHellos that offer TLS 1.2 at most")                   \
	X(HELLO_TLS11, "hello-tls11", "ClientHellos that offer TLS 1.1 at most")                   \
	X(HELLO_TLS10, "hello-tls10", "ClientHellos that offer TLS 1.0 at most")                   \
	X(HELLO_SSL, "hello-ssl", "ClientHellos that offer SSL 3.0 or 2.0 at most")                \
	X(HELLO_NO_NAME, "hello-no-name", "ClientHellos without a server name")                    \
	X(HELLO_OTHER, "hello-other", "clients that began with something else than TLS")           \
	/* sessions in forward and relay mode */                                                   \
	X(SESSION_OPENED, "session-opened", "sessions begun by a SYN for a service")               \
	X(SESSION_ESTABLISHED, "session-established", "sessions whose handshake was completed")    \
	X(SESSION_REDISPATCHED, "session-redispatched",                                            \
		"SYNs sent to another member because the first refused or stayed silent")          \
	X(FLOW_OPENED, "flow-opened",                                                              \
		"flows begun by members, or at their own addresses, without a service")            \
	X(FLOW_ESTABLISHED, "flow-established", "such flows that both sides have answered")        \
	X(CLOSE_FIN, "close-fin", "sessions ended by both sides")                                  \
	X(CLOSE_RESET, "close-reset", "sessions ended by a reset that passed through")             \
	X(CLOSE_IDLE, "close-idle", "established sessions ended by the idle time")                 \
	X(CLOSE_UNANSWERED, "close-unanswered", "sessions whose handshake was never completed")    \
	X(CLOSE_MEMBER_DOWN, "close-member-down",                                                  \
		"sessions reset on both sides because their member went down")                     \
	X(CLOSE_SERVICE_GONE, "close-service-gone",                                                \
		"sessions reset on both sides because their service was removed")                  \
	X(CLOSE_BEFORE_HELLO, "close-before-hello",                                                \
		"relayed clients that went before their hello was whole")                          \
	X(CLOSE_LOST, "close-lost", "relayed sessions ended because a side no longer answered")    \
	X(CLOSE_OPERATOR, "close-operator",                                                        \
		"sessions reset on both sides because an operator closed them")                    \
	X(CLOSE_NOT_ALLOWED, "close-not-allowed",                                                  \
		"flows without a service ended because a reload no longer allows them")            \
	X(CLOSE_NOT_ADMITTED, "close-not-admitted",                                                \
		"sessions ended because an operator has withdrawn the last partner of their "      \
		"address")                                                                         \
	X(CLOSE_EVICTED, "close-evicted",                                                          \
		"half-open or closing sessions given up for a new one, the table being full")      \
	X(RESET_SENT, "reset-sent", "resets that we made ourselves")                               \
	/* refusals: a client was told no */                                                       \
	X(REFUSE_NO_MEMBER, "refuse-no-member", "first packets refused: no member takes sessions") \
	X(REFUSE_PORT_CLOSED, "refuse-port-closed", "first packets refused: no service there")     \
	X(REFUSE_NO_SESSION, "refuse-no-session",                                                  \
		"segments reset: they belong to no session that we know")                          \
	X(REFUSE_OUTBOUND, "refuse-outbound",                                                      \
		"packets of members that no outbound rule lets pass")                              \
	X(REFUSE_ADMISSION, "refuse-admission",                                                    \
		"first packets refused and told so: their address is no admitted partner's")       \
	X(REFUSE_MEMBERS_FAILED, "refuse-members-failed",                                          \
		"relayed clients refused: every member that was asked refused or stayed silent")   \
	X(REFUSE_HELLO_TIMEOUT, "refuse-hello-timeout",                                            \
		"relayed clients whose hello was not whole in time")                               \
	X(REFUSE_HELLO_MALFORMED, "refuse-hello-malformed", "broken ClientHellos")                 \
	X(REFUSE_HELLO_TOO_LONG, "refuse-hello-too-long",                                          \
		"ClientHellos of more than 16 KB, or in more than 64 records")                     \
	X(REFUSE_HELLO_NAME, "refuse-hello-name", "ClientHellos whose server name is none")        \
	X(REFUSE_NOT_TLS, "refuse-not-tls",                                                        \
		"relayed clients that did not begin with TLS, where no rule has a pool for it")    \
	X(REFUSE_RULE, "refuse-rule", "relayed clients that a rule of their service refuses")      \
	X(REFUSE_OPENING_LIMIT, "refuse-opening-limit",                                            \
		"relayed clients of addresses with too many whose hello is not whole")             \
	/* drops: a packet was thrown away without an answer */                                    \
	X(DROP_TRUNCATED, "drop-truncated", "shorter than its own headers say")                    \
	X(DROP_ETHERTYPE, "drop-ethertype", "neither IPv4, IPv6 nor ARP")                          \
	X(DROP_OTHER_HOST, "drop-other-host", "sent to another station's Ethernet address")        \
	X(DROP_IP_VERSION, "drop-ip-version", "IP version does not match the Ethernet type")       \
	X(DROP_IP_HEADER, "drop-ip-header", "malformed IP header")                                 \
	X(DROP_IP_CHECKSUM, "drop-ip-checksum", "wrong IPv4 header checksum")                      \
	X(DROP_IP_OPTION, "drop-ip-option", "source routing: IPv4 option or IPv6 routing header")  \
	X(DROP_EXTENSION, "drop-extension",                                                        \
		"IPv6 extension headers malformed, out of place, too many or too long")            \
	X(DROP_MARTIAN, "drop-martian", "source address that no unicast packet has")               \
	X(DROP_SPOOFED, "drop-spoofed", "source address is ours, or belongs to another interface") \
	X(DROP_FRAGMENT, "drop-fragment", "malformed IP fragment, or one that came twice")         \
	X(DROP_FRAGMENT_TINY, "drop-fragment-tiny",                                                \
		"first IP fragment that does not hold the whole transport header")                 \
	X(DROP_FRAGMENT_OVERLAP, "drop-fragment-overlap",                                          \
		"fragments of a packet of which two overlap")                                      \
	X(DROP_FRAGMENT_TIMEOUT, "drop-fragment-timeout",                                          \
		"fragments whose packet was not whole in time")                                    \
	X(DROP_FRAGMENT_LIMIT, "drop-fragment-limit",                                              \
		"fragments given up: too many of one packet, or for newer ones")                   \
	X(DROP_NOT_OURS, "drop-not-ours", "destination is none of our addresses")                  \
	X(DROP_NOT_MEMBER, "drop-not-member",                                                      \
		"packets through us that neither come from a member nor go to one")                \
	X(DROP_UNASKED, "drop-unasked",                                                            \
		"packets to a member's own address that no flow of its has asked for")             \
	X(DROP_MEMBER_FLOWS, "drop-member-flows",                                                  \
		"first packets of members that have as many flows of their own as they may")       \
	X(DROP_FLOWS_FULL, "drop-flows-full", "no place for another flow that a member begins")    \
	X(DROP_PROTOCOL, "drop-protocol", "transport protocol that nothing here speaks")           \
	X(DROP_ARP, "drop-arp", "malformed ARP packet")                                            \
	X(DROP_ND, "drop-nd", "malformed or unacceptable neighbour discovery (RFC 4861 7.1)")      \
	X(DROP_ICMP, "drop-icmp", "ICMP or ICMPv6 that is not answered here, or is malformed")     \
	X(DROP_ERROR_UNKNOWN, "drop-error-unknown",                                                \
		"ICMP errors that quote no packet which a session has sent")                       \
	X(DROP_UDP_HEADER, "drop-udp-header", "malformed UDP header")                              \
	X(DROP_TCP_HEADER, "drop-tcp-header", "malformed TCP header")                              \
	X(DROP_TCP_CHECKSUM, "drop-tcp-checksum",                                                  \
		"wrong TCP checksum on the first segment of a side")                               \
	X(DROP_TCP_FLAGS, "drop-tcp-flags", "TCP flags that no sane sender sets (SYN with FIN)")   \
	X(DROP_NO_SESSION, "drop-no-session", "reset, or answer to one, that fits no session")     \
	X(DROP_TTL, "drop-ttl", "hop limit used up")                                               \
	X(DROP_TOO_BIG, "drop-too-big", "larger than the outgoing interface carries")              \
	X(DROP_ADMISSION, "drop-admission",                                                        \
		"first packets dropped: their address is no admitted partner's")                   \
	X(DROP_TABLE_FULL, "drop-table-full", "no place in the session table for a new session")   \
	X(DROP_FLOOD, "drop-flood",                                                                \
		"SYNs that came faster than others' packets allowed, the table being full of "     \
		"sessions that never began")                                                       \
	X(DROP_PORTS_EXHAUSTED, "drop-ports-exhausted", "no free port on the translate-from side") \
	X(DROP_ANSWER_LIMIT, "drop-answer-limit",                                                  \
		"answers of our own held back by the rate limit")                                  \
	X(DROP_NO_ROUTE, "drop-no-route", "no interface leads to the destination")                 \
	X(DROP_NEIGHBOUR_PENDING, "drop-neighbour-pending",                                        \
		"waiting queue of a next hop that is being resolved was full")                     \
	X(DROP_NEIGHBOUR_FAILED, "drop-neighbour-failed", "next hop did not answer")               \
	X(DROP_NEIGHBOUR_TABLE, "drop-neighbour-table", "neighbour table full")                    \
	X(DROP_TX_FULL, "drop-tx-full", "the port's transmit ring was full")                       \
	X(DROP_KERNEL, "drop-kernel",                                                              \
		"packets for the kernel beyond their rate, or that it or a port does not take")    \
	X(DROP_NO_BUFFER, "drop-no-buffer", "no packet buffer left for a packet of our own")       \
	/* things seen that an operator wants to know */                                           \
	X(SEEN_ADDRESS_CONFLICT, "seen-address-conflict",                                          \
		"ARP or neighbour discovery in which another station claims our address")          \
	X(SEEN_ADMISSION, "seen-admission",                                                        \
		"first packets let through whose address is no admitted partner's (observe)")      \
	X(SEEN_MEMBER_REFUSED, "seen-member-refused", "members that answered a SYN with a reset")  \
	X(SEEN_MEMBER_SILENT, "seen-member-silent", "members that did not answer a SYN in time")   \
	X(SEEN_EVENT_LOST, "seen-event-lost", "reports to the control thread that did not fit")    \
	X(WANTED, "wanted", "domains whose DNS facts control was asked for")                       \
	X(WANTED_LOST, "wanted-lost", "such questions that did not fit")                           \
	X(WANTED_FULL, "wanted-full", "what could not wait for DNS facts, because too much did")   \
	X(WANTED_LATE, "wanted-late", "what waited for DNS facts until its time was up")           \
	X(RECORD_LOST, "record-lost",                                                              \
		"refusals and closes that are in no record: too many were new at once")            \
	/* the worker's own life */                                                                \
	X(HANDED_OVER, "handed-over", "packets that another worker owns, handed to it")            \
	X(DROP_HAND_OVER, "drop-hand-over", "packets for another worker whose ring was full")      \
	X(WORKER_LOOPS, "worker-loops", "turns of the poll loop")                                  \
	X(WORKER_BUSY_CYCLES, "worker-busy-cycles", "TSC cycles of turns that had work")           \
	X(CYCLES_RECEIVE, "cycles-receive", "of those, taking packets from ports")                 \
	X(CYCLES_IP, "cycles-ip", "of those, reading headers, neighbours, fragments")              \
	X(CYCLES_STEER, "cycles-steer", "of those, finding sessions and translating")              \
	X(CYCLES_TCP, "cycles-tcp", "of those, connections that end here")                         \
	X(CYCLES_RELAY, "cycles-relay", "of those, reading hellos and copying in relay mode")      \
	X(CYCLES_TRANSMIT, "cycles-transmit", "of those, handing packets to ports")                \
	X(CYCLES_HOUSEKEEPING, "cycles-housekeeping", "of those, timers, lost members, new files") \
	X(CYCLES_IDLE, "cycles-idle", "TSC cycles of turns without work, sleep included")          \
	X(WORKER_SLEEPS, "worker-sleeps", "times that a worker slept because nothing arrived")

enum postern_counter {
#define X(enumerator, name, help) POSTERN_COUNTER_##enumerator,
	POSTERN_COUNTERS(X)
#undef X
#define X(enumerator, name, help) POSTERN_COUNTER_TCP_##enumerator,
	// Of connections that end here, in the order of their own enum.
	POSTERN_TCP_COUNTERS(X)
#undef X
		POSTERN_COUNTER_COUNT
};

// The shown name and the help text of a counter. Any thread.
const char *postern_counter_name(enum postern_counter c);
const char *postern_counter_help(enum postern_counter c);
