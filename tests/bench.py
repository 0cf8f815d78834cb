"""Figures of the main job, side by side in one run: boot, converges, one package transaction as the floor, the
frontend, monitoring and backups.

    python -m tests.bench [trixie|bookworm]

Machines are noisy: the ratios are what to compare, not the seconds.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import re
import sys
import tempfile

from tests import bench_backup, bench_frontend, bench_monitoring
from tests.bench_lab import CONFIG, inventory, lab, on_host, timed

HOST, FLOOR = "bench-site", "bench-floor"
# What site.yml installs, in one transaction; the majors are those of the distribution.
PACKAGES = (
    "ca-certificates python3-apt tzdata openssl ssl-cert postgresql python3-psycopg2 "
    "redis-server redis-tools python3-venv nginx-light nodejs dbus logrotate prometheus prometheus-alertmanager "
    "prometheus-node-exporter prometheus-postgres-exporter prometheus-redis-exporter prometheus-nginx-exporter "
    "prometheus-blackbox-exporter"
)
INSTALL = f"sudo apt-get update -q && sudo DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends {PACKAGES}"


def main() -> None:
    dist = sys.argv[1] if len(sys.argv) > 1 else "trixie"
    with tempfile.TemporaryDirectory() as scratch:
        env = {"AIKO_VAULT_PASSWORD_FILE": f"{scratch}/vault-password"}
        site = ["ansible-playbook", "-i", str(inventory(pathlib.Path(scratch, "inventory"), HOST)), "site.yml"]
        lab("down", HOST, FLOOR)
        try:
            lab("up", FLOOR, "--dist", dist, "--owner", str(os.getpid()))
            floor, _ = timed("one apt-get install of the same packages (the floor)", "ssh", "-F", str(CONFIG), FLOOR, INSTALL)
            lab("down", FLOOR)
            timed("boot of a host until SSH and systemd are up", sys.executable, "-m", "tests.lab", "up", HOST, "--dist", dist,
                  "--owner", str(os.getpid()))
            first, out = timed("first converge", *site, env=env)
            another = ["--extra-vars", '{"frontend_public_extra": {"NEXT_PUBLIC_BENCH": "1"}}', "--tags", "app"]
            _, rebuilt = timed("another build of the frontend, its packages in the cache", *site, *another, env=env)
            timed("back to the first build", *site, "--tags", "app", env=env)
            second, again = timed("converge without a change", *site, env=env)
            if "changed=0" not in again:
                raise SystemExit(f"the second converge changed something:\n{again[-3000:]}")
            timed("check mode on the converged host", *site, "--check", "--diff", env=env)
            address = next(one["address"] for one in json.loads(lab("list", "--json"))["hosts"] if one["name"] == HOST)
            run = functools.partial(on_host, HOST)
            bench_frontend.figures(run, address, "aiko-lab.test")
            bench_monitoring.figures(run)
        finally:
            lab("down", HOST, FLOOR)
    for title, log in (("first", out), ("another, with a cache", rebuilt)):
        parts = re.findall(r"frontend : (Install the locked packages|Compile and render).*?([\d.]+)s$", log, re.MULTILINE)
        print(f"build of the frontend, {title}: " + ", ".join(f"{name.lower()} {seconds} s" for name, seconds in parts))
    print(f"\nfirst converge / floor: {first / floor:.1f}\nsecond converge / first: {second / first:.2f}\n")
    print("The dearest tasks of the first converge:")
    for line in re.findall(r"^.* -{2,} +[\d.]+s$", out, re.MULTILINE)[:10]:
        print(f"  {line}")
    bench_backup.main(dist)


if __name__ == "__main__":
    main()
