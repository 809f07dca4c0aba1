// SPDX-License-Identifier: BSD-2-Clause
// One connection of the load generator: what it sends, and what it makes of what comes.

#include "bench/load/load.h"
#include "bench/load/pattern.h"

#include <string.h>

static uint32_t index_of(const struct client *c)
{
	return (uint32_t)(c - load.clients);
}

static uint32_t stream_of(const struct client *c)
{
	return load.endless ? 0 : index_of(c);
}

static struct client *client_of(struct stack_end *e)
{
	return (struct client *)(void *)e;
}

// The end has gone; a place of those that come and go is free again.
static void is_free(struct client *c)
{
	if (c->state == CLIENT_CONNECTING)
		load.connecting--;
	c->state = CLIENT_FREE;
	if (index_of(c) >= load.open && load.job == JOB_CONNECTIONS)
		load.places[load.n_places++] = index_of(c);
}

bool client_connect(struct client *c)
{
	memset(c, 0, sizeof(*c));
	const int rc = stack_connect(&c->end, load.next_client++, load.port);

	if (rc < 0) {
		load.failed++;
		load.why = strerror(-rc);
		return false;
	}
	c->state = CLIENT_CONNECTING;
	load.connecting++;
	return true;
}

void client_drop(struct client *c)
{
	if (c->state != CLIENT_FREE)
		stack_abort(&c->end);
	is_free(c);
}

// What stands at a place of the stream; *n is cut to what lies there together.
static const char *bytes_at(const struct client *c, uint32_t place, uint32_t *n)
{
	const bool first = place < load.hello_size;
	const uint32_t most = first ? load.hello_size - place : PATTERN_RUN;

	if (*n > most)
		*n = most;
	return first ? load.hello + place : pattern_at(stream_of(c), place);
}

static void write_out(struct client *c)
{
	while (c->unsent > 0) {
		uint32_t n = c->unsent;
		const char *bytes = bytes_at(c, c->sent, &n);
		const uint32_t done = (uint32_t)stack_write(&c->end, bytes, n);

		c->sent += done;
		c->unsent -= done;
		if (done < n)
			return;
	}
}

void client_ask(struct client *c, unsigned n, uint64_t due_ns)
{
	for (unsigned i = 0; i < n; i++)
		c->began[(c->first + c->out++) % DEPTH_MAX] = due_ns;
	if (c->out == n)
		c->left = load.size;
	load.asked += n;
	c->unsent += n * load.size;
	if (!c->end.stuck)
		write_out(c);
}

void client_fill(struct client *c)
{
	const uint32_t under_way = c->sent - c->seen + c->unsent;

	// In steps that are worth a call.
	if (load.endless || load.ending || c->end.stuck || under_way > load.ahead - load.ahead / 8)
		return;
	c->unsent += load.ahead - under_way;
	write_out(c);
}

void user_connected(struct stack_end *e)
{
	struct client *c = client_of(e);

	load.connecting--;
	c->state = CLIENT_OPEN;
	if (load.job == JOB_CONNECTIONS && index_of(c) >= load.open) {
		c->out = 1;
		c->left = c->unsent = load.hello_size + load.size;
		write_out(c);
	} else if (load.hello_size > 0) {
		c->unsent = load.hello_size;
		write_out(c);
	}
}

void user_room(struct stack_end *e)
{
	struct client *c = client_of(e);

	if (c->unsent > 0)
		write_out(c);
	if (load.job == JOB_BULK)
		client_fill(c);
}

static void compare(struct client *c, const char *bytes, size_t n)
{
	while (n > 0) {
		uint32_t part = n < PATTERN_RUN ? (uint32_t)n : PATTERN_RUN;
		const char *wanted = bytes_at(c, c->seen, &part);

		if (memcmp(bytes, wanted, part) != 0)
			load.wrong++;
		c->seen += part;
		bytes += part;
		n -= part;
	}
}

// Takes an answer's bytes away. How many answers are whole with them.
static unsigned answers(struct client *c, size_t n, uint64_t now_ns)
{
	unsigned whole = 0;

	while (n > 0 && c->out > 0) {
		const uint32_t part = n < c->left ? (uint32_t)n : c->left;

		c->left -= part;
		n -= part;
		if (c->left > 0)
			break;
		histogram_add(&load.delay, (uint32_t)((now_ns - c->began[c->first]) / 100));
		c->first = (uint16_t)((c->first + 1) % DEPTH_MAX);
		c->out--;
		c->left = load.size;
		whole++;
	}
	// More than was asked for.
	load.wrong += n > 0;
	load.done += whole;
	load.all_done += whole;
	return whole;
}

void user_data(struct stack_end *e, const char *bytes, size_t n)
{
	struct client *c = client_of(e);

	compare(c, bytes, n);
	load.bytes += n;
	load.all_bytes += n;
	if (load.job == JOB_BULK) {
		client_fill(c);
		return;
	}
	if (load.endless || load.job == JOB_OPEN)
		return;
	const uint64_t now_ns = load_now_ns();
	const unsigned whole = answers(c, n, now_ns);

	if (whole == 0)
		return;
	if (load.job == JOB_CONNECTIONS && index_of(c) >= load.open) {
		stack_close(&c->end);
		is_free(c);
	} else if (load.job == JOB_REQUESTS && load.closed_loop && !load.ending) {
		client_ask(c, whole, now_ns);
	}
}

void user_over(struct stack_end *e, const char *why)
{
	struct client *c = client_of(e);

	load.failed++;
	load.why = why;
	stack_close(&c->end);
	is_free(c);
}
