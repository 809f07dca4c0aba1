// SPDX-License-Identifier: BSD-2-Clause
// Which CPUs a worker may be given.

#include "control/config/value.h"

#include <pthread.h>
#include <sched.h>

// The kernel's limit on x86 (CONFIG_NR_CPUS with MAXSMP).
#define MOST_CPUS 8192
#define SET_SIZE  CPU_ALLOC_SIZE(MOST_CPUS)

static cpu_set_t allowed[MOST_CPUS / CPU_SETSIZE];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void ask(void)
{
	// Whatever goes wrong here, CPU 0 is always there to be tried.
	if (sched_getaffinity(0, SET_SIZE, allowed) != 0)
		CPU_SET_S(0, SET_SIZE, allowed);
}

bool config_cpu_allowed(uint32_t cpu)
{
	pthread_once(&once, ask);
	return cpu < MOST_CPUS && CPU_ISSET_S(cpu, SET_SIZE, allowed);
}

uint32_t config_cpu_highest(void)
{
	for (uint32_t cpu = MOST_CPUS; cpu-- > 0;)
		if (config_cpu_allowed(cpu))
			return cpu;
	return 0;
}

void config_cpu_describe(struct config_words *w)
{
	for (uint32_t first = 0; first < MOST_CPUS; first++) {
		if (!config_cpu_allowed(first))
			continue;
		uint32_t last = first;
		while (config_cpu_allowed(last + 1))
			last++;
		char range[32];
		if (last > first)
			snprintf(range, sizeof(range), "%u-%u", first, last);
		else
			snprintf(range, sizeof(range), "%u", first);
		config_words_add(w, range);
		first = last;
	}
}
