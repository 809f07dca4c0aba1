// SPDX-License-Identifier: BSD-2-Clause
// What the TCP endpoint counts. Where ss(8) or nstat(8) count the same, names are theirs (TcpInSegs is
// tcp-in-segs, TcpExtTCPLossProbes tcp-loss-probes).

#pragma once

// X(enumerator, shown name, what it means)
#define POSTERN_TCP_COUNTERS(X)                                                                    \
	X(SEGMENTS_IN, "tcp-in-segs", "segments received")                                         \
	X(SEGMENTS_OUT, "tcp-out-segs", "segments sent, repeated ones included")                   \
	X(RETRANSMITTED, "tcp-retrans-segs", "segments sent again")                                \
	X(OPENED, "tcp-active-opens", "connections that we opened")                                \
	X(ACCEPTED, "tcp-passive-opens", "connections that peers opened")                          \
	X(CLOSED, "tcp-closed", "connections ended by both sides")                                 \
	X(RESET_IN, "tcp-reset-in", "connections reset by the peer")                               \
	X(RESET_OUT, "tcp-out-rsts", "resets sent")                                                \
	X(TIMEOUTS, "tcp-abort-on-timeout", "connections given up because nothing came any more")  \
	X(RTO_FIRED, "tcp-timeouts", "retransmission timeouts")                                    \
	X(TLP_SENT, "tcp-loss-probes", "tail loss probes")                                         \
	X(RECOVERIES, "tcp-recoveries", "losses found by acknowledgements")                        \
	X(CHALLENGES, "tcp-challenge-ack", "challenge acknowledgements sent")                      \
	X(CHALLENGES_HELD, "tcp-challenges-held", "challenge acknowledgements held back")          \
	X(COOKIES_SENT, "tcp-syncookies-sent", "SYN cookies sent")                                 \
	X(COOKIES_GOOD, "tcp-syncookies-recv", "connections opened by a SYN cookie")               \
	X(KEEPALIVES, "tcp-keep-alive", "keep-alive probes sent")                                  \
	X(WINDOW_PROBES, "tcp-win-probe", "zero window probes sent")                               \
	X(URGENT, "tcp-urgent", "segments with a new urgent pointer")                              \
	X(PMTU_LOWERED, "tcp-pmtu-lowered", "path MTUs lowered by an ICMP error or a black hole")  \
	X(WAIT_EVICTED, "tcp-wait-evicted", "TIME-WAIT entries given up for newer ones")           \
	X(OUT_OF_ORDER, "tcp-ofo-queue", "segments kept until what is missing has come")           \
	X(RENEGED, "tcp-reneged", "out-of-order segments given up for memory")                     \
	X(REFUSE_CLOSED_PORT, "tcp-refuse-closed-port", "segments for no connection, reset")       \
	X(REFUSE_ADMISSION, "tcp-refuse-admission", "SYNs that the user refused")                  \
	X(DROP_HEADER, "tcp-drop-header", "malformed TCP headers")                                 \
	X(DROP_FLAGS, "tcp-drop-flags", "flags that no sane sender sets (SYN with FIN)")           \
	X(DROP_CHECKSUM, "tcp-in-csum-errors", "wrong TCP checksums")                              \
	X(DROP_ADDRESS, "tcp-drop-address", "sources or destinations that TCP cannot have")        \
	X(DROP_ADMISSION, "tcp-drop-admission", "SYNs that the user ignored")                      \
	X(DROP_NO_TIMESTAMP, "tcp-drop-no-timestamp", "segments that lack a negotiated timestamp") \
	X(DROP_PAWS, "tcp-drop-paws", "segments with an old timestamp (RFC 7323 5)")               \
	X(DROP_SEQUENCE, "tcp-drop-sequence", "segments outside of the window")                    \
	X(DROP_ACK, "tcp-drop-ack", "segments that acknowledge what cannot be (RFC 5961 5)")       \
	X(DROP_NO_ACK, "tcp-drop-no-ack", "segments without ACK where one must be")                \
	X(DROP_RESET, "tcp-drop-reset", "resets that hit no expected sequence number")             \
	X(DROP_LIMIT_CONNECTION, "tcp-drop-limit-connection",                                      \
		"segments dropped at a connection's limit of buffers")                             \
	X(DROP_LIMIT_ADDRESS, "tcp-drop-limit-address",                                            \
		"segments or SYNs dropped at a remote address's limit")                            \
	X(DROP_LIMIT_ALL, "tcp-drop-limit-all", "segments or SYNs dropped: no room at all")        \
	X(DROP_NO_BUFFER, "tcp-drop-no-buffer", "packets of our own not sent: no packet buffer")   \
	X(DROP_ICMP, "tcp-drop-icmp", "ICMP errors that fit no segment under way (RFC 5927)")
