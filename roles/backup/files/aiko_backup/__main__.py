"""Backups of the platform, on the host that keeps them.

    aiko-backup run             make one now, as the timer does
    aiko-backup list            those there are
    aiko-backup show ID         the manifest of one (ID, or latest)
    aiko-backup drill           restore the newest one on trial
    aiko-backup prune           remove what retention lets go
    aiko-backup status          in short, as JSON
    aiko-backup create          make the repositories where there are none, as site.yml does
    aiko-backup plan            what a restore would bring back (playbooks/restore.yml asks, in JSON)
    aiko-backup send            bring a plan's files to their hosts, beside what is there
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from . import backup, config, drill, lock, metrics, repository, restore_plan, restore_send
from .command import Failed, say
from .manifest import complete, find, load, prove, refuse_lost, refuse_unreadable, size
from .pgbackrest import PgBackRest
from .prune import prune
from .restic import Restic
from .restore_adopt import adopt
from .source import Source


def run(settings: dict) -> None:
    with lock.held():
        print(backup.take(settings))


def listed(settings: dict) -> None:
    for one in complete(Restic(settings)):
        proven = time.strftime("proven %Y-%m-%d %H:%M UTC", time.gmtime(one.proven)) if one.proven else "not proven yet"
        print(f"{one.identifier}  {proven}")


def show(settings: dict, identifier: str) -> None:
    restic = Restic(settings)
    print(json.dumps(load(restic, find(restic, identifier)), indent=1, sort_keys=True))


def trial(settings: dict) -> None:
    began = time.time()
    restic = Restic(settings)
    with lock.held():
        try:
            restic.unlock()
            refuse_unreadable(restic)
            chosen = find(restic, "latest")
            manifest = load(restic, chosen)
            refuse_lost(chosen, manifest, manifest["parts"])
            durations = drill.drill(settings, manifest)
            prove(restic, chosen, int(began))
            values = {
                "backup_last_verified_timestamp_seconds": int(began),
                "backup_last_verify_duration_seconds": round(time.time() - began, 1),
            }
        except Failed:
            metrics.write(settings, repository.values(settings, restic))
            raise
        metrics.write(settings, values | repository.values(settings, restic))
    for part, seconds in durations.items():
        say(f"{part}: {seconds:.1f} s")
    print(f"{chosen.identifier} is proven")


def pruned(settings: dict) -> None:
    with lock.held():
        restic = Restic(settings)
        prune(settings, restic, PgBackRest(settings))


def status(settings: dict) -> None:
    restic = Restic(settings)
    found = complete(restic)[::-1]
    newest = load(restic, found[0]) if found else None
    values = repository.values(settings, restic)
    proven = [one.identifier for one in found if one.proven]
    print(json.dumps({
        "sets": [{"id": one.identifier, "proven": one.proven} for one in found],
        "newest": found[0].identifier if found else None,
        "newest_age_seconds": int(time.time() - found[0].began) if found else None,
        "newest_bytes": {part: size(newest, part) for part in newest["parts"]} if newest else {},
        "newest_proven": proven[0] if proven else None,
        "repository_free_bytes": values.get("backup_repository_free_bytes"),
    }, indent=2))  # fmt: skip


def create(settings: dict) -> None:
    """Never touches a repository that is there: one of another cluster holds what somebody may need tomorrow."""
    with lock.held():
        restic = Restic(settings)
        if not restic.exists():
            restic.create()
            print("created the repository of files")
        adopt(settings)
        database = PgBackRest(settings)
        if not database.exists():
            database.create()
            print("created the repository of the database")
        if database.system_id() != Source(settings, "postgresql").call("measure", "postgresql")["system_id"]:
            say("the database's repository belongs to another cluster than the one that runs. Nothing is archived and no backup is made "
                "until restore.yml has brought the data back from it. Remedy:"
                " ansible-playbook playbooks/restore.yml -e backup_id=latest; or, if "
                "the data in it is not wanted any more, see docs/backups.md, A repository of another cluster")
        if metrics.missing(settings):
            # From now on a backup is expected; that there was none yet is what an alert is for.
            metrics.write(settings, {"backup_last_success_timestamp_seconds": 0, "backup_last_verified_timestamp_seconds": 0})


def planned(settings: dict) -> None:
    print(json.dumps(restore_plan.plan(settings, json.load(sys.stdin))))


def sent(settings: dict) -> None:
    with lock.held():
        print(json.dumps(restore_send.send(settings, json.load(sys.stdin))))


VERBS = {
    "create": create, "run": run, "list": listed, "show": show, "drill": trial, "prune": pruned, "status": status,
    "plan": planned, "send": sent,
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="aiko-backup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("identifier", nargs="?", metavar="ID")
    arguments = parser.parse_args()
    if (arguments.identifier is None) != (arguments.verb != "show"):
        parser.error("show takes an ID; the others take none")
    try:
        VERBS[arguments.verb](config.load(), *([arguments.identifier] if arguments.identifier else []))
    except Failed as failed:
        say(f"aiko-backup: {failed}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
