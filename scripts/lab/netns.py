# SPDX-License-Identifier: BSD-2-Clause
"""Entering network namespaces by name, and sockets that live in them."""

import contextlib
import ctypes
import errno
import os
import select
import socket
import subprocess

from .errors import LabError

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@contextlib.contextmanager
def inside(name):
    """Puts the calling thread, and the processes that it starts meanwhile, into a namespace.
    A socket made here stays there for good."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _setns(here)
    finally:
        os.close(here)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def open_socket(name, family, kind=socket.SOCK_STREAM, protocol=0):
    with inside(name):
        return socket.socket(family, kind, protocol)


def connect(name, address, port, timeout=3.0, source=None):
    """A TCP connection from inside a namespace; `source` is an (address, port) to bind to."""
    sock = open_socket(name, family_of(address))
    try:
        sock.settimeout(timeout)
        if source:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(source)
        sock.connect((address, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def ended(sock, seconds):
    """Waits for the end of a connection: "reset", "closed", or None if it stands. Asks the kernel,
    since Python's ssl reads a reset as an end like any other; unread bytes stay unread."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)  # and, unasked, POLLERR and POLLHUP
    found = poll.poll(1000 * seconds)
    if not found:
        return None
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return "reset" if error == errno.ECONNRESET else "closed"


def listen(name, address, port, backlog=512):
    sock = open_socket(name, family_of(address))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen(backlog)
    return sock


def sysctl(name, settings, optional=False):
    """Writes settings ("net.ipv6.conf.all.forwarding": 0) as a namespace sees them; `optional`
    ones only where the kernel has them."""
    with inside(name):
        for key, value in settings.items():
            path = "/proc/sys/" + key.replace(".", "/")
            if optional and not os.path.exists(path):
                continue
            with open(path, "w", encoding="ascii") as f:
                f.write(str(value))


def command(name, *argv, check=True, timeout=20):
    """Runs a short command in a namespace and returns what it printed."""
    with inside(name):
        done = subprocess.run(
            [*map(str, argv)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout,
        )
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(argv)} in {name}: {(done.stderr or done.stdout).strip()}")
    return done


def ip(name, lines):
    """Runs lines of iproute2's batch language in a namespace (None: where we are)."""
    where = ["-n", name] if name else []
    done = subprocess.run(
        ["ip", *where, "-batch", "-"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=30,
    )
    if done.returncode != 0:
        raise LabError(f"ip in {name or 'this namespace'}: {done.stderr.strip()}")


def pids(name):
    done = subprocess.run(
        ["ip", "netns", "pids", name], capture_output=True, text=True, timeout=30
    )
    return [int(p) for p in done.stdout.split()]
