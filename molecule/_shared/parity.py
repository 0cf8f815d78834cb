"""What both run modes were asked, and what came of it: artefacts/parity/SCENARIO.json, of which tests/tools/parity.py makes a table."""

from __future__ import annotations

import json
import pathlib
import re

MODES = ("native", "container")


class Recorder:
    """A pytest plugin: test to run mode to outcome."""

    def __init__(self, path: pathlib.Path, alone: str = ""):
        """Args: path: of the file. alone: the run mode of a scenario that has one only; twins say it in the test's parameters."""
        self.path, self.alone = path, alone
        self.found: dict[str, dict[str, str]] = {}

    def pytest_runtest_logreport(self, report):
        """Keep the worst that a test met: its call, or what failed or was skipped before or after."""
        if report.when == "call" or not report.passed:
            name, mode = self.place(report.nodeid)
            if mode and self.found.setdefault(name, {}).get(mode) != "failed":
                self.found[name][mode] = report.outcome

    def pytest_deselected(self, items):
        """A test that one run mode does for both."""
        for item in items:
            name, mode = self.place(item.nodeid)
            if mode and item.get_closest_marker("any_runtime"):
                self.found.setdefault(name, {})[mode] = "left to the other"

    def pytest_sessionfinish(self):
        """Write it down."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.found, indent=1, sort_keys=True) + "\n")

    def place(self, nodeid: str) -> tuple[str, str]:
        """A test's name without its run mode, and that run mode."""
        path, _, test = nodeid.partition("::")
        name, bracket, parameters = test.partition("[")
        # The host that testinfra's own parameter names is no part of what is asked.
        parameters = re.sub(r"ansible://[a-z]+-[a-z]+-?", "", parameters.rstrip("]"))
        parts = parameters.split("-") if bracket and parameters else []
        mode = next((part for part in parts if part in MODES), self.alone)
        rest = [part for part in parts if part not in MODES]
        return f"{pathlib.Path(path).name}::{name}" + (f"[{'-'.join(rest)}]" if rest else ""), mode


def recorder(project: pathlib.Path, scenario: str, twins: bool) -> Recorder | None:
    """The recorder of a scenario that tells something of both run modes; None for the others."""
    other = f"{scenario}_container"
    alone = "container" if scenario.endswith("_container") else "native" if (project / "molecule" / other).is_dir() else ""
    if not (twins or alone):
        return None
    return Recorder(project / "artefacts/parity" / f"{scenario}.json", alone)
