# SPDX-License-Identifier: BSD-2-Clause
"""DNS as postern sees it: knot holds the zones, unbound asks it, validates and answers postern."""

import re

from . import netns
from . import topology as t
from .process import Process, wait_until

AUTHORITY = "127.0.0.1@5353"
START = 10.0

KNOT = """\
server:
    rundir: {folder}
    listen: 127.0.0.1@5353
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    pidfile: {folder}/knot.pid
database:
    storage: {folder}
policy:
  - id: lab
    algorithm: ecdsap256sha256
    single-type-signing: on
template:
  - id: default
    storage: {folder}
    file: "%s.zone"
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
zone:
{zones}
log:
  - target: stderr
    any: warning
"""

# Nothing is remembered for longer than a second, so that what changes is seen.
UNBOUND = """\
server:
    interface: {v4}
    interface: {v6}
    access-control: 0.0.0.0/0 allow
    access-control: ::/0 allow
    do-daemonize: no
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: "{folder}/unbound.pid"
    use-syslog: no
    verbosity: 1
    num-threads: 1
    do-not-query-localhost: no
    module-config: "validator iterator"
    ede: yes
    cache-max-ttl: 1
    cache-max-negative-ttl: 1
    infra-host-ttl: 1
    serve-expired: no
    val-bogus-ttl: 1
    val-max-restart: 0
{anchors}
remote-control:
    control-enable: no
stub-zone:
    name: "example"
    stub-addr: {authority}
    stub-no-cache: yes
"""

HEAD = """\
$ORIGIN {name}.
$TTL {ttl}
@ SOA ns hostmaster 1 3600 900 86400 {ttl}
@ NS ns
ns A 127.0.0.1
"""


class Names:
    """Zones below "example", by name, as lines of text; `signed` ones have signatures."""

    def __init__(self, lab, zones, signed=(), ttl=1):
        self.lab, self.ttl = lab, ttl
        self.namespace = lab.ns("inside")
        self.folder = lab.folder / "names"
        self.folder.mkdir(exist_ok=True)
        self.zones = {}
        self.signed = set(signed)
        self.knot = self.unbound = None
        for name, lines in {"example": [], **zones}.items():
            self._write(name, lines)
        lab.on_exit(self.stop)

    @property
    def address4(self):
        return t.BRIDGE4

    @property
    def address6(self):
        return t.BRIDGE6

    def start(self):
        self._configure()
        self.start_authority()
        anchors = "".join(
            f'    trust-anchor: "{self._key(name)}"\n' for name in sorted(self.signed)
        )
        (self.folder / "unbound.conf").write_text(UNBOUND.format(
            folder=self.folder, anchors=anchors, authority=AUTHORITY,
            v4=self.address4, v6=self.address6,
        ))
        self.start_resolver()

    def start_authority(self):
        self.knot = Process(
            "names-knot", self.namespace, ["knotd", "-c", self.folder / "knot.conf"], self.folder
        )
        self.knot.wait_ready(lambda: "SOA" in self._dig(AUTHORITY, "example", "SOA"), START)

    def start_resolver(self):
        self.unbound = Process(
            "names-unbound", self.namespace,
            ["unbound", "-d", "-c", self.folder / "unbound.conf"], self.folder,
        )
        self.unbound.wait_ready(
            lambda: "SOA" in self._dig(self.address4, "example", "SOA"), START
        )

    def stop(self):
        for process in (self.unbound, self.knot):
            if process:
                process.stop(2.0)

    def set(self, name, lines):
        """The zone holds these from now on."""
        self._write(name, lines)
        self._knotc("zone-reload", f"{name}.")

    def sign(self, name, on):
        """With or without signatures; the resolver believes that there are some in either case."""
        self.signed ^= {name} if on != (name in self.signed) else set()
        self._configure()
        self._knotc("reload")
        if not on:
            self._knotc("-f", "zone-purge", "+journal", "+timers", f"{name}.")
        self._knotc("zone-reload", f"{name}.")
        if not on:
            wait_until(
                lambda: "EDE" in self._dig(self.address4, name, "SOA"), 3 * START,
                f"{name} to fail validation",
            )

    def _write(self, name, lines):
        self.zones[name] = lines
        text = HEAD.format(name=name, ttl=self.ttl) + "".join(f"{line}\n" for line in lines)
        (self.folder / f"{name}.zone").write_text(text)

    def _configure(self):
        zones = "".join(
            f"  - domain: {name}\n"
            + ("    dnssec-signing: on\n    dnssec-policy: lab\n" if name in self.signed else "")
            for name in self.zones
        )
        (self.folder / "knot.conf").write_text(KNOT.format(folder=self.folder, zones=zones))

    def _knotc(self, *argv):
        netns.command(
            self.namespace, "knotc", "-c", self.folder / "knot.conf", "-b", *argv, timeout=20
        )

    def _dig(self, server, name, kind):
        where = ["@" + server.partition("@")[0], "-p", server.partition("@")[2] or "53"]
        return netns.command(
            self.namespace, "kdig", "+edns", "+time=1", "+retry=0", *where, name, kind,
            check=False,
        ).stdout

    def _key(self, name):
        """What a resolver is told to believe of a signed zone."""

        def known():
            return re.search(rf"^{name}\.\s.*\sDNSKEY\s.*$", self._dig(AUTHORITY, name, "DNSKEY"),
                             re.M)

        return wait_until(known, START, f"the key of {name}").group(0)
