# SPDX-License-Identifier: BSD-2-Clause
"""Starting, refusing to start, announcing, stopping."""

import copy
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

import pytest

from conftest import quick
from lab import config, netns
from lab import topology as t
from lab.postern import Postern
from lab.process import wait_until

REFUSAL = 30.0  # seconds; a bound, refusing takes a fraction of one


def refused(lab, config, *argv):
    """Starts a postern that must not come up; what it printed."""
    p = Postern(lab, config, name="refused")
    process = p.launch(*argv)
    code = process.wait(REFUSAL)
    if code is None:
        process.kill()
    assert code not in (None, 0), process.log()
    assert code > 0, f"died by signal {-code}: {process.log()}"
    p.discard()
    p.check_log()
    return process.log()


def with_device(device):
    c = quick()
    c["interfaces"][0]["device"] = device
    return c


@pytest.mark.parametrize(
    "device, named",
    [
        ("net_af_packet0,iface=nosuch0", "nosuch0"),
        ("net_nosuch0", "net_nosuch0"),
        ("0000:ff:1f.7", "0000:ff:1f.7"),
    ],
)
def test_device_that_is_not_there(lab, device, named):
    said = refused(lab, with_device(device))
    assert named in said


def test_worker_cpu_that_is_not_there(lab):
    c = quick()
    c["dataplane"]["workers"] = [999]
    assert "999" in refused(lab, c)


def test_huge_pages_that_are_not_there(lab):
    if int(pathlib.Path("/proc/sys/vm/nr_hugepages").read_text()) > 0:
        pytest.skip("this machine has huge pages reserved")
    c = quick()
    c["dataplane"]["huge-pages"] = "require"
    assert "vm.nr_hugepages" in refused(lab, c)


def test_file_that_is_not_there(lab):
    p = Postern(lab, quick(), name="refused")
    p.file.unlink()
    process = p.launch()
    assert process.wait(REFUSAL) not in (None, 0)
    p.discard()
    assert str(p.file) in process.log()
    assert "No such file" in process.log()


def test_certificate_that_is_not_there(lab):
    c = quick()
    c["pools"][0]["tls"]["certificate"] = "nosuch.pem"
    assert "nosuch.pem" in refused(lab, c)


def test_every_mistake_at_once(lab):
    c = quick()
    c["dataplane"]["wrokers"] = 1
    c["pools"][0]["probe"]["interval"] = "soon"
    c["services"][0]["pool"] = "nowhere"
    said = refused(lab, c)
    file = lab.folder / "refused.yaml"
    lines = file.read_text().splitlines()
    for word in ("wrokers", "soon", "nowhere"):
        line = next(n for n, text in enumerate(lines, 1) if word in text)
        assert f"{file}:{line}:" in said, said


def test_check_says_the_same_and_starts_nothing(lab):
    good = Postern(lab, quick(), name="refused")
    process = good.launch("--check")
    assert process.wait(REFUSAL) == 0, process.log()
    good.discard()
    bad = quick()
    bad["services"][0]["pool"] = "nowhere"
    assert "nowhere" in refused(lab, bad, "--check")
    assert not good.socket.exists()


@pytest.mark.parametrize("argv", [["--nosuch"], ["-c"], ["one", "two"]])
def test_wrong_arguments(argv):
    done = subprocess.run(
        [t.build_folder() / "postern", *argv], capture_output=True, text=True, timeout=REFUSAL
    )
    assert done.returncode > 0
    assert "-c" in done.stderr


def test_without_permission(lab):
    """Somebody who may not open network devices is told so."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-nobody-"))
    try:
        folder.chmod(0o755)
        p = Postern(lab, quick(), name="refused")
        needed = [p.build / "postern", p.file, lab.folder / "probe.key", *lab.folder.glob("*.pem")]
        for file in needed:
            shutil.copy(file, folder)
            (folder / file.name).chmod(0o755)
        done = netns.command(
            lab.ns("edge"), "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
            "--no-new-privs", "env", f"RUNTIME_DIRECTORY={folder}",
            str(folder / "postern"), "-c", str(folder / p.file.name), check=False, timeout=REFUSAL,
        )
    finally:
        shutil.rmtree(folder)
    assert done.returncode > 0, done.stdout + done.stderr
    assert "root" in done.stdout + done.stderr


def test_control_socket_in_use(lab, start):
    start(quick(), wait=False)
    c = quick()
    # Devices are claimed first: these are its own.
    for i, interface in enumerate(c["interfaces"]):
        interface["device"] = f"net_null{i}"
    assert "control.sock" in refused(lab, c)


def test_stale_control_socket_is_replaced(lab, start):
    p = Postern(lab, quick())
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(p.socket))
    assert start(quick(), wait=False).answers()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_clean_stop(lab, start, dial, number):
    p = start(quick())
    dial(10)
    assert p.stop(number, seconds=2.0) == 0
    assert not p.socket.exists()


def test_stop_while_starting(lab):
    """Asked to end before it is up, it ends."""
    p = Postern(lab, quick(), name="refused")
    process = p.launch()
    process.wait_ready(lambda: "EAL" in process.log() or p.socket.exists() or p.answers(), 20)
    process.signal(signal.SIGTERM)
    assert process.wait(10) is not None
    p.discard()
    p.check_log()


def test_restart_meets_old_sessions_with_resets(lab, start, dial):
    """Nothing is known after a restart; who goes on is told at once, and comes back."""
    first = start(quick())
    before = dial(10)
    assert first.stop() == 0
    second = start(quick())
    for c in before:
        c.sock.sendall(b"name\n")
    assert {c.ended(5) for c in before} == {"reset"}
    assert second.counter("refuse-no-session") >= 10
    assert dial().member


def test_same_choice_after_a_restart(lab, start, dial):
    """The choice of a member follows from the file and the client's address alone, so that two
    appliances agree."""
    # Below the ports that the kernel gives out by itself.
    sources = [(t.PARTNER4, 21000 + n) for n in range(20)]
    found = []
    for _ in range(2):
        p = start(quick())
        connections = [dial(source=s) for s in sources]
        found.append([c.member for c in connections])
        for c in connections:
            # Reset rather than close, so that the port is free at once.
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
        assert p.stop() == 0
    assert found[0] == found[1]
    assert len(set(found[0])) > 1


def test_a_reload_on_trial_does_not_outlive_a_restart(lab, start):
    p = start(quick())
    changed = copy.deepcopy(p.config)
    changed["services"].append(config.service("more", 7080, "streams"))
    p.write(changed)
    p.call("config.reload", confirm=300_000)
    assert p.stop() == 0
    p.start()
    assert "more" in {s["name"] for s in p.all("service.list")}
    assert not any("confirm" in r["what"] for r in p.call("status.show")["reasons"])


def test_addresses_are_announced_at_start(lab, start):
    """Neighbours that remember another station for the virtual address learn at once."""
    from scapy.layers.inet6 import ICMPv6ND_NA
    from scapy.layers.l2 import ARP, Ether

    everything = 3  # ETH_P_ALL
    with netns.open_socket(
        lab.ns("outside"), socket.AF_PACKET, socket.SOCK_RAW, socket.htons(everything)
    ) as raw:
        raw.bind(("wire0", everything))
        raw.settimeout(0.2)
        start(quick(), wait=False)
        announced = set()

        def all_heard():
            try:
                frame = Ether(raw.recv(2048))
            except TimeoutError:
                return None
            if ARP in frame and frame[ARP].psrc == frame[ARP].pdst:
                announced.add(frame[ARP].psrc)
            if ICMPv6ND_NA in frame and frame.dst.startswith("33:33"):
                announced.add(frame[ICMPv6ND_NA].tgt)
            return {t.OWN4, t.VIRTUAL4, t.OWN6, t.VIRTUAL6} <= announced

        wait_until(all_heard, 10, "announcements", every=0)
