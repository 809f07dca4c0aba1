# SPDX-License-Identifier: BSD-2-Clause
"""A SIP client: over UDP to the partner's own server, as a user there would have it, or over
mutual TLS straight to the edge, as another partner's server would."""

import collections
import secrets
import socket
import ssl
import sys
import time

from . import netns

Answer = collections.namedtuple("Answer", "status member")
Delivery = collections.namedtuple("Delivery", "member milliseconds attempts")


def _request(method, uri, via, branch, call_id):
    body = "hello" if method == "MESSAGE" else ""
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/{via};branch=z9hG4bK{branch};rport",
        "Max-Forwards: 70",
        f"From: <sip:bob@fabrikam.com>;tag={branch[:8]}",
        f"To: <{uri}>",
        f"Call-ID: {call_id}",
        f"CSeq: 1 {method}",
        *(["Content-Type: text/plain"] if body else []),
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def _parse(text):
    """A response's head as (status, headers by lower-case name)."""
    first, *rest = text.split("\r\n")
    headers = {}
    for line in rest:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    return int(first.split(" ", 2)[1]), headers


class User:
    """A user of the partner: sends to its own server and waits for the final response."""

    def __init__(self, namespace, server=("127.0.0.1", 5060)):
        self.server = server
        self.sock = netns.open_socket(namespace, socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))

    def close(self):
        self.sock.close()

    def send(self, uri, timeout=3.0):
        """One MESSAGE; the final Answer, or None when none came in time."""
        branch, call_id = secrets.token_hex(12), secrets.token_hex(12)
        port = self.sock.getsockname()[1]
        self.sock.sendto(
            _request("MESSAGE", uri, f"UDP 127.0.0.1:{port}", branch, call_id), self.server
        )
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                status, headers = _parse(self.sock.recv(65535).decode().split("\r\n\r\n")[0])
            except TimeoutError:
                break
            if headers.get("call-id") == call_id and status >= 200:
                return Answer(status, headers.get("x-member"))
        return None

    def deliver(self, uri, seconds, avoid=None):
        """Sends until somebody other than `avoid` says 200; a Delivery, or None."""
        begin = time.monotonic()
        attempts = 0
        while time.monotonic() - begin < seconds:
            attempts += 1
            answer = self.send(uri, min(3.0, seconds))
            if answer and answer.status == 200 and answer.member != avoid:
                return Delivery(answer.member, 1000 * (time.monotonic() - begin), attempts)
        return None


def context(folder, certificate="partner"):
    """TLS settings of a client that shows a certificate and checks the other side's."""
    tls = ssl.create_default_context(cafile=folder / "ca.pem")
    if certificate:
        tls.load_cert_chain(folder / f"{certificate}.pem", folder / f"{certificate}.key")
    return tls


class Session:
    """A mutual TLS connection on which SIP requests are sent one after the other."""

    def __init__(self, namespace, address, tls, port=5061, timeout=5.0, source=None,
                 name="sip.contoso.com"):
        raw = netns.connect(namespace, address, port, timeout, source)
        try:
            self.sock = tls.wrap_socket(raw, server_hostname=name)
        except BaseException:
            raw.close()
            raise
        self.local = raw_name(self.sock)
        self.member = None  # who answered last

    def options(self, timeout=5.0):
        """One OPTIONS; the name of the member that answered. ConnectionError when it broke."""
        branch, call_id = secrets.token_hex(12), secrets.token_hex(12)
        self.sock.settimeout(timeout)
        via = f"TLS {self.local}"
        self.sock.sendall(_request("OPTIONS", "sip:contoso.com", via, branch, call_id))
        status, headers = _parse(self._head())
        if status != 200 or headers.get("call-id") != call_id:
            raise ConnectionError(f"answer {status} to another question")
        self.member = headers.get("x-member")
        return self.member

    def _head(self):
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.sock.recv(4096)
            if not more:
                raise ConnectionError("closed by the other side")
            data += more
        return data.decode().split("\r\n\r\n")[0]

    def ended(self, seconds):
        return netns.ended(self.sock, seconds)

    def close(self):
        self.sock.close()


def raw_name(sock):
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def main():
    """Sends one MESSAGE through the partner's server: NAMESPACE URI."""
    namespace, uri = sys.argv[1:3]
    answer = User(namespace).send(uri)
    print(f"{answer.status} from {answer.member}" if answer else "no answer")
    return 0 if answer and answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
