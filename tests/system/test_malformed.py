# SPDX-License-Identifier: BSD-2-Clause
"""What nobody should send: each raises the counter of its reason by exactly what was sent, and
postern goes on."""

import socket

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption, IPOption_LSRR
from scapy.layers.inet6 import (
    ICMPv6ND_NS,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from conftest import quick
from lab import config, netns, ports
from lab import topology as t
from lab.postern import Postern
from lab.process import wait_until

TIMES = 7
CLIENT4, CLIENT6 = t.PARTNER4, t.PARTNER6
PORT = config.STREAM_PORT


def syn(flags="S", **more):
    return TCP(sport=33333, dport=PORT, flags=flags, **more)


def ip4(payload, **more):
    return IP(**{"src": CLIENT4, "dst": t.VIRTUAL4, **more}) / payload


def ip6(payload, **more):
    return IPv6(**{"src": CLIENT6, "dst": t.VIRTUAL6, **more}) / payload


def raw(packet, size=None, **at):
    """The bytes of a packet, cut to a size, with single bytes changed ("b0" is the first)."""
    data = bytearray(bytes(packet)[:size])
    for where, value in at.items():
        data[int(where[1:])] = value
    return Raw(bytes(data))


def chained(count):
    """So many headers of destination options, one behind the other."""
    whole = IPv6ExtHdrDestOpt(nh=60)
    for _ in range(count - 2):
        whole /= IPv6ExtHdrDestOpt(nh=60)
    return whole / IPv6ExtHdrDestOpt(nh=6)


IPV4, IPV6, ARPT = 0x0800, 0x86DD, 0x0806

# Packet sockets reassemble IPv4 fragments (PACKET_FANOUT_FLAG_DEFRAG, which DPDK's driver sets),
# so on such a port these two never arrive.
FIRST, LATER = "IPv4 first fragment", "IPv4 later fragment"

# reason, what: the Ethernet type and what comes after the Ethernet header
CASES = [
    ("drop-truncated", "IPv4 header cut", IPV4, raw(ip4(syn()), 12)),
    ("drop-truncated", "IPv4 shorter than it says", IPV4, raw(ip4(syn() / Raw(b"x" * 80)), 60)),
    ("drop-truncated", "IPv6 header cut", IPV6, raw(ip6(syn()), 30)),
    ("drop-truncated", "IPv6 shorter than it says", IPV6, raw(ip6(syn() / Raw(b"x" * 80)), 70)),
    ("drop-arp", "ARP cut", ARPT, raw(ARP(psrc=CLIENT4, pdst=t.VIRTUAL4), 20)),
    ("drop-ethertype", "neither IP nor ARP", 0x88B5, Raw(b"x" * 50)),
    ("drop-ip-version", "IPv6 in an IPv4 frame", IPV4, raw(ip6(syn()))),
    ("drop-ip-version", "IPv4 in an IPv6 frame", IPV6, raw(ip4(syn()))),
    ("drop-ip-header", "IPv4 header of 16 bytes", IPV4, raw(ip4(syn()), b0=0x44)),
    ("drop-ip-header", "IPv4 total below its header", IPV4, raw(ip4(syn(), len=19))),
    ("drop-ip-header", "IPv4 option of one byte", IPV4,
     ip4(syn(), options=[IPOption(optclass=2, option=4, length=1, value=b"\0\0")])),
    ("drop-ip-checksum", "IPv4 checksum", IPV4, ip4(syn(), chksum=0x1234)),
    ("drop-ip-option", "IPv4 source routing", IPV4,
     ip4(syn(), options=[IPOption_LSRR(routers=["203.0.113.1"])])),
    ("drop-ip-option", "IPv6 routing header", IPV6, ip6(IPv6ExtHdrRouting() / syn())),
    ("drop-extension", "IPv6 extension headers without end", IPV6, ip6(chained(9) / syn())),
    ("drop-extension", "IPv6 options beyond the end", IPV6, ip6(IPv6ExtHdrDestOpt(nh=6, len=99) / syn())),
    ("drop-martian", "from loopback", IPV4, ip4(syn(), src="127.0.0.1")),
    ("drop-martian", "from multicast", IPV4, ip4(syn(), src="224.0.0.1")),
    ("drop-martian", "from broadcast", IPV4, ip4(syn(), src="255.255.255.255")),
    ("drop-martian", "from nowhere", IPV4, ip4(syn(), src="0.0.0.0")),
    ("drop-martian", "from class E", IPV4, ip4(syn(), src="240.0.0.1")),
    ("drop-martian", "from IPv6 loopback", IPV6, ip6(syn(), src="::1")),
    ("drop-martian", "from IPv6 multicast", IPV6, ip6(syn(), src="ff02::1")),
    ("drop-martian", "from IPv6 link-local", IPV6, ip6(syn(), src="fe80::1")),
    ("drop-martian", "from IPv4-mapped", IPV6, ip6(syn(), src="::ffff:203.0.113.100")),
    ("drop-spoofed", "from our virtual address", IPV4, ip4(syn(), src=t.VIRTUAL4)),
    ("drop-spoofed", "from our own address", IPV4, ip4(syn(), src=t.OWN4)),
    ("drop-spoofed", "from our address inside", IPV4, ip4(syn(), src=t.INSIDE4)),
    ("drop-spoofed", "from our translated address", IPV4, ip4(syn(), src=t.FROM4)),
    ("drop-spoofed", "from our virtual IPv6 address", IPV6, ip6(syn(), src=t.VIRTUAL6)),
    ("drop-spoofed", "from our own IPv6 address", IPV6, ip6(syn(), src=t.OWN6)),
    ("drop-fragment", FIRST, IPV4, ip4(syn(), flags="MF")),
    ("drop-fragment", LATER, IPV4, ip4(Raw(b"x" * 63), proto=6, flags="MF", frag=3)),
    ("drop-fragment", "IPv6 fragment", IPV6, ip6(IPv6ExtHdrFragment(m=1, id=5, nh=6) / syn())),
    ("drop-fragment-tiny", "IPv6 first fragment without ports", IPV6,
     ip6(IPv6ExtHdrFragment(m=1, id=6, nh=6) / Raw(b"x" * 16))),
    ("drop-error-unknown", "ICMP about nothing", IPV4, ip4(ICMP(type=3, code=4) / ip4(syn()))),
    ("drop-error-unknown", "ICMPv6 about nothing", IPV6,
     ip6(ICMPv6PacketTooBig(mtu=1280) / ip6(syn()))),
    ("drop-not-ours", "IPv4 to a stranger", IPV4, ip4(syn(), dst="203.0.113.77")),
    ("drop-not-ours", "IPv6 to a stranger", IPV6, ip6(syn(), dst="2001:db8:0:1::77")),
    ("refuse-port-closed", "UDP", IPV4, ip4(UDP(sport=5060, dport=5061) / b"x")),
    ("drop-protocol", "SCTP's number", IPV4, ip4(Raw(b"x" * 40), proto=132)),
    ("refuse-port-closed", "UDP over IPv6", IPV6, ip6(UDP(sport=5060, dport=5061) / b"x")),
    ("drop-arp", "ARP of other hardware", ARPT, ARP(hwtype=6, psrc=CLIENT4, pdst=t.VIRTUAL4)),
    ("drop-arp", "ARP of unknown operation", ARPT, ARP(op=77, psrc=CLIENT4, pdst=t.VIRTUAL4)),
    ("drop-nd", "solicitation that was routed", IPV6,
     ip6(ICMPv6ND_NS(tgt=t.VIRTUAL6) / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:77"), hlim=64)),
    ("drop-nd", "solicitation with an empty option", IPV6,
     ip6(ICMPv6ND_NS(tgt=t.VIRTUAL6) / Raw(b"\1\0" + b"x" * 6), hlim=255)),
    ("drop-icmp", "timestamp request", IPV4, ip4(ICMP(type=13))),
    ("drop-icmp", "ICMP checksum", IPV4, ip4(ICMP(chksum=0x1234) / b"ping")),
    ("drop-tcp-header", "TCP header of 16 bytes", IPV4, ip4(syn(dataofs=4))),
    ("drop-tcp-header", "TCP options beyond the end", IPV4, ip4(syn(dataofs=15))),
    ("drop-tcp-header", "TCP header over IPv6", IPV6, ip6(syn(dataofs=4))),
    ("drop-tcp-header", "port 0", IPV4, ip4(TCP(sport=0, dport=PORT))),
    ("drop-tcp-flags", "SYN and FIN", IPV4, ip4(syn("SF"))),
    ("drop-tcp-flags", "SYN and RST", IPV4, ip4(syn("SR"))),
    ("drop-tcp-flags", "no flags at all", IPV4, ip4(syn(""))),
    ("drop-tcp-flags", "FIN without ACK", IPV4, ip4(syn("F"))),
    ("drop-tcp-flags", "FIN, PSH and URG", IPV4, ip4(syn("FPU"))),
    ("drop-tcp-flags", "SYN and FIN over IPv6", IPV6, ip6(syn("SF"))),
    ("drop-ttl", "at its last hop", IPV4, ip4(syn(), ttl=1)),
    ("drop-ttl", "at its last hop, IPv6", IPV6, ip6(syn(), hlim=1)),
    ("drop-no-session", "reset out of the blue", IPV4, ip4(syn("R"))),
    ("refuse-no-session", "ACK out of the blue", IPV4, ip4(syn("A", ack=1))),
    ("refuse-no-session", "ACK out of the blue over IPv6", IPV6, ip6(syn("A", ack=1))),
]


class Wire:
    """The outside link, for frames made by hand."""

    def __init__(self, lab):
        netns.command(lab.ns("outside"), "ping", "-q", "-c", 1, "-W", 5, t.OWN4)
        shown = netns.command(lab.ns("outside"), "ip", "neigh", "show", t.OWN4).stdout.split()
        self.there = shown[shown.index("lladdr") + 1]
        shown = netns.command(lab.ns("outside"), "ip", "-br", "link", "show", "wire0").stdout
        self.here = shown.split()[2]
        self.namespace = lab.ns("outside")
        self.sock = netns.open_socket(self.namespace, socket.AF_PACKET, socket.SOCK_RAW)
        self.sock.bind(("wire0", 0))

    def send(self, kind, payload, times=1, to=None):
        frame = bytes(Ether(src=self.here, dst=to or self.there, type=kind) / payload)
        for _ in range(times):
            self.sock.send(frame)

    def all_seen(self):
        """The link keeps order: once a ping is answered, all that was sent before was seen."""
        netns.command(self.namespace, "ping", "-q", "-c", "1", "-W", "5", t.OWN4)


@pytest.fixture(scope="module", params=["af_packet", "tap"])
def port(request):
    return request.param


# States in which a kernel goes on sending by itself.
SENDING = [word for s in ("syn-recv", "last-ack", "fin-wait-1", "closing") for word in ("state", s)]


def is_quiet(lab):
    """True when nobody repeats what belonged to sessions of an earlier postern."""
    return not any(
        netns.command(lab.ns(n), "ss", "-Htn", *SENDING).stdout
        for n in ("outside", *lab.member_names)
    )


@pytest.fixture(scope="module")
def postern(lab, streams, port):
    kind = ports.KINDS[port](lab)
    c = quick()
    c["interfaces"] = ports.interfaces(kind)
    with ports.undo(lab, kind):
        kind.before()
        p = Postern(lab, c)
        try:
            p.start()
            kind.after()
            wait_until(
                lambda: netns.command(
                    lab.ns("outside"), "ping", "-q", "-c", 1, "-W", 1, t.OWN4, check=False
                ).returncode == 0,
                15, f"a way through {port}",
            )
            p.wait_all_up()
            wait_until(lambda: is_quiet(lab), 60, "silence of members and clients")
            yield p
            assert p.stop() == 0
        finally:
            p.discard()


@pytest.fixture(scope="module")
def wire(lab, postern):
    w = Wire(lab)
    yield w
    w.sock.close()


# A bridge floods what it has not learnt yet, so inside this one may rise by itself.
NOISE = "drop-other-host"


@pytest.mark.parametrize(
    "reason, what, kind, payload",
    [pytest.param(*case, id=f"{case[0]}: {case[1]}") for case in CASES],
)
def test_counted_by_its_reason(postern, wire, port, reason, what, kind, payload):
    if port == "af_packet" and what in (FIRST, LATER):
        pytest.skip("a packet socket keeps fragments to itself")
    wire.all_seen()
    before = postern.counters()
    wire.send(kind, payload, TIMES)
    wire.all_seen()
    after = postern.counters()
    risen = {
        k: after[k] - before[k] for k in after
        if k.startswith(("drop-", "refuse-", "session-")) and after[k] != before[k]
    }
    risen.pop(NOISE, None)
    assert risen == {reason: TIMES}


def test_frames_for_others_are_left_alone(postern, wire):
    wire.all_seen()
    before = postern.counters()
    for to in ("02:00:00:00:99:99", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"):
        wire.send(IPV4, ip4(syn()), TIMES, to=to)
    wire.all_seen()
    after = postern.counters()
    assert after["drop-other-host"] >= before["drop-other-host"] + 3 * TIMES
    assert after["session-opened"] == before["session-opened"]


def test_address_conflict_is_seen(postern, wire):
    wire.all_seen()
    before = postern.counter("seen-address-conflict")
    claim = ARP(op=2, hwsrc="02:00:00:00:66:66", psrc=t.VIRTUAL4, pdst=t.VIRTUAL4)
    wire.send(ARPT, claim, 1, to="ff:ff:ff:ff:ff:ff")
    wire.all_seen()
    assert postern.counter("seen-address-conflict") == before + 1


@pytest.mark.parametrize(
    "kind, source", [(IPV4, ip4(syn())), (IPV6, ip6(syn()))], ids=["IPv4", "IPv6"]
)
def test_every_length_and_every_flipped_byte(postern, wire, dial, kind, source):
    """A SYN cut at every length, and with each byte set to a few values; nothing dies, sessions
    stand, and every packet is accounted for."""
    standing = dial(3) + dial(3, t.VIRTUAL6)
    whole = bytes(source)
    wire.all_seen()
    for size in range(1, len(whole)):
        wire.send(kind, Raw(whole[:size]))
    for at in range(len(whole)):
        for value in (0x00, 0x01, 0x7F, 0x80, 0xFF):
            wire.send(kind, raw(source, **{f"b{at}": value}))
    wire.all_seen()
    assert postern.process.running
    assert [c.name() for c in standing] == [c.member for c in standing]


def test_random_frames(postern, wire, dial):
    import random

    chance = random.Random(2782)
    standing = dial(3) + dial(3, t.VIRTUAL6)
    for kind in (IPV4, IPV6, ARPT):
        for _ in range(2000):
            wire.send(kind, Raw(chance.randbytes(chance.randrange(0, 200))))
    wire.all_seen()
    assert postern.process.running
    assert [c.name() for c in standing] == [c.member for c in standing]
