# SPDX-License-Identifier: BSD-2-Clause
"""What operators set outlives a restart and a kill, and is on record."""

import copy
import os
import signal
import subprocess

import pytest

from conftest import quick
from lab.postern import Postern, RpcError
from lab.process import wait_until


@pytest.fixture
def mine(lab, streams):
    """A postern that a test kills and starts again."""
    p = Postern(lab, quick(), name="state")
    p.start()
    p.wait_all_up()
    yield p
    if p.process.running:
        p.stop()
    p.discard()


def kill(p):
    """SIGKILL, at once."""
    p.process.signal(signal.SIGKILL)
    assert p.process.wait(5) is not None
    p.running.remove(p)


def start_again(p):
    """Started anew on the same state; health of a member in maintenance is never known."""
    p.start()

    def probed():
        listed = p.all("member.list")
        return all(m["health"] == "up" or m["admin"] == "maint" for m in listed)

    wait_until(probed, 10, "all members probed")


def admin(p, pool="edges"):
    return {name: m["admin"] for name, m in p.members(pool).items()}


def refused_to_start(p):
    process = p.launch()
    assert process.wait(30) not in (None, 0), process.log()
    p.running.remove(p)
    return process.log()


def test_drained_stays_drained_after_a_kill(mine, call):
    mine.ctl("member", "set", "edges/fe2", "state", "drain", "--comment", "ticket 17")
    mine.ctl("member", "set", "edges/fe3", "state", "maint")
    kill(mine)
    start_again(mine)
    assert admin(mine)["fe1"] == "ready"
    assert admin(mine)["fe2"] == "drain"
    assert admin(mine)["fe3"] == "maint"
    assert admin(mine, "streams")["fe2"] == "ready"
    assert {s.member for s in call(20)} == {"fe1"}
    records = mine.ctl("audit", "list", json_output=True)["items"]
    methods = [r["method"] for r in records]
    # Newest first; a run that was killed has no end.
    assert methods == ["postern.start", "member.set", "member.set", "postern.start"]
    drain = records[2]
    assert drain["comment"] == "ticket 17"
    assert drain["user"] == "root"
    assert drain["uid"] == 0
    assert drain["params"] == {"member": "edges/fe2", "state": "drain"}
    assert drain["before"] == {"edges/fe2": {"state": "ready"}}
    assert drain["after"] == {"edges/fe2": {"state": "drain"}}
    assert drain["result"] == "ok"
    assert "ticket 17" in mine.ctl("audit", "list").stdout
    only = mine.ctl("audit", "list", "member", json_output=True)["items"]
    assert {r["method"] for r in only} == {"member.set"}


def test_node_is_one_change(mine):
    """All members of a machine, in one record."""
    node = next(m for m in mine.all("member.list") if m["name"] == "edges/fe1")
    address = node["address"].rpartition(":")[0]
    mine.ctl("node", "set", address, "state", "drain")
    kill(mine)
    start_again(mine)
    assert admin(mine)["fe1"] == "drain"
    assert admin(mine, "streams")["fe1"] == "drain"
    record = mine.ctl("audit", "list", "node", json_output=True)["items"][0]
    assert set(record["after"]) == {"edges/fe1", "streams/fe1"}


def test_ready_again_is_kept_too(mine):
    mine.ctl("member", "set", "edges/fe2", "state", "drain")
    mine.ctl("member", "set", "edges/fe2", "state", "ready")
    kill(mine)
    start_again(mine)
    assert set(admin(mine).values()) == {"ready"}


def test_member_that_leaves_and_comes_back(mine):
    """It is recognised by pool, name and address."""
    original = mine.config
    mine.ctl("member", "set", "edges/fe2", "state", "drain")
    without = copy.deepcopy(original)
    without["pools"][0]["members"] = [
        m for m in without["pools"][0]["members"] if m["name"] != "fe2"
    ]
    mine.write(without)
    mine.reload()
    assert "fe2" not in admin(mine)
    kill(mine)
    mine.write(original)
    start_again(mine)
    assert admin(mine)["fe2"] == "drain"
    mine.write(without)
    mine.reload()
    mine.write(original)
    mine.reload()
    assert admin(mine)["fe2"] == "drain"


def test_reloads_and_the_end_are_on_record(mine):
    mine.reload()
    mine.process.signal(signal.SIGHUP)
    wait_until(
        lambda: any(r["user"] == "(SIGHUP)" for r in mine.all("audit.list")), 5, "the record"
    )
    bad = copy.deepcopy(mine.config)
    bad["services"][0]["pool"] = "nowhere"
    good = mine.config
    mine.write(bad)
    with pytest.raises(RpcError):
        mine.call("config.reload")
    mine.write(good)
    assert mine.stop() == 0
    start_again(mine)
    records = mine.all("audit.list")
    assert [r["method"] for r in records] == [
        "postern.start", "postern.stop", "config.reload", "config.reload", "config.reload",
        "postern.start",
    ]
    assert "mistake" in records[2]["result"]
    assert records[4]["result"] == "ok"
    assert records[4]["after"]["epoch"] > 1
    assert records[1]["params"] == {"signal": "SIGTERM"}


def test_damaged_state_is_told_and_the_copy_serves(mine):
    mine.ctl("member", "set", "edges/fe2", "state", "drain")
    assert mine.stop() == 0
    good = mine.state.with_name("state.db.good")
    good.unlink()
    start_again(mine)
    wait_until(good.exists, 10, "the good copy")
    kill(mine)
    with mine.state.open("r+b") as f:
        f.seek(4096)
        f.write(b"\xa5" * 512)
    said = refused_to_start(mine)
    assert "damaged" in said
    # Nothing is done that nobody asked for; then what it says is typed.
    said = refused_to_start(mine)
    line = next(line for line in said.splitlines() if "not started" in line)
    subprocess.run(["sh", "-c", line.partition("type: ")[2]], check=True)
    start_again(mine)
    assert admin(mine)["fe2"] == "drain"


def weights(p):
    return {name: m["weight"] for name, m in p.members().items()}


def test_weights_are_kept(mine):
    """A weight that is set holds at once, over a reload and a kill, until it is set back."""
    before = weights(mine)["fe1"]
    for name in weights(mine):
        if name != "fe2":
            mine.ctl("member", "set", f"edges/{name}", "weight", "0", "--comment", "all to fe2")
    assert weights(mine)["fe1"] == 0 and weights(mine)["fe2"] == before
    assert "member fe1: weight 0" in mine.ctl("config", "show").stdout
    diff = {(c["object"], c["change"]) for c in mine.all("config.diff")}
    assert ("pool edges member fe1", "overridden") in diff
    mine.reload()
    assert weights(mine)["fe1"] == 0
    kill(mine)
    start_again(mine)
    assert weights(mine)["fe1"] == 0
    shown = mine.call("member.show", member="edges/fe1")
    assert (shown["weight-set"], shown["weight-file"]) == (0, before)
    mine.ctl("member", "set", "edges/fe1", "weight", "default")
    assert weights(mine)["fe1"] == before
    assert mine.all("audit.list", user="root")[0]["after"] is not None


@pytest.fixture
def small_disk(lab):
    """A disk of one MiB for the state."""
    folder = lab.folder / "small"
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk(lab, streams, small_disk):
    """What cannot be kept is refused, in words; nothing is half done, and sessions go on."""
    c = quick()
    c["postern"]["state"] = "small/state.db"
    p = Postern(lab, c, name="small")
    try:
        p.start()
        p.wait_all_up()
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as f:
            with pytest.raises(OSError):
                while True:
                    f.write(b"x" * 512)
        # What the write-ahead log has room for is taken still.
        for _ in range(1000):
            done = p.ctl("member", "set", "edges/fe2", "state", "drain", check=False)
            if done.returncode != 0:
                break
            p.ctl("member", "set", "edges/fe2", "state", "ready", check=False)
        assert "make room" in done.stderr
        assert admin(p)["fe2"] == "ready"
        # Whoever looks is told, until it can be written again.
        alarms = {a["alarm"]: a for a in p.all("alarm.list")}
        assert "make room" in alarms["state-database"]["text"]
        assert p.call("status.show")["verdict"] == "degraded"
        filler.unlink()
        wait_until(
            lambda: "state-database" not in {a["alarm"] for a in p.all("alarm.list")},
            30, "the alarm gone by itself",
        )
        p.ctl("member", "set", "edges/fe2", "state", "drain")
        kill(p)
        start_again(p)
        assert admin(p)["fe2"] == "drain"
        assert p.stop() == 0
    finally:
        p.discard()


def test_state_of_a_newer_version(mine):
    assert mine.stop() == 0
    subprocess.run(["sqlite3", mine.state, "PRAGMA user_version = 99"], check=True)
    assert "newer" in refused_to_start(mine)


def as_nobody(p, *argv):
    return subprocess.run(
        ["setpriv", "--reuid=games", "--regid=games", "--groups=mail", p.build / "posternctl",
         "-s", p.socket, *argv],
        capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
    )


def test_roles(mine, lab):
    """Who may look may not touch, and trying is on record."""
    os.chmod(lab.folder, 0o755)
    assert as_nobody(mine, "member", "list").returncode != 0
    c = copy.deepcopy(mine.config)
    c["postern"]["roles"] = {"view": ["mail"]}
    mine.write(c)
    mine.reload()
    assert as_nobody(mine, "member", "list").returncode == 0
    done = as_nobody(mine, "member", "set", "edges/fe1", "state", "drain")
    assert done.returncode != 0
    assert "operate" in done.stderr
    assert admin(mine)["fe1"] == "ready"
    record = mine.all("audit.list", user="games")[0]
    assert record["method"] == "member.set"
    assert record["result"].startswith("refused")
    c["postern"]["roles"] = {"operate": ["games"]}
    mine.write(c)
    mine.reload()
    assert as_nobody(mine, "member", "set", "edges/fe1", "state", "drain").returncode == 0
    assert admin(mine)["fe1"] == "drain"
    c["postern"]["roles"] = {"view": ["no-such-name-here"]}
    mine.write(c)
    with pytest.raises(RpcError) as refused:
        mine.call("config.reload")
    assert "no-such-name-here" in str(refused.value.data)
