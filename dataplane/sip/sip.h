// SPDX-License-Identifier: BSD-2-Clause
// SIP messages on a stream: where one ends, what it says, and what goes on in its place. Nothing
// here allocates, copies or writes to what was received; every span points into it and is good
// for as long as those bytes stay where they are.
//
// A connection's bytes go to sip_frame_next(), which hands out one whole, indexed message after
// another. sip_message_check() says whether it may be routed at all; the sip_message_*() below
// find single values when they are asked for and remember them. sip_write() turns a list of edits
// into the bytes to send.

#pragma once

#include "sip/error.h"
#include "sip/header.h"

#include "postern/addr.h"
#include "postern/domain.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

// Some bytes of a message, or of an edit. Absent: at == NULL.
struct sip_span {
	const uint8_t *at;
	uint32_t length;
};

#define SIP_SPAN(literal) ((struct sip_span){(const uint8_t *)(literal), sizeof(literal) - 1})

// Equal bytes; equal but for the case of ASCII letters.
bool sip_span_equal(struct sip_span a, struct sip_span b);
bool sip_span_equal_nocase(struct sip_span a, struct sip_span b);

// ---- Framing

// Offsets of lines are 16 bits wide, and one of them stands behind the last byte.
#define SIP_HEADERS_BYTES_MAX 65000u
#define SIP_LINES_MAX         128u

// Bytes of one message, and its times. start_line and header: one line with its folds, without CRLF.
struct sip_limits {
	uint32_t start_line; // at most SIP_HEADERS_BYTES_MAX, like the next two
	uint32_t header;
	uint32_t headers_bytes; // start line to empty line
	uint32_t headers;       // how many; at most SIP_LINES_MAX
	uint32_t body;
	uint32_t headers_ms; // from a message's first byte to its empty line
	uint32_t message_ms; // from a message's first byte to its last
};

extern const struct sip_limits sip_default_limits;

// Of headers that are not whole: where the first line begins that is not, and how many headers stand
// before it.
struct sip_resume {
	uint32_t line;
	uint32_t lines;
};

// What a connection remembers between two reads. All zero: a new connection.
struct sip_frame {
	uint64_t began_us;    // when the unfinished message's first byte was seen
	uint64_t deadline_us; // 0: no message is unfinished
	struct sip_resume resume;
	uint32_t whole; // its length, once its headers have been read; else 0
	bool half_ping; // the last thing seen was one CRLF
};

enum sip_frame_event {
	// Nothing more to take from these bytes. Call again when there are more, with all that is
	// not consumed, or at the deadline.
	SIP_FRAME_MORE,
	// One CRLF between messages (RFC 5626 3.5.1): the answer to a ping of ours, or half a ping.
	SIP_FRAME_CRLF,
	// The second CRLF in a row: a ping, to be answered with one CRLF.
	SIP_FRAME_PING,
	SIP_FRAME_MESSAGE,
	// m->fault says what is wrong. Answer, if the message could be read far enough for one, and
	// close: where the next message begins is not known.
	SIP_FRAME_FAULT,
};

struct sip_framed {
	size_t consumed;      // bytes that are done with once the event has been dealt with
	size_t need;          // MORE: there is no point in calling again with fewer bytes
	uint64_t deadline_us; // MORE: when to call again with what there is; 0: no hurry
};

struct sip_message;

// Takes the next event from `bytes`, what has been received on a connection and not been consumed.
// A message is found only when it lies there whole; MESSAGE sets *m up to be read, and *m is
// otherwise undefined but for its fault. How the bytes were cut into reads makes no difference.
enum sip_frame_event sip_frame_next(struct sip_frame *f, const struct sip_limits *limits,
	const uint8_t *bytes, size_t length, uint64_t now_us, struct sip_message *m,
	struct sip_framed *out);

// ---- Values

enum sip_scheme {
	SIP_SCHEME_SIP,
	SIP_SCHEME_SIPS,
	SIP_SCHEME_TEL,
	SIP_SCHEME_OTHER, // an absolute URI; only its scheme is read
};

// A name or an address. A name's characters are checked; its labels when it is asked for as one.
struct sip_host {
	struct sip_span text; // without brackets
	bool v6;              // stood in brackets
};

// RFC 3261 19.1. Spans are as they stand, escapes included.
struct sip_uri {
	struct sip_span text; // all of it
	uint8_t scheme;       // enum sip_scheme
	uint16_t port;        // 0: none given
	struct sip_span user; // tel: the number
	struct sip_span password;
	struct sip_host host;
	struct sip_span parameters; // without the first ';'
	struct sip_span headers;    // without the '?'
};

// name-addr or addr-spec with its header parameters (RFC 3261 20.10).
struct sip_address {
	struct sip_span text;    // all of it
	struct sip_span display; // a quoted one without its quotation marks, escapes included
	struct sip_uri uri;
	struct sip_span parameters; // from the first ';' on
	struct sip_span tag;
};

// RFC 3261 20.42
struct sip_via {
	struct sip_span text; // all of it
	struct sip_span transport;
	struct sip_host host;
	uint16_t port; // 0: none given
	bool rport;    // asked for (RFC 3581), or filled in
	struct sip_span branch;
	struct sip_span received;
	struct sip_span parameters; // from the first ';' on
};

struct sip_cseq {
	uint32_t number;
	uint8_t method; // enum sip_method
	struct sip_span method_name;
};

// One header, folds included. Offsets from the message's first byte.
struct sip_line {
	uint16_t name;
	uint16_t end; // of the line, its CRLF not included
	uint16_t value;
	uint16_t value_length; // white space around it taken off
	uint8_t header;        // enum sip_header
	uint8_t next;          // the next line of the same header; SIP_LINE_NONE: none
	bool odd;              // folded, or white space before the colon: rewritten when sent on
	uint8_t spare;
};

_Static_assert(sizeof(struct sip_line) == 12, "five lines a cache line");

#define SIP_LINE_NONE UINT8_MAX

struct sip_message {
	const uint8_t *bytes;
	uint32_t length;         // headers and body
	uint32_t headers_length; // start line to empty line
	uint32_t readable;       // bytes that may be read, at least `length`
	uint32_t n_lines;
	uint64_t seen;     // headers that occur, SIP_HEADER_BIT()
	uint64_t repeated; // those with several lines
	struct sip_fault fault;
	bool request;
	uint8_t method; // enum sip_method, of a request
	uint16_t status;
	uint32_t found;               // which of the values below are known
	struct sip_span method_name;  // of a request
	struct sip_span request_text; // the Request-URI; of a response the reason phrase
	struct sip_uri request_uri;
	struct sip_address from, to, route;
	struct sip_via via;
	struct sip_cseq cseq;
	struct sip_span call_id;
	uint8_t max_forwards;
	uint8_t first[SIP_HEADERS_KNOWN]; // first line of each header in `seen`
	uint8_t last[SIP_HEADERS_KNOWN];
	struct sip_line lines[SIP_LINES_MAX];
};

static inline struct sip_span sip_message_body(const struct sip_message *m)
{
	return (struct sip_span){m->bytes + m->headers_length, m->length - m->headers_length};
}

// Whether the message is sound enough to be routed: RFC 3261 16.3, 1 (reasonable syntax of all
// that is read here), 2 (scheme of the Request-URI) and 5 (Proxy-Require). Max-Forwards, step 3,
// is the router's. What is SIP_ONCE stands once, the required ones stand (Max-Forwards may be
// missing: it is added). False: m->fault.
bool sip_message_check(struct sip_message *m);

// These return NULL when the value is missing (SIP_ERROR_MISSING) or malformed, and m->fault says
// so; the first fault stays. They may be called in any order, before and without the check. There
// may be no Route: then NULL is no fault.
const struct sip_uri *sip_message_request_uri(struct sip_message *m);
const struct sip_address *sip_message_from(struct sip_message *m);
const struct sip_address *sip_message_to(struct sip_message *m);
const struct sip_span *sip_message_call_id(struct sip_message *m);
const struct sip_cseq *sip_message_cseq(struct sip_message *m);
const struct sip_via *sip_message_via(struct sip_message *m);       // the topmost
const struct sip_address *sip_message_route(struct sip_message *m); // the topmost; all are read

// 0 to 255, or -ENOENT when there is none, or -EBADMSG and m->fault.
int sip_message_max_forwards(struct sip_message *m);

// The values of a header that may stand on several lines and hold several values each, in order.
struct sip_list {
	struct sip_message *m;
	const uint8_t *at; // where the next value is looked for; NULL: at the next line's begin
	uint8_t line;
	uint8_t header;
};

// The functions that take the next value return 1, or 0 at the end, or -EBADMSG and m->fault.
void sip_list_begin(struct sip_list *l, struct sip_message *m, enum sip_header h);
int sip_list_next_via(struct sip_list *l, struct sip_via *out);
int sip_list_next_route(struct sip_list *l, struct sip_address *out);   // name-addr alone
int sip_list_next_address(struct sip_list *l, struct sip_address *out); // or addr-spec
int sip_list_next_option(struct sip_list *l, struct sip_span *out);

// The lines of a header without a number, by name: the first at or after `from`, or SIP_LINE_NONE.
unsigned sip_message_find(const struct sip_message *m, struct sip_span name, unsigned from);
struct sip_span sip_line_value(const struct sip_message *m, unsigned line);

// ---- URIs

// The host as a normalised domain name. 0; -EAFNOSUPPORT: it is an IP address, which is never a
// domain; -ENOENT: URIs of this scheme have no host; -EINVAL: it is malformed.
int sip_uri_domain(const struct sip_uri *uri, struct postern_domain *out);

// A host that is an IP address. 0, or -EAFNOSUPPORT when it is a name, or -EINVAL.
int sip_host_address(const struct sip_host *host, struct postern_addr *out);

// The value of a URI parameter, whose name is given in lower case. 1 and *value (empty without
// '='), 0 when there is none, -EBADMSG when it stands twice or when the name of any parameter is
// percent-encoded: one reader would find it and another would not.
int sip_uri_parameter(const struct sip_uri *uri, struct sip_span name, struct sip_span *value);

// Reads a URI that stands alone. SIP_OK or what is wrong.
enum sip_error sip_uri_parse(struct sip_span text, struct sip_uri *out);

// ---- Writing

enum sip_edit_kind {
	SIP_EDIT_REQUEST_URI, // `text` takes the place of the Request-URI
	SIP_EDIT_PUSH,        // a line "header: text" stands before all others
	SIP_EDIT_POP,         // the first `count` values of a list are taken away
	SIP_EDIT_SET,   // the one line of a header says `text`; added at the end if there is none
	SIP_EDIT_STRIP, // all lines of a header are taken away
	SIP_EDIT_STRIP_NAME, // all lines of the header called `name`
	SIP_EDIT_ADD,        // a line "header: text" stands behind all others
	SIP_EDIT_ADD_NAME,   // a line "name: text" likewise
	SIP_EDIT_EXTEND, // `text` is written behind the first value of a header: ";received=..."
};

struct sip_edit {
	uint8_t kind;   // enum sip_edit_kind
	uint8_t header; // enum sip_header
	uint8_t count;
	struct sip_span name;
	struct sip_span text; // outlives the writing
};

// The edit that writes this Max-Forwards; `text` holds its digits.
struct sip_edit sip_edit_max_forwards(uint8_t value, char text[static 4]);

// Lays the edited message out in at most `max` pieces, which point into the message, the edits and
// constants. The message has passed sip_message_check(). What comes out has no folds, no white
// space before a colon, and every line that was not edited as it was, in order. Returns how many
// pieces, or -ENOSPC; -EINVAL when a text holds a control byte, when a count is more than there
// is, or when two edits want the same line.
int sip_write(struct sip_message *m, const struct sip_edit *edits, unsigned n, struct iovec *out,
	unsigned max);

// All bytes of some pieces; gathered into `to`, which has room for them.
size_t sip_pieces_length(const struct iovec *pieces, unsigned n);
void sip_pieces_gather(const struct iovec *pieces, unsigned n, uint8_t *to);
