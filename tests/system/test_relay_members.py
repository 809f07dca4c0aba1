# SPDX-License-Identifier: BSD-2-Clause
"""Relay mode toward members: who refuses, is silent, dies or never answers; HAProxy and Kamailio behind."""

import contextlib
import socket
import ssl
import subprocess
import time

import pytest

from lab import config, netns, sip, stream
from lab import topology as t
from lab.process import Process, wait_until
from lab.topology import build_folder

PORT = 7600      # of members' servers here; nobody listens there but those of a test
SERVICE = 7500   # of postern
PROBE = config.STREAM_PORT  # where members are alive whatever listens at PORT


def pool(name, names, port=PORT, **more):
    return {
        **config.stream_pool(names, port, name),
        "members": config.members(names, port, v6=False),
        # Probes see other ports, so that only what relaying finds counts.
        "probe": {"kind": "tcp", "port": PROBE, "interval": "1s", "timeout": "900ms", "rise": 1, "fall": 2},
        "observe-fall": 0, **more,
    }


def relay(pools, **service):
    c = config.default(pools=("streams",))
    c["pools"] += pools
    c["services"] = [{
        "name": "relay", "mode": "relay", "pool": pools[0]["name"],
        "listen": [f"{t.VIRTUAL4}:{SERVICE}"],
        "timeouts": {"opening": "8s", "idle": "30m", "closing": "2s"},
        "choose": [{"first": ["text", "other"], "pool": pools[0]["name"]}],
        **service,
    }]
    return c


@pytest.fixture
def server(lab):
    """Starts byte servers: server("fe1")."""
    found = []

    def go(name, port=PORT, **more):
        s = stream.Server(lab.ns(name), t.member4(name), port, name, **more)
        found.append(s)
        return s

    yield go
    for s in found:
        s.close()


def ask(lab, timeout=10.0, port=SERVICE):
    c = stream.Client(lab.ns("outside"), t.VIRTUAL4, port, timeout=timeout)
    try:
        return c.name()
    finally:
        c.close()


def test_a_member_that_refuses_is_passed_over(lab, start, server):
    server("fe1")
    postern = start(relay([pool("p", ("fe1", "fe2"))]))
    assert {ask(lab) for _ in range(8)} == {"fe1"}
    counters = postern.counters()
    assert counters["seen-member-refused"] > 0
    assert counters["session-redispatched"] == counters["seen-member-refused"]
    assert postern.members("p")["fe2"]["refused"] == counters["seen-member-refused"]


def test_a_silent_member_is_passed_over_and_taken_down(lab, start, server):
    server("fe1")
    server("fe2")
    postern = start(relay([pool("p", ("fe1", "fe2"), **{"observe-fall": 2})]))
    lab.cut("fe2")
    try:
        for _ in range(12):
            assert ask(lab) == "fe1"
            if postern.counter("seen-member-silent") >= 2:
                break
        postern.wait_member("fe2", pool="p", health="down")
    finally:
        lab.mend("fe2")


def test_no_member_left(lab, start):
    postern = start(relay([pool("p", ("fe1", "fe2"))]))
    with pytest.raises(OSError):
        ask(lab)
    assert postern.counter("refuse-members-failed") == 1
    [finding] = [
        f for f in postern.call("why.show", about=t.PARTNER4)["findings"]
        if f["reason"] == "refuse-members-failed"
    ]
    assert "2 members were asked" in finding["what"]


def test_a_members_death_is_passed_on(lab, start, server):
    s = server("fe1")
    postern = start(relay([pool("p", ("fe1",))]))
    c = stream.Client(lab.ns("outside"), t.VIRTUAL4, SERVICE)
    assert c.name() == "fe1"
    with s.lock:
        for sock in s.connections:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.shutdown(socket.SHUT_RD)
    s.close()
    began = time.monotonic()
    assert c.ended(5)
    assert time.monotonic() - began < 5
    wait_until(lambda: not postern.sessions(), 5, "no session")
    c.close()


def test_a_member_that_accepts_and_says_nothing(lab, start):
    """It holds its sessions, and nobody else's; the idle time ends them."""
    c = relay([pool("p", ("fe1",))])
    c["services"][0]["timeouts"] = {"opening": "3s", "idle": "2s", "closing": "1s"}
    listener = netns.listen(lab.ns("fe1"), t.member4("fe1"), PORT)
    with contextlib.closing(listener):
        postern = start(c)
        client = stream.Client(lab.ns("outside"), t.VIRTUAL4, SERVICE)
        client.sock.sendall(b"name\n")
        wait_until(lambda: postern.sessions(), 5, "a session")
        assert client.ended(10)
        assert postern.counter("close-idle") == 1
        client.close()


HAPROXY = """
global
    maxconn 1000
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend all
    bind {address}:{port} accept-proxy ssl crt {folder}/haproxy.pem
    tcp-request inspect-delay 5s
    tcp-request content accept
    http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port] %[fc_pp_authority]\\n"
    mode http
"""


def test_haproxy_behind_reads_the_proxy_protocol(lab, start):
    folder = lab.folder
    (folder / "haproxy.pem").write_text(
        (folder / "edge.pem").read_text() + (folder / "edge.key").read_text())
    (folder / "haproxy.cfg").write_text(
        HAPROXY.format(address=t.member4("fe1"), port=PORT, folder=folder))
    haproxy = Process(
        "haproxy", lab.ns("fe1"), ["haproxy", "-db", "-f", folder / "haproxy.cfg"], folder)
    try:
        postern = start(relay([pool("p", ("fe1",))], **{"proxy-protocol": "v2"}))
        tls = ssl.create_default_context(cafile=folder / "ca.pem")

        def answer():
            raw = netns.connect(lab.ns("outside"), t.VIRTUAL4, SERVICE, 5.0, None)
            with contextlib.closing(raw), tls.wrap_socket(raw, server_hostname="sip.contoso.com") as sock:
                host, port = sock.getsockname()[:2]
                sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                data = b""
                while more := sock.recv(4096):
                    data += more
                return data.decode().splitlines()[-1], f"{host}:{port} sip.contoso.com"

        def ready():
            try:
                return answer()
            except OSError:
                return None

        got, wanted = wait_until(ready, 10, "HAProxy")
        assert got == wanted
        assert postern.counter("session-established") > 0
    finally:
        haproxy.stop(5.0)


def test_kamailio_behind(lab, start, tls):
    c = config.default(pools=("edges",))
    c["services"] = [{
        "name": "federation", "mode": "relay", "pool": "edges", "profile": "access-edge",
        "listen": [t.VIRTUAL4, f"{t.VIRTUAL6}"],
    }]
    postern = start(c)
    for address in (t.VIRTUAL4, t.VIRTUAL6):
        sessions = [sip.Session(lab.ns("outside"), address, tls) for _ in range(9)]
        members = {s.options() for s in sessions}
        assert members <= {"fe1", "fe2", "fe3"} and len(members) > 1
        for s in sessions:
            assert s.options() == s.member
            s.close()
    wait_until(lambda: not postern.sessions(), 5, "no session")


@pytest.mark.parametrize("workers", [1, 2])
def test_admission_by_address(lab, start, server, workers):
    server("fe1")
    c = relay([pool("p", ("fe1",))], admission="enforce", **{"on-refuse": "reset", "on-block": "reset"})
    c["dataplane"]["workers"] = [config.worker_cpu()] * workers
    c["organisations"] = [{"name": "contoso", "domains": ["contoso.com"]}]
    postern = start(c)
    postern.ctl("policy", "set", "AllowFederatedUsers", "true")
    with pytest.raises(OSError):
        ask(lab)
    assert postern.counter("refuse-admission") > 0
    postern.ctl("allowed-domain", "add", "fabrikam.com", f"prefixes={t.PARTNER4}")
    client = stream.Client(lab.ns("outside"), t.VIRTUAL4, SERVICE)
    assert client.name() == "fe1"
    postern.ctl("allowed-domain", "remove", "fabrikam.com")
    assert client.ended(5)
    assert postern.counter("close-not-admitted") == 1
    client.close()


def test_through_a_bad_link(lab, start, server, clients):
    """Losses, duplicates, reordering and damage between clients and postern: streams arrive as they were.
    The link has one queue, so there is one worker."""
    server("fe1")
    sock = lab.folder / "bad-link.sock"
    wire = subprocess.Popen(
        ["ip", "netns", "exec", lab.ns("edge"), build_folder() / "tests/wire/wire", "packet:outside0",
         f"memif-server:{sock}", "seed=8", "delay=2000", "jitter=500", "loss=2", "reorder=1",
         "duplicate=1", "corrupt=1", "truncate=1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert b"ready" in wire.stdout.readline()
        c = relay([pool("p", ("fe1",))])
        c["interfaces"][0]["device"] = f"net_memif0,role=client,socket={sock},socket-abstract=no"
        postern = start(c)
        for total in (1, 5000, 1 << 20):
            client = stream.Client(lab.ns("outside"), t.VIRTUAL4, SERVICE, timeout=30.0)
            clients.append(client)
            assert client.down(total) == stream.digest(total)
            assert client.up(total) == stream.digest(total)
        counters = postern.counters()
        assert counters["tcp-retrans-segs"] > 0
        assert counters["tcp-ofo-queue"] > 0
    finally:
        # It ends with its standard input.
        wire.stdin.close()
        wire.stdout.close()
        wire.wait(10)
