// SPDX-License-Identifier: BSD-2-Clause
// The head of a message is collected whole, because a header may go on in the next line (RFC 3261
// section 7.3.1); but its bytes and its first line are judged as they come, so that what is not SIP
// is known at once and not only when time is up.

#include "control/pool/sip_answer.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char not_sip[] = "answer is not SIP";

void sip_answer_begin(struct sip_answer *a, const char *call_id, uint32_t cseq)
{
	a->call_id = call_id;
	a->cseq = cseq;
	a->state = SIP_ANSWER_MORE;
	a->status = 0;
	a->text[0] = '\0';
	a->server[0] = '\0';
	a->diagnostics[0] = '\0';
	a->total = 0;
	a->body = 0;
	a->line = 0;
	a->length = 0;
	a->response = false;
}

__attribute__((format(printf, 2, 3))) static void wrong(
	struct sip_answer *a, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(a->text, sizeof(a->text), format, args);
	va_end(args);
	a->state = SIP_ANSWER_WRONG;
}

// RFC 3261 section 25.1: token.
static size_t token_length(const char *text, size_t length)
{
	size_t n = 0;
	while (n < length && text[n] > ' ' && text[n] < 0x7f &&
		(isalnum((unsigned char)text[n]) || strchr("-.!%*_+`'~", text[n])))
		n++;
	return n;
}

// A stranger's text for logs and terminals; it may be empty.
static void keep(char *to, size_t size, const char *text, size_t length)
{
	size_t n = length < size ? length : size - 1;
	while (n > 0 && text[n - 1] == ' ')
		n--;
	for (size_t i = 0; i < n; i++)
		to[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	to[n] = '\0';
}

// "503 Service Unavailable"
static void keep_status(struct sip_answer *a, const char *status, size_t length)
{
	keep(a->text, sizeof(a->text), status, length);
	a->status = (unsigned)(status[0] - '0') * 100 + (unsigned)(status[1] - '0') * 10 +
		    (unsigned)(status[2] - '0');
}

// Status-Line = SIP-Version SP 3DIGIT SP Reason-Phrase; the version in any case (7.1).
static bool read_status_line(struct sip_answer *a, const char *line, size_t length)
{
	if (length < 12 || strncasecmp(line, "SIP/2.0 ", 8) != 0)
		return false;
	const char *status = line + 8;
	if (status[0] < '1' || status[0] > '6' || !isdigit((unsigned char)status[1]) ||
		!isdigit((unsigned char)status[2]) || status[3] != ' ')
		return false;
	keep_status(a, status, length - 8);
	return true;
}

// Method SP Request-URI SP SIP-Version. Servers of the Lync family may ask on a connection that
// they did not open; what they ask is read past, since we are leaving anyway.
static bool is_request_line(const char *line, size_t length)
{
	static const char version[] = " SIP/2.0";
	size_t method = token_length(line, length), end = sizeof(version) - 1;
	if (method == 0 || length < method + 2 + end || line[method] != ' ' ||
		strncasecmp(line + length - end, version, end) != 0)
		return false;
	return memchr(line + method + 1, ' ', length - end - method - 1) == NULL;
}

struct header {
	const char *name, *value;
	size_t name_length, length;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Takes one header from the front, continued lines included. Every line ends with CRLF.
static bool next_header(const char **at, const char *end, struct header *h)
{
	const char *line = *at, *stop = line;
	do {
		stop = memchr(stop, '\n', (size_t)(end - stop));
		stop++;
	} while (stop < end && (*stop == ' ' || *stop == '\t'));
	*at = stop;
	h->name = line;
	h->name_length = token_length(line, (size_t)(stop - line));
	const char *colon = line + h->name_length;
	while (*colon == ' ' || *colon == '\t')
		colon++;
	if (h->name_length == 0 || *colon != ':')
		return false;
	h->value = colon + 1;
	while (h->value < stop && is_space(*h->value))
		h->value++;
	while (stop > h->value && is_space(stop[-1]))
		stop--;
	h->length = (size_t)(stop - h->value);
	return true;
}

static bool is_named(const struct header *h, const char *name, const char *compact)
{
	return (h->name_length == strlen(name) &&
		       strncasecmp(h->name, name, h->name_length) == 0) ||
	       (h->name_length == 1 && strncasecmp(h->name, compact, 1) == 0);
}

// Decimal digits in front of a value; returns how many, 0 if it is none or too large.
static size_t read_number(const struct header *h, uint64_t *out)
{
	size_t n = 0;
	*out = 0;
	for (; n < h->length && isdigit((unsigned char)h->value[n]); n++) {
		*out = *out * 10 + (uint64_t)(h->value[n] - '0');
		if (*out > UINT32_MAX)
			return 0;
	}
	return n;
}

static bool is_our_cseq(const struct sip_answer *a, const struct header *h)
{
	uint64_t number;
	size_t n = read_number(h, &number), digits = n;
	while (n < h->length && is_space(h->value[n]))
		n++;
	return digits > 0 && n > digits && number == a->cseq && h->length - n == 7 &&
	       memcmp(h->value + n, "OPTIONS", 7) == 0;
}

struct seen {
	unsigned call_id, cseq, length;
};

static bool is_called(const struct header *h, const char *name)
{
	return h->name_length == strlen(name) && strncasecmp(h->name, name, h->name_length) == 0;
}

// What tells people more. [MS-OCER] 2.2: a server toward partners writes ms-diagnostics-public.
static void read_words(struct sip_answer *a, const struct header *h)
{
	if (is_called(h, "Server") && a->server[0] == '\0')
		keep(a->server, sizeof(a->server), h->value, h->length);
	else if (is_called(h, "ms-diagnostics") || is_called(h, "ms-diagnostics-public") ||
		 (is_called(h, "Warning") && a->diagnostics[0] == '\0'))
		keep(a->diagnostics, sizeof(a->diagnostics), h->value, h->length);
}

static void read_header(struct sip_answer *a, const struct header *h, struct seen *seen)
{
	if (is_named(h, "Content-Length", "l")) {
		uint64_t length;
		if (read_number(h, &length) != h->length || h->length == 0)
			wrong(a, "answer has a Content-Length that is no number");
		else if (length > SIP_ANSWER_BODY)
			wrong(a, "answer has a body of more than %u KB", SIP_ANSWER_BODY / 1024);
		else
			a->body = (size_t)length;
		seen->length++;
	} else if (a->response && is_named(h, "Call-ID", "i")) {
		if (h->length != strlen(a->call_id) || memcmp(h->value, a->call_id, h->length) != 0)
			wrong(a, "answer is to another request (Call-ID)");
		seen->call_id++;
	} else if (a->response && h->name_length == 4 && strncasecmp(h->name, "CSeq", 4) == 0) {
		if (!is_our_cseq(a, h))
			wrong(a, "answer is to another request (CSeq)");
		seen->cseq++;
	} else if (a->response) {
		read_words(a, h);
	}
}

static void check_once(struct sip_answer *a, const char *name, unsigned times)
{
	if (a->state != SIP_ANSWER_WRONG && times != 1)
		wrong(a, "answer has %s %s", times == 0 ? "no" : "more than one", name);
}

// A head is complete. On a stream Content-Length is what ends a message (RFC 3261 section 18.3).
static void read_head(struct sip_answer *a)
{
	struct seen seen = {0};
	struct header h;
	if (a->response)
		a->server[0] = a->diagnostics[0] = '\0';
	const char *at = (const char *)memchr(a->head, '\n', a->length) + 1;
	const char *end = a->head + a->length - 2;
	while (at < end && a->state != SIP_ANSWER_WRONG) {
		if (next_header(&at, end, &h))
			read_header(a, &h, &seen);
		else
			wrong(a, "answer has a header that is none");
	}
	check_once(a, "Content-Length", seen.length);
	if (a->response) {
		check_once(a, "Call-ID", seen.call_id);
		check_once(a, "CSeq", seen.cseq);
	}
	a->length = 0;
	a->line = 0;
}

// A line is complete, with its CRLF.
static void end_line(struct sip_answer *a)
{
	size_t length = a->length - a->line - 2;
	if (a->line == 0) {
		a->response = read_status_line(a, a->head, length);
		if (!a->response && !is_request_line(a->head, length))
			wrong(a, not_sip);
	} else if (length == 0) {
		read_head(a);
		return;
	}
	a->line = a->length;
}

static void take_byte(struct sip_answer *a, char c)
{
	bool after_cr = a->length > a->line && a->head[a->length - 1] == '\r';
	if (a->length == 0 && (c == '\r' || c == '\n'))
		return; // before a start line: a keep-alive (7.5)
	if ((c == '\n') != after_cr || (iscntrl((unsigned char)c) && !strchr("\r\n\t", c)) ||
		c == '\0') {
		wrong(a, not_sip);
	} else if (a->length == sizeof(a->head)) {
		wrong(a, "answer has a head of more than %u KB", SIP_ANSWER_HEAD / 1024);
	} else {
		a->head[a->length++] = c;
		if (c == '\n')
			end_line(a);
	}
}

static bool is_final(const struct sip_answer *a)
{
	return a->state == SIP_ANSWER_MORE && a->response && a->status >= 200 && a->length == 0 &&
	       a->body == 0;
}

enum sip_answer_state sip_answer_take(struct sip_answer *a, const char *data, size_t n)
{
	while (n > 0 && a->state == SIP_ANSWER_MORE) {
		size_t taken = 1;
		if (a->body > 0) {
			taken = a->body < n ? a->body : n;
			a->body -= taken;
		} else {
			take_byte(a, *data);
		}
		data += taken;
		n -= taken;
		a->total += taken;
		if (a->total > SIP_ANSWER_TOTAL)
			wrong(a, "no final answer in %u KB", SIP_ANSWER_TOTAL / 1024);
		else if (is_final(a))
			a->state = SIP_ANSWER_FINAL;
	}
	return a->state;
}

void sip_answer_lacks(const struct sip_answer *a, char *buf, size_t size)
{
	if (a->length > 0 || a->body > 0)
		snprintf(buf, size, "half an answer");
	else if (a->status != 0)
		snprintf(buf, size, "only %s", a->text);
	else
		snprintf(buf, size, "no answer");
}
