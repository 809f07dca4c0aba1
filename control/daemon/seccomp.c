// SPDX-License-Identifier: BSD-2-Clause
// The system calls that postern needs once it runs; all others fail with EPERM. They do not end the
// process: a library that meets a rare path then takes its way for errors, and who has found a way
// to trigger one cannot end everybody's sessions with it. A refused execve() is as good to us either
// way.

#include "control/daemon/daemon.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

// What was seen with every kind of port, and what libc and the kernel may use in place of it.
static const int allowed[] = {
	// waiting and time: the loops
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(epoll_create),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(eventfd),
	SCMP_SYS(eventfd2),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(futex),
	SCMP_SYS(sched_yield),
	SCMP_SYS(restart_syscall),
	// descriptors
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(preadv),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(pwritev),
	SCMP_SYS(close),
	SCMP_SYS(close_range),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(dup3),
	SCMP_SYS(fcntl),
	SCMP_SYS(lseek),
	SCMP_SYS(ioctl), // drivers have many requests
	SCMP_SYS(pipe),
	SCMP_SYS(pipe2),
	// the control socket, probes, memif, the service manager, the logger
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(bind),
	SCMP_SYS(connect),
	SCMP_SYS(listen),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(shutdown),
	// files: the configuration, certificates, the database
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(getcwd),
	SCMP_SYS(getdents64),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(chmod),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchown),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate),
	SCMP_SYS(fadvise64),
	SCMP_SYS(setxattr), // the access list of the control socket
	SCMP_SYS(getxattr),
	SCMP_SYS(lsetxattr),
	SCMP_SYS(lgetxattr),
	SCMP_SYS(lremovexattr),
	SCMP_SYS(removexattr),
	// memory
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(mlock),
	SCMP_SYS(mlock2),
	SCMP_SYS(munlock),
	SCMP_SYS(memfd_create), // memif's shared regions
	SCMP_SYS(mincore),
	SCMP_SYS(mbind),
	SCMP_SYS(get_mempolicy),
	SCMP_SYS(set_mempolicy),
	// ourselves
	SCMP_SYS(capget),
	SCMP_SYS(capset), // privilege_read()
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getppid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getgroups),
	SCMP_SYS(getresuid),
	SCMP_SYS(getresgid),
	SCMP_SYS(getrandom),
	SCMP_SYS(getrusage),
	SCMP_SYS(getcpu),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_setaffinity),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(rseq),
	SCMP_SYS(membarrier),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

// Calls that are allowed if one argument is right. The kernel may look at half of it only (an int)
// while the whole is compared here: that refuses too much, never too little.
struct checked {
	int call;
	unsigned argument;
	enum scmp_compare how;
	scmp_datum_t a, b;
};

#define IS(n)           SCMP_CMP_EQ, (n), 0
#define MASKED(mask, n) SCMP_CMP_MASKED_EQ, (mask), (n)

static const struct checked checked[] = {
	// Raw packets were asked for before.
	{SCMP_SYS(socket), 0, IS(AF_UNIX)},
	{SCMP_SYS(socket), 0, IS(AF_INET)},
	{SCMP_SYS(socket), 0, IS(AF_INET6)},
	{SCMP_SYS(socket), 0, IS(AF_NETLINK)},
	// Code is mapped from files (a library that libc loads when it is first needed), and never
	// written: no mapping is writable and executable, and none becomes executable.
	{SCMP_SYS(mmap), 2, MASKED(PROT_WRITE | PROT_EXEC, 0)},
	{SCMP_SYS(mmap), 2, MASKED(PROT_WRITE | PROT_EXEC, PROT_WRITE)},
	{SCMP_SYS(mmap), 2, MASKED(PROT_WRITE | PROT_EXEC, PROT_EXEC)},
	{SCMP_SYS(mprotect), 2, MASKED(PROT_EXEC, 0)},
	{SCMP_SYS(prctl), 0, IS(PR_SET_NAME)},
	// Limits are read and not set: there is no new one.
	{SCMP_SYS(prlimit64), 2, IS(0)},
};

static int add_one(scmp_filter_ctx filter, const struct checked *c)
{
	const struct scmp_arg_cmp compare = {c->argument, c->how, c->a, c->b};

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, c->call, 1, &compare);
}

static int add_checked(scmp_filter_ctx filter)
{
	// Signals go to ourselves alone: abort() and the end of threads.
	const struct checked ourselves = {SCMP_SYS(tgkill), 0, IS((scmp_datum_t)getpid())};
	int rc = add_one(filter, &ourselves);

	for (size_t i = 0; rc == 0 && i < sizeof(checked) / sizeof(checked[0]); i++)
		rc = add_one(filter, &checked[i]);
	return rc;
}

static int add_all(scmp_filter_ctx filter)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	return rc;
}

int seccomp_start(char *why, size_t size)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc = filter != NULL ? 0 : -ENOMEM;

	// For every thread, workers included; a search by halves instead of call by call.
	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = add_all(filter);
	if (rc == 0)
		rc = add_checked(filter);
	if (rc == 0)
		rc = seccomp_load(filter);
	if (filter != NULL)
		seccomp_release(filter);
	if (rc < 0)
		snprintf(why, size,
			"the filter of system calls could not be installed: %s; a kernel without "
			"seccomp wants \"seccomp: false\" under \"postern\"",
			strerror(-rc));
	return rc;
}
