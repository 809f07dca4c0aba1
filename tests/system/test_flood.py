# SPDX-License-Identifier: BSD-2-Clause
"""More new sessions than the table holds."""

import socket

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from conftest import quick
from lab import config
from lab import topology as t
from lab.process import wait_until
from test_malformed import IPV4, IPV6, Wire
from traffic import Traffic

SMALL = 1024


@pytest.fixture
def small(start):
    c = quick()
    c["dataplane"]["sessions"] = SMALL
    return start(c)


def syns(count, v6=False):
    """So many SYNs, each from another client that will never answer."""
    for n in range(count):
        tcp = TCP(sport=1024 + n % 60000, dport=config.STREAM_PORT, flags="S", seq=n)
        if v6:
            yield bytes(IPv6(src=f"2001:db8:0:7::{n + 1:x}", dst=t.VIRTUAL6) / tcp)
        else:
            yield bytes(IP(src=f"198.51.100.{8 + n % 240}", dst=t.VIRTUAL4) / tcp)


@pytest.mark.parametrize("v6", [False, True], ids=["IPv4", "IPv6"])
def test_established_sessions_survive_a_flood(lab, small, dial, v6):
    sessions = dial(100) + dial(100, t.VIRTUAL6)
    wire = Wire(lab)
    head = bytes(Ether(src=wire.here, dst=wire.there, type=IPV6 if v6 else IPV4))
    with Traffic(sessions) as traffic:
        for packet in syns(10 * SMALL, v6):
            wire.sock.send(head + packet)
        traffic.go_on()
        wire.all_seen()
        # Whoever comes now takes the place of somebody half-open.
        assert dial(timeout=10).member
        traffic.go_on()
    wire.sock.close()
    counted = small.counters()
    assert counted["close-evicted"] > 0
    assert counted["close-evicted"] + counted["drop-table-full"] > 5 * SMALL


def test_table_full_of_established_sessions(lab, small, dial, clients):
    """None of them goes for a new one; when one ends, there is room."""
    capacity = small.call("status.show")["sessions"]["capacity"]
    full = []
    while len(full) < 2 * capacity:
        try:
            full.append(dial(timeout=1.0))
        except (TimeoutError, socket.timeout):
            break
    assert len(full) <= capacity
    assert len(full) >= SMALL
    assert small.counter("drop-table-full") > 0
    with Traffic(full[:: len(full) // 50]) as traffic:
        traffic.go_on()
    for c in full[:100]:
        c.close()

    def room():
        try:
            return dial(timeout=1.0)
        except OSError:
            return None

    assert wait_until(room, 15, "room for a new session")
