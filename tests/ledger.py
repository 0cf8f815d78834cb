"""The ledger: which row of what was asked for is proved by which test.

As a pytest plugin (a conftest at a root directory names it, or ``-p tests.ledger``) it registers the mark
``@pytest.mark.ledger("PG1", ...)`` and refuses rows that do not exist. With AIKO_LEDGER_REPORT=DIR, it adds one line a test
to a file in DIR; any number of runs may share a directory, and each begins with an empty one to count anew.

    python tests/ledger.py report DIR      every row: pass, fail or no test, and the number of tests
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import pathlib
import sys

import pytest

VARIABLE = "AIKO_LEDGER_REPORT"
ROWS = tuple((pathlib.Path(__file__).parent / "ledger.txt").read_text().split())
OUTCOMES = pytest.StashKey[list]()


def rows_of(item: pytest.Item) -> list[str]:
    """The rows that a test cites, in the ledger's order, each once; marks of its class and module count too."""
    cited = {row for mark in item.iter_markers("ledger") for row in mark.args}
    unknown = sorted(cited - set(ROWS))
    if unknown:
        raise pytest.UsageError(f"{item.nodeid} cites rows that tests/ledger.txt does not have: {', '.join(unknown)}")
    return [row for row in ROWS if row in cited]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "ledger(*rows): rows of the ledger that this test proves")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        rows_of(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """Collect the outcomes of set-up, call and tear-down; the last one writes the line. Runs where the test runs, under xdist too."""
    report = yield
    outcomes = item.stash.setdefault(OUTCOMES, [])
    outcomes.append(report.outcome)
    rows = rows_of(item)
    if report.when == "teardown" and rows and os.environ.get(VARIABLE):
        record(pathlib.Path(os.environ[VARIABLE]), item.nodeid, rows, worst(outcomes))
    return report


def worst(outcomes: list[str]) -> str:
    return next((outcome for outcome in ("failed", "skipped") if outcome in outcomes), "passed")


def record(directory: pathlib.Path, node: str, rows: list[str], outcome: str) -> None:
    """One write a line, to a file of this process: runs beside each other never share one."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f"{os.getpid()}.jsonl").open("a") as stream:
        stream.write(json.dumps({"test": node, "rows": rows, "outcome": outcome}) + "\n")


def read(directory: pathlib.Path) -> dict[str, list[str]]:
    """Row to the outcomes of its tests."""
    found = collections.defaultdict(list)
    for path in sorted(directory.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            for row in entry["rows"]:
                found[row].append(entry["outcome"])
    return found


def verdict(outcomes: list[str]) -> str:
    """A test that was skipped proves nothing; one failure outweighs any number of successes."""
    if "failed" in outcomes:
        return "fail"
    return "pass" if "passed" in outcomes else "no test"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ledger", description="Print the ledger; ends with 1 when a row fails.")
    parser.add_argument("verb", choices=["report"])
    parser.add_argument("directory", type=pathlib.Path)
    directory = parser.parse_args(arguments).directory
    if not directory.is_dir():
        parser.error(f"{directory} is no directory; run the tests with {VARIABLE}={directory} first")
    found = read(directory)
    counts = collections.Counter()
    for row in ROWS:
        outcomes = found.get(row, [])
        said = verdict(outcomes)
        counts[said] += 1
        skipped = outcomes.count("skipped")
        ran = len(outcomes) - skipped
        print(f"{row:4}  {said:7}  {ran} test{'' if ran == 1 else 's'}" + (f", {skipped} skipped" if skipped else ""))
    print(f"{len(ROWS)} rows: {counts['pass']} pass, {counts['fail']} fail, {counts['no test']} no test")
    return 1 if counts["fail"] else 0


if __name__ == "__main__":
    sys.exit(main())
