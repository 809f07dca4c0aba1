// SPDX-License-Identifier: BSD-2-Clause
// Everything that can be wrong with what a peer sends as SIP, declared once: the status that a
// proxy owes a request (a response that is wrong is dropped), whether the connection can go on,
// and what is wrong in words. Status 0: nobody can be answered.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Whether it is still known where the next message begins.
#define SIP_STAY  0
#define SIP_CLOSE 1

// X(enumerator, status, connection, text)
#define SIP_ERRORS(X)                                                                              \
	/* the stream: after these nobody knows where the next message begins */                   \
	X(START_LINE, 400, SIP_CLOSE, "malformed start line")                                      \
	X(START_LINE_LONG, 414, SIP_CLOSE, "start line longer than allowed")                       \
	X(VERSION, 505, SIP_CLOSE, "SIP version other than 2.0")                                   \
	X(STATUS_CODE, 0, SIP_CLOSE, "status code is not 100 to 699")                              \
	X(BARE_CR, 400, SIP_CLOSE, "CR without LF")                                                \
	X(BARE_LF, 400, SIP_CLOSE, "LF without CR")                                                \
	X(CONTROL_BYTE, 400, SIP_CLOSE, "control byte")                                            \
	X(HEADER_NAME, 400, SIP_CLOSE, "malformed header name, or no colon behind it")             \
	X(HEADER_LONG, 513, SIP_CLOSE, "header longer than allowed")                               \
	X(HEADERS_LONG, 513, SIP_CLOSE, "headers longer together than allowed")                    \
	X(HEADERS_MANY, 513, SIP_CLOSE, "more headers or lines than allowed")                      \
	X(LENGTH_MISSING, 400, SIP_CLOSE, "missing on a stream")                                   \
	X(LENGTH_MALFORMED, 400, SIP_CLOSE, "not a number of bytes")                               \
	X(LENGTH_REPEATED, 400, SIP_CLOSE, "occurs more than once")                                \
	X(BODY_LONG, 413, SIP_CLOSE, "body longer than allowed")                                   \
	X(HEADERS_LATE, 408, SIP_CLOSE, "headers not complete in time")                            \
	X(MESSAGE_LATE, 408, SIP_CLOSE, "message not complete in time")                            \
	/* the message: the next one can be read */                                                \
	X(REPEATED, 400, SIP_STAY, "occurs more than once")                                        \
	X(MISSING, 400, SIP_STAY, "missing")                                                       \
	X(URI, 400, SIP_STAY, "malformed URI")                                                     \
	X(URI_SCHEME, 416, SIP_STAY, "URI scheme that is not routed here")                         \
	X(URI_AT, 400, SIP_STAY, "second at-sign in a URI")                                        \
	X(URI_SPACE, 400, SIP_STAY, "white space in a URI")                                        \
	X(URI_ESCAPE, 400, SIP_STAY, "percent sign without two hexadecimal digits")                \
	X(URI_PARAMETER, 400, SIP_STAY, "malformed URI parameter")                                 \
	X(URI_PARAMETER_ESCAPED, 400, SIP_STAY, "name of a URI parameter is percent-encoded")      \
	X(URI_PARAMETER_REPEATED, 400, SIP_STAY, "URI parameter occurs more than once")            \
	X(URI_HEADERS, 400, SIP_STAY, "URI with headers where it may have none")                   \
	X(HOST, 400, SIP_STAY, "malformed host")                                                   \
	X(HOST_ESCAPED, 400, SIP_STAY, "percent-encoded host")                                     \
	X(HOST_ADDRESS, 400, SIP_STAY, "malformed IP address")                                     \
	X(PORT, 400, SIP_STAY, "port is not 1 to 65535")                                           \
	X(QUOTE, 400, SIP_STAY, "quotation mark without its pair")                                 \
	X(COMMENT, 400, SIP_STAY, "comment where none may stand")                                  \
	X(DISPLAY_NAME, 400, SIP_STAY, "malformed display name")                                   \
	X(ANGLE, 400, SIP_STAY, "angle bracket missing, or one too many")                          \
	X(PARAMETER, 400, SIP_STAY, "malformed parameter")                                         \
	X(PARAMETER_REPEATED, 400, SIP_STAY, "parameter occurs more than once")                    \
	X(LIST, 400, SIP_STAY, "empty value in a list")                                            \
	X(TRAILING, 400, SIP_STAY, "something stands behind the value")                            \
	X(VIA, 400, SIP_STAY, "malformed protocol or transport")                                   \
	X(CSEQ, 400, SIP_STAY, "not a number below 2^31 and a method")                             \
	X(CSEQ_METHOD, 400, SIP_STAY, "method differs from the request's")                         \
	X(CALL_ID, 400, SIP_STAY, "malformed")                                                     \
	X(MAX_FORWARDS, 400, SIP_STAY, "not a number from 0 to 255")                               \
	X(OPTION, 400, SIP_STAY, "malformed option tag")                                           \
	X(OPTION_UNSUPPORTED, 420, SIP_STAY, "option that is not supported here")

enum sip_error {
	SIP_OK,
#define X(enumerator, status, connection, text) SIP_ERROR_##enumerator,
	SIP_ERRORS(X)
#undef X
	SIP_ERROR_COUNT
};

// What is wrong and where.
struct sip_fault {
	uint8_t error;   // enum sip_error; SIP_OK: nothing
	uint8_t header;  // enum sip_header; SIP_HEADER_NONE: the start line, or a malformed header
	uint32_t offset; // of the byte where reading stopped, from the message's first
};

// The status that a request with this error is answered with; 0: no answer.
unsigned sip_error_status(enum sip_error e);

// True if the connection is to be closed after the answer.
bool sip_error_closes(enum sip_error e);

// The enumerator, as records show it.
const char *sip_error_name(enum sip_error e);

// Room for the longest reason phrase: header name, text, "byte 4294967295".
#define SIP_REASON_SIZE 128

// The reason phrase: "From: second at-sign in a URI, byte 213".
const char *sip_fault_reason(const struct sip_fault *f, char buf[static SIP_REASON_SIZE]);
