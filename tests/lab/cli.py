"""The command line: verbs, their options and what they print."""

import argparse
import json
import os
import shlex
import sys

from . import hosts, supervisor
from .errors import LabError
from .settings import DISTS, Settings
from .system import FileLock


def parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    top = argparse.ArgumentParser(prog="lab", description="Throw-away Debian hosts with real systemd and SSH.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def add(verb: str, text: str) -> argparse.ArgumentParser:
        return verbs.add_parser(verb, help=text, description=text)

    up = add("up", "bring hosts up and wait until they are ready")
    up.add_argument("names", nargs="+", metavar="NAME")
    up.add_argument("--dist", choices=DISTS, default=DISTS[0])
    up.add_argument("--owner", type=int, metavar="PID")
    up.add_argument("--address", type=int, metavar="N")
    up.add_argument("--storage", choices=("auto", "tmpfs", "disk"), default="auto")
    up.add_argument("--json", action="store_true")
    down = add("down", "throw hosts away")
    down.add_argument("names", nargs="*", metavar="NAME")
    down.add_argument("--all", action="store_true")
    listing = add("list", "show the hosts")
    listing.add_argument("--json", action="store_true")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; return the exit status: 0, 1 when it failed, 2 for wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        settings = Settings.from_environment()
        if arguments[:1] == ["supervise"]:
            return supervisor.main(settings, arguments[1:])
        options = parser().parse_args(arguments)
        if options.verb == "up":
            reports = hosts.up(settings, options.names, options.dist, options.owner, options.address, options.storage)
            print(json.dumps({"hosts": reports}, indent=1))
        elif options.verb == "down":
            names = [s["name"] for s in hosts.all_states(settings)] if options.all else options.names
            hosts.down(settings, names)
        elif options.verb == "list":
            print(json.dumps([hosts.public(settings, s) for s in hosts.all_states(settings)], indent=1))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0
