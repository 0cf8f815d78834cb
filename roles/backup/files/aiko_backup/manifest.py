"""Sets: what belongs to one backup, by its id, and the manifest that says what must be in it."""

from __future__ import annotations

import datetime
import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from .command import Failed
from .restic import Restic

FORMAT = 1
IDENTIFIER = re.compile(r"\d{8}_\d{6}")
NAME = "manifest.json"
PARTS = ("postgresql", "redis", "uploads", "grafana")
PROVEN = "proven:"


@dataclass
class Set:
    """The snapshots of one backup; it is complete when it has a manifest, which is written last."""

    identifier: str
    snapshots: dict[str, str] = field(default_factory=dict)
    # When it was restored on trial and found right, as seconds since 1970.
    proven: int | None = None
    # The database's backup in it, as pgBackRest calls it.
    label: str = ""
    # Snapshots whose part has a newer one: marking a set makes another snapshot of its manifest, and may be killed before the former goes.
    former: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return "manifest" in self.snapshots

    @property
    def began(self) -> float:
        """When it began, as seconds since 1970."""
        return moment(self.identifier)


def new_identifier(taken: list[str], now: float | None = None) -> str:
    """YYYYMMDD_HHMMSS in UTC, which no change of clocks repeats; not one that is taken."""
    now = time.time() if now is None else now
    while (name := datetime.datetime.fromtimestamp(now, datetime.UTC).strftime("%Y%m%d_%H%M%S")) in taken:
        now += 1
    return name


def moment(identifier: str) -> float:
    """Seconds since 1970 of an id."""
    return datetime.datetime.strptime(identifier, "%Y%m%d_%H%M%S").replace(tzinfo=datetime.UTC).timestamp()


def sets(restic: Restic) -> list[Set]:
    """All sets of the repository, complete ones and halves of them, the oldest first."""
    found: dict[str, Set] = {}
    for snapshot in restic.snapshots():
        tags = dict(tag.split(":", 1) for tag in snapshot.get("tags") or [] if ":" in tag)
        if not IDENTIFIER.fullmatch(tags.get("id", "")) or "part" not in tags:
            continue
        one = found.setdefault(tags["id"], Set(tags["id"]))
        if tags["part"] in one.snapshots:
            one.former.append(one.snapshots[tags["part"]])
        one.snapshots[tags["part"]] = snapshot["id"]
        if tags["part"] == "manifest":
            # A set may be proved again and again; the last time counts.
            proofs = [int(tag.split(":", 1)[1]) for tag in snapshot.get("tags") or [] if tag.startswith(PROVEN)]
            one.proven = max([*proofs, one.proven or 0]) or None
            one.label = tags.get("database", "")
    return [found[identifier] for identifier in sorted(found)]


def complete(restic: Restic) -> list[Set]:
    """The complete sets, the oldest first."""
    return [one for one in sets(restic) if one.complete]


def find(restic: Restic, wanted: str) -> Set:
    """The set of an id, or the newest one for `latest`; Failed with those that there are."""
    if wanted != "latest" and not IDENTIFIER.fullmatch(wanted):
        raise Failed(f"backup_id is '{wanted}'. Expected: YYYYMMDD_HHMMSS, for example 20260121_143000, or latest")
    chosen, known = _chosen(restic, wanted)
    if not chosen:
        # restic lists first and then reads: of a set that is marked meanwhile it may read neither snapshot.
        chosen, known = _chosen(restic, wanted)
    if not chosen:
        have = ", ".join(one.identifier for one in known) or "none"
        raise Failed(f"there is no complete backup {wanted} in {restic.settings['repository']}. Expected: one of those there are: {have}")
    return chosen[0]


def _chosen(restic: Restic, wanted: str) -> tuple[list[Set], list[Set]]:
    known = complete(restic)
    return known[-1:] if wanted == "latest" else [one for one in known if one.identifier == wanted], known


def refuse_unreadable(restic: Restic) -> None:
    """Failed when a snapshot is damaged: which set it belongs to nobody can tell, so which is the newest nobody knows either."""
    lost = restic.unreadable()
    if lost:
        names = ", ".join(name[:8] for name in lost)
        raise Failed(f"{restic.settings['repository']} has snapshots that cannot be read: {names}. Expected: a repository that is whole. "
                     "Remedy: see docs/backups.md, A damaged repository")


def prove(restic: Restic, one: Set, moment: int) -> None:
    """Note in the repository that a set was restored on trial; Failed when the note is not there afterwards."""
    mark = f"{PROVEN}{moment}"
    restic.tag(one.snapshots["manifest"], mark)
    # restic ends with 0 where it changed nothing, too.
    if not restic.snapshots(f"id:{one.identifier}", "part:manifest", mark):
        raise Failed(f"backup {one.identifier} was restored and found right, but {restic.settings['repository']} did not take the note of "
                     "it. Remedy: see whether its disk is full or read-only, and repeat the trial restore")


def load(restic: Restic, one: Set) -> dict:
    """Read a set's manifest; Failed when it is not what its tags say. Whether its parts are there is asked by `refuse_lost`."""
    try:
        found = json.loads(_read(restic, one))
    except json.JSONDecodeError as error:
        raise Failed(f"the manifest of backup {one.identifier} cannot be read: {error}. Remedy: choose another backup") from error
    if found.get("format") != FORMAT:
        raise Failed(f"backup {one.identifier} has a manifest of format {found.get('format')}. Expected: {FORMAT}. "
                     "Remedy: use the version of this project that made it")
    if found.get("id") != one.identifier:
        raise Failed(f"backup {one.identifier} has the manifest of {found.get('id')}. Remedy: choose another backup")
    return found


def _read(restic: Restic, one: Set) -> str:
    """Who only reads waits for nobody; a trial restore that ends now puts another snapshot in the place of its set's manifest."""
    try:
        return restic.read(one.snapshots["manifest"], NAME)
    except Failed:
        now = [other.snapshots["manifest"] for other in _chosen(restic, one.identifier)[0]]
        if now in ([], [one.snapshots["manifest"]]):
            raise
        return restic.read(now[0], NAME)


def refuse_lost(one: Set, manifest: dict, parts: Iterable[str]) -> None:
    """Failed when some of these parts are not in the repository any more. The database's is not here but with pgBackRest."""
    # A part without a snapshot had no files.
    kept = {None, *one.snapshots.values(), *one.former}
    missing = [part for part in parts if part != "postgresql" and manifest["parts"][part]["snapshot"] not in kept]
    if missing:
        raise Failed(f"backup {one.identifier} has lost its {', '.join(missing)}: the snapshots are not in the repository. "
                     "Remedy: choose another backup, or restore the other parts with -e parts=...")


def size(manifest: dict, part: str) -> int:
    """Bytes that a part holds before compression."""
    entry = manifest["parts"].get(part, {})
    return entry.get("database_bytes", entry.get("bytes", sum(file["size"] for file in entry.get("files", {}).values())))
