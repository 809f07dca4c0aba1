# SPDX-License-Identifier: BSD-2-Clause
"""How scripts/run tells what happens: a title for each part, a mark for each thing seen."""

import collections
import contextlib
import subprocess
import sys

from .errors import LabError
from .postern import RpcError

WIDTH = 40  # of a bar


class Show:
    def __init__(self):
        self.colour = sys.stdout.isatty()
        self.right = self.wrong = 0

    def _print(self, text, code=None):
        if code and self.colour:
            text = f"\x1b[{code}m{text}\x1b[0m"
        print(text, flush=True)

    def title(self, text):
        self._print(f"\n{text}", "1")

    def say(self, text):
        for line in text.splitlines():
            self._print(f"    {line}")

    def check(self, good, text):
        """One thing that was seen, as it should be or not."""
        if good:
            self.right += 1
            self._print(f"  ✓ {text}", "32")
        else:
            self.wrong += 1
            self._print(f"  ✗ {text}", "31")
        return good

    @contextlib.contextmanager
    def step(self, text):
        """A part of the demonstration; what breaks in it is told, and the next part goes on."""
        self.title(text)
        try:
            yield
        except (LabError, RpcError, OSError, subprocess.TimeoutExpired, KeyError) as e:
            self.check(False, f"{type(e).__name__}: {e}" if not isinstance(e, LabError) else f"{e}")

    def bars(self, members):
        """A bar for each member, as long as its share of the sessions."""
        counts = collections.Counter(members)
        most = max(counts.values(), default=1)
        for name, n in sorted(counts.items(), key=lambda item: str(item[0])):
            self.say(f"{name or 'nobody':8} {'█' * max(1, WIDTH * n // most)} {n}")
        return counts
