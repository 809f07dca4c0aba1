# SPDX-License-Identifier: BSD-2-Clause
"""Both ends of TCP connections (load/): a server and what loads it, each with a CPU of its own. Our engine
over a memif link, or the kernel's sockets over a veth pair between two namespaces. What loads does not
know who serves, so other servers may stand in the server's place."""

import contextlib
import json
import pathlib
import select
import signal
import subprocess
import time

import rig

LOAD = rig.BUILD / "bench/load"
SERVER = "10.0.0.80"
GATEWAY = "10.0.0.1"     # the loading side's own address
CLIENT = "198.18.0.0"    # the first of those that connections come from, behind the gateway
CLIENTS = "198.18.0.0/15"
MEMORY_MB = 192
PROGRAMS = ("echo_engine", "echo_sockets", "load_engine", "load_sockets")


def build(*more):
    subprocess.run(["ninja", "-C", rig.BUILD, *(f"bench/load/{p}" for p in PROGRAMS), *more], check=True,
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
    """A server and its load. Between measurements of others they are paused."""

    def __init__(self, place):
        self.place = place
        self.echo = self.load = None

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
        before, began = self.busy(), time.monotonic()
        answer = self.load(verb, **words)
        around = time.monotonic() - began
        # The load's seconds are those that it counts in; it warms up before.
        answer["busy"] = (self.busy() - before) * answer["seconds"] / around
        answer["per_cpu"] = answer["done"] / answer["busy"] if answer["busy"] else 0
        return answer

    def close(self):
        for part in (self.load, self.echo):
            if part:
                part.close()


class Engines(Ends):
    def __init__(self, place, server=(), load=()):
        super().__init__(place)

        def argv(program, cpu, role, *words):
            device = f"net_memif0,role={role},socket={place.socket},socket-abstract=no"
            return [LOAD / program, *place.eal(cpu, MEMORY_MB, program), "--vdev", device, "--", *words]

        self.load = Program(place, "load_engine", argv(
            "load_engine", place.generator_cpu, "server", f"address={GATEWAY}/24", f"server={SERVER}",
            f"client={CLIENT}", *load))
        try:
            self.echo = Program(place, "echo_engine", argv(
                "echo_engine", place.worker_cpu, "client", f"address={SERVER}/24", f"gateway={GATEWAY}",
                *server))
        except rig.Failed:
            self.close()
            raise

    def stats(self):
        return self.echo("stats")

    def busy(self):
        return self.stats()["busy"]

    def __str__(self):
        return "our engine"


def idle_seconds(cpu):
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        word = line.split()
        if word[0] == f"cpu{cpu}":
            return (int(word[4]) + int(word[5])) / 100
    raise rig.Failed(f"/proc/stat knows no CPU {cpu}")


class Spaces:
    """Two namespaces and a veth pair. Packets are worked on by the CPU that sends them, which is what costs
    this kernel least: steering them (RPS, threads) costs interrupts between CPUs."""

    NAMES = ("pbench-s", "pbench-c")

    def __init__(self):
        self.close()
        server, client = self.NAMES
        for name in self.NAMES:
            self.ip("netns", "add", name)
        self.ip("-n", server, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", client)
        self.ip("-n", server, "addr", "add", f"{SERVER}/24", "dev", "veth0")
        self.ip("-n", client, "addr", "add", f"{GATEWAY}/24", "dev", "veth0")
        for name in self.NAMES:
            self.ip("-n", name, "link", "set", "lo", "up")
            self.ip("-n", name, "link", "set", "veth0", "up")
            for setting in ("net.core.somaxconn=65535", "net.ipv4.tcp_max_syn_backlog=65535",
                            "net.ipv4.ip_local_port_range=1024 65535"):
                subprocess.run([*self.inside(name), "sysctl", "-q", "-w", setting], check=True)
        self.ip("-n", server, "route", "add", "default", "via", GATEWAY)
        self.ip("-n", client, "route", "add", "local", CLIENTS, "dev", "lo")

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
    def __init__(self, place):
        super().__init__(place)
        self.cpu = place.worker_cpu
        self.spaces = Spaces()
        server, client = (self.spaces.inside(name) for name in Spaces.NAMES)
        try:
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

    def close(self):
        super().close()
        self.spaces.close()

    def __str__(self):
        return "Linux"


@contextlib.contextmanager
def both(**more):
    """Our engine and Linux, of whom one at a time is awake: none yet."""
    with rig.huge_pages(2 * MEMORY_MB) as huge:
        place = rig.Rig(huge)
        parts = []
        try:
            for kind, words in ((Engines, more), (Sockets, {})):
                parts.append(kind(place, **words))
                parts[-1].pause()
            yield parts
        finally:
            for part in parts:
                part.close()
            place.close()
