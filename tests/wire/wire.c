// SPDX-License-Identifier: BSD-2-Clause
// A bad link between two links: what arrives at one leaves at the other, delayed, lost, reordered,
// duplicated, corrupted and truncated by seed.

#include "wire/fate.h"
#include "wire/link.h"

#include <rte_ethdev.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFERS 16383u
// How long the program may sleep: what arrives meanwhile is late by that.
#define NAP_US 50u

static const char help[] =
	"usage: wire A B [NAME=VALUE...]\n"
	"Carries packets between two links, badly. A and B:\n" LINK_HELP
	"Settings, in percent, microseconds or as told; all are 0 unless given:\n"
	"    seed=N        what happens to the nth packet of a flow follows from it\n"
	"    delay=US      of every packet\n"
	"    jitter=US     up to so much more; packets overtake each other\n"
	"    loss=%        chance that a packet is lost\n"
	"    burst=N       packets of the flow that one loss takes, up to 256\n"
	"    reorder=%     chance that a packet is held back by `late`\n"
	"    late=US       1000 unless given\n"
	"    duplicate=%\n"
	"    corrupt=%     one bit of the IP packet\n"
	"    truncate=%    its end is missing\n"
	"    rate=MBIT     each direction sends so much a second\n"
	"    queue=US      what would wait longer for that is lost; 100000 unless given\n"
	"    vary=1        flows have none, a quarter or all of these chances, by their ends\n"
	"    cpu=N         runs there\n"
	"    busy-poll=1   never sleeps\n"
	"ARP and neighbour discovery are only delayed. Prints {\"ready\": true} when it runs. Each "
	"line of\n"
	"standard input sets settings and is answered with the counts so far, `a` those of what "
	"came\n"
	"from A. Ends with standard input, or by SIGTERM.\n";

struct held {
	uint64_t due_us;
	uint64_t order;
	struct rte_mbuf *m;
	unsigned to;
};

struct wire {
	struct rte_mempool *pool;
	struct fate_settings settings;
	struct fate fates[2]; // by where packets come from
	uint64_t order;
	uint64_t cpu; // of the settings; read once
	uint64_t busy_poll;
	unsigned n_held;
	struct held held[BUFFERS]; // a heap, earliest first
	size_t n_line;
	char line[1024];
};

static struct wire w;
static volatile sig_atomic_t ending;

static void on_signal(int number)
{
	(void)number;
	ending = 1;
}

// --- settings

static bool percent(const char *text, uint32_t *out)
{
	char *end;
	const double v = strtod(text, &end);

	if (end == text || *end != '\0' || !(v >= 0 && v <= 100))
		return false;
	*out = (uint32_t)(v * 10000 + 0.5);
	return true;
}

static bool number(const char *text, uint64_t most, uint64_t *out)
{
	char *end;

	errno = 0;
	const unsigned long long v = strtoull(text, &end, 10);

	if (end == text || *end != '\0' || errno != 0 || v > most || text[0] == '-')
		return false;
	*out = v;
	return true;
}

static bool set(const char *name, const char *value)
{
	struct fate_settings *s = &w.settings;
	const struct {
		const char *name;
		uint32_t *percent;
		uint32_t *number;
		uint64_t most;
	} words[] = {
		{"delay", NULL, &s->delay_us, 10000000},
		{"jitter", NULL, &s->jitter_us, 10000000},
		{"late", NULL, &s->late_us, 10000000},
		{"burst", NULL, &s->burst, 256},
		{"rate", NULL, &s->rate_mbit, 1000000},
		{"queue", NULL, &s->queue_us, 10000000},
		{"loss", &s->loss, NULL, 0},
		{"reorder", &s->reorder, NULL, 0},
		{"duplicate", &s->duplicate, NULL, 0},
		{"corrupt", &s->corrupt, NULL, 0},
		{"truncate", &s->truncate, NULL, 0},
	};
	uint64_t v = 0;

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].name, name) != 0)
			continue;
		if (words[i].percent != NULL)
			return percent(value, words[i].percent);
		if (!number(value, words[i].most, &v))
			return false;
		*words[i].number = (uint32_t)v;
		return true;
	}
	if (strcmp(name, "seed") == 0)
		return number(value, UINT64_MAX, &s->seed);
	if (strcmp(name, "cpu") == 0)
		return number(value, 1023, &w.cpu);
	if (strcmp(name, "busy-poll") == 0)
		return number(value, 1, &w.busy_poll);
	if (strcmp(name, "vary") == 0 && number(value, 1, &v)) {
		s->vary = v != 0;
		return true;
	}
	return false;
}

// NAME=VALUE; changes the text.
static bool set_word(char *word)
{
	char *value = strchr(word, '=');

	if (value == NULL)
		return false;
	*value = '\0';
	const bool ok = set(word, value + 1);

	*value = '=';
	return ok;
}

static void print_counts(void)
{
	printf("{");
	for (unsigned i = 0; i < 2; i++) {
		const struct fate_counts *c = &w.fates[i].counts;

		printf("%s\"%c\": {\"in\": %llu, \"out\": %llu, \"lost\": %llu, \"late\": %llu, "
		       "\"duplicated\": %llu, \"corrupted\": %llu, \"truncated\": %llu, "
		       "\"full\": %llu}",
			i > 0 ? ", " : "", 'a' + (int)i, (unsigned long long)c->in,
			(unsigned long long)c->out, (unsigned long long)c->lost,
			(unsigned long long)c->late, (unsigned long long)c->duplicated,
			(unsigned long long)c->corrupted, (unsigned long long)c->truncated,
			(unsigned long long)c->full);
	}
	printf("}\n");
	fflush(stdout);
}

static void command(char *line)
{
	char *save = NULL;

	for (char *word = strtok_r(line, " \t\r", &save); word != NULL;
		word = strtok_r(NULL, " \t\r", &save)) {
		if (!set_word(word)) {
			printf("{\"error\": \"%s: no such setting, or no such value\"}\n", word);
			fflush(stdout);
			return;
		}
	}
	print_counts();
}

// Whole lines of what has come; the end of standard input ends the program.
static void listen_to_input(void)
{
	const ssize_t n = read(STDIN_FILENO, w.line + w.n_line, sizeof(w.line) - 1 - w.n_line);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		ending = 1;
		return;
	}
	w.n_line += (size_t)n;
	w.line[w.n_line] = '\0';
	while ((end = strchr(w.line, '\n')) != NULL) {
		*end++ = '\0';
		command(w.line);
		w.n_line -= (size_t)(end - w.line);
		memmove(w.line, end, w.n_line + 1);
	}
}

// --- packets on their way

static bool sooner(const struct held *a, const struct held *b)
{
	return a->due_us < b->due_us || (a->due_us == b->due_us && a->order < b->order);
}

static void swap(unsigned a, unsigned b)
{
	const struct held was = w.held[a];

	w.held[a] = w.held[b];
	w.held[b] = was;
}

static bool hold(struct rte_mbuf *m, unsigned to, uint64_t due_us)
{
	unsigned i = w.n_held;

	if (i == BUFFERS)
		return false;
	w.held[w.n_held++] = (struct held){due_us, w.order++, m, to};
	for (; i > 0 && sooner(&w.held[i], &w.held[(i - 1) / 2]); i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
	return true;
}

static void take_first(void)
{
	unsigned i = 0;

	w.held[0] = w.held[--w.n_held];
	for (;;) {
		unsigned least = i;

		for (unsigned child = 2 * i + 1; child <= 2 * i + 2 && child < w.n_held; child++)
			if (sooner(&w.held[child], &w.held[least]))
				least = child;
		if (least == i)
			return;
		swap(i, least);
		i = least;
	}
}

static void arrive(unsigned from, struct rte_mbuf *m, uint64_t now)
{
	struct fate *f = &w.fates[from];
	uint64_t delay[2];
	const unsigned n = fate_of(f, &w.settings, m, now, delay);

	if (n == 2) {
		struct rte_mbuf *copy = rte_pktmbuf_copy(m, w.pool, 0, UINT32_MAX);

		if (copy == NULL || !hold(copy, !from, now + delay[1])) {
			f->counts.full++;
			rte_pktmbuf_free(copy);
		}
	}
	if (n > 0 && hold(m, !from, now + delay[0]))
		return;
	f->counts.full += n > 0;
	rte_pktmbuf_free(m);
}

static bool receive(uint64_t now)
{
	bool any = false;

	for (uint16_t port = 0; port < 2; port++) {
		struct rte_mbuf *pkts[LINK_BURST];
		const uint16_t n = rte_eth_rx_burst(port, 0, pkts, LINK_BURST);

		for (uint16_t i = 0; i < n; i++)
			arrive(port, pkts[i], now);
		any |= n > 0;
	}
	return any;
}

// Sends what is due, in bursts of packets for the same link. What a link does not take is its loss.
static void deliver(uint64_t now)
{
	while (w.n_held > 0 && w.held[0].due_us <= now) {
		struct rte_mbuf *pkts[LINK_BURST];
		const unsigned to = w.held[0].to;
		uint16_t n = 0;

		while (n < LINK_BURST && w.n_held > 0 && w.held[0].due_us <= now &&
			w.held[0].to == to) {
			pkts[n++] = w.held[0].m;
			take_first();
		}
		const uint16_t sent = rte_eth_tx_burst((uint16_t)to, 0, pkts, n);

		w.fates[!to].counts.out += sent;
		w.fates[!to].counts.full += (uint64_t)(n - sent);
		rte_pktmbuf_free_bulk(pkts + sent, n - sent);
	}
}

static void run(void)
{
	uint64_t next_look = 0;

	while (!ending) {
		const uint64_t now = link_now_us();
		const bool any = receive(now);

		deliver(now);
		if (now >= next_look) {
			struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

			next_look = now + 1000;
			if (poll(&input, 1, 0) > 0)
				listen_to_input();
		}
		if (any || w.busy_poll)
			continue;
		uint64_t nap = NAP_US;

		if (w.n_held > 0)
			nap = w.held[0].due_us <= now ? 0 : RTE_MIN(nap, w.held[0].due_us - now);
		if (nap > 0)
			link_sleep(nap);
	}
}

int main(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = on_signal};

	w.settings = (struct fate_settings){.late_us = 1000, .queue_us = 100000};
	w.cpu = UINT64_MAX;
	if (argc < 3) {
		fputs(help, stderr);
		return 2;
	}
	for (int i = 3; i < argc; i++) {
		if (!set_word(argv[i])) {
			fprintf(stderr, "%s: no such setting, or no such value\n%s", argv[i], help);
			return 2;
		}
	}
	w.pool = links_open(argv[0], (const char *const *)argv + 1, 2, BUFFERS,
		w.cpu == UINT64_MAX ? -1 : (int)w.cpu);
	if (!fate_init(&w.fates[0], 0) || !fate_init(&w.fates[1], 1))
		return 1;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	printf("{\"ready\": true}\n");
	fflush(stdout);
	run();
	print_counts();
	for (uint16_t port = 0; port < 2; port++) {
		rte_eth_dev_stop(port);
		rte_eth_dev_close(port);
	}
	fate_free(&w.fates[0]);
	fate_free(&w.fates[1]);
	return 0;
}
