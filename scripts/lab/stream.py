# SPDX-License-Identifier: BSD-2-Clause
"""Byte servers and clients in Python, for what SIP servers cannot show: long transfers compared
byte for byte, and servers that misbehave on purpose. Plain TCP, or TLS when told.

A client sends one line; the server does it: "name" answers its name and a line end, and waits
for the next line; "up N" takes N bytes and answers their SHA-256; "down N" sends N bytes."""

import contextlib
import hashlib
import random
import socket
import threading

from . import netns

BLOCK = 1 << 16
_base = random.Random(5061).randbytes(BLOCK - 8)


def blocks(total):
    """Bytes that everybody can make again and that repeat nowhere."""
    number = 0
    while total > 0:
        block = number.to_bytes(8, "big") + _base
        yield block[:total]
        total -= BLOCK
        number += 1


def digest(total):
    h = hashlib.sha256()
    for block in blocks(total):
        h.update(block)
    return h.hexdigest()


class Server:
    """Listens in a namespace until closed; a thread for each connection."""

    def __init__(self, namespace, address, port, name, tls=None):
        self.name = name
        self.tls = tls
        self.listener = netns.listen(namespace, address, port)
        self.lock = threading.Lock()
        self.connections = set()
        self.accepted = 0
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.accepted += 1
                self.connections.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, raw):
        sock = raw
        with contextlib.suppress(OSError, ValueError):
            if self.tls:
                sock = self.tls.wrap_socket(raw, server_side=True)
            self._commands(sock)
        with self.lock:
            self.connections.discard(raw)
        # An unwrapped socket has passed its descriptor on, closing both is harmless.
        sock.close()
        raw.close()

    def _commands(self, sock):
        file = sock.makefile("rb")
        while line := file.readline(100):
            word, *numbers = line.decode().split()
            if word == "name":
                sock.sendall(self.name.encode() + b"\n")
            elif word == "up":
                h = hashlib.sha256()
                left = int(numbers[0])
                while left and (data := file.read1(min(left, BLOCK))):
                    h.update(data)
                    left -= len(data)
                sock.sendall(h.hexdigest().encode() + b"\n")
            elif word == "down":
                for block in blocks(int(numbers[0])):
                    sock.sendall(block)

    def close(self):
        """Stops listening and breaks every connection."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for sock in self.connections:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(2)


class Client:
    """One connection to such a server."""

    def __init__(self, namespace, address, port, tls=None, timeout=5.0, source=None):
        self.sock = netns.connect(namespace, address, port, timeout, source)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="sip.contoso.com")
        self.sock.settimeout(timeout)
        self.file = self.sock.makefile("rb")

    def _line(self):
        line = self.file.readline(200)
        if not line.endswith(b"\n"):
            raise ConnectionError("closed by the other side")
        return line.decode().strip()

    def name(self):
        self.sock.sendall(b"name\n")
        return self._line()

    def up(self, total):
        """Sends bytes; the digest of what the server got."""
        self.sock.sendall(f"up {total}\n".encode())
        for block in blocks(total):
            self.sock.sendall(block)
        return self._line()

    def down(self, total):
        """Fetches bytes; the digest of what came."""
        self.sock.sendall(f"down {total}\n".encode())
        h = hashlib.sha256()
        while total and (data := self.file.read1(min(total, BLOCK))):
            h.update(data)
            total -= len(data)
        return h.hexdigest()

    def ended(self, seconds):
        return netns.ended(self.sock, seconds)

    def close(self):
        self.file.close()
        self.sock.close()
