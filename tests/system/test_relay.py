# SPDX-License-Identifier: BSD-2-Clause
"""Relay mode: what a client says first chooses the pool, and members are connected to in its place."""

import contextlib
import socket
import ssl
import subprocess

import pytest

from lab import config, netns, stream
from lab import topology as t
from lab.process import wait_until
from traffic import Traffic

TLS_PORT = 7443
RELAY = 7443  # of the service
CONTOSO, FABRIKAM = ("fe1", "fe2"), ("fe3",)
CORPUS = "tests/fuzz/corpus/hello"


def server_context(lab, lowest=ssl.TLSVersion.TLSv1_2):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(lab.folder / "edge.pem", lab.folder / "edge.key")
    if lowest < ssl.TLSVersion.TLSv1_2:
        c.set_ciphers("ALL:@SECLEVEL=0")
    c.minimum_version = lowest
    return c


@pytest.fixture(scope="module")
def secure(lab):
    """Byte servers over TLS 1.0 to 1.3, one a member and family."""
    found = {}
    for name in lab.member_names:
        for suffix, address in (("", t.member4(name)), ("-v6", t.member6(name))):
            found[name + suffix] = stream.Server(
                lab.ns(name), address, TLS_PORT, name, server_context(lab, ssl.TLSVersion.TLSv1)
            )
    yield found
    for server in found.values():
        server.close()


def relay(workers=1, **service):
    """contoso.com is on fe1 and fe2, everything of fabrikam.com on fe3, plain text where it says."""
    c = config.default(pools=("streams",))
    c["dataplane"]["workers"] = [config.worker_cpu()] * workers
    c["organisations"] = [{"name": "fabrikam", "domains": ["fabrikam.com"]}]
    c["pools"] += [
        config.stream_pool(CONTOSO, TLS_PORT, "contoso"),
        config.stream_pool(FABRIKAM, TLS_PORT, "fabrikam"),
    ]
    c["services"] = [{
        "name": "relay", "mode": "relay", "pool": "contoso",
        "listen": [f"{t.VIRTUAL4}:{RELAY}", f"[{t.VIRTUAL6}]:{RELAY}"],
        "timeouts": {"opening": "3s", "idle": "30m", "closing": "2s"},
        "choose": [
            {"organisation": "fabrikam", "pool": "fabrikam"},
            {"server-names": ["*.northwind.com"], "refuse": True},
            {"first": ["text"], "pool": "streams"},
        ],
        **service,
    }]
    return c


@pytest.fixture(scope="module", params=[1, 2], ids=["one-worker", "two-workers"])
def postern(lab, streams, secure, request):
    from lab.postern import Postern

    running = Postern(lab, relay(request.param))
    try:
        running.start()
        running.wait_all_up()
        yield running
        assert running.stop(seconds=30.0) == 0
    finally:
        running.discard()


def client_context(version=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    if version:
        if version < ssl.TLSVersion.TLSv1_2:
            c.set_ciphers("ALL:@SECLEVEL=0")
        c.minimum_version = c.maximum_version = version
    return c


class Secure(stream.Client):
    """A client over TLS that asks for a server name."""

    def __init__(self, lab, name="sip.contoso.com", address=t.VIRTUAL4, version=None, timeout=5.0,
                 port=RELAY):
        raw = netns.connect(lab.ns("outside"), address, port, timeout, None)
        try:
            self.sock = client_context(version).wrap_socket(raw, server_hostname=name)
        except BaseException:
            raw.close()
            raise
        self.sock.settimeout(timeout)
        self.file = self.sock.makefile("rb")


@pytest.fixture
def secured(lab, clients):
    def go(**more):
        c = Secure(lab, **more)
        clients.append(c)
        c.member = c.name()
        return c

    return go


def plain(lab, address=t.VIRTUAL4, port=RELAY, timeout=5.0):
    return netns.connect(lab.ns("outside"), address, port, timeout, None)


def read_all(sock, seconds=5.0):
    sock.settimeout(seconds)
    found = b""
    while data := sock.recv(65536):
        found += data
    return found


@pytest.mark.parametrize("address", [t.VIRTUAL4, t.VIRTUAL6], ids=["v4", "v6"])
def test_the_server_name_chooses_the_pool(postern, secured, address):
    for _ in range(6):
        assert secured(address=address).member in CONTOSO
        assert secured(name="sip.fabrikam.com", address=address).member in FABRIKAM
        assert secured(name="fabrikam.com", address=address).member in FABRIKAM
    assert secured(name=None, address=address).member in CONTOSO


@pytest.mark.parametrize("version", list(ssl.TLSVersion)[2:6], ids=lambda v: v.name)
def test_every_version_passes(postern, secured, version):
    c = secured(version=version)
    assert c.sock.version().replace("TLSv1", "") in ("", ".1", ".2", ".3")
    assert c.down(1 << 20) == stream.digest(1 << 20)
    assert c.up(1 << 20) == stream.digest(1 << 20)


@pytest.mark.parametrize("total", [1, 4095, 8 << 20])
def test_bytes_arrive_as_they_were(postern, dial, total):
    c = dial(port=RELAY)
    assert c.down(total) == stream.digest(total)
    assert c.up(total) == stream.digest(total)


def test_nothing_is_lost_by_half_closes(postern, lab):
    """A client that has said all it wants still gets its answer, and the end of it."""
    with plain(lab) as sock:
        sock.sendall(b"down 3000000\n")
        sock.shutdown(socket.SHUT_WR)
        assert len(read_all(sock)) == 3000000


def test_a_slow_reader_holds_nobody_up(postern, lab, dial):
    """What a client does not read stays with the member, and others go on."""
    with plain(lab) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"down 50000000\n")
        for _ in range(3):
            assert dial(port=RELAY).down(1 << 20) == stream.digest(1 << 20)
        [session] = [
            x for x in postern.sessions() if x["client"].endswith(f":{slow.getsockname()[1]}")
        ]
        assert session["bytes-out"] < 1 << 20


def hello_of(name):
    with open(f"{CORPUS}/{name}", "rb") as f:
        return f.read()


def refused(postern, lab, data, counter, pieces=0):
    """Sends bytes; what came back until the end. The counter must have grown by one."""
    before = postern.counter(counter)
    with plain(lab) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for i in range(0, len(data), pieces or len(data) or 1):
                sock.sendall(data[i:i + (pieces or len(data))])
            found = read_all(sock, 10)
        except ConnectionResetError:
            found = None
    wait_until(lambda: postern.counter(counter) == before + 1, 5, counter)
    return found


ALERT = b"\x15\x03\x01\x00\x02\x02"


@pytest.mark.parametrize("name, counter, answer", [
    ("lying-extension", "refuse-hello-malformed", ALERT + bytes([50])),
    ("two-names", "refuse-hello-malformed", ALERT + bytes([50])),
    ("trailing-dot", "refuse-hello-name", ALERT + bytes([47])),
    ("long", "refuse-hello-too-long", ALERT + bytes([50])),
    ("sslv2", "refuse-not-tls", None),
    ("http", "refuse-not-tls", None),
    ("ssh", "refuse-not-tls", None),
    ("alert", "refuse-not-tls", None),
])
def test_bad_hellos_are_refused_by_name(postern, lab, name, counter, answer):
    assert refused(postern, lab, hello_of(name), counter) == answer
    [finding] = [
        f for f in postern.call("why.show", about="relay")["findings"] if f["reason"] == counter
    ]
    assert "relay" in finding["what"] and finding["step"] == "hello"


def test_a_rule_refuses_and_why_says_so(postern, lab):
    with pytest.raises(ssl.SSLError) as e:
        Secure(lab, name="sip.northwind.com")
    assert "unrecognized name" in str(e.value).lower().replace("_", " ")
    answer = postern.call("why.show", about=t.PARTNER4)
    [finding] = [f for f in answer["findings"] if f["reason"] == "refuse-rule"]
    assert "tls1.3, for sip.northwind.com" in finding["what"]


@pytest.mark.parametrize("name", ["post-quantum", "post-quantum-records", "openssl-records"])
def test_hellos_in_pieces(postern, lab, name):
    """A byte at a time, in many records: it comes to the member as it was, who answers it."""
    data = hello_of(name)
    with plain(lab, timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(0, len(data), 7):
            sock.sendall(data[i:i + 7])
        # A hello of the server, or what it has against this one: a record of TLS.
        assert sock.recv(3)[:2] in (b"\x16\x03", b"\x15\x03")


def test_half_a_hello_is_not_waited_for_forever(postern, lab):
    before = postern.counter("refuse-hello-timeout")
    with plain(lab) as half, plain(lab) as silent:
        half.sendall(hello_of("openssl-tls13")[:200])
        for sock in (half, silent):
            with pytest.raises(ConnectionResetError):
                read_all(sock, 10)
    assert postern.counter("refuse-hello-timeout") == before + 2


def test_a_thousand_half_hellos(postern, lab, secured):
    """They cost what the limit on one address says, and others get through."""
    half = hello_of("openssl-tls13")[:100]
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                stack.enter_context(plain(lab)).sendall(half)
        wait_until(lambda: postern.counter("refuse-opening-limit") > 0, 5, "the limit")
        c = Secure(lab, address=t.VIRTUAL6)
        assert c.name() in CONTOSO
        c.close()


def test_session_shows_both_connections(postern, secured):
    c = secured(name="sip.contoso.com")
    host, port = c.sock.getsockname()[:2]
    [listed] = postern.all("session.list", client=f"{host}:{port}")
    assert (listed["kind"], listed["state"]) == ("relay", "established")
    assert listed["member"] == f"contoso/{c.member}"
    shown = postern.call("session.show", session=listed["session"])
    assert shown["hello"]["server-name"] == "sip.contoso.com"
    assert shown["hello"]["version"] == "tls1.3"
    assert shown["hello"]["ja4"].startswith("t13d")
    assert shown["client-connection"]["peer"] == f"{host}:{port}"
    assert shown["member-connection"]["peer"] == listed["address"]
    for side in ("client-connection", "member-connection"):
        assert shown[side]["state"] == "ESTAB"
        assert shown[side]["rtt-us"] > 0
        assert shown[side]["recv-q"] == 0
    assert listed["bytes-in"] > 0 and listed["bytes-out"] > 0
    assert postern.call("session.close", session=listed["session"])["closed"] == 1
    assert c.ended(5)


def test_hellos_are_counted_by_source(postern, lab, secured):
    for _ in range(3):
        secured(name="count.contoso.com", version=ssl.TLSVersion.TLSv1)
    [seen] = postern.call(
        "hello.list", **{"version": "tls1.0", "server-name": "count.contoso.com"}
    )["items"]
    assert (seen["client"], seen["count"]) == (t.PARTNER4, 3)
    assert seen["ja4"].startswith("t10d")
    typed = postern.ctl("hello", "list", "version", "tls1.0").stdout
    assert "count.contoso.com" in typed


def test_counters_have_the_names_of_nstat(postern, secured):
    before = postern.counters()
    secured().close()
    after = postern.counters()
    for name in ("tcp-passive-opens", "tcp-active-opens", "tcp-in-segs", "tcp-out-segs"):
        assert after[name] > before[name], name
    assert after["session-established"] > before["session-established"]
    assert after["hello-tls13"] > before["hello-tls13"]


@pytest.mark.parametrize("client", ["openssl", "gnutls", "curl"])
def test_other_clients(postern, lab, client):
    """The byte server answers the first line with its name, or, if it is a browser's, ends."""
    where = f"{t.VIRTUAL4}:{RELAY}"
    argv = {
        "openssl": ["openssl", "s_client", "-quiet", "-connect", where, "-servername",
                    "sip.fabrikam.com"],
        "gnutls": ["gnutls-cli", "--insecure", "--sni-hostname", "sip.fabrikam.com", "-p",
                   str(RELAY), t.VIRTUAL4],
        "curl": ["curl", "-sk", "--http0.9", "--max-time", "3", "--resolve",
                 f"sip.fabrikam.com:{RELAY}:{t.VIRTUAL4}", f"https://sip.fabrikam.com:{RELAY}/"],
    }[client]
    count = postern.counter("session-established")
    with subprocess.Popen(
        ["ip", "netns", "exec", lab.ns("outside"), *argv], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:
        try:
            process.stdin.write(b"name\n")
            process.stdin.flush()
            if client != "curl":
                assert any(line.strip() == b"fe3" for line in process.stdout)
            wait_until(lambda: postern.counter("session-established") > count, 5, "a session")
        finally:
            process.kill()


def test_members_are_drained_and_added_under_traffic(postern, secured):
    found = [secured() for _ in range(12)]
    with Traffic(found) as traffic:
        postern.call("member.set", member="contoso/fe1", state="drain")
        try:
            assert {secured().member for _ in range(8)} == {"fe2"}
            traffic.go_on()
        finally:
            postern.call("member.set", member="contoso/fe1", state="ready")
        wait_until(lambda: secured().member == "fe1", 10, "fe1 takes sessions again")
        traffic.go_on()


def test_maintenance_resets_sessions(postern, secured):
    found = [secured() for _ in range(12)]
    try:
        postern.call("member.set", member="contoso/fe1", state="maint")
        for c in found:
            if c.member == "fe1":
                assert c.ended(5)
            else:
                assert c.name() == "fe2"
    finally:
        postern.call("member.set", member="contoso/fe1", state="ready")


def test_reload_keeps_sessions(postern, secured):
    c = secured()
    other = secured(name="sip.fabrikam.com")
    changed = relay()
    changed["dataplane"] = postern.config["dataplane"]
    changed["services"][0]["choose"][0] = {"server-names": ["*.fabrikam.com"], "refuse": True}
    old = postern.config
    try:
        postern.write(changed)
        postern.reload()
        assert c.name() == c.member
        assert other.name() == other.member
        with pytest.raises(ssl.SSLError):
            secured(name="sip.fabrikam.com")
    finally:
        postern.write(old)
        postern.reload()
    assert secured(name="sip.fabrikam.com").member == "fe3"
