# SPDX-License-Identifier: BSD-2-Clause
"""postern's configuration for this world, as a dictionary that tests bend, and as YAML."""

import json
import os
import re

from . import topology as t

PLAIN = re.compile(r"^[A-Za-z][\w./-]*( [\w./-]+)*$|^\d+(\.\d+)?[a-z%]*$")
STREAM_PORT = 7000


def worker_cpu():
    """The last CPU that we may use; everything else has the others."""
    return max(os.sched_getaffinity(0))


def interface(name, device):
    """The outside or the inside interface, by its name."""
    if name == "outside":
        return {
            "name": name, "device": device,
            "addresses": [f"{t.OWN4}/24", f"{t.OWN6}/64"],
            "gateway": [t.GATEWAY4, t.GATEWAY6],
        }
    return {
        "name": name, "device": device,
        "addresses": [f"{t.INSIDE4}/24", f"{t.INSIDE6}/64"],
        "translate-from": [t.FROM4, t.FROM4B, t.FROM6],
    }


def members(names, port, v6=True):
    found = []
    for name in names:
        found.append({
            "name": name, "address": f"{t.member4(name)}:{port}", "fqdn": f"{name}.contoso.local",
        })
    for name in names if v6 else ():
        found.append({
            "name": f"{name}-v6", "address": f"[{t.member6(name)}]:{port}",
            "fqdn": f"{name}.contoso.local",
        })
    return found


def sip_pool(names):
    """The pool of SIP servers, probed by a TLS handshake."""
    return {
        "name": "edges",
        "on-down": "reset",
        "observe-fall": 3,
        "tls": {
            "certificate": "probe.pem", "key": "probe.key", "trust": "ca.pem",
            "names": ["sip.contoso.com"],
        },
        "probe": {
            "kind": "tls", "interval": "500ms", "timeout": "400ms", "rise": 2, "fall": 2,
            "jitter": "10%",
        },
        "members": members(names, 5061),
    }


def stream_pool(names, port=STREAM_PORT, name="streams", **more):
    """A pool of the lab's own byte servers."""
    return {
        "name": name,
        "probe": {"kind": "tcp", "interval": "500ms", "timeout": "400ms", "rise": 1, "fall": 2},
        "members": members(names, port),
        **more,
    }


def service(name, port, pool, addresses=(t.VIRTUAL4, t.VIRTUAL6), **more):
    listen = [f"[{a}]:{port}" if ":" in a else f"{a}:{port}" for a in addresses]
    return {
        "name": name, "listen": listen, "mode": "forward", "pool": pool, "translate": "source",
        "timeouts": {"opening": "15s", "idle": "30m", "closing": "1m", "reset": "10s"},
        **more,
    }


def default(names=("fe1", "fe2", "fe3"), interfaces=None, pools=("edges", "streams"), **dataplane):
    all_pools = [sip_pool(names), stream_pool(names)]
    all_services = [
        service("access-edge", 5061, "edges"), service("streams", STREAM_PORT, "streams"),
    ]
    return {
        "postern": {"control-socket": "control.sock"},
        "dataplane": {
            "workers": [worker_cpu()], "huge-pages": "off", "sessions": 16384, **dataplane,
        },
        "interfaces": interfaces
        or [
            interface("outside", "net_af_packet0,iface=outside0"),
            interface("inside", "net_af_packet1,iface=inside0"),
        ],
        "pools": [p for p in all_pools if p["name"] in pools],
        "services": [s for s in all_services if s["pool"] in pools],
    }


def _flow(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text if PLAIN.match(text) else json.dumps(text)


def _nested(value):
    """True for what does not fit on one line."""
    items = value.values() if isinstance(value, dict) else value
    return any(isinstance(v, (dict, list, tuple)) and v for v in items)


def to_yaml(value, indent=""):
    lines = []
    if isinstance(value, dict):
        for key, v in value.items():
            if isinstance(v, (dict, list, tuple)) and _nested(v) and len(_flow(v)) > 70:
                lines += [f"{indent}{key}:", to_yaml(v, indent + "  ")]
            else:
                lines.append(f"{indent}{key}: {_flow(v)}")
    else:
        for v in value:
            if isinstance(v, dict) and len(_flow(v)) > 90:
                body = to_yaml(v, indent + "  ")
                lines.append(f"{indent}- {body[len(indent) + 2:]}")
            else:
                lines.append(f"{indent}- {_flow(v)}")
    return "\n".join(lines)
