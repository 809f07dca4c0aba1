# SPDX-License-Identifier: BSD-2-Clause
"""Pools none of whose members is up."""

import pytest

from conftest import quick
from lab import config
from lab.process import wait_until

PORT = 7001
NAMES = ("fe1", "fe2", "fe3")


def world(**more):
    """A pool whose members serve, and whose probes go where nobody answers."""
    c = quick()
    blind = {
        "kind": "tcp", "port": 9, "interval": "200ms", "timeout": "100ms", "rise": 1, "fall": 1,
    }
    c["pools"].append(config.stream_pool(NAMES, name="blind", probe=blind, **more))
    c["services"].append(config.service("blind", PORT, "blind"))
    return c


@pytest.fixture
def blinded(start):
    def go(**more):
        p = start(world(**more), wait=False)
        wait_until(
            lambda: all(m["health"] == "down" for m in p.members("blind").values()), 10, "all down"
        )
        return p

    return go


def test_refused(blinded, dial):
    blinded()
    with pytest.raises(ConnectionRefusedError):
        dial(port=PORT)


def test_tried_all(blinded, dial):
    p = blinded(**{"all-down": "try-all"})
    held = [dial(port=PORT) for _ in range(20)]
    assert {client.member for client in held} == set(NAMES)
    # A change of health elsewhere ends none of them.
    p.ctl("member", "set", "streams/fe1", "state", "maint")
    assert [client.name() for client in held] == [client.member for client in held]
    # Once somebody is up it is to him that new ones go.
    c = world(**{"all-down": "try-all"})
    c["pools"][-1]["members"][0]["probe"] = {"port": "member"}
    p.write(c)
    p.reload()
    p.wait_member("fe1", 10, "blind", health="up")
    assert {dial(port=PORT).member for _ in range(10)} == {"fe1"}
