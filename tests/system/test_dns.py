# SPDX-License-Identifier: BSD-2-Clause
"""Where partners are: knot holds their zones, unbound validates, and both fail and come back."""

import contextlib
import socket
import threading

import pytest

from conftest import quick
from lab import netns
from lab import topology as t
from lab.names import Names
from lab.postern import Postern, RpcError
from lab.process import wait_until

SERVICE = "_sipfederationtls._tcp"
FABRIKAM = [
    f"{SERVICE} SRV 10 0 5061 sip", "sip A 203.0.113.100", "sip AAAA 2001:db8:0:1::100",
]
SHORT = {
    "timeout": "500ms", "lowest-ttl": "1s", "highest-ttl": "1h", "highest-negative-ttl": "1s",
    "keep": "1h",
}


@pytest.fixture(scope="module")
def names(lab):
    many = [f"{SERVICE} SRV {n} 0 5061 a-server-with-quite-a-long-name-{n}" for n in range(40)]
    many += [f"a-server-with-quite-a-long-name-{n} A 192.0.2.{n + 1}" for n in range(40)]
    world = Names(
        lab,
        {
            "fabrikam.example": FABRIKAM,
            "adatum.example": [f"{SERVICE} SRV 0 0 5061 ."],
            "signed.example": FABRIKAM,
            "many.example": many,
            "litware.example": [
                f"{SERVICE} SRV 10 0 5061 one", f"{SERVICE} SRV 20 0 5061 two",
                "one A 192.0.2.1", "two A 192.0.2.2",
            ],
            "alias.example": [
                f"{SERVICE} SRV 10 0 5061 sip", "sip CNAME edge.hoster.example.",
            ],
            "hoster.example": ["edge A 192.0.2.9"],
            "odd.example": [
                f"{SERVICE} SRV 10 0 5061 sip.elsewhere.example.",
                f"{SERVICE} SRV 10 0 5061 192.0.2.7.", f"{SERVICE} SRV 10 0 0 sip",
            ],
        },
        signed=["signed.example"],
    )
    world.start()
    yield world
    world.stop()


def with_dns(resolvers, **dns):
    c = quick()
    c["organisations"] = [{"name": "contoso", "domains": ["contoso.com"]}]
    c["resolver"] = resolvers
    c["dns"] = {**SHORT, **dns}
    return c


@contextlib.contextmanager
def running(lab, config, name):
    p = Postern(lab, config, name=name)
    try:
        p.start()
        p.ctl("policy", "set", "AllowFederatedUsers", "true")
        yield p
        if p.process.running:
            assert p.stop(seconds=30) == 0
    finally:
        p.discard()


@pytest.fixture
def mine(lab, streams, names):
    with running(lab, with_dns([names.address4]), "dns") as p:
        yield p


def facts(p, domain):
    shown = p.call("partner.show", domain=domain)
    return shown["facts"]["srv"], {x["target"]: x["addresses"] for x in shown["targets"]}


def wait_facts(p, domain, state, targets=None, seconds=15):
    def check():
        found = facts(p, domain)
        return found if found[0] == state and targets in (None, found[1]) else None

    try:
        return wait_until(check, seconds, f"{domain} to be {state} with {targets}")
    except Exception as e:
        raise AssertionError(f"{e}: {facts(p, domain)}, {item(p, domain)}") from None


def item(p, name, kind="domain"):
    found = [i for i in p.call("dns.list", name=name)["items"] if i["kind"] == kind]
    return found[0] if found else None


def allow(p, domain, *more):
    p.ctl("allowed-domain", "add", domain, *more)


SIP = {"sip.fabrikam.example": ["203.0.113.100", "2001:db8:0:1::100"]}


def test_from_the_command_to_the_facts(mine):
    """Both families, at once; then the operator's three commands."""
    allow(mine, "fabrikam.example")
    wait_facts(mine, "fabrikam.example", "good", SIP)
    assert mine.call("partner.show", domain="fabrikam.example")["decision"] == "admit"
    listed = item(mine, "fabrikam.example")
    assert (listed["state"], listed["why"], listed["followed"]) == ("good", "found", True)
    asked = mine.ctl("dns", "lookup", "fabrikam.example", "srv", json_output=True)
    assert asked["questions"][0]["result"] == "found"
    assert asked["questions"][0]["resolver"] == f"{t.BRIDGE4}:53"
    assert asked["records"] == [{
        "name": f"{SERVICE}.fabrikam.example", "type": "SRV", "ttl-ms": 1000, "priority": 10,
        "weight": 0, "port": 5061, "value": "sip.fabrikam.example",
    }]
    both = mine.call("dns.lookup", name="sip.fabrikam.example")
    assert [r["value"] for r in both["records"]] == SIP["sip.fabrikam.example"]
    assert mine.ctl("dns", "flush", "fabrikam.example", json_output=True)["asked-again"] == 1
    assert "there is no name" in mine.ctl("dns", "flush", "nobody.example", check=False).stderr
    wait_facts(mine, "fabrikam.example", "good", SIP)
    shown = mine.call("dns.show")
    assert (shown["domains"], shown["resolvers"][0]["state"]) == (1, "answers")
    # What is no longer listed is no longer known.
    mine.ctl("allowed-domain", "remove", "fabrikam.example")
    assert item(mine, "fabrikam.example") is None


def test_zones_change(mine, names):
    """A partner moves, gets a second server, loses its record and comes back."""
    allow(mine, "fabrikam.example")
    wait_facts(mine, "fabrikam.example", "good", SIP)
    try:
        moved = [FABRIKAM[0], "sip A 203.0.113.101"]
        names.set("fabrikam.example", moved)
        wait_facts(mine, "fabrikam.example", "good", {"sip.fabrikam.example": ["203.0.113.101"]})
        names.set("fabrikam.example", [
            *moved, f"{SERVICE} SRV 5 0 5061 edge", "edge AAAA 2001:db8:0:1::101",
        ])
        wait_facts(mine, "fabrikam.example", "good", {
            "edge.fabrikam.example": ["2001:db8:0:1::101"],
            "sip.fabrikam.example": ["203.0.113.101"],
        })
        first = mine.call("partner.show", domain="fabrikam.example")["targets"][0]
        assert first["target"] == "edge.fabrikam.example"
        names.set("fabrikam.example", ["www A 203.0.113.1"])
        wait_facts(mine, "fabrikam.example", "no record", {})
        shown = mine.call("partner.show", domain="fabrikam.example")
        assert (shown["decision"], shown["reason"]) == ("refuse", "srv-none")
    finally:
        names.set("fabrikam.example", FABRIKAM)
    wait_facts(mine, "fabrikam.example", "good", SIP)


def test_what_domains_say(mine):
    for domain in ("adatum", "alias", "many", "odd", "nobody", "litware"):
        allow(mine, f"{domain}.example")
    wait_facts(mine, "adatum.example", "no record", {})
    assert "no such service" in item(mine, "adatum.example")["why"]
    wait_facts(mine, "nobody.example", "no record", {})
    assert "no such name" in item(mine, "nobody.example")["why"]
    wait_facts(mine, "alias.example", "good", {"sip.alias.example": ["192.0.2.9"]})
    # The best sixteen of forty, which came over TCP.
    _, targets = wait_facts(mine, "many.example", "good")
    assert len(targets) == 16
    assert targets["a-server-with-quite-a-long-name-15.many.example"] == ["192.0.2.16"]
    assert "24 records left out" in item(mine, "many.example")["why"]
    assert mine.call("dns.lookup", name="many.example", type="srv")["questions"][0]["tcp"]
    # A target elsewhere counts for nobody; an address and a port of 0 are no targets at all.
    wait_facts(mine, "odd.example", "good", {"sip.elsewhere.example": []})
    shown = mine.call("partner.show", domain="odd.example")
    assert (shown["decision"], shown["reason"]) == ("refuse", "srv-other-domain")
    assert "2 records left out" in item(mine, "odd.example")["why"]


def test_signatures(mine, names):
    """What is well signed is known as such; what is not counts as no answer."""
    allow(mine, "signed.example")
    wait_facts(mine, "signed.example", "good")
    asked = mine.call("dns.lookup", name="signed.example", type="srv")["questions"][0]
    assert (asked["result"], asked["validated"]) == ("found", True)
    try:
        names.sign("signed.example", False)
        mine.ctl("dns", "flush")
        wait_facts(mine, "signed.example", "no record", {}, seconds=40)
        assert "forged or badly signed" in item(mine, "signed.example")["why"]
        asked = mine.call("dns.lookup", name="signed.example", type="srv")["questions"][0]
        assert asked["result"] == "bogus"
        assert mine.call("dns.show")["counters"]["dns-bogus"] > 0
    finally:
        names.sign("signed.example", True)


def test_the_authority_dies(lab, streams, names):
    """What was known holds on, marked, until it has been kept for long enough."""
    with running(lab, with_dns([names.address4], keep="8s"), "kept") as p:
        allow(p, "fabrikam.example")
        wait_facts(p, "fabrikam.example", "good", SIP)
        names.knot.kill()
        try:
            wait_facts(p, "fabrikam.example", "failed", SIP)
            assert p.call("partner.show", domain="fabrikam.example")["decision"] == "admit"
            assert item(p, "fabrikam.example")["failing-since"]
            wait_facts(p, "fabrikam.example", "failed", {}, seconds=40)
            shown = p.call("partner.show", domain="fabrikam.example")
            assert (shown["decision"], shown["reason"]) == ("refuse", "srv-failed")
        finally:
            names.start_authority()
        p.ctl("dns", "flush")
        wait_facts(p, "fabrikam.example", "good", SIP, seconds=30)


def test_a_resolver_dies(lab, streams, names):
    """Another one is asked; an alarm says so, and goes when it is back."""
    with running(lab, with_dns([f"{t.BRIDGE4}:53", f"[{t.BRIDGE6}]:5399"]), "two") as p:
        # Nobody listens at the second one.
        allow(p, "fabrikam.example")
        wait_facts(p, "fabrikam.example", "good", SIP)

        def second():
            return p.call("dns.show")["resolvers"][1]["state"] == "silent"

        wait_until(second, 20, "the second resolver to be given up")
        # Both are gone now: nothing can be asked, and what is known stays.
        names.unbound.kill()
        try:
            wait_facts(p, "fabrikam.example", "failed", SIP, seconds=30)
        finally:
            names.start_resolver()
        wait_until(
            lambda: p.call("dns.show")["resolvers"][0]["state"] == "answers", 40, "it is back"
        )
        p.ctl("dns", "flush")
        wait_facts(p, "fabrikam.example", "good", SIP, seconds=30)


def test_nothing_is_kept_over_a_restart(lab, streams, names):
    with running(lab, with_dns([names.address4]), "again") as p:
        allow(p, "fabrikam.example")
        wait_facts(p, "fabrikam.example", "good", SIP)
        assert p.stop() == 0
        p.start()
        wait_facts(p, "fabrikam.example", "good", SIP)


def test_settings_by_reload(mine, names):
    """Another resolver and other times from one moment to the next."""
    allow(mine, "fabrikam.example")
    wait_facts(mine, "fabrikam.example", "good", SIP)
    c = mine.config
    mine.write({**c, "resolver": [names.address6], "dns": {**c["dns"], "order": "partner"}})
    mine.reload()
    asked = mine.call("dns.lookup", name="fabrikam.example", type="srv")["questions"][0]
    assert asked["resolver"] == f"[{t.BRIDGE6}]:53"
    mine.write({**c, "resolver": ["10.0.0.200", "10.0.0.200:53"]})
    with pytest.raises(RpcError):
        mine.reload()


class Hostile:
    """A resolver that answers what it likes."""

    def __init__(self, namespace, address):
        self.sock = netns.open_socket(namespace, socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 53535))
        self.sock.settimeout(0.2)
        self.asked = 0
        self.ends = False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        loop = b"\xc0\x0c\x00\x21\x00\x01\x00\x00\x0e\x10"
        tails = [
            b"", b"\xff" * 40,
            b"\xc0\x60\x00\x21\x00\x01\x7f\xff\xff\xff\x00\x08\x00\x00\x00\x00\x13\xc5\xc0\x60",
            loop + b"\xff\xff\x00\x00\x00\x00\x13\xc5\x01a\x00",
            loop + b"\x00\x08\x00\x00\x00\x00\x13\xc5\xc0\x0c",
        ]
        while not self.ends:
            try:
                question, who = self.sock.recvfrom(4096)
            except OSError:
                continue
            tail = tails[self.asked % len(tails)]
            self.asked += 1
            counts = b"\x00\x01" + (b"\xff\xff" if self.asked % 7 == 0 else b"\x00\x01")
            head = question[:2] + b"\x81\x80" + counts + b"\x00\x00\x00\x00"
            with contextlib.suppress(OSError):
                self.sock.sendto(head + question[12:-11] + tail, who)

    def close(self):
        self.ends = True
        self.thread.join()
        self.sock.close()


def test_hostile_answers(lab, streams, names):
    """Counted and told with the partner's name; who answers well is asked in turn."""
    hostile = Hostile(lab.ns("inside"), t.BRIDGE4)
    try:
        with running(
            lab, with_dns([f"{t.BRIDGE4}:53535", names.address4]), "hostile"
        ) as p:
            for n in range(30):
                allow(p, f"d{n}.example")
            allow(p, "fabrikam.example")
            wait_facts(p, "fabrikam.example", "good", SIP, seconds=30)
            wait_until(lambda: hostile.asked > 30, 20, "questions to the hostile one")
            wait_until(
                lambda: p.call("dns.show")["counters"]["dns-malformed"] > 10, 20, "counts"
            )
            assert "cannot be used" in p.process.log() and ".example" in p.process.log()
    finally:
        hostile.close()
