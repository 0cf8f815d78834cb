"""What a restore would bring back, and whether the repository has it; on the backup host, before anything else happens."""

from __future__ import annotations

import datetime
import json
import time

from .command import Failed, run
from .manifest import PARTS, Set, complete, find, load, refuse_lost, refuse_unreadable, size
from .pgbackrest import USER, PgBackRest
from .restic import Restic

# A point in time is the database's; what else there is keeps the present.
PARTS_OF_A_TIME = ("postgresql", "uploads")
EXAMPLE = "'2026-01-21 14:29:00+00'"


def plan(settings: dict, wanted: dict) -> dict:
    """All that the hosts have to know to restore; Failed when it cannot be done.

    Args:
        settings: the backup host's.
        wanted: `backup_id` (an id, or latest) or `restore_to` (a time), and `parts` (none: all of the backup, or those of a time).
    """
    restic = Restic(settings)
    target = parse_time(wanted["restore_to"]) if wanted.get("restore_to") else None
    if target is None:
        if wanted["backup_id"] == "latest":
            refuse_unreadable(restic)
        chosen = find(restic, wanted["backup_id"])
        manifest = load(restic, chosen)
        names = choose_parts(wanted["parts"], manifest["parts"], PARTS)
        refuse_lost(chosen, manifest, names)
        parts = {part: described(manifest, part) for part in names}
        if "postgresql" in parts:
            parts["postgresql"] |= _to_restore_point(settings, manifest)
    else:
        known = complete(restic)
        chosen = nearest(known, target)
        manifest = load(restic, chosen) if chosen else {"parts": {}}
        names = choose_parts(wanted["parts"], {"postgresql": {}} | manifest["parts"], PARTS_OF_A_TIME)
        if chosen:
            refuse_lost(chosen, manifest, names)
        parts = {part: described(manifest, part) for part in names if part != "postgresql"}
        if "uploads" in parts:
            # Rows of that time may name files that went since; a file that no row names does no harm.
            parts["uploads"]["mode"] = "complete"
        if "postgresql" in names:
            parts = {"postgresql": _to_time(settings, target)} | parts
    return {
        "id": chosen.identifier if chosen else None,
        "restore_to": target.isoformat(sep=" ") if target else None,
        "environment": manifest.get("environment", settings["environment"]),
        "here": settings["environment"],
        "moment": manifest.get("moment"),
        "proven": chosen.proven if chosen else None,
        "releases": manifest.get("facts", {}).get("releases", {}),
        "parts": parts,
    }


def parse_time(text: str) -> datetime.datetime:
    """A time with its zone, not one to come."""
    try:
        found = datetime.datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise Failed(f"restore_to is '{text}'. Expected: a time such as {EXAMPLE}") from error
    if found.tzinfo is None:
        raise Failed(f"restore_to is '{text}', which says no time zone. Expected: a time such as {EXAMPLE}")
    found = found.astimezone(datetime.UTC)
    if found.timestamp() > time.time():
        raise Failed(f"restore_to is {found.isoformat(sep=' ')}, and it is {_now()} now. Expected: a time that has passed")
    return found


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(sep=" ", timespec="seconds")


def choose_parts(wanted: list[str], there: dict, usual: tuple[str, ...]) -> list[str]:
    """The parts to restore, in the order in which they are."""
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        raise Failed(f"parts names {', '.join(unknown)}. Expected: some of {', '.join(PARTS)}, with commas between")
    missing = [part for part in wanted if part not in there]
    if missing:
        raise Failed(f"the backup has no {', '.join(missing)}. Expected: some of {', '.join(part for part in PARTS if part in there)}")
    return [part for part in PARTS if part in there and part in (wanted or usual)]


def nearest(known: list[Set], target: datetime.datetime) -> Set | None:
    """The set that has the files of a time: the first one after it, or else the newest; None where there is none."""
    after = [one for one in known if one.began >= target.timestamp()]
    return (after[:1] or known[-1:] or [None])[0]


def described(manifest: dict, part: str) -> dict:
    """A part for its host. The names of uploads travel with them: they may be many."""
    entry = {key: value for key, value in manifest["parts"][part].items() if part != "uploads" or key != "files"}
    return {"id": manifest["id"], "bytes": size(manifest, part), "mode": "replace", **entry}


def _to_restore_point(settings: dict, manifest: dict) -> dict:
    part = manifest["parts"]["postgresql"]
    refuse_version(settings, manifest["id"], part["version"])
    found = [backup for backup in _backups(settings) if backup["label"] == part["label"]]
    if not found:
        raise Failed(f"the database's repository has no backup {part['label']}, which backup {manifest['id']} needs. "
                     "Remedy: choose another backup")
    if found[0].get("error"):
        raise Failed(f"pgbackrest found damage when it made {part['label']}. Remedy: choose another backup")
    return {"recovery": ["--type=name", f"--target={part['restore_point']}", f"--target-timeline={part['timeline']}"],
            "cluster_bytes": found[0]["info"]["size"]}


def refuse_version(settings: dict, what: str, version: str) -> None:
    """PostgreSQL starts no directory of another major version."""
    theirs, ours = version.partition(".")[0], settings["postgresql"]["version"].partition(".")[0]
    if theirs == ours:
        return
    newer = int(theirs) > int(ours)
    raise Failed(f"backup {what} is of PostgreSQL {theirs}, {'newer' if newer else 'older'} than PostgreSQL {ours} on "
                 f"{settings['postgresql']['host']}. Expected: the same major version. Remedy: a host that runs PostgreSQL {theirs} "
                 "(postgresql_version)")


def _to_time(settings: dict, target: datetime.datetime) -> dict:
    """The database at a time: from the newest backup before it, along the timeline that was the present then."""
    backups = [backup for backup in _backups(settings) if not backup.get("error")]
    if not backups:
        raise Failed("the database's repository has no backup. Expected: one that was made before restore_to")
    info = PgBackRest(settings).stanza_info()
    newest = {"id": backups[-1]["database"]["id"], "repo": backups[-1]["database"].get("repo-key", 1)}
    database = next(entry for entry in info["db"] if entry["id"] == newest["id"])
    refuse_version(settings, backups[-1]["label"], database["version"])
    backup, timeline = along(
        [one for one in backups if one["database"]["id"] == newest["id"]],
        _histories(settings, f"{database['version']}-{newest['id']}"),
        target.timestamp(),
    )
    return {
        "label": backup["label"], "mode": "replace", "version": database["version"], "system_id": str(database["system-id"]),
        "bytes": backup["info"]["size"], "cluster_bytes": backup["info"]["size"], "timeline": timeline,
        "recovery": ["--type=time", f"--target={target.isoformat(sep=' ')}", f"--target-timeline={timeline}"],
    }  # fmt: skip


def along(backups: list[dict], histories: dict[int, dict], target: float) -> tuple[dict, int]:
    """The backup to begin with, and the timeline to follow.

    Each restore ends in a timeline of its own, and from then on that one is the present: at any time it is the newest one that
    there was. It can be reached from backups on itself and, before it left them, on the timelines that it comes from.

    Args:
        backups: as `pgbackrest info` tells of them.
        histories: timeline to `began`, in seconds since 1970, and `left`: the timelines it comes from to where it left them.
        target: seconds since 1970.
    """
    timeline = max((number for number, history in histories.items() if history["began"] <= target), default=1)
    left = histories[timeline]["left"] if timeline in histories else {}
    fitting = []
    for backup in backups:
        own = int(backup["archive"]["stop"][:8], 16)
        if backup["timestamp"]["stop"] <= target and (own == timeline or (own in left and lsn(backup["lsn"]["stop"]) <= left[own])):
            fitting.append(backup)
    if not fitting:
        first = min(backup["timestamp"]["stop"] for backup in backups)
        raise Failed(f"restore_to is before the end of the first backup that leads there, which ended at "
                     f"{datetime.datetime.fromtimestamp(first, datetime.UTC).isoformat(sep=' ')}. Expected: a time after it")
    return max(fitting, key=lambda backup: backup["timestamp"]["stop"]), timeline


def lsn(text: str) -> int:
    """A position in the write-ahead log as a number."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def _backups(settings: dict) -> list[dict]:
    repository = PgBackRest(settings)
    # Says what is wrong with a repository that cannot be read.
    repository.backups()
    return repository.stanza_info().get("backup", [])


def _histories(settings: dict, archive: str) -> dict[int, dict]:
    directory = f"archive/{settings['stanza']}/{archive}"
    listed = json.loads(run(["pgbackrest", "repo-ls", directory, "--output=json", r"--filter=\.history$"], user=USER))
    found = {}
    for name, entry in listed.items():
        if entry["type"] == "file":
            text = run(["pgbackrest", "repo-get", f"{directory}/{name}"], user=USER)
            found[int(name.partition(".")[0], 16)] = {"began": entry["time"], "left": parse_history(text)}
    return found


def parse_history(text: str) -> dict[int, int]:
    """A timeline's history file: the timelines it comes from, and where it left each."""
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return {int(line[0]): lsn(line[1]) for line in lines}
