// SPDX-License-Identifier: BSD-2-Clause
// Whether an interface has a link. The driver for af_packet always says yes, so the kernel is asked
// about the interface below.

#include "control/alarm/alarm.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void kernel_name(const char *device, char out[static ALARM_LINK_NAME])
{
	const char *at = device != NULL ? strstr(device, ",iface=") : NULL;

	out[0] = '\0';
	if (at == NULL || strncmp(device, "net_af_", strlen("net_af_")) != 0)
		return;
	at += strlen(",iface=");
	snprintf(out, ALARM_LINK_NAME, "%.*s", (int)strcspn(at, ","), at);
}

static enum alarm_link_state ask_kernel(const char *name)
{
	struct ifreq request = {0};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return ALARM_LINK_UP; // nothing is known that speaks against it
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	const int err = ioctl(fd, SIOCGIFFLAGS, &request) < 0 ? errno : 0;

	close(fd);
	if (err == ENODEV)
		return ALARM_LINK_GONE;
	if (err != 0)
		return ALARM_LINK_UP;
	if (!(request.ifr_flags & IFF_UP))
		return ALARM_LINK_SHUT;
	return request.ifr_flags & IFF_RUNNING ? ALARM_LINK_UP : ALARM_LINK_DOWN;
}

enum alarm_link_state alarm_link_read(const struct postern_dataplane *dp,
	const struct config_interface *interface, uint16_t index,
	char kernel[static ALARM_LINK_NAME])
{
	struct postern_port_info info = {0};

	kernel_name(interface->device, kernel);
	const enum alarm_link_state below = kernel[0] != '\0' ? ask_kernel(kernel) : ALARM_LINK_UP;

	if (below != ALARM_LINK_UP)
		return below;
	if (postern_port_read(dp, index, &info) != 0)
		return ALARM_LINK_UNKNOWN;
	return info.up ? ALARM_LINK_UP : ALARM_LINK_DOWN;
}
