# SPDX-License-Identifier: BSD-2-Clause
"""Programs that the lab starts, each a process group of its own with a log file, and waiting
for what they do."""

import os
import select
import signal
import subprocess
import time

from . import netns
from .errors import LabError


def wait_until(check, seconds, what, every=0.02):
    """Calls `check` until it answers something true, and returns that. For states that nobody
    announces; the deadline is a bound on failure, not a duration."""
    end = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > end:
            raise LabError(f"{what}: not within {seconds:g} s")
        time.sleep(every)


class Process:
    """A program in a namespace. Its output goes to FOLDER/NAME.log."""

    def __init__(self, name, namespace, argv, folder, env=None, stdin=subprocess.DEVNULL):
        self.name = name
        self.namespace = namespace
        self.log_path = folder / f"{name}.log"
        self.stopped = False
        with open(self.log_path, "ab") as log:
            self.log_start = log.tell()
            # "ip netns exec" also gives the program the namespace's own resolv.conf.
            self.popen = subprocess.Popen(
                ["ip", "netns", "exec", namespace, *map(str, argv)],
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )

    @property
    def pid(self):
        return self.popen.pid

    @property
    def running(self):
        return self.popen.poll() is None

    def log(self):
        try:
            with open(self.log_path, "rb") as f:
                f.seek(self.log_start)
                return f.read().decode(errors="replace")
        except FileNotFoundError:
            return "(the log has gone with the run's folder)"

    def tail(self, lines=15):
        return "\n".join(self.log().splitlines()[-lines:])

    def signal(self, number):
        """To the whole group: Kamailio is several processes."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def wait(self, seconds):
        """Waits for the end of the program and returns its exit code, or None."""
        if self.popen.poll() is None:
            fd = os.pidfd_open(self.pid)
            try:
                select.select([fd], [], [], seconds)
            finally:
                os.close(fd)
        return self.popen.poll()

    def wait_ready(self, check, seconds):
        """Waits until `check` answers; says what the log has when the program dies instead."""

        def alive():
            if not self.running:
                raise LabError(f"{self.name} ended with {self.popen.returncode}:\n{self.tail()}")
            return check()

        try:
            return wait_until(alive, seconds, f"{self.name} ready")
        except LabError as e:
            raise LabError(f"{e}\n{self.tail()}") from None

    def pause(self):
        self.stopped = True
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.stopped = False
        self.signal(signal.SIGCONT)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def stop(self, seconds=3.0):
        """Asks the program to end, then makes it; returns its exit code."""
        if self.popen.stdin:
            self.popen.stdin.close()
        if self.running:
            if self.stopped:
                self.resume()
            self.signal(signal.SIGTERM)
            if self.wait(seconds) is None:
                self.kill()
        self.signal(signal.SIGKILL)  # what the program left of its group
        return self.popen.wait()


def can_connect(namespace, address, port):
    """A check for wait_ready(): somebody accepts connections there."""

    def check():
        try:
            netns.connect(namespace, address, port, timeout=1.0).close()
            return True
        except OSError:
            return False

    return check
