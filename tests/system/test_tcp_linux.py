# SPDX-License-Identifier: BSD-2-Clause
"""The TCP engine against Linux's own, both roles, through a link that loses, delays, reorders, duplicates,
corrupts and truncates: tests/wire/against_linux. POSTERN_TCP_SEEDS says how many connections."""

import os
import pathlib
import subprocess
import sys

import pytest
from lab import topology as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEEDS = int(os.environ.get("POSTERN_TCP_SEEDS", "2000"))

LINKS = {
    "usual": (1, SEEDS, []),
    # Losses in pairs, packets that come much too late.
    "worse": (1_000_000, SEEDS // 4,
              ["delay=5000", "jitter=3000", "loss=3", "burst=2", "reorder=8", "late=15000", "duplicate=5",
               "corrupt=1", "truncate=1", "vary=1"]),
}


@pytest.mark.parametrize("link", LINKS)
def test_both_streams_are_whole(link):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    first, seeds, settings = LINKS[link]
    done = subprocess.run(
        [sys.executable, "-B", ROOT / "tests/wire/against_linux", "--first", str(first), "--seeds", str(seeds),
         "--at-once", "400", "--build", t.build_folder(), *settings],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-3000:]
