// SPDX-License-Identifier: BSD-2-Clause
// Tells the thread sanitizer what liburcu orders where it does not look (0.13 has no annotations): who
// finds a node is behind who published it, and what is freed after a grace period is behind every
// reader's last quiescent state. Nothing else is told.

#include <urcu-qsbr.h>
#include <urcu/rculfhash.h>

#include <pthread.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define ORDERED
#endif
#endif
#ifndef ORDERED
#define __tsan_acquire(at) ((void)(at))
#define __tsan_release(at) ((void)(at))
#endif

static char grace; // stands for every grace period

void __real_cds_lfht_add(struct cds_lfht *ht, unsigned long hash, struct cds_lfht_node *node);
void __wrap_cds_lfht_add(struct cds_lfht *ht, unsigned long hash, struct cds_lfht_node *node);
int __real_cds_lfht_replace(struct cds_lfht *ht, struct cds_lfht_iter *old, unsigned long hash,
	cds_lfht_match_fct match, const void *key, struct cds_lfht_node *node);
int __wrap_cds_lfht_replace(struct cds_lfht *ht, struct cds_lfht_iter *old, unsigned long hash,
	cds_lfht_match_fct match, const void *key, struct cds_lfht_node *node);

void __wrap_cds_lfht_add(struct cds_lfht *ht, unsigned long hash, struct cds_lfht_node *node)
{
	__tsan_release(node);
	__real_cds_lfht_add(ht, hash, node);
}

int __wrap_cds_lfht_replace(struct cds_lfht *ht, struct cds_lfht_iter *old, unsigned long hash,
	cds_lfht_match_fct match, const void *key, struct cds_lfht_node *node)
{
	__tsan_release(node);
	return __real_cds_lfht_replace(ht, old, hash, match, key, node);
}

void __real_urcu_qsbr_quiescent_state(void);
void __wrap_urcu_qsbr_quiescent_state(void);
void __real_urcu_qsbr_unregister_thread(void);
void __wrap_urcu_qsbr_unregister_thread(void);

void __wrap_urcu_qsbr_quiescent_state(void)
{
	__tsan_release(&grace);
	__real_urcu_qsbr_quiescent_state();
}

void __wrap_urcu_qsbr_unregister_thread(void)
{
	__tsan_release(&grace);
	__real_urcu_qsbr_unregister_thread();
}

// What is to be called after the grace period, beside the head that liburcu knows.
struct waiting {
	struct rcu_head head;
	struct rcu_head *meant;
	void (*call)(struct rcu_head *head);
};

void __real_urcu_qsbr_call_rcu(struct rcu_head *head, void (*call)(struct rcu_head *head));
void __wrap_urcu_qsbr_call_rcu(struct rcu_head *head, void (*call)(struct rcu_head *head));

static void called(struct rcu_head *head)
{
	struct waiting *w = caa_container_of(head, struct waiting, head);

	__tsan_acquire(&grace);
	__tsan_acquire(w);
	w->call(w->meant);
	free(w);
}

void __wrap_urcu_qsbr_call_rcu(struct rcu_head *head, void (*call)(struct rcu_head *head))
{
	struct waiting *w = malloc(sizeof(*w));

	if (w == NULL)
		abort();
	w->meant = head;
	w->call = call;
	__tsan_release(w);
	__real_urcu_qsbr_call_rcu(&w->head, called);
}
