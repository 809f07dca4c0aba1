# SPDX-License-Identifier: BSD-2-Clause
"""What forward mode is measured with: the generator on one CPU, postern or testpmd at the other end of
a memif link on another, packet buffers in huge pages if the machine gives any."""

import contextlib
import json
import os
import pathlib
import re
import select
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = pathlib.Path(os.environ.get("POSTERN_BUILD", ROOT / "build"))
HUGE = pathlib.Path("/proc/sys/vm/nr_hugepages")
HUGE_FREE = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
GENERATOR_MB = 256
SWAP_MB = 256
POSTERN_MB = 192
PREFIX = "2001:db8:10::"  # generator/frame.c knows the same addresses
START = 30.0


class Failed(Exception):
    pass


def say(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def figure(case, metric, value, unit, beside=None, beside_value=None, ratio=None, reach=None,
           met=None, **more):
    f = {"case": case, "metric": metric, "value": value, "unit": unit}
    if beside is not None:
        f |= {"beside": beside, "beside_value": beside_value, "ratio": round(ratio, 3)}
    if reach is not None:
        f |= {"reach": reach, "met": bool(met)}
    print(json.dumps(f | more), flush=True)


def middle(values):
    return sorted(values)[len(values) // 2]


def spread(values):
    """How far repeats lie apart, in percent of their middle."""
    m = middle(values)
    return round(100 * (max(values) - min(values)) / m, 1) if m else 0.0


def cpus():
    """Those of the worker and of the generator: the two highest that we may use."""
    have = sorted(os.sched_getaffinity(0))
    if len(have) < 2:
        raise Failed("two CPUs are needed: one for postern's worker, one for the generator")
    return have[-1], have[-2]


@contextlib.contextmanager
def huge_pages(megabytes):
    """Gives True if so much memory in huge pages is free, reserving what lacks for the time."""
    added = 0
    try:
        lacking = megabytes // 2 - int(HUGE_FREE.read_text())
        if lacking > 0:
            before = int(HUGE.read_text())
            HUGE.write_text(str(before + lacking))
            added = int(HUGE.read_text()) - before
        enough = int(HUGE_FREE.read_text()) >= megabytes // 2
    except OSError:
        enough = False
    try:
        yield enough
    finally:
        if added > 0:
            with contextlib.suppress(OSError):
                HUGE.write_text(str(max(0, int(HUGE.read_text()) - added)))


def build():
    subprocess.run(["ninja", "-C", BUILD, "postern", "bench/generator/generator"], check=True,
                   stdout=subprocess.DEVNULL)


def first():
    """What is measured goes before everything else that wants its CPU, if we may say so. Linux weighs
    whole terminal sessions first, where it does so (autogroup of sched(7))."""
    with contextlib.suppress(OSError):
        os.nice(-20)
        pathlib.Path("/proc/self/autogroup").write_text("-20")


class Rig:
    """One folder, one link, at most one program at its other end."""

    def __init__(self, huge):
        self.huge = huge
        self.worker_cpu, self.generator_cpu = cpus()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-bench-"))
        self.socket = self.folder / "link.sock"

    def eal(self, cpu, megabytes, name):
        memory = ["--in-memory", "--single-file-segments"] if self.huge else ["--no-huge", "--no-shconf"]
        return ["-m", str(megabytes), *memory, "--no-pci", "--no-telemetry", "--log-level=warning",
                f"--file-prefix={self.folder.name}-{name}", f"--lcores=0@{cpu}"]

    def start(self, name, argv, **more):
        log = open(self.folder / f"{name}.log", "ab")
        with log:
            return subprocess.Popen(
                [str(a) for a in argv], cwd=self.folder, stderr=log, preexec_fn=first,
                start_new_session=True,
                env={**os.environ, "RUNTIME_DIRECTORY": str(self.folder), **more.pop("env", {})},
                **more)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]

    def close(self):
        for f in sorted(self.folder.rglob("*"), reverse=True):
            f.rmdir() if f.is_dir() and not f.is_symlink() else f.unlink()
        self.folder.rmdir()


class Generator:
    def __init__(self, rig):
        self.rig = rig
        device = f"net_memif0,role=server,socket={rig.socket},socket-abstract=no"
        self.process = rig.start(
            "generator",
            [BUILD / "bench/generator/generator", *rig.eal(rig.generator_cpu, GENERATOR_MB, "g"),
             "--vdev", device],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.answer(START)

    def answer(self, seconds):
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise Failed(f"the generator does not answer\n{self.rig.log('generator')}")
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"the generator has ended\n{self.rig.log('generator')}")
        return json.loads(line)

    def __call__(self, verb, **words):
        file = words.pop("file", None)
        line = " ".join([verb, *(f"{k}={v}" for k, v in words.items())])
        if file:
            line += f" file={file}"
        self.process.stdin.write(line + "\n")
        answer = self.answer(60 + words.get("seconds", 0))
        if "error" in answer:
            raise Failed(f"{line}: {answer['error']}")
        return answer

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Swap:
    """testpmd, which swaps the addresses of frames and sends them back."""

    def __init__(self, rig, mode="macswap"):
        device = f"net_memif0,role=client,socket={rig.socket},socket-abstract=no"
        eal = [a for a in rig.eal(rig.worker_cpu, SWAP_MB, "s") if not a.startswith("--lcores")]
        self.process = rig.start(
            "testpmd",
            ["dpdk-testpmd", *eal, f"--lcores=0@{rig.generator_cpu},1@{rig.worker_cpu}", "--vdev", device, "--", "--auto-start",
             f"--forward-mode={mode}", "--burst=64", "--rxd=1024", "--txd=1024",
             "--disable-link-check", "--no-lsc-interrupt", "--total-num-mbufs=16384"],
            stdin=subprocess.PIPE, stdout=open(rig.folder / "testpmd.log", "ab"))
        time.sleep(2)
        if self.process.poll() is not None:
            raise Failed(f"testpmd has ended\n{rig.log('testpmd')}")

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.write(b"\n")
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def member(k, near):
    """The address of a member: on the link, or behind the gateway, where any number may be."""
    low = f"{k >> 8 & 255}.{k & 255}"
    return f"10.1.{low}" if near else f"172.16.{low}"


class Postern:
    """One postern with one interface, one pool and one service for each family."""

    def __init__(self, rig, members=64, sessions=2 << 20, near=True, ready=True, **more):
        self.rig = rig
        self.control = rig.folder / "control.sock"
        self.file = rig.folder / "postern.json"
        self.write(self.config(members, sessions, near, **more))
        self.process = rig.start("postern", [BUILD / "postern", "-c", self.file],
                                 stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"postern does not answer\n{rig.log('postern')}")
            time.sleep(0.05)

    def config(self, members, sessions, near, probe=None, pool=None, timeouts=None, v6=True):
        """JSON is YAML. `members` is a number, or a list of what is special of each."""
        if isinstance(members, int):
            members = [{}] * members
        listed = [{"name": f"m{k}", "address": f"{member(k, near)}:5071", **own}
                  for k, own in enumerate(members)]
        if v6 and near:
            listed += [{"name": f"n{k}", "address": f"[{PREFIX}1:{k:x}]:5071", **own}
                       for k, own in enumerate(members)]
        device = f"net_memif0,role=client,socket={self.rig.socket},socket-abstract=no"
        return {
            "postern": {"control-socket": str(self.control), "state": str(self.rig.folder / "state.db"),
                        "log-level": "notice"},
            "dataplane": {
                "workers": [self.rig.worker_cpu], "sessions": sessions, "busy-poll": True,
                "huge-pages": "auto" if self.rig.huge else "off",
                "eal": ["--single-file-segments"] if self.rig.huge else []},
            "interfaces": [{
                "name": "link", "device": device,
                "addresses": ["10.0.0.10/8", f"{PREFIX}10/64"],
                "gateway": ["10.0.0.1", f"{PREFIX}1"],
                "translate-from": [f"10.0.0.{n}" for n in range(20, 24)] +
                                  [f"{PREFIX}{n}" for n in range(20, 24)]}],
            "pools": [{"name": "edges", "probe": probe or {"kind": "none"}, "members": listed,
                       **(pool or {})}],
            "services": [{"name": "sip",
                          "listen": ["10.0.0.80:5061"] + v6 * near * [f"[{PREFIX}80]:5061"],
                          "mode": "forward", "pool": "edges",
                          **({"timeouts": timeouts} if timeouts else {})}],
        }

    def write(self, config):
        self.file.write_text(json.dumps(config))

    def call(self, method, timeout=30.0, **params):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            sock.connect(str(self.control))
            question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            sock.sendall(json.dumps(question).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n"):
                more = sock.recv(65536)
                if not more:
                    raise Failed("the control socket closed")
                data += more
        answer = json.loads(data)
        if "error" in answer:
            raise Failed(f"{method}: {answer['error']}")
        return answer["result"]

    def all(self, method, **params):
        found = []
        while True:
            page = self.call(method, **params)
            found += page["items"]
            if not page.get("next"):
                return found
            params["cursor"] = page["next"]

    def answers(self):
        try:
            return self.call("status.show", timeout=5)
        except (OSError, ValueError, Failed):
            return None

    def resident(self):
        """Bytes of memory that it has."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(re.search(r"VmRSS:\s*(\d+)", status)[1])

    def counters(self):
        return self.call("stats.show")

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def link(other, megabytes, **more):
    """A generator, found by whoever is at the other end."""
    with huge_pages(GENERATOR_MB + megabytes) as huge:
        rig = Rig(huge)
        parts = [rig]
        try:
            parts.append(Generator(rig))
            parts.append(other(rig, **more))
            yield rig, parts[1], parts[2]
        finally:
            for part in reversed(parts):
                part.close()
