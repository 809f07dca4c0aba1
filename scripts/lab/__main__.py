# SPDX-License-Identifier: BSD-2-Clause
"""scripts/run after the build: sets the world up, shows what postern does, takes it down."""

import argparse
import os
import signal
import sys
import time

from . import Lab, LabError, config
from . import topology as t
from .demo import URI, Demo
from .postern import Postern
from .show import Show


def interrupted(number, _frame):
    # Once is enough: what follows is the clean-up, which is bounded in time.
    for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(n, signal.SIG_IGN)
    raise SystemExit(128 + number)


def stay(lab, postern, show):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    ctl = f"{postern.build}/posternctl -s {postern.socket}"
    show.title("Everything stays until Ctrl-C. To try:")
    show.say(
        f"{ctl} status show\n"
        f"{ctl} member list\n"
        f"{ctl} session list\n"
        f"{ctl} member set edges/fe2 state drain\n"
        f"{ctl} config reload            # after editing {postern.file}\n"
        f"PYTHONPATH={root}/scripts /usr/bin/python3 -B -m lab.sip {lab.ns('outside')} {URI}\n"
        f"ip netns exec {lab.ns('outside')} openssl s_client -connect {t.VIRTUAL4}:5061 "
        f"-CAfile {lab.folder}/ca.pem -cert {lab.folder}/partner.pem -key {lab.folder}/partner.key"
    )
    while postern.process.wait(3600) is None:
        pass
    show.check(False, f"postern ended by itself:\n{postern.process.tail()}")


def run(options):
    show = Show()
    begin = time.monotonic()
    t.build_folder()
    show.title("The world: a partner and DNS outside, SIP servers inside, postern between them")
    with Lab() as lab:
        show.say(f"namespaces {lab.ns('*')}, files in {lab.folder}")
        postern = Postern(lab, config.default(pools=("edges",))).start()
        postern.wait_all_up()
        show.check(True, f"postern runs, all members are up ({time.monotonic() - begin:.1f} s)")
        Demo(lab, postern, show).all()
        if options.stay:
            stay(lab, postern, show)
        with show.step("The end"):
            asked = time.monotonic()
            code = postern.stop()
            show.check(code == 0, f"postern stopped: exit {code}, {time.monotonic() - asked:.1f} s")
    show.title(
        f"{show.right} as they should be, {show.wrong} not; {time.monotonic() - begin:.0f} s"
    )
    return 1 if show.wrong else 0


def main():
    parser = argparse.ArgumentParser(prog="scripts/run", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="leave it running until Ctrl-C")
    parser.add_argument("--keep-build", action="store_true", help="do not build first")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        return run(options)
    except LabError as e:
        print(f"\n✗ {e}", file=sys.stderr)
        return 1


sys.exit(main())
