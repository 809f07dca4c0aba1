# SPDX-License-Identifier: BSD-2-Clause
"""postern as a running program, and its control socket."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess

from . import config as configuration
from .errors import LabError
from .process import Process, wait_until
from .topology import build_folder

START = 30.0  # seconds until it answers; a sanitizer build takes a few
BUSY = -32003  # the error code that asks to try again
SANITIZER = re.compile(r"(ERROR: \w+Sanitizer.*|runtime error: .*)")


class RpcError(Exception):
    """What the control socket answered instead of a result."""

    def __init__(self, error):
        super().__init__(error.get("message"))
        self.code = error.get("code")
        self.data = error.get("data")


class Postern:
    """One postern in the edge namespace."""

    running = []  # those that were launched and not stopped

    def __init__(self, lab, config, name="postern"):
        self.lab = lab
        self.name = name
        self.build = build_folder()
        self.file = lab.folder / f"{name}.yaml"
        self.socket = lab.folder / config["postern"]["control-socket"]
        self.process = None
        self.config = None
        # Each begins with nothing in its state database, unless a test names one.
        self.state = lab.folder / f"{name}.state" / "state.db"
        if config["postern"].get("state") is None:
            shutil.rmtree(self.state.parent, ignore_errors=True)
        self.write(config)
        lab.on_exit(self.discard)

    def write(self, config):
        """Replaces the configuration file in one step, as a careful editor does."""
        self.config = config
        program = {"state": str(self.state.relative_to(self.lab.folder)), **config["postern"]}
        self.write_text(configuration.to_yaml({**config, "postern": program}) + "\n")

    def write_text(self, text):
        new = self.file.with_suffix(".new")
        new.write_text(text)
        os.replace(new, self.file)

    def launch(self, *argv):
        self.process = Process(
            self.name, self.lab.ns("edge"), [self.build / "postern", "-c", self.file, *argv],
            self.lab.folder,
            # EAL's folder for what it keeps while running.
            env={"RUNTIME_DIRECTORY": str(self.lab.folder)},
        )
        self.running.append(self)
        return self.process

    def start(self):
        self.launch()
        self.process.wait_ready(self.answers, START)
        return self

    def answers(self):
        try:
            return self.call("status.show")
        except (OSError, ValueError, RpcError):
            return None

    def call(self, method, timeout=10.0, **params):
        """One JSON-RPC call on a connection of its own."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            sock.connect(str(self.socket))
            question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            sock.sendall(json.dumps(question).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n"):
                more = sock.recv(65536)
                if not more:
                    raise ConnectionError("the control socket closed")
                data += more
        answer = json.loads(data)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def all(self, method, **params):
        """A whole list, page by page."""
        found = []
        while True:
            page = self.call(method, **params)
            found += page["items"]
            if not page.get("next"):
                return found
            params["cursor"] = page["next"]

    def ctl(self, *argv, check=True, json_output=False):
        """posternctl, as an operator types it."""
        flags = ["--json"] if json_output else []
        done = subprocess.run(
            [self.build / "posternctl", "-s", self.socket, *flags, *argv],
            capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
        )
        if check and done.returncode != 0:
            raise LabError(
                f"posternctl {' '.join(argv)}: exit {done.returncode}: "
                f"{(done.stderr or done.stdout).strip()}"
            )
        return json.loads(done.stdout) if json_output and check else done

    def counters(self):
        return self.call("stats.show")

    def counter(self, name):
        return self.counters()[name]

    def members(self, pool="edges"):
        """The members of a pool by name, which the list has as POOL/MEMBER."""
        listed = self.all("member.list", pool=pool)
        return {m["name"].partition("/")[2]: m for m in listed}

    def wait_member(self, name, seconds=5.0, pool="edges", **wanted):
        """Waits until a member is as wanted (health="down", sessions=0, ...)."""

        def check():
            member = self.members(pool)[name]
            return member if all(member[k] == v for k, v in wanted.items()) else None

        return wait_until(check, seconds, f"member {pool}/{name} with {wanted}")

    def wait_all_up(self, seconds=10.0):
        def check():
            return all(m["health"] == "up" for m in self.all("member.list"))

        return wait_until(check, seconds, "all members up")

    def sessions(self, state="established"):
        return self.all("session.list", state=state)

    def reload(self):
        """Reads the file again, after any reload that is under way."""

        def once():
            try:
                return self.call("config.reload", timeout=30)
            except RpcError as e:
                if e.code != BUSY:
                    raise
                return None

        return wait_until(once, 30, "the reload before")

    def stop(self, number=signal.SIGTERM, seconds=5.0):
        """Ends it and returns the exit code; None if it had to be killed. What a sanitizer
        has to say is an error."""
        self.process.signal(number)
        code = self.process.wait(seconds)
        if code is None:
            self.process.kill()
        self.running.remove(self)
        self.check_log()
        return code

    def check_log(self):
        found = SANITIZER.search(self.process.log())
        if found:
            raise LabError(f"{found.group(1)}\n{self.process.tail(60)}")

    def discard(self):
        """At the end of the world, whatever state it is in."""
        if self in self.running:
            self.running.remove(self)
        if self.process:
            self.process.stop(5.0)
