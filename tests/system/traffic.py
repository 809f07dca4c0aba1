# SPDX-License-Identifier: BSD-2-Clause
"""Traffic that goes on while a test changes things."""

import threading

from lab.process import wait_until


class Traffic:
    """Asks every connection in turn who answers, until left; an answer from another member than
    before, or none, is a loss. A context manager."""

    def __init__(self, clients, ask=lambda c: c.name()):
        self.clients = clients
        self.ask = ask
        self.rounds = 0
        self.lost = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._stop.is_set() and not self.lost:
            for c in self.clients:
                try:
                    answer = self.ask(c)
                except (OSError, ValueError) as e:
                    answer = f"{type(e).__name__}: {e}"
                if answer != c.member:
                    self.lost.append((c.member, answer))
            self.rounds += 1

    def __enter__(self):
        self._thread.start()
        self.go_on()
        return self

    def go_on(self, rounds=1):
        """Waits until everybody has been asked so often again, whole rounds."""
        wanted = self.rounds + rounds + 1
        wait_until(lambda: self.lost or self.rounds >= wanted, 30, "traffic")

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join(30)
        if exc == (None, None, None):
            assert self.lost == []
            assert self.rounds > 0
