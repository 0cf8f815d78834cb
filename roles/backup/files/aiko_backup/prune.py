"""Which sets may go, and their removal."""

from __future__ import annotations

import time

from .command import say
from .manifest import Set, refuse_unreadable, sets
from .pgbackrest import PgBackRest
from .restic import Restic

DAY = 86400


def removable(found: list[Set], full_of: dict[str, str], keep: dict, now: float) -> list[Set]:
    """The sets that retention lets go.

    A set goes when it is older than `keep.days` days, is not among the newest `keep.sets`, and is neither the newest
    nor the newest that a trial restore has proved. Increments need their full backup and each other, so those of one full
    backup go together, when all of them may.

    Args:
        found: complete sets, the oldest first.
        full_of: id to the label of the full database backup that it builds upon.
        keep: `sets` and `days`.
        now: seconds since 1970.
    """
    proven = [one.identifier for one in found if one.proven]
    kept = {one.identifier for one in found[-max(1, keep["sets"]):]} | set(proven[-1:])
    kept |= {one.identifier for one in found if now - one.began <= keep["days"] * DAY}
    needed = {full_of.get(identifier) for identifier in kept}
    return [one for one in found if one.identifier not in kept and full_of.get(one.identifier) not in needed - {None}]


def prune(settings: dict, restic: Restic, database: PgBackRest) -> list[str]:
    """Remove what may go, and what runs that were killed have left; returns the ids of the sets that went.

    Nothing goes from a repository that cannot be read as a whole: a set whose manifest is damaged would pass for half of one.
    """
    refuse_unreadable(restic)
    found = sets(restic)
    whole = [one for one in found if one.complete]
    # The caller holds the lock: a set without a manifest is one that nobody finishes any more.
    halves = [snapshot for one in found if not one.complete for snapshot in (*one.snapshots.values(), *one.former)]
    labels = {backup.label: backup for backup in database.backups()}
    # As pgBackRest names them: that of the full backup comes first.
    full_of = {one.identifier: one.label.partition("_")[0] for one in whole}
    gone = removable(whole, full_of, settings["keep"], time.time())
    # The manifest first: a set that loses its data is not one any more.
    restic.forget([snapshot for one in gone for snapshot in (one.snapshots["manifest"], *one.former)])
    restic.forget([snapshot for one in gone for part, snapshot in one.snapshots.items() if part != "manifest"] + halves)
    kept = {one.identifier for one in whole if one not in gone}
    # Named twice, by the set and by the database's backup: one of the two is enough to keep it.
    stay = {full_of[identifier] for identifier in kept} | {backup.full for backup in labels.values() if backup.identifier in kept}
    newest = max((backup.full for backup in labels.values()), default="")
    for label, backup in labels.items():
        # A full backup without any set is what a failed run left; the newest may still be built upon.
        if backup.kind == "full" and label not in stay and label != newest:
            say(f"removing the database backup {label} and what builds upon it")
            database.expire(label)
    for one in gone:
        say(f"removed backup {one.identifier}")
    return [one.identifier for one in gone]
