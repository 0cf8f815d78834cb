"""The repository of the database: pgBackRest, always as the user postgres (pgbackrest.org/command.html)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from . import store
from .command import Failed, run

USER = "postgres"
# What `info` says of a stanza that is not there (command/info, "status").
NO_STANZA = 1
# The name that it gives to what it learns nothing about.
UNKNOWN = "[invalid]"
# And the status of a repository that it could not read; the message says why, such as a key that does not fit.
UNREADABLE = 99
# Seconds for what asks the other host only for a few words; by default it would wait for half an hour (configuration.html, "db-timeout").
PROMPT = ("--db-timeout=60", "--protocol-timeout=90")


@dataclass(frozen=True)
class Backup:
    """One backup in the repository."""

    label: str
    identifier: str
    system_id: str
    version: str
    database_bytes: int
    # What it added to the repository.
    repository_bytes: int
    stop: int
    error: bool

    @property
    def full(self) -> str:
        """The label of the full backup it builds upon; its own when it is one."""
        return self.label.partition("_")[0]

    @property
    def kind(self) -> str:
        return "full" if self.label.endswith("F") else "incr"


class PgBackRest:
    """The stanza of this environment."""

    def __init__(self, settings: dict, configuration: str | None = None):
        self.stanza = settings["stanza"]
        self.configuration = configuration

    def call(self, command: str, *arguments: str) -> str:
        own = [f"--config={self.configuration}"] if self.configuration else []
        return run(["pgbackrest", command, f"--stanza={self.stanza}", *own, *arguments], user=USER)

    def info(self) -> list[dict]:
        # Not strict: what it says of a repository that it cannot read has line breaks as they are.
        found = json.loads(run(["pgbackrest", "info", "--output=json"], user=USER), strict=False)
        problems = [repo["status"]["message"] for one in found if one["name"] == UNKNOWN for repo in one["repo"]]
        if problems:
            said = problems[0].splitlines()[0]
            raise store.denied(problems[0]) or Failed(f"the database's repository cannot be read: {said}. Expected: the repository of this "
                                                      "environment. Remedy: see whether its disk or store is there")
        return found

    def exists(self) -> bool:
        """Whether the repository has this stanza."""
        return any(one["name"] == self.stanza and one["status"]["code"] != NO_STANZA for one in self.info())

    def create(self) -> None:
        self.call("stanza-create", *PROMPT)

    def system_id(self) -> str:
        """The cluster that the repository belongs to; the last one, if it was upgraded."""
        return str(self.stanza_info()["db"][-1]["system-id"])

    def stanza_info(self) -> dict:
        found = [one for one in self.info() if one["name"] == self.stanza]
        if not found:
            raise Failed(f"the repository has no stanza {self.stanza}. Remedy: run site.yml, which makes it")
        return found[0]

    def backups(self) -> list[Backup]:
        """What the repository holds, the oldest first."""
        info = self.stanza_info()
        problems = [repo["status"]["message"] for repo in info.get("repo", []) if repo["status"]["code"] == UNREADABLE]
        if problems:
            raise Failed(f"the database's repository cannot be read: {problems[0]}. Expected: the repository of this environment and the "
                         "secret backup_database_key that it was made with")
        systems = {system["id"]: system for system in info.get("db", [])}
        return [
            Backup(
                label=one["label"],
                identifier=(one.get("annotation") or {}).get("id", ""),
                system_id=str(systems[one["database"]["id"]]["system-id"]),
                version=systems[one["database"]["id"]]["version"],
                database_bytes=one["info"]["size"],
                repository_bytes=one["info"]["repository"].get("delta", 0),
                stop=one["timestamp"]["stop"],
                error=bool(one.get("error")),
            )
            for one in info.get("backup", [])
        ]

    def backup(self, kind: str, identifier: str) -> Backup:
        """Take a backup of kind `full` or `incr`; returns it as `backups` does."""
        self.call("backup", f"--type={kind}", f"--annotation=id={identifier}")
        made = [backup for backup in self.backups() if backup.identifier == identifier]
        if not made or made[-1].error:
            raise Failed("pgbackrest ended well, but its repository has no good backup of that run. Remedy: see aiko-logs backup")
        return made[-1]

    def expire(self, label: str) -> None:
        """Remove a backup and those that build upon it, and the WAL that nobody needs any more."""
        self.call("expire", f"--set={label}")
