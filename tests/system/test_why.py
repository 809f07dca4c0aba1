# SPDX-License-Identifier: BSD-2-Clause
"""A client that does not get through asks why, through the operator's eyes."""

import pytest

from lab import config, netns
from lab import topology as t
from lab.process import wait_until


def refused(lab, port, source=None):
    with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
        netns.connect(lab.ns("outside"), t.VIRTUAL4, port)


def findings(postern, about, **more):
    return {f["reason"]: f for f in postern.call("why.show", about=about, **more)["findings"]}


def test_a_refused_client_asks_why(lab, postern):
    """No service there; no member; and how it is told to people."""
    client = t.PARTNER4
    assert "refuse-port-closed" not in findings(postern, client)
    refused(lab, 5999)
    refused(lab, 5999)
    closed = findings(postern, client)["refuse-port-closed"]
    assert closed["count"] == 2 and closed["to"] == f"{t.VIRTUAL4}:5999"
    assert closed["from"].startswith(client + ":")

    members = [m["name"] for m in postern.all("member.list", pool="streams")]
    for name in members:
        postern.call("member.set", member=name, state="drain")
    try:
        refused(lab, config.STREAM_PORT)
    finally:
        for name in members:
            postern.call("member.set", member=name, state="ready")
    found = findings(postern, client, since=60000)
    assert found["refuse-no-member"]["service"] == "streams"
    assert "posternctl member list --pool streams" in found["refuse-no-member"]["next"]
    assert "refuse-no-member" in findings(postern, "streams")

    said = postern.ctl("why", client).stdout
    assert "no member of pool streams took new sessions" in said
    assert "next: posternctl member list --pool streams" in said
    assert postern.ctl("why", client, "--since", "10m", "--json").returncode == 0
    assert postern.ctl("why", "streams").returncode == 0
    wrong = postern.ctl("why", "no-such-thing", check=False)
    assert wrong.returncode != 0 and "streams" in wrong.stderr


def test_a_closed_session_tells_why(lab, postern, dial):
    c = dial()
    local = "{}:{}".format(*c.sock.getsockname()[:2])
    (mine,) = [s for s in postern.sessions() if s["client"] == local]
    assert "nothing went wrong" in postern.call("why.show", about=mine["session"])["answer"]
    postern.call("session.close", session=mine["session"])

    def told():
        return findings(postern, mine["session"]).get("close-operator")

    assert wait_until(told, 5, "the close on record")["session"] == mine["session"]


def test_nothing_to_tell(lab, postern):
    shown = postern.call("why.show", about="198.51.100.99")
    assert shown["findings"] == [] and "arrive" in shown["answer"]
