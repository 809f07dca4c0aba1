// SPDX-License-Identifier: BSD-2-Clause
// Workers ask for DNS facts of a million domains at random while control finds them out, changes the
// tables and answers: who is answered finds what he asked for. And what waits is bounded.

#include "wanted_rig.h"

#include <urcu-qsbr.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ASKED 100000u
#endif
#endif
#ifndef ASKED
#define ASKED 1000000u
#endif

#define WORKERS 2u
#define NAMES   1000000u
// As many as may be discovered; the oldest give way.
#define KNOWN 100000u

static bool take_question(struct asker *a, struct postern_wanted *out)
{
	return rte_ring_sc_dequeue_elem(a->wanted, out, sizeof(*out)) == 0;
}

static void answer(struct asker *a, const struct postern_wanted *w)
{
	const struct admit_told t = {w->slot, w->generation};

	assert_int_equal(rte_ring_sp_enqueue_elem(a->told, (void *)(uintptr_t)&t, sizeof(t)), 0);
}

// ---- bounds

static int ask(struct asker *a, const char *name, uintptr_t what, uint32_t bytes, uint64_t now,
	struct admit_ticket *t)
{
	const struct postern_domain d = rig_domain(name);

	return admit_wait(a->waits, &d, (void *)what, bytes, now, t);
}

static void waiting_is_bounded(void **state)
{
	struct admit_ticket t[4];
	struct admit_waited out[4];
	struct postern_wanted w;
	struct asker a;

	(void)state;
	asker_begin(&a, 0, 3, 1000);
	assert_false(admit_waits_take_mark(a.waits));
	// In bytes.
	assert_int_equal(ask(&a, "a.com", 1, 600, 0, &t[0]), 0);
	assert_true(admit_waits_take_mark(a.waits));
	assert_int_equal(ask(&a, "b.com", 2, 401, 0, &t[1]), -ENOSPC);
	assert_int_equal(ask(&a, "b.com", 2, 400, 1, &t[1]), 0);
	// In number.
	assert_int_equal(ask(&a, "c.com", 3, 0, 2, &t[2]), 0);
	assert_int_equal(ask(&a, "d.com", 4, 0, 3, &t[3]), -ENOSPC);
	assert_int_equal(asker_count(&a, POSTERN_COUNTER_WANTED_FULL), 2);
	assert_int_equal(asker_count(&a, POSTERN_COUNTER_WANTED), 3);
	assert_true(take_question(&a, &w));
	assert_string_equal(w.domain.text, "a.com");
	// Whoever has gone is not told, and leaves room.
	admit_wait_cancel(a.waits, &t[0]);
	admit_wait_cancel(a.waits, &t[0]);
	answer(&a, &w);
	assert_int_equal(admit_waits_take(a.waits, 4, out, 4), 0);
	assert_int_equal(ask(&a, "d.com", 4, 600, 4, &t[3]), 0);
	assert_true(take_question(&a, &w));
	answer(&a, &w);
	answer(&a, &w); // once is enough
	assert_int_equal(admit_waits_take(a.waits, 5, out, 4), 1);
	assert_true(out[0].answered);
	assert_int_equal((uintptr_t)out[0].what, 2);
	// In time, the oldest first; an answer after that is nobody's.
	assert_int_equal(admit_waits_take(a.waits, POSTERN_WANTED_US + 1, out, 4), 0);
	assert_true(take_question(&a, &w));
	assert_int_equal(admit_waits_take(a.waits, POSTERN_WANTED_US + 2, out, 4), 1);
	assert_false(out[0].answered);
	assert_int_equal((uintptr_t)out[0].what, 3);
	assert_int_equal(ask(&a, "e.com", 5, 0, POSTERN_WANTED_US + 3, &t[0]), 0);
	answer(&a, &w);
	assert_int_equal(admit_waits_take(a.waits, POSTERN_WANTED_US + 4, out, 4), 1);
	assert_int_equal((uintptr_t)out[0].what, 4);
	assert_int_equal(asker_count(&a, POSTERN_COUNTER_WANTED_LATE), 2);
	// What control would say about nobody changes nothing.
	w.slot = 77;
	answer(&a, &w);
	assert_int_equal(admit_waits_take(a.waits, POSTERN_WANTED_US + 5, out, 4), 0);
	asker_end(&a);
}

static void questions_that_do_not_fit_are_counted(void **state)
{
	struct admit_ticket t;
	struct asker a;
	unsigned n = 0;

	(void)state;
	asker_begin(&a, 0, 2 * ADMIT_WAIT_RING, 1000);
	while (ask(&a, "a.com", 1, 0, 0, &t) == 0)
		n++;
	assert_int_equal(n, ADMIT_WAIT_RING - 1);
	assert_int_equal(asker_count(&a, POSTERN_COUNTER_WANTED_LOST), 1);
	asker_end(&a);
}

// ---- a million

static struct postern_policy *policy;
static struct asker askers[WORKERS];

static uint32_t draw(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static struct postern_domain name_of(uint32_t n)
{
	struct postern_domain d;

	d.length = (uint8_t)snprintf(d.text, sizeof(d.text), "d%u.example", n);
	return d;
}

static enum postern_outcome decide(uint32_t n)
{
	const struct postern_domain d = name_of(n);
	const struct postern_question q = {.organisation = RIG_ORGANISATION, .domain = &d};
	struct postern_answer a;

	admit_decide(policy, &q, &a);
	return a.outcome;
}

// Asks for a domain unless it is known. False: too much waits.
static bool want(struct asker *a, uint32_t n)
{
	const struct postern_domain d = name_of(n);
	struct admit_ticket t;

	return decide(n) != POSTERN_ASK ||
	       admit_wait(a->waits, &d, (void *)(uintptr_t)n, 100, 0, &t) == 0;
}

// An answer means that the tables knew it then; one of a hundred thousand others may have taken its place.
static unsigned look(struct asker *a)
{
	struct admit_waited out[64];
	const unsigned n = admit_waits_take(a->waits, 0, out, 64);

	for (unsigned i = 0; i < n; i++) {
		if (!out[i].answered)
			fail_msg("time stands still, and something was late");
		a->answered++;
		a->again += decide((uint32_t)(uintptr_t)out[i].what) == POSTERN_ASK;
	}
	return n;
}

static void *work(void *user)
{
	struct asker *a = user;

	rcu_register_thread();
	for (unsigned asked = 0; asked < ASKED / WORKERS;) {
		const uint32_t n = draw(&a->seed) % NAMES;

		while (!want(a, n))
			if (look(a) == 0) {
				rcu_quiescent_state();
				sched_yield();
			}
		asked++;
		(void)look(a);
		rcu_quiescent_state();
	}
	while (a->answered < asker_count(a, POSTERN_COUNTER_WANTED))
		if (look(a) == 0) {
			rcu_quiescent_state();
			sched_yield();
		}
	__atomic_store_n(&a->done, true, __ATOMIC_RELEASE);
	rcu_unregister_thread();
	return NULL;
}

static struct postern_domain known[KNOWN];
static uint64_t n_known, coalesced;

// What DNS would say; the table first, then the answer.
static void find_out(const struct postern_domain *d)
{
	const struct postern_facts f = {.state = POSTERN_FACTS_NONE, .wall_us = 1};
	struct postern_domain *place = &known[n_known % KNOWN];

	if (n_known++ >= KNOWN)
		assert_int_equal(postern_policy_set_facts(policy, place, NULL), 0);
	*place = *d;
	assert_int_equal(postern_policy_set_facts(policy, d, &f), 0);
}

static bool is_known(const struct postern_domain *d)
{
	static struct postern_facts_copy copy;

	return postern_policy_get_facts(policy, d, &copy) == 0;
}

static void a_million_at_random(void **state)
{
	const struct postern_policy_limits limits = {.domains = KNOWN + 1000};
	pthread_t threads[WORKERS];
	bool busy = true;

	(void)state;
	assert_int_equal(postern_policy_new(&limits, &policy), 0);
	rig_switches(policy, true);
	for (unsigned i = 0; i < WORKERS; i++) {
		asker_begin(&askers[i], (uint8_t)i, POSTERN_WANTED_MOST, POSTERN_WANTED_BYTES);
		askers[i].seed = i + 1;
		assert_int_equal(pthread_create(&threads[i], NULL, work, &askers[i]), 0);
	}
	while (busy) {
		struct postern_wanted w;
		unsigned taken = 0;

		busy = false;
		for (unsigned i = 0; i < WORKERS; i++) {
			busy |= !__atomic_load_n(&askers[i].done, __ATOMIC_ACQUIRE);
			for (unsigned k = 0; k < 256 && take_question(&askers[i], &w); k++) {
				taken++;
				if (is_known(&w.domain))
					coalesced++;
				else
					find_out(&w.domain);
				answer(&askers[i], &w);
			}
		}
		if (taken == 0)
			sched_yield();
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(
			askers[i].answered, asker_count(&askers[i], POSTERN_COUNTER_WANTED));
		assert_int_equal(asker_count(&askers[i], POSTERN_COUNTER_WANTED_LOST), 0);
		// More than a few would mean that answers come before the tables change.
		assert_true(askers[i].again * 20 < askers[i].answered);
		asker_end(&askers[i]);
	}
	assert_true(n_known > ASKED / 2);
	postern_policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waiting_is_bounded),
		cmocka_unit_test(questions_that_do_not_fit_are_counted),
		cmocka_unit_test(a_million_at_random),
	};

	return cmocka_run_group_tests_name("wanted", tests, NULL, NULL);
}
