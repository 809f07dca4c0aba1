# SPDX-License-Identifier: BSD-2-Clause
"""A small world of network namespaces around postern: partners and DNS outside, a pool of real
SIP servers inside. scripts/run and the system tests stand on it; standard library only."""

from .errors import LabError
from .topology import Lab

__all__ = ["Lab", "LabError"]
