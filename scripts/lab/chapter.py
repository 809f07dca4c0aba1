# SPDX-License-Identifier: BSD-2-Clause
"""The chapter of scripts/run about partners: who gets in, who does not, and what an operator does."""

import copy
import time

from . import sip, world
from . import topology as t
from .process import wait_until

EVIL, ADATUM = "203.0.113.111", "203.0.113.112"
LITWARE, LITWARE_NEW = "203.0.113.113", "203.0.113.114"
EDGE = "_sipfederationtls._tcp SRV 0 0 5061 sip"


class Partners:
    def __init__(self, lab, postern, show):
        self.lab, self.postern, self.show = lab, postern, show
        self.outside = lab.ns("outside")
        self.tls = sip.context(lab.folder)
        self.zones = None

    def prepare(self):
        """Partners with addresses and zones of their own; the service asks who comes."""
        world.manage(self.lab)
        world.add_address(self.lab, EVIL, ADATUM, LITWARE, LITWARE_NEW)
        self.zones = world.Zones(self.lab)
        for domain, address in (
            ("evil.example", EVIL), ("adatum.com", ADATUM), ("litware.example", LITWARE),
        ):
            self.zones.set(domain, EDGE, f"sip A {address}", ttl=1)
        c = copy.deepcopy(self.postern.config)
        c["resolver"] = [t.DNS4]
        c["dns"] = {"lowest-ttl": "1s"}
        c["organisations"] = [{"name": "contoso", "domains": ["contoso.com"]}]
        c["services"][0].update({
            "admission": "enforce", "on-refuse": "reset",
            "tls": {"certificate": "edge.pem", "key": "edge.key", "trust": "ca.pem"},
        })
        self.postern.write(c)

    def typed(self, *words, check=True):
        self.show.say(f"posternctl {' '.join(words)}")
        return self.postern.ctl(*words, check=check)

    def enter(self, address):
        """The member that answers a partner's connection from an address, or None."""
        try:
            session = sip.Session(
                self.outside, t.VIRTUAL4, self.tls, timeout=2.0, source=(address, 0)
            )
        except OSError:
            return None
        try:
            return session.options()
        finally:
            session.close()

    def entered(self, who, address, wanted):
        member = self.enter(address)
        if wanted:
            wait_until(lambda: member or self.enter(address), 5, f"{who} let in")
            member = member or self.enter(address)
        self.show.check(
            bool(member) == wanted,
            f"{who}, from {address}: " + (f"let in, answered by {member}" if member else "refused"),
        )

    def known(self, domain):
        """Waits until DNS has said where a partner is; milliseconds."""
        begin = time.monotonic()
        wait_until(
            lambda: self.postern.call("partner.show", domain=domain)["facts"]["srv"] == "good",
            5, f"the SRV record of {domain}",
        )
        return 1000 * (time.monotonic() - begin)

    def who(self):
        """Partners, each with an address and a DNS zone of its own; the service asks who comes"""
        self.prepare()
        self.typed("config", "reload")
        self.typed("policy", "set", "AllowFederatedUsers", "true")
        self.typed("allowed-domain", "add", "fabrikam.com")
        self.typed("allowed-domain", "add", "litware.example")
        self.typed("blocked-domain", "add", "evil.example")
        self.known("fabrikam.com")
        self.known("litware.example")
        self.entered("fabrikam.com, allowed", t.PARTNER4, True)
        self.entered("litware.example, allowed", LITWARE, True)
        self.entered("evil.example, blocked", EVIL, False)
        self.entered("adatum.com, on no list", ADATUM, False)
        self.show.say(self.typed("why", ADATUM).stdout.strip())

    def allow(self):
        """The operator allows adatum.com, live"""
        begin = time.monotonic()
        self.typed("allowed-domain", "add", "adatum.com")
        wait_until(lambda: self.enter(ADATUM), 5, "adatum.com let in", every=0.01)
        took = 1000 * (time.monotonic() - begin)
        self.show.check(True, f"adatum.com is in, {took:.0f} ms after the command was typed")

    def move(self):
        """litware.example moves: its zone has another address"""
        self.entered("litware.example, from where it will be", LITWARE_NEW, False)
        self.zones.set("litware.example", EDGE, f"sip A {LITWARE_NEW}", ttl=1)
        begin = time.monotonic()
        self.show.say(f"its zone says now, with a TTL of 1 s: sip.litware.example A {LITWARE_NEW}")
        wait_until(lambda: self.enter(LITWARE_NEW), 10, "litware.example at its new address")
        took = 1000 * (time.monotonic() - begin)
        self.show.check(True, f"its sessions come in from there, {took:.0f} ms after the change")
        self.entered("whoever has its old address", LITWARE, False)

    def test(self):
        """The way to a partner is tested, step by step"""
        done = self.typed("partner", "test", "fabrikam.com", check=False)
        self.show.say(done.stdout.strip())
        self.show.check(done.returncode == 0, "fabrikam.com's edge works at both addresses")
        done = self.typed("partner", "test", "adatum.com", check=False)
        self.show.say(done.stdout.strip())
        self.show.check(done.returncode == 1, "adatum.com's does not, and it is said why")
