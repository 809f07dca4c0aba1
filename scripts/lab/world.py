# SPDX-License-Identifier: BSD-2-Clause
"""Partners outside: each with an address, a DNS zone and a server of its own, and the way by which
postern's control half gets to them, through the kernel (a management interface)."""

from . import netns, owner, servers
from . import topology as t
from .process import Process, can_connect

MANAGE_EDGE, MANAGE_OUTSIDE = "192.168.99.2", "192.168.99.1"
MANAGE_EDGE6, MANAGE_OUTSIDE6 = "fd00:0:0:99::2", "fd00:0:0:99::1"
START = 10.0


def manage(lab):
    """The edge's kernel gets to the outside, and its programs ask the lab's DNS."""
    edge, outside = lab.ns("edge"), lab.ns("outside")
    lab.join(outside, "manage0", edge, "mgmt1")
    netns.ip(outside, [
        "link set manage0 up", f"addr add {MANAGE_OUTSIDE}/24 dev manage0",
        f"addr add {MANAGE_OUTSIDE6}/64 dev manage0 nodad",
    ])
    netns.ip(edge, [
        "link set mgmt1 up", f"addr add {MANAGE_EDGE}/24 dev mgmt1",
        f"addr add {MANAGE_EDGE6}/64 dev mgmt1 nodad",
        f"route add 203.0.113.0/24 via {MANAGE_OUTSIDE}",
        f"route add 2001:db8:0:1::/64 via {MANAGE_OUTSIDE6}",
    ])
    resolver = owner.ETC / edge / "resolv.conf"
    resolver.parent.mkdir(parents=True, exist_ok=True)
    resolver.write_text(f"nameserver {t.DNS4}\noptions timeout:1 attempts:2\n")


def unmanage(lab):
    netns.ip(lab.ns("edge"), ["link del mgmt1"])


class Zones:
    """Further zones of the lab's DNS, changed while it runs."""

    def __init__(self, lab):
        self.lab = lab
        self.folder = lab.folder / "dns"
        self.config = lab.folder / "knot.conf"
        self.plain = self.config.read_text()
        self.names = []
        self.serial = 1

    def _knotc(self, *argv):
        netns.command(
            self.lab.ns("outside"), "knotc", "-s", self.folder / "knot.sock", "-b", *argv
        )

    def set(self, domain, *records, ttl=30):
        """Publishes a zone: set("fabrikam.com", "sip A 203.0.113.100")."""
        self.serial += 1
        lines = [
            f"$ORIGIN {domain}.", f"$TTL {ttl}",
            f"@ SOA ns.invalid. hostmaster.invalid. {self.serial} 3600 600 86400 {ttl}",
            "@ NS ns.invalid.", *records,
        ]
        (self.folder / f"{domain}.zone").write_text("\n".join(lines) + "\n")
        if domain in self.names:
            self._knotc("zone-reload", domain)
            return
        self.names.append(domain)
        text = self.plain.replace(
            "\nlog:", "".join(f"  - domain: {name}\n" for name in self.names) + "\nlog:"
        )
        self.config.write_text(text)
        self._knotc("reload")

    def restore(self):
        self.config.write_text(self.plain)
        self._knotc("reload")
        self.names = []


def add_address(lab, *addresses):
    """Addresses of the outside namespace's wire."""
    netns.ip(lab.ns("outside"), [
        f"addr add {a}/64 dev wire0 nodad" if ":" in a else f"addr add {a}/24 dev wire0"
        for a in addresses
    ])


def remove_address(lab, *addresses):
    netns.ip(lab.ns("outside"), [
        f"addr del {a}/64 dev wire0" if ":" in a else f"addr del {a}/24 dev wire0"
        for a in addresses
    ])


class TlsServer:
    """openssl s_server on an address of the outside."""

    def __init__(self, lab, name, address, certificate, *options, port=5061):
        where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        self.process = Process(
            name, lab.ns("outside"),
            ["openssl", "s_server", "-quiet", "-accept", where, "-cert", f"{certificate}.pem",
             "-key", f"{certificate}.key", *options],
            lab.folder,
        )
        self.process.wait_ready(can_connect(lab.ns("outside"), address, port), START)

    def stop(self):
        self.process.stop(2.0)


def sip_server(lab, name, address, address6, certificate):
    """Kamailio as a partner's edge, which asks for our certificate and answers OPTIONS."""
    return servers.Kamailio(
        name, lab.ns("outside"), address, address6, lab.folder, "member.cfg", certificate
    )


