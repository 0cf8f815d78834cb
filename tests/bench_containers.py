"""Containers against packages on the same kind of host, side by side: converges, requests, transactions, tasks and images.

    python -m tests.bench_containers

Two hosts of the lab; each figure is asked of one and then of the other, and again, so that what else the machine does falls on both.
"""

from __future__ import annotations

import functools
import os
import pathlib
import re
import shlex
import tempfile
from collections.abc import Callable

from tests.bench_frontend import ROUNDS, load_generator
from tests.bench_lab import inventory, lab, on_host, timed

HOSTS = {"container": "bench-container", "native": "bench-native"}
DOMAIN = "aiko-lab.test"
GROUPS = {"postgresql", "redis", "backend", "worker", "scheduler", "frontend", "proxy", "monitoring"}
TO = "-h 127.0.0.1 -U bench"
# The server's own program: on a container's host it is in the image alone.
PGBENCH = {
    "native": f"PGPASSWORD=bench $(ls /usr/lib/postgresql/*/bin/pgbench) {TO}",
    "container": "podman run --rm --pull=never --network=host --env=PGPASSWORD=bench --entrypoint=pgbench "
                 f"$(podman inspect postgres --format '{{{{.ImageName}}}}') {TO}",
}
TASKS = 500
SEND = f"""
import time
from aiko.celery_app import celery
begin = time.monotonic()
sent = [celery.send_task('aiko.tasks.probe.echo', (n,), queue='default') for n in range({TASKS})]
for task in sent: task.get(timeout=120, interval=0.01)
print({TASKS} / (time.monotonic() - begin))
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        lab("down", *HOSTS.values())
        try:
            runs = {mode: deploy(mode, host, pathlib.Path(scratch)) for mode, host in HOSTS.items()}
            figures(runs)
        finally:
            lab("down", *HOSTS.values())


def deploy(mode: str, host: str, scratch: pathlib.Path) -> Callable[[str], str]:
    """Bring a whole site to a host, and look how long a run takes that changes nothing."""
    lab("up", host, "--owner", str(os.getpid()), *(["--images"] if mode == "container" else []))
    site = ["ansible-playbook", "-i", str(inventory(scratch / mode, host, GROUPS)), "--extra-vars", f"aiko_runtime={mode}", "site.yml"]
    env = {"AIKO_VAULT_PASSWORD_FILE": f"{scratch}/vault-password-{mode}"}
    timed(f"first converge, {mode}", *site, env=env)
    timed(f"converge without a change, {mode}", *site, env=env)
    return functools.partial(on_host, host)


def figures(runs: dict[str, Callable[[str], str]]) -> None:
    """Print what the two are to each other."""
    for mode, run in runs.items():
        load_generator(run)
        run("cd / && runuser -u postgres -- psql -qc \"CREATE ROLE bench SUPERUSER LOGIN PASSWORD 'bench'\" "
            "&& runuser -u postgres -- createdb --owner=bench bench")
        run(f"{PGBENCH[mode]} -q -i -s 5 bench 2>&1")
    print("\nContainer / native, the middle of each side's rounds:")
    for title, measure in (
        ("requests/s of a page, through nginx", lambda run, _: requests(run, "/login")[0]),
        ("ms, 99th percentile of that page", lambda run, _: requests(run, "/login")[1]),
        ("requests/s of the backend, through nginx", lambda run, _: requests(run, "/health")[0]),
        ("transactions/s of pgbench, 4 clients", transactions),
        ("tasks/s of one pool", lambda run, _: tasks(run)),
    ):
        rounds = {mode: [] for mode in runs}
        for _ in range(ROUNDS):
            for mode, run in runs.items():
                rounds[mode].append(measure(run, mode))
        middle = {mode: sorted(values)[ROUNDS // 2] for mode, values in rounds.items()}
        print(f"{middle['container'] / middle['native']:8.2f}    {title} ({middle['container']:.1f} / {middle['native']:.1f})", flush=True)
    print("\nImages:")
    print(runs["container"]("podman images --filter reference='localhost/aiko/*' --format '{{.Size}} {{.Repository}}' | sort -u"))


def requests(run: Callable[[str], str], path: str) -> tuple[float, float]:
    """Requests a second and the 99th percentile in milliseconds, from the host itself."""
    command = f"wrk --threads 1 --connections 8 --duration 8s --timeout 30s --latency --header 'Host: {DOMAIN}' 'https://127.0.0.1{path}'"
    out = run(command)
    assert "Non-2xx" not in out, out
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def transactions(run: Callable[[str], str], mode: str) -> float:
    """Of pgbench's own mix, over TCP, as the application comes."""
    return float(re.search(r"tps = ([\d.]+)", run(f"{PGBENCH[mode]} -n -c 4 -T 8 bench 2>&1"))[1])


def tasks(run: Callable[[str], str]) -> float:
    """Tasks a second, from the first that is sent to the last result."""
    return float(run(f"aiko-run python -c {shlex.quote(SEND)}").split()[-1])


if __name__ == "__main__":
    main()
