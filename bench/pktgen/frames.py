#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the frames of a case as a pcap file, for more sessions than a range of Pktgen has packets:
the same addresses, ports and numbers as world.lua, one frame a session, in an order that no cache foresees."""

import argparse
import ipaddress
import random
import struct

PORTS = {1000: 8, 100000: 32, 1000000: 64}
FIRST_PORT = 1024
CLIENTS = int(ipaddress.ip_address("198.18.0.1"))
FORGED = int(ipaddress.ip_address("20.0.0.1"))
SERVICE = int(ipaddress.ip_address("192.0.2.80"))
MEMBER = int(ipaddress.ip_address("10.0.0.11"))
SERVICE_PORT = {"tcp": 5061, "udp": 3478}
PROTOCOL = {"tcp": 6, "udp": 17}
SYN, SYNACK = 1000, 500000
FLAG_SYN, FLAG_ACK = 2, 16
ETHERNET, CRC = 14, 4


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(transport, size, source, destination, ports, numbers):
    length = size - CRC - ETHERNET - 20
    addresses = struct.pack("!II", source, destination)
    if transport == "tcp":
        sequence, acknowledged, flags = numbers
        head = struct.pack("!HHIIBBHHH", *ports, sequence, acknowledged, 5 << 4, flags, 8192, 0, 0)
        at = 16
    else:
        head = struct.pack("!HHHH", *ports, length, 0)
        at = 6
    body = bytearray(head.ljust(length, b"\0"))
    pseudo = addresses + struct.pack("!BBH", 0, PROTOCOL[transport], length)
    body[at:at + 2] = struct.pack("!H", checksum(pseudo + body) or 0xFFFF)
    ip = bytearray(struct.pack("!BBHHHBBH", 0x45, 0, length + 20, 0, 0, 64, PROTOCOL[transport], 0) + addresses)
    ip[10:12] = struct.pack("!H", checksum(bytes(ip)))
    return bytes(ip + body)


def frames(kind, flows, transport, size, station):
    ports = PORTS[flows]
    order = list(range(flows))
    random.Random(1).shuffle(order)
    numbers = {"clients": (SYN + 1, SYNACK + 7, FLAG_ACK), "members": (SYNACK + 7, SYN + 1, FLAG_ACK)}.get(
        kind, (SYN, 0, FLAG_SYN))
    # The sender's own address is nobody's business: postern looks at where a frame goes.
    head = bytes.fromhex(station.replace(":", "")) + b"\x02\0\0\0\0\x01" + b"\x08\x00"
    for n in order:
        client = (FORGED if kind == "forged" else CLIENTS) + n // ports, FIRST_PORT + n % ports
        here, there = client, (SERVICE, SERVICE_PORT[transport])
        if kind == "members":
            here, there = (MEMBER, SERVICE_PORT[transport]), client
        yield head + packet(transport, size, here[0], there[0], (here[1], there[1]), numbers)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("clients", "members", "first", "forged"))
    parser.add_argument("station", help="MAC of postern's port that they go to")
    parser.add_argument("file")
    parser.add_argument("--flows", type=int, choices=sorted(PORTS), default=1000000)
    parser.add_argument("--frame", type=int, default=64, help="bytes on the wire, with the checksum of Ethernet")
    parser.add_argument("--transport", choices=("tcp", "udp"), default="tcp")
    a = parser.parse_args()
    with open(a.file, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for frame in frames(a.kind, a.flows, a.transport, a.frame, a.station):
            out.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


if __name__ == "__main__":
    main()
