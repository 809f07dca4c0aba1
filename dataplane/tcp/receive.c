// SPDX-License-Identifier: BSD-2-Clause
// Data and FINs that arrive (RFC 9293 3.10.7.4, seventh and eighth): what is next is given to the user,
// what is early waits, within limits; and when all of it is acknowledged.

#include "tcp/private.h"

#include <string.h>

// Parts up to this size are copied behind what lies there, if there is room, so that many small
// segments do not hold a whole buffer each.
#define COPY_MOST 256u

// Of the buffers of a connection so many may wait out of order: one part in this. The rest is for what
// comes in order, which alone can bring an end to the waiting.
#define OFO_PART 2u

// One buffer of a packet and the bytes of it that count.
struct part {
	struct rte_mbuf *m;
	uint32_t seq;
	uint16_t offset; // from m->buf_addr
	uint16_t length;
};

static void part_skip(struct part *p, uint32_t n)
{
	p->seq += n;
	p->offset = (uint16_t)(p->offset + n);
	p->length = (uint16_t)(p->length - n);
}

static bool append_copy(struct tcp *t, uint32_t block, const struct part *p)
{
	struct tcp_block *b;

	if (block == TCP_NONE || p->length > COPY_MOST)
		return false;
	b = tcp_block_at(t, block);
	if (block_end(b) != p->seq || tcp_block_room(b) < p->length)
		return false;
	memcpy(tcp_block_bytes(b) + b->length, (const char *)p->m->buf_addr + p->offset, p->length);
	b->length = (uint16_t)(b->length + p->length);
	return true;
}

// tcp_block_may_receive() has said that there is one.
static uint32_t block_of(struct tcp *t, struct tcp_conn *c, const struct part *p)
{
	const uint32_t i = tcp_block_new(t, c, p->m);
	struct tcp_block *b = tcp_block_at(t, i);

	b->seq = p->seq;
	b->offset = p->offset;
	b->length = p->length;
	return i;
}

static void rx_append(struct tcp *t, struct tcp_conn *c, uint32_t i)
{
	struct tcp_block *b = tcp_block_at(t, i);

	b->next = TCP_NONE;
	if (c->rx_tail == TCP_NONE)
		c->rx_head = i;
	else
		tcp_block_at(t, c->rx_tail)->next = i;
	c->rx_tail = i;
	c->rx_bytes += b->length;
	c->rcv_nxt += b->length;
}

static void ofo_free_first(struct tcp *t, struct tcp_conn *c)
{
	const uint32_t i = c->ofo_head;
	struct tcp_block *b = tcp_block_at(t, i);

	c->ofo_head = b->next;
	c->ofo_bytes -= b->length;
	c->ofo_blocks--;
	tcp_block_free(t, c, i);
}

// Gives up what waits (RFC 2018 8): only what comes in order can bring the connection on.
static void ofo_renege(struct tcp *t, struct tcp_conn *c)
{
	TCP_COUNT_N(t, RENEGED, c->ofo_blocks);
	while (c->ofo_head != TCP_NONE)
		ofo_free_first(t, c);
	c->n_sacks = 0;
}

// What has become of a part.
enum fate {
	DROPPED, // for a limit
	KNOWN,   // all of it was there
	TAKEN
};

// True if the buffer was kept.
static bool take_in_order(struct tcp *t, struct tcp_conn *c, const struct part *p, enum fate *fate)
{
	*fate = TAKEN;
	if (append_copy(t, c->rx_tail, p)) {
		c->rx_bytes += p->length;
		c->rcv_nxt += p->length;
		return false;
	}
	if (!tcp_block_may_receive(t, c, false) && c->ofo_head != TCP_NONE)
		ofo_renege(t, c);
	if (!tcp_block_may_receive(t, c, true)) {
		*fate = DROPPED;
		return false;
	}
	rx_append(t, c, block_of(t, c, p));
	return true;
}

// What waited and is next now.
static void take_waiting(struct tcp *t, struct tcp_conn *c)
{
	while (c->ofo_head != TCP_NONE) {
		const uint32_t i = c->ofo_head;
		struct tcp_block *b = tcp_block_at(t, i);

		if (seq_before(c->rcv_nxt, b->seq))
			return;
		if (seq_upto(block_end(b), c->rcv_nxt)) {
			ofo_free_first(t, c);
			continue;
		}
		c->ofo_head = b->next;
		c->ofo_bytes -= b->length;
		c->ofo_blocks--;
		const uint32_t old = c->rcv_nxt - b->seq;

		b->seq += old;
		b->offset = (uint16_t)(b->offset + old);
		b->length = (uint16_t)(b->length - old);
		rx_append(t, c, i);
	}
}

// Inserts behind `prev`, TCP_NONE for the front.
static void ofo_insert(struct tcp *t, struct tcp_conn *c, uint32_t prev, uint32_t i)
{
	struct tcp_block *b = tcp_block_at(t, i);
	uint32_t *link = prev == TCP_NONE ? &c->ofo_head : &tcp_block_at(t, prev)->next;

	b->next = *link;
	*link = i;
	c->ofo_bytes += b->length;
	c->ofo_blocks++;
}

// Takes away those behind `prev` that the part covers whole, and cuts the part where the next begins.
static void ofo_make_room(struct tcp *t, struct tcp_conn *c, uint32_t prev, struct part *p)
{
	for (;;) {
		uint32_t *link = prev == TCP_NONE ? &c->ofo_head : &tcp_block_at(t, prev)->next;
		const uint32_t i = *link;
		struct tcp_block *b;

		if (i == TCP_NONE)
			return;
		b = tcp_block_at(t, i);
		if (!seq_before(b->seq, p->seq + p->length))
			return;
		if (seq_before(p->seq + p->length, block_end(b))) {
			p->length = (uint16_t)(b->seq - p->seq);
			return;
		}
		*link = b->next;
		c->ofo_bytes -= b->length;
		c->ofo_blocks--;
		tcp_block_free(t, c, i);
	}
}

// True if the buffer was kept.
static bool take_early(struct tcp *t, struct tcp_conn *c, struct part *p, enum fate *fate)
{
	uint32_t prev = TCP_NONE;

	*fate = KNOWN;
	for (uint32_t i = c->ofo_head; i != TCP_NONE; i = tcp_block_at(t, i)->next) {
		if (seq_before(p->seq, tcp_block_at(t, i)->seq))
			break;
		prev = i;
	}
	if (prev != TCP_NONE && seq_before(p->seq, block_end(tcp_block_at(t, prev)))) {
		const uint32_t known = block_end(tcp_block_at(t, prev)) - p->seq;

		if (known >= p->length)
			return false;
		part_skip(p, known);
	}
	ofo_make_room(t, c, prev, p);
	if (p->length == 0)
		return false;
	*fate = TAKEN;
	TCP_COUNT(t, OUT_OF_ORDER);
	if (append_copy(t, prev, p)) {
		c->ofo_bytes += p->length;
		return false;
	}
	if (c->ofo_blocks >= t->settings.connection_buffers / OFO_PART) {
		TCP_COUNT(t, DROP_LIMIT_CONNECTION);
		*fate = DROPPED;
		return false;
	}
	if (!tcp_block_may_receive(t, c, true)) {
		*fate = DROPPED;
		return false;
	}
	ofo_insert(t, c, prev, block_of(t, c, p));
	return true;
}

// RFC 2018 4: the block that has grown, by what waits from `seq` on, comes first, then those named before.
static void sacks_note(struct tcp *t, struct tcp_conn *c, uint32_t seq)
{
	struct tcp_range r = {seq, seq};
	struct tcp_range kept[TCP_SACKS];
	unsigned n = 0;
	bool found = false;

	for (uint32_t i = c->ofo_head; i != TCP_NONE; i = tcp_block_at(t, i)->next) {
		const struct tcp_block *b = tcp_block_at(t, i);

		if (found && b->seq != r.end)
			break;
		if (!found && (b->seq != r.end || r.start == r.end))
			r.start = b->seq;
		r.end = block_end(b);
		found |= seq_upto(b->seq, seq) && seq_before(seq, r.end);
	}
	for (unsigned i = 0; i < c->n_sacks && n < TCP_SACKS - 1; i++) {
		const struct tcp_range *old = &c->sacks[i];

		if (seq_before(old->end, r.start) || seq_before(r.end, old->start))
			kept[n++] = *old;
	}
	c->sacks[0] = r;
	memcpy(&c->sacks[1], kept, n * sizeof(kept[0]));
	c->n_sacks = (uint8_t)(n + 1);
}

void tcp_sacks_trim(struct tcp_conn *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->n_sacks; i++)
		if (seq_before(c->rcv_nxt, c->sacks[i].start))
			c->sacks[n++] = c->sacks[i];
	c->n_sacks = (uint8_t)n;
}

// Walks the buffers of a packet and takes from each the bytes of [from, to). All of the packet's buffers
// are kept or freed here.
static void take_packet(
	struct tcp *t, struct tcp_conn *c, struct tcp_segment *s, uint32_t from, uint32_t to)
{
	struct rte_mbuf *m = s->packet->m;
	uint32_t seq = s->seq;     // of the next byte
	uint32_t ahead = s->data;  // header bytes still to be passed
	uint32_t left = s->length; // data bytes still to be seen
	bool known = true;

	while (m != NULL) {
		struct rte_mbuf *next = m->next;
		const uint32_t skip = RTE_MIN(ahead, (uint32_t)m->data_len);
		const uint32_t n = RTE_MIN(left, m->data_len - skip);
		struct part p = {.m = m,
			.seq = seq,
			.offset = (uint16_t)(m->data_off + skip),
			.length = (uint16_t)n};
		enum fate fate = KNOWN;
		bool kept = false;

		ahead -= skip;
		left -= n;
		seq += n;
		m->next = NULL;
		m->nb_segs = 1;
		m->pkt_len = m->data_len;
		if (n > 0 && seq_before(p.seq, from))
			part_skip(&p, RTE_MIN(from - p.seq, n));
		if (p.length > 0 && seq_before(to, p.seq + p.length))
			p.length = (uint16_t)(seq_before(p.seq, to) ? to - p.seq : 0);
		if (p.length > 0) {
			kept = p.seq == c->rcv_nxt ? take_in_order(t, c, &p, &fate)
						   : take_early(t, c, &p, &fate);
			if (fate == TAKEN && seq_before(c->rcv_nxt, p.seq) &&
				(c->options & OPT_SACK))
				sacks_note(t, c, p.seq);
			known &= fate == KNOWN;
		}
		if (!kept)
			rte_pktmbuf_free(m);
		m = next;
	}
	s->packet->m = NULL;
	// RFC 2883 4: all of it came before, and waits.
	if (known && (c->options & OPT_SACK))
		c->dsack = (struct tcp_range){s->seq, s->seq + s->length};
}

// RFC 9293 3.10.7.4, eighth.
static void take_fin(struct tcp *t, struct tcp_conn *c)
{
	c->rcv_nxt++;
	c->flags |= CONN_FIN_RECEIVED | CONN_ACK_NOW;
	tcp_conn_tell(t, c, TCP_EVENT_FIN);
	if (c->state == TCP_ESTABLISHED) {
		c->state = TCP_CLOSE_WAIT;
	} else if (c->state == TCP_FIN_WAIT_1) {
		c->state = TCP_CLOSING;
	} else {
		tcp_send_ack(t, c);
		tcp_wait_begin(t, c);
	}
}

// RFC 9293 3.8.6.3, RFC 5681 4.2: every second full segment at once, what fills a gap or makes one
// at once, the rest a moment later, with data of ours if there are any by then.
static void schedule_ack(struct tcp *t, struct tcp_conn *c, uint32_t bytes, bool at_once)
{
	c->unacked_rcvd += bytes;
	if (at_once || c->unacked_rcvd >= 2u * c->rcv_mss) {
		tcp_send_ack(t, c);
	} else if (c->quick_acks > 0) {
		c->quick_acks--;
		c->flags |= CONN_ACK_NOW;
	} else if (c->ack_at == 0) {
		c->ack_at = t->now_us + t->settings.ack_delay * TCP_MS;
	}
}

static bool may_receive(const struct tcp_conn *c)
{
	return c->state == TCP_ESTABLISHED || c->state == TCP_FIN_WAIT_1 ||
	       c->state == TCP_FIN_WAIT_2;
}

bool tcp_receive(struct tcp *t, struct tcp_conn *c, struct tcp_segment *s)
{
	const uint32_t before = c->rcv_nxt;
	const uint32_t from = seq_max(s->seq, c->rcv_nxt);
	const uint32_t end = s->seq + s->length;
	const uint32_t to = seq_before(c->rcv_edge, end) ? c->rcv_edge : end;
	const bool had_gap = c->ofo_head != TCP_NONE;
	bool kept = false;

	if (s->length == 0 && !(s->flags & TCP_FIN))
		return false;
	if (!may_receive(c)) {
		// A repeated FIN, or data behind one.
		c->flags |= CONN_ACK_NOW;
		return false;
	}
	if ((c->flags & CONN_RELEASED) && seq_before(from, to)) {
		tcp_conn_reset(t, c, TCP_REASON_DATA_LOST);
		return false;
	}
	if ((s->flags & TCP_FIN) && to == end && !(c->flags & CONN_FIN_SEEN)) {
		c->flags |= CONN_FIN_SEEN;
		c->fin_seq = end;
	}
	if (seq_before(s->seq, before) && (c->options & OPT_SACK) && s->length > 0)
		c->dsack = (struct tcp_range){s->seq, seq_before(end, before) ? end : before};
	if (seq_before(from, to)) {
		if (s->length > c->rcv_mss)
			c->rcv_mss = (uint16_t)s->length; // an IP packet holds no more
		take_packet(t, c, s, from, to);
		take_waiting(t, c);
		tcp_sacks_trim(c);
		kept = true;
	}
	const uint32_t bytes = c->rcv_nxt - before;

	if (bytes > 0)
		tcp_conn_tell(t, c, TCP_EVENT_READABLE);
	if ((c->flags & CONN_FIN_SEEN) && c->rcv_nxt == c->fin_seq) {
		take_fin(t, c);
		if (c->state == TCP_CLOSED)
			return kept;
	}
	if (bytes == 0 && c->rcv_nxt != before) {
		c->unacked_rcvd++; // a FIN alone; it waits for the flush
		return kept;
	}
	schedule_ack(t, c, bytes, bytes == 0 || had_gap || s->seq != before || to != end);
	return kept;
}

// The window to be told: as far as there is room, in steps that are worth telling (RFC 9293 MUST-39),
// and never back (SHLD-14). The edge is kept as the peer will understand it.
uint32_t tcp_receive_window(const struct tcp *t, struct tcp_conn *c)
{
	const uint32_t size = t->settings.receive_buffer;
	const uint32_t room = size > c->rx_bytes ? size - c->rx_bytes : 0;
	const uint32_t step = RTE_MIN(size / 2, RTE_MAX((uint32_t)c->rcv_mss, TCP_MSS_V4));
	const uint32_t edge = c->rcv_nxt + room;
	uint32_t window;

	if (seq_before(c->rcv_edge, edge) && edge - c->rcv_edge >= step)
		window = room;
	else
		window = seq_before(c->rcv_nxt, c->rcv_edge) ? c->rcv_edge - c->rcv_nxt : 0;
	window = RTE_MIN(window >> c->rcv_wscale, (uint32_t)UINT16_MAX);
	c->rcv_edge = seq_max(c->rcv_edge, c->rcv_nxt + (window << c->rcv_wscale));
	return window;
}
