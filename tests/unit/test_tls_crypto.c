// SPDX-License-Identifier: BSD-2-Clause
// A crypto thread: handshakes come and go by rings while the worker's turns go on, connections end while
// they are away, and what comes with the last flight is not lost.

#include "tls_rig.h"

// cmocka.h needs the four before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <urcu-qsbr.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tls_rig rig;
static pthread_t thread;
static bool threaded, stopping, paused;
static unsigned budget;

static void *run(void *arg)
{
	(void)arg;
	rcu_register_thread();
	while (!__atomic_load_n(&stopping, __ATOMIC_ACQUIRE)) {
		if (__atomic_load_n(&paused, __ATOMIC_ACQUIRE) ||
			tls_crypto_run(rig.server.t, 4) == 0)
			sched_yield();
		rcu_quiescent_state();
	}
	tls_crypto_run(rig.server.t, 1000);
	tls_crypto_stop(rig.server.t);
	rcu_unregister_thread();
	return NULL;
}

// The test itself does the other thread's work, at times of its choice.
static void between(struct tls_rig *g)
{
	tls_crypto_run(g->server.t, budget);
}

// Real time goes by beside the clock of the test.
static void between_threads(struct tls_rig *g)
{
	(void)g;
	sched_yield();
}

static void begin(bool with_thread, const struct tls_limits *l)
{
	struct tls_rig_options o = {.crypto = true};

	if (l != NULL)
		o.limits = *l;
	threaded = with_thread;
	stopping = paused = false;
	budget = 1000;
	tls_rig_new(&rig, &o);
	rig.between = with_thread ? between_threads : between;
	if (with_thread)
		assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
}

static int done(void **state)
{
	(void)state;
	if (threaded) {
		__atomic_store_n(&stopping, true, __ATOMIC_RELEASE);
		pthread_join(thread, NULL);
		rig.between = between;
	}
	tls_rig_free(&rig);
	return 0;
}

static void open_some(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		tls_rig_connect(&rig, "sip.example.com");
	for (unsigned i = 0; i < 20000; i++) {
		unsigned open = 0;

		tls_rig_turn(&rig);
		for (unsigned k = 0; k < n; k++)
			open += rig.client.conns[k].open && rig.server.conns[k].open;
		if (open == n)
			return;
		if (threaded)
			usleep(20);
	}
	fail();
}

static void exchange(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		tls_write(rig.client.conns[i].c, "hello", 5);
		tls_write(rig.server.conns[i].c, "goodbye", 7);
	}
	tls_rig_run(&rig, 10);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(rig.server.conns[i].received, 5);
		assert_int_equal(rig.client.conns[i].received, 7);
	}
}

static void test_open(void **state)
{
	(void)state;
	begin(false, NULL);
	open_some(4);
	exchange(4);
	assert_string_equal(rig.server.conns[0].names, "edge.partner.example");
	assert_int_equal(tls_use(rig.server.t).full, 4);
}

static void test_resumed(void **state)
{
	(void)state;
	begin(false, NULL);
	open_some(1);
	exchange(1); // and the session with it
	tls_rig_clear(&rig);
	open_some(1);
	assert_true(rig.server.conns[0].outcome.resumed);
	exchange(1);
}

// Plain bytes that came with the client's last flight are read although the crypto thread had them.
static void test_bytes_behind_the_handshake(void **state)
{
	SSL_CTX *ctx;
	struct foreign *f;

	(void)state;
	begin(false, NULL);
	ctx = foreign_ctx(&rig);
	f = foreign_new(&rig, ctx);
	for (unsigned i = 0; i < 300 && !f->done; i++) {
		tls_rig_turn(&rig);
		// Its Finished has been written, and is not under way yet: the bytes follow in one packet.
		if (f->done)
			assert_int_equal(SSL_write(f->ssl, "at once", 7), 7);
	}
	budget = 0; // both lie there before the step is done
	tls_rig_run(&rig, 10);
	budget = 1000;
	tls_rig_run(&rig, 10);
	assert_true(rig.server.conns[0].open);
	assert_int_equal(rig.server.conns[0].received, 7);
	SSL_CTX_free(ctx);
}

static void test_end_while_away(void **state)
{
	struct tls_limits l = tls_limits_default();

	(void)state;
	l.deadline_ms = 100;
	begin(false, &l);
	budget = 0;
	// Its time is over, it is aborted, the peer resets it, and it is released.
	for (unsigned i = 0; i < 4; i++)
		tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 10);
	assert_int_equal(tls_use(rig.server.t).handshakes, 4);
	tls_abort(rig.server.conns[0].c);
	tls_abort(rig.client.conns[1].c);
	tls_release(rig.server.conns[2].c);
	rig.server.conns[2].c = NULL;
	tls_rig_run(&rig, 150);
	assert_int_equal(tls_use(rig.server.t).connections, 4);
	budget = 1000;
	tls_rig_run(&rig, 20);
	assert_int_equal(tls_use(rig.server.t).connections, 3);
	assert_int_equal(tls_use(rig.server.t).handshakes, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_true(i == 2 || rig.server.conns[i].closed);
	assert_int_equal(rig.server.conns[0].outcome.reason, TLS_REASON_ABORTED);
	assert_int_equal(rig.server.conns[3].outcome.reason, TLS_REASON_TIMEOUT);
}

// Established connections are served while nobody does handshakes.
static void test_storm(void **state)
{
	(void)state;
	begin(false, NULL);
	open_some(2);
	budget = 0;
	for (unsigned i = 0; i < 5; i++)
		tls_rig_connect(&rig, "sip.example.com");
	tls_rig_run(&rig, 5);
	exchange(2);
	budget = 1;
	tls_rig_run(&rig, 30);
	for (unsigned i = 2; i < 7; i++)
		assert_true(rig.server.conns[i].open);
}

static void test_thread(void **state)
{
	(void)state;
	begin(true, NULL);
	for (unsigned round = 0; round < 6; round++) {
		open_some(6);
		exchange(6);
		tls_rig_clear(&rig);
	}
}

static void test_thread_and_ends(void **state)
{
	uint8_t keys[2][TLS_TICKET_KEY_SIZE] = {{1}, {2}};

	(void)state;
	begin(true, NULL);
	for (unsigned round = 0; round < 40; round++) {
		for (unsigned i = 0; i < 4; i++)
			tls_rig_connect(&rig, "sip.example.com");
		// Contexts and keys of tickets change under way.
		tls_set_ticket_keys(rig.server.t, keys, 1 + round % 2);
		tls_rig_use(&rig, NULL, NULL);
		for (unsigned i = 0; i < round; i++)
			tls_rig_turn(&rig);
		for (unsigned i = 0; i < rig.server.n; i++)
			if ((round + i) % 3 == 0 && rig.server.conns[i].c != NULL)
				tls_abort(rig.server.conns[i].c);
		tls_rig_clear(&rig);
	}
	for (unsigned i = 0; i < 20000 && tls_use(rig.server.t).connections > 0; i++) {
		tls_rig_turn(&rig);
		usleep(20);
	}
	assert_int_equal(tls_use(rig.server.t).connections, 0);
	assert_int_equal(tls_use(rig.server.t).handshakes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_open, done),
		cmocka_unit_test_teardown(test_resumed, done),
		cmocka_unit_test_teardown(test_bytes_behind_the_handshake, done),
		cmocka_unit_test_teardown(test_end_while_away, done),
		cmocka_unit_test_teardown(test_storm, done),
		cmocka_unit_test_teardown(test_thread, done),
		cmocka_unit_test_teardown(test_thread_and_ends, done),
	};

	return cmocka_run_group_tests_name("tls_crypto", tests, NULL, NULL);
}
