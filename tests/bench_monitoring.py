"""Figures of monitoring on a deployed host: what counting costs the backend, what watching costs the host, how much is kept.

Part of tests/bench.py. Load goes from the host to itself, and is bounded in time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.bench_frontend import load_generator, ratio

GUNICORN = "gunicorn aiko.wsgi:app --preload --worker-class gthread --workers 2 --threads 4 --worker-tmp-dir /dev/shm"
# The same server twice, which differ in one variable.
SERVERS = {5901: "true", 5902: "false"}
MEMORY = """
for unit in $(systemctl list-units --plain --no-legend --state=running 'prometheus*' 'systemd-journald@*' | cut -d' ' -f1); do
    systemctl show --value --property MainPID $unit
done | xargs ps -o rss= -p | awk '{sum += $1} END {print int(sum / 1024)}'
"""


def figures(run: Callable[[str], str]) -> None:
    """Print the figures; `run` runs a command on the host as root and returns what it printed."""
    load_generator(run)
    print("\nMonitoring, on one host:")
    for port, counts in SERVERS.items():
        command = f"aiko-run env METRICS_ENABLED={counts} PROMETHEUS_MULTIPROC_DIR=/tmp/metrics {GUNICORN} --bind 127.0.0.1:{port}"
        run(f"systemd-run --quiet --unit=bench-{port} {command}")
    try:
        for port in SERVERS:
            answers(run, port)
        on, off = (f"http://127.0.0.1:{port}/health/live" for port in SERVERS)
        ratio(run, "localhost", "backend that counts / one that does not", on, off)
    finally:
        for port in SERVERS:
            run(f"pkill --full '[-]-bind 127.0.0.1:{port}' || true")
    print(f"{run(MEMORY).strip():>8} MB resident: Prometheus, Alertmanager, exporters and the services' journals")
    for title, query in (("series kept", "prometheus_tsdb_head_series"), ("samples a scrape", "sum(scrape_samples_scraped)")):
        print(f"{run(f'aiko-query {query!r}').split()[-1]:>8} {title}")


def answers(run: Callable[[str], str], port: int) -> None:
    """Wait until a server answers."""
    script = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/health/live', timeout=5)"
    for _ in range(60):
        if "yes" in run(f'python3 -c "{script}" 2>/dev/null && echo yes || true'):
            return
        time.sleep(0.5)
    raise SystemExit(f"nothing answers at port {port}")
