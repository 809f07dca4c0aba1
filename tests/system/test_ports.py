# SPDX-License-Identifier: BSD-2-Clause
"""The same on other kinds of ports, with and without huge pages, and with a single interface."""

import contextlib

import pytest

from conftest import quick
from lab import config, hugepages, ports, sip, stream
from lab import topology as t
from lab.process import wait_until

HUGE_MB = 320  # what postern computes for its memory, and some
MEGABYTE = 1 << 20


@pytest.mark.parametrize("huge", [False, True], ids=["without huge pages", "with huge pages"])
@pytest.mark.parametrize("kind", sorted(ports.KINDS))
def test_sessions_on_every_kind_of_port(lab, start, call, dial, kind, huge):
    port = ports.KINDS[kind](lab)
    c = quick()
    c["interfaces"] = ports.interfaces(port)
    c["dataplane"]["buffers"] = 8192
    if huge:
        c["dataplane"]["huge-pages"] = "require"
    pages = hugepages.reserved(lab.folder, HUGE_MB) if huge else contextlib.nullcontext()
    with pages, ports.undo(lab, port):
        port.before()
        p = start(c, wait=False)
        port.after()

        def first():
            try:
                return call(1)
            except OSError:
                return None

        wait_until(first, 15, f"a session through {kind}")
        for address in (t.VIRTUAL4, t.VIRTUAL6):
            assert {s.member for s in call(20, address)} == {"fe1", "fe2", "fe3"}
            transfer = dial(address=address, timeout=60)
            wanted = stream.digest(5 * MEGABYTE)
            assert transfer.up(5 * MEGABYTE) == wanted
            assert transfer.down(5 * MEGABYTE) == wanted
        assert p.call("status.show")["huge-pages"] is huge
        assert p.stop() == 0


@pytest.mark.parametrize("v6", [False, True], ids=["IPv4", "IPv6"])
def test_one_arm(lab, start, tls, streams, v6):
    """Clients and members on the same link, postern with one leg in it."""
    virtual = "fd00:0:0:1::30" if v6 else "10.0.0.30"
    c = quick()
    both = config.interface("inside", "net_af_packet0,iface=inside0")
    c["interfaces"] = [both]
    for service in c["services"]:
        port = service["listen"][0].rpartition(":")[2]
        service["listen"] = [f"[{virtual}]:{port}" if v6 else f"{virtual}:{port}"]
    start(c)
    client = lab.ns("inside")
    sessions = [sip.Session(client, virtual, tls) for _ in range(20)]
    assert {s.options() for s in sessions} == {"fe1", "fe2", "fe3"}
    transfer = stream.Client(client, virtual, config.STREAM_PORT, timeout=60)
    wanted = stream.digest(20 * MEGABYTE)
    assert transfer.up(20 * MEGABYTE) == wanted
    assert transfer.down(20 * MEGABYTE) == wanted
    for s in (*sessions, transfer):
        s.close()
