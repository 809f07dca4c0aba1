# SPDX-License-Identifier: BSD-2-Clause
"""Probes that ask the members' real SIP servers: what they answer counts, and not only that they
accept connections."""

import copy
import re

import pytest

from conftest import quick
from lab import sip
from lab import topology as t
from lab.process import wait_until

HEALTHY = 'sl_send_reply("200", "OK");'


def variant(original, changes):
    """A member's server with other words in its script."""
    new = copy.copy(original)
    new.config = original.folder / f"{original.name}-variant.cfg"
    text = original.config.read_text()
    for old, words in changes:
        assert old in text
        text = text.replace(old, words)
    new.config.write_text(text)
    return new


@pytest.fixture
def serve(lab):
    """Replaces a member's server until the end: serve("fe1", (old, new), ...)."""
    originals = {}

    def go(name, *changes):
        originals.setdefault(name, lab.members[name])
        lab.members[name].stop()
        lab.members[name] = variant(originals[name], changes)
        lab.members[name].start()

    yield go
    for name, original in originals.items():
        lab.members[name].stop()
        lab.members[name] = original
        original.start()


@pytest.fixture
def resumed(lab):
    """Nobody is left hanging."""
    yield
    for name in lab.running:
        lab.members[name].resume()


def answering(status, reason):
    return (HEALTHY, f'sl_send_reply("{status}", "{reason}");')


def asked(**more):
    """The lab's configuration with one pool, whose members are asked by OPTIONS."""
    c = quick()
    c["pools"] = [p for p in c["pools"] if p["name"] == "edges"]
    c["services"] = [s for s in c["services"] if s["pool"] == "edges"]
    c["pools"][0]["probe"].update({"kind": "sip-options", **more})
    return c


def show(postern, member):
    return postern.call("member.show", member=f"edges/{member}")


def test_answers_in_words(lab, start):
    postern = start(asked(**{"from": "sip:probe@contoso.com"}))
    for name in ("fe1", "fe2", "fe3", "fe1-v6", "fe2-v6", "fe3-v6"):
        assert re.fullmatch(r"200 OK in \d+ ms", postern.members()[name]["why"])
    shown = show(postern, "fe1")
    assert shown["probe"]["kind"] == "sip-options"
    assert shown["probes"]["failed"] == 0


def test_member_that_answers_503_is_left_though_tls_works(lab, start, serve, call, tls):
    postern = start(asked())
    assert "fe1" in {s.member for s in call(40)}
    serve("fe1", answering(503, "Service Unavailable"))
    down = postern.wait_member("fe1", health="down")
    wait_until(
        lambda: postern.members()["fe1"]["why"].startswith("503 Service Unavailable ("), 5, "why"
    )
    assert down["admin"] == "ready"
    # TCP and TLS work: only the answer speaks against it.
    sip.Session(lab.ns("inside"), t.member4("fe1"), tls).close()
    before = show(postern, "fe1")["opened"]
    assert {s.member for s in call(20)} == {"fe2", "fe3"}
    assert show(postern, "fe1")["opened"] == before
    assert postern.members()["fe2"]["health"] == "up"

    serve("fe1")
    postern.wait_member("fe1", health="up")
    assert "fe1" in {s.member for s in call(40)}


def test_probe_by_handshake_does_not_see_it(lab, start, serve):
    """The counter-check: the same server passes a probe of kind tls."""
    c = asked()
    c["pools"][0]["members"][0]["probe"] = {"kind": "tls"}
    postern = start(c)
    serve("fe1", answering(503, "Service Unavailable"))
    postern.wait_member("fe1-v6", health="down")  # asked, unlike its neighbour
    ok = show(postern, "fe1")["probes"]["ok"]
    wait_until(lambda: show(postern, "fe1")["probes"]["ok"] > ok + 2, 10, "further probes")
    assert postern.members()["fe1"]["health"] == "up"


@pytest.mark.parametrize(
    "settings, status, health",
    [
        ({}, 404, "up"),
        ({}, 504, "down"),
        ({"alive": [200, 403]}, 404, "down"),
        ({"not-alive": ["5xx"]}, 500, "down"),
        ({"alive": [200, 503], "not-alive": []}, 503, "up"),
    ],
)
def test_which_answers_mean_alive(lab, start, serve, settings, status, health):
    serve("fe1", answering(status, "Whatever"))
    postern = start(asked(**settings), wait=False)
    member = postern.wait_member("fe1", health=health)
    assert member["why"].startswith(f"{status} Whatever")
    postern.wait_member("fe2", health="up")


def test_plain_tcp_on_another_port(lab, start, serve):
    """The member's probe goes to a port of its own, over another transport than its service."""
    plain = (f"listen=tls:{t.member4('fe1')}:5061", f"listen=tls:{t.member4('fe1')}:5061\n"
             f"listen=tcp:{t.member4('fe1')}:5060")
    c = asked()
    c["pools"][0]["members"][0]["probe"] = {"transport": "tcp", "port": 5060}
    serve("fe1", plain)
    postern = start(c)
    assert re.fullmatch(r"200 OK in \d+ ms", postern.members()["fe1"]["why"])
    serve("fe1", plain, answering(503, "Service Unavailable"))
    postern.wait_member("fe1", health="down")


def test_tls_alone_speaks_no_tcp(lab, start):
    c = asked()
    c["pools"][0]["members"][0]["probe"] = {"transport": "tcp"}
    postern = start(c, wait=False)
    why = postern.wait_member("fe1", health="down")["why"]
    assert why.startswith(("answer is not SIP", "no answer to OPTIONS"))
    postern.wait_member("fe2", health="up")


def test_hung_member(lab, start, resumed):
    """Its kernel accepts, and nobody answers."""
    postern = start(asked())
    lab.members["fe2"].pause()
    postern.wait_member("fe2", health="down")
    lab.members["fe2"].resume()
    postern.wait_member("fe2", health="up")


def test_reload_changes_how_members_are_asked(lab, start, serve):
    serve("fe1", answering(503, "Service Unavailable"))
    c = quick()
    c["pools"][0]["probe"]["kind"] = "tls"
    postern = start(c)
    changed = copy.deepcopy(c)
    changed["pools"][0]["probe"]["kind"] = "sip-options"
    postern.write(changed)
    postern.reload()
    postern.wait_member("fe1", health="down")
    postern.wait_member("fe2", health="up")
    postern.write(c)
    postern.reload()
    postern.wait_member("fe1", health="up")


def test_mistakes_are_told(lab, start):
    postern = start(asked())
    good = postern.config
    bad = copy.deepcopy(good)
    bad["pools"][0]["members"][1]["probe"] = {"kind": "tcp", "uri": "sip:fe2.contoso.local"}
    postern.write(bad)
    done = postern.ctl("config", "reload", check=False)
    assert done.returncode != 0
    assert "no use for the key \"uri\"" in done.stdout + done.stderr
    postern.write(good)
    shown = postern.call("config.show")
    assert "not-alive: [503, 504]" in str(shown)
