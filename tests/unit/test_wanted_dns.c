// SPDX-License-Identifier: BSD-2-Clause
// Workers' questions on their way through discovery: a worker's thread asks, the event loop takes it, DNS
// answers, the tables change, and the worker looks again. DNS and its clock are the test's own.

#include "control/discovery/workers.h"
#include "dns_world.h"
#include "wanted_rig.h"

#include <event2/event.h>
#include <urcu-qsbr.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WORKERS 2u
#define DOMAINS 300u
#define SRV     1u // organisation, as of the world

// What stands for the dataplane.
static struct asker askers[WORKERS];
static int wanted_fd;
static struct world *world;
static unsigned n_taken, n_told;

int postern_wanted_fd(const struct postern_dataplane *dp)
{
	(void)dp;
	return wanted_fd;
}

unsigned postern_wanted_take(struct postern_dataplane *dp, struct postern_wanted *out, unsigned n)
{
	uint64_t marks;
	const ssize_t was_set = read(wanted_fd, &marks, sizeof(marks));
	unsigned taken = 0;

	(void)dp;
	(void)was_set;
	for (unsigned i = 0; i < WORKERS; i++)
		taken += rte_ring_sc_dequeue_burst_elem(
			askers[i].wanted, out + taken, sizeof(*out), n - taken, NULL);
	n_taken += taken;
	return taken;
}

int postern_wanted_answer(struct postern_dataplane *dp, const struct postern_wanted *w)
{
	const struct admit_told t = {w->slot, w->generation};

	(void)dp;
	n_told++;
	assert_true(w->worker < WORKERS);
	assert_int_equal(
		rte_ring_sp_enqueue_elem(askers[w->worker].told, (void *)(uintptr_t)&t, sizeof(t)),
		0);
	return 0;
}

static struct postern_domain name_of(unsigned n)
{
	char name[32];

	snprintf(name, sizeof(name), "d%u.example", n);
	return world_name(name);
}

static enum postern_outcome decide(unsigned n, enum postern_reason *reason)
{
	const struct postern_domain d = name_of(n);
	const struct postern_question q = {
		.organisation = SRV, .domain = &d, .proof = POSTERN_PROOF_ASSUMED};
	struct postern_answer a;

	admit_decide(world->tables, &q, &a);
	*reason = a.reason;
	return a.outcome;
}

// Those with an even number have a server.
static void check(unsigned n)
{
	enum postern_reason reason;
	const enum postern_outcome outcome = decide(n, &reason);

	if (n % 2 == 0 ? outcome != POSTERN_ADMIT
		       : outcome != POSTERN_REFUSE || reason != POSTERN_REASON_SRV_NONE)
		fail_msg("d%u.example: %s, %s", n, postern_outcome_name(outcome),
			postern_reason_name(reason));
}

static void *work(void *user)
{
	static const uint64_t one = 1;
	struct asker *a = user;
	unsigned n = 0;

	rcu_register_thread();
	while (a->answered < DOMAINS) {
		struct admit_waited out[16];
		const struct postern_domain d = name_of(n);
		struct admit_ticket t;

		if (n < DOMAINS && admit_wait(a->waits, &d, (void *)(uintptr_t)n, 1, 0, &t) == 0)
			n++;
		if (admit_waits_take_mark(a->waits) &&
			write(wanted_fd, &one, sizeof(one)) != sizeof(one))
			fail_msg("the mark could not be set");
		const unsigned told = admit_waits_take(a->waits, 0, out, 16);

		for (unsigned i = 0; i < told; i++) {
			assert_true(out[i].answered);
			check((unsigned)(uintptr_t)out[i].what);
		}
		a->answered += told;
		rcu_quiescent_state();
		if (told == 0)
			sched_yield();
	}
	__atomic_store_n(&a->done, true, __ATOMIC_RELEASE);
	rcu_unregister_thread();
	return NULL;
}

static bool all_done(void)
{
	for (unsigned i = 0; i < WORKERS; i++)
		if (!__atomic_load_n(&askers[i].done, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

static void begin(struct event_base **base, struct discovery_workers **workers)
{
	struct postern_switches s;

	n_taken = n_told = 0;
	world = world_new(1, NULL);
	postern_switches_default(&s);
	s.allow_federated_users = s.enable_partner_discovery = true;
	assert_int_equal(postern_policy_set_organisation(world->tables, SRV, &s), 0);
	wanted_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(wanted_fd >= 0);
	*base = event_base_new();
	assert_non_null(*base);
	assert_int_equal(discovery_workers_new(*base, NULL, world->d, workers), 0);
	for (unsigned i = 0; i < WORKERS; i++)
		asker_begin(&askers[i], (uint8_t)i, 64, 1000);
}

static void end(struct event_base *base, struct discovery_workers *workers)
{
	discovery_workers_free(workers);
	event_base_free(base);
	world_free(world);
	close(wanted_fd);
	for (unsigned i = 0; i < WORKERS; i++)
		asker_end(&askers[i]);
}

static void both_workers_are_answered(void **state)
{
	struct discovery_workers *workers;
	struct event_base *base;
	pthread_t threads[WORKERS];

	(void)state;
	begin(&base, &workers);
	for (unsigned n = 0; n < DOMAINS; n += 2) {
		char domain[32], host[48];

		snprintf(domain, sizeof(domain), "d%u.example", n);
		snprintf(host, sizeof(host), "sip.%s", domain);
		world_srv(world, domain, 3600, 10, 0, host);
		world_address(world, host, 3600, "192.0.2.1");
	}
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, &askers[i]), 0);
	while (!all_done()) {
		assert_true(event_base_loop(base, EVLOOP_NONBLOCK) >= 0);
		// Time stands still while nobody waits for DNS: what is known would end.
		if (n_told < n_taken)
			world_run(world, 1000);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	// Both have asked for all; DNS was asked once for each: SRV, and of those that there are A and AAAA.
	assert_int_equal(world->asked, DOMAINS + DOMAINS);
	end(base, workers);
}

// What nobody answers in time is not waited for, and what comes too late is nobody's; and an end under way
// leaves nothing behind.
static void late_answers_are_nobodys(void **state)
{
	const struct postern_domain d = name_of(1);
	struct discovery_workers *workers;
	struct admit_waited out[2];
	struct event_base *base;
	struct admit_ticket t;
	const uint64_t one = 1;

	(void)state;
	begin(&base, &workers);
	world->resolver[0] = WORLD_SILENT;
	assert_int_equal(admit_wait(askers[0].waits, &d, NULL, 1, 0, &t), 0);
	assert_int_equal(write(wanted_fd, &one, sizeof(one)), sizeof(one));
	assert_true(event_base_loop(base, EVLOOP_NONBLOCK) >= 0);
	assert_int_equal(admit_waits_take(askers[0].waits, POSTERN_WANTED_US, out, 2), 1);
	assert_false(out[0].answered);
	world_run(world, 60 * UINT64_C(1000000));
	assert_int_equal(rte_ring_count(askers[0].told), 1);
	assert_int_equal(admit_waits_take(askers[0].waits, POSTERN_WANTED_US, out, 2), 0);
	world->resolver[0] = WORLD_ANSWERS;
	assert_int_equal(admit_wait(askers[1].waits, &d, NULL, 1, 0, &t), 0);
	assert_int_equal(write(wanted_fd, &one, sizeof(one)), sizeof(one));
	assert_true(event_base_loop(base, EVLOOP_NONBLOCK) >= 0);
	end(base, workers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_workers_are_answered),
		cmocka_unit_test(late_answers_are_nobodys),
	};

	return cmocka_run_group_tests_name("wanted_dns", tests, NULL, NULL);
}
