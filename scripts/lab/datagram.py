# SPDX-License-Identifier: BSD-2-Clause
"""Datagram servers and clients in Python. A server answers each datagram with its name, who it
comes from as the server sees it, the port that it came to, and what it held."""

import selectors
import socket
import threading

from . import netns
from .errors import LabError

TRIES = 5  # a datagram may be lost while a neighbour is looked for


class Server:
    """Listens on some ports of one address in a namespace until closed."""

    def __init__(self, namespace, address, ports, name):
        self.name = name
        self.selector = selectors.DefaultSelector()
        self.waker, end = socket.socketpair()
        self.selector.register(end, selectors.EVENT_READ)
        self.end = end
        for port in ports:
            sock = netns.open_socket(namespace, netns.family_of(address), socket.SOCK_DGRAM)
            sock.bind((address, port))
            self.selector.register(sock, selectors.EVENT_READ, port)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.end:
                    return
                data, peer = key.fileobj.recvfrom(65536)
                answer = f"{self.name} {peer[0]} {peer[1]} {key.data} ".encode() + data
                key.fileobj.sendto(answer, peer)

    def close(self):
        self.waker.close()
        self.thread.join(2)
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


class Client:
    """One socket that speaks to one address and port, and hears from nobody else."""

    def __init__(self, namespace, address, port, source=None):
        self.sock = netns.open_socket(namespace, netns.family_of(address), socket.SOCK_DGRAM)
        if source:
            self.sock.bind(source)
        self.sock.connect((address, port))
        self.sock.settimeout(1.0)
        self.asked = 0

    @property
    def port(self):
        return self.sock.getsockname()[1]

    def ask(self, text=b"x"):
        """Who answers: (name, address seen, port seen, port that it came to)."""
        for _ in range(TRIES):
            self.asked += 1
            question = b"%d %s" % (self.asked, text)
            self.sock.send(question)
            try:
                # Late answers to earlier questions are passed over.
                while True:
                    name, address, port, to, held = self.sock.recv(65536).split(b" ", 4)
                    if held == question:
                        return name.decode(), address.decode(), int(port), int(to)
            except TimeoutError:
                continue
        raise LabError("no answer to a datagram")

    def close(self):
        self.sock.close()
