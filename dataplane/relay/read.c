// SPDX-License-Identifier: BSD-2-Clause
// From what a client says first to the pool it goes to. The bytes stay where they are: the member gets
// them as they came.

#include "relay/private.h"

#include <rte_common.h>

// Pieces of received bytes that are looked at together: as many buffers as a connection may have.
#define PIECES 256u

// RFC 8446 6: alerts that say why.
#define ALERT_PROTOCOL_VERSION  70u
#define ALERT_DECODE_ERROR      50u
#define ALERT_ILLEGAL_PARAMETER 47u
#define ALERT_UNRECOGNIZED_NAME 112u
#define ALERT_ACCESS_DENIED     49u

static void count_kind(struct relay *r, const struct relay_hello *h)
{
	if (h->kind != POSTERN_HELLO_TLS && h->kind != POSTERN_HELLO_SSLV2) {
		COUNT(r->counters, HELLO_OTHER);
		return;
	}
	switch (h->version) {
	case POSTERN_TLS13:
		COUNT(r->counters, HELLO_TLS13);
		break;
	case POSTERN_TLS12:
		COUNT(r->counters, HELLO_TLS12);
		break;
	case POSTERN_TLS11:
		COUNT(r->counters, HELLO_TLS11);
		break;
	case POSTERN_TLS10:
		COUNT(r->counters, HELLO_TLS10);
		break;
	default:
		COUNT(r->counters, HELLO_SSL);
	}
	if (h->name_length == 0)
		COUNT(r->counters, HELLO_NO_NAME);
}

static void refuse_fault(struct relay *r, struct relay_session *s, bool last)
{
	if (last) {
		relay_refuse(r, s, POSTERN_COUNTER_REFUSE_HELLO_TIMEOUT, 0);
		return;
	}
	switch (r->hello.fault) {
	case RELAY_HELLO_TOO_LONG:
		relay_refuse(r, s, POSTERN_COUNTER_REFUSE_HELLO_TOO_LONG, ALERT_DECODE_ERROR);
		break;
	case RELAY_HELLO_NAME:
		relay_refuse(r, s, POSTERN_COUNTER_REFUSE_HELLO_NAME, ALERT_ILLEGAL_PARAMETER);
		break;
	default:
		relay_refuse(r, s, POSTERN_COUNTER_REFUSE_HELLO_MALFORMED, ALERT_DECODE_ERROR);
	}
}

// What tells a client best why a rule refuses it.
static uint8_t alert_for(const struct relay_hello *h)
{
	if (h->kind != POSTERN_HELLO_TLS)
		return 0;
	if (h->version < POSTERN_TLS12)
		return ALERT_PROTOCOL_VERSION;
	return h->name_length > 0 ? ALERT_UNRECOGNIZED_NAME : ALERT_ACCESS_DENIED;
}

void relay_read(struct relay *r, struct relay_session *s, bool last)
{
	struct tcp_conn *conn = s->side[RELAY_CLIENT].conn;
	const struct postern_service *service = relay_service(r, &r->listens[s->listen]);
	struct iovec iov[PIECES];

	if (!last && tcp_readable(conn) < s->need)
		return;
	const unsigned n = tcp_peek(r->tcp, conn, iov, RTE_DIM(iov));
	const enum relay_hello_state state = relay_hello_read(iov, n, last, &r->hello);

	if (state == RELAY_HELLO_MORE) {
		s->need = r->hello.need;
		return;
	}
	if (state == RELAY_HELLO_BAD) {
		s->kind = POSTERN_HELLO_TLS;
		refuse_fault(r, s, last);
		return;
	}
	s->kind = (uint8_t)r->hello.kind;
	if (r->hello.kind != POSTERN_HELLO_SILENT) {
		count_kind(r, &r->hello);
		relay_see(r, s);
	}
	// Its service may be gone since it connected; then the sweep ends it.
	if (service == NULL) {
		relay_kill(r, s, POSTERN_COUNTER_CLOSE_SERVICE_GONE, POSTERN_SIDE_CLIENT);
		return;
	}
	const struct relay_choice choice = relay_choose(service, &r->hello);

	if (choice.pool == POSTERN_ID_NONE) {
		relay_refuse(r, s, choice.reason, alert_for(&r->hello));
		return;
	}
	s->pool = choice.pool;
	s->header_wanted = service->proxy_protocol;
	relay_leave_hello(r, s);
	relay_open(r, s);
}
