"""Which release runs, as a metric; its value is always 1, its labels tell."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from aiko import __version__
from aiko.release import release


class ReleaseCollector:
    """Collector of aiko_release_info; `part` is backend or worker."""

    def __init__(self, part: str):
        self.part = part

    def collect(self) -> Iterator[Metric]:
        """Yield aiko_release_info."""
        family = GaugeMetricFamily("aiko_release_info", "The release that runs.", labels=("release", "part", "version"))
        family.add_metric((release() or "unknown", self.part, __version__), 1)
        yield family
