"""Hosts for figures: how they are booted, described to Ansible and talked to. Part of tests/bench.py."""

from __future__ import annotations

import os
import pathlib
import shlex
import subprocess
import sys
import time

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONFIG = pathlib.Path(os.environ.get("AIKO_LAB_RUN", "/run/aiko-lab")) / "ssh_config"


def lab(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.lab", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def on_host(host: str, command: str) -> str:
    """Run a command as root on a host; its output, or an end of the whole run."""
    ssh = ["ssh", "-F", str(CONFIG), host, f"sudo sh -c {shlex.quote(command)}"]
    done = subprocess.run(ssh, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command} failed on {host}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
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


def inventory(directory: pathlib.Path, host: str, groups: set[str] | None = None) -> pathlib.Path:
    """The lab's inventory with another host's name, and secrets of its own; with `groups`, the other groups are empty."""
    (directory / "group_vars").mkdir(parents=True)
    (directory / "group_vars" / "all").symlink_to(ROOT / "inventories/lab/group_vars/all")
    found = yaml.safe_load((ROOT / "inventories/lab/hosts.yml").read_text())["all"]
    children = {name: {"hosts": {host: {}} if groups is None or name in groups else {}} for name in found["children"]}
    everything = {"hosts": {host: {}}, "vars": {**found["vars"], "ansible_ssh_extra_args": f"-F {CONFIG}"}, "children": children}
    (directory / "hosts.yml").write_text(yaml.safe_dump({"all": everything}))
    return directory
