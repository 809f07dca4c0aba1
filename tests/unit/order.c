// SPDX-License-Identifier: BSD-2-Clause
// Tells the thread sanitizer what DPDK orders where it does not look: libraries of the system are not
// instrumented. A buffer that one worker frees and another takes has passed through the common pool; a
// worker begins after its launch and has ended when somebody has waited for it. Nothing else is told.

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mempool.h>
#include <rte_spinlock.h>

#include <errno.h>
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

// A pool's objects, the last one freed on top. The lock is one that the sanitizer does not see, so
// that only who gets an object is behind who gave it.
struct stack {
	rte_spinlock_t lock;
	unsigned count;
	void *objects[];
};

static int stack_alloc(struct rte_mempool *mp)
{
	struct stack *s = calloc(1, sizeof(*s) + mp->size * sizeof(s->objects[0]));

	mp->pool_data = s;
	return s != NULL ? 0 : -ENOMEM;
}

static void stack_free(struct rte_mempool *mp)
{
	free(mp->pool_data);
}

__attribute__((no_sanitize("thread"))) static int stack_put(
	struct rte_mempool *mp, void *const *objects, unsigned n)
{
	struct stack *s = mp->pool_data;

	for (unsigned i = 0; i < n; i++)
		__tsan_release(objects[i]);
	rte_spinlock_lock(&s->lock);
	for (unsigned i = 0; i < n; i++)
		s->objects[s->count++] = objects[i];
	rte_spinlock_unlock(&s->lock);
	return 0;
}

__attribute__((no_sanitize("thread"))) static int stack_get(
	struct rte_mempool *mp, void **objects, unsigned n)
{
	struct stack *s = mp->pool_data;
	int rc = -ENOBUFS;

	rte_spinlock_lock(&s->lock);
	if (s->count >= n) {
		for (unsigned i = 0; i < n; i++)
			objects[i] = s->objects[--s->count];
		rc = 0;
	}
	rte_spinlock_unlock(&s->lock);
	for (unsigned i = 0; rc == 0 && i < n; i++)
		__tsan_acquire(objects[i]);
	return rc;
}

__attribute__((no_sanitize("thread"))) static unsigned stack_count(const struct rte_mempool *mp)
{
	const struct stack *s = mp->pool_data;

	return s->count;
}

static const struct rte_mempool_ops ordered = {
	.name = "ordered",
	.alloc = stack_alloc,
	.free = stack_free,
	.enqueue = stack_put,
	.dequeue = stack_get,
	.get_count = stack_count,
};

RTE_MEMPOOL_REGISTER_OPS(ordered)

static struct launch {
	lcore_function_t *run;
	void *arg;
} launches[RTE_MAX_LCORE];

static int launched(void *arg)
{
	struct launch *l = arg;

	__tsan_acquire(l);
	const int rc = l->run(l->arg);

	__tsan_release(l);
	return rc;
}

int __real_rte_eal_remote_launch(lcore_function_t *run, void *arg, unsigned worker);
int __real_rte_eal_wait_lcore(unsigned worker);
int __wrap_rte_eal_remote_launch(lcore_function_t *run, void *arg, unsigned worker);
int __wrap_rte_eal_wait_lcore(unsigned worker);

int __wrap_rte_eal_remote_launch(lcore_function_t *run, void *arg, unsigned worker)
{
	struct launch *l = &launches[worker];

	*l = (struct launch){run, arg};
	__tsan_release(l);
	return __real_rte_eal_remote_launch(launched, l, worker);
}

int __wrap_rte_eal_wait_lcore(unsigned worker)
{
	const int rc = __real_rte_eal_wait_lcore(worker);

	__tsan_acquire(&launches[worker]);
	return rc;
}
