# SPDX-License-Identifier: BSD-2-Clause
"""The kernel beside postern on one port: a BGP daemon announces the service's address, and a peer
reaches the service by that route."""

import contextlib
import os
import tempfile

import pytest

from conftest import quick
from lab import config, netns, stream
from lab import topology as t
from lab.process import Process, can_connect, wait_until

# In no prefix of anybody: without the route there is no way.
SERVICE4, SERVICE6 = "192.0.2.77", "2001:db8:77::1"

BIRD = """
log stderr all;
router id {own4};
protocol device {{ scan time 1; }}
{more}
protocol bgp peer4 {{
	local {own4} as {own_as};
	neighbor {peer4} as {peer_as};
	connect retry time 1; connect delay time 1; error wait time 1, 1;
	ipv4 {{ import all; export {export}; next hop self; }};
}}
protocol bgp peer6 {{
	local {own6} as {own_as};
	neighbor {peer6} as {peer_as};
	connect retry time 1; connect delay time 1; error wait time 1, 1;
	ipv6 {{ import all; export {export}; next hop self; }};
}}
"""
ANNOUNCE = f"""
protocol static {{ ipv4; route {SERVICE4}/32 blackhole; }}
protocol static {{ ipv6; route {SERVICE6}/128 blackhole; }}
"""
LEARN = """
protocol kernel { ipv4 { import none; export all; }; }
protocol kernel { ipv6 { import none; export all; }; }
"""


def bird(lab, name, namespace, **words):
    path = lab.folder / f"bird-{name}.conf"
    path.write_text(BIRD.format(**words))
    return Process(
        f"bird-{name}", lab.ns(namespace),
        ["bird", "-f", "-c", path, "-s", lab.folder / f"bird-{name}.ctl",
         "-P", lab.folder / f"bird-{name}.pid"],
        lab.folder,
    )


def with_kernel(workers=1):
    c = quick()
    c["dataplane"]["workers"] = [config.worker_cpu()] * workers
    c["interfaces"][0]["kernel"] = "tap"
    for service in c["services"]:
        if service["name"] == "streams":
            service["listen"] += [
                f"{SERVICE4}:{config.STREAM_PORT}", f"[{SERVICE6}]:{config.STREAM_PORT}",
            ]
            service["side"] = "outside"
    return c


def route(lab, address):
    family = "-6" if ":" in address else "-4"
    return netns.command(
        lab.ns("outside"), "ip", family, "route", "show", address, check=False
    ).stdout


def end(p, client):
    """Ends a connection while postern is there: its two ends would go on sending afterwards."""
    client.close()
    wait_until(
        lambda: all(s["state"] != "established" for s in p.sessions()), 10, "both ends have ended"
    )


@pytest.mark.parametrize("workers", [1, 3], ids=["one worker", "three workers"])
def test_bgp_leads_to_the_service(lab, start, dial, streams, workers):
    p = start(with_kernel(workers))
    held = dial(address=t.VIRTUAL4)
    with pytest.raises(OSError):
        dial(address=SERVICE4, timeout=1)
    ends = {"own4": t.OWN4, "own6": t.OWN6, "own_as": 65000}
    peer = {"own4": t.PARTNER4, "own6": t.PARTNER6, "own_as": 65001}
    ours = bird(lab, "edge", "edge", **ends, peer4=peer["own4"], peer6=peer["own6"],
                peer_as=65001, export="all", more=ANNOUNCE)
    theirs = bird(lab, "peer", "outside", **peer, peer4=ends["own4"], peer6=ends["own6"],
                  peer_as=65000, export="none", more=LEARN)
    with contextlib.ExitStack() as stack:
        stack.callback(theirs.stop)
        stack.callback(ours.stop)
        for address, via in ((SERVICE4, t.OWN4), (SERVICE6, t.OWN6)):
            wait_until(lambda a=address, v=via: v in route(lab, a), 30, f"the route to {address}")
            client = dial(address=address)
            assert client.name() in ("fe1", "fe2", "fe3")
            client.close()
        assert held.name() in ("fe1", "fe2", "fe3")
        end(p, held)
    counters = p.counters()
    assert counters["kernel-given"] > 0 and counters["kernel-taken"] > 0
    assert counters["drop-kernel"] == 0
    assert p.stop(seconds=30) == 0
    # The device goes with postern.
    assert netns.command(lab.ns("edge"), "ip", "link", "show", "outside", check=False).returncode


@pytest.mark.parametrize("user", [None, "nobody"], ids=["as root", "as another user"])
def test_kernel_probes_through_the_port(lab, start, dial, streams, user):
    c = with_kernel()
    if user:
        # A folder that the user can reach: the lab's own is root's alone.
        with tempfile.TemporaryDirectory(prefix="postern-kernel-") as folder:
            os.chmod(folder, 0o755)
            c["postern"].update({"user": user, "state": f"{folder}/state/state.db"})
            probes(lab, start(c), dial)
    else:
        probes(lab, start(c), dial)


def probes(lab, p, dial):
    edge = lab.ns("edge")
    shown = netns.command(edge, "ip", "-br", "addr", "show", "outside").stdout
    assert f"{t.OWN4}/24" in shown and f"{t.OWN6}/64" in shown
    mac = p.call("interface.show", interface="outside")["mac"]
    assert mac in netns.command(edge, "ip", "link", "show", "outside").stdout
    for address in (t.PARTNER4, t.PARTNER6):
        # A connection of the kernel's own, through the port that postern polls.
        wait_until(can_connect(edge, address, 5061), 10, f"the kernel reaches {address}")
        netns.command(edge, "ping", "-c", "1", "-W", "5", address)
    # Nobody listens: it is the kernel that says so, and postern that answers pings.
    with pytest.raises(ConnectionRefusedError):
        stream.Client(lab.ns("outside"), t.OWN4, 179, timeout=5)
    netns.command(lab.ns("outside"), "ping", "-c", "1", "-W", "5", t.OWN4)
    assert p.counter("echo-answered") > 0
    assert p.counter("refuse-port-closed") == 0
    # A service's address is postern's: a kernel that got its packets would refuse them.
    client = dial(address=t.VIRTUAL4)
    assert client.name() in ("fe1", "fe2", "fe3")
    end(p, client)
    assert p.stop(seconds=30) == 0
