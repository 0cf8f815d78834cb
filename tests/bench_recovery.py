"""How much is lost (RPO) and how long nothing works (RTO), measured. Part of tests/bench_backup.py.

RPO is the age of the oldest commit that is not in the archive yet: a commit is safe when the segment of the write-ahead log that it is
in has come to the repository.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable

from tests.bench_lab import lab, timed

Run = Callable[[str], str]

# Seconds of writing after which a host's power is cut; PostgreSQL is to end a segment after archive_timeout, here a minute.
KILLS = (40, 90)
ARCHIVE = "/var/lib/aiko-backup/pgbackrest/archive"
# Commits that tell when they were made and which segment they are in.
WRITER = """
import sys, time, psycopg2
connection = psycopg2.connect("dbname=systeme_intelligent user=postgres")
connection.autocommit = True
cursor = connection.cursor()
cursor.execute("CREATE TABLE IF NOT EXISTS bench_commits (at double precision, segment text)")
until = time.time() + float(sys.argv[1])
while time.time() < until:
    cursor.execute("INSERT INTO bench_commits VALUES (extract(epoch FROM clock_timestamp()), pg_walfile_name(pg_current_wal_insert_lsn()))")
    time.sleep(0.2)
"""
PROBE = """
import http.client, time, urllib.request
while True:
    try:
        urllib.request.urlopen("http://127.0.0.1:5000/health/ready", timeout=5).read()
        print(time.time(), flush=True)
    except (OSError, http.client.HTTPException):
        pass
    time.sleep(0.1)
"""


def write(run: Run, seconds: float) -> None:
    """A commit every fifth of a second: what a platform writes that hardly anybody uses."""
    run(f"cd / && runuser -u postgres -- python3 -c {shlex.quote(WRITER)} {seconds}")


def known(run: Run) -> tuple[list[tuple[float, str]], dict[str, float]]:
    """Commits (time and segment), and when each segment came to the archive."""
    commits = run("runuser -u postgres -- psql -XAtqF ' ' -d systeme_intelligent -c 'SELECT at, segment FROM bench_commits ORDER BY at'")
    segments = run(rf"find {ARCHIVE} -type f -name '????????????????????????-*.zst' -printf '%f %T@\n'")
    return ([(float(at), segment) for at, segment in map(str.split, commits.splitlines())],
            {name[:24]: float(at) for name, at in map(str.split, segments.splitlines())})  # fmt: skip


def archived(run: Run, begin: float, end: float) -> None:
    """Print how long the commits of a stretch of time took to the archive."""
    run("sleep 5")
    commits, segments = known(run)
    waits = [segments[segment] - at for at, segment in commits if begin <= at <= end and segment in segments]
    average = sum(waits) / len(waits)
    print(f"{max(waits):8.1f} s  until a commit was in the archive at most ({average:.1f} s on average) while pgbench wrote", flush=True)


def loss(run: Run, host: str) -> None:
    """Cut the power under light writes and see what would have been lost with the host's disk."""
    print("\nRPO, the age of the oldest commit not in the archive when the power was cut, under light writes:")
    for seconds in KILLS:
        # Each begins with a segment of its own.
        run("runuser -u postgres -- psql -XAtqc 'SELECT pg_switch_wal()'")
        run(f"cd / && systemd-run --quiet --unit=bench-writer --uid=postgres python3 -c {shlex.quote(WRITER)} 3600")
        time.sleep(seconds)
        lab("kill", host)
        moment = time.time()
        lab("boot", host)
        run("until runuser -u postgres -- psql -XAtqc 'SELECT 1' >/dev/null 2>&1; do sleep 0.2; done")
        commits, segments = known(run)
        open_ = [at for at, segment in commits if at <= moment and segments.get(segment, moment) >= moment]
        print(f"{moment - min(open_):8.1f} s  when the power was cut {seconds} s after the writes began", flush=True)


def downtime(run: Run, restore: list[str], env: dict[str, str]) -> None:
    """Restore the newest backup onto the host, while somebody asks it for its health ten times a second."""
    print("\nRTO:")
    run(f"systemd-run --quiet --unit=bench-probe -p StandardOutput=truncate:/var/lib/bench/probe python3 -c {shlex.quote(PROBE)}")
    run("timeout 60 sh -c 'until [ -s /var/lib/bench/probe ]; do sleep 0.5; done'; sleep 2")
    _, out = timed("playbooks/restore.yml -e backup_id=latest -e restore_confirm=yes, from call to end", *restore, env=env)
    time.sleep(2)
    run("systemctl stop bench-probe")
    times = [float(line) for line in run("cat /var/lib/bench/probe").split()]
    gap = max(later - earlier for earlier, later in zip(times, times[1:], strict=False))
    print(f"{gap:8.1f} s  in which the backend did not answer", flush=True)
    # What the play tells at its end, by part: lines that are indented more than their title.
    for indent, title, lines in re.findall(r"^( *)(seconds [^\n]*:)\n((?:\1 +[^\n]*\n)+)", out, re.MULTILINE):
        print(f"{indent:12}{title} {', '.join(line.strip() for line in lines.splitlines())}")
