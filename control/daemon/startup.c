// SPDX-License-Identifier: BSD-2-Clause
// Looks before the start whether this machine can run the configuration, and teaches: each obstacle
// is named with what to type. Huge pages are looked at by the dataplane, which knows its need.

#include "control/daemon/daemon.h"

#include "postern/log.h"

#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

LOG_SUBSYSTEM("start");

static unsigned check_cpus(const struct config *c)
{
	const cpu_set_t *allowed = NULL;
	unsigned obstacles = 0;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		allowed = &set;
	for (size_t i = 0; allowed != NULL && i < c->dataplane.workers.count; i++) {
		const uint32_t cpu = c->dataplane.workers.items[i];

		if (cpu < CPU_SETSIZE && CPU_ISSET(cpu, allowed))
			continue;
		LOG(ERROR,
			"CPU %u of \"workers\" may not be used by this process (taskset or "
			"cgroup); "
			"\"taskset -p $$\" shows which may",
			cpu);
		obstacles++;
	}
	if (allowed != NULL && (size_t)CPU_COUNT(allowed) <= c->dataplane.workers.count)
		LOG(WARNING, "no CPU is left for control: it shares one with a worker, so probes "
			     "and the "
			     "socket answer late under load; take one off \"workers\"");
	return obstacles;
}

// Opening packet sockets, TAP devices and PCI devices wants CAP_NET_ADMIN, CAP_NET_RAW and more;
// effective capabilities stand in /proc/self/status as a mask.
static unsigned check_permissions(void)
{
	unsigned long long mask = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "re");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		sscanf(line, "CapEff: %llx", &mask);
	if (f != NULL)
		fclose(f);
	const unsigned long long need = 1ull << CAP_NET_ADMIN | 1ull << CAP_NET_RAW;

	if ((mask & need) == need)
		return 0;
	LOG(ERROR, "network devices cannot be opened without CAP_NET_ADMIN and CAP_NET_RAW; start "
		   "postern as root, or type: setcap cap_net_admin,cap_net_raw,cap_ipc_lock+ep "
		   "PATH/postern");
	return 1;
}

// The value of "key=" in a device string, or an empty text.
static void device_argument(const char *device, const char *key, char *out, size_t size)
{
	const char *at = strstr(device, key);

	out[0] = '\0';
	if (at == NULL || (at > device && at[-1] != ','))
		return;
	at += strlen(key);
	snprintf(out, size, "%.*s", (int)strcspn(at, ","), at);
}

static unsigned check_af_packet(const struct config_interface *f)
{
	char name[IFNAMSIZ + 1];
	struct ifreq request = {0};

	device_argument(f->device, "iface=", name, sizeof(name));
	if (name[0] == '\0') {
		LOG(ERROR,
			"interface %s: an af_packet device names its network interface: "
			"\"net_af_packet0,iface=eth1\"",
			f->name);
		return 1;
	}
	if (strlen(name) >= IFNAMSIZ || if_nametoindex(name) == 0) {
		LOG(ERROR,
			"interface %s: this network namespace has no interface %s; \"ip link\" "
			"lists "
			"them",
			f->name, name);
		return 1;
	}
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%.*s", IFNAMSIZ - 1, name);
	if (fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0 && !(request.ifr_flags & IFF_UP))
		LOG(WARNING, "interface %s: %s is down; type: ip link set %s up", f->name, name,
			name);
	const bool has_mtu = fd >= 0 && ioctl(fd, SIOCGIFMTU, &request) == 0;

	if (fd >= 0)
		close(fd);
	// The driver does not look: what is larger than the kernel's MTU vanishes when it is sent.
	const uint32_t wanted = f->mtu != 0 ? f->mtu : 1500;

	if (has_mtu && (uint32_t)request.ifr_mtu < wanted) {
		LOG(ERROR,
			"interface %s: %s has an MTU of %d; write \"mtu: %d\" for the interface, "
			"or type: ip link set %s mtu %u",
			f->name, name, request.ifr_mtu, request.ifr_mtu, name, wanted);
		return 1;
	}
	return 0;
}

static unsigned check_tap(const struct config_interface *f)
{
	if (access("/dev/net/tun", R_OK | W_OK) == 0)
		return 0;
	LOG(ERROR, "interface %s: /dev/net/tun: %s; type: modprobe tun", f->name, strerror(errno));
	return 1;
}

static unsigned check_pci(const struct config_interface *f)
{
	char path[320];
	char driver[320];
	struct stat st;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.*s", (int)strcspn(f->device, ","),
		f->device);
	if (stat(path, &st) < 0) {
		LOG(ERROR,
			"interface %s: no PCI device %s; \"dpdk-devbind.py --status\" lists them, "
			"with "
			"the domain in front (0000:01:00.0)",
			f->name, f->device);
		return 1;
	}
	snprintf(driver, sizeof(driver), "%.300s/driver", path);
	if (stat(driver, &st) < 0) {
		LOG(ERROR,
			"interface %s: PCI device %s has no driver; type: dpdk-devbind.py "
			"--bind=vfio-pci %s",
			f->name, f->device, f->device);
		return 1;
	}
	return 0;
}

static unsigned check_device(const struct config_interface *f)
{
	if (strncmp(f->device, "net_af_packet", strlen("net_af_packet")) == 0)
		return check_af_packet(f);
	if (strncmp(f->device, "net_tap", strlen("net_tap")) == 0)
		return check_tap(f);
	if (strcspn(f->device, ":") < strcspn(f->device, ","))
		return check_pci(f);
	return 0;
}

void log_place(const struct config *c)
{
	postern_log_set_level((enum postern_log_level)c->postern.log_level);
	postern_log_set_syslog(c->postern.log == CONFIG_LOG_SYSLOG ? POSTERN_SYSLOG : NULL);
}

unsigned startup_check(const struct config *config)
{
	unsigned obstacles = check_cpus(config) + check_permissions();

	for (size_t i = 0; i < config->interfaces.count; i++)
		obstacles += check_device(&config->interfaces.items[i]);
	// What belongs to others is looked at last: a claim is kept.
	return obstacles > 0 ? obstacles : claim_devices(config) + claim_addresses(config);
}

void startup_warn(const struct config *c)
{
	for (size_t i = 0; i < c->warnings.list.count; i++) {
		char *text = config_error_text(c->file, &c->warnings.list.items[i]);

		LOG(WARNING, "%s", text != NULL ? text : "out of memory");
		free(text);
	}
}
