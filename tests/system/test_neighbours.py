# SPDX-License-Identifier: BSD-2-Clause
"""ARP, neighbour discovery and ping, for postern's own and its virtual addresses."""

import socket

import pytest
from scapy.layers.l2 import ARP, Ether

from lab import netns
from lab import topology as t
from lab.process import wait_until

OUTSIDE = [t.OWN4, t.VIRTUAL4, t.OWN6, t.VIRTUAL6]
INSIDE = [t.INSIDE4, t.FROM4, t.FROM4B, t.INSIDE6, t.FROM6]


def forget(namespace, device):
    netns.command(namespace, "ip", "neigh", "flush", "dev", device, check=False)


def ping(namespace, address, count=1, size=56):
    return netns.command(
        namespace, "ping", "-q", "-c", count, "-i", "0.01", "-W", "2", "-s", size, address,
        check=False,
    ).returncode == 0


def neighbour(namespace, address):
    shown = netns.command(namespace, "ip", "neigh", "show", address).stdout.split()
    return shown[shown.index("lladdr") + 1] if "lladdr" in shown else None


def port_address(lab, device):
    shown = netns.command(lab.ns("edge"), "ip", "-br", "link", "show", device).stdout
    return shown.split()[2]


@pytest.mark.parametrize("address", OUTSIDE)
def test_outside_addresses_are_found(lab, postern, address):
    forget(lab.ns("outside"), "wire0")
    before = postern.counters()
    assert ping(lab.ns("outside"), address)
    assert neighbour(lab.ns("outside"), address) == port_address(lab, "outside0")
    after = postern.counters()
    kind = "nd-answered" if ":" in address else "arp-answered"
    assert after[kind] > before[kind]
    assert after["echo-answered"] == before["echo-answered"] + 1


@pytest.mark.parametrize("address", INSIDE)
def test_inside_addresses_are_found(lab, postern, address):
    forget(lab.ns("fe1"), "eth0")
    ping(lab.ns("fe1"), address)
    assert neighbour(lab.ns("fe1"), address) == port_address(lab, "inside0")


def station(lab, namespace, device):
    shown = netns.command(lab.ns(namespace), "ip", "-br", "link", "show", device).stdout
    return shown.split()[2]


def test_operator_sees_neighbours(lab, postern):
    """Where the members are, as their own machines say; and asking anew brings the same."""
    at = {m["name"]: m["address"].rpartition(":")[0].strip("[]") for m in postern.all("member.list")}
    address = at["streams/fe1"]

    def known():
        listed = {n["address"]: n for n in postern.all("neighbour.list", interface="inside")}
        mine = listed.get(address)
        return mine if mine and mine["mac"] else None

    mine = wait_until(known, 10, "a member's station known")
    assert mine["mac"] == station(lab, "fe1", "eth0")
    assert mine["use"] == "member" and mine["state"] in ("reachable", "probing")
    shown = postern.ctl("neighbour", "show", address, json_output=True)
    assert "streams/fe1" in shown["members"] and shown["mac"] == mine["mac"]
    assert postern.ctl("neighbour", "flush", json_output=True)["asked"] >= 3
    wait_until(
        lambda: postern.call("neighbour.show", address=address)["state"] == "reachable",
        5, "the member has answered again",
    )
    assert postern.call("neighbour.show", address=address)["heard-ms"] < 5000


def test_operator_sees_interfaces(lab, postern):
    listed = {i["name"]: i for i in postern.all("interface.list")}
    assert listed["outside"]["mac"] == port_address(lab, "outside0").lower()
    assert listed["inside"]["link"] == "up" and listed["inside"]["mtu"] == 1500
    before = listed["outside"]["rx-packets"]
    assert ping(lab.ns("outside"), t.OWN4)
    shown = postern.call("interface.show", interface="outside")
    assert shown["rx-packets"] > before and shown["rx-queues"] >= 1
    assert shown["driver"] == "net_af_packet" and shown["tx-dropped"] == 0


@pytest.mark.parametrize("address", [t.INSIDE4, t.INSIDE6])
def test_inside_own_addresses_answer_ping(lab, postern, address):
    assert ping(lab.ns("fe1"), address)


@pytest.mark.parametrize("address", [t.VIRTUAL4, t.VIRTUAL6])
@pytest.mark.parametrize("size", [0, 1, 1400])
def test_ping_of_every_size(lab, postern, address, size):
    assert ping(lab.ns("outside"), address, count=5, size=size)


@pytest.mark.parametrize("address", ["203.0.113.99", "2001:db8:0:1::99"])
def test_other_addresses_are_not_ours(lab, postern, address):
    forget(lab.ns("outside"), "wire0")
    assert not ping(lab.ns("outside"), address)
    assert neighbour(lab.ns("outside"), address) is None


def test_virtual_address_is_not_announced_inside(lab, postern):
    forget(lab.ns("fe1"), "eth0")
    netns.ip(lab.ns("fe1"), [f"route replace {t.VIRTUAL4}/32 dev eth0"])
    try:
        assert not ping(lab.ns("fe1"), t.VIRTUAL4)
    finally:
        netns.ip(lab.ns("fe1"), [f"route del {t.VIRTUAL4}/32 dev eth0"])


def test_probes_find_no_service_address_in_the_kernel(lab, postern):
    shown = netns.command(lab.ns("edge"), "ip", "-br", "addr").stdout
    for address in OUTSIDE + INSIDE:
        assert f"{address}/" not in shown


def change_card(namespace, address, ethernet):
    """Gives a member another Ethernet address, which it announces."""
    netns.ip(namespace, [f"link set eth0 address {ethernet}"])
    frame = Ether(src=ethernet, dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=2, hwsrc=ethernet, psrc=address, hwdst="ff:ff:ff:ff:ff:ff", pdst=address
    )
    with netns.open_socket(namespace, socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        raw.send(bytes(frame))


def test_member_that_changed_its_card_is_found_again(lab, postern, dial):
    """A member's Ethernet address changes (a repaired server, a failover behind it): sessions
    go on as soon as it has announced itself."""
    namespace = lab.ns("fe1")
    before = netns.command(namespace, "ip", "-br", "link", "show", "eth0").stdout.split()[2]
    held = [c for c in dial(30) if c.member == "fe1"]
    assert held
    try:
        change_card(namespace, t.member4("fe1"), "02:00:00:00:11:11")
        assert held[0].name() == "fe1"
        assert "fe1" in {c.member for c in dial(30)}
    finally:
        change_card(namespace, t.member4("fe1"), before)
        for other, device in ((lab.ns("edge"), "mgmt0"), (lab.ns("inside"), "bridge0")):
            forget(other, device)
    postern.wait_all_up()
