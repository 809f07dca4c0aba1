# SPDX-License-Identifier: BSD-2-Clause
"""Several workers over one queue and over several: sessions work whichever worker a packet meets."""

import pytest

from conftest import quick
from lab import config, stream
from lab import topology as t
from lab.postern import Postern


def devices(queues):
    more = f",qpairs={queues}" if queues > 1 else ""
    return [
        config.interface("outside", f"net_af_packet0,iface=outside0{more}"),
        config.interface("inside", f"net_af_packet1,iface=inside0{more}"),
    ]


@pytest.fixture(scope="module", params=[(2, 1), (2, 2), (4, 1), (4, 2)], ids=str)
def several(request, lab, streams):
    workers, queues = request.param
    c = quick()
    # There are two CPUs at the least; four workers share them.
    c["dataplane"]["workers"] = [config.worker_cpu()] * workers
    c["interfaces"] = devices(queues)
    running = Postern(lab, c)
    try:
        running.start()
        running.wait_all_up()
        yield running
        assert running.stop() == 0
    finally:
        if running in running.running:
            running.stop()


@pytest.mark.parametrize("address", [t.VIRTUAL4, t.VIRTUAL6], ids=["IPv4", "IPv6"])
def test_sessions_over_all_workers(several, lab, address):
    held = [stream.connect(lab.outside, address, config.STREAM_PORT) for _ in range(60)]
    try:
        for sock in held:
            stream.exchange(sock, 4000)
        owners = {s["session"].split(".")[0] for s in several.sessions()}
        assert len(owners) == several.config["dataplane"]["workers"].__len__()
    finally:
        for sock in held:
            sock.close()


def test_reloads_keep_sessions(several, lab):
    held = [stream.connect(lab.outside, t.VIRTUAL4, config.STREAM_PORT) for _ in range(20)]
    try:
        for _ in range(10):
            several.reload()
            for sock in held:
                stream.exchange(sock, 100)
    finally:
        for sock in held:
            sock.close()


def test_nothing_is_lost_on_the_way(several):
    counters = several.counters()
    assert counters["handed-over"] > 0
    assert counters["drop-hand-over"] == 0
