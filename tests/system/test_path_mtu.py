# SPDX-License-Identifier: BSD-2-Clause
"""A link beyond the gateway that becomes smaller while data flows: the router there says so to the
virtual address, and the member must hear it."""

import hashlib
import threading

import pytest

from lab import config, netns, stream
from lab import topology as t
from lab.process import wait_until

MEGABYTE = 1 << 20
SMALL = 1300

ROUTER4, ROUTER6 = "198.51.100.33", "2001:db8:0:3::1"
BEYOND4, BEYOND6 = "198.51.100.34", "2001:db8:0:3::2"


@pytest.fixture(scope="module")
def beyond(lab):
    """A client's network behind the gateway: its namespace."""
    outside = lab.ns("outside")
    far = lab.add_namespace("beyond")
    lab.join(outside, "far0", far, "wire0")
    netns.ip(outside, [
        "link set far0 up", f"addr add {ROUTER4}/28 dev far0",
        f"addr add {ROUTER6}/64 dev far0 nodad",
    ])
    netns.ip(far, [
        "link set wire0 up", f"addr add {BEYOND4}/28 dev wire0",
        f"addr add {BEYOND6}/64 dev wire0 nodad", f"route add default via {ROUTER4}",
        f"route add ::/0 via {ROUTER6}",
    ])
    netns.sysctl(outside, {"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})
    # A rate that no kernel falls below: what is told is told at once.
    netns.sysctl(outside, {"net.ipv4.icmp_ratelimit": 0, "net.ipv6.icmp.ratelimit": 0})
    for router in (t.GATEWAY4, t.GATEWAY6):
        wait_until(
            lambda r=router: netns.command(
                far, "ping", "-q", "-c", 1, "-W", 1, r, check=False
            ).returncode == 0,
            10, f"a way from beyond to {router}",
        )
    yield far
    netns.sysctl(outside, {"net.ipv4.ip_forward": 0, "net.ipv6.conf.all.forwarding": 0})
    netns.ip(outside, ["link del far0"])


def shrink(lab, beyond, mtu):
    netns.ip(lab.ns("outside"), [f"link set far0 mtu {mtu}"])
    netns.ip(beyond, [f"link set wire0 mtu {mtu}"])


@pytest.fixture
def full_size(lab, beyond):
    """The link at its full size, and members that remember nothing of an earlier test."""
    shrink(lab, beyond, 1500)
    for name in ("outside", *lab.member_names):
        netns.command(lab.ns(name), "ip", "route", "flush", "cache")
        netns.command(lab.ns(name), "ip", "-6", "route", "flush", "cache")


@pytest.mark.parametrize("virtual", [t.VIRTUAL4, t.VIRTUAL6], ids=["IPv4", "IPv6"])
def test_link_shrinks_while_data_flows(lab, postern, beyond, full_size, virtual):
    client = stream.Client(beyond, virtual, config.STREAM_PORT, timeout=60)
    try:
        total = 40 * MEGABYTE
        assert client.name()
        before = postern.counters()
        found = []
        client.sock.sendall(f"down {total}\n".encode())
        # A first part at the full size; the rest arrives when the link has become smaller.
        h = hashlib.sha256()
        left = total
        while left > total - 4 * MEGABYTE:
            data = client.file.read1(65536)
            assert data
            h.update(data)
            left -= len(data)
        shrink(lab, beyond, SMALL)

        def rest():
            nonlocal left
            while left and (data := client.file.read1(65536)):
                h.update(data)
                left -= len(data)
            found.append(h.hexdigest())

        reader = threading.Thread(target=rest, daemon=True)
        reader.start()
        reader.join(60)
        assert found == [stream.digest(total)]
        after = postern.counters()
        assert after["error-translated"] > before["error-translated"]
        assert after["drop-error-unknown"] == before["drop-error-unknown"]
        # And back again, over the same connection.
        assert client.up(MEGABYTE) == stream.digest(MEGABYTE)
    finally:
        client.close()


@pytest.mark.parametrize("virtual", [t.VIRTUAL4, t.VIRTUAL6], ids=["IPv4", "IPv6"])
def test_small_link_from_the_start(lab, postern, beyond, full_size, virtual):
    """Neither end has a small link, so neither asks for small segments."""
    shrink(lab, beyond, SMALL)
    # The last hop alone knows: the client believes in its full size.
    netns.ip(beyond, ["link set wire0 mtu 1500"])
    client = stream.Client(beyond, virtual, config.STREAM_PORT, timeout=60)
    try:
        before = postern.counter("error-translated")
        assert client.down(4 * MEGABYTE) == stream.digest(4 * MEGABYTE)
        assert postern.counter("error-translated") > before
    finally:
        client.close()
