"""Bring the files of a backup from the repository to the hosts that get them; on the backup host."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import time

from .command import Failed, say
from .manifest import Set, find, load, refuse_lost, size
from .restic import Restic
from .restore import DONE, FILES, RECEIVED
from .source import Source

MB = 1024 * 1024


def send(settings: dict, plan: dict) -> dict[str, float]:
    """Restore the files of all parts but the database to their hosts' received/PART; returns seconds by part."""
    restic = Restic(settings)
    seconds = {}
    for part in [part for part in plan["parts"] if part != "postgresql"]:
        began = time.monotonic()
        _send(settings, restic, part, find(restic, plan["parts"][part]["id"]))
        seconds[part] = round(time.monotonic() - began, 1)
    return seconds


def _send(settings: dict, restic: Restic, part: str, chosen: Set) -> None:
    source = Source(settings, part)
    manifest = load(restic, chosen)
    refuse_lost(chosen, manifest, [part])
    # Where it is when the host is this one; else a place to send it from.
    place = pathlib.Path(settings["directory"], "send", part) if source.remote else pathlib.Path(RECEIVED, part)
    done = place / DONE
    if not (done.exists() and json.loads(done.read_text())["id"] == chosen.identifier):
        shutil.rmtree(place, ignore_errors=True)
        _refuse_without_room(settings, place, size(manifest, part))
        (place / FILES).mkdir(parents=True, mode=0o700)
        say(f"{part}: out of the repository")
        snapshot = manifest["parts"][part]["snapshot"]
        try:
            # One that had no files has no snapshot.
            if snapshot:
                restic.restore(snapshot, str(place / FILES))
        except Failed as failure:
            raise Failed(f"{part} of backup {chosen.identifier} cannot be restored: {failure}. Remedy: choose another backup, or restore "
                         "the other parts with -e parts=...") from failure
        # Last, so that half of a restore never passes for a whole one.
        fresh = done.with_suffix(".new")
        fresh.write_text(json.dumps({"id": chosen.identifier, "files": manifest["parts"][part]["files"]}))
        os.replace(fresh, done)
    if source.remote:
        say(f"{part}: to {source.entry['host']}")
        source.send(str(place))
        shutil.rmtree(place)


def _refuse_without_room(settings: dict, place: pathlib.Path, needed: int) -> None:
    existing = next(path for path in (place, *place.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free - needed < settings["margin_mb"] * MB:
        raise Failed(f"{existing} has {free // MB} MB free on the backup host; {place.name} takes {needed // MB} MB, and backup_margin_mb "
                     f"keeps {settings['margin_mb']} MB free. Expected: room for both. Remedy: a larger disk. Nothing was changed")
