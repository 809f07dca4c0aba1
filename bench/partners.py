# SPDX-License-Identifier: BSD-2-Clause
"""A million partners in a running postern: imported from CSV while sessions send, and loaded at start."""

import re
import threading
import time

import rig

PARTNERS = 1_000_000
FLOWS = 10000
RATE = 2e5
# The generator takes a whole CPU while it sends, and on a machine with two it is the import's.
SEND_S, REST_S = 0.2, 0.8
LOADED = re.compile(r"(\d+) entries are in force after (\d+) ms")


class Postern(rig.Postern):
    def config(self, *args, **more):
        return {**super().config(*args, **more),
                "organisations": [{"name": "contoso", "domains": ["contoso.com"]}]}


class Import(threading.Thread):
    def __init__(self, postern, file):
        super().__init__()
        self.postern = postern
        self.file = file
        self.took = self.added = None

    def run(self):
        began = time.monotonic()
        self.added = self.postern.call("policy.import", timeout=120, file=str(self.file))["added"]
        self.took = time.monotonic() - began


def write(file):
    with file.open("w") as f:
        f.write("domain,proxy-fqdn\n")
        f.writelines(f"d{n}.example,{f'sip.d{n}.example' if n % 2 else ''}\n"
                     for n in range(PARTNERS))


def send(generator, seconds):
    answer = generator("send", flows=FLOWS, rate=RATE, seconds=seconds, back=1)
    if answer["wrong"]:
        raise rig.Failed("packets were wrong")
    return answer


def lost(answers):
    """Of a million; over all, because what is late in one answer comes in the next."""
    sent = sum(a["sent"] for a in answers)
    return 1e6 * max(0, sent - sum(a["received"] for a in answers)) / sent


def delays(answers):
    """Which of them one in a thousand was longer than."""
    return [a["delay_us"]["99.9"] for a in answers]


def imported(here, generator, postern):
    file = here.folder / "million.csv"
    write(file)
    generator("find")
    if generator("open", flows=FLOWS)["served"] != FLOWS:
        raise rig.Failed("not all sessions were opened")
    quiet = [send(generator, SEND_S) for _ in range(5)]
    loader = Import(postern, file)
    loader.start()
    during = []
    while loader.is_alive():
        during.append(send(generator, SEND_S))
        loader.join(REST_S)
    if loader.added != PARTNERS:
        raise rig.Failed(f"the import failed: {loader.added} of {PARTNERS}")
    file.unlink()
    return loader.took, quiet, during


def started(here, generator):
    """Seconds until it answers, and of them until the partners were in force."""
    began = time.monotonic()
    again = Postern(here, sessions=1 << 18)
    took = time.monotonic() - began
    try:
        found = LOADED.findall((here.folder / "postern.log").read_text(errors="replace"))
        if not found or int(found[-1][0]) != PARTNERS:
            raise rig.Failed("not all partners were loaded")
    finally:
        again.close()
    return took, int(found[-1][1]) / 1e3


def measure():
    """What took how long, in seconds, and what the sessions saw."""
    with rig.link(Postern, rig.POSTERN_MB, sessions=1 << 18) as (here, generator, postern):
        rig.say("import of a million")
        took, quiet, during = imported(here, generator, postern)
        postern.close()
        rig.say("start with a million")
        start, load = started(here, generator)
    return {"import": took, "quiet": quiet, "during": during, "start": start, "load": load}
