#!/usr/bin/env python3
"""Write docs/parity.md from what the last test run recorded in artefacts/parity: what both run modes were asked, and the outcome."""

from __future__ import annotations

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HEAD = """# The same tests in both run modes

Made by `python tests/tools/parity.py` from the last `make test`. A row is a scenario: how many tests passed natively and as containers,
by the very same function; how many were asked of one host alone, as the run mode plays no part in them; and those that only one run
mode can be asked.

| Scenario | Passed in both | Asked once for both | In one alone | Failed |
|---|---|---|---|---|
"""


def counts(tests: dict[str, dict[str, str]]) -> dict[str, list[str]]:
    """Names of tests by what the table says of them."""
    found: dict[str, list[str]] = {"both": [], "once": [], "alone": [], "failed": []}
    for name, modes in sorted(tests.items()):
        outcomes = set(modes.values())
        if "failed" in outcomes:
            found["failed"].append(name)
        elif outcomes == {"passed"} and len(modes) == 2:
            found["both"].append(name)
        elif "left to the other" in outcomes:
            found["once"].append(name)
        else:
            found["alone"].append(name)
    return found


def table(records: dict[str, dict]) -> str:
    """The page."""
    lines, alone = [], []
    for scenario, tests in sorted(records.items()):
        found = counts(tests)
        lines.append(f"| {scenario} | " + " | ".join(str(len(found[key])) for key in ("both", "once", "alone", "failed")) + " |\n")
        alone += [f"- {scenario}: `{name}` ({', '.join(f'{mode} {outcome}' for mode, outcome in sorted(tests[name].items()))})\n"
                  for name in found["alone"]]
    return HEAD + "".join(lines) + ("\n## In one run mode alone\n\n" + "".join(alone) if alone else "")


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
    (ROOT / "docs/parity.md").write_text(table(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
