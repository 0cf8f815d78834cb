"""Restore what this host has of a backup: beside what runs, proved there, and only then in its place.

    aiko-restore check          is there room, and is everything where it can be replaced? (reads the plan)
    aiko-restore stage          restore beside, and prove (reads the plan); what runs notices nothing
    aiko-restore swap [OF]      stop the data stores, put what was proved into their place, start and check them
    aiko-restore tidy           remove what was received, and say what is to be known
    aiko-restore finish         all is well: forget how it was done, keep the safety copies
    aiko-restore status         what is going on, and which safety copies there are
    aiko-restore undo [OF]      put the newest safety copies back; what is there now becomes one itself; then finish
    aiko-restore forget [ID]    remove safety copies, all or one

playbooks/restore.yml calls these in order on every host; each looks at the disk first, so that what was killed is called again.
What is restored lies at PATH.restored, and what was there before at PATH.before-ID, where ID is the time of the restore.
OF is what the restore is called on all of its hosts.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import sys
import time

from . import config, lock
from .command import Failed, run, say
from .manifest import new_identifier

HOME = pathlib.Path("/var/lib/aiko-restore")
RECEIVED = str(HOME / "received")
STATE = HOME / "state.json"
# Of what is received: the files, and what they must be, which comes last.
FILES, DONE = "files", "manifest.json"
# Ends the name of an undone restore; undoing that again takes it off.
UNDONE = "-undone"
MB = 1024 * 1024


class State:
    """What is going on on this host, on disk.

    `running`: the restore that has not been finished: its `id`, what was `asked` for, the `plan`, `proved` (part to what was found),
    whether `swapping` has begun, and then `of`, what the restore is called on all hosts; while a restore is undone, `undoing` is the copy
    that comes back. `copies`: the safety copies, the oldest first: `id`, `of`, `parts`, and `why` they were made.
    """

    def __init__(self, path: pathlib.Path | None = None):
        self.path = path or STATE
        found = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.running: dict | None = found.get("running")
        self.copies: list[dict] = found.get("copies", [])

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({"running": self.running, "copies": self.copies}, indent=1))
        fresh.chmod(0o600)
        with fresh.open() as file:
            os.fsync(file.fileno())
        os.replace(fresh, self.path)


def asked(plan: dict) -> dict:
    """What makes two plans the same restore."""
    return {"id": None if plan["restore_to"] else plan["id"], "restore_to": plan["restore_to"], "parts": sorted(plan["parts"])}


def made_of(plan: dict) -> dict:
    """Which backup each part of a plan comes from: for a point in time, the nearest one may be another one tomorrow."""
    return {name: part.get("label") or part["id"] for name, part in plan["parts"].items()}


def told(request: dict) -> str:
    """The words with which a restore was asked for."""
    if request["id"] == "undo":
        return "-e restore_undo=yes"
    which = f"-e restore_to='{request['restore_to']}'" if request["restore_to"] else f"-e backup_id={request['id']}"
    return f"{which} -e parts={','.join(request['parts'])}"


def here(settings: dict, plan: dict) -> list:
    """The plan's parts that this host has, as objects."""
    from .restore_parts import KINDS  # noqa: PLC0415 - they know this module

    entries = {"postgresql": settings.get("postgresql"), **settings["parts"]}
    return [KINDS[name](settings, entries[name], plan["parts"][name]) for name in KINDS
            if name in plan["parts"] and entries.get(name) and not entries[name].get("address")]


def check(settings: dict, plan: dict) -> dict:
    """Failed when a part cannot be restored here; nothing is changed."""
    state = State()
    refuse_other(state, plan)
    running = state.running
    if running and (running["asked"] != asked(plan) or not running["swapping"] and made_of(running["plan"]) != made_of(plan)):
        # What it takes is room that this one may need.
        say(f"giving up what was prepared for {told(running['asked'])}")
        discard(settings, running["plan"])
        state.running = None
        state.write()
    needed: dict[int, list] = {}
    parts = here(settings, plan)
    proved = sorted(state.running["proved"]) if state.running else []
    for part in [part for part in parts if part.name not in proved]:
        part.check()
        for place, size in part.needs():
            existing = next(path for path in (pathlib.Path(place), *pathlib.Path(place).parents) if path.exists())
            entry = needed.setdefault(existing.stat().st_dev, [existing, 0])
            entry[1] += size
    rooms = []
    for place, size in needed.values():
        free = shutil.disk_usage(place).free
        if free - size < settings["margin_mb"] * MB:
            raise Failed(
                f"{place} has {free // MB} MB free; the restore takes {size // MB} MB beside what is there, and backup_margin_mb keeps "
                f"{settings['margin_mb']} MB free. Expected: room for both. Remedy: make room (aiko-restore status shows safety copies of "
                "earlier restores), or restore one part after the other with -e parts=... Nothing was changed"
            )
        rooms.append(f"{place}: takes {size // MB} of {free // MB} MB that are free")
    return {"parts": {part.name: part.path for part in parts}, "room": rooms, "proved": proved,
            "copies": [copy["id"] for copy in state.copies]}


def refuse_other(state: State, plan: dict) -> None:
    """A restore that was killed between stopping and starting is finished or undone, and nothing else."""
    running = state.running
    if running and running["swapping"] and running["asked"] != asked(plan):
        raise Failed(f"an earlier restore has begun to replace data here and was not finished ({told(running['asked'])}). Expected: the "
                     "same once more. Remedy: repeat it with these words, or put back what was there with -e restore_undo=yes; or, where "
                     "all was replaced and shall stay, aiko-restore finish on this host")


def stage(settings: dict, plan: dict) -> dict:
    """Restore every part beside what runs and prove it; returns what was found and seconds, by part."""
    state = State()
    refuse_other(state, plan)
    if state.running is None:
        taken = [copy["id"] for copy in state.copies]
        state.running = {"id": new_identifier(taken), "asked": asked(plan), "plan": plan, "proved": {}, "swapping": False}
        state.write()
    for part in here(settings, state.running["plan"]):
        if part.name in state.running["proved"]:
            say(f"{part.name}: proved by an earlier run")
            continue
        began = time.monotonic()
        found = part.stage()
        # What a power cut could still take away is not proved.
        os.sync()
        state.running["proved"][part.name] = {**found, "seconds": round(time.monotonic() - began, 1)}
        state.write()
        say(f"{part.name}: proved in {time.monotonic() - began:.1f} s")
    return {"id": state.running["id"], "of": state.running.get("of"), "proved": state.running["proved"]}


def discard(settings: dict, plan: dict) -> None:
    """Remove what was restored beside."""
    for part in here(settings, plan):
        part.discard()


def swap(settings: dict, of: str | None = None) -> dict:
    """Put what was proved in its place; returns seconds by part, and where the safety copies are.

    Args:
        settings: this host's.
        of: what the restore is called on all of its hosts, so that they are undone together; this host's id of it when not given.
    """
    state = State()
    running = state.running
    if not running:
        raise Failed("nothing was prepared here. Remedy: playbooks/restore.yml, which does all steps in order")
    parts = here(settings, running["plan"])
    missing = [part.name for part in parts if part.name not in running["proved"]]
    if missing:
        raise Failed(f"{', '.join(missing)} were not proved. Remedy: playbooks/restore.yml, which does all steps in order")
    running["swapping"] = True
    running.setdefault("of", of or running["id"])
    if parts and not any(copy["id"] == running["id"] for copy in state.copies):
        modes = {part.name: part.plan["mode"] for part in parts}
        why = f"before the restore {told(running['asked'])}"
        state.copies.append({"id": running["id"], "of": running["of"], "parts": modes, "why": why})
    state.write()
    return _replace(parts, running["id"])


def _replace(parts: list, identifier: str) -> dict:
    seconds = {}
    for part in parts:
        began = time.monotonic()
        part.stop()
        part.replace(identifier)
        part.start()
        seconds[part.name] = round(time.monotonic() - began, 1)
        say(f"{part.name}: in place after {seconds[part.name]} s")
    return {"id": identifier, "seconds": seconds, "copies": {part.name: part.before(identifier) for part in parts}}


def tidy(settings: dict) -> dict:
    """What takes a while before `finish`: until that one has ended everywhere, the same words mean the same restore."""
    shutil.rmtree(RECEIVED, ignore_errors=True)
    state, notes = State(), []
    for part in _parts_of(settings, state.copies[-1]) if state.copies else []:
        try:
            notes += part.notes()
        except Failed as failure:
            notes.append(f"WARNING: {part.name}: {failure}")
    return {"notes": notes}


def finish(settings: dict) -> dict:
    """The platform is well: what is left of the restoring is not needed any more. Failed where something is half replaced."""
    state = State()
    running = state.running
    if running:
        if running["swapping"]:
            _refuse_half(_parts_of(settings, running["undoing"]) if running.get("undoing") else here(settings, running["plan"]))
        shutil.rmtree(RECEIVED, ignore_errors=True)
        discard(settings, running["plan"])
        state.running = None
        state.write()
    return {"copies": state.copies}


def _refuse_half(parts: list) -> None:
    """What waits to be put into its place may be all that is left of it."""
    half = [place for part in parts for place in part.places() if os.path.lexists(part.staged(place)) or not os.path.lexists(place)]
    if half:
        raise Failed(f"{', '.join(half)} has not been replaced yet, or only by half. Expected: a restore whose parts are all in place. "
                     "Remedy: repeat the restore, or put back what was there with -e restore_undo=yes. Nothing was changed")


def undo(settings: dict, of: str | None = None) -> dict:
    """Put the newest safety copies back. What they replace becomes a safety copy, so that undoing is undone the same way.

    Until `finish` it may be called again, and does the same: what was put back is not taken away once more.

    Args:
        settings: this host's.
        of: which restore is undone; the newest one when not given.
    """
    state = State()
    if state.running and state.running.get("undoing"):
        _refuse_another(state.running["undoing"], of)
    else:
        _begin_undoing(settings, state, of)
    running = state.running
    copy = running["undoing"]
    parts = _parts_of(settings, copy)
    for part in parts:
        part.stop()
        part.take_back(copy["id"])
    if not any(entry["id"] == running["id"] for entry in state.copies):
        state.copies = [entry for entry in state.copies if entry["id"] != copy["id"]]
        opposite = copy["of"].removesuffix(UNDONE) if copy["of"].endswith(UNDONE) else copy["of"] + UNDONE
        state.copies.append({"id": running["id"], "of": opposite, "parts": copy["parts"], "why": f"before undoing: {copy['why']}"})
        state.write()
    return _replace(parts, running["id"])


def _refuse_another(copy: dict, of: str | None) -> None:
    if of not in (None, copy["of"]):
        raise Failed(f"the newest safety copy here is of {copy['of']}, not of {of}. Expected: the same one on all hosts of a restore. "
                     "Remedy: see aiko-restore status. Nothing was changed")


def _begin_undoing(settings: dict, state: State, of: str | None) -> None:
    if not state.copies:
        raise Failed("there is no safety copy here. Expected: one that a restore made (aiko-restore status). Nothing was changed")
    copy = state.copies[-1]
    _refuse_another(copy, of)
    # A restore that was killed may not have come to moving them.
    unfinished = state.running is not None and state.running["id"] == copy["id"]
    gone = [part.before(copy["id"]) for part in _parts_of(settings, copy) if not unfinished and not part.undoable(copy["id"])]
    if gone:
        raise Failed(f"{', '.join(gone)} is not there any more. Expected: the safety copy. Nothing was changed")
    if state.running:
        discard(settings, state.running["plan"])
    request = {"id": "undo", "restore_to": None, "parts": sorted(copy["parts"])}
    state.running = {"id": new_identifier([entry["id"] for entry in state.copies]), "asked": request, "plan": {"parts": {}}, "proved": {},
                     "swapping": True, "undoing": copy}
    state.write()


def _parts_of(settings: dict, copy: dict) -> list:
    """The parts of a safety copy."""
    return here(settings, {"parts": {name: {"mode": mode} for name, mode in copy["parts"].items()}})


def forget(settings: dict, identifier: str | None) -> dict:
    """Remove safety copies."""
    state = State()
    if state.running and state.running["swapping"]:
        raise Failed(f"a restore is not finished ({told(state.running['asked'])}): its safety copies may be needed. "
                     "Remedy: finish it first")
    chosen = [copy for copy in state.copies if identifier in (None, copy["id"])]
    if identifier and not chosen:
        raise Failed(f"there is no safety copy {identifier}. Expected: one of {', '.join(copy['id'] for copy in state.copies) or 'none'}")
    for copy in chosen:
        for part in _parts_of(settings, copy):
            part.forget(copy["id"])
        state.copies.remove(copy)
        state.write()
    return {"removed": [copy["id"] for copy in chosen], "copies": state.copies}


def status(settings: dict) -> dict:
    """For people: without the lists of files and tables."""
    state = State()
    copies = []
    for copy in state.copies:
        parts = _parts_of(settings, copy)
        places = [part.before(copy["id"]) for part in parts]
        copies.append({**copy, "places": [place for place in places if os.path.lexists(place)]})
    running = {key: state.running.get(key) for key in ("id", "asked", "swapping", "undoing")} if state.running else None
    return {"running": running, "copies": copies}


READING = {"check": check, "stage": stage}
CHANGING = {"tidy": tidy, "finish": finish, "status": status}
NAMED = {"swap": swap, "undo": undo, "forget": forget}


def main() -> int:
    parser = argparse.ArgumentParser(prog="aiko-restore", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=[*READING, *CHANGING, *NAMED])
    parser.add_argument("identifier", nargs="?", metavar="ID")
    arguments = parser.parse_args()
    if arguments.identifier and arguments.verb not in NAMED:
        parser.error(f"only {', '.join(NAMED)} take a name")
    try:
        settings = config.load()
        with lock.held(wait=False, path="/run/aiko-restore.lock"):
            if arguments.verb in NAMED:
                answer = NAMED[arguments.verb](settings, arguments.identifier)
            elif arguments.verb in READING:
                answer = READING[arguments.verb](settings, json.load(sys.stdin))
            else:
                answer = CHANGING[arguments.verb](settings)
    except Failed as failed:
        say(f"aiko-restore: {failed}")
        return 1
    print(json.dumps(answer, indent=2))
    return 0


def rename(origin: str, target: str) -> None:
    """Rename and let no power cut forget it."""
    os.rename(origin, target)
    for directory in {os.path.dirname(origin), os.path.dirname(target)}:
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def units(action: str, *names: str) -> None:
    """Start or stop units and wait for it."""
    run(["systemctl", action, *names])
