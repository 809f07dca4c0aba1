# SPDX-License-Identifier: BSD-2-Clause
"""What a reload would change, and reloads that take themselves back."""

import copy
import signal

import pytest

from lab import config
from lab.postern import RpcError
from lab.process import wait_until


@pytest.fixture
def restored(postern):
    original = postern.config
    yield
    try:
        postern.call("config.confirm")
    except RpcError:
        pass
    postern.write(original)
    postern.reload()


def with_more(postern, port=7080, name="more"):
    """The running configuration and one more service."""
    changed = copy.deepcopy(postern.config)
    changed["services"].append(config.service(name, port, "streams"))
    return changed


def services(postern):
    return {s["name"] for s in postern.all("service.list")}


def reasons(postern):
    return {r["what"]: r for r in postern.call("status.show")["reasons"]}


def test_diff(postern, restored):
    assert postern.call("config.diff")["items"] == []
    changed = with_more(postern)
    changed["pools"][1]["members"][0]["weight"] = 3
    changed["pools"][1]["members"].pop()
    changed["dataplane"]["sessions"] = 32768
    postern.write(changed)
    found = {(c["object"], c["field"]): c for c in postern.call("config.diff")["items"]}
    assert found.keys() == {
        ("dataplane", "sessions"), ("pool streams member fe1", "weight"),
        ("pool streams member fe3-v6", ""), ("service more", ""),
    }
    assert found["dataplane", "sessions"]["takes"] == "restart"
    weight = found["pool streams member fe1", "weight"]
    assert (weight["old"], weight["new"], weight["takes"]) == ("1", "3", "reload")
    gone = found["pool streams member fe3-v6", ""]
    assert gone["change"] == "removed" and gone["new"] is None and gone["old"]
    assert found["service more", ""]["change"] == "added"
    typed = postern.ctl("config", "diff").stdout
    assert "pool streams member fe1" in typed and "restart" in typed
    # Looking has changed nothing.
    assert "more" not in services(postern)


def test_diff_of_a_bad_file(postern, restored):
    postern.write_text("nonsense: 1\n")
    typed = postern.ctl("config", "diff", check=False)
    assert typed.returncode != 0
    assert "nonsense" in typed.stdout + typed.stderr


def test_confirmed(postern, restored, dial):
    postern.write(with_more(postern))
    typed = postern.ctl("config", "reload", "--confirm", "5m")
    assert "restart" in typed.stdout
    (what,) = [w for w in reasons(postern) if "unless this one is confirmed" in w]
    assert "comes back in 4m 5" in what or "comes back in 5m 00s" in what
    assert "config confirm" in reasons(postern)[what]["next"]
    assert dial(port=7080).member
    postern.ctl("config", "confirm")
    assert not reasons(postern)
    assert "more" in services(postern)
    assert postern.call("config.diff")["items"] == []
    with pytest.raises(RpcError, match="nothing waits"):
        postern.call("config.confirm")


def test_not_confirmed(postern, restored, dial):
    before = dial(10)
    running = postern.ctl("config", "show").stdout
    postern.write(with_more(postern))
    postern.call("config.reload", confirm=1000)
    stays = dial(port=7080)
    wait_until(lambda: "more" not in services(postern), 10, "the configuration of before")
    assert postern.ctl("config", "show").stdout == running
    assert stays.ended(5) == "reset"
    assert [c.name() for c in before] == [c.member for c in before]
    # The file still holds the other one, and that is told until it is mended.
    (what,) = reasons(postern)
    assert "was taken back" in what and str(postern.file) in what
    assert [c["object"] for c in postern.call("config.diff")["items"]] == ["service more"]
    records = postern.call("audit.list", limit=5)["items"]
    (record,) = [r for r in records if r["method"] == "config.rollback"]
    assert record["result"] == "ok" and "not confirmed" in record["user"]
    postern.reload()
    assert not reasons(postern)
    assert "more" in services(postern)


def test_back_at_once(postern, restored):
    with pytest.raises(RpcError, match="nothing waits"):
        postern.call("config.rollback")
    postern.write(with_more(postern))
    postern.call("config.reload", confirm=300_000)
    assert "more" in services(postern)
    postern.ctl("config", "rollback")
    assert "more" not in services(postern)
    with pytest.raises(RpcError, match="nothing waits"):
        postern.call("config.confirm")


def test_one_trial_after_another_leads_back_to_the_first(postern, restored):
    first = with_more(postern)
    postern.write(first)
    postern.call("config.reload", confirm=300_000)
    postern.write(with_more(postern, 7081, "further"))
    postern.call("config.reload", confirm=300_000)
    assert {"more", "further"} <= services(postern)
    postern.call("config.rollback")
    assert not {"more", "further"} & services(postern)


def test_a_plain_reload_waits_for_the_trial(postern, restored):
    postern.write(with_more(postern))
    postern.call("config.reload", confirm=300_000)
    postern.write(with_more(postern, 7081, "further"))
    with pytest.raises(RpcError, match="waits to be confirmed"):
        postern.call("config.reload")
    postern.process.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: "not reloaded: the configuration" in postern.process.log(), 10, "refusal")
    assert "further" not in services(postern)
    assert any("unless this one is confirmed" in w for w in reasons(postern))


def test_a_bad_file_begins_no_trial(postern, restored):
    postern.write_text("nonsense: 1\n")
    with pytest.raises(RpcError):
        postern.call("config.reload", confirm=300_000)
    (reason,) = reasons(postern)
    assert "the file on disk was refused" in reason
    with pytest.raises(RpcError, match="nothing waits"):
        postern.call("config.confirm")


@pytest.mark.parametrize("words", ["5", "5 parsecs", "0s", "2d", "-1s"])
def test_wrong_times(postern, restored, words):
    typed = postern.ctl("config", "reload", f"--confirm={words}", check=False)
    assert typed.returncode != 0
    assert not reasons(postern)
