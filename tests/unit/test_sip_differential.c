// SPDX-License-Identifier: BSD-2-Clause
// The domain that speaks, as we read it and as sofia-sip and libosip2 do. Every disagreement over
// the table is listed in it with its reason; and over headers drawn at random, what both accept
// both read alike.

#include "sip_froms.h"
#include "sip_peers.h"
#include "sip_try.h"

typedef bool peer_reads(const char *text, size_t length, char host[static PEER_HOST_SIZE]);

static const struct {
	const char *name;
	int bit;
	peer_reads *reads;
} peers[] = {
	{"sofia-sip", PEER_SOFIA, peer_sofia},
	{"libosip2", PEER_OSIP, peer_osip},
};

#define N_PEERS (sizeof(peers) / sizeof(peers[0]))

static struct sip_try t;

// Ours in the same form. False: refused, or a From without a host.
static bool ours(const char *text, size_t length, char host[static PEER_HOST_SIZE])
{
	if (sip_try(&t, text, length) != TRY_PASS)
		return false;
	if (t.from_rc == 0) {
		snprintf(host, PEER_HOST_SIZE, "%s", t.from.text);
		return true;
	}
	if (t.from_rc != -EAFNOSUPPORT)
		return false;
	char copy[PEER_HOST_SIZE];
	const struct sip_span s = sip_message_from(&t.m)->uri.host.text;

	snprintf(copy, sizeof(copy), "%.*s", (int)s.length, (const char *)s.at);
	return peer_host(copy, host);
}

static void test_table(void **state)
{
	(void)state;
	bool wrong = false;

	for (size_t i = 0; i < SIP_FROM_CASES; i++) {
		const struct sip_from_case *c = &sip_from_cases[i];
		char text[2048], our_host[PEER_HOST_SIZE] = "";
		const size_t n = (size_t)sip_from_message(text, sizeof(text), c->line);
		const bool we = ours(text, n, our_host);

		for (size_t k = 0; k < N_PEERS; k++) {
			char host[PEER_HOST_SIZE] = "";
			const bool they = peers[k].reads(text, n, host);
			const bool differ = we != they || strcmp(our_host, host) != 0;

			if (differ == !!(c->disagree & peers[k].bit))
				continue;
			print_error("%s reads \"%s\", we read \"%s\" (%s): %s", peers[k].name, host,
				our_host, sip_try_name(t.verdict), c->line);
			wrong = true;
		}
		assert_int_equal(c->disagree != 0, c->why != NULL);
	}
	assert_false(wrong);
}

static uint64_t seed = 11;

static uint32_t draw(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % below;
}

// A line of the table with some bytes changed, but for its end.
static size_t mutate(char *line, size_t n)
{
	static const char bytes[] = "<>@;:,\"\\ ()[]%?=.-/a1\t'&+$*";

	for (unsigned i = 0; i < 1 + draw(3); i++) {
		const size_t at = 6 + draw((uint32_t)n - 8);

		if (draw(2)) {
			memmove(line + at + 1, line + at, n - at + 1);
			n++;
		}
		line[at] = bytes[draw(sizeof(bytes) - 1)];
	}
	return n;
}

static void test_drawn(void **state)
{
	(void)state;
	unsigned both = 0, wrong = 0;

	for (unsigned round = 0; round < 200000; round++) {
		char line[512], text[2048], our_host[PEER_HOST_SIZE], host[PEER_HOST_SIZE];

		snprintf(line, sizeof(line), "%s", sip_from_cases[draw(SIP_FROM_CASES)].line);
		mutate(line, strlen(line));
		const size_t n = (size_t)sip_from_message(text, sizeof(text), line);

		if (!ours(text, n, our_host))
			continue;
		for (size_t k = 0; k < N_PEERS; k++) {
			if (!peers[k].reads(text, n, host))
				continue;
			both++;
			if (strcmp(our_host, host) == 0)
				continue;
			if (wrong++ < 20)
				print_error("%s reads \"%s\", we read \"%s\": %s", peers[k].name,
					host, our_host, line);
		}
	}
	assert_true(both > 10000);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_drawn),
	};
	return cmocka_run_group_tests_name("sip_differential", tests, NULL, NULL);
}
