// SPDX-License-Identifier: BSD-2-Clause
// EAL's start: the arguments follow from the configuration, and what the machine lacks is said
// with what to type.

#include "port/port.h"

#include "postern/log.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

LOG_SUBSYSTEM("port");

#define MAX_ARGS 128
#define ARG_SIZE 1280 // the longest argument that the file may give, or a list of 256 CPUs

// Bytes of EAL's memory for one packet buffer: 2048 of data room, 128 headroom, 128 mbuf, 64
// header of the pool's object, and a quarter more for the loss at page borders.
#define BUFFER_BYTES 3072u
// Rings, device queues and DPDK's own tables; the ring of a virtual device takes a few MB.
#define FIXED_MB 96u
// The rings of a worker: 8192 questions of 272 bytes are the largest.
#define WORKER_MB 4u

struct args {
	char text[MAX_ARGS][ARG_SIZE];
	char *argv[MAX_ARGS + 1];
	int argc;
	bool cut; // something did not fit
};

__attribute__((format(printf, 2, 3))) static void add(struct args *a, const char *format, ...)
{
	va_list args;

	if (a->argc == MAX_ARGS) {
		a->cut = true;
		return;
	}
	va_start(args, format);
	if (vsnprintf(a->text[a->argc], ARG_SIZE, format, args) >= ARG_SIZE)
		a->cut = true;
	va_end(args);
	a->argv[a->argc] = a->text[a->argc];
	a->argc++;
}

// A PCI address begins with its domain in hexadecimal and a colon; a virtual device's driver
// name ("net_tap0") has no colon before its first comma.
static bool is_pci(const char *device)
{
	return strcspn(device, ":") < strcspn(device, ",");
}

struct huge {
	unsigned page_kb;
	unsigned total, free; // pages
};

static struct huge huge_read(void)
{
	struct huge h = {.page_kb = 2048};
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		sscanf(line, "HugePages_Total: %u", &h.total);
		sscanf(line, "HugePages_Free: %u", &h.free);
		sscanf(line, "Hugepagesize: %u kB", &h.page_kb);
	}
	if (f != NULL)
		fclose(f);
	return h;
}

static bool any_pci(const struct postern_interface *interfaces, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (is_pci(interfaces[i].device))
			return true;
	return false;
}

// Decides on huge pages. Physical ports need them: without, EAL cannot tell a device where
// memory lies.
static int choose_huge(const struct postern_start *start, bool pci, unsigned need_mb, bool *huge,
	char *why, size_t size)
{
	const struct huge h = huge_read();
	const unsigned free_mb = (unsigned)((uint64_t)h.free * h.page_kb / 1024);
	const bool enough = free_mb >= need_mb;
	// The setting is a total, so what others use comes on top.
	const unsigned pages = h.total - h.free +
			       (unsigned)(((uint64_t)need_mb * 1024 + h.page_kb - 1) / h.page_kb);

	*huge = start->huge_pages != POSTERN_HUGE_OFF && enough;
	if (*huge)
		return 0;
	if (start->huge_pages == POSTERN_HUGE_REQUIRE || (pci && !enough)) {
		snprintf(why, size,
			"%u MB of huge pages are needed and %u MB are free; type: sysctl -w "
			"vm.nr_hugepages=%u",
			need_mb, free_mb, pages);
		return -ENOMEM;
	}
	if (pci) {
		snprintf(why, size,
			"a physical port needs huge pages, and \"huge-pages: off\" forbids them; "
			"set \"huge-pages: auto\" under \"dataplane\"");
		return -EINVAL;
	}
	if (start->huge_pages == POSTERN_HUGE_AUTO)
		LOG(NOTICE,
			"running without huge pages (%u MB wanted, %u MB free), which costs speed; "
			"for more type: sysctl -w vm.nr_hugepages=%u",
			need_mb, free_mb, pages);
	return 0;
}

// Lcore 0 is the control thread, free to run on every CPU that the process may use but the workers',
// unless there is no other; lcores 1 and following are the workers, bound to theirs.
static void add_lcores(struct args *a, const struct postern_start *start)
{
	char set[ARG_SIZE - 64];
	size_t used = 0;
	char workers[ARG_SIZE - 64];
	cpu_set_t cpus, others;

	CPU_ZERO(&cpus);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	others = cpus;
	for (unsigned i = 0; i < start->n_workers; i++)
		CPU_CLR(start->worker_cpus[i], &others);
	if (CPU_COUNT(&others) > 0)
		cpus = others;
	set[0] = '\0';
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && used < sizeof(set) - 8; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			used += (size_t)snprintf(
				set + used, sizeof(set) - used, "%s%u", used > 0 ? "," : "", cpu);
	used = 0;
	workers[0] = '\0';
	for (unsigned i = 0; i < start->n_workers; i++)
		used += (size_t)snprintf(workers + used, sizeof(workers) - used, ",%u@%u", i + 1,
			start->worker_cpus[i]);
	add(a, "--lcores=0@(%s)%s", set, workers);
}

int port_eal_start(const struct postern_start *start, const struct postern_interface *interfaces,
	unsigned n_interfaces, bool *huge, char *why, size_t size)
{
	const bool pci = any_pci(interfaces, n_interfaces);
	const unsigned computed = FIXED_MB + WORKER_MB * start->n_workers +
				  (unsigned)((uint64_t)start->buffers * BUFFER_BYTES >> 20);
	const unsigned memory = start->memory_mb != 0 ? start->memory_mb : computed;
	int rc = choose_huge(start, pci, memory, huge, why, size);

	if (rc < 0)
		return rc;
	// EAL keeps pointers into its arguments, so they live as long as the process.
	static struct args arguments;
	struct args *a = &arguments;

	add(a, "%s", start->program);
	add_lcores(a, start);
	add(a, "-m");
	add(a, "%u", memory);
	if (*huge) {
		add(a, "--in-memory");
	} else {
		// EAL refuses --in-memory together with --no-huge; --no-shconf is the part that
		// matters here: no files, so that several instances need no names.
		add(a, "--no-huge");
		add(a, "--no-shconf");
	}
	add(a, "--no-telemetry");
	add(a, "--log-level=warning");
	if (!pci)
		add(a, "--no-pci");
	for (unsigned i = 0; i < n_interfaces; i++)
		add(a, "%s%s", is_pci(interfaces[i].device) ? "--allow=" : "--vdev=",
			interfaces[i].device);
	for (unsigned i = 0; i < start->n_eal; i++)
		add(a, "%s", start->eal[i]);

	if (a->cut) {
		snprintf(why, size,
			"the arguments for EAL are too many or too long (%u at most, of %u bytes); "
			"shorten \"eal\" under \"dataplane\"",
			MAX_ARGS, ARG_SIZE - 1);
		return -E2BIG;
	}
	rc = rte_eal_init(a->argc, a->argv);
	if (rc >= 0)
		return 0;
	rc = rte_errno > 0 ? -rte_errno : -EIO;
	if (geteuid() != 0)
		snprintf(why, size,
			"DPDK did not start (%s); postern opens network devices and must be "
			"started "
			"by root",
			strerror(-rc));
	else
		snprintf(why, size,
			"DPDK did not start (%s); its own lines above say which device or argument "
			"it refused",
			strerror(-rc));
	return rc;
}
