// SPDX-License-Identifier: BSD-2-Clause
// The headers and methods that have a number here. All others are kept, in order, by name alone.

#pragma once

#include <stddef.h>
#include <stdint.h>

// How often a header may stand in a message. Once: what routing, admission or a later reader
// decides by, so that nobody can take the first where another takes the last.
#define SIP_MANY 0
#define SIP_ONCE 1

// X(slot, enumerator, name, compact form or 0, how often)
//
// `slot` is the name's place in the perfect hash of header.c. Two headers with one slot do not
// compile, and the table's unit test says which slot a new name needs.
#define SIP_HEADERS(X)                                                                             \
	X(20, VIA, "Via", 'v', SIP_MANY)                                                           \
	X(103, FROM, "From", 'f', SIP_ONCE)                                                        \
	X(79, TO, "To", 't', SIP_ONCE)                                                             \
	X(3, CALL_ID, "Call-ID", 'i', SIP_ONCE)                                                    \
	X(75, CSEQ, "CSeq", 0, SIP_ONCE)                                                           \
	X(88, MAX_FORWARDS, "Max-Forwards", 0, SIP_ONCE)                                           \
	X(9, ROUTE, "Route", 0, SIP_MANY)                                                          \
	X(56, RECORD_ROUTE, "Record-Route", 0, SIP_MANY)                                           \
	X(119, CONTACT, "Contact", 'm', SIP_MANY)                                                  \
	X(92, CONTENT_LENGTH, "Content-Length", 'l', SIP_ONCE)                                     \
	X(102, CONTENT_TYPE, "Content-Type", 'c', SIP_ONCE)                                        \
	X(43, CONTENT_ENCODING, "Content-Encoding", 'e', SIP_MANY)                                 \
	X(4, REQUIRE, "Require", 0, SIP_MANY)                                                      \
	X(91, PROXY_REQUIRE, "Proxy-Require", 0, SIP_MANY)                                         \
	X(68, SUPPORTED, "Supported", 'k', SIP_MANY)                                               \
	X(48, UNSUPPORTED, "Unsupported", 0, SIP_MANY)                                             \
	X(98, P_ASSERTED_IDENTITY, "P-Asserted-Identity", 0, SIP_MANY)                             \
	X(62, P_PREFERRED_IDENTITY, "P-Preferred-Identity", 0, SIP_MANY)                           \
	X(116, PRIVACY, "Privacy", 0, SIP_ONCE)                                                    \
	X(8, PROXY_AUTHORIZATION, "Proxy-Authorization", 0, SIP_MANY)                              \
	X(60, AUTHORIZATION, "Authorization", 0, SIP_MANY)                                         \
	X(71, PROXY_AUTHENTICATE, "Proxy-Authenticate", 0, SIP_MANY)                               \
	X(21, WWW_AUTHENTICATE, "WWW-Authenticate", 0, SIP_MANY)                                   \
	X(15, AUTHENTICATION_INFO, "Authentication-Info", 0, SIP_MANY)                             \
	X(7, IDENTITY, "Identity", 'y', SIP_MANY)                                                  \
	X(124, IDENTITY_INFO, "Identity-Info", 'n', SIP_MANY)                                      \
	X(123, DATE, "Date", 0, SIP_ONCE)                                                          \
	X(26, EVENT, "Event", 'o', SIP_ONCE)                                                       \
	X(126, EXPIRES, "Expires", 0, SIP_ONCE)                                                    \
	X(54, SUBJECT, "Subject", 's', SIP_ONCE)                                                   \
	X(51, REFER_TO, "Refer-To", 'r', SIP_ONCE)                                                 \
	X(125, REFERRED_BY, "Referred-By", 'b', SIP_ONCE)                                          \
	X(81, ALLOW_EVENTS, "Allow-Events", 'u', SIP_MANY)                                         \
	X(16, SESSION_EXPIRES, "Session-Expires", 'x', SIP_ONCE)                                   \
	X(1, ACCEPT_CONTACT, "Accept-Contact", 'a', SIP_MANY)                                      \
	X(77, REJECT_CONTACT, "Reject-Contact", 'j', SIP_MANY)                                     \
	X(84, REQUEST_DISPOSITION, "Request-Disposition", 'd', SIP_MANY)                           \
	X(108, SUBSCRIPTION_STATE, "Subscription-State", 0, SIP_ONCE)                              \
	X(50, PATH, "Path", 0, SIP_MANY)                                                           \
	X(99, SERVICE_ROUTE, "Service-Route", 0, SIP_MANY)                                         \
	X(73, REASON, "Reason", 0, SIP_MANY)                                                       \
	X(66, REPLACES, "Replaces", 0, SIP_ONCE)                                                   \
	X(109, ALLOW, "Allow", 0, SIP_MANY)                                                        \
	X(70, ACCEPT, "Accept", 0, SIP_MANY)                                                       \
	X(86, USER_AGENT, "User-Agent", 0, SIP_MANY)                                               \
	X(10, SERVER, "Server", 0, SIP_MANY)                                                       \
	X(40, TIMESTAMP, "Timestamp", 0, SIP_MANY)                                                 \
	X(107, RETRY_AFTER, "Retry-After", 0, SIP_MANY)                                            \
	X(87, WARNING, "Warning", 0, SIP_MANY)                                                     \
	X(53, MIME_VERSION, "MIME-Version", 0, SIP_MANY)                                           \
	X(12, MIN_SE, "Min-SE", 0, SIP_ONCE)                                                       \
	X(38, IN_REPLY_TO, "In-Reply-To", 0, SIP_MANY)                                             \
	X(72, MS_DIAGNOSTICS, "ms-diagnostics", 0, SIP_MANY)                                       \
	X(94, MS_EDGE_PROXY_MESSAGE_TRUST, "ms-edge-proxy-message-trust", 0, SIP_MANY)             \
	X(37, MS_ASSERTED_VERIFICATION_LEVEL, "ms-asserted-verification-level", 0, SIP_MANY)

enum sip_header {
#define X(slot, enumerator, name, compact, often) SIP_HEADER_##enumerator,
	SIP_HEADERS(X)
#undef X
	SIP_HEADER_OTHER, // a header without a number
	SIP_HEADER_NONE,  // no header: the start line
};

#define SIP_HEADERS_KNOWN SIP_HEADER_OTHER

// Sets of known headers are bits of one word.
_Static_assert(SIP_HEADERS_KNOWN <= 64, "a header is a bit of a 64-bit word");

#define SIP_HEADER_BIT(h) (UINT64_C(1) << (h))

// Methods are case-sensitive (RFC 3261 7.1). The most frequent first.
#define SIP_METHODS(X)                                                                             \
	X(MESSAGE)                                                                                 \
	X(INVITE)                                                                                  \
	X(ACK)                                                                                     \
	X(BYE)                                                                                     \
	X(CANCEL)                                                                                  \
	X(OPTIONS)                                                                                 \
	X(SUBSCRIBE)                                                                               \
	X(NOTIFY)                                                                                  \
	X(BENOTIFY)                                                                                \
	X(SERVICE)                                                                                 \
	X(INFO)                                                                                    \
	X(UPDATE)                                                                                  \
	X(PRACK)                                                                                   \
	X(REFER)                                                                                   \
	X(PUBLISH)                                                                                 \
	X(REGISTER)                                                                                \
	X(NEGOTIATE)

enum sip_method {
#define X(name) SIP_METHOD_##name,
	SIP_METHODS(X)
#undef X
	SIP_METHOD_OTHER, // routed like the others; known by its text alone
};

// The name as this table spells it; "start line" for SIP_HEADER_NONE, "header" for
// SIP_HEADER_OTHER.
const char *sip_header_name(enum sip_header h);
