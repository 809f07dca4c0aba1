// SPDX-License-Identifier: BSD-2-Clause
// Echo (port 7) and an endless stream (port 19) on our engine: one process, one CPU, one port. Says
// what it has done for each line of its standard input, and ends with it.

#include "bench/load/engine.h"
#include "bench/load/pattern.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIECES 16

// A connection's user pointer: where its stream has come to, or this.
#define ECHO UINTPTR_MAX

// How long standard input may wait.
#define LOOK_US 2000

// What lies there goes back as far as there is room; the rest stays and shuts the peer's window.
static void echo(struct tcp *t, struct tcp_conn *c)
{
	struct iovec in[PIECES];
	unsigned n;

	while ((n = tcp_peek(t, c, in, PIECES)) > 0) {
		size_t all = 0, done = 0;

		for (unsigned i = 0; i < n; i++) {
			const size_t took = tcp_write(t, c, in[i].iov_base, in[i].iov_len);

			all += in[i].iov_len;
			done += took;
			if (took < in[i].iov_len)
				break;
		}
		tcp_consume(t, c, done);
		if (done < all)
			return;
	}
	if (tcp_is_finished(c))
		tcp_release(t, c);
}

static void generate(struct tcp *t, struct tcp_conn *c, uintptr_t place)
{
	struct iovec out[PIECES];
	size_t room;

	if (tcp_is_finished(c)) {
		tcp_release(t, c);
		return;
	}
	while ((room = tcp_reserve(t, c, PATTERN_RUN, out, PIECES)) > 0) {
		for (size_t i = 0, done = 0; done < room; done += out[i++].iov_len)
			memcpy(out[i].iov_base, pattern_at(0, (uint32_t)(place + done)),
				out[i].iov_len);
		tcp_commit(t, c, room);
		place = (place + room) % PATTERN_SIZE;
	}
	tcp_conn_set_user(c, (void *)place);
}

void engine_event(struct engine *e, const struct tcp_event *event)
{
	if (event->what & TCP_EVENT_CLOSED)
		tcp_release(e->tcp, event->conn);
	else if ((uintptr_t)event->user == ECHO)
		echo(e->tcp, event->conn);
	else
		generate(e->tcp, event->conn, (uintptr_t)event->user);
}

static void report(const struct engine *e)
{
	const struct tcp_use use = tcp_use(e->tcp);

	printf("{\"busy\": %.6f, \"turns\": %lu, \"received\": %lu, \"sent\": %lu, "
	       "\"connections\": %u, "
	       "\"half_open\": %u, \"buffers\": %u, \"capacity\": %u, \"memory\": %zu, "
	       "\"memory_buffers\": %zu, \"tx_dropped\": %lu, \"counters\": {",
		(double)e->busy / (double)rte_get_tsc_hz(), e->turns, e->packets[0], e->packets[1],
		use.connections, use.half_open, use.buffers, e->setup.connections, e->memory,
		(size_t)e->setup.buffers * 32, base_get(&e->tx.dropped));
	for (unsigned i = 0; i < TCP_COUNTER_COUNT; i++)
		printf("%s\"%s\": %lu", i > 0 ? ", " : "", tcp_counter_name(i),
			tcp_count(e->tcp, i));
	printf("}}\n");
	fflush(stdout);
}

// False at the end of input.
static bool look(const struct engine *e)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char line[64];

	if (poll(&in, 1, 0) <= 0)
		return true;
	if (fgets(line, sizeof(line), stdin) == NULL)
		return false;
	report(e);
	return true;
}

int main(int argc, char **argv)
{
	static struct engine e;
	const bool busy = engine_number(argc, argv, "busy-poll", 1) > 0;
	uint64_t looked = 0;

	setvbuf(stdin, NULL, _IONBF, 0);
	pattern_init();
	engine_open(&e, argc, argv);
	tcp_listen(e.tcp, &(struct postern_endpoint){e.address.addr, 7}, (void *)ECHO);
	tcp_listen(e.tcp, &(struct postern_endpoint){e.address.addr, 19}, NULL);
	printf("{\"ready\": true}\n");
	fflush(stdout);
	for (;;) {
		if (!engine_turn(&e) && !busy && e.idle > 256)
			usleep(20);
		if (e.now_us - looked >= LOOK_US) {
			looked = e.now_us;
			if (!look(&e))
				return 0;
		}
	}
}
