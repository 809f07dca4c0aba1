# SPDX-License-Identifier: BSD-2-Clause
"""What scripts/run shows: sessions of partners spread over a pool of SIP servers, and what
happens to them when servers die, hang, are drained, and when the configuration changes."""

import collections
import concurrent.futures
import copy
import threading
import time

from . import chapter, config, netns, servers, sip
from . import topology as t
from .process import wait_until

HOSTING = 5062
URI, URI6 = "sip:alice@contoso.com", "sip:alice@v6.contoso.com"


class Demo:
    def __init__(self, lab, postern, show):
        self.lab, self.postern, self.show = lab, postern, show
        self.outside = lab.ns("outside")
        self.tls = sip.context(lab.folder)
        self.user = sip.User(self.outside)
        self.sessions = []

    def open(self, count, address=t.VIRTUAL4, **more):
        """So many partners' connections, each asked once who answers."""

        def one(_):
            session = sip.Session(self.outside, address, self.tls, **more)
            session.options()
            return session

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            return list(pool.map(one, range(count)))

    @staticmethod
    def close(sessions):
        for session in sessions:
            session.close()

    def still(self, sessions):
        """Those of the sessions that still answer, each from the member that it had."""

        def one(session):
            before = session.member
            try:
                return session.options() == before
            except OSError:
                return False

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            return [s for s, good in zip(sessions, pool.map(one, sessions)) if good]

    def connections(self, member):
        """How many connections postern has to a member now, as the member's kernel sees it."""
        shown = netns.command(self.lab.ns(member), "ss", "-Htn", "state", "established").stdout
        ours = (f"{t.FROM4}:", f"{t.FROM4B}:", f"[{t.FROM6}]:")
        return sum(line.split()[3].startswith(ours) for line in shown.splitlines())

    def message(self, avoid=None, seconds=10, uri=URI):
        return self.user.deliver(uri, seconds, avoid)

    def all(self):
        partners = chapter.Partners(self.lab, self.postern, self.show)
        steps = (
            self.reach, self.spread, self.kill, self.drain, self.reload, self.hang,
            partners.who, partners.allow, partners.move, partners.test, self.relay, self.end,
        )
        for number, step in enumerate(steps, 1):
            with self.show.step(f"{number}. {step.__doc__}"):
                step()

    def reach(self):
        """A partner finds the pool by DNS and reaches it through postern"""
        found = servers.lookup(self.outside, t.DNS4, "_sipfederationtls._tcp.contoso.com")
        self.show.check(
            bool(found),
            f"_sipfederationtls._tcp.contoso.com SRV {found and found[0]} → {t.VIRTUAL4}",
        )
        for uri, family in ((URI, "IPv4"), (URI6, "IPv6")):
            got = self.message(uri=uri)
            self.show.check(
                got is not None,
                f"fabrikam.com's server sends a MESSAGE over {family} and mutual TLS: "
                + (f"200 from {got.member} in {got.milliseconds:.0f} ms" if got else "no answer"),
            )

    def spread(self):
        """Sixty connections over IPv4 and twenty over IPv6 are spread over the members"""
        self.sessions = self.open(60)
        six = self.open(20, t.VIRTUAL6)
        counts = self.show.bars(s.member for s in self.sessions + six)
        self.show.check(
            sum(counts.values()) == 80 and set(counts) == {"fe1", "fe2", "fe3"},
            f"{sum(counts.values())} sessions, every member has its share",
        )
        self.close(six)

    def kill(self):
        """The member that holds the partner's connection is killed (SIGKILL)"""
        before = self.message().member
        self.show.say(f"the partner's messages are answered by {before}")
        begin = time.monotonic()
        self.lab.members[before].kill()
        got = self.message(avoid=before)
        took = 1000 * (time.monotonic() - begin)
        self.show.check(
            got is not None,
            f"next message answered by {got.member}, {took:.0f} ms after the kill" if got
            else "no other member answered",
        )
        others = [s for s in self.sessions if s.member != before]
        self.show.check(
            len(self.still(others)) == len(others), f"{len(others)} sessions elsewhere go on"
        )
        state = self.postern.wait_member(before, health="down")
        self.show.check(True, f"postern says: {before} down, {state.get('why', '')}")
        self.close(s for s in self.sessions if s.member == before)
        self.sessions = others
        self.lab.members[before].start()
        self.postern.wait_member(before, health="up")
        self.show.check(True, f"{before} started again and is up")

    def drain(self):
        """fe2 is drained: what it has it keeps, new sessions go elsewhere"""
        self.sessions += self.open(60 - len(self.sessions))
        had = [s for s in self.sessions if s.member == "fe2"]
        self.typed("member", "set", "edges/fe2", "state", "drain")
        new = self.open(30)
        counts = self.show.bars(s.member for s in new)
        self.show.check(counts["fe2"] == 0, f"{len(new)} new sessions, none of them on fe2")
        self.show.check(
            had and len(self.still(had)) == len(had), f"the {len(had)} that fe2 had go on there"
        )
        self.typed("member", "set", "edges/fe2", "state", "ready")
        self.close(new)
        new = self.open(60)
        taken = sum(s.member == "fe2" for s in new)
        self.show.check(taken > 0, f"ready again: {taken} of {len(new)} new sessions on fe2")
        self.close(new)

    def typed(self, *words):
        self.show.say(f"posternctl {' '.join(words)}")
        return self.postern.ctl(*words)

    def reload(self):
        """A member is added to the file and the file is read again, under traffic"""
        self.lab.members["fe4"].start()
        bigger = copy.deepcopy(self.postern.config)
        for pool in bigger["pools"]:
            if pool["name"] == "edges":
                pool["members"] = config.members(("fe1", "fe2", "fe3", "fe4"), 5061)
        stop, asked = threading.Event(), [0]

        def traffic():
            while not stop.is_set():
                for session in self.sessions:
                    try:
                        session.options()
                        asked[0] += 1
                    except OSError:
                        return

        thread = threading.Thread(target=traffic, daemon=True)
        thread.start()
        wait_until(lambda: asked[0] > 0 or not thread.is_alive(), 5, "traffic")
        self.postern.write(bigger)
        self.typed("config", "reload")
        self.postern.wait_member("fe4", health="up")
        before = asked[0]
        wait_until(
            lambda: asked[0] > before + len(self.sessions) or not thread.is_alive(), 10,
            "traffic after the reload",
        )
        stop.set()
        thread.join(10)
        stand = len(self.still(self.sessions))
        self.show.check(
            stand == len(self.sessions),
            f"{stand} of {len(self.sessions)} sessions stand, "
            f"{asked[0]} requests answered meanwhile",
        )
        new = self.open(60)
        counts = self.show.bars(s.member for s in new)
        self.show.check(counts["fe4"] > 0, f"fe4 takes its share: {counts['fe4']} of {len(new)}")
        self.close(new)

    def hang(self):
        """The member that holds the partner's connection hangs (SIGSTOP)"""
        before = self.message().member
        stuck = [s for s in self.sessions if s.member == before]
        held = self.connections(before)
        self.show.say(f"{before} holds the partner's connection and {held} in all")
        begin = time.monotonic()
        self.lab.members[before].pause()
        try:
            ends = [s.ended(10) for s in stuck]
            took = 1000 * (time.monotonic() - begin)
            how = ", ".join(f"{n} {end}" for end, n in collections.Counter(ends).items())
            self.show.check(
                set(ends) == {"reset"},
                f"found by probes; of its {len(stuck)} sessions {how}, {took:.0f} ms after",
            )
            got = self.message(avoid=before)
            took = 1000 * (time.monotonic() - begin)
            self.show.check(
                got is not None,
                f"the partner's next message answered by {got.member}, {took:.0f} ms after" if got
                else "no other member answered",
            )
            wait_until(lambda: not self.connections(before), 5, f"{before} without connections")
            self.show.check(held > 0, f"connections at {before}: {held} before, none now")
        finally:
            self.lab.members[before].resume()
        self.close(stuck)
        self.sessions = [s for s in self.sessions if s not in stuck]
        self.postern.wait_member(before, health="up")
        self.show.check(True, f"{before} goes on and is up again")

    def relay(self):
        """One address serves two organisations: the server name that is asked for chooses the pool"""
        two = copy.deepcopy(self.postern.config)
        two.setdefault("organisations", []).append({"name": "northwind", "domains": ["northwind.com"]})
        # Of two it must be said whose partners are let in.
        for service in two["services"]:
            service["organisation"] = "contoso"
        two["pools"] += [
            {**config.sip_pool(("fe1", "fe2")), "name": "contoso"},
            {**config.sip_pool(("fe3", "fe4")), "name": "northwind"},
        ]
        two["services"].append({
            "name": "hosting", "mode": "relay", "listen": f"{t.VIRTUAL4}:{HOSTING}", "pool": "contoso",
            "choose": [
                {"organisation": "northwind", "pool": "northwind"},
                {"version-at-most": "tls1.1", "refuse": True},
            ],
        })
        self.postern.write(two)
        self.typed("config", "reload")
        self.postern.wait_all_up()
        for name, members in (("contoso", {"fe1", "fe2"}), ("northwind", {"fe3", "fe4"})):
            new = self.open(20, port=HOSTING, name=f"sip.{name}.com")
            counts = self.show.bars(s.member for s in new)
            self.show.check(
                set(counts) == members,
                f"{len(new)} sessions for sip.{name}.com at {t.VIRTUAL4}:{HOSTING}, all in the pool {name}",
            )
            self.close(new)
        self.show.say(self.typed("hello", "list").stdout.rstrip())

    def end(self):
        """Where everything stands"""
        self.close(self.sessions)
        self.show.say(self.postern.ctl("member", "list").stdout.rstrip())
        counted = self.postern.counters()
        for name, value in counted.items():
            if value and name.startswith(("session-", "close-", "refuse-", "reset-", "seen-")):
                self.show.say(f"{name:24} {value}")
        self.show.check(counted["session-opened"] > 0, "counters read")
