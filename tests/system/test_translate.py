# SPDX-License-Identifier: BSD-2-Clause
"""UDP, destination translation, affinity and ranges of ports, with real traffic."""

import copy

import pytest

from conftest import quick
from lab import config, datagram, netns, stream
from lab import topology as t
from lab.postern import Postern
from lab.process import wait_until

UDP, SHORT, UDP_PLAIN, TCP_PLAIN, UDP_STICKY, TCP_STICKY = range(7001, 7007)
RANGE = range(50000, 50010)
NAMES = ("fe1", "fe2", "fe3")
VIRTUAL = [pytest.param(t.VIRTUAL4, id="IPv4"), pytest.param(t.VIRTUAL6, id="IPv6")]
PARTNER = {t.VIRTUAL4: t.PARTNER4, t.VIRTUAL6: t.PARTNER6}
FAR = {t.VIRTUAL4: t.FAR4, t.VIRTUAL6: t.FAR6}
FROM = {t.VIRTUAL4: {t.FROM4, t.FROM4B}, t.VIRTUAL6: {t.FROM6}}
SUFFIX = {t.VIRTUAL4: "", t.VIRTUAL6: "-v6"}  # of members' names in the pools
MEGABYTE = 1 << 20


def world(workers=1):
    c = quick()
    c["dataplane"]["workers"] = [config.worker_cpu()] * workers
    # Whoever speaks UDP is there as long as its TCP server is.
    probe = {
        "kind": "tcp", "port": config.STREAM_PORT, "interval": "500ms", "timeout": "400ms",
        "rise": 1, "fall": 2,
    }
    c["pools"].append(config.stream_pool(NAMES, UDP, "datagrams", probe=probe))
    times = {"opening": "3s", "closing": "1s", "reset": "1s"}
    udp = {"transport": "udp", "timeouts": times}
    plain = {"translate": "destination"}
    ports = f"{RANGE[0]}-{RANGE[-1]}"
    c["services"] += [
        config.service("udp", UDP, "datagrams", **udp),
        config.service(
            "short", SHORT, "datagrams", transport="udp", timeouts={"opening": "1s", "idle": "1s"}
        ),
        config.service("udp-plain", UDP_PLAIN, "datagrams", **udp, **plain),
        config.service("tcp-plain", TCP_PLAIN, "streams", timeouts=times, **plain),
        config.service("udp-sticky", UDP_STICKY, "datagrams", affinity="source", **udp),
        config.service("tcp-sticky", TCP_STICKY, "streams", affinity="source", timeouts=times),
        config.service("udp-range", ports, "datagrams", affinity="source", **udp, **plain),
        config.service("tcp-range", ports, "streams", affinity="source", timeouts=times, **plain),
    ]
    return c


@pytest.fixture(scope="module", autouse=True)
def datagrams(lab):
    """The members' datagram servers, on the port of their pool and on those of the range; and a
    TCP server on one of the range."""
    servers = []
    for name in NAMES:
        for address in (t.member4(name), t.member6(name)):
            ports = [UDP, *RANGE]
            servers.append(datagram.Server(lab.ns(name), address, ports, name))
            servers.append(stream.Server(lab.ns(name), address, RANGE[3], name))
    yield
    for server in servers:
        server.close()


@pytest.fixture(scope="module", autouse=True)
def gateway(lab):
    """postern is the members' default gateway."""
    for verb in ("add", "del"):
        for name in NAMES:
            netns.ip(
                lab.ns(name),
                [f"route {verb} default via {t.INSIDE4}", f"route {verb} ::/0 via {t.INSIDE6}"],
            )
        if verb == "add":
            yield


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def postern(request, lab, streams):
    running = Postern(lab, world(request.param))
    try:
        running.start()
        running.wait_all_up()
        yield running
        assert running.stop() == 0
    finally:
        running.discard()


@pytest.fixture
def send(lab, postern, clients):
    def go(address, port, source=None):
        c = datagram.Client(lab.ns("outside"), address, port, source and (source, 0))
        clients.append(c)
        return c

    return go


def only(postern, service):
    """The one session of a service."""
    (found,) = postern.all("session.list", service=service)
    return found


def gone(postern, service):
    return wait_until(lambda: not postern.all("session.list", service=service), 10, "no session")


@pytest.mark.parametrize("address", VIRTUAL)
def test_udp(postern, send, address):
    asked = [send(address, UDP) for _ in range(40)]
    answers = [c.ask() for c in asked]
    assert {name for name, *_ in answers} == set(NAMES)
    assert {seen for _, seen, *_ in answers} <= FROM[address]
    # A session stays with its member, and looks the same to it.
    assert [c.ask() for c in asked] == answers
    sizes = [c.ask(b"y" * 1300) for c in asked[:5]]
    assert sizes == answers[:5]


@pytest.mark.parametrize("address", VIRTUAL)
def test_udp_sessions_are_shown_and_end(postern, send, address):
    gone(postern, "short")
    client = send(address, SHORT)
    name, seen, port, _ = client.ask()
    shown = only(postern, "short")
    at = f"[{seen}]:{port}" if ":" in seen else f"{seen}:{port}"
    assert (shown["protocol"], shown["translated"]) == ("udp", at)
    assert shown["member"] == f"datagrams/{name}{SUFFIX[address]}"
    assert shown["client"].endswith(f":{client.port}")
    gone(postern, "short")
    assert client.ask()[0].startswith("fe")


@pytest.mark.parametrize("source", [PARTNER, FAR], ids=["neighbour", "far"])
@pytest.mark.parametrize("address", VIRTUAL)
def test_udp_to_members_that_see_their_clients(postern, send, address, source):
    asked = [send(address, UDP_PLAIN, source[address]) for _ in range(30)]
    answers = [c.ask() for c in asked]
    assert len({name for name, *_ in answers}) == len(NAMES)
    assert [(a, p) for _, a, p, _ in answers] == [(source[address], c.port) for c in asked]
    assert {to for *_, to in answers} == {UDP}
    assert [c.ask(b"y" * 1300) for c in asked] == answers


@pytest.mark.parametrize("source", [PARTNER, FAR], ids=["neighbour", "far"])
@pytest.mark.parametrize("address", VIRTUAL)
def test_tcp_to_members_that_see_their_clients(postern, dial, streams, address, source):
    held = [dial(address=address, port=TCP_PLAIN, source=(source[address], 0)) for _ in range(30)]
    assert len({c.member for c in held}) == len(NAMES)
    for client in held:
        server = streams[client.member + SUFFIX[address]]
        ends = {s.getpeername()[:2] for s in list(server.connections)}
        assert client.sock.getsockname()[:2] in ends
        assert client.name() == client.member
    shown = postern.all("session.list", service="tcp-plain", state="established", limit=1000)
    ports = {c.sock.getsockname()[1] for c in held}
    mine = [s for s in shown if int(s["client"].rpartition(":")[2]) in ports]
    assert len(mine) == len(held)
    assert all(s["translated"] == s["client"] and s["protocol"] == "tcp" for s in mine)
    assert held[0].up(MEGABYTE) == stream.digest(MEGABYTE)
    assert held[0].down(MEGABYTE) == stream.digest(MEGABYTE)


@pytest.mark.parametrize("address", VIRTUAL)
def test_affinity_by_source(postern, send, dial, address):
    for source in (PARTNER[address], FAR[address]):
        spoken = {send(address, UDP_STICKY, source).ask()[0] for _ in range(20)}
        dialled = {dial(address=address, port=TCP_STICKY, source=(source, 0)).member
                   for _ in range(20)}
        # Pools of the same members choose alike.
        assert len(spoken) == 1
        assert dialled == spoken


@pytest.mark.parametrize("address", VIRTUAL)
def test_range(postern, send, dial, address):
    source = FAR[address]
    asked = {port: send(address, port, source) for port in RANGE}
    answers = {port: c.ask() for port, c in asked.items()}
    assert len({name for name, *_ in answers.values()}) == 1
    for port, (_, seen, from_port, to) in answers.items():
        assert (seen, from_port, to) == (source, asked[port].port, port)
    client = dial(address=address, port=RANGE[3], source=(source, 0))
    assert client.member == answers[RANGE[3]][0]
    with pytest.raises(ConnectionRefusedError):
        dial(address=address, port=RANGE[-1] + 1)


def test_range_that_grows_keeps_its_sessions(postern, send, dial):
    udp, tcp = send(t.VIRTUAL4, RANGE[3]), dial(port=RANGE[3])
    before = udp.ask()
    wider = world(len(postern.config["dataplane"]["workers"]))
    for service in wider["services"]:
        service["listen"] = [a.replace(f"-{RANGE[-1]}", "-50100") for a in service["listen"]]
    kept = postern.config
    postern.write(wider)
    try:
        postern.reload()
        assert udp.ask() == before
        assert tcp.name() == tcp.member
    finally:
        postern.write(kept)
        postern.reload()


def test_services_are_shown(postern):
    listed = {s["name"]: s for s in postern.all("service.list")}
    assert (listed["udp"]["transport"], listed["udp"]["translate"]) == ("udp", "source")
    assert (listed["tcp-plain"]["transport"], listed["tcp-plain"]["translate"]) == (
        "tcp", "destination",
    )
    assert f"{t.VIRTUAL4}:50000-50009" in listed["udp-range"]["listen"]
    udp, tcp = (postern.call("service.show", service=s) for s in ("udp", "tcp-plain"))
    assert (udp["timeouts"]["idle-ms"], tcp["timeouts"]["idle-ms"]) == (300_000, 1_800_000)
    assert "50000-50009" in postern.ctl("service", "list").stdout


def test_warnings_are_told(postern):
    bad = copy.deepcopy(postern.config)
    bad["services"].append(config.service("psom", 8057, "streams"))
    kept = postern.config
    told = len(postern.call("config.check")["warnings"])
    postern.write(bad)
    try:
        for method in ("config.check", "config.reload"):
            warnings = postern.call(method)["warnings"]
            assert len(warnings) == told + 2
            assert "PSOM" in warnings[-1]["what"]
        assert "PSOM" in postern.ctl("config", "check").stdout
        assert "PSOM" in postern.process.log()
    finally:
        postern.write(kept)
        postern.reload()
