# SPDX-License-Identifier: BSD-2-Clause
"""What members start themselves through postern, their default gateway: routed and translated; and
what reaches a routed member at its own address."""

import copy
import socket

import pytest

from conftest import quick
from lab import config, datagram, netns, stream
from lab import topology as t
from lab.process import wait_until
from lab.postern import Postern

OUT, CLOSED, MEDIA = 7201, 7202, 50000
NAMES = ("fe1", "fe2", "fe3")
FAMILIES = [pytest.param(4, id="IPv4"), pytest.param(6, id="IPv6")]
HOSTS = {4: {"neighbour": t.PARTNER4, "far": t.FAR4}, 6: {"neighbour": t.PARTNER6, "far": t.FAR6}}
SNAT = {4: "203.0.113.25", 6: "2001:db8:0:1::25"}
NETWORKS = ["203.0.113.0/24", "198.51.100.0/24", "2001:db8::/32"]
MEGABYTE = 1 << 20


def member(name, family):
    return t.member4(name) if family == 4 else t.member6(name)


def world(mode, workers):
    c = quick()
    c["dataplane"]["workers"] = [config.worker_cpu()] * workers
    rule = {"name": "out", "pools": ["streams"], "mode": mode, "tcp": [OUT], "udp": [OUT]}
    rule["timeouts"] = {"opening": "3s", "closing": "1s", "reset": "1s"}
    if mode == "route":
        rule.update({"to": NETWORKS, "inbound-tcp": MEDIA, "inbound-udp": f"{MEDIA}-{MEDIA + 9}"})
    else:
        rule["translate-to"] = [SNAT[4], SNAT[6]]
    c["outbound"] = [rule]
    return c


@pytest.fixture(scope="module", autouse=True)
def gateway(lab):
    """postern is the members' default gateway, and the way to them from outside."""
    ways = {
        name: [f"default via {t.INSIDE4}", f"::/0 via {t.INSIDE6}"] for name in NAMES
    } | {"outside": [f"10.0.0.0/24 via {t.OWN4}", f"fd00:0:0:1::/64 via {t.OWN6}"]}
    for verb in ("add", "del"):
        for name, routes in ways.items():
            netns.ip(lab.ns(name), [f"route {verb} {route}" for route in routes])
        if verb == "add":
            yield


@pytest.fixture(scope="module", autouse=True)
def hosts(lab):
    """Servers outside, on a port that the rules allow and one that they do not, and on the members'
    media ports."""
    servers, listening = [], {}
    for family in (4, 6):
        for where, address in HOSTS[family].items():
            for port in (OUT, CLOSED):
                one = stream.Server(lab.ns("outside"), address, port, where)
                servers.append(one)
                listening[family, where, port] = one
            servers.append(datagram.Server(lab.ns("outside"), address, [OUT, CLOSED], where))
        for name in NAMES:
            at = member(name, family)
            servers.append(stream.Server(lab.ns(name), at, MEDIA, name))
            servers.append(datagram.Server(lab.ns(name), at, [MEDIA + 9], name))
    yield listening
    for server in servers:
        server.close()


@pytest.fixture(
    scope="module", params=[(m, w) for m in ("route", "translate") for w in (1, 2)],
    ids=lambda p: f"{p[0]} {p[1]} worker{'s' * (p[1] > 1)}",
)
def postern(request, lab, streams):
    running = Postern(lab, world(*request.param))
    running.mode = request.param[0]
    try:
        running.start()
        running.wait_all_up()
        yield running
        assert running.stop() == 0
    finally:
        running.discard()


def seen_as(postern, name, family):
    return member(name, family) if postern.mode == "route" else SNAT[family]


@pytest.mark.parametrize("where", ["neighbour", "far"])
@pytest.mark.parametrize("family", FAMILIES)
def test_tcp(lab, postern, hosts, clients, family, where):
    server = hosts[family, where, OUT]
    for name in NAMES:
        held = [
            stream.Client(lab.ns(name), HOSTS[family][where], OUT, timeout=10) for _ in range(8)
        ]
        clients.extend(held)
        assert {c.name() for c in held} == {where}
        with server.lock:
            peers = {s.getpeername()[:2] for s in server.connections}
        known = [p for a, p in peers if a == seen_as(postern, name, family)]
        assert len(known) >= len(held)
        if postern.mode == "route":
            assert {c.sock.getsockname()[1] for c in held} <= set(known)
    assert held[0].up(MEGABYTE) == stream.digest(MEGABYTE)
    assert held[0].down(MEGABYTE) == stream.digest(MEGABYTE)


@pytest.mark.parametrize("where", ["neighbour", "far"])
@pytest.mark.parametrize("family", FAMILIES)
def test_udp(lab, postern, clients, family, where):
    for name in NAMES:
        asked = [datagram.Client(lab.ns(name), HOSTS[family][where], OUT) for _ in range(8)]
        clients.extend(asked)
        answers = [c.ask() for c in asked]
        assert {(who, seen) for who, seen, *_ in answers} == {
            (where, seen_as(postern, name, family))
        }
        # A flow looks the same as long as it lasts, also to what comes in fragments (those of IPv4
        # packet sockets put together, to more than a buffer holds).
        assert [c.ask() for c in asked] == answers
        assert asked[0].ask(b"y" * (3000 if family == 6 else 1300)) == answers[0]


def test_rules_are_shown(lab, postern, clients):
    (rule,) = postern.all("outbound.list")
    assert (rule["name"], rule["mode"], rule["pools"]) == ("out", postern.mode, ["streams"])
    assert rule["translate-to"] == ([] if postern.mode == "route" else [SNAT[4], SNAT[6]])
    client = stream.Client(lab.ns("fe1"), t.FAR4, OUT, timeout=10)
    clients.append(client)
    assert client.down(MEGABYTE) == stream.digest(MEGABYTE)
    (after,) = postern.all("outbound.list")
    assert after["opened"] > rule["opened"] and after["bytes-in"] - rule["bytes-in"] > MEGABYTE
    assert 1 <= postern.call("status.show")["member-flows"]["in-use"] <= 32768


def test_flows_are_shown(lab, postern, clients):
    client = stream.Client(lab.ns("fe2"), t.FAR4, OUT)
    clients.append(client)
    assert client.name() == "far"
    port = client.sock.getsockname()[1]
    shown = [
        s for s in postern.all("session.list", kind="outbound", member="streams/fe2")
        if s["address"] == f"{t.member4('fe2')}:{port}"
    ]
    (one,) = shown
    assert (one["kind"], one["state"], one["service"]) == ("outbound", "established", "out")
    assert one["client"] == f"{t.FAR4}:{OUT}"
    assert one["translated"].rpartition(":")[0] == seen_as(postern, "fe2", 4)
    assert postern.all("session.list", kind="inbound", client=t.FAR4) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_other_ports_are_refused_at_once(lab, postern, family):
    before = postern.counter("refuse-outbound")
    with pytest.raises(OSError) as refused:
        stream.Client(lab.ns("fe1"), HOSTS[family]["far"], CLOSED, timeout=10)
    assert not isinstance(refused.value, TimeoutError)
    assert postern.counter("refuse-outbound") > before
    told = postern.call("why.show", about=member("fe1", family))["findings"]
    assert any("no outbound rule lets it" in finding["what"] for finding in told)


@pytest.mark.parametrize("family", FAMILIES)
def test_unasked_packets_reach_no_member(lab, postern, family):
    before = postern.counter("drop-unasked")
    sock = netns.open_socket(
        lab.ns("outside"), netns.family_of(member("fe1", family)), socket.SOCK_STREAM
    )
    with sock:
        sock.setblocking(False)
        sock.connect_ex((member("fe1", family), config.STREAM_PORT))
        wait_until(lambda: postern.counter("drop-unasked") > before, 5, "a packet dropped")


@pytest.mark.parametrize("family", FAMILIES)
def test_media_reach_a_member_at_its_own_address(lab, postern, clients, family):
    if postern.mode != "route":
        pytest.skip("translated members have no address outside")
    for name in NAMES:
        at = member(name, family)
        client = stream.Client(lab.ns("outside"), at, MEDIA, timeout=10)
        clients.append(client)
        assert client.name() == name
        assert client.down(MEGABYTE) == stream.digest(MEGABYTE)
        packet = datagram.Client(lab.ns("outside"), at, MEDIA + 9)
        clients.append(packet)
        assert packet.ask() == (name, packet.sock.getsockname()[0], packet.port, MEDIA + 9)
    assert len(postern.all("session.list", kind="inbound", limit=1000)) >= 2 * len(NAMES)


def test_reload_ends_what_is_no_longer_allowed(lab, postern, clients):
    kept = stream.Client(lab.ns("fe1"), t.PARTNER4, OUT, timeout=10)
    ended = stream.Client(lab.ns("fe1"), t.FAR4, OUT, timeout=10)
    clients.extend((kept, ended))
    assert (kept.name(), ended.name()) == ("neighbour", "far")
    before = postern.config
    nearer = copy.deepcopy(before)
    nearer["outbound"][0]["to"] = ["203.0.113.0/24"]
    postern.write(nearer)
    try:
        postern.reload()
        assert ended.ended(5)
        assert kept.name() == "neighbour"
    finally:
        postern.write(before)
        postern.reload()
    assert kept.name() == "neighbour"


def test_maintenance_leaves_a_members_own_flows(lab, postern, clients):
    client = stream.Client(lab.ns("fe3"), t.FAR4, OUT, timeout=10)
    clients.append(client)
    assert client.name() == "far"
    postern.ctl("member", "set", "streams/fe3", "state", "maint")
    try:
        assert client.name() == "far"
        again = stream.Client(lab.ns("fe3"), t.FAR4, OUT, timeout=10)
        clients.append(again)
        assert again.name() == "far"
    finally:
        postern.ctl("member", "set", "streams/fe3", "state", "ready")
