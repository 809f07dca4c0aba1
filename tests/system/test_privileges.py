# SPDX-License-Identifier: BSD-2-Clause
"""What postern gives up once it has started, and that it does its work with what is left."""

import copy
import ctypes
import errno
import os
import pathlib
import pwd
import shutil
import tempfile

import pytest

from conftest import quick
from lab import config, ports, world
from lab import topology as t
from lab.process import wait_until
from test_start import refused

USER = "nobody"
UID = pwd.getpwnam(USER).pw_uid
READ_SEARCH = 1 << 2  # CAP_DAC_READ_SEARCH
SECCOMP_FILTER = 2
SYS_EXECVE, SYS_SOCKET, SYS_MPROTECT, SYS_GETPID = 59, 41, 10, 39
SYS_CLONE, SYS_PTRACE, SYS_KILL, SYS_SETUID = 56, 101, 62, 105


@pytest.fixture
def state():
    """A folder that the user can reach: the lab's own is root's alone."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-state-"))
    folder.chmod(0o755)
    yield folder / "postern" / "state.db"
    shutil.rmtree(folder)


def dropping(state, **more):
    c = quick()
    c["postern"].update({"user": USER, "state": str(state), **more})
    return c


def sanitized(p):
    return "a build with sanitizers" in p.process.log()


def threads(p):
    """What the kernel says of each thread."""
    found = []
    for task in pathlib.Path(f"/proc/{p.process.pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        found.append(dict(line.split(":\t", 1) for line in lines if ":\t" in line))
    return found


def service_added(p, port):
    changed = copy.deepcopy(p.config)
    changed["services"].append(config.service(f"more-{port}", port, "streams"))
    return changed


def test_user_capabilities_and_filter(lab, start, state):
    p = start(dropping(state))
    all_threads = threads(p)
    assert len(all_threads) >= 3  # control, store, worker
    for thread in all_threads:
        assert thread["Uid"].split() == [str(UID)] * 4
        assert thread["Gid"].split() == [str(pwd.getpwnam(USER).pw_gid)] * 4
        assert "0" not in thread["Groups"].split()
        assert int(thread["CapEff"], 16) == 0
        assert int(thread["CapInh"], 16) == int(thread["CapAmb"], 16) == 0
        assert thread["NoNewPrivs"] == "1"
        if not sanitized(p):
            assert int(thread["Seccomp"]) == SECCOMP_FILTER
    kept = sorted(int(thread["CapPrm"], 16) for thread in all_threads)
    assert kept == [0] * (len(kept) - 1) + [READ_SEARCH]
    (main,) = [thread for thread in all_threads if int(thread["CapPrm"], 16)]
    assert int(main["Pid"]) == p.process.pid
    limits = pathlib.Path(f"/proc/{p.process.pid}/limits").read_text()
    assert "Max core file size        0                    0" in limits
    if not sanitized(p):
        # Of a process that is not dumpable the kernel shows such files as root's.
        assert os.stat(f"/proc/{p.process.pid}/mem").st_uid == 0
    assert state.stat().st_uid == state.parent.stat().st_uid == UID


def test_it_works_with_what_is_left(lab, start, state, dial, call):
    """Sessions; probes with TLS; reloads that read files of root's; the database."""
    key = lab.folder / "probe.key"
    assert key.stat().st_uid == 0 and key.stat().st_mode & 0o077 == 0
    p = start(dropping(state))
    before = dial(5) + call(5)
    p.file.chmod(0o600)
    changed = service_added(p, 7090)
    # Another object with the same files: its key is read anew.
    again = copy.deepcopy(changed["pools"][0])
    again["name"] = "again"
    changed["pools"].append(again)
    changed["services"].append(config.service("again", 5062, "again"))
    changed["postern"]["roles"] = {"view": ["mail"]}  # an access list for the socket
    p.write(changed)
    p.file.chmod(0o600)
    assert p.call("config.diff")["items"]
    p.reload()
    assert "system.posix_acl_access" in os.listxattr(p.socket)
    p.wait_all_up()
    assert {m["why"] for m in p.all("member.list", pool="again")} != {"not probed yet"}
    assert dial(port=7090).member
    assert [s.member for s in before]
    for c in before[:5]:
        assert c.name() == c.member
    p.call("member.set", member="streams/fe1", state="drain", comment="kept")
    assert p.all("audit.list")[0]["method"] == "member.set"
    assert p.call("log.show") is not None
    p.call("config.reload", confirm=300_000)
    p.call("config.rollback")
    assert p.stop() == 0
    assert "not permitted" not in p.process.log().lower()
    # It comes back with what was kept, whoever the files belong to now.
    p.start()
    assert p.members("streams")["fe1"]["admin"] == "drain"


def test_partners_are_tested_with_what_is_left(lab, start, state):
    """Names are asked for, connections made, authorities of the system read, and keys that are root's."""
    c = dropping(state)
    c["organisations"] = [{"name": "contoso", "domains": ["contoso.com"]}]
    c["services"][0]["tls"] = {"certificate": "edge.pem", "key": "edge.key", "trust": "ca.pem"}
    world.manage(lab)
    try:
        p = start(c, wait=False)
        report = p.call("partner.test", domain="fabrikam.com", timeout=30)
        assert report["verdict"] == "ok", report["text"]
        checked = p.call("plan.check", what="certificates")
        assert checked["verdict"] == "right", checked["text"]
        del c["services"][0]["tls"]["trust"]
        p.write(c)
        p.reload()
        report = p.call("partner.test", domain="fabrikam.com", timeout=30)
        assert "untrusted" in {s["result"] for s in report["steps"]}, report["text"]
        assert "not permitted" not in p.process.log().lower()
    finally:
        world.unmanage(lab)


@pytest.mark.parametrize("kind", sorted(ports.KINDS))
def test_on_every_kind_of_port(lab, start, call, state, kind):
    port = ports.KINDS[kind](lab)
    c = dropping(state)
    c["interfaces"] = ports.interfaces(port)
    c["dataplane"]["buffers"] = 8192
    with ports.undo(lab, port):
        port.before()
        p = start(c, wait=False)
        port.after()

        def first():
            try:
                return call(1)
            except OSError:
                return None

        wait_until(first, 15, f"a session through {kind}")
        for address in (t.VIRTUAL4, t.VIRTUAL6):
            assert {s.member for s in call(20, address)} == {"fe1", "fe2", "fe3"}
        p.write(service_added(p, 7090))
        p.reload()
        assert p.stop() == 0


def test_only_root_names_files(lab, start, state):
    """A client of our own user gets nothing read that he may not read himself."""
    p = start(dropping(state), wait=False)
    secret = lab.folder / "probe.key"
    p.socket.parent.chmod(0o711)
    try:
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups([])
                os.setgid(pwd.getpwnam(USER).pw_gid)
                os.setuid(UID)
                p.call("config.check", file=str(secret))
                os._exit(1)
            except Exception as e:  # noqa: BLE001
                os._exit(0 if "only root" in str(e) else 2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        p.socket.parent.chmod(0o700)


def test_without_the_filter(lab, start, state):
    p = start(dropping(state, seccomp=False))
    assert {int(thread["Seccomp"]) for thread in threads(p)} == {0}
    assert {thread["NoNewPrivs"] for thread in threads(p)} == {"1"}
    assert "system calls are not filtered" in p.process.log()


def test_user_that_is_not_there(lab, state):
    said = refused(lab, dropping(state, user="nosuchuser"))
    assert "useradd" in said and "nosuchuser" in said


def test_state_among_files_of_others(lab, state):
    """A folder that others use is not given away."""
    state.parent.mkdir()
    (state.parent / "other").write_text("")
    said = refused(lab, dropping(state))
    assert "may not write to" in said and f"chown {USER} {state.parent}" in said
    assert state.parent.stat().st_uid == 0
    assert (state.parent / "other").stat().st_uid == 0


class Registers(ctypes.Structure):
    """struct user_regs_struct of x86-64."""

    _fields_ = [(n, ctypes.c_ulonglong) for n in (
        "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
        "fs_base gs_base ds es fs gs"
    ).split()]


class Tracer:
    """Makes a thread do system calls that it would not do by itself."""

    ATTACH, DETACH, GETREGS, SETREGS, SYSCALL = 16, 17, 12, 13, 24

    def __init__(self, tid):
        self.tid = tid
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self.request(self.ATTACH)
        self.stopped()

    def request(self, what, data=None):
        if self.libc.ptrace(what, self.tid, None, data) < 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def stopped(self):
        os.waitpid(self.tid, 0x40000000)  # __WALL

    def to_next_stop(self):
        self.request(self.SYSCALL)
        self.stopped()

    def registers(self):
        r = Registers()
        self.request(self.GETREGS, ctypes.addressof(r))
        return r

    def answers(self, number, *arguments):
        """Puts another call in the place of the next one and returns what the kernel answers; the
        thread goes on as if its own had been interrupted."""
        self.to_next_stop()
        before = self.registers()
        changed = self.registers()
        changed.orig_rax = number
        for name, value in zip(("rdi", "rsi", "rdx", "r10"), arguments):
            setattr(changed, name, value)
        self.request(self.SETREGS, ctypes.addressof(changed))
        self.to_next_stop()
        answer = ctypes.c_longlong(self.registers().rax).value
        before.rax = ctypes.c_ulonglong(-errno.EINTR).value
        self.request(self.SETREGS, ctypes.addressof(before))
        return answer

    def detach(self):
        self.request(self.DETACH)


def test_forbidden_calls_are_refused(lab, start, state, dial):
    p = start(dropping(state))
    if sanitized(p):
        pytest.skip("a build with sanitizers is not filtered")
    tracer = Tracer(p.process.pid)
    try:
        assert tracer.answers(SYS_GETPID) == p.process.pid  # the method works
        for call in (
            (SYS_EXECVE, 0, 0, 0),
            (SYS_CLONE, 0, 0, 0),
            (SYS_PTRACE, 0, 0, 0),
            (SYS_KILL, 1, 0),
            (SYS_SETUID, UID),
            (SYS_SOCKET, 17, 3, 0),  # AF_PACKET
            (SYS_MPROTECT, 0, 0, 7),  # PROT_EXEC
        ):
            assert tracer.answers(*call) == -errno.EPERM, call
        assert tracer.answers(SYS_SETUID, 0) == -errno.EPERM
    finally:
        tracer.detach()
    assert dial().member
    assert p.reload()
