# SPDX-License-Identifier: BSD-2-Clause
"""Both ends of TCP connections (load/): a server and what loads it, each with a CPU of its own. Our engine
over a memif link, or the kernel's sockets over a veth pair between two namespaces. What loads does not
know who serves, so other servers may stand in the server's place."""

import contextlib
import json
import pathlib
import re
import select
import signal
import subprocess
import tempfile
import time

import rig

LOAD = rig.BUILD / "bench/load"
WIRE = rig.BUILD / "tests/wire/wire"
SERVER = "10.0.0.80"
GATEWAY = "10.0.0.1"     # the loading side's own address
CLIENT = "198.18.0.0"    # the first of those that connections come from, behind the gateway
CLIENTS = "198.18.0.0/15"
MEMORY_MB = 192
PROGRAMS = ("bench/load/echo_engine", "bench/load/echo_sockets", "bench/load/load_engine",
            "bench/load/load_sockets", "tests/wire/wire")


def build(*more):
    subprocess.run(["ninja", "-C", rig.BUILD, *PROGRAMS, *more], check=True,
                   stdout=subprocess.DEVNULL)


class Program:
    """One that answers each line with a JSON object."""

    def __init__(self, place, name, argv):
        self.place, self.name = place, name
        self.process = place.start(name, argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   bufsize=1)
        self.answer(rig.START)

    def answer(self, seconds):
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise rig.Failed(f"{self.name} does not answer\n{self.place.log(self.name)}")
        line = self.process.stdout.readline()
        if not line:
            raise rig.Failed(f"{self.name} has ended\n{self.place.log(self.name)}")
        return json.loads(line)

    def __call__(self, verb, **words):
        line = " ".join([verb, *(f"{k}={v}" for k, v in words.items())])
        self.process.stdin.write(line + "\n")
        answer = self.answer(60 + words.get("seconds", 0))
        if "error" in answer:
            raise rig.Failed(f"{line}: {answer['error']}")
        if answer.get("wrong"):
            raise rig.Failed(f"{line}: {answer['wrong']} answers with wrong bytes")
        return answer

    def pause(self, paused):
        self.process.send_signal(signal.SIGSTOP if paused else signal.SIGCONT)

    def close(self):
        self.pause(False)
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Ends:
    """A server and its load. Between measurements of others they are paused. `wire`: settings of a bad link
    between them, which takes the server's CPU."""

    def __init__(self, place, wire):
        self.place = place
        self.echo = self.load = self.middle = None
        self.wire = [f"{k}={v}" for k, v in wire.items()] + [f"cpu={place.worker_cpu}"] if wire else []

    def pause(self, paused=True):
        self.echo.pause(paused)
        self.load.pause(paused)

    def open(self, n, **words):
        """So many connections, and none before."""
        self.load("drop")
        answer = self.load("open", conns=n, **words)
        if answer["failed"]:
            raise rig.Failed(f"connections of {self}: {answer['why']}")

    def measure(self, verb, **words):
        """The load's answer, with the CPU seconds that the server has spent."""
        before = self.busy()
        answer = self.load(verb, **words)
        busy = self.busy() - before
        # Of the whole command, as the CPU's time is: warming up included, and what is under way at the end.
        answer["per_cpu"] = answer["all_done"] / busy if busy else 0
        answer["bytes_per_cpu"] = answer["all_bytes"] / busy if busy else 0
        return answer

    def close(self):
        for part in (self.load, self.echo, self.middle):
            if part:
                part.close()


class Engines(Ends):
    def __init__(self, place, wire=None, server=(), load=()):
        super().__init__(place, wire)
        # Each pair has sockets of its own: memif does not take one that is there.
        links = pathlib.Path(tempfile.mkdtemp(dir=place.folder))
        self.near, far = links / "near.sock", links / ("far.sock" if wire else "near.sock")
        try:
            self.load = self.program("load_engine", place.generator_cpu, f"role=server,socket={self.near}",
                                     f"address={GATEWAY}/24", f"server={SERVER}", f"client={CLIENT}", *load)
            if wire:
                self.middle = Program(place, "wire", [
                    WIRE, f"memif:{self.near}", f"memif-server:{far}", *self.wire])
                server = [*server, "busy-poll=0"]
            self.echo = self.program("echo_engine", place.worker_cpu, f"role=client,socket={far}",
                                     f"address={SERVER}/24", f"gateway={GATEWAY}", *server)
        except rig.Failed:
            self.close()
            raise

    def program(self, name, cpu, link, *words):
        return Program(self.place, name, [
            LOAD / name, *self.place.eal(cpu, MEMORY_MB, name), "--vdev",
            f"net_memif0,{link},socket-abstract=no", "--", *words])

    def stats(self):
        return self.echo("stats")

    def busy(self):
        return self.stats()["busy"]

    def memory(self):
        """Bytes of the engine besides what stands for buffers; all of it is there from the start."""
        stats = self.stats()
        return (stats["memory"] - stats["memory_buffers"]) if stats["connections"] else 0

    def __str__(self):
        return "our engine"


def idle_seconds(cpu):
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        word = line.split()
        if word[0] == f"cpu{cpu}":
            return (int(word[4]) + int(word[5])) / 100
    raise rig.Failed(f"/proc/stat knows no CPU {cpu}")


class Spaces:
    """Namespaces of the server and of what loads it, and a veth pair, or two with a third between them.
    Packets are worked on by the CPU that sends them, which is what costs this kernel least: steering them
    (RPS, threads) costs interrupts between CPUs."""

    SERVER, CLIENT, MIDDLE = NAMES = ("pbench-s", "pbench-c", "pbench-w")
    # The middle's ends.
    ENDS = ("to-client", "to-server")

    def __init__(self, wire=False):
        self.close()
        for name in self.NAMES:
            self.ip("netns", "add", name)
        if wire:
            self.pair(self.CLIENT, "link0", self.MIDDLE, self.ENDS[0])
            self.pair(self.SERVER, "link0", self.MIDDLE, self.ENDS[1])
        else:
            self.pair(self.SERVER, "link0", self.CLIENT, "link0")
        if wire:
            self.plain(self.MIDDLE, *self.ENDS)
            self.plain(self.SERVER, "link0")
            self.plain(self.CLIENT, "link0")
        self.ip("-n", self.SERVER, "addr", "add", f"{SERVER}/24", "dev", "link0")
        self.ip("-n", self.CLIENT, "addr", "add", f"{GATEWAY}/24", "dev", "link0")
        self.ip("-n", self.SERVER, "route", "add", "default", "via", GATEWAY)
        self.ip("-n", self.CLIENT, "link", "set", "lo", "up")
        self.ip("-n", self.CLIENT, "route", "add", "local", CLIENTS, "dev", "lo")
        for name in (self.SERVER, self.CLIENT):
            for setting in ("net.core.somaxconn=65535", "net.ipv4.tcp_max_syn_backlog=65535",
                            "net.ipv4.ip_local_port_range=1024 65535"):
                subprocess.run([*self.inside(name), "sysctl", "-q", "-w", setting], check=True)

    def pair(self, a, a_end, b, b_end):
        self.ip("-n", a, "link", "add", a_end, "type", "veth", "peer", "name", b_end, "netns", b)
        self.ip("-n", a, "link", "set", a_end, "up")
        self.ip("-n", b, "link", "set", b_end, "up")

    def plain(self, name, *ends):
        """What goes through raw sockets must be packets as a wire has them."""
        for end in ends:
            subprocess.run([*self.inside(name), "ethtool", "-K", end, "rx", "off", "tx", "off", "sg", "off",
                            "tso", "off", "gso", "off", "gro", "off"], check=True, capture_output=True)

    @staticmethod
    def ip(*words, check=True):
        subprocess.run(["ip", *words], check=check, capture_output=not check)

    @staticmethod
    def inside(name):
        return ["ip", "netns", "exec", name]

    def close(self):
        for name in self.NAMES:
            self.ip("netns", "del", name, check=False)


class Sockets(Ends):
    def __init__(self, place, wire=None):
        super().__init__(place, wire)
        self.cpu = place.worker_cpu
        self.spaces = Spaces(bool(wire))
        server, client, middle = (self.spaces.inside(name) for name in Spaces.NAMES)
        try:
            if wire:
                self.middle = Program(place, "wire", [
                    *middle, WIRE, *(f"packet:{end}" for end in Spaces.ENDS), *self.wire])
            self.echo = Program(place, "echo_sockets", [
                *server, "taskset", "-c", str(self.cpu), LOAD / "echo_sockets"])
            self.load = Program(place, "load_sockets", [
                *client, "taskset", "-c", str(place.generator_cpu), LOAD / "load_sockets",
                f"server={SERVER}", f"client={CLIENT}"])
        except rig.Failed:
            self.close()
            raise

    def busy(self):
        """The time of the server's CPU that was not idle, softirqs and all."""
        return time.monotonic() - idle_seconds(self.cpu)

    def steer(self):
        """Packets for the server are worked on by its CPU, as a port's interrupts would have it."""
        file = "/sys/class/net/link0/queues/rx-0/rps_cpus"
        subprocess.run([*self.spaces.inside(Spaces.SERVER), "sh", "-c", f"echo {1 << self.cpu:x} > {file}"],
                       check=True)

    def memory(self):
        """Bytes of the kernel for one end of each connection, as both are its own, and of the server."""
        kernel = int(re.search(r"Slab:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) * 1024
        status = pathlib.Path(f"/proc/{self.echo.process.pid}/status").read_text()
        return kernel / 2 + 1024 * int(re.search(r"VmRSS:\s*(\d+)", status)[1])

    def close(self):
        super().close()
        self.spaces.close()

    def __str__(self):
        return "Linux"


@contextlib.contextmanager
def place(megabytes=2 * MEMORY_MB):
    with rig.huge_pages(megabytes) as huge:
        here = rig.Rig(huge)
        try:
            yield here
        finally:
            here.close()


@contextlib.contextmanager
def one(kind, here, **more):
    side = kind(here, **more)
    try:
        yield side
    finally:
        side.close()


@contextlib.contextmanager
def both(here, **more):
    """Our engine and Linux, of whom one at a time is awake: none yet."""
    with one(Engines, here, **more) as ours:
        ours.pause()
        with one(Sockets, here) as theirs:
            theirs.pause()
            yield ours, theirs
