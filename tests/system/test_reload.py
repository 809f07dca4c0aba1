# SPDX-License-Identifier: BSD-2-Clause
"""The file is read again while sessions stand."""

import copy
import re
import signal

import pytest

from lab import config
from lab import topology as t
from lab.postern import RpcError
from lab.process import wait_until
from traffic import Traffic

BAD = """\
postern: {control-socket: control.sock}
dataplane: {workers: [0], sessions: 16384, speed: fast}
interfaces:
  - {name: outside, device: "net_af_packet0,iface=outside0", addresses: [203.0.113.10/24]}
  - {name: outside, device: "net_af_packet1,iface=inside0", addresses: [10.0.0.10/24]}
pools:
  - name: edges
    probe: {kind: tls, interval: 500 parsecs}
    members:
      - {name: fe1, address: "10.0.0.11"}
services:
  - {name: access-edge, listen: ["192.0.2.1:5061"], mode: forward, pool: nowhere, translate: source}
"""
BAD_LINES = {2, 5, 8, 10, 12}


@pytest.fixture
def restored(postern):
    original = postern.config
    yield
    postern.write(original)
    postern.reload()


def test_hundred_reloads_under_traffic(postern, restored, dial, call):
    """Names, weights, timeouts and members change each time; whoever stays, stays."""
    sessions = dial(25) + dial(15, t.VIRTUAL6)
    secure = call(10)
    epochs = []
    with Traffic(sessions) as bytes_go, Traffic(secure, lambda s: s.options()) as sip_goes:
        for n in range(100):
            changed = copy.deepcopy(postern.config)
            names = ("fe1", "fe2", "fe3", "fe4") if n % 2 else ("fe1", "fe2", "fe3")
            changed["pools"][1]["members"] = config.members(names, config.STREAM_PORT)
            changed["pools"][1]["members"][0]["weight"] = 1 + n % 5
            changed["services"][1]["timeouts"]["idle"] = f"{30 + n % 7}m"
            changed["services"] = changed["services"][:: 1 if n % 3 else -1]
            postern.write(changed)
            epochs.append(postern.reload()["epoch"])
            changed["services"] = sorted(changed["services"], key=lambda s: s["name"])
        bytes_go.go_on()
        sip_goes.go_on()
    assert epochs == sorted(set(epochs))


def test_reload_by_signal(postern, restored, dial):
    before = dial(10)
    changed = copy.deepcopy(postern.config)
    changed["services"].append(config.service("more", 7070, "streams"))
    postern.write(changed)
    epoch = postern.call("status.show")["epoch"]
    postern.process.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: postern.call("status.show")["epoch"] > epoch, 10, "next epoch")
    assert "more" in {s["name"] for s in postern.all("service.list")}
    assert dial(port=7070).member in ("fe1", "fe2", "fe3")
    assert [c.name() for c in before] == [c.member for c in before]


def test_removed_service_resets_its_sessions(postern, restored, dial):
    changed = copy.deepcopy(postern.config)
    changed["services"].append(config.service("passing", 7071, "streams"))
    postern.write(changed)
    postern.reload()
    stay, go = dial(10), dial(10, port=7071)
    before = postern.counter("close-service-gone")
    changed["services"].pop()
    postern.write(changed)
    postern.reload()
    assert {c.ended(5) for c in go} == {"reset"}
    assert postern.counter("close-service-gone") == before + 10
    assert [c.name() for c in stay] == [c.member for c in stay]
    with pytest.raises(ConnectionRefusedError):
        dial(port=7071)


def test_bad_reload_names_every_mistake_and_changes_nothing(postern, restored, dial):
    sessions = dial(10)
    running = postern.ctl("config", "show").stdout
    with Traffic(sessions) as traffic:
        postern.write_text(BAD)
        with pytest.raises(RpcError) as refused:
            postern.reload()
        traffic.go_on()
    # The data of the error carries each mistake; its text form is the operator's.
    typed = postern.ctl("config", "reload", check=False)
    assert typed.returncode != 0
    form = rf"^{re.escape(str(postern.file))}:(\d+): \S+: .+; "
    lines = {int(n) for n in re.findall(form, typed.stdout + typed.stderr, re.M)}
    assert BAD_LINES <= lines, typed.stdout + typed.stderr
    assert refused.value.data
    assert postern.ctl("config", "show").stdout == running
    assert dial().member in ("fe1", "fe2", "fe3")


def test_what_needs_a_restart_is_refused(postern, restored):
    running = postern.ctl("config", "show").stdout
    before = copy.deepcopy(postern.config["interfaces"])
    changed = copy.deepcopy(postern.config)
    changed["interfaces"][0]["addresses"][0] = "203.0.113.11/24"
    postern.write(changed)
    typed = postern.ctl("config", "reload", check=False)
    assert typed.returncode != 0
    assert "1 change needs a restart; nothing was changed" in typed.stderr
    assert re.search(rf"^{re.escape(str(postern.file))}:\d+: interfaces\[0\].addresses: changes from",
                     typed.stderr, re.M)
    # It stays in mind until a good one.
    assert any("refused" in r["what"] for r in postern.call("status.show")["reasons"])
    postern.write(postern.config | {"interfaces": before})
    postern.reload()
    assert not any("refused" in r["what"] for r in postern.call("status.show")["reasons"])
    assert postern.ctl("config", "show").stdout == running


def test_file_gone(postern, restored, dial):
    postern.file.unlink()
    typed = postern.ctl("config", "reload", check=False)
    assert typed.returncode != 0
    assert "No such file" in typed.stdout + typed.stderr
    assert dial().member in ("fe1", "fe2", "fe3")
