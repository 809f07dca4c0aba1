# SPDX-License-Identifier: BSD-2-Clause
"""The kinds of ports that postern can be tried on here. Each joins its device to the same two
links, outside0 and inside0, so that the same peers talk through it."""

import contextlib
import os
import subprocess

from . import config, netns
from .process import Process, wait_until

SIDES = ("outside", "inside")


class AfPacket:
    """The veth themselves."""

    def __init__(self, lab):
        pass

    def device(self, index, side):
        return f"net_af_packet{index},iface={side}0"

    def before(self):
        pass

    def after(self):
        pass


class Tap:
    """TAP devices that postern makes; a bridge joins each to its link."""

    def __init__(self, lab):
        self.edge = lab.ns("edge")

    def device(self, index, side):
        return f"net_tap{index},iface=tap-{side}"

    def before(self):
        for side in SIDES:
            netns.ip(self.edge, [f"link add br-{side} type bridge mcast_snooping 0"])
            netns.sysctl(self.edge, {f"net.ipv6.conf.br-{side}.disable_ipv6": 1})
            netns.ip(
                self.edge,
                [f"link set {side}0 master br-{side}", f"link set br-{side} arp off up"],
            )

    def after(self):
        for n, side in enumerate(SIDES):
            device = f"tap-{side}"
            wait_until(
                lambda d=device: netns.command(
                    self.edge, "ip", "link", "show", d, check=False
                ).returncode == 0,
                10, f"postern's device {device}",
            )
            netns.sysctl(self.edge, {f"net.ipv6.conf.{device}.disable_ipv6": 1})
            # A bridge takes frames to the address of one of its own devices for itself, and
            # the kernel's end of a TAP device has the address that postern's end uses.
            netns.ip(
                self.edge,
                [
                    f"link set {device} address 02:00:00:00:00:0{n + 1}",
                    f"link set {device} master br-{side} up",
                ],
            )


class Memif:
    """Shared memory; testpmd at the other end passes packets between it and the veth."""

    def __init__(self, lab):
        self.lab = lab

    def _socket(self, side):
        return self.lab.folder / f"memif-{side}.sock"

    def device(self, index, side):
        return f"net_memif{index},role=server,socket={self._socket(side)},socket-abstract=no"

    def before(self):
        pass

    def after(self):
        """postern listens by now. testpmd joins ports 0 and 1, and 2 and 3."""
        devices = []
        for n, side in enumerate(SIDES):
            memif = f"net_memif{n},role=client,socket={self._socket(side)},socket-abstract=no"
            devices += ["--vdev", memif, "--vdev", f"net_af_packet{n},iface={side}0"]
        cpu = self._cpu()
        self.process = Process(
            "testpmd", self.lab.ns("edge"),
            [
                "stdbuf", "-oL",  # what it says is waited for
                "dpdk-testpmd", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m",
                "192", "--file-prefix", self.lab.owner.id,
                "--lcores", f"0@{cpu},1@{cpu}", *devices,
                "--", "--auto-start", "--forward-mode=io", "--port-topology=paired",
                "--disable-link-check", "--no-lsc-interrupt", "--total-num-mbufs=16384",
            ],
            self.lab.folder,
            env={"RUNTIME_DIRECTORY": str(self.lab.folder)},
            stdin=subprocess.PIPE,  # it runs until something is typed
        )
        self.lab.on_exit(self.process.stop)
        self.process.wait_ready(lambda: "Press enter to exit" in self.process.log(), 20)

    @staticmethod
    def _cpu():
        others = os.sched_getaffinity(0) - {config.worker_cpu()}
        return min(others or {config.worker_cpu()})


KINDS = {"af_packet": AfPacket, "tap": Tap, "memif": Memif}


def interfaces(kind):
    """The interfaces of the configuration, on a kind of port."""
    return [config.interface(side, kind.device(n, side)) for n, side in enumerate(SIDES)]


@contextlib.contextmanager
def undo(lab, kind):
    """Leaves the edge namespace as it was, for the next kind of port."""
    try:
        yield
    finally:
        if isinstance(kind, Tap):
            for side in SIDES:
                netns.command(lab.ns("edge"), "ip", "link", "del", f"br-{side}", check=False)
        if isinstance(kind, Memif) and hasattr(kind, "process"):
            kind.process.stop(3.0)
