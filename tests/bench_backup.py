"""Figures of backups on a host of their own, each against the plain tool that does the same: backup, restore, trial restore,
what a backup costs those who work meanwhile, and how much is lost and how long nothing works when a restore is needed.

    python -m tests.bench_backup [trixie|bookworm]

Part of tests/bench.py. AIKO_BENCH_BACKUP_SCALE is pgbench's scale (340 makes about 5 GB), AIKO_BENCH_BACKUP_FILES the number of uploads.
All of it is on one host and one disk, and pgbench's rows compress better than people's do.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import re
import sys
import tempfile
import time
from collections.abc import Callable

from tests import bench_recovery
from tests.bench_lab import inventory, lab, on_host, timed

HOST = "bench-backup"
GROUPS = {"postgresql", "redis", "backend", "backup"}
SCALE = int(os.environ.get("AIKO_BENCH_BACKUP_SCALE", "340"))
FILES = int(os.environ.get("AIKO_BENCH_BACKUP_FILES", "20000"))
# Seconds of each stretch in which the load has the host for itself, and of each way of archiving.
REST = 20
ARCHIVING = 10
ROUNDS = 2
DATABASE = "systeme_intelligent"
UPLOADS = "/var/lib/aiko/uploads"
SCRATCH = "/var/lib/bench"
STORE = "/var/lib/aiko-backup"
RESTIC = f"RESTIC_PASSWORD_FILE=/etc/aiko/credentials-backup/password restic --quiet -r {STORE}/restic --no-lock"
MAKE_FILES = """
import os, pathlib, random, sys
first, last = map(int, sys.argv[1:])
for number in range(first, last):
    place = pathlib.Path("/var/lib/aiko/uploads", f"{number % 256:02x}")
    place.mkdir(exist_ok=True)
    (place / f"{number}.bin").write_bytes(os.urandom(random.randint(1024, 16384)))
"""
# The same priority as that of the unit.
NICED = "nice -n 10 ionice -c 2 -n 7"
# What the tools say when the next step begins.
STEPS = {
    "backup of the database": "pgbackrest", "the moment:": "moment and fingerprints", "redis": "Redis", "uploads: hashing": "uploads",
    "removing what is too old": "retention", "postgresql: restoring on trial": "pgbackrest and replay",
    "at the restore point; comparing": "fingerprints", "comparing tables with indexes": "pg_amcheck",
    "checksums of all pages": "the rest of it",
    "redis: restoring on trial": "Redis", "facts: restoring": "facts", "uploads: restoring on trial": "sample of uploads",
    "checking that of the files": "restic check",
}  # fmt: skip

Run = Callable[[str], str]


def clock(run: Run, command: str) -> float:
    """Seconds that a command takes on the host; each part of a pipe has to end well."""
    began = time.monotonic()
    run(f"bash -o pipefail -c '{command}'")
    return time.monotonic() - began


def stepwise(run: Run, command: str) -> tuple[float, dict[str, float]]:
    """Seconds of one of the project's tools, and of its steps."""
    stamped = f'{{ {command}; }} 2>&1 | while IFS= read -r line; do echo "$EPOCHREALTIME $line"; done'
    out = run(f"bash -o pipefail -c 'date +%s.%N; {stamped}; date +%s.%N'")
    start, *lines, end = out.splitlines()
    marks = [(float(start), "start")]
    marks += [(float(stamp), next(name for words, name in STEPS.items() if words in text))
             for stamp, _, text in (line.partition(" ") for line in lines) if any(words in text for words in STEPS)]  # fmt: skip
    steps: dict[str, float] = {}
    for (begin, name), (until, _) in zip(marks, [*marks[1:], (float(end), "")], strict=True):
        steps[name] = steps.get(name, 0) + until - begin
    return sum(steps.values()), steps


def ratio(title: str, ours: float, theirs: float, unit: str = "s") -> None:
    print(f"{ours / theirs:8.2f}    {title} ({ours:.1f} / {theirs:.1f} {unit})", flush=True)


def told(steps: dict[str, float]) -> None:
    print("            " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in steps.items() if seconds >= 0.05), flush=True)


def sql(run: Run, text: str, database: str = DATABASE) -> str:
    return run(f"runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d {database} -c \"{text}\"").strip()


def archive(run: Run, for_real: bool) -> None:
    """Archive the log as the role has set it, or throw it away; what it leaves out the next full backup mends."""
    # Neither can stand in a transaction with the other.
    sql(run, "ALTER SYSTEM RESET archive_command" if for_real else "ALTER SYSTEM SET archive_command = '/bin/true'")
    sql(run, "SELECT pg_reload_conf()")


def full(run: Run, wanted: bool) -> None:
    """Let the next backup be a full one, or what it is by itself."""
    run(f"""sed -i 's/"full_days": [0-9]*/"full_days": {0 if wanted else 7}/' /etc/aiko/backup.json""")


def megabytes(run: Run, *paths: str) -> float:
    return sum(int(line.split()[0]) for line in run(f"du -s --bytes {' '.join(paths)}").splitlines()) / 1e6


def newest(run: Run) -> dict:
    return json.loads(run("aiko-backup show latest"))["parts"]


def prepare(run: Run) -> None:
    """A database and files to back up; nothing else works meanwhile."""
    run("until ! systemctl is-active --quiet aiko-backup.service aiko-backup-drill.service; do sleep 1; done;"
        "systemctl disable --quiet --now aiko-backup.timer aiko-backup-drill.timer;"
        f"apt-get install -q -y --no-install-recommends zstd >/dev/null 2>&1; install -d -o postgres {SCRATCH}")
    # pg_basebackup comes as a replica, which the role lets nobody do.
    run(f"echo 'local replication postgres peer' >> {sql(run, 'SHOW hba_file')}")
    archive(run, for_real=False)
    print(f"{clock(run, f'runuser -u postgres -- pgbench -i -q -s {SCALE} {DATABASE}'):8.1f} s  pgbench -i -s {SCALE}", flush=True)
    sql(run, "CHECKPOINT")
    archive(run, for_real=True)
    files(run, 0, FILES)


def files(run: Run, first: int, last: int) -> None:
    run(f"python3 -c '{MAKE_FILES}' {first} {last} && chown -R aiko-backend:aiko {UPLOADS}")


def backup(run: Run) -> dict:
    """Full, against what copies the same with as many processes; returns its parts."""
    before = megabytes(run, f"{STORE}/restic")
    full(run, wanted=True)
    whole, steps = stepwise(run, "aiko-backup run")
    parts = newest(run)
    base = clock(run, "runuser -u postgres -- pg_basebackup -D - -Ft -X fetch --checkpoint=fast"
                      f" | zstd -q -T0 -o {SCRATCH}/base.tar.zst")  # fmt: skip
    squeeze = "zstd" if int(parts["postgresql"]["version"].split(".")[0]) >= 16 else "gzip"
    dump = clock(run, f"runuser -u postgres -- pg_dump -Fd -j 2 -Z {squeeze} -f {SCRATCH}/dump {DATABASE}")
    tar = clock(run, f"tar -C {UPLOADS} -c . | zstd -q -T0 -o {SCRATCH}/uploads.tar.zst")
    size = parts["postgresql"]["database_bytes"] / 1e6
    uploads = parts["uploads"]
    print(f"\nFull backup of {size:.0f} MB in the database and {uploads['bytes'] / 1e6:.0f} MB in {uploads['count']} uploads:")
    ratio("the whole run / pg_basebackup -Ft | zstd and tar | zstd of the uploads", whole, base + tar)
    told(steps)
    ratio("its step pgbackrest, encrypted, every page checked / pg_basebackup -Ft | zstd", steps["pgbackrest"], base)
    ratio(f"its step pgbackrest / pg_dump -Fd -j 2 with {squeeze}", steps["pgbackrest"], dump)
    ratio("its step uploads, hashed and encrypted / tar | zstd", steps["uploads"], tar)
    stored = parts["postgresql"]["repository_bytes"] / 1e6
    ratio("database in the repository / database", stored, size, "MB")
    ratio("database in the repository / pg_basebackup -Ft | zstd", stored, megabytes(run, f"{SCRATCH}/base.tar.zst"), "MB")
    ratio(f"database in the repository / pg_dump -Fd with {squeeze}", stored, megabytes(run, f"{SCRATCH}/dump"), "MB")
    grown = megabytes(run, f"{STORE}/restic") - before
    ratio("uploads in the repository / tar | zstd", grown, megabytes(run, f"{SCRATCH}/uploads.tar.zst"), "MB")
    return parts | {"seconds": steps | {"whole": whole}}


def restore(run: Run, parts: dict) -> None:
    """What brings data back, without the proof; then with it."""
    target = f"{SCRATCH}/restored"
    run(f"install -d -m 700 -o postgres {target} && mkdir {SCRATCH}/files {SCRATCH}/untarred")
    label = parts["postgresql"]["label"]
    database = clock(run, f"runuser -u postgres -- pgbackrest --stanza=aiko restore --pg1-path={target} --set={label} --type=immediate")
    uploads = clock(run, f"{RESTIC} restore {parts['uploads']['snapshot']} --target {SCRATCH}/files --verify")
    run(f"rm -r {target} {SCRATCH}/files")
    base = clock(run, f"zstd -q -d -c {SCRATCH}/base.tar.zst | tar -C {SCRATCH}/untarred -x")
    tar = clock(run, f"mkdir {SCRATCH}/files && zstd -q -d -c {SCRATCH}/uploads.tar.zst | tar -C {SCRATCH}/files -x")
    run(f"rm -r {SCRATCH}/untarred {SCRATCH}/files {SCRATCH}/*.tar.zst")
    trial, steps = stepwise(run, "aiko-backup drill")
    archive(run, for_real=False)
    sql(run, "CREATE DATABASE bench_restored", "postgres")
    dump = clock(run, f"runuser -u postgres -- pg_restore -j 2 -d bench_restored {SCRATCH}/dump")
    sql(run, "DROP DATABASE bench_restored", "postgres")
    archive(run, for_real=True)
    run(f"rm -r {SCRATCH}/dump")
    print("\nRestore:")
    ratio("pgbackrest restore / untarring what pg_basebackup made", database, base)
    ratio("pgbackrest restore / pg_restore -j 2, which builds indexes anew", database, dump)
    ratio("restic restore of the uploads, verified / untarring them", uploads, tar)
    ratio("aiko-backup drill / pgbackrest restore and restic restore", trial, database + uploads)
    told(steps)


def increments(run: Run, first: dict) -> None:
    """After 1 % of the rows changed and 1 % of files came: the rows that lie together, then one in a hundred everywhere."""
    full(run, wanted=False)
    whole_bytes = first["postgresql"]["repository_bytes"] / 1e6
    print("\nIncremental backup after 1 % of rows and files changed:")
    changes = {"rows that lie together": f"aid <= {SCALE * 1000}", "one row in a hundred": "aid % 100 = 0"}
    for number, (title, which) in enumerate(changes.items()):
        sql(run, f"UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE {which}")
        files(run, FILES + FILES // 100 * number, FILES + FILES // 100 * (number + 1))
        before = megabytes(run, f"{STORE}/restic")
        whole, steps = stepwise(run, "aiko-backup run")
        part = newest(run)["postgresql"]
        if part["type"] != "incr":
            raise SystemExit(f"the backup was to build upon the former one, and is of type {part['type']}")
        ratio(f"{title}: the whole run / the full one", whole, first["seconds"]["whole"])
        told(steps)
        ratio("its step pgbackrest / that of the full one", steps["pgbackrest"], first["seconds"]["pgbackrest"])
        ratio("database in the repository / that of the full one", part["repository_bytes"] / 1e6, whole_bytes, "MB")
        print(f"{megabytes(run, f'{STORE}/restic') - before:8.1f} MB more of files in the repository", flush=True)


class Load:
    """pgbench with four clients until it is stopped; tells how fast it was when."""

    def __init__(self, run: Run):
        self.run = run

    def __enter__(self) -> Load:
        self.run(f"systemd-run --quiet --unit=bench-load --uid=postgres -p StandardError=truncate:{SCRATCH}/load"
                 f" pgbench -n -c 4 -j 2 -T 7200 --progress=1 --progress-timestamp {DATABASE}")
        time.sleep(5)
        return self

    def __exit__(self, *_: object) -> None:
        self.run("systemctl stop bench-load")

    def now(self) -> float:
        return float(self.run("date +%s.%N"))

    def speed(self, *stretches: tuple[float, float]) -> float:
        """Transactions a second over some stretches of time."""
        # Each line tells of the second before.
        lines = re.findall(r"^progress: ([\d.]+) s, ([\d.]+) tps", self.run(f"cat {SCRATCH}/load"), re.MULTILINE)
        found = [float(tps) for at, tps in lines if any(begin + 1 <= float(at) <= end for begin, end in stretches)]
        return sum(found) / len(found)

    def stretch(self, work: Callable[[], object]) -> tuple[float, float]:
        begin = self.now()
        work()
        return begin, self.now()


def slowdown(run: Run) -> None:
    """What those notice who work while the log is archived, and while a backup runs."""
    print("\nWho works meanwhile (pgbench, 4 clients), transactions a second:")
    with Load(run) as load:
        ways: dict[bool, list] = {True: [], False: []}
        for _ in range(ROUNDS):
            for for_real, stretches in ways.items():
                archive(run, for_real)
                # Pages go into the log as a whole after a checkpoint: each stretch has its own.
                sql(run, "CHECKPOINT")
                stretches.append(load.stretch(lambda: time.sleep(ARCHIVING)))
        ratio("archiving / archive_command=/bin/true", load.speed(*ways[True]), load.speed(*ways[False]), "/s")
        archive(run, for_real=True)
        full(run, wanted=True)
        rests, backups = [load.stretch(lambda: time.sleep(REST))], []
        for _ in range(ROUNDS):
            backups.append(load.stretch(lambda: stepwise(run, f"{NICED} aiko-backup run")))
            rests.append(load.stretch(lambda: time.sleep(REST)))
        ratio("while a full backup runs / without", load.speed(*backups), load.speed(*rests), "/s")
        each = [f"{load.speed((begin, end)):.0f} in {end - begin:.0f} s" for begin, end in sorted(rests + backups)]
        print(f"            one after the other: {', '.join(each)}")
        high = load.stretch(lambda: bench_recovery.write(run, 20))
        bench_recovery.archived(run, *high)


def main(dist: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        env = {"AIKO_VAULT_PASSWORD_FILE": f"{scratch}/vault-password"}
        play = ["ansible-playbook", "-i", str(inventory(pathlib.Path(scratch, "inventory"), HOST, GROUPS))]
        run = functools.partial(on_host, HOST)
        lab("down", HOST)
        try:
            lab("up", HOST, "--dist", dist, "--storage", "disk", "--owner", str(os.getpid()))
            timed("a host with database, backend and backups", *play, "site.yml", env=env)
            prepare(run)
            parts = backup(run)
            restore(run, parts)
            increments(run, parts)
            slowdown(run)
            bench_recovery.loss(run, HOST)
            bench_recovery.downtime(run, [*play, "playbooks/restore.yml", "-e", "backup_id=latest", "-e", "restore_confirm=yes"], env)
        finally:
            lab("down", HOST)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "trixie")
