# SPDX-License-Identifier: BSD-2-Clause
"""Who may begin sessions in forward mode, by address: real clients that are allowed, blocked and unlisted,
while an operator changes his mind."""

import socket

import pytest

from conftest import quick
from lab import config, netns, stream
from lab import topology as t
from lab.process import wait_until

FAMILIES = pytest.mark.parametrize("v6", [False, True], ids=["IPv4", "IPv6"])
ALLOWED = {False: t.PARTNER4, True: t.PARTNER6}
OTHER = {False: t.FAR4, True: t.FAR6}
STRANGER = {False: t.DNS4, True: t.DNS6}
VIRTUAL = {False: t.VIRTUAL4, True: t.VIRTUAL6}


def asking(**more):
    c = quick()
    c["organisations"] = [{"name": "contoso", "domains": ["contoso.com"]}]
    for service in c["services"]:
        if service["name"] == "streams":
            service.update({"admission": "enforce", **more})
    return c


def partners(p):
    p.ctl("policy", "set", "AllowFederatedUsers", "true")
    p.ctl("allowed-domain", "add", "fabrikam.com", f"prefixes={t.PARTNER4},{t.PARTNER6}/128")
    p.ctl("allowed-domain", "add", "adatum.com", f"prefixes={t.FAR4}/32,{t.FAR6}")


@pytest.fixture
def client(lab, clients):
    def go(v6, source, timeout=3.0):
        c = stream.Client(lab.ns("outside"), VIRTUAL[v6], config.STREAM_PORT, timeout=timeout,
                          source=(source[v6], 0))
        clients.append(c)
        return c

    return go


def silent(lab, v6, source):
    with pytest.raises((TimeoutError, socket.timeout)):
        netns.connect(lab.ns("outside"), VIRTUAL[v6], config.STREAM_PORT, timeout=0.3,
                      source=(source[v6], 0))


def told(lab, v6, source):
    with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
        netns.connect(lab.ns("outside"), VIRTUAL[v6], config.STREAM_PORT, source=(source[v6], 0))


def why(p, address):
    return {f["reason"]: f for f in p.call("why.show", about=address)["findings"]}


@FAMILIES
def test_enforced_and_changed_live(lab, start, client, v6):
    p = start(asking())
    silent(lab, v6, ALLOWED)  # the master switch is off
    assert "AllowFederatedUsers" in why(p, ALLOWED[v6])["drop-admission"]["next"]
    partners(p)
    held = client(v6, ALLOWED)
    assert held.name() and client(v6, OTHER).name()
    silent(lab, v6, STRANGER)
    found = why(p, STRANGER[v6])["drop-admission"]
    assert found["service"] == "streams" and "no partner is known" in found["what"]
    assert "allowed-domain add" in found["next"]
    assert p.counter("session-opened") == 2
    shown = p.call("service.show", service="streams")["admission"]
    assert shown["mode"] == "enforce" and shown["organisation"] == "contoso"
    assert shown["refused"] == p.counter("drop-admission") >= 2

    # Allowed live, with the next SYN.
    entry = f"prefixes={STRANGER[v6]}"
    p.ctl("allowed-domain", "add", "new.example", entry)
    assert client(v6, STRANGER).name()
    p.ctl("allowed-domain", "remove", "new.example")
    silent(lab, v6, STRANGER)
    # Blocked: nobody new comes in, and who is in stays, for that is the default.
    p.ctl("allowed-domain", "remove", "fabrikam.com")
    p.ctl("blocked-domain", "add", "fabrikam.com")
    silent(lab, v6, ALLOWED)
    assert held.name()
    assert client(v6, OTHER).name()
    # Others' services are not asked about.
    netns.connect(lab.ns("outside"), VIRTUAL[v6], 5061, source=(STRANGER[v6], 0)).close()


@FAMILIES
def test_told_and_ended(lab, start, client, v6):
    p = start(asking(**{"on-refuse": "reset", "on-block": "reset"}))
    partners(p)
    told(lab, v6, STRANGER)
    assert p.counter("refuse-admission") == 1 and p.counter("drop-admission") == 0
    held, other = client(v6, ALLOWED), client(v6, OTHER)
    assert held.name() and other.name()
    p.ctl("allowed-domain", "remove", "fabrikam.com")
    assert held.ended(5)
    assert p.counter("close-not-admitted") == 1
    assert "close-not-admitted" in why(p, ALLOWED[v6])
    assert other.name()
    told(lab, v6, ALLOWED)
    # The master switch ends the others.
    p.ctl("policy", "set", "AllowFederatedUsers", "false")
    assert other.ended(5)
    wait_until(lambda: p.counter("close-not-admitted") == 2, 5, "both sessions to be counted")


def test_observed_then_enforced_by_reload(lab, start, client):
    c = quick()
    p = start(c)
    early = client(False, STRANGER)
    assert early.name()
    # Partners were there, and no index: it is made under way.
    p.write(asking(admission="observe"))
    p.reload()
    partners(p)
    assert client(False, STRANGER).name()
    assert p.counter("seen-admission") == 1
    assert "admission: enforce would refuse" in why(p, t.DNS4)["seen-admission"]["what"]
    assert p.call("service.show", service="streams")["admission"]["observed"] == 1
    p.write(asking())
    p.reload()
    silent(lab, False, STRANGER)
    assert early.name()
    assert client(False, ALLOWED).name()
    p.write(c)
    p.reload()
    assert client(False, STRANGER).name()
    # A file that does not say whose partners are meant changes nothing.
    wrong = asking()
    wrong["organisations"].append({"name": "other", "domains": ["other.example"]})
    p.write(wrong)
    refused = p.ctl("config", "reload", check=False)
    assert refused.returncode != 0 and "organisation" in refused.stderr
    assert client(False, STRANGER).name()


def test_index_for_partners_that_are_there(lab, start, client):
    c = quick()
    c["organisations"] = [{"name": "contoso", "domains": ["contoso.com"]}]
    p = start(c)
    partners(p)
    p.ctl("provider", "add", "Host", "kind=hosting", "proxy-fqdn=sipfed.example.net", "enabled=true",
          f"prefixes={t.DNS4}")
    p.write(asking())
    p.reload()
    assert client(False, ALLOWED).name() and client(False, STRANGER).name()
    silent(lab, False, {False: t.GATEWAY4})
    p.ctl("provider", "set", "Host", "enabled=false")
    silent(lab, False, STRANGER)
