# SPDX-License-Identifier: BSD-2-Clause
"""The real peers: Kamailio as members of the pool and as the partner's edge, knot as DNS."""

import pathlib
import socket
import string
import struct

from . import netns
from .process import Process, can_connect

TEMPLATES = pathlib.Path(__file__).parent / "templates"
START = 10.0  # seconds; each of them needs a fraction of one


def fill(template, target, **values):
    text = (TEMPLATES / template).read_text()
    target.write_text(string.Template(text).substitute(values))


def _kamailio(name, namespace, config, folder):
    # -m and -M: shared and private memory in megabytes. -DD: stay in the foreground.
    return Process(
        name, namespace,
        ["kamailio", "-DD", "-E", "-m", "32", "-M", "4", "-f", config, "-Y", folder / "kamailio"],
        folder,
    )


class Kamailio:
    """A SIP server that can be killed, paused and started again."""

    def __init__(self, name, namespace, v4, v6, folder, template, certificate):
        self.name, self.namespace, self.v4, self.v6 = name, namespace, v4, v6
        self.folder = folder
        self.config = folder / f"{name}.cfg"
        self.process = None
        fill(template, self.config, name=name, v4=v4, v6=v6, folder=folder)
        fill("tls.cfg", folder / f"{name}.tls.cfg", folder=folder, certificate=certificate)

    def start(self):
        self.launch()
        self.wait()

    def launch(self):
        (self.folder / "kamailio").mkdir(exist_ok=True)
        self.process = _kamailio(self.name, self.namespace, self.config, self.folder)

    def wait(self):
        self.process.wait_ready(can_connect(self.namespace, self.v4, 5061), START)
        self.process.wait_ready(can_connect(self.namespace, self.v6, 5061), START)

    @property
    def running(self):
        return self.process is not None and self.process.running

    def kill(self):
        self.process.kill()

    def pause(self):
        self.process.pause()

    def resume(self):
        self.process.resume()

    def stop(self):
        if self.process:
            self.process.stop(2.0)


class Dns:
    def __init__(self, namespace, v4, v6, folder, records):
        self.namespace, self.v4 = namespace, v4
        self.folder = folder
        self.process = None
        (folder / "dns").mkdir()
        for domain in ("contoso.com", "fabrikam.com"):
            fill(f"{domain}.zone", folder / "dns" / f"{domain}.zone", **records)
        fill("knot.conf", folder / "knot.conf", folder=folder, v4=v4, v6=v6)

    def launch(self):
        self.process = Process(
            "dns", self.namespace, ["knotd", "-c", self.folder / "knot.conf"], self.folder
        )

    def wait(self):
        self.process.wait_ready(
            lambda: lookup(self.namespace, self.v4, "_sipfederationtls._tcp.contoso.com"), START
        )

    def stop(self):
        if self.process:
            self.process.stop(2.0)


SRV = 33


def lookup(namespace, server, name):
    """Asks a server for SRV records: [(priority, weight, port, target)], or None without answer."""
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
    question = struct.pack("!6H", 0x2A2A, 0, 1, 0, 0, 0) + labels + struct.pack("!2H", SRV, 1)
    with netns.open_socket(namespace, netns.family_of(server), socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.5)
        try:
            sock.connect((server, 53))
            sock.send(question)
            answer = sock.recv(4096)
        except OSError:
            return None
    count = struct.unpack_from("!H", answer, 6)[0]
    at = len(question)
    found = []
    for _ in range(count):
        at = _skip_name(answer, at)
        kind, _class, _ttl, length = struct.unpack_from("!2HIH", answer, at)
        at += 10
        if kind == SRV:
            numbers = struct.unpack_from("!3H", answer, at)
            found.append((*numbers, _read_name(answer, at + 6)))
        at += length
    return found or None


def _skip_name(packet, at):
    while packet[at] and packet[at] < 0xC0:
        at += 1 + packet[at]
    return at + (2 if packet[at] else 1)


def _read_name(packet, at):
    labels = []
    while packet[at]:
        if packet[at] >= 0xC0:  # a pointer to an earlier place (RFC 1035 4.1.4)
            at = struct.unpack_from("!H", packet, at)[0] & 0x3FFF
            continue
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(labels)
