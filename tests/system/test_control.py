# SPDX-License-Identifier: BSD-2-Clause
"""The operator's view: posternctl and the control socket, against a running postern."""

import json
import socket

import pytest

from lab.postern import RpcError
from lab.process import wait_until


def test_status_is_one_verdict(postern):
    done = postern.ctl("status", "show")
    assert "ok" in done.stdout
    shown = postern.ctl("status", "show", json_output=True)
    assert shown["verdict"] == "ok"


def test_every_list_answers(postern, dial):
    dial()
    for noun in ("interface", "service", "pool", "member", "session", "stats"):
        typed = postern.ctl(noun, "list")
        assert typed.stdout.strip(), noun
        listed = postern.ctl(noun, "list", json_output=True)
        assert listed["items"], noun


def test_describe_lists_what_answers(postern):
    described = postern.call("describe")
    names = {m["name"] for m in described["items"]}
    for noun in ("status", "interface", "service", "pool", "member", "session", "stats", "config"):
        assert any(n.startswith(noun + ".") for n in names), noun


def test_config_show_is_a_configuration(lab, postern):
    """Every default is written, and postern takes it as it stands."""
    shown = postern.ctl("config", "show").stdout
    file = lab.folder / "shown.yaml"
    file.write_text(shown)
    done = postern.ctl("config", "check", str(file))
    assert done.returncode == 0


def test_one_session(postern, dial):
    c = dial()
    local = "{}:{}".format(*c.sock.getsockname())
    listed = [s for s in postern.sessions() if s["client"] == local]
    assert len(listed) == 1
    shown = postern.ctl("session", "show", listed[0]["session"], json_output=True)
    assert shown["client"] == local


def test_sessions_page_by_page(postern, dial):
    opened = {"{}:{}".format(*c.sock.getsockname()) for c in dial(25)}
    seen = [s["client"] for s in postern.all("session.list", limit=4)]
    assert opened <= set(seen)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    "argv",
    [
        ("member", "set", "edges/nobody", "state", "drain"),
        ("member", "set", "edges/fe1", "state", "asleep"),
        ("service", "show", "nosuch"),
        ("nosuch", "list"),
        ("session", "show", "w9.zz.1"),
    ],
)
def test_mistakes_are_told_with_what_would_be_right(postern, argv):
    done = postern.ctl(*argv, check=False)
    assert done.returncode != 0
    assert done.stderr.strip()


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("session", "kill", "w0.1.1"), 'session has no verb "kill"; expected: list, show, close'),
        (("outbound", "show", "media"), 'outbound has no verb "show"; expected: list'),
        (("partner", "list"), 'partner has no verb "list"; expected: show'),
    ],
)
def test_a_verb_that_a_noun_has_not(postern, argv, told):
    done = postern.ctl(*argv, check=False)
    assert done.returncode == 3
    assert told in done.stderr


def test_unknown_method(postern):
    with pytest.raises(RpcError) as refused:
        postern.call("no.such")
    assert refused.value.code == -32601


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"null", b'"x"', b"{}", b'{"jsonrpc":"1.0"}', b"\xff\xfe", b"[" * 5000,
     b'{"jsonrpc":"2.0","id":1,"method":"member.set","params":[1,2]}', b"x" * (1 << 21)],
    ids=range(11),
)
def test_nonsense_on_the_socket(postern, line):
    """Answered or closed, and others are still served."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(str(postern.socket))
        try:
            sock.sendall(line + b"\n")
            answer = sock.recv(65536) if line else b""
        except ConnectionError:
            answer = b""
    if answer:
        assert "error" in json.loads(answer.split(b"\n")[0])
    assert postern.answers()


def test_many_connections(postern):
    """Idle connections do not keep an operator out for good."""
    held = []
    try:
        for _ in range(200):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(1)
            try:
                sock.connect(str(postern.socket))
            except OSError:
                sock.close()
                break
            held.append(sock)
    finally:
        for sock in held:
            sock.close()

    def served():
        try:
            return postern.answers()
        except RpcError:  # while it has not noticed yet that they are closed
            return None

    assert wait_until(served, 5, "an answer")
