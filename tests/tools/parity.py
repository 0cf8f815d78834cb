#!/usr/bin/env python3
"""Write docs/parity.md from what the last test run recorded in artefacts/parity: what both run modes were asked, and the outcome."""

from __future__ import annotations

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HEAD = """# The same tests in both run modes

Made by `python tests/tools/parity.py` from the last `make test`. A row is a scenario: how many tests passed natively and as containers,
by the very same function; how many were asked of one host alone, as the run mode plays no part in them; those that only one run
mode can be asked; and those that were skipped in both.

| Scenario | Passed in both | Asked once for both | In one alone | In neither | Failed |
|---|---|---|---|---|---|
"""


# File, or file::test, to the reason.
REASONS = {
    "test_archive.py": "it is about what a container sees of its host, and about images",
    "test_containers.py": "it is about containers, and about switching to packages and back",
    "test_dashboards.py": "the metrics are the same, and so are the panels; what is asked has its own tests in both",
    "test_drills.py": "the same rules and exporters raise the alerts; the drills take many minutes",
    "test_grafana_runs.py": "Grafana is not in Debian, and no package of it was given; both are asked where one is, by GRAFANA_PACKAGE",
    "test_site.py": "how a run is taken up, and what happens to secrets, is Ansible's part; the reboot has its own test of containers",
    "test_trouble.py": "it is about the pages, which are the same files",
}


# The columns of the table.
KINDS = ("both", "once", "alone", "neither", "failed")


def counts(tests: dict[str, dict[str, str]]) -> dict[str, list[str]]:
    """Names of tests by what the table says of them."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name, modes in sorted(tests.items()):
        outcomes = set(modes.values())
        if "failed" in outcomes:
            found["failed"].append(name)
        elif outcomes == {"passed"} and len(modes) == 2:
            found["both"].append(name)
        elif "left to the other" in outcomes:
            found["once"].append(name)
        else:
            found["alone" if "passed" in outcomes else "neither"].append(name)
    return found


def table(records: dict[str, dict], reasons: dict[str, str]) -> str:
    """The page. SystemExit when nobody says why a test is asked in one run mode alone, or in neither."""
    lines, alone = [], {}
    for scenario, tests in sorted(records.items()):
        found = counts(tests)
        lines.append(f"| {scenario} | " + " | ".join(str(len(found[key])) for key in KINDS) + " |\n")
        for name in found["alone"] + found["neither"]:
            place = next((key for key in (name.partition("[")[0], name.partition("::")[0]) if key in reasons), None)
            if place is None:
                raise SystemExit(f"nobody says why {name} is asked in one run mode alone, or in neither: {tests[name]}; "
                                 "the reasons are in this program")
            modes = " and ".join(mode for mode, outcome in sorted(tests[name].items()) if outcome == "passed")
            alone.setdefault((scenario, place, modes), reasons[place])
    why = "".join(f"- {scenario}, `{place}`, {f'{modes} alone' if modes else 'in neither'}: {reason}.\n"
                  for (scenario, place, modes), reason in sorted(alone.items()))
    return HEAD + "".join(lines) + ("\n## In one run mode alone or in neither, and why\n\n" + why if why else "")


def read(directory: pathlib.Path) -> dict[str, dict]:
    """All records; the two whole sites are one row."""
    records: dict[str, dict] = {}
    for path in sorted(directory.glob("*.json")):
        target = records.setdefault(path.stem.removesuffix("_container"), {})
        for name, modes in json.loads(path.read_text()).items():
            target.setdefault(name, {}).update(modes)
    return records


def main() -> int:
    records = read(ROOT / "artefacts/parity")
    if not records:
        print("artefacts/parity is empty: run the tests first", file=sys.stderr)
        return 1
    (ROOT / "docs/parity.md").write_text(table(records, REASONS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
