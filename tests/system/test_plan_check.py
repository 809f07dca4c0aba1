# SPDX-License-Identifier: BSD-2-Clause
"""plan check, against a real name server and real files."""

import pytest

from conftest import quick
from lab import certs, world
from lab import topology as t
from lab.postern import Postern

NAME = "_sipfederationtls._tcp.litware.example"


def configuration():
    c = quick()
    c["organisations"] = [{"name": "litware", "domains": ["litware.example"]}]
    c["services"][0]["tls"] = {
        "certificate": "litware.pem", "key": "litware.key", "trust": "ca.pem",
    }
    return c


@pytest.fixture(scope="module")
def zones(lab):
    world.manage(lab)
    z = world.Zones(lab)
    yield z
    z.restore()
    world.unmanage(lab)


@pytest.fixture(scope="module")
def mine(lab, streams, zones):
    certs.issue(lab.folder, "litware", "sip.litware.example")
    p = Postern(lab, configuration(), name="checker")
    p.start()
    yield p
    assert p.stop() == 0
    p.discard()


def states(p, *argv):
    """By name and aspect; and the exit code agrees with the verdict."""
    result = p.ctl("plan", "check", *argv, json_output=True, check=False)
    assert result.returncode in (0, 1), result.stderr
    shown = p.call("plan.check", **dict(a.split("=") for a in argv))
    assert result.returncode == (shown["verdict"] != "right")
    return {(i["name"], i["aspect"]): i for i in shown["items"]}


def test_dns(lab, mine, zones):
    zones.set(
        "litware.example", "_sipfederationtls._tcp SRV 0 0 5061 sip", f"sip A {t.VIRTUAL4}",
        f"sip AAAA {t.VIRTUAL6}",
    )
    found = states(mine, "what=dns")
    assert {i["state"] for i in found.values()} == {"right"}, found
    assert len(found) == 3
    done = mine.ctl("plan", "check", "dns")
    assert f"DNS, as {t.DNS4}:53 answers" in done.stdout
    assert "3 right, 0 different" in done.stdout

    zones.set(
        "litware.example", "_sipfederationtls._tcp SRV 0 0 5061 sip",
        "_sipfederationtls._tcp SRV 0 0 5061 old", "sip A 192.0.2.9",
    )
    found = states(mine, "what=dns")
    assert found[NAME, "SRV"]["state"] == "more"
    assert found[NAME, "SRV"]["fix"] == "remove 0 0 5061 old.litware.example"
    assert found["sip.litware.example", "A"]["state"] == "different"
    assert (
        found["sip.litware.example", "A"]["fix"]
        == f"publish A {t.VIRTUAL4}; remove 192.0.2.9"
    )
    assert found["sip.litware.example", "AAAA"]["state"] == "missing"
    done = mine.ctl("plan", "check", check=False)
    assert done.returncode == 1
    assert "do:     publish A" in done.stdout


def test_dns_of_another_resolver(mine, zones):
    zones.set("litware.example", "_sipfederationtls._tcp SRV 0 0 5061 sip", f"sip A {t.VIRTUAL4}")
    found = states(mine, "what=dns", f"resolver={t.DNS6}")
    assert found[NAME, "SRV"]["state"] == "right"
    # Nobody answers there.
    found = states(mine, "what=dns", f"resolver={t.DNS4}:5399")
    assert {i["state"] for i in found.values()} == {"unknown"}
    done = mine.ctl("plan", "check", "resolver=nowhere", check=False)
    assert done.returncode == 3
    assert "an address such as 192.0.2.53" in done.stderr


def test_certificates(lab, mine):
    own = str(lab.folder / "litware.pem")
    found = states(mine, "what=certificates")
    assert {i["state"] for i in found.values()} == {"right"}, found
    assert {aspect for name, aspect in found if name == own} == {
        "dates", "key", "chain", "names", "purposes",
    }
    # What is on the disk now counts, not what was read at the start.
    certs.issue(lab.folder, "litware", "edge.litware.example", days=9)
    found = states(mine, "what=certificates")
    assert found[own, "names"]["state"] == "different"
    assert found[own, "names"]["fix"] == "have it issued with sip.litware.example as well"
    assert found[own, "dates"]["fix"].startswith("renew it: it ends in ")
    (lab.folder / "litware.pem").write_text((lab.folder / "edge.pem").read_text())
    found = states(mine, "what=certificates")
    assert found[own, "key"]["state"] == "different"
    (lab.folder / "litware.pem").unlink()
    found = states(mine, "what=certificates")
    assert found[own, "file"]["state"] == "missing"
    certs.issue(lab.folder, "litware", "sip.litware.example")


def test_what_is_kept_elsewhere_is_no_difference(lab, mine):
    del mine.config["services"][0]["tls"]
    mine.write(mine.config)
    mine.reload()
    done = mine.ctl("plan", "check", "certificates")
    assert "held by edges/fe1" in done.stdout
    assert "1 kept elsewhere" in done.stdout
