# SPDX-License-Identifier: BSD-2-Clause
"""Who stands where. Three kinds of namespaces, joined by veth:

    outside            edge                         inside            fe1, fe2, ...
    partner, DNS --- outside0  postern  inside0 --- bridge --------- members
                                mgmt0 ------------- (probes go through the kernel)
"""

import contextlib
import os
import pathlib

from . import certs, netns, owner, servers
from .errors import LabError
from .process import wait_until

PARTNER4, PARTNER6 = "203.0.113.100", "2001:db8:0:1::100"
DNS4, DNS6 = "203.0.113.53", "2001:db8:0:1::53"
GATEWAY4, GATEWAY6 = "203.0.113.1", "2001:db8:0:1::1"
FAR4, FAR6 = "198.51.100.7", "2001:db8:0:2::7"  # a client beyond the gateway
OWN4, OWN6 = "203.0.113.10", "2001:db8:0:1::10"
VIRTUAL4, VIRTUAL6 = "203.0.113.20", "2001:db8:0:1::20"
INSIDE4, INSIDE6 = "10.0.0.10", "fd00:0:0:1::10"
FROM4, FROM4B, FROM6 = "10.0.0.20", "10.0.0.21", "fd00:0:0:1::20"
PROBE4, PROBE6 = "10.0.0.2", "fd00:0:0:1::2"
BRIDGE4, BRIDGE6 = "10.0.0.200", "fd00:0:0:1::200"

# Nothing on these links but what was asked for: no router discovery, no address of its own
# making, no waiting for duplicates, multicast reports (milliseconds) over at once.
QUIET = {
    "net.ipv6.conf.default.mldv2_unsolicited_report_interval": 10,
    "net.ipv6.conf.default.accept_ra": 0,
    "net.ipv6.conf.default.autoconf": 0,
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.default.dad_transmits": 0,
    "net.ipv6.conf.default.router_solicitations": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv4.conf.all.rp_filter": 0,
}
# Where the kernel has it: bridges pass frames on without looking into them.
BLIND = {f"net.bridge.bridge-nf-call-{what}tables": 0 for what in ("ip", "ip6", "arp")}
# The ports that postern takes are nobody else's: the kernel behind them neither answers ARP nor
# has an IPv6 address there.
TAKEN = ("outside0", "inside0")
OFFLOADS = ("rx", "tx", "sg", "tso", "gso", "gro")


def build_folder():
    """Where the programs under test are."""
    root = pathlib.Path(__file__).resolve().parents[2]
    build = root / os.environ.get("POSTERN_BUILD", "build")
    if not (build / "postern").exists():
        raise LabError(f"{build}/postern is not there; build it first (scripts/run does)")
    return build


def links_ready(namespace):
    """True when every device of a namespace is in operation (loopback has no such state)."""
    shown = netns.command(namespace, "ip", "-br", "link").stdout.splitlines()
    return all(line.split()[1] == "UP" for line in shown if not line.startswith("lo "))


def member_number(name):
    return int(name.removeprefix("fe"))


def member4(name):
    return f"10.0.0.{10 + member_number(name)}"


def member6(name):
    # Written so that its last group reads as the last number of the IPv4 address.
    return f"fd00:0:0:1::{10 + member_number(name)}"


class Lab:
    """The world, without postern in it. A context manager: on leaving, nothing is left.

    `members` have a namespace, `running` of them a SIP server from the start."""

    def __init__(self, members=("fe1", "fe2", "fe3", "fe4"), running=("fe1", "fe2", "fe3")):
        self.member_names = members
        self.running = running
        self.members = {}
        self.partner = self.dns = None

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        try:
            self.owner = self._stack.enter_context(owner.Owner())
            self.folder = self.owner.folder
            certs.make(self.folder)
            self._network()
            self._servers()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exc):
        self._stack.close()

    def on_exit(self, function, *args):
        self._stack.callback(function, *args)

    def ns(self, short):
        return self.owner.namespace(short)

    def add_namespace(self, short):
        name = self.ns(short)
        netns.ip(None, [f"netns add {name}"])
        netns.sysctl(name, QUIET)
        netns.sysctl(name, BLIND, optional=True)
        netns.ip(name, ["link set lo up"])
        return name

    def join(self, ns_a, dev_a, ns_b, dev_b):
        """A veth pair without offloads: what leaves one end is a whole packet with its
        checksums, as from a wire."""
        netns.ip(None, [f"link add {dev_a} netns {ns_a} type veth peer name {dev_b} netns {ns_b}"])
        for namespace, device in ((ns_a, dev_a), (ns_b, dev_b)):
            switches = [word for offload in OFFLOADS for word in (offload, "off")]
            netns.command(namespace, "ethtool", "-K", device, *switches)

    def _network(self):
        outside, edge, inside = (self.add_namespace(n) for n in ("outside", "edge", "inside"))
        netns.sysctl(edge, {"net.ipv4.conf.all.arp_ignore": 1})
        netns.ip(inside, ["link add bridge0 type bridge mcast_snooping 0", "link set bridge0 up"])
        netns.ip(
            inside,
            [f"addr add {BRIDGE4}/24 dev bridge0", f"addr add {BRIDGE6}/64 dev bridge0 nodad"],
        )

        self.join(outside, "wire0", edge, "outside0")
        self.join(inside, "edge0", edge, "inside0")
        self.join(inside, "probe0", edge, "mgmt0")
        for device in TAKEN:
            netns.sysctl(edge, {f"net.ipv6.conf.{device}.disable_ipv6": 1})
        netns.ip(
            edge,
            [f"link set {d} arp off up" for d in TAKEN]
            + [
                "link set mgmt0 up",
                f"addr add {PROBE4}/24 dev mgmt0",
                f"addr add {PROBE6}/64 dev mgmt0 nodad",
            ],
        )
        netns.ip(
            inside,
            [f"link set {d} master bridge0 up" for d in ("edge0", "probe0")],
        )
        here4, here6 = (PARTNER4, DNS4, GATEWAY4), (PARTNER6, DNS6, GATEWAY6)
        netns.ip(
            outside,
            ["link set wire0 up"]
            + [f"addr add {a}/24 dev wire0" for a in here4]
            + [f"addr add {a}/64 dev wire0 nodad" for a in here6]
            + [f"addr add {FAR4}/32 dev lo", f"addr add {FAR6}/128 dev lo nodad"],
        )
        for name in self.member_names:
            namespace = self.add_namespace(name)
            # An answer to a SYN is repeated once, so that floods are soon forgotten.
            netns.sysctl(namespace, {"net.ipv4.tcp_synack_retries": 1})
            self.join(inside, f"to-{name}", namespace, "eth0")
            netns.ip(inside, [f"link set to-{name} master bridge0 up"])
            netns.ip(
                namespace,
                [
                    "link set eth0 up",
                    f"addr add {member4(name)}/24 dev eth0",
                    f"addr add {member6(name)}/64 dev eth0 nodad",
                ],
            )

    def _servers(self):
        outside = self.ns("outside")
        resolver = owner.ETC / outside / "resolv.conf"
        resolver.parent.mkdir(parents=True, exist_ok=True)
        resolver.write_text(f"nameserver {DNS4}\noptions timeout:1 attempts:2\n")
        self.dns = servers.Dns(
            outside, DNS4, DNS6, self.folder,
            {
                "dns4": DNS4, "dns6": DNS6, "target4": VIRTUAL4, "target6": VIRTUAL6,
                "partner4": PARTNER4, "partner6": PARTNER6,
            },
        )
        self.partner = servers.Kamailio(
            "partner", outside, PARTNER4, PARTNER6, self.folder, "partner.cfg", "partner"
        )
        for name in self.member_names:
            self.members[name] = servers.Kamailio(
                name, self.ns(name), member4(name), member6(name), self.folder, "member.cfg",
                "edge",
            )
        started = [self.dns, self.partner, *(self.members[n] for n in self.running)]
        for server in (self.dns, self.partner, *self.members.values()):
            self.on_exit(server.stop)
        for server in started:
            server.launch()
        for server in started:
            server.wait()
        # The kernel lets packets through a link up to a second after it came up.
        for namespace in ("outside", "edge", "inside", *self.member_names):
            wait_until(lambda n=namespace: links_ready(self.ns(n)), 5, f"links of {namespace}")

    def cut(self, member):
        """Pulls a member's cable."""
        netns.ip(self.ns("inside"), [f"link set to-{member} down"])

    def mend(self, member):
        netns.ip(self.ns("inside"), [f"link set to-{member} up"])
