// SPDX-License-Identifier: BSD-2-Clause
// What packetdrill asks of a stack that it loads as a shared object (--so_filename): a table of functions
// in this order, filled in by packetdrill_interface_init(). Each takes `userdata` first and is otherwise
// what its namesake of POSIX is; netdev_* carry IP packets.

#pragma once

#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>

struct packetdrill_interface {
	void *userdata;
	void (*free)(void *u);
	int (*socket)(void *u, int domain, int type, int protocol);
	int (*bind)(void *u, int fd, const struct sockaddr *a, socklen_t n);
	int (*listen)(void *u, int fd, int backlog);
	int (*accept)(void *u, int fd, struct sockaddr *a, socklen_t *n);
	int (*connect)(void *u, int fd, const struct sockaddr *a, socklen_t n);
	ssize_t (*read)(void *u, int fd, void *bytes, size_t n);
	ssize_t (*readv)(void *u, int fd, const struct iovec *iov, int n);
	ssize_t (*recv)(void *u, int fd, void *bytes, size_t n, int flags);
	ssize_t (*recvfrom)(void *u, int fd, void *bytes, size_t n, int flags, struct sockaddr *a,
		socklen_t *size);
	ssize_t (*recvmsg)(void *u, int fd, struct msghdr *m, int flags);
	ssize_t (*write)(void *u, int fd, const void *bytes, size_t n);
	ssize_t (*writev)(void *u, int fd, const struct iovec *iov, int n);
	ssize_t (*send)(void *u, int fd, const void *bytes, size_t n, int flags);
	ssize_t (*sendto)(void *u, int fd, const void *bytes, size_t n, int flags,
		const struct sockaddr *a, socklen_t size);
	ssize_t (*sendmsg)(void *u, int fd, const struct msghdr *m, int flags);
	int (*fcntl)(void *u, int fd, int command, ...);
	int (*ioctl)(void *u, int fd, unsigned long request, ...);
	int (*close)(void *u, int fd);
	int (*shutdown)(void *u, int fd, int how);
	int (*getsockopt)(void *u, int fd, int level, int name, void *value, socklen_t *n);
	int (*setsockopt)(void *u, int fd, int level, int name, const void *value, socklen_t n);
	int (*poll)(void *u, struct pollfd *fds, nfds_t n, int timeout);
	// An IP packet for the stack. 0 or -1.
	int (*netdev_send)(void *u, const void *bytes, size_t n);
	// Waits for the next packet of the stack. *n: room, then bytes, 0 for none.
	int (*netdev_receive)(void *u, void *bytes, size_t *n, long long *time_us);
	int (*usleep)(void *u, useconds_t us);
	int (*gettimeofday)(void *u, struct timeval *tv, struct timezone *zone);
	int (*epoll_create)(void *u, int size);
	int (*epoll_ctl)(void *u, int epoll, int what, int fd, struct epoll_event *e);
	int (*epoll_wait)(void *u, int epoll, struct epoll_event *e, int n, int timeout);
	int (*pipe)(void *u, int fds[2]);
	int (*splice)(
		void *u, int in, loff_t *in_at, int out, loff_t *out_at, size_t n, unsigned flags);
};

// Exported by the shared object; `flags` are --so_flags, or NULL.
void packetdrill_interface_init(const char *flags, struct packetdrill_interface *table);
