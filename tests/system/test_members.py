# SPDX-License-Identifier: BSD-2-Clause
"""What happens to sessions when members die, hang, are drained, come and go."""

import copy

import pytest

from lab import config, netns
from lab import topology as t
from traffic import Traffic

URI = "sip:alice@contoso.com"


def held(lab, member, v6=False):
    """Connections that postern has to a member, as the member's kernel sees them."""
    shown = netns.command(lab.ns(member), "ss", "-Htn", "state", "established").stdout
    ours = (f"[{t.FROM6}]:",) if v6 else (f"{t.FROM4}:", f"{t.FROM4B}:")
    ends = [line.split()[2:4] for line in shown.splitlines()]
    return sum(here.endswith(":5061") and there.startswith(ours) for here, there in ends)


def of(sessions, member):
    return [s for s in sessions if s.member == member]


def not_of(sessions, member):
    return [s for s in sessions if s.member != member]


@pytest.fixture
def whole(lab, postern):
    """All members as they were, whatever a test did to them."""
    yield
    for name in lab.running:
        member = lab.members[name]
        if not member.running:
            member.start()
        member.resume()
        lab.mend(name)
    for m in postern.all("member.list"):
        if m["admin"] != "ready":
            postern.ctl("member", "set", m["name"], "state", "ready")
    postern.wait_all_up()


def test_killed_member_is_left_at_once(lab, postern, whole, call, user):
    sessions = call(30)
    victim = user.deliver(URI, 10).member
    mine = of(sessions, victim)
    others = not_of(sessions, victim)
    assert mine and others
    with Traffic(others, lambda s: s.options()):
        lab.members[victim].kill()
        assert all(s.ended(5) for s in mine)
        assert user.deliver(URI, 5, avoid=victim) is not None
        # No probe needs to have found out: what refuses is left for another.
        assert victim not in {s.member for s in call(20)}
    postern.wait_member(victim, health="down")


def test_started_again_it_takes_sessions_again(lab, postern, whole, call):
    lab.members["fe1"].kill()
    postern.wait_member("fe1", health="down")
    assert "fe1" not in {s.member for s in call(20)}
    lab.members["fe1"].start()
    postern.wait_member("fe1", health="up")
    assert "fe1" in {s.member for s in call(40)}


@pytest.mark.parametrize("address", [t.VIRTUAL4, t.VIRTUAL6], ids=["IPv4", "IPv6"])
def test_hung_member_is_found_and_its_sessions_reset_on_both_sides(
    lab, postern, whole, call, address
):
    sessions = call(30, address)
    victim = sessions[0].member
    name = victim + ("-v6" if ":" in address else "")
    mine, others = of(sessions, victim), not_of(sessions, victim)
    before = postern.counters()
    assert held(lab, victim, ":" in address) >= len(mine)
    with Traffic(others, lambda s: s.options()):
        lab.members[victim].pause()
        assert {s.ended(10) for s in mine} == {"reset"}
        postern.wait_member(name, health="down")
        assert victim not in {s.member for s in call(20, address)}
    after = postern.counters()
    assert after["close-member-down"] >= before["close-member-down"] + len(mine)
    assert after["reset-sent"] >= before["reset-sent"] + 2 * len(mine)
    # Resets reach the member's kernel though its programs hang.
    postern.wait_member(name, sessions=0)
    assert held(lab, victim, ":" in address) == 0


def test_partner_fails_over_from_a_hung_member(lab, postern, whole, user):
    victim = user.deliver(URI, 10).member
    lab.members[victim].pause()
    assert user.deliver(URI, 10, avoid=victim) is not None


def test_member_without_its_cable(lab, postern, whole, call):
    sessions = call(30)
    mine, others = of(sessions, "fe3"), not_of(sessions, "fe3")
    with Traffic(others, lambda s: s.options()):
        lab.cut("fe3")
        assert {s.ended(15) for s in mine} == {"reset"}
        assert "fe3" not in {s.member for s in call(20)}
    lab.mend("fe3")
    postern.wait_member("fe3", health="up", seconds=15)
    assert "fe3" in {s.member for s in call(40)}


def test_drained_member_keeps_what_it_has(postern, whole, call):
    sessions = call(30)
    mine = of(sessions, "fe2")
    assert mine
    with Traffic(sessions, lambda s: s.options()) as traffic:
        postern.ctl("member", "set", "edges/fe2", "state", "drain")
        assert postern.members()["fe2"]["admin"] == "drain"
        assert "fe2" not in {s.member for s in call(30)}
        traffic.go_on()
        postern.ctl("member", "set", "edges/fe2", "state", "ready")
        assert "fe2" in {s.member for s in call(40)}


def test_member_in_maintenance_is_empty(lab, postern, whole, call):
    sessions = call(30)
    mine, others = of(sessions, "fe2"), not_of(sessions, "fe2")
    with Traffic(others, lambda s: s.options()):
        postern.ctl("member", "set", "edges/fe2", "state", "maint")
        assert {s.ended(5) for s in mine} == {"reset"}
        postern.wait_member("fe2", sessions=0)
        assert "fe2" not in {s.member for s in call(20)}
    assert held(lab, "fe2") == 0


def test_without_members_clients_are_told(lab, postern, whole, streams, dial):
    before = postern.counter("refuse-no-member")
    for name in ("fe1", "fe2", "fe3"):
        postern.ctl("member", "set", f"streams/{name}", "state", "drain")
    with pytest.raises(ConnectionRefusedError):
        dial()
    assert postern.counter("refuse-no-member") == before + 1
    assert dial(address=t.VIRTUAL6).member in ("fe1", "fe2", "fe3")
    postern.ctl("member", "set", "streams/fe1", "state", "ready")
    assert {c.member for c in dial(5)} == {"fe1"}


def test_members_come_and_go_under_traffic(lab, postern, whole, dial, streams):
    """fe4 is added, takes its share, and is removed; its sessions are reset, the others' live."""
    original = postern.config
    sessions = dial(30)
    with Traffic(sessions) as traffic:
        bigger = copy.deepcopy(original)
        bigger["pools"][1]["members"] = config.members(
            ("fe1", "fe2", "fe3", "fe4"), config.STREAM_PORT
        )
        postern.write(bigger)
        postern.reload()
        postern.wait_member("fe4", pool="streams", health="up")
        traffic.go_on()
        new = dial(60)
        mine = of(new, "fe4")
        assert mine
        postern.write(original)
        postern.reload()
        assert {c.ended(5) for c in mine} == {"reset"}
        assert "fe4" not in {c.member for c in dial(30)}
        assert "fe4" not in postern.members("streams")
        traffic.go_on()
    for c in not_of(new, "fe4"):
        assert c.name() == c.member


def test_weights(lab, postern, whole, dial):
    """A member of weight 0 takes nothing; the heavier of two takes more."""
    original = postern.config
    changed = copy.deepcopy(original)
    for member, weight in zip(changed["pools"][1]["members"], (3, 1, 0)):
        member["weight"] = weight
    postern.write(changed)
    try:
        postern.reload()
        got = [c.member for c in dial(200)]
        assert got.count("fe3") == 0
        # 150 expected of 200, with a standard deviation of 6.
        assert got.count("fe1") > 110
        assert got.count("fe2") > 10
    finally:
        postern.write(original)
        postern.reload()
