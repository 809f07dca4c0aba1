# SPDX-License-Identifier: BSD-2-Clause
"""What monitoring and operators see: metrics, alarms, machines to be drained, rates."""

import copy
import json
import re
import signal
import subprocess

import pytest
from prometheus_client.openmetrics import parser

from conftest import quick
from lab import certs, netns
from lab import config as configuration
from lab import topology as t
from lab.postern import Postern
from lab.process import wait_until

PORT = 9464
OPEN = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"


@pytest.fixture(scope="module")
def postern(lab, streams):
    config = quick()
    config["postern"]["metrics"] = f"127.0.0.1:{PORT}"
    config["pools"][0]["minimum"] = len(config["pools"][0]["members"])
    running = Postern(lab, config)
    try:
        running.start()
        running.wait_all_up()
        yield running
        assert running.stop() == 0
    finally:
        running.discard()


@pytest.fixture
def whole(lab, postern):
    """All members as they were, whatever a test did to them."""
    yield
    for name in lab.running:
        if not lab.members[name].running:
            lab.members[name].start()
    for m in postern.all("member.list"):
        if m["admin"] != "ready":
            postern.ctl("member", "set", m["name"], "state", "ready")
    postern.wait_all_up()


@pytest.fixture
def get(lab, postern):
    """One request of HTTP, as a scraper in postern's namespace sends it: (status, text)."""

    def go(path, accept="*/*"):
        sock = netns.connect(lab.ns("edge"), "127.0.0.1", PORT)
        with sock, sock.makefile("rb") as stream:
            sock.sendall(f"GET {path} HTTP/1.0\r\nAccept: {accept}\r\n\r\n".encode())
            head, _, body = stream.read().partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    return go


def families(text):
    """Samples by name and labels; the parser refuses what OpenMetrics does not allow."""
    return {
        (s.name, *sorted(s.labels.items())): s.value
        for family in parser.text_string_to_metric_families(text)
        for s in family.samples
    }


def metric(counter):
    return f"postern_{counter.replace('-', '_')}_total"


def alarms(postern):
    return {(a["alarm"], a["object"]): a for a in postern.all("alarm.list")}


def wait_alarm(postern, alarm, name):
    return wait_until(lambda: alarms(postern).get((alarm, name)), 10, f"{alarm} {name}")


def wait_clear(postern, alarm, name):
    wait_until(lambda: (alarm, name) not in alarms(postern), 10, f"{alarm} {name} cleared")


def test_promtool_accepts(get, dial):
    dial(5)
    status, text = get("/metrics")
    assert status == 200
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_open_metrics(get, dial):
    dial(5)
    status, text = get("/metrics", OPEN)
    assert status == 200
    assert text.endswith("\n# EOF\n")
    assert len(families(text)) > 100


def test_counters_agree_with_stats(postern, get, dial):
    dial(10)
    before = postern.counters()
    shown = families(get("/metrics", OPEN)[1])
    after = postern.counters()
    for name, low in before.items():
        assert low <= shown[metric(name),] <= after[name], name
    assert shown["postern_session_opened_total",] >= 10


def test_members_agree_with_their_list(postern, get, dial):
    dial(10)
    listed = postern.all("member.list")
    shown = families(get("/metrics", OPEN)[1])
    for m in listed:
        pool, _, name = m["name"].partition("/")
        labels = (("address", m["address"]), ("member", name), ("pool", pool))
        assert shown[("postern_member_sessions_opened_total", *labels)] == m["opened"]
        assert shown[("postern_member_up", *labels)] == 1
        # Two IPv4 addresses to come from, and one of IPv6.
        ports = 64512 if name.endswith("-v6") else 2 * 64512
        assert shown[("postern_member_sessions_limit", *labels)] == ports
    opened = sum(m["opened"] for m in listed)
    assert sum(
        v for k, v in shown.items() if k[0] == "postern_listen_sessions_opened_total"
    ) == opened


def test_other_paths(get):
    assert get("/healthz") == (200, "ok\n")
    assert get("/")[0] == 404


def test_an_address_that_is_taken(lab, postern):
    config = copy.deepcopy(postern.config)
    config["postern"] |= {"control-socket": "second.sock", "state": "second.db"}
    # Devices are claimed first: these are its own.
    for i, interface in enumerate(config["interfaces"]):
        interface["device"] = f"net_null{i}"
    second = Postern(lab, config, "second")
    try:
        assert second.launch().wait(20) == 1
        assert f"127.0.0.1:{PORT} is taken" in second.process.log()
        assert "ss -ltnp" in second.process.log()
    finally:
        second.discard()
    assert postern.answers()


def test_a_member_dies_and_comes_back(lab, postern, whole, get):
    assert postern.ctl("status", "show").returncode == 0
    lab.members["fe1"].kill()
    raised = wait_alarm(postern, "member-down", "edges/fe1")
    assert raised["severity"] == "degraded"
    assert raised["remedy"] == "posternctl member show edges/fe1"
    assert "its minimum is 6" in wait_alarm(postern, "pool-minimum", "edges")["text"]
    status = postern.ctl("status", "show", check=False)
    assert status.returncode == 1
    assert raised["remedy"] in status.stdout
    wait_until(lambda: get("/healthz") == (200, "degraded\n"), 5, "healthz degraded")
    assert "member-down" in postern.ctl("alarm", "list").stdout
    lab.members["fe1"].start()
    wait_clear(postern, "member-down", "edges/fe1")
    wait_clear(postern, "pool-minimum", "edges")
    assert postern.ctl("status", "show").returncode == 0
    # Once each way, however often it was looked at meanwhile.
    log = postern.process.log()
    assert len(re.findall(r"member-down edges/fe1 raised", log)) == 1
    assert len(re.findall(r"member-down edges/fe1 cleared", log)) == 1


def test_no_member_left(postern, whole, get):
    for m in postern.members("streams"):
        postern.ctl("member", "set", f"streams/{m}", "state", "drain")
    assert postern.ctl("status", "show", check=False).returncode == 2
    assert alarms(postern)["service-down", "streams"]["severity"] == "down"
    wait_until(lambda: get("/healthz") == (503, "down\n"), 5, "healthz down")


def test_certificates_that_end(lab, postern, get):
    original = postern.config
    changed = copy.deepcopy(original)
    key = "postern_pool_certificate_end_seconds", ("pool", "edges")
    far = families(get("/metrics", OPEN)[1])[key]
    try:
        for days, severity in ((20, "warning"), (3, "degraded")):
            certs.issue(lab.folder, "ending", "postern.contoso.local", days=days)
            changed["pools"][0]["tls"] |= {"certificate": "ending.pem", "key": "ending.key"}
            postern.write(changed)
            postern.reload()
            assert alarms(postern)["pool-certificate", "edges"]["severity"] == severity
            code = postern.ctl("status", "show", check=False).returncode
            assert code == (0 if severity == "warning" else 1)
        assert families(get("/metrics", OPEN)[1])[key] < far - 80 * 86400
    finally:
        postern.write(original)
        postern.reload()
    assert ("pool-certificate", "edges") not in alarms(postern)


def test_minimum_beyond_the_pool(lab, postern):
    changed = copy.deepcopy(postern.config)
    changed["pools"][1]["minimum"] = 99
    file = lab.folder / "beyond.yaml"
    file.write_text(configuration.to_yaml(changed) + "\n")
    done = postern.ctl("config", "check", str(file), check=False)
    assert done.returncode != 0
    assert "fewer members than its minimum, 99" in done.stderr


def node_of(postern, name):
    return json.loads(postern.ctl("--json", "node", "show", name).stdout)


def test_nodes_are_machines(postern):
    found = {n["name"]: n for n in postern.all("node.list")}
    assert len(found) == 6
    assert found[t.member4("fe1")]["members"] == ["edges/fe1", "streams/fe1"]
    assert node_of(postern, "fe1")["name"] == t.member4("fe1")
    # One FQDN, an address of each family: postern does not guess.
    refused = postern.ctl("node", "drain", "fe1.contoso.local", check=False)
    assert refused.returncode != 0
    assert t.member6("fe1") in refused.stderr


def test_node_in_maintenance(postern, whole, dial):
    postern.ctl("node", "set", "fe2", "state", "maint")
    states = {m["name"]: m["admin"] for m in postern.all("member.list")}
    assert states["edges/fe2"] == states["streams/fe2"] == "maint"
    assert states["edges/fe2-v6"] == "ready"
    assert "fe2" not in {c.member for c in dial(30)}
    assert ("member-maintenance", "streams/fe2") in alarms(postern)
    postern.ctl("node", "set", "fe2", "state", "ready")
    assert ("member-maintenance", "streams/fe2") not in alarms(postern)


def command(postern, *argv):
    return subprocess.Popen(
        [postern.build / "posternctl", "-s", postern.socket, *argv], text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )


def test_node_drain_waits_for_the_last_session(postern, whole, dial):
    mine = [c for c in dial(30) if c.member == "fe2"]
    assert mine
    waiting = command(postern, "node", "drain", "fe2", "--wait")
    first = waiting.stderr.readline()
    assert re.fullmatch(r"10\.0\.0\.\d+: \d+ sessions? left\n", first)
    assert "fe2" not in {c.member for c in dial(30)}
    assert waiting.poll() is None
    for c in mine:
        assert c.name() == "fe2"
        c.close()
    out, _ = waiting.communicate(timeout=30)
    assert waiting.returncode == 0
    assert "no session is left" in out
    assert node_of(postern, "fe2")["sessions"] == 0


def test_ctrl_c_leaves_it_draining(postern, whole, dial):
    mine = [c for c in dial(30) if c.member == "fe3"]
    assert mine
    waiting = command(postern, "node", "drain", t.member4("fe3"), "--wait")
    waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=10)
    assert waiting.returncode == 1
    assert "goes on draining" in err
    assert node_of(postern, "fe3")["admin"] == "drain"
    assert mine[0].name() == "fe3"


def test_wait_ends_when_it_is_taken_back(postern, whole, dial):
    assert [c for c in dial(30) if c.member == "fe1"]
    waiting = command(postern, "node", "drain", "fe1", "--wait")
    waiting.stderr.readline()
    postern.ctl("node", "set", "fe1", "state", "ready")
    _, err = waiting.communicate(timeout=10)
    assert waiting.returncode == 1
    assert "set it to ready" in err


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_rates(postern, dial, end):
    watching = command(postern, "stats", "--watch")
    lines = []
    wait_until(
        lambda: dial() and lines.append(watching.stdout.readline()) or "session-opened" in lines[-1],
        20, "a second with a session",
    )
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  .*session-opened \d+/s", lines[-1])
    watching.send_signal(end)
    watching.communicate(timeout=10)
    assert watching.returncode == 0


def test_rates_as_json(postern):
    watching = command(postern, "--json", "stats", "--watch")
    line = json.loads(watching.stdout.readline())
    assert line["per-second"].keys() == postern.counters().keys()
    assert line["interval-ms"] > 0
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=10)
