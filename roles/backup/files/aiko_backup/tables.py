"""What every table holds, and the moment at which it is known.

A table's fingerprint is its number of rows and the sum of a 64-bit hash of every row's text: the same in any order, computed in
one pass by as many processes as PostgreSQL likes, and changed by any change of any value. The hash is PostgreSQL's own and may
change with its major version or byte order, neither of which a physical restore survives either.

The moment: all tables are locked against writing until a restore point is in the WAL and a snapshot is taken, a matter of
milliseconds. Who holds the lock has seen every earlier writer end, so that what the snapshot sees is exactly what recovery to
that restore point brings back. The fingerprints are computed afterwards, in the snapshot, while the platform goes on writing.

Not covered, since no exact answer exists: sequences (numbers are given out past transactions, and WAL runs 32 numbers ahead:
a restored sequence is never behind), unlogged tables (empty after any recovery), large objects, and a materialised view that is
refreshed in the same instant (it cannot be locked).
"""

from __future__ import annotations

import json
import os
import re
import time

from .command import Failed, say
from .psql import Database, Refused, Session

IDENTIFIER = re.compile(r"\d{8}_\d{6}")
# Seconds between the tries for the locks: together longer than PostgreSQL here lets a transaction idle (roles/postgresql).
PAUSES = (0.2, 0.5, 1, 1, 2, 2, 4, 8, 15, 30, 60, 60, 60, 60)
# No try waits longer than this, in milliseconds, since all other writers queue behind it.
PATIENCE = 1000
# Ours is the first to look for a deadlock, so that no other transaction is the one that is given up for it. Autovacuum gives way then.
OWN_DEADLOCK_TIMEOUT = 200
# Seconds between two looks at whom we wait for.
LOOK = 0.02
# SQLSTATE: lock_not_available, query_canceled (statement_timeout), deadlock_detected.
BUSY = ("55P03", "57014", "40P01")
ARCHIVED_WITHIN = 600

SELECTED = r"""
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated) AND c.relpersistence = 'p'
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
NAME = "format('%I.%I', n.nspname, c.relname)"
LIST = f"""
SELECT coalesce(json_agg(json_build_object('name', {NAME}, 'kind', c.relkind, 'bytes', coalesce(pg_table_size(c.oid), 0),
                                           'alembic', c.relname = 'alembic_version') ORDER BY c.oid), '[]')
{SELECTED};
"""
SIGNATURE = f"SELECT md5(coalesce(string_agg(c.oid || ' ' || {NAME}, ',' ORDER BY c.oid), '')) {SELECTED}"
# Whole rows: (row.*)::text also where a column has the name of the alias.
FINGERPRINT = """
SELECT json_build_object('rows', count(*), 'sum', coalesce(sum(hashtextextended((aiko_row.*)::text COLLATE "C", 0)), 0)::text)
FROM ONLY {name} AS aiko_row;
"""
ISO = """to_char({time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""
BLOCKERS = """
SELECT json_agg(json_build_object(
    'pid', b.pid, 'waits_for_us', {pid} = ANY (pg_blocking_pids(b.pid)),
    'state', coalesce(a.state, a.backend_type), 'name', a.application_name, 'seconds', extract(epoch FROM now() - a.xact_start)::int,
    'table', (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
              JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE l.pid = {pid} AND NOT l.granted LIMIT 1)))
FROM unnest(pg_blocking_pids({pid})) AS b (pid) LEFT JOIN pg_stat_activity AS a USING (pid);
"""
# Whether a segment waits; one that is gone was archived before.
UNARCHIVED = """
SELECT EXISTS (SELECT FROM pg_ls_archive_statusdir() WHERE name = '{segment}.ready')
    OR EXISTS (SELECT FROM pg_ls_waldir() AS w WHERE w.name = '{segment}'
               AND NOT EXISTS (SELECT FROM pg_ls_archive_statusdir() AS s WHERE s.name = '{segment}.done'));
"""
ARCHIVER = """
SELECT format('%s failures, the last one with %s at %s', failed_count, last_failed_wal, last_failed_time) FROM pg_stat_archiver;
"""


def fingerprint(database: Database, processes: int | None = None) -> dict:
    """What every table holds: {"schema.table": {"rows": 3, "sum": "123"}}; nobody may be writing.

    Args:
        database: where.
        processes: how many may read one table at the same time; as many as there are processors when None.
    """
    with Session(database) as session:
        session.ask("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;")
        return _fingerprints(session, _tables(session), processes or os.cpu_count() or 1)


def alembic(database: Database) -> list[str]:
    """The revisions that the schema is at, in order; none where Alembic does not reign."""
    with Session(database) as session:
        return _alembic(session, _tables(session))


def _tables(session: Session) -> list[dict]:
    return json.loads(session.ask(LIST))


def _alembic(session: Session, tables: list[dict]) -> list[str]:
    found = [table["name"] for table in tables if table["alembic"]]
    return sorted(json.loads(session.ask(f"SELECT coalesce(json_agg(version_num), '[]') FROM {found[0]};"))) if found else []  # noqa: S608


def _fingerprints(session: Session, tables: list[dict], processes: int) -> dict:
    # The helpers of this session share its locks; sessions of their own would wait behind whoever waits for these.
    session.ask(f"SET LOCAL max_parallel_workers_per_gather = {processes - 1};")
    found = {}
    for table in tables:
        try:
            found[table["name"]] = json.loads(session.ask(FINGERPRINT.format(name=table["name"])))
        except Refused as refused:
            raise Failed(f"table {table['name']} cannot be read: {refused}") from refused
    return found


def compare(expected: dict, found: dict) -> None:
    """Failed with the first differences between two fingerprints."""
    wrong = []
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            wrong.append(f"{name} is missing")
        elif name not in expected:
            wrong.append(f"{name} should not be there")
        elif expected[name]["rows"] != found[name]["rows"]:
            wrong.append(f"{name} has {found[name]['rows']} rows, not {expected[name]['rows']}")
        elif expected[name] != found[name]:
            wrong.append(f"{name} has the right number of rows, but not their contents")
    if wrong:
        more = f", and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise Failed(f"{len(wrong)} of {len(expected)} tables are not what they were: {', '.join(wrong[:5])}{more}")


def mark(settings: dict, identifier: str) -> dict:
    """Set the restore point of a backup, and say what the database holds there; on the database's host.

    Args:
        settings: this host's.
        identifier: the backup's, YYYYMMDD_HHMMSS; its restore point is aiko_YYYYMMDD_HHMMSS, and after a second try aiko_YYYYMMDD_HHMMSS_2.
    """
    if not IDENTIFIER.fullmatch(identifier):
        raise Failed(f"a backup's id is YYYYMMDD_HHMMSS, not {identifier[:50]}")
    database = Database(settings["postgresql"]["database"], settings["postgresql"]["port"])
    with Session(database) as session, Session(database) as watch:
        _refuse_unarchived(watch, settings)
        tables, marked = _moment(session, watch, f"aiko_{identifier}")
        archived = _switch(watch, marked["lsn"])
        say(f"fingerprints of {len(tables)} tables, {sum(table['bytes'] for table in tables) >> 20} MB")
        found = {
            **marked, "timeline": int(archived[:8], 16),
            **json.loads(session.ask(
                "SELECT json_build_object('version', split_part(current_setting('server_version'), ' ', 1),"
                " 'system_id', (SELECT system_identifier::text FROM pg_control_system()),"
                " 'database_bytes', pg_database_size(current_database()));")),
            "alembic": _alembic(session, tables),
            # The other half of the processors is for those who work there.
            "tables": _fingerprints(session, tables, max(1, (os.cpu_count() or 1) // 2)),
        }  # fmt: skip
        session.ask("ROLLBACK;")
        _wait_archived(watch, settings, archived)
        return found


def _refuse_unarchived(watch: Session, settings: dict) -> None:
    if watch.ask("SELECT current_setting('archive_mode') <> 'off' AND current_setting('wal_level') <> 'minimal';") != "t":
        raise Failed(f"PostgreSQL on {settings['postgresql']['host']} does not archive its WAL. Expected: archive_mode on. "
                     "Remedy: run site.yml, which sets it and restarts PostgreSQL")


def _moment(session: Session, watch: Session, restore_point: str) -> tuple[list[dict], dict]:
    """Returns the tables and what was marked; the transaction of `session` is left open and sees that moment."""
    deadlock = int(watch.ask("SELECT setting FROM pg_settings WHERE name = 'deadlock_timeout';"))
    # Nobody who waits for us may come to look for a deadlock, find one, and give up its own transaction.
    patience = min(PATIENCE, int(deadlock * 0.8))
    order: list[str] = []
    blocker = None
    for attempt, pause in enumerate((*PAUSES, None), start=1):
        tables = _tables(watch)
        # What was waited for in vain goes first: a transaction that holds it already cannot then wait for another one of ours.
        ordinary = [table["name"] for table in tables if table["kind"] == "r"]
        names = sorted(ordinary, key=lambda name: order.index(name) if name in order else len(order))
        try:
            # A try that was cut off may have left its restore point, and recovery stops at the first one of a name.
            name = restore_point if attempt == 1 else f"{restore_point}_{attempt}"
            marked = _try_moment(session, watch, names, name, patience)
            if marked:
                return tables, marked
            say("tables came or went just now")
        except Busy as busy:
            blocker = busy.blocker or blocker
            if busy.table:
                order = [busy.table, *(name for name in order if name != busy.table)]
            say(f"try {attempt} of {len(PAUSES) + 1}: tables could not be locked; {_described(blocker)}"
                + (f"; again in {pause} s" if pause else ""))
        if pause:
            time.sleep(pause)
    raise Failed(
        f"no moment without writers was found in {len(PAUSES) + 1} tries over {sum(PAUSES):.0f} s: {_described(blocker)}. Expected: "
        "transactions that end. Remedy: let it end, or end it with SELECT pg_terminate_backend(PID), and make the backup again"
    )


class Busy(Exception):
    """The locks were not to be had."""

    def __init__(self, blockers: list[dict] | None):
        super().__init__()
        self.blocker = blockers[0] if blockers else None
        self.table = self.blocker["table"] if self.blocker else None


def _described(blocker: dict | None) -> str:
    if not blocker:
        return "nobody holds them for long, but all together always"
    if not blocker["pid"]:
        return f"a prepared transaction holds {blocker['table']} (see pg_prepared_xacts)"
    return (f"process {blocker['pid']} ({blocker['name'] or 'no name'}; {blocker['state']}; its transaction is {blocker['seconds'] or 0} s "
            f"old) holds {blocker['table'] or 'one of them'}")


def _try_moment(session: Session, watch: Session, names: list[str], restore_point: str, patience: int) -> dict | None:
    """One try for the locks; None when the tables are no longer those of the list."""
    signature = watch.ask(f"{SIGNATURE};")
    every = ", ".join(f"ONLY {name}" for name in names)
    # Held until the fingerprints are made, as pg_dump does: a snapshot does not protect from TRUNCATE and from tables written anew.
    keep = f"LOCK TABLE {every} IN ACCESS SHARE MODE" if names else "SELECT"
    against_writers = f"LOCK TABLE {every} IN SHARE MODE" if names else "SELECT"
    values = {"lock_timeout": patience, "statement_timeout": patience, "deadlock_timeout": OWN_DEADLOCK_TIMEOUT}
    limits = " \\; ".join(f"SET LOCAL {name} = {value}" for name, value in values.items())
    # Sent as one, so that the locks are held no longer than the server takes. LOCK takes no snapshot: the first SELECT does,
    # for the whole transaction, and it stays when the savepoint goes and with it the locks (and these limits).
    statements = [
        "SAVEPOINT moment", limits, against_writers,
        f"SELECT CASE WHEN ({SIGNATURE}) = '{signature}' THEN json_build_object('restore_point', '{restore_point}', 'lsn',"  # noqa: S608
        f" pg_create_restore_point('{restore_point}'), 'moment', {ISO.format(time='clock_timestamp()')}) END",
        "ROLLBACK TO SAVEPOINT moment", "RELEASE SAVEPOINT moment",
    ]  # fmt: skip
    blockers = None
    try:
        session.ask(f"BEGIN ISOLATION LEVEL REPEATABLE READ \\; SAVEPOINT keeping \\; {limits} \\; {keep} \\; RELEASE SAVEPOINT keeping;")
        began = time.monotonic()
        session.send(" \\; ".join(statements) + ";")
        while (answer := session.receive(LOOK)) is None:
            blockers = json.loads(watch.ask(BLOCKERS.format(pid=session.pid)) or "null") or blockers
            if any(blocker["waits_for_us"] for blocker in blockers or []):
                # It cannot end before we do: the next try takes these tables in its order.
                watch.ask(f"SELECT pg_cancel_backend({session.pid});")
    except Refused as refused:
        session.ask("ROLLBACK;")
        if refused.code in BUSY:
            raise Busy(blockers) from refused
        # A table that went between the list and the lock.
        if refused.code == "42P01":
            return None
        raise
    if not answer:
        session.ask("ROLLBACK;")
        return None
    say(f"writers were held up for {(time.monotonic() - began) * 1000:.0f} ms at most")
    session.ask("SET statement_timeout = 0 \\; SET lock_timeout = 0;")
    return json.loads(answer)


def _switch(watch: Session, lsn: str) -> str:
    """End the WAL segment that the restore point is in; returns the segment's name."""
    segment = watch.ask(f"SELECT pg_walfile_name('{lsn}');")
    watch.ask("SELECT pg_switch_wal();")
    return segment


def _wait_archived(watch: Session, settings: dict, segment: str) -> None:
    until = time.monotonic() + ARCHIVED_WITHIN
    told = time.monotonic() + 10
    while watch.ask(UNARCHIVED.format(segment=segment)) == "t":
        if time.monotonic() > until:
            raise Failed(f"WAL segment {segment} was not archived within {ARCHIVED_WITHIN} s on {settings['postgresql']['host']}: "
                         f"{watch.ask(ARCHIVER)}. Expected: an archive_command that works. Remedy: see what pgbackrest says in "
                         "aiko-logs postgresql")
        if time.monotonic() > told:
            say(f"waiting until WAL segment {segment} is archived")
            told += 60
        time.sleep(0.2)
