"""A stand-in for systemctl where no systemd runs: keeps units in a file, does what it is told, and writes down each call.

Used as `systemctl` and, with the name `journalctl`, as that. The state lies in systemd.json beside the program:
{"units": {NAME: {PROPERTY: VALUE}}, "fails": {VERB: MESSAGE}, "calls": [[ARGUMENT...]]}. The property Started is the Unix time of
the unit's start, from which the monotonic time stamps follow; Unread are the properties that the next daemon-reload finds.
"""

import fnmatch
import json
import pathlib
import sys
import time

PLACE = pathlib.Path(__file__).parent / "systemd.json"
UNKNOWN = {"LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": "", "FragmentPath": "", "DropInPaths": "",
           "NeedDaemonReload": "no", "LoadError": "", "Started": None}
LOADED = {**UNKNOWN, "LoadState": "loaded", "UnitFileState": "disabled"}


def stamp(started: float | None) -> str:
    if started is None:
        return "0"
    return str(int((time.clock_gettime(time.CLOCK_MONOTONIC) - (time.time() - started)) * 1e6))


def show(unit: str, state: dict, names: list[str]) -> str:
    known = {**state, "Id": unit, "InactiveExitTimestampMonotonic": stamp(state["Started"]),
             "ActiveEnterTimestampMonotonic": stamp(state["Started"])}
    return "".join(f"{name}={known.get(name, '')}\n" for name in names)


def act(verb: str, state: dict) -> None:
    if verb in ("start", "restart") and (verb == "restart" or state["ActiveState"] != "active"):
        state.update(ActiveState="active", Started=time.time())
    elif verb == "stop":
        state.update(ActiveState="inactive")
    elif verb in ("enable", "disable"):
        state.update(UnitFileState=f"{verb}d")
    elif verb == "mask":
        state.update(LoadState="masked", UnitFileState="masked")
    elif verb == "unmask":
        state.update(LoadState="loaded", UnitFileState="disabled")
    elif verb == "reset-failed" and state["ActiveState"] == "failed":
        state.update(ActiveState="inactive")


def main() -> int:
    system = json.loads(PLACE.read_text())
    arguments = sys.argv[1:]
    program = pathlib.Path(sys.argv[0]).name
    system.setdefault("calls", []).append([program, *arguments])
    PLACE.write_text(json.dumps(system))
    if program == "journalctl":
        print(system.get("journal", ""))
        return 0
    verb, *rest = [argument for argument in arguments if not argument.startswith("--")]
    if verb in system.get("fails", {}):
        print(system["fails"][verb], file=sys.stderr)
        return 1
    units = system["units"]
    if verb == "show":
        properties, *names = rest
        print("\n".join(show(name, {**UNKNOWN, **units.get(name, {})}, properties.split(",")) for name in names), end="")
        return 0
    if verb == "list-units":
        found = [name for name in units if any(fnmatch.fnmatch(name, pattern) for pattern in rest)]
        print("".join(f"{name} loaded {units[name]['ActiveState']} running Text\n" for name in found), end="")
        return 0
    if verb == "is-active":
        return 0 if units.get(rest[0], UNKNOWN)["ActiveState"] == "active" else 3
    if verb == "is-enabled":
        return 0 if units.get(rest[0], UNKNOWN)["UnitFileState"] == "enabled" else 1
    if verb == "daemon-reload":
        for state in units.values():
            state.update(state.pop("Unread", {}), NeedDaemonReload="no")
    else:
        for name in rest:
            act(verb, units.setdefault(name, dict(LOADED)))
    PLACE.write_text(json.dumps(system))
    return 0


if __name__ == "__main__":
    sys.exit(main())
