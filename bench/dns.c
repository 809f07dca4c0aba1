// SPDX-License-Identifier: BSD-2-Clause
// A million domains kept current: what they take of memory and of a CPU, against a stub on loopback that
// answers at once. First a start at the rate that the file would set, then as fast as it goes, then a
// whole hour on a clock that is turned. Prints one JSON object a line; bench/dns makes figures of them.

#include "control/discovery/private.h"
#include "dns_answer.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DOMAINS 1000000u
#define RATE    2000u
#define TTL     3600u
#define SECONDS 20u // at the rate
#define BURST   5u  // as fast as it goes
#define STUB    1u  // CPUs
#define OURS    0u

static uint16_t stub_port;
static bool stop;

static uint64_t clock_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

// SRV of any domain is sip.DOMAIN; that has one address of each family.
static void answer(struct dns_answer *a, const uint8_t *question, size_t n)
{
	static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	static const uint8_t v4[4] = {192, 0, 2, 1};
	uint8_t data[300] = {0, 10, 0, 0, 0x13, 0xc5, 3, 's', 'i', 'p'};
	const unsigned type = question[n - 11 - 3];

	dns_begin(a, question, n, 0);
	const uint8_t *name = question + 12;
	const size_t length = a->n - 12 - 4;
	// The name again, by a pointer to the question.
	const uint8_t head[] = {0xc0, 12, 0, (uint8_t)type, 0, 1, 0, 0, TTL >> 8, TTL & 255};
	size_t size;

	a->bytes[7] = 1;
	memcpy(a->bytes + a->n, head, sizeof(head));
	a->n += sizeof(head);
	if (type == DISCOVERY_SRV) {
		// Behind _sipfederationtls._tcp.
		const size_t skip = 2u + name[0] + name[1u + name[0]];

		memcpy(data + 10, name + skip, length - skip);
		size = 10 + length - skip;
	} else {
		size = type == DISCOVERY_A ? sizeof(v4) : sizeof(v6);
		memcpy(data, type == DISCOVERY_A ? v4 : v6, size);
	}
	a->bytes[a->n++] = (uint8_t)(size >> 8);
	a->bytes[a->n++] = (uint8_t)size;
	memcpy(a->bytes + a->n, data, size);
	a->n += size;
}

static void *serve(void *user)
{
	const int fd = *(int *)user;
	static struct dns_answer a;
	uint8_t question[512];
	const struct timeval patience = {.tv_usec = 100000};

	pin(STUB);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		const ssize_t n = recvfrom(
			fd, question, sizeof(question), 0, (struct sockaddr *)&from, &size);

		if (n < 12 + 5 + 11)
			continue;
		answer(&a, question, (size_t)n);
		sendto(fd, a.bytes, a.n, 0, (struct sockaddr *)&from, size);
	}
	return NULL;
}

static void start_stub(pthread_t *thread)
{
	static int fd;
	const int room = 1 << 20;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) < 0 ||
		getsockname(fd, (struct sockaddr *)&at, &size) < 0)
		fail("stub");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	stub_port = ntohs(at.sin_port);
	if (pthread_create(thread, NULL, serve, &fd) != 0)
		fail("pthread_create");
}

static void name_of(struct postern_domain *out, uint32_t i)
{
	// Of the lengths that names of companies have: 18 to 34 characters.
	char text[64];
	const int n = snprintf(text, sizeof(text), "p%.*s-%07u.example.com", (int)(i % 17),
		"abcdefghijklmnopq", i);

	if (postern_domain_parse(text, (size_t)n, out) != 0)
		fail("a name");
}

static void follow_all(struct discovery *d)
{
	struct postern_allowed a = {.id = 1};

	for (uint32_t i = 0; i < DOMAINS; i++) {
		name_of(&a.domain, i);
		if (discovery_follow_allowed(d, 1, &a) != 0)
			fail("follow");
	}
}

static uint64_t resident(void)
{
	unsigned long all, here;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%lu %lu", &all, &here) != 2)
		fail("statm");
	fclose(f);
	return (uint64_t)here * 4096;
}

// How long one turn of the loop takes: what others in it wait for.
struct ticks {
	struct event *event;
	uint64_t last_us, worst_us;
};

static void on_tick(evutil_socket_t fd, short what, void *user)
{
	const struct timeval again = {.tv_usec = 1000};
	struct ticks *t = user;
	const uint64_t now = clock_us(CLOCK_MONOTONIC);

	(void)fd;
	(void)what;
	// Beyond the millisecond that was asked for.
	if (t->last_us != 0 && now - t->last_us > t->worst_us + 1000)
		t->worst_us = now - t->last_us - 1000;
	t->last_us = now;
	event_add(t->event, &again);
}

static void phase(struct event_base *base, struct discovery *d, const char *what, unsigned seconds,
	const struct ticks *ticks)
{
	const struct timeval length = {.tv_sec = seconds};
	struct discovery_stats before, after;

	discovery_read(d, &before);
	const uint64_t from = clock_us(CLOCK_MONOTONIC), cpu = clock_us(CLOCK_THREAD_CPUTIME_ID);

	event_base_loopexit(base, &length);
	event_base_dispatch(base);
	const double s = (double)(clock_us(CLOCK_MONOTONIC) - from) / 1e6;
	const double busy = (double)(clock_us(CLOCK_THREAD_CPUTIME_ID) - cpu) / 1e6;

	discovery_read(d, &after);
	const uint64_t asked = after.counters[DISCOVERY_QUESTION_COUNT] -
			       before.counters[DISCOVERY_QUESTION_COUNT];
	const uint64_t answered =
		after.counters[DISCOVERY_ANSWER_COUNT] - before.counters[DISCOVERY_ANSWER_COUNT];

	printf("{\"what\": \"%s\", \"asked\": %.1f, \"answered\": %.1f, \"cpu\": %.4f, "
	       "\"unanswered\": %" PRIu64 ", \"worst_us\": %" PRIu64 "}\n",
		what, (double)asked / s, (double)answered / s, busy / s,
		after.counters[DISCOVERY_TIMEOUT_COUNT] - before.counters[DISCOVERY_TIMEOUT_COUNT],
		ticks->worst_us);
	fflush(stdout);
}

static void over_loopback(void)
{
	static const struct postern_policy_limits limits = {.domains = 1u << 21};
	const struct timeval soon = {0};
	struct discovery_settings s;
	struct discovery_stats stats;
	struct event_base *base = event_base_new();
	struct ticks ticks = {0};
	struct postern_policy *tables;
	struct discovery *d;
	pthread_t stub;

	start_stub(&stub);
	pin(OURS);
	discovery_settings_default(&s);
	s.rate = RATE;
	s.n_resolvers = 1;
	s.resolvers[0] = (struct postern_endpoint){
		.addr = postern_addr_from_v4(htonl(INADDR_LOOPBACK)), .port = stub_port};
	if (base == NULL || postern_policy_new(&limits, &tables) != 0)
		fail("tables");
	const uint64_t before = resident();

	if (discovery_new(base, tables, &s, &d) != 0)
		fail("discovery");
	const uint64_t from = clock_us(CLOCK_MONOTONIC);

	follow_all(d);
	const uint64_t took = clock_us(CLOCK_MONOTONIC) - from;

	discovery_read(d, &stats);
	printf("{\"what\": \"follow\", \"names\": %u, \"us\": %" PRIu64 ", \"resident\": %" PRIu64
	       ", \"memory\": %" PRIu64 "}\n",
		stats.domains, took, resident() - before, stats.memory);
	ticks.event = evtimer_new(base, on_tick, &ticks);
	event_add(ticks.event, &soon);
	phase(base, d, "rate", SECONDS, &ticks);
	s.rate = 100000;
	discovery_use_settings(d, &s);
	ticks = (struct ticks){.event = ticks.event};
	phase(base, d, "burst", BURST, &ticks);
	event_free(ticks.event);
	discovery_free(d);
	postern_policy_free(tables);
	event_base_free(base);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(stub, NULL);
}

int main(void)
{
	// As it runs beside workers: what is freed stays for what comes.
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	over_loopback();
	return 0;
}
