# SPDX-License-Identifier: BSD-2-Clause
"""Sessions end to end, with real SIP servers and byte for byte."""

import pytest

from lab import config, netns, stream
from lab import topology as t
from lab.process import wait_until

MEGABYTE = 1 << 20
BIG = 100 * MEGABYTE
MEMBERS = {"fe1", "fe2", "fe3"}
BOTH = pytest.mark.parametrize("address", [t.VIRTUAL4, t.VIRTUAL6], ids=["IPv4", "IPv6"])


@BOTH
def test_tls_sessions_reach_every_member(postern, call, address):
    sessions = call(40, address)
    assert {s.member for s in sessions} == MEMBERS
    for s in sessions:
        before = s.member
        assert s.options() == before
    listed = [s for s in postern.sessions() if s["service"] == "access-edge"]
    assert len(listed) >= len(sessions)


@pytest.mark.parametrize("uri", ["sip:alice@contoso.com", "sip:alice@v6.contoso.com"])
def test_partner_finds_the_pool_by_dns(postern, user, uri):
    delivered = user.deliver(uri, 10)
    assert delivered and delivered.member in MEMBERS


def test_partner_keeps_its_connection(postern, user):
    first = user.deliver("sip:alice@contoso.com", 10)
    opened = postern.counter("session-opened")
    for _ in range(20):
        assert user.send("sip:alice@contoso.com").member == first.member
    assert postern.counter("session-opened") == opened


@pytest.mark.parametrize(
    "address, source", [(t.VIRTUAL4, (t.FAR4, 0)), (t.VIRTUAL6, (t.FAR6, 0))], ids=["IPv4", "IPv6"]
)
def test_client_beyond_the_gateway(postern, call, address, source):
    assert call(1, address, source=source).options() in MEMBERS


def test_member_sees_a_translated_source(lab, postern, dial):
    c = dial()
    local = c.sock.getsockname()
    shown = netns.command(lab.ns(c.member), "ss", "-Htn", "state", "established").stdout
    peers = [line.split()[3].rpartition(":")[0] for line in shown.splitlines()]
    assert set(peers) & {t.FROM4, t.FROM4B}
    assert local[0] not in peers
    mine = [s for s in postern.sessions() if s["client"] == f"{local[0]}:{local[1]}"]
    assert [s["member"] for s in mine] == [f"streams/{c.member}"]


def test_same_client_port_same_member(postern, dial):
    """Nothing but addresses and ports decides, so a partner that comes back from the same port
    after its session is forgotten meets the same member."""
    source = (t.PARTNER4, 20061)
    first = dial(source=source)
    first.close()
    wait_until(
        lambda: not any(s["client"] == "203.0.113.100:20061" for s in postern.all("session.list")),
        10, "session forgotten",
    )
    assert dial(source=source).member == first.member


@BOTH
def test_hundred_megabytes_each_way(postern, dial, address):
    c = dial(address=address, timeout=60)
    wanted = stream.digest(BIG)
    assert c.up(BIG) == wanted
    assert c.down(BIG) == wanted
    local = c.sock.getsockname()
    name = f"[{local[0]}]:{local[1]}" if ":" in local[0] else f"{local[0]}:{local[1]}"
    mine = [s for s in postern.sessions() if s["client"] == name]
    assert len(mine) == 1
    assert mine[0]["bytes-in"] > BIG and mine[0]["bytes-out"] > BIG


def test_transfers_at_once(postern, dial):
    import concurrent.futures

    size = 8 * MEGABYTE
    wanted = stream.digest(size)
    connections = dial(8, t.VIRTUAL4, timeout=60) + dial(8, t.VIRTUAL6, timeout=60)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        up = list(pool.map(lambda c: c.up(size), connections))
        down = list(pool.map(lambda c: c.down(size), connections))
    assert set(up + down) == {wanted}


def test_half_close_passes(postern, dial):
    """The client ends its direction; what the server still sends arrives whole."""
    import socket

    c = dial(timeout=30)
    size = 4 * MEGABYTE
    c.sock.sendall(f"down {size}\n".encode())
    c.sock.shutdown(socket.SHUT_WR)
    got = b"".join(iter(lambda: c.sock.recv(65536), b""))
    assert got == b"".join(stream.blocks(size))


def is_reset(connection):
    """Whether the connection ends with a reset."""
    connection.sock.settimeout(10)
    try:
        return connection.sock.recv(1) is None
    except ConnectionResetError:
        return True


def test_operator_closes_sessions(lab, postern, dial):
    """By id, and by what they have in common; both sides are told, others are not touched."""
    one, *rest = dial(5, t.VIRTUAL4) + dial(2, t.VIRTUAL6)
    before = postern.counter("close-operator")
    local = "{}:{}".format(*one.sock.getsockname()[:2])
    (mine,) = [s for s in postern.sessions() if s["client"] == local]
    shown = postern.ctl("session", "close", mine["session"], "--comment", "stuck", json_output=True)
    assert (shown["found"], shown["closed"]) == (1, 1)
    assert is_reset(one)
    assert postern.ctl("session", "close", mine["session"], check=False).returncode != 0
    audited = postern.ctl("audit", "list", "session.close", json_output=True)["items"]
    assert "stuck" in [entry["comment"] for entry in audited]

    v6 = [c for c in rest if ":" in c.sock.getsockname()[0]]
    v4 = [c for c in rest if c not in v6]
    prefix = v6[0].sock.getsockname()[0] + "/128"
    locals6 = {"[{}]:{}".format(*c.sock.getsockname()[:2]) for c in v6}
    translated = {s["translated"] for s in postern.sessions() if s["client"] in locals6}
    assert len(translated) == len(v6)
    found = postern.call("session.close", client=prefix, service="streams", **{"dry-run": True})
    assert found["found"] >= len(v6) and found["closed"] == 0
    assert postern.counter("close-operator") == before + 1
    closed = postern.call("session.close", client=prefix, service="streams")
    assert closed["closed"] == found["found"] and not closed["more"]
    assert all(is_reset(c) for c in v6)
    for c in v4:
        assert c.up(1000) == stream.digest(1000)

    def noticed():
        """No member still holds one of them."""
        ss = ("ss", "-Htn", "state", "established", f"( sport = :{config.STREAM_PORT} )")
        held = " ".join(netns.command(lab.ns(m), *ss).stdout for m in lab.member_names).split()
        return not translated & set(held)

    wait_until(noticed, 10, "members reset as well")


def test_closed_port_is_refused(lab, postern):
    before = postern.counter("refuse-port-closed")
    for address in (t.VIRTUAL4, t.VIRTUAL6, t.OWN4, t.OWN6):
        with pytest.raises(ConnectionRefusedError):
            netns.connect(lab.ns("outside"), address, 5999)
    assert postern.counter("refuse-port-closed") == before + 4


def test_when_all_are_gone_the_books_balance(postern, dial, user):
    """Every session that was opened has ended for a named reason or is still listed."""
    for c in dial(20) + dial(20, t.VIRTUAL6):
        c.close()

    def settled():
        return all(
            s["service"] == "access-edge" and s["state"] == "established"
            for s in postern.all("session.list")
        )

    wait_until(settled, 15, "byte sessions forgotten")
    counted = postern.counters()
    ended = sum(v for k, v in counted.items() if k.startswith("close-"))
    listed = postern.all("session.list")
    assert counted["session-opened"] == ended + len(listed)
    assert counted["session-established"] <= counted["session-opened"]
    members = postern.all("member.list")
    assert sum(m["sessions"] for m in members) == len(listed)
    assert sum(m["opened"] for m in members) >= counted["session-opened"]
    assert all(m["sessions"] == 0 for m in members if m["name"].startswith("streams/"))
