"""A PostgreSQL of its own for a restored data directory, beside whatever else runs on the host.

It listens in a private directory only, archives nothing, is not known to Debian's pg_lsclusters, and ends when this program does.
It stays in recovery, read-only and paused at the target, so that the directory can afterwards be started in earnest.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from . import tables
from .command import Failed, as_user, run, say
from .psql import USER, Database, account, environment

# Debian keeps postgresql.conf outside of the data directory, so that a restored one has none. What matters is given as arguments, which
# stand above postgresql.auto.conf; that one carries the recovery's target.
SETTINGS = {
    "listen_addresses": "", "port": "5432", "unix_socket_permissions": "0700", "ssl": "off", "external_pid_file": "",
    "cluster_name": "aiko-proof",
    "archive_mode": "off", "archive_command": "", "primary_conninfo": "", "primary_slot_name": "", "synchronous_standby_names": "",
    "hot_standby": "on", "recovery_target_action": "pause", "restart_after_crash": "off",
    "shared_preload_libraries": "", "session_preload_libraries": "", "local_preload_libraries": "",
    "shared_buffers": "128MB", "maintenance_work_mem": "128MB", "huge_pages": "off", "autovacuum": "off", "jit": "off",
    "logging_collector": "off", "log_destination": "stderr", "log_line_prefix": "", "log_min_messages": "warning", "log_statement": "none",
    "log_min_duration_statement": "-1", "log_connections": "off", "log_timezone": "UTC", "lc_messages": "C",
}  # fmt: skip
# What hot standby needs at least as much of as the primary had (postgresql.org/docs/current/hot-standby.html), and its name in
# pg_controldata.
AT_LEAST = {
    "max_connections": "max_connections setting", "max_worker_processes": "max_worker_processes setting",
    "max_wal_senders": "max_wal_senders setting", "max_prepared_transactions": "max_prepared_xacts setting",
    "max_locks_per_transaction": "max_locks_per_xact setting",
}  # fmt: skip
RAISED = re.compile(r"(\w+) = \d+ is a lower setting than on the primary server, where its value was (\d+)")
STOPPED = "recovery stopping"
# What the server's log says, and what that means.
MEANINGS = {
    "recovery ended before configured recovery target was reached":
        "the archive's WAL ends, or has a gap or a damaged segment, before that point",
    "WAL ends before end of online backup": "WAL that was written during the backup is missing from the archive",
    "could not locate required checkpoint record": "the WAL that the backup begins with is missing from the archive",
    "could not locate a valid checkpoint record": "the WAL that the backup begins with is missing from the archive",
    "WAL contains references to invalid pages": "restored files are damaged or missing: WAL changes pages that are not there",
    "invalid page in block": "restored files are damaged: a page's checksum or header is wrong",
    "database files are incompatible with server": "it was made by another major version of PostgreSQL",
    "database locale is incompatible": "this host lacks the locale of the database; add it to /etc/locale.gen and run locale-gen",
    "No space left on device": "the disk is full",
    "could not map anonymous shared memory": "there is not enough memory",
}  # fmt: skip
# Whoever asks too early is told so as well; that is no reason.
WORST = re.compile(r"^.*(?:FATAL|PANIC|ERROR):(?!  the database system is (?:starting up|not yet accepting connections)).*$", re.MULTILINE)


class Instance:
    """A restored directory, and the server that shows what is in it.

    Args:
        settings: of which `postgresql` names programs and database.
        directory: what `pgbackrest restore` filled.
    """

    def __init__(self, settings: dict, directory: str):
        self.programs = settings["postgresql"]["programs"]
        self.directory = os.path.realpath(directory)
        self.name = settings["postgresql"]["database"]
        self.process: subprocess.Popen | None = None
        self.private: pathlib.Path | None = None
        self.raised: dict[str, int] = {}

    def __enter__(self) -> Instance:
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    @property
    def database(self) -> Database:
        return Database(self.name, int(SETTINGS["port"]), str(self.private))

    def start(self) -> None:
        """Begin recovery. Whoever wants to see something waits until it is paused."""
        end_stale(self.directory)
        self._refuse_unsuitable()
        # A short path, since those of sockets have an end after 107 bytes.
        self.private = pathlib.Path(tempfile.mkdtemp(prefix="aiko-postgresql-"))
        (self.private / "postgresql.conf").write_text("")
        (self.private / "pg_ident.conf").write_text("")
        (self.private / "pg_hba.conf").write_text(f"local all {USER} peer\n")
        for path in (self.private, *self.private.iterdir()):
            if account():
                shutil.chown(path, USER, USER)
        own = {"data_directory": self.directory, "unix_socket_directories": str(self.private), **{
            f"{name}_file": str(self.private / file)
            for name, file in (("config", "postgresql.conf"), ("hba", "pg_hba.conf"), ("ident", "pg_ident.conf"))
        }}  # fmt: skip
        arguments = [word for name, value in (SETTINGS | own | self._least()).items() for word in ("-c", f"{name}={value}")]
        with open(self.private / "log", "w") as log:
            # The kernel ends it, orderly, when this program dies.
            self.process = subprocess.Popen(
                [*as_user(account()), "setpriv", "--pdeathsig=INT", "--", f"{self.programs}/postgres", *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, env=environment(), start_new_session=True,
            )  # fmt: skip

    def _refuse_unsuitable(self) -> None:
        if not os.path.exists(f"{self.programs}/postgres"):
            raise Failed(f"{self.programs}/postgres is not here. Expected: the programs of the major version that was backed up. "
                         "Remedy: run site.yml, which installs them")
        version = pathlib.Path(self.directory, "PG_VERSION")
        ours = run([f"{self.programs}/postgres", "--version"]).split()[2].split(".")[0]
        if not version.exists() or version.read_text().strip() != ours:
            found = f"is of PostgreSQL {version.read_text().strip()}" if version.exists() else "is no data directory"
            raise Failed(f"{self.directory} {found}. Expected: one of PostgreSQL {ours}")

    def _control(self) -> dict[str, str]:
        text = run([f"{self.programs}/pg_controldata", self.directory], user=account(), env=environment() | {"LC_ALL": "C"}, cwd="/")
        return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}

    def _least(self) -> dict[str, str]:
        control = self._control()
        return {name: str(max(int(control[key]), self.raised.get(name, 0))) for name, key in AT_LEAST.items()}

    def wait_until_paused(self, timeout: float | None = None) -> None:
        """Wait until recovery has come to its target; Failed with the reason when it does not."""
        began, told = time.monotonic(), time.monotonic()
        while True:
            # Who is asked in the moment of dying answers wrongly.
            ended = self.process.poll() is not None
            state = self._state()
            if ended:
                raise Failed(f"PostgreSQL cannot bring {self.directory} to that point: {explain(self.log())}")
            raised = {name: int(value) for name, value in RAISED.findall(self.log())}
            if any(value > self.raised.get(name, 0) for name, value in raised.items()):
                say("the primary's limits were raised since that backup: once more with higher ones")
                self.stop()
                self.raised |= raised
                self.start()
                continue
            if state and not state["recovery"]:
                raise Failed(f"{self.directory} did not stay in recovery. Expected: recovery.signal and a target, as pgbackrest restore "
                             "writes them")
            if state and state["paused"] and STOPPED in self.log():
                return
            if timeout is not None and time.monotonic() - began > timeout:
                at = state["lsn"] if state else "its start"
                raise Failed(f"PostgreSQL did not come to that point within {timeout:.0f} s; it is at {at}")
            if time.monotonic() - told > 10:
                told = time.monotonic()
                say(f"replaying WAL for {told - began:.0f} s, at {state['lsn'] if state else 'the beginning'}")
            time.sleep(0.1)

    def _state(self) -> dict | None:
        """How far it is; None before it can be asked."""
        try:
            recovery, paused, lsn = self.database.query(
                "SELECT pg_is_in_recovery(), pg_get_wal_replay_pause_state() = 'paused', pg_last_wal_replay_lsn();"
            ).split("|")
        except Failed as failure:
            # It runs, and nobody can use the database, however long one waits.
            if "locale" in str(failure) or "does not exist" in str(failure) and "database" in str(failure):
                raise Failed(f"the restored database cannot be opened: {explain(str(failure))}") from failure
            return None
        return {"recovery": recovery == "t", "paused": paused == "t", "lsn": lsn}

    def log(self) -> str:
        return (self.private / "log").read_text(errors="replace")

    def fingerprint(self) -> dict:
        return tables.fingerprint(self.database)

    def alembic(self) -> list[str]:
        return tables.alembic(self.database)

    def amcheck(self) -> None:
        """Check tables and B-trees against each other; Failed with the first damage."""
        if not self.database.query("SELECT extname FROM pg_extension WHERE extname = 'amcheck';"):
            raise Failed(f"the database {self.name} lacks the extension amcheck, and nothing can be added in recovery. Expected: what the "
                         "role backup creates. Remedy: run site.yml, and make a backup")
        program = f"{self.programs}/pg_amcheck"
        unique = ["--checkunique"] if "--checkunique" in run([program, "--help"]) else []
        try:
            run([program, "--host", self.database.sockets, "--port", str(self.database.port), "--username", USER, "--database", self.name,
                 "--jobs", str(os.cpu_count() or 1), "--heapallindexed", *unique], user=account(), env=environment(), cwd="/")
        except Failed as failure:
            raise Failed(f"pg_amcheck finds damage: {failure}") from failure

    def checksums(self) -> bool:
        """Check every page of the stopped directory; False where the cluster keeps no checksums."""
        if self._control().get("Data page checksum version", "0") == "0":
            return False
        try:
            run([f"{self.programs}/pg_checksums", "--check", "--pgdata", self.directory], user=account(), env=environment(), cwd="/")
        except Failed as failure:
            raise Failed(f"pages are damaged: {failure}") from failure
        return True

    def stop(self) -> None:
        """End it in an orderly way, so that the directory can be started again."""
        if self.process:
            _end(self.process.pid, self.process.poll)
            self.process = None
        if self.private:
            shutil.rmtree(self.private, ignore_errors=True)
            self.private = None


def explain(log: str) -> str:
    """The reason in a log, in a sentence, with the words that gave it away."""
    worst = list(dict.fromkeys(line.strip() for line in WORST.findall(log)))
    meaning = next((meaning for words, meaning in MEANINGS.items() if words in log), None)
    words = "; ".join(worst[-3:]) or log.strip()[-300:] or "no reason given"
    return f"{meaning} ({words})" if meaning else words


def end_stale(directory: str) -> None:
    """End a server that a killed run left in this directory, and remove its note, which pgbackrest takes for the server itself."""
    note = pathlib.Path(directory, "postmaster.pid")
    with contextlib.suppress(FileNotFoundError, ValueError):
        pid = int(note.read_text().split("\n", 1)[0])
        # The number may belong to somebody else by now; a postmaster works in its data directory.
        if os.path.realpath(f"/proc/{pid}/cwd") == os.path.realpath(directory):
            say(f"ending the PostgreSQL that an earlier run left in {directory}")
            _end(pid, lambda: None if os.path.exists(f"/proc/{pid}") else 0)
    note.unlink(missing_ok=True)


def _end(pid: int, poll) -> None:
    # Fast, then immediate, then none that anybody can ignore (postgresql.org/docs/current/server-shutdown.html).
    for number, patience in ((signal.SIGINT, 120), (signal.SIGQUIT, 30), (signal.SIGKILL, 30)):
        if poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        until = time.monotonic() + patience
        while poll() is None and time.monotonic() < until:
            time.sleep(0.05)
