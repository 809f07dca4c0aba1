# SPDX-License-Identifier: BSD-2-Clause
"""postern under a service manager: what it says of itself, and that it is alive only while it is."""

import os
import re
import signal
import socket
import subprocess
import time

import pytest

from conftest import ROOT, quick
from lab.postern import Postern, RpcError
from lab.process import wait_until

WATCHDOG_US = 2_000_000


class Manager:
    """The manager's end of NOTIFY_SOCKET."""

    def __init__(self, path):
        self.path = path
        path.unlink(missing_ok=True)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(path))
        self.seen = []

    def hear(self):
        self.sock.settimeout(0.05)
        try:
            while True:
                self.seen += self.sock.recv(4096).decode().split("\n")
        except TimeoutError:
            return self.seen

    def wait_for(self, pattern, seconds=10):
        """Waits for a line, forgets all up to it, and returns it."""

        def check():
            for n, line in enumerate(self.hear()):
                if re.fullmatch(pattern, line):
                    del self.seen[: n + 1]
                    return line
            return None

        return wait_until(check, seconds, pattern)


@pytest.fixture
def manager(lab, streams, monkeypatch):
    m = Manager(lab.folder / "notify.sock")
    monkeypatch.setenv("NOTIFY_SOCKET", str(m.path))
    monkeypatch.setenv("WATCHDOG_USEC", str(WATCHDOG_US))
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    yield m
    m.sock.close()


def test_ready_reload_stop(manager, start):
    p = start(quick())
    manager.wait_for("READY=1")
    manager.wait_for(r"STATUS=12 of 12 members up, 0 sessions")
    manager.wait_for("WATCHDOG=1")
    p.reload()
    manager.wait_for("RELOADING=1")
    manager.wait_for(r"MONOTONIC_USEC=\d+")
    manager.wait_for("READY=1")
    p.write_text("nonsense")
    with pytest.raises(RpcError):
        p.reload()
    manager.wait_for("RELOADING=1")
    manager.wait_for("READY=1")
    p.call("member.set", member="streams/fe1", state="maint")
    manager.wait_for(r"STATUS=.*; member .*fe1.*")
    assert p.stop() == 0
    manager.wait_for("STOPPING=1")


def test_nothing_is_said_before_it_is_ready(manager, lab):
    c = quick()
    c["interfaces"][0]["device"] = "net_af_packet0,iface=nosuch0"
    p = Postern(lab, c, name="refused")
    assert p.launch().wait(30) not in (None, 0)
    p.discard()
    assert "READY=1" not in manager.hear()


def worker_threads(pid):
    tasks = f"/proc/{pid}/task"
    names = {t: open(f"{tasks}/{t}/comm").read().strip() for t in os.listdir(tasks)}
    return [int(t) for t, name in names.items() if re.match(r"(rte|lcore)-worker", name)]


def stop_thread(tid):
    """Stops one thread of a process alone, as a hang would: a tracer seizes it and goes on doing
    nothing."""
    tracer = subprocess.Popen(
        ["strace", "-q", "-p", str(tid), "-e", "trace=all", "-e", "inject=all:delay_enter=60s"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    return tracer


def test_a_worker_that_hangs_silences_the_watchdog(manager, start):
    p = start(quick())
    manager.wait_for("READY=1")
    manager.wait_for("WATCHDOG=1")
    (worker,) = worker_threads(p.process.pid)
    tracer = stop_thread(worker)
    try:
        wait_until(lambda: "worker 0 does not turn" in p.process.log(), 20, "the complaint")
        manager.hear()
        manager.seen.clear()
        # The control loop goes on, and is asked several times over what two looks would take.
        end = time.monotonic() + 2 * WATCHDOG_US / 1e6
        while time.monotonic() < end:
            assert p.call("status.show")
            assert "WATCHDOG=1" not in manager.hear()
    finally:
        tracer.send_signal(signal.SIGKILL)
        tracer.wait()
    manager.wait_for("WATCHDOG=1", 20)


def test_log_to_syslog(lab, start):
    """Where the machine has no logger the test is it."""
    path = "/dev/log"
    if os.path.exists(path):
        pytest.skip("this machine has a logger")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as logger:
        logger.bind(path)
        try:
            logger.settimeout(10)
            c = quick()
            c["postern"]["log"] = "syslog"
            p = start(c, wait=False)
            lines = []
            while not any("ready; control socket" in line for line in lines):
                lines.append(logger.recv(4096).decode())
            assert re.match(r"<29>\w{3} [ \d]\d \d\d:\d\d:\d\d postern\[\d+\]: ", lines[-1])
            assert "ready; control socket" not in p.process.log()
        finally:
            os.unlink(path)


def test_unit_file():
    """It names what is installed and what exists."""
    text = (ROOT / "scripts" / "postern.service").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"\[\w+\]|[A-Z]\w+=.+", line) for line in lines)
    assert "Type=notify" in lines
    assert "ExecStart=@bindir@/postern -c /etc/postern/postern.yaml" in lines
