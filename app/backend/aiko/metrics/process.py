"""CPU time and memory of a gunicorn and its workers together; the library's multiprocess mode leaves them out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Stat:
    """What /proc/PID/stat says: parent, own CPU ticks, CPU ticks of children that ended and were waited for, pages."""

    parent: int
    own: int
    reaped: int
    pages: int


def read(pid: int) -> Stat | None:
    """Return the figures of a process, or None when it is gone."""
    try:
        line = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in brackets may hold anything, brackets and blanks too.
    part = line.rpartition(")")[2].split()
    return Stat(int(part[1]), int(part[11]) + int(part[12]), int(part[13]) + int(part[14]), int(part[21]))


def children(pid: int) -> list[int]:
    """Return the direct children of a process."""
    return [
        int(entry.name)
        for entry in PROC.iterdir()
        if entry.name.isdigit() and (stat := read(int(entry.name))) and stat.parent == pid
    ]


def totals(master: int) -> tuple[float, int]:
    """Return the CPU seconds of `master` and all its children ever, and their resident memory now, in bytes.

    When a worker ends, the kernel adds its time to the master's account of waited-for children; so the sum of the
    living plus that account never goes backwards. The account is read before and after, and if a worker passed from
    one side to the other in between, everything is read again.
    """
    ticks = pages = 0
    for _ in range(10):
        before = read(master)
        living = [stat for stat in map(read, children(master)) if stat]
        after = read(master)
        if before is None or after is None:
            return 0.0, 0
        ticks = after.own + after.reaped + sum(stat.own + stat.reaped for stat in living)
        pages = after.pages + sum(stat.pages for stat in living)
        if before.reaped == after.reaped:
            break
    return ticks / TICKS, pages * PAGE


class ProcessesCollector:
    """Collector of the two metrics for all processes of one gunicorn."""

    def __init__(self, master: int):
        self.master = master

    def collect(self) -> Iterator[Metric]:
        """Yield process_cpu_seconds_total and process_resident_memory_bytes."""
        seconds, resident = totals(self.master)
        yield CounterMetricFamily(
            "process_cpu_seconds", "CPU time of all processes of this gunicorn, in seconds.", value=seconds
        )
        yield GaugeMetricFamily(
            "process_resident_memory_bytes",
            "Resident memory of all processes of this gunicorn, in bytes.",
            value=resident,
        )
