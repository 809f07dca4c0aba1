# SPDX-License-Identifier: BSD-2-Clause
"""Huge pages for the time of a test: reserved, and given back, also by the run after one that
was killed."""

import contextlib
import pathlib

from .errors import LabError

COUNT = pathlib.Path("/proc/sys/vm/nr_hugepages")
FREE = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
NOTE = "huge-pages-before"  # in the run's folder: how many there were


@contextlib.contextmanager
def reserved(folder, megabytes):
    """At least so many megabytes of free 2 MB pages. The number of pages is the machine's, so
    what another run changes meanwhile is kept: only what was added here is taken away again."""
    if not FREE.exists():
        raise LabError("this kernel has no huge pages of 2 MB (hugetlbfs is not built in)")
    before = int(COUNT.read_text())
    lacking = megabytes // 2 - int(FREE.read_text())
    if lacking > 0:
        (folder / NOTE).write_text(str(lacking))
        try:
            COUNT.write_text(str(before + lacking))
        except OSError as e:
            (folder / NOTE).unlink()
            raise LabError(f"cannot write {COUNT}: {e.strerror}") from None
    try:
        free = int(FREE.read_text())
        if free < megabytes // 2:
            raise LabError(
                f"{megabytes // 2} huge pages of 2 MB wanted, only {free} to be had: "
                "memory is short or fragmented"
            )
        yield
    finally:
        restore_for(folder)


def restore_for(folder):
    note = folder / NOTE
    if note.exists():
        added = int(note.read_text() or 0)
        with contextlib.suppress(OSError):
            COUNT.write_text(str(max(0, int(COUNT.read_text()) - added)))
        note.unlink()
