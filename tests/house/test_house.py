# SPDX-License-Identifier: BSD-2-Clause
"""The house's own rules: which folder may include which, how long a file may grow, how it begins."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST_LINES = 800

# Whom each room may include besides itself, dataplane/base and include/postern.
DATAPLANE = {
    "base": set(),
    "port": set(),
    "admit": set(),
    "cert": set(),
    "ip": {"port"},
    "steer": {"ip", "port", "admit"},
    "tcp": {"ip", "port"},
    "tls": {"cert", "tcp", "admit"},
    "relay": {"tls", "tcp", "admit"},
    "sip": {"tls", "admit"},
    "worker": {"port", "ip", "steer", "tcp", "cert", "tls", "relay", "sip", "admit"},
}
CONTROL = {
    "config": set(),
    "pool": {"config"},
    "alarm": {"discovery", "pool", "config"},
    "metrics": {"alarm", "discovery", "pool", "config"},
    "store": set(),
    "policy": {"config", "store"},
    "discovery": {"config"},
    "partner": {"discovery", "pool", "config"},
    "plan": {"policy", "pool", "config"},
    "rpc": {
        "alarm", "discovery", "partner", "plan", "policy", "pool", "config", "store",
    },
    "daemon": {
        "rpc", "metrics", "alarm", "discovery", "partner", "policy", "pool", "config", "store",
    },
    "ctl": set(),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def tracked(*patterns):
    out = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout
    return [ROOT / p for p in out.split("\0") if p and (ROOT / p).is_file()]


def refusal(path, include):
    """Why a file may not include another, or None."""
    half, room = path.relative_to(ROOT).parts[:2]
    if include.startswith("postern/"):
        return None
    if half == "include":
        return "include/ stands on nothing"
    if half == "dataplane":
        other = include.split("/")[0]
        if other not in DATAPLANE:
            return "not a room of the dataplane"
        if other in {room, "base"} | DATAPLANE[room]:
            return None
        return f"{room} must not know {other}"
    parts = include.split("/")
    if parts[0] != "control":
        return "the control half names its files from the root: control/ROOM/FILE"
    if parts[1] in {room} | CONTROL[room]:
        return None
    return f"{room} must not know {parts[1]}"


@pytest.mark.parametrize("half", ["include", "dataplane", "control"])
def test_arrows_run_down_only(half):
    wrong = []
    files = tracked(f"{half}/*.c", f"{half}/*.h")
    assert files
    for path in files:
        for include in INCLUDE.findall(path.read_text()):
            why = refusal(path, include)
            if why:
                wrong.append(f"{path.relative_to(ROOT)}: {include}: {why}")
    assert not wrong, "\n".join(wrong)


def test_the_check_itself_finds_wrong_arrows():
    assert refusal(ROOT / "dataplane/ip/ip.h", "steer/steer.h")
    assert refusal(ROOT / "dataplane/base/wheel.c", "ip/ip.h")
    assert refusal(ROOT / "dataplane/ip/ip.h", "control/pool/pool.h")
    assert refusal(ROOT / "control/pool/set.c", "dataplane/base/hash.h")
    assert refusal(ROOT / "control/config/read.c", "control/pool/pool.h")
    assert refusal(ROOT / "include/postern/addr.h", "base/hash.h")
    assert not refusal(ROOT / "control/pool/set.c", "postern/dataplane.h")
    assert not refusal(ROOT / "dataplane/worker/loop.c", "ip/ip.h")


def test_rooms_are_known():
    for half, rooms in (("dataplane", DATAPLANE), ("control", CONTROL)):
        found = {p.relative_to(ROOT).parts[1] for p in tracked(f"{half}/*/*.c")}
        assert found <= set(rooms), found - set(rooms)


def test_private_headers_stay_in_their_room():
    wrong = []
    for path in tracked("dataplane/*.c", "dataplane/*.h"):
        for include in INCLUDE.findall(path.read_text()):
            if include.endswith("/private.h") and include.split("/")[0] != path.parent.name:
                wrong.append(f"{path.relative_to(ROOT)}: {include}")
    assert not wrong, "\n".join(wrong)


def test_files_are_short():
    sources = tracked("*.c", "*.h", "*.py")
    long = {
        str(p.relative_to(ROOT)): n
        for p in sources
        if (n := len(p.read_text().splitlines())) > MOST_LINES
    }
    assert not long


def test_files_name_their_licence():
    bare = [
        str(p.relative_to(ROOT))
        for p in tracked("*.c", "*.h", "*.py")
        if "SPDX-License-Identifier: BSD-2-Clause" not in p.read_text()[:200]
    ]
    assert not bare


def test_root_holds_what_it_should():
    known = {
        "meson.build", "dataplane", "control", "include", "tests", "bench", "scripts", "README.md",
        "meson_options.txt", "LICENSE", ".ci", ".clang-format", ".clang-tidy", ".gitignore",
    }
    found = {p.relative_to(ROOT).parts[0] for p in tracked()}
    assert found <= known, found - known
