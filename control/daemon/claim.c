// SPDX-License-Identifier: BSD-2-Clause
// Devices and addresses that must be ours alone. A second postern on the same devices would answer
// the first one's sessions with resets, and the kernel those of an address that it has as well.

#include "control/daemon/daemon.h"

#include "postern/log.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

LOG_SUBSYSTEM("start");

// What two device strings have in common if they are one device: the kernel's interface, or all up to
// the first comma.
static void device_name(const char *device, char *out, size_t size)
{
	const char *at = strstr(device, ",iface=");

	if (at != NULL)
		at += strlen(",iface=");
	else
		at = device;
	snprintf(out, size, "%.*s", (int)strcspn(at, ","), at);
}

// The process that listens on an abstract socket; 0 if it does not say.
static pid_t holder_of(const struct sockaddr_un *sa, socklen_t length)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred who = {0};
	socklen_t size = sizeof(who);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)sa, length) == 0)
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
	if (fd >= 0)
		close(fd);
	return who.pid;
}

// Names of abstract sockets (unix(7)) are a network namespace's own, as its interfaces are, and end
// with the process, however that ends. The descriptor is kept for that long.
static bool claim_device(const struct config_interface *f)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char name[96];

	device_name(f->device, name, sizeof(name));
	const int n = snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "postern/%s", name);
	const socklen_t length =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&sa, length) == 0 && listen(fd, 1) == 0)
		return true;
	const int error = errno;

	if (fd >= 0)
		close(fd);
	if (error == EADDRINUSE)
		LOG(ERROR,
			"interface %s: %s is in use by another postern (process %d); stop that "
			"one, or "
			"name another device",
			f->name, name, (int)holder_of(&sa, length));
	else
		LOG(ERROR, "interface %s: %s cannot be claimed: %s", f->name, name,
			strerror(error));
	return false;
}

unsigned claim_devices(const struct config *config)
{
	unsigned taken = 0;

	for (size_t i = 0; i < config->interfaces.count; i++)
		taken += !claim_device(&config->interfaces.items[i]);
	return taken;
}

static bool kernel_addr(const struct ifaddrs *i, struct postern_addr *out)
{
	if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET) {
		struct sockaddr_in sa;

		memcpy(&sa, i->ifa_addr, sizeof(sa));
		*out = postern_addr_from_v4(sa.sin_addr.s_addr);
		return true;
	}
	if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET6) {
		struct sockaddr_in6 sa;

		memcpy(&sa, i->ifa_addr, sizeof(sa));
		memcpy(out->bytes, &sa.sin6_addr, sizeof(out->bytes));
		return true;
	}
	return false;
}

// What postern answers on; the name is for people.
struct ours {
	const struct postern_addr *addr;
	const char *kind;
	const char *name;
};

static bool check_one(const struct ifaddrs *all, const struct ours *o)
{
	char text[POSTERN_ADDR_TEXT];
	struct postern_addr addr;

	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		if (!kernel_addr(i, &addr) || !postern_addr_equal(&addr, o->addr))
			continue;
		LOG(ERROR,
			"%s (%s %s) is the kernel's as well, on %s, which would refuse what comes "
			"for "
			"it; type: ip addr del %s dev %s",
			postern_addr_format(o->addr, text), o->kind, o->name, i->ifa_name,
			postern_addr_format(o->addr, text), i->ifa_name);
		return false;
	}
	return true;
}

unsigned claim_addresses(const struct config *config)
{
	struct ifaddrs *all = NULL;
	unsigned taken = 0;

	if (getifaddrs(&all) < 0)
		return 0;
	for (size_t i = 0; i < config->interfaces.count; i++) {
		const struct config_interface *f = &config->interfaces.items[i];

		for (size_t k = 0; k < f->addresses.count; k++)
			taken += !check_one(all,
				&(struct ours){&f->addresses.items[k].addr, "interface", f->name});
		for (size_t k = 0; k < f->translate_from.count; k++)
			taken += !check_one(all, &(struct ours){&f->translate_from.items[k],
							 "translate-from of", f->name});
	}
	for (size_t i = 0; i < config->services.count; i++) {
		const struct config_service *s = &config->services.items[i];

		for (size_t k = 0; k < s->listen.count; k++)
			taken += !check_one(all,
				&(struct ours){&s->listen.items[k].at.addr, "service", s->name});
	}
	for (size_t i = 0; i < config->outbound.count; i++) {
		const struct config_outbound *o = &config->outbound.items[i];

		for (size_t k = 0; k < o->translate_to.count; k++)
			taken += !check_one(all,
				&(struct ours){&o->translate_to.items[k], "outbound", o->name});
	}
	freeifaddrs(all);
	return taken;
}
