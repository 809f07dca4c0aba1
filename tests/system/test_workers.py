# SPDX-License-Identifier: BSD-2-Clause
"""Several workers over one queue and over several: sessions work whichever worker a packet meets."""

import pytest

from conftest import quick
from lab import config, stream
from lab import topology as t

MEGABYTE = 1 << 20


def several(workers, queues):
    more = f",qpairs={queues}" if queues > 1 else ""
    c = quick()
    # Four workers share the CPUs of a small machine.
    c["dataplane"]["workers"] = [config.worker_cpu()] * workers
    c["interfaces"] = [
        config.interface("outside", f"net_af_packet0,iface=outside0{more}"),
        config.interface("inside", f"net_af_packet1,iface=inside0{more}"),
    ]
    return c


@pytest.mark.parametrize("queues", [1, 2], ids=["one queue", "two queues"])
@pytest.mark.parametrize("workers", [1, 2, 4], ids=["one worker", "two workers", "four workers"])
def test_sessions_over_all_workers(start, call, dial, streams, workers, queues):
    p = start(several(workers, queues))
    for address in (t.VIRTUAL4, t.VIRTUAL6):
        held = [dial(address=address) for _ in range(40)]
        assert {c.name() for c in held} == {"fe1", "fe2", "fe3"}
        owners = {s["session"].split(".")[0] for s in p.sessions()}
        assert len(owners) == workers
        p.reload()
        for client in held:
            assert client.name() in ("fe1", "fe2", "fe3")
            client.close()
        transfer = dial(address=address, timeout=60)
        assert transfer.up(5 * MEGABYTE) == stream.digest(5 * MEGABYTE)
        assert transfer.down(5 * MEGABYTE) == stream.digest(5 * MEGABYTE)
        transfer.close()
    counters = p.counters()
    assert (counters["handed-over"] > 0) == (workers > 1)
    assert counters["drop-hand-over"] == 0
    shown = [p.call("interface.show", interface=i) for i in ("outside", "inside")]
    reason = "not needed: one worker" if workers == 1 else "handed over: the driver offers no RSS"
    assert [i["rss"] for i in shown] == [reason] * 2
    # Read later, so that nothing has come meanwhile to one alone.
    assert sum(i["rx-handed-over"] for i in shown) <= p.counter("handed-over")
    assert all((i["rx-handed-over"] > 0) == (workers > 1) for i in shown)
    assert p.stop() == 0
