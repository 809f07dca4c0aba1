# SPDX-License-Identifier: BSD-2-Clause
"""Who owns which namespaces and files. Each run has a folder /run/postern-lab/ID and holds a lock
on a file in it for as long as it lives; the kernel lets go of the lock however the run ends. A
folder whose lock is free belongs to a dead run, and whatever carries its ID is removed."""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import time

from . import netns

BASE = pathlib.Path("/run/postern-lab")
GATE = pathlib.Path("/run/postern-lab.lock")
PREFIX = "postern-lab-"
NETNS = pathlib.Path("/run/netns")
ETC = pathlib.Path("/etc/netns")


@contextlib.contextmanager
def gate(path=GATE):
    """One at a time, machine-wide. The file is removed by whoever leaves last, so a lock counts
    only while the path still names the file that was locked."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            if os.stat(path).st_ino == os.fstat(fd).st_ino:
                break
        except FileNotFoundError:
            pass
        os.close(fd)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        os.close(fd)


def _lock(folder):
    """The run's lock, or None if its owner lives."""
    fd = os.open(folder / "owner", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


PR_SET_CHILD_SUBREAPER = 36  # of linux/prctl.h


def _adopt_orphans():
    """Children of a program that was killed come to us, not to init, so that we can bury them."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _bury():
    """Takes the exit codes of all that have ended; every program has been stopped by now."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


class Owner:
    """This run's folder and name; a context manager."""

    def __enter__(self):
        _adopt_orphans()
        with gate():
            sweep()
            self.id = f"{os.getpid()}-{secrets.token_hex(2)}"
            self.folder = BASE / self.id
            self.folder.mkdir(parents=True, mode=0o700)
            self.lock = _lock(self.folder)
        return self

    def namespace(self, short):
        return f"{PREFIX}{self.id}-{short}"

    def __exit__(self, *_):
        with gate():
            remove(self.id)
            _bury()
            os.close(self.lock)
            with contextlib.suppress(OSError):
                BASE.rmdir()


def _namespaces(prefix):
    if not NETNS.is_dir():
        return []
    return sorted(p.name for p in NETNS.iterdir() if p.name.startswith(prefix))


def _run_of(namespace):
    return namespace.removeprefix(PREFIX).rpartition("-")[0]


def remove(run):
    """Removes the processes, namespaces and files of a run."""
    names = _namespaces(f"{PREFIX}{run}-")
    end = time.monotonic() + 5
    while any([_kill(name) for name in names]) and time.monotonic() < end:
        time.sleep(0.01)
    for name in names:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=30)
        shutil.rmtree(ETC / name, ignore_errors=True)
    with contextlib.suppress(OSError):
        ETC.rmdir()
    shutil.rmtree(BASE / run, ignore_errors=True)


def _kill(name):
    found = [p for p in netns.pids(name) if p != os.getpid()]
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


def sweep():
    """Removes what dead runs left; called inside the gate."""
    from . import hugepages

    living = set()
    for folder in BASE.iterdir() if BASE.is_dir() else ():
        lock = _lock(folder)
        if lock is None:
            living.add(folder.name)
            continue
        hugepages.restore_for(folder)
        remove(folder.name)
        os.close(lock)
    for run in {_run_of(name) for name in _namespaces(PREFIX)} - living:
        remove(run)
