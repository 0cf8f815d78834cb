"""Render the dashboards to the JSON that the role brings to Grafana.

    python -m roles.grafana.dashboards            write what is stale (make dashboards)
    python -m roles.grafana.dashboards --check    write nothing, name what is stale, end with 1 if anything is
"""

from __future__ import annotations

import argparse
import pathlib
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from roles.grafana.dashboards import DASHBOARDS

FILES = pathlib.Path(__file__).resolve().parents[1] / "files/dashboards"


def rendered() -> dict[str, str]:
    """File name to its whole text."""
    return {f"{board.uid}.json": JSONEncoder(sort_keys=True, indent=1).encode(board) + "\n" for board in DASHBOARDS}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args(arguments).check
    wanted, there = rendered(), {path.name: path.read_text() for path in FILES.glob("*.json")}
    stale = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    for name in stale:
        if check:
            print(f"{name} is stale; run: make dashboards")
        elif name in wanted:
            (FILES / name).write_text(wanted[name])
            print(f"{name} was written")
        else:
            (FILES / name).unlink()
            print(f"{name} was removed")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
