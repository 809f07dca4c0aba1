# SPDX-License-Identifier: BSD-2-Clause
"""The system tests' world: one laboratory for all of them, one postern a module. The build folder
under test is POSTERN_BUILD (default: build)."""

import os
import pathlib
import resource
import signal
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True

import lab as laboratory  # noqa: E402
from lab import config, sip, stream  # noqa: E402
from lab import topology as t  # noqa: E402
from lab.postern import Postern  # noqa: E402

# A full table is more descriptors than a process may have by default.
FILES = 16384


def pytest_configure(config):
    def interrupted(*_):
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failure comes with what postern had to say, and who of the others has died."""
    report = (yield).get_result()
    if not report.failed:
        return
    for p in Postern.running:
        report.sections.append((f"{p.name}'s log", p.process.tail(40)))
    world = item.funcargs.get("lab")
    for server in (world.partner, world.dns, *world.members.values()) if world else ():
        if server.process and not server.process.running:
            report.sections.append((f"{server.process.name} is dead", server.process.tail(20)))


@pytest.fixture(scope="session")
def lab():
    if os.geteuid() != 0:
        pytest.exit("the system tests make network namespaces and must be run by root", 1)
    try:
        t.build_folder()
        with laboratory.Lab() as world:
            yield world
    except laboratory.LabError as e:
        pytest.exit(str(e), 1)


@pytest.fixture(scope="session")
def streams(lab):
    """The lab's own byte servers, one a member and family: {"fe1": Server, "fe1-v6": ...}."""
    servers = {}
    for name in lab.member_names:
        for suffix, address in (("", t.member4(name)), ("-v6", t.member6(name))):
            servers[name + suffix] = stream.Server(
                lab.ns(name), address, config.STREAM_PORT, name
            )
    yield servers
    for server in servers.values():
        server.close()


def quick():
    """The lab's default configuration, with times that a test can wait for."""
    c = config.default()
    for service in c["services"]:
        service["timeouts"] = {"opening": "3s", "idle": "30m", "closing": "1s", "reset": "1s"}
    return c


@pytest.fixture(scope="module")
def postern(lab, streams):
    running = Postern(lab, quick())
    try:
        running.start()
        running.wait_all_up()
        yield running
        assert running.stop() == 0
    finally:
        running.discard()


@pytest.fixture
def start(lab, streams):
    """Starts a postern for one test: start(config)."""
    running = []

    def begin(c, wait=True):
        p = Postern(lab, c)
        running.append(p)
        p.start()
        if wait:
            p.wait_all_up()
        return p

    yield begin
    codes = [p.stop() for p in running if p.process.running]
    for p in running:
        p.discard()
    assert set(codes) <= {0}


@pytest.fixture(scope="session")
def tls(lab):
    return sip.context(lab.folder)


@pytest.fixture
def clients():
    """Connections that a test opened; closed at its end."""
    opened = []
    yield opened
    for c in opened:
        c.close()


@pytest.fixture
def dial(lab, clients):
    """Opens byte connections to the virtual address: dial(count, address)."""

    def go(count=1, address=t.VIRTUAL4, port=config.STREAM_PORT, source=None, timeout=5.0):
        new = []
        for _ in range(count):
            c = stream.Client(lab.ns("outside"), address, port, timeout=timeout, source=source)
            clients.append(c)
            c.member = c.name()
            new.append(c)
        return new if count > 1 else new[0]

    return go


@pytest.fixture
def call(lab, tls, clients):
    """Opens TLS sessions to the SIP servers: call(count, address)."""

    def go(count=1, address=t.VIRTUAL4, source=None):
        new = []
        for _ in range(count):
            s = sip.Session(lab.ns("outside"), address, tls, source=source)
            clients.append(s)
            s.options()
            new.append(s)
        return new if count > 1 else new[0]

    return go


@pytest.fixture
def user(lab):
    u = sip.User(lab.ns("outside"))
    yield u
    u.close()
