"""Figures of the main job, side by side in one run: boot, converges, one package transaction as the floor, the
frontend and monitoring.

    python -m tests.bench [trixie|bookworm]

Machines are noisy: the ratios are what to compare, not the seconds.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

from tests import bench_frontend, bench_monitoring

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONFIG = pathlib.Path(os.environ.get("AIKO_LAB_RUN", "/run/aiko-lab")) / "ssh_config"
HOST, FLOOR = "bench-site", "bench-floor"
# What site.yml installs, in one transaction; the majors are those of the distribution.
PACKAGES = (
    "ca-certificates python3-apt tzdata openssl ssl-cert postgresql python3-psycopg2 "
    "redis-server redis-tools python3-venv nginx-light nodejs dbus logrotate prometheus prometheus-alertmanager "
    "prometheus-node-exporter prometheus-postgres-exporter prometheus-redis-exporter prometheus-nginx-exporter "
    "prometheus-blackbox-exporter"
)
INSTALL = f"sudo apt-get update -q && sudo DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends {PACKAGES}"


def lab(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.lab", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def on_host(command: str) -> str:
    """Run a command as root on the deployed host; its output, or an end of the whole run."""
    ssh = ["ssh", "-F", str(CONFIG), HOST, f"sudo sh -c {shlex.quote(command)}"]
    done = subprocess.run(ssh, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command} failed on {HOST}:\n{done.stdout}{done.stderr}")
    return done.stdout


def timed(title: str, *command: str, env: dict[str, str] | None = None) -> tuple[float, str]:
    """Seconds and output of a command; a failure shows the output and ends the run."""
    begin = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begin
    if done.returncode:
        raise SystemExit(f"{title} failed:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    print(f"{seconds:8.1f} s  {title}", flush=True)
    return seconds, done.stdout


def inventory(directory: pathlib.Path) -> pathlib.Path:
    """The lab's inventory with another host's name, and secrets of its own."""
    (directory / "group_vars").mkdir(parents=True)
    (directory / "group_vars" / "all").symlink_to(ROOT / "inventories/lab/group_vars/all")
    (directory / "hosts.yml").write_text((ROOT / "inventories/lab/hosts.yml").read_text().replace("aiko-lab:", f"{HOST}:"))
    return directory


def main() -> None:
    dist = sys.argv[1] if len(sys.argv) > 1 else "trixie"
    with tempfile.TemporaryDirectory() as scratch:
        env = {"AIKO_VAULT_PASSWORD_FILE": f"{scratch}/vault-password"}
        site = ["ansible-playbook", "-i", str(inventory(pathlib.Path(scratch, "inventory"))), "site.yml"]
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
            bench_frontend.figures(on_host, address, "aiko-lab.test")
            bench_monitoring.figures(on_host)
        finally:
            lab("down", HOST, FLOOR)
    for title, log in (("first", out), ("another, with a cache", rebuilt)):
        parts = re.findall(r"frontend : (Install the locked packages|Compile and render).*?([\d.]+)s$", log, re.MULTILINE)
        print(f"build of the frontend, {title}: " + ", ".join(f"{name.lower()} {seconds} s" for name, seconds in parts))
    print(f"\nfirst converge / floor: {first / floor:.1f}\nsecond converge / first: {second / first:.2f}\n")
    print("The dearest tasks of the first converge:")
    for line in re.findall(r"^.* -{2,} +[\d.]+s$", out, re.MULTILINE)[:10]:
        print(f"  {line}")


if __name__ == "__main__":
    main()
