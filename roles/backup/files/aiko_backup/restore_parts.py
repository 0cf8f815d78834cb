"""The parts of the platform, each as something that is restored beside what runs, proved, and put into its place.

What is at PATH lives; what was restored waits at PATH.restored, in the same directory, so that a rename is all that is left to do.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import json
import os
import pathlib
import pwd
import shutil
import sqlite3
import time

from . import files, instance, rdb, tables
from .command import Failed, run, say
from .psql import USER, Database
from .restore import DONE, FILES, HOME, RECEIVED, rename, units

# What PostgreSQL may write while it replays, besides the files of the backup.
REPLAY = 256 * 1024 * 1024
# As the working directory of PostgreSQL is its data directory, this is right beside what runs as well as in its place.
RESTORE_COMMAND = 'pgbackrest --stanza={stanza} --pg1-path="$PWD" archive-get %f "%p"'
# What a restore leaves in postgresql.auto.conf, and nobody needs afterwards.
RECOVERY = ("restore_command", "recovery_target_name", "recovery_target_time", "recovery_target_timeline", "recovery_target_action")
STARTS_WITHIN = 3600
ENDED = ("failed", "inactive")
ARCHIVES_WITHIN = 60


class Part:
    """One part on this host.

    Args:
        settings: this host's.
        entry: what the settings say of the part.
        plan: what the plan says of it; for what is undone or forgotten, its `mode` alone.
    """

    name = ""
    # Files that belong to each place: they go where it goes.
    companions: tuple[str, ...] = ()

    def __init__(self, settings: dict, entry: dict, plan: dict):
        self.settings, self.entry, self.plan = settings, entry, plan

    @property
    def path(self) -> str:
        """What lives, as people are told of it."""
        return self.places()[0]

    def places(self) -> list[str]:
        """What is replaced."""
        return [self.entry["path"]]

    @staticmethod
    def staged(place: str) -> str:
        return f"{place}.restored"

    def before(self, identifier: str) -> str:
        """Where the safety copy of a restore is."""
        return f"{self.path}.before-{identifier}"

    def check(self) -> None:
        """Failed when this part cannot be replaced."""
        for place in self.places():
            if os.path.ismount(place):
                raise Failed(f"{place} is a mount point, which cannot be replaced as a whole. Expected: a directory of a larger file "
                             "system. Remedy: mount the file system one level above. Nothing was changed")
            if not os.path.isdir(os.path.dirname(place)):
                raise Failed(f"{os.path.dirname(place)} does not exist. Expected: a host that site.yml has made. "
                             "Remedy: run site.yml first")

    def needs(self) -> list[tuple[str, int]]:
        """Places, and the bytes that come there beside what an earlier run has brought."""
        return [(RECEIVED, self.to_come()), (self.path, max(0, self.plan["bytes"] - _bytes(self.staged(self.path))))]

    def to_come(self) -> int:
        """Bytes that have not been received yet."""
        return max(0, self.plan["bytes"] - _bytes(f"{RECEIVED}/{self.name}/{FILES}"))

    def received(self) -> dict:
        """What the backup host has sent must be, by name; Failed unless it is of the plan's backup."""
        done = pathlib.Path(RECEIVED, self.name, DONE)
        found = json.loads(done.read_text()) if done.exists() else {}
        if found.get("id") != self.plan["id"]:
            raise Failed(f"{self.name} of backup {self.plan['id']} has not come here. "
                         "Remedy: playbooks/restore.yml, which does all steps in order")
        return found["files"]

    def discard(self) -> None:
        """Remove what was restored beside."""
        for place in self.places():
            for suffix in ("", *self.companions):
                _remove(self.staged(place) + suffix)
        shutil.rmtree(f"{RECEIVED}/{self.name}", ignore_errors=True)

    def replace(self, identifier: str) -> None:
        """What lives becomes the safety copy, and what was restored lives. May be interrupted and called again anywhere."""
        for place in self.places():
            staged, before = self.staged(place), f"{place}.before-{identifier}"
            if not os.path.lexists(staged):
                if not os.path.lexists(place):
                    raise Failed(f"neither {place} nor {staged} is there. Remedy: look for {place}.before-*")
                continue
            if os.path.lexists(place):
                if os.path.lexists(before):
                    raise Failed(f"{place} is there again although it was moved to {before}. Expected: nobody who makes it. Remedy: stop "
                                 "who does, move it away, and repeat the restore")
                self._move_companions(place, before)
                rename(place, before)
            self._move_companions(staged, place)
            rename(staged, place)

    def _move_companions(self, origin: str, target: str) -> None:
        # Before what they belong to: as long as that is in its old place, a run that was killed comes here again.
        for suffix in self.companions:
            if os.path.lexists(origin + suffix):
                rename(origin + suffix, target + suffix)

    def notes(self) -> list[str]:
        """What is to be known when all is over."""
        return []

    def undoable(self, identifier: str) -> bool:
        return all(os.path.lexists(f"{place}.before-{identifier}") for place in self.places())

    def take_back(self, identifier: str) -> None:
        """Make a safety copy what is restored next."""
        for place in self.places():
            before, staged = f"{place}.before-{identifier}", self.staged(place)
            if os.path.lexists(before):
                self._move_companions(before, staged)
                rename(before, staged)

    def forget(self, identifier: str) -> None:
        for place in self.places():
            for suffix in ("", *self.companions):
                _remove(f"{place}.before-{identifier}{suffix}")


def _bytes(place: str) -> int:
    found = pathlib.Path(place)
    return sum(path.lstat().st_size for path in (found, *found.rglob("*")) if path.is_file())


def _device(path: str) -> int:
    return next(place for place in (pathlib.Path(path), *pathlib.Path(path).parents) if place.exists()).stat().st_dev


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _own(path: str, user: str, group: str) -> None:
    """Give a tree to accounts of this host: their numbers may differ from host to host."""
    uid, gid = pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid
    os.chown(path, uid, gid)
    for directory, names, inside in os.walk(path):
        for name in (*names, *inside):
            os.chown(os.path.join(directory, name), uid, gid, follow_symlinks=False)


def _goes_on(staged: str) -> bool:
    """Tell whether pgBackRest goes on with what a killed run has brought; what it would not go on with is removed."""
    # It makes the directories first, then its manifest, then the files, and takes a directory with neither of these two for
    # somebody else's (--delta in https://pgbackrest.org/command.html#command-restore).
    if any(os.path.exists(os.path.join(staged, name)) for name in ("backup.manifest", "PG_VERSION")):
        return True
    _remove(staged)
    return False


class PostgreSQL(Part):
    name = "postgresql"

    def places(self) -> list[str]:
        return [self.entry["data"]]

    @property
    def server(self) -> Database:
        return Database("postgres", self.entry["port"])

    def check(self) -> None:
        super().check()
        version = pathlib.Path(self.path, "PG_VERSION")
        theirs = self.plan["version"].split(".")[0]
        ours = version.read_text().strip() if version.exists() else self.entry["version"].split(".")[0]
        if theirs != ours:
            raise Failed(f"{self.path} is of PostgreSQL {ours}, and the backup of PostgreSQL {theirs}. Expected: the same major version. "
                         "Nothing was changed")
        tablespaces = pathlib.Path(self.path, "pg_tblspc")
        if tablespaces.exists() and any(tablespaces.iterdir()):
            raise Failed(f"{tablespaces} has tablespaces, which this project neither makes nor replaces. Expected: none. "
                         "Nothing was changed")

    def needs(self) -> list[tuple[str, int]]:
        return [(self.path, max(0, self.plan["cluster_bytes"] - _bytes(self.staged(self.path))) + REPLAY)]

    def stage(self) -> dict:
        staged = self.staged(self.path)
        if "--type=time" in self.plan["recovery"]:
            self._archive_the_present()
        instance.end_stale(staged)
        resumed = ["--delta"] if _goes_on(staged) else []
        os.makedirs(staged, exist_ok=True)
        os.chmod(staged, 0o700)
        shutil.chown(staged, USER, USER)
        say("postgresql: out of the repository" + (", with what an earlier run has brought" if resumed else ""))
        stanza = self.settings["stanza"]
        # It ends with this program, so that one that is called again does not find it at work.
        try:
            run(["setpriv", "--pdeathsig=TERM", "--", "pgbackrest", "restore", f"--stanza={stanza}", f"--pg1-path={staged}",
                 f"--set={self.plan['label']}", *self.plan["recovery"], "--target-action=promote",
                 f"--recovery-option=restore_command={RESTORE_COMMAND.format(stanza=stanza)}", *resumed], user=USER)
        except Failed as failure:
            raise Failed(f"the database's backup {self.plan['label']} cannot be restored: {failure}. "
                         "Remedy: choose another backup") from failure
        with instance.Instance(self.settings, staged) as server:
            say("postgresql: replaying what came after the backup began")
            server.start()
            server.wait_until_paused()
            found, revisions = server.fingerprint(), server.alembic()
        if "tables" in self.plan:
            tables.compare(self.plan["tables"], found)
            if revisions != self.plan["alembic"]:
                raise Failed(f"the schema is at {revisions}. Expected: {self.plan['alembic']}, as the manifest says")
        return {"tables": len(found), "rows": sum(table["rows"] for table in found.values()), "alembic": revisions}

    def _archive_the_present(self) -> None:
        """Recovery to a time needs to see a transaction after it: make one, and have it archived."""
        with contextlib.suppress(Failed):
            if self._identity() == self.plan["system_id"]:
                self.server.query("SELECT pg_current_xact_id();")
                say("postgresql: what was written until now goes to the repository first")
                if not self._archived():
                    say("WARNING: write-ahead log is not archived just now; a time of the last minutes may not be reached")

    def _identity(self) -> str:
        return self.server.query("SELECT system_identifier FROM pg_control_system();")

    def _archived(self) -> bool:
        """End the WAL segment that is written and wait until it is in the repository."""
        segment = self.server.query("SELECT pg_walfile_name(pg_current_wal_insert_lsn()); SELECT pg_switch_wal();").split()[0]
        until = time.monotonic() + ARCHIVES_WITHIN
        while time.monotonic() < until:
            if self.server.query(f"SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name = '{segment}.done';") == "1":  # noqa: S608
                return True
            time.sleep(0.2)
        return False

    def stop(self) -> None:
        units("stop", self.entry["unit"])

    def start(self) -> None:
        try:
            units("start", self.entry["unit"])
        except Failed as failure:
            raise Failed(f"{failure}\n{self._journal()}") from failure
        self._wait_until_it_writes()
        # Left in place they would be pending changes for ever, and a second recovery's target.
        self.server.query("".join(f"ALTER SYSTEM RESET {name};\n" for name in RECOVERY))
        units("restart", self.entry["unit"])
        self._wait_until_it_writes()

    def notes(self) -> list[str]:
        if not self._archived():
            return [f"WARNING: write-ahead log was not archived within {ARCHIVES_WITHIN} s. Remedy: see what pgbackrest says in aiko-logs "
                    "postgresql; it takes none of a cluster that the repository does not belong to"]
        return ["what is written from now on is archived, so that it can be restored to any time as well"]

    def _wait_until_it_writes(self) -> None:
        until = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                if self.server.query("SELECT pg_is_in_recovery();") == "f":
                    return
                answer = "it is still in recovery"
            except Failed as failure:
                answer = str(failure)
            if time.monotonic() > until or state_of(self.entry["unit"]) in ENDED:
                raise Failed(f"PostgreSQL does not come up with what was restored: {answer}\n{self._journal()}")
            time.sleep(0.1)

    def _journal(self) -> str:
        return run(["journalctl", "--namespace=*", "--no-pager", "--lines=20", "--output=cat", f"--unit={self.entry['unit']}"])

    def take_back(self, identifier: str) -> None:
        super().take_back(identifier)
        staged = pathlib.Path(self.staged(self.path))
        if staged.exists():
            # It goes on in a timeline of its own, as after any restore: the archive tells by them what was the present when.
            with (staged / "postgresql.auto.conf").open("a") as file:
                command = RESTORE_COMMAND.format(stanza=self.settings["stanza"])
                file.write(f"restore_command = '{command}'\nrecovery_target_timeline = 'current'\n")
            (staged / "recovery.signal").touch()
            shutil.chown(staged / "recovery.signal", USER, USER)


def state_of(unit: str) -> str:
    return run(["systemctl", "show", "--value", "--property=ActiveState", unit]).strip()


class Redis(Part):
    name = "redis"

    def places(self) -> list[str]:
        return [one["data"] for one in self.entry["instances"].values()]

    def check(self) -> None:
        super().check()
        theirs, ours = sorted(name.removesuffix(".rdb") for name in self.plan["files"]), sorted(self.entry["instances"])
        if theirs != ours:
            raise Failed(f"the backup has Redis {', '.join(theirs)}, and this host {', '.join(ours)}. Expected: the same (redis_layout). "
                         "Remedy: restore the other parts with -e parts=..., or set redis_layout as it was and run site.yml. "
                         "Nothing was changed")

    def needs(self) -> list[tuple[str, int]]:
        # Received; where they live, and meanwhile two copies to load on trial.
        there = sum(_bytes(self.staged(place)) for place in self.places())
        return [(RECEIVED, self.to_come()), (self.path, max(0, 3 * self.plan["bytes"] - there))]

    def stage(self) -> dict:
        expected = self.received()
        directory = pathlib.Path(RECEIVED, self.name, FILES)
        files.verify(str(directory), expected)
        keys = {}
        for name, one in self.entry["instances"].items():
            staged = self.staged(one["data"])
            _remove(staged)
            os.mkdir(staged)
            # As its package makes it.
            os.chmod(staged, 0o750)  # noqa: S103
            shutil.chown(staged, self.entry["user"], self.entry["user"])
            # Loaded on trial by an account that cannot read what was received.
            dump = shutil.copyfile(directory / f"{name}.rdb", f"{staged}/dump.rdb")
            keys[name] = rdb.check(dump)
            rdb.append_only(dump, staged)
            os.unlink(dump)
        return {"keys": keys}

    def stop(self) -> None:
        units("stop", *[one["unit"] for one in self.entry["instances"].values()])

    def start(self) -> None:
        units("start", *[one["unit"] for one in self.entry["instances"].values()])
        until = time.monotonic() + STARTS_WITHIN
        for name, one in self.entry["instances"].items():
            # It says LOADING until it has read everything.
            while (answer := _ping(name)) != "PONG":
                if time.monotonic() > until or state_of(one["unit"]) in ENDED:
                    raise Failed(f"Redis {name} does not come up with what was restored; it says {answer}. Remedy: see aiko-logs redis")
                time.sleep(0.1)


def _ping(name: str) -> str:
    try:
        return run(["aiko-redis", name, "PING"]).strip()
    except Failed as failure:
        return str(failure)


class Uploads(Part):
    """In mode `replace` the directory becomes that of the backup; in mode `complete` files that are missing come back, and no file goes."""

    name = "uploads"

    @property
    def completes(self) -> bool:
        return self.plan["mode"] == "complete"

    def before(self, identifier: str) -> str:
        return str(HOME / f"added-{identifier}.json") if self.completes else super().before(identifier)

    def needs(self) -> list[tuple[str, int]]:
        if _device(RECEIVED) != _device(os.path.dirname(self.path)):
            return super().needs()
        # What was received becomes what is restored; only where the backup host is another one is it sent again after that.
        taken = _bytes(self.staged(self.path)) if self.settings.get("restic") else 0
        return [(self.path, max(0, self.to_come() - taken))]

    def stage(self) -> dict:
        staged, came = self.staged(self.path), pathlib.Path(RECEIVED, self.name, FILES)
        expected = self.received()
        if came.exists():
            files.verify(str(came), expected)
            _remove(staged)
            if self.completes:
                for path in [path for path in expected if not os.path.lexists(os.path.join(self.path, path))]:
                    _link(str(came / path), os.path.join(staged, path))
                os.makedirs(staged, exist_ok=True)
            else:
                _take(str(came), staged)
        elif not self.completes:
            # A killed run has taken them.
            files.verify(staged, expected)
        _own(staged, self.entry["user"], self.entry["group"])
        # As the application makes them: several accounts of one group write here. Backups do not keep the bit that hands on the group.
        for directory, _, _ in os.walk(staged):
            os.chmod(directory, 0o2770)  # noqa: S103
        return {"files": len(expected)} | ({"missing": len(_inside(staged))} if self.completes else {})

    def stop(self) -> None:
        """Who uses it was stopped on all hosts."""

    def start(self) -> None:
        """Nothing of its own runs."""

    def replace(self, identifier: str) -> None:
        if not self.completes:
            super().replace(identifier)
            return
        staged = pathlib.Path(self.staged(self.path))
        if not staged.exists():
            return
        missing = _inside(str(staged))
        note = pathlib.Path(self.before(identifier))
        if not note.exists():
            note.write_text(json.dumps(missing, indent=1))
        for path in missing:
            target = os.path.join(self.path, path)
            _make_like(os.path.dirname(target), str(staged / os.path.dirname(path)))
            if not os.path.lexists(target):
                rename(str(staged / path), target)
        shutil.rmtree(staged)

    def undoable(self, identifier: str) -> bool:
        return self.completes or super().undoable(identifier)

    def take_back(self, identifier: str) -> None:
        if self.completes:
            say(f"uploads: the files that were added stay; {self.before(identifier)} lists them")
        else:
            super().take_back(identifier)

    def forget(self, identifier: str) -> None:
        if self.completes:
            _remove(self.before(identifier))
        else:
            super().forget(identifier)


def _inside(directory: str) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in pathlib.Path(directory).rglob("*") if path.is_file())


def _take(origin: str, target: str) -> None:
    """Move a directory in one step, or copy it to another file system: whenever this is killed, one of the two is whole."""
    try:
        os.rename(origin, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        run(["cp", "--archive", "--reflink=auto", origin, target])


def _link(origin: str, target: str) -> None:
    """Have a file in a second place too; what was received stays whole, so that it can be proved again."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        os.link(origin, target)
    except OSError:
        shutil.copy2(origin, target)


def _make_like(directory: str, model: str) -> None:
    """Make a directory, and those above it, with owner and mode of others."""
    if os.path.isdir(directory):
        return
    _make_like(os.path.dirname(directory), os.path.dirname(model))
    status = os.stat(model)
    os.mkdir(directory)
    os.chown(directory, status.st_uid, status.st_gid)
    os.chmod(directory, 0o2770)  # noqa: S103


class Grafana(Part):
    name = "grafana"
    companions = ("-wal", "-shm", "-journal")

    def stage(self) -> dict:
        expected = self.received()
        came = pathlib.Path(RECEIVED, self.name, FILES)
        files.verify(str(came), expected)
        with contextlib.closing(sqlite3.connect(f"file:{came}/grafana.db?immutable=1", uri=True)) as database:
            try:
                answer = database.execute("PRAGMA integrity_check(3)").fetchone()[0]
            except sqlite3.DatabaseError as error:
                answer = str(error)
        if answer != "ok":
            raise Failed(f"Grafana's database is damaged: {answer}")
        staged = self.staged(self.path)
        _remove(staged)
        shutil.copyfile(came / "grafana.db", staged)
        shutil.chown(staged, self.entry["user"], self.entry["group"])
        os.chmod(staged, 0o640)
        return {"bytes": os.path.getsize(staged)}

    def stop(self) -> None:
        units("stop", "grafana-server.service")

    def start(self) -> None:
        units("start", "grafana-server.service")


KINDS = {part.name: part for part in (PostgreSQL, Redis, Uploads, Grafana)}
