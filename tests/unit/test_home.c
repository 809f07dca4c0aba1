// SPDX-License-Identifier: BSD-2-Clause
// Homes against DPDK's own Toeplitz hash: both keys, both families, every size of table.

#include "base/home.h"
#include "rig_cmocka.h"

#include <rte_random.h>
#include <rte_thash.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static struct base_home home;

static void draw(unsigned workers, unsigned bits)
{
	struct base_secret secret;

	assert_int_equal(base_secret_draw(&secret), 0);
	base_home_init(&home, &secret, workers, bits);
}

static struct postern_addr any(uint8_t family)
{
	struct postern_addr a;

	if (family == POSTERN_V4)
		return postern_addr_from_v4((uint32_t)rte_rand());
	for (unsigned i = 0; i < 16; i++)
		a.bytes[i] = (uint8_t)rte_rand();
	a.bytes[0] = 0x20;
	return a;
}

// What a port computes from a packet.
static uint32_t port_hash(uint8_t family, const struct postern_addr *src,
	const struct postern_addr *dst, uint16_t sport, uint16_t dport, const uint8_t *key)
{
	const unsigned from = family == POSTERN_V4 ? 12 : 0;
	const unsigned n = (16 - from) / 4;
	uint32_t words[9];
	// It is read by words.
	_Alignas(uint32_t) uint8_t aligned[BASE_HOME_KEY];

	memcpy(aligned, key, sizeof(aligned));
	memcpy(words, src->bytes + from, 4 * n);
	memcpy(words + n, dst->bytes + from, 4 * n);
	for (unsigned i = 0; i < 2 * n; i++)
		words[i] = rte_be_to_cpu_32(words[i]);
	words[2 * n] = (uint32_t)sport << 16 | dport;
	return rte_softrss(words, 2 * n + 1, aligned) % (1u << home.bits);
}

static void test_as_ports_hash(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 20000; n++) {
		if (n % 100 == 0)
			draw(1 + n / 100 % 64, BASE_HOME_BITS_MIN + n / 100 % 4);
		const uint8_t family = n % 2 ? POSTERN_V6 : POSTERN_V4;
		const struct postern_addr client = any(family), other = any(family);
		const uint16_t port = (uint16_t)rte_rand(), other_port = (uint16_t)rte_rand();
		const uint16_t hash = base_home_hash(&home, &client, port);

		assert_int_equal(port_hash(family, &client, &other, port, other_port,
					 home.key[BASE_HOME_SOURCE]),
			hash);
		if (family == POSTERN_V4)
			assert_int_equal(port_hash(family, &other, &client, other_port, port,
						 home.key[BASE_HOME_DESTINATION]),
				hash);
	}
}

static void test_ports_are_drawn(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 20000; n++) {
		const unsigned workers = 1 + n / 100 % 64;

		if (n % 100 == 0)
			draw(workers, BASE_HOME_BITS_MIN + n / 100 % 4);
		const struct postern_addr a = any(n % 2 ? POSTERN_V6 : POSTERN_V4);
		const uint16_t port = (uint16_t)rte_rand();
		const unsigned worker = (unsigned)rte_rand() % workers;
		const uint16_t drawn = base_home_port(&home, &a, port, worker);

		assert_int_equal(base_home_worker(&home, &a, drawn), worker);
		assert_int_equal(drawn >> home.bits, port >> home.bits);
	}
}

// Neighbours in number, as clients behind one address and addresses of one network are, lead to every
// hash once.
static void test_spread(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		draw(5, BASE_HOME_BITS_MIN + round % 4);
		struct postern_addr a = any(round / 4 % 2 ? POSTERN_V6 : POSTERN_V4);
		const unsigned n = 1u << home.bits;
		uint8_t ports[1 << BASE_HOME_BITS_MAX] = {0},
				   addresses[1 << BASE_HOME_BITS_MAX] = {0};

		for (unsigned i = 0; i < n; i++)
			ports[base_home_hash(&home, &a, (uint16_t)(5120 + i))]++;
		for (unsigned i = 0; i < n; i++) {
			a.bytes[15] = (uint8_t)i;
			a.bytes[14] = (uint8_t)((a.bytes[14] & 0xfe) | i >> 8);
			addresses[base_home_hash(&home, &a, 5061)]++;
		}
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(ports[i], 1);
			assert_int_equal(addresses[i], 1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_ports_hash),
		cmocka_unit_test(test_ports_are_drawn),
		cmocka_unit_test(test_spread),
	};

	return cmocka_run_group_tests(tests, rig_use_cmocka, NULL);
}
