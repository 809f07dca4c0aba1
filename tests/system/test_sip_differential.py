# SPDX-License-Identifier: BSD-2-Clause
"""The domain that speaks, as we read it and as Kamailio does: what it says it has read, and what it
sends on. The messages come from tests/unit/sip_froms.h, and mutations of them."""

import os
import pathlib
import random
import shutil
import socket
import subprocess

import pytest

from lab import netns

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("POSTERN_BUILD", "build")
NAMESPACE = f"postern-sip-{os.getpid()}"
KAMAILIO = ("127.0.0.1", 5060)
SINK = ("127.0.0.1", 5070)
DRAWN = 6000

SENTINEL = (
    "OPTIONS sip:sentinel@contoso.com SIP/2.0\r\n"
    "Via: SIP/2.0/TCP sentinel.example;branch=z9hG4bK{0}\r\nMax-Forwards: 70\r\n"
    "From: <sip:s@sentinel.example>;tag=1\r\nTo: <sip:s@sentinel.example>\r\n"
    "Call-ID: sentinel-{0}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


class Ours:
    """What we read: answers from sip_verdict."""

    def __init__(self, program):
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self, message):
        """The domain, or None."""
        self.process.stdin.write(message.hex() + "\n")
        self.process.stdin.flush()
        verdict, domain = self.process.stdout.readline().split()
        return domain if verdict == "ok" and domain != "-" else None

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


class Kamailio:
    """Kamailio between a client and a sink, all on the loopback of a namespace of their own."""

    def __init__(self, folder):
        self.turn = 0
        self.log = (folder / "kamailio.log").open("wb")
        self.process = None
        self.sink = netns.open_socket(NAMESPACE, socket.AF_INET)
        self.sink.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sink.bind(SINK)
        self.sink.listen()
        self.sink.settimeout(20)
        self.relayed = None
        self.rest = b""
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", NAMESPACE, "kamailio", "-DD", "-E", "-m", "32", "-Y", folder,
             "-f", pathlib.Path(__file__).with_name("sip_differential.cfg")],
            stdout=self.log, stderr=self.log,
        )

    def connect(self):
        """Waits for its port, as long as it lives."""
        while True:
            s = netns.open_socket(NAMESPACE, socket.AF_INET)
            s.settimeout(20)
            try:
                s.connect(KAMAILIO)
                return s
            except ConnectionRefusedError:
                s.close()
                with pytest.raises(subprocess.TimeoutExpired):
                    self.process.wait(0.05)

    def next_relayed(self):
        if self.relayed is None:
            self.relayed, _ = self.sink.accept()
            self.relayed.settimeout(20)
        while b"\r\n\r\n" not in self.rest:
            more = self.relayed.recv(65536)
            assert more, "Kamailio closed its connection to the sink"
            self.rest += more
        message, self.rest = self.rest.split(b"\r\n\r\n", 1)
        return message + b"\r\n\r\n"

    def ask(self, message):
        """What it sends on for a message; None if it sends nothing. There is one reading process,
        so that what is not relayed before two messages sent later, one after the other, never is."""
        found = None
        with self.connect() as s:
            s.sendall(message)
            for _ in range(2):
                self.turn += 1
                with self.connect() as later:
                    later.sendall(SENTINEL.format(self.turn).encode())
                    while f"sentinel-{self.turn}\r\n".encode() not in (got := self.next_relayed()):
                        found = got
        return found

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.sink.close()
        if self.relayed:
            self.relayed.close()
        self.log.close()


def domain_of(relayed):
    """What Kamailio says that it has read: a domain in the form that ours have, or None."""
    if relayed is None:
        return None
    lines = [x for x in relayed.split(b"\r\n") if x.startswith(b"X-Domain: ")]
    assert len(lines) == 1
    text = lines[0][len(b"X-Domain: "):].decode("latin-1").lower()
    return None if text in ("", "<null>") else text.removesuffix(".")


def is_address(text):
    return text is not None and (text.startswith("[") or text.replace(".", "").isdigit())


@pytest.fixture(scope="module")
def cases():
    listed = subprocess.run([BUILD / "tests" / "sip_verdict", "--list"], check=True,
                            capture_output=True, text=True).stdout
    return [(bytes.fromhex(message), disagree == "1")
            for message, disagree in map(str.split, listed.splitlines())]


@pytest.fixture(scope="module")
def ours():
    o = Ours(BUILD / "tests" / "sip_verdict")
    yield o
    o.close()


@pytest.fixture(scope="module")
def kamailio(tmp_path_factory):
    if os.geteuid() != 0 or not shutil.which("kamailio"):
        pytest.skip("wants root and Kamailio")
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    try:
        subprocess.run(["ip", "-n", NAMESPACE, "link", "set", "lo", "up"], check=True)
        k = Kamailio(tmp_path_factory.mktemp("kamailio"))
        yield k
        k.close()
    finally:
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=True)


def from_of(message):
    return message[message.index(b"Max-Forwards: 70\r\n") + 18:message.index(b"To: ")]


def test_table(cases, ours, kamailio):
    """Every disagreement is in the table, and none is there that is not."""
    wrong = []
    for message, disagree in cases:
        relayed = kamailio.ask(message)
        we, they = ours.read(message), domain_of(relayed)
        if is_address(they):
            they = None
        if (we != they) != disagree:
            wrong.append(f"we read {we}, Kamailio {they}: {from_of(message)}")
        if relayed is not None and we is not None and ours.read(relayed) != we:
            wrong.append(f"we read {we}, and another domain in what Kamailio sends on: "
                         f"{from_of(message)}")
    assert not wrong, "\n".join(wrong)


def test_drawn(cases, ours, kamailio):
    """What both accept, both read alike."""
    draw = random.Random(5)
    both = 0
    wrong = []
    for _ in range(DRAWN):
        message, _ = draw.choice(cases)
        line = bytearray(from_of(message))
        for _ in range(draw.randint(1, 3)):
            at = draw.randint(6, len(line) - 3)
            line[at:at + draw.randint(0, 1)] = draw.choice(b"<>@;:,\"\\ ()[]%?=.-/a1\t'&+$*").to_bytes(1, "big")
        message = message.replace(from_of(message), bytes(line))
        we = ours.read(message)
        if we is None:
            continue
        they = domain_of(kamailio.ask(message))
        both += they is not None
        if they is not None and we != they:
            wrong.append(f"we read {we}, Kamailio {they}: {bytes(line)}")
    assert both > DRAWN / 100
    assert not wrong, "\n".join(wrong)
