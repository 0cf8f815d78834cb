"""What can be done with hosts: bring up, take down, switch off and on, look at, and clear away what died."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import image, network, nspawn, ssh, supervisor
from .errors import LabError
from .settings import CGROUP, Settings, check_name
from .system import BOOT_ID, FileLock, is_locked, read_json, remove_tree, run, tail, wait_for, write_atomically

BOOT_TIMEOUT = 90
STOP_TIMEOUT = 120


def alive(settings: Settings, name: str) -> bool:
    """Tell whether the host's supervisor lives."""
    return is_locked(settings.hosts / name / "lock")


def state(settings: Settings, name: str) -> dict | None:
    """Return what the supervisor says about a living host, None when there is no such host."""
    if not alive(settings, name):
        return None
    return read_json(settings.hosts / name / "state.json", None)


def all_states(settings: Settings) -> list[dict]:
    """Return the states of all living hosts, by name."""
    names = sorted(path.name for path in settings.hosts.iterdir()) if settings.hosts.is_dir() else []
    return [found for name in names if (found := state(settings, name))]


def reap(settings: Settings) -> None:
    """Clear away what dead supervisors left behind, and the network with the last host. The lab's lock must be held."""
    _forget_former_boot(settings)
    leases = read_json(settings.run / "leases.json", {})
    living = set()
    for directory in sorted(settings.hosts.iterdir()) if settings.hosts.is_dir() else []:
        if is_locked(directory / "lock"):
            living.add(directory.name)
        else:
            _remove_remains(settings, directory.name)
    # A host may also have died before it had a directory, or between removing that and the rest.
    for kind in ("disks", "seeds"):
        for directory in (settings.cache / kind).glob("*"):
            if directory.name not in living:
                remove_tree(directory)
    kept = {name: address for name, address in leases.items() if name in living}
    if kept != leases:
        write_atomically(settings.run / "leases.json", json.dumps(kept, indent=1) + "\n")
    if settings.run.is_dir():
        ssh.write_files(settings, all_states(settings))
    if not living:
        network.remove(settings)
        for mount in nspawn.cgroup_mounts(Path("/proc/mounts").read_text()):
            with contextlib.suppress(OSError):
                (mount / CGROUP).rmdir()


def _forget_former_boot(settings: Settings) -> None:
    """Where /run survives a reboot of the controller, nothing that is written there is true any more."""
    marker = settings.run / "boot_id"
    current = BOOT_ID.read_text()
    if not settings.run.is_dir() or (marker.exists() and marker.read_text() == current):
        return
    for name in ("network.json", "leases.json"):
        (settings.run / name).unlink(missing_ok=True)
    write_atomically(marker, current)


def _remove_remains(settings: Settings, name: str) -> None:
    if nspawn.controller_has_systemd():
        nspawn.stop_unit(name)
    else:
        for directory in nspawn.own_cgroups(name, with_systemd=False):
            nspawn.empty_cgroup(directory)
    for directory in (settings.disk(name), settings.seed(name), settings.hosts / name):
        remove_tree(directory)


def up(
    settings: Settings,
    names: list[str],
    dist: str = "trixie",
    owner: int | None = None,
    number: int | None = None,
    storage: str = "auto",
) -> list[dict]:
    """Make sure that these hosts run; return one report per name, in that order.

    `owner` is a process number: its hosts go when it does. `number` is the host part of the first one's address, the
    others get the following ones. A host that runs already is left alone if it is of the same release. LabError when
    a host does not get ready; then it is removed again.
    """
    for name in names:
        check_name(name)
    if owner is not None and not Path(f"/proc/{owner}").exists():
        raise LabError(f"there is no process {owner} to own the hosts")
    base = image.ensure(settings, dist)
    began = time.monotonic()
    fresh, known = [], []
    settings.hosts.mkdir(parents=True, exist_ok=True)
    for name in names:
        wait_for(lambda name=name: (state(settings, name) or {}).get("status") != "stopping", STOP_TIMEOUT)
    with FileLock(settings.lock):
        reap(settings)
        ssh.ensure_key(settings)
        network.ensure(settings)
        for index, name in enumerate(dict.fromkeys(names)):
            if present := state(settings, name):
                if present["dist"] != dist:
                    raise LabError(f"{name} already runs {present['dist']}; take it down first")
                known.append(name)
                continue
            _order(settings, name, dist, base, owner, None if number is None else number + index, storage)
            fresh.append(name)
        try:
            for name in fresh:
                _await_supervisor(settings, name)
        finally:
            ssh.write_files(settings, all_states(settings))
    base.lock.release()
    for name in known:
        if state(settings, name)["status"] == "off":
            switch_on(settings, name)
    reports = await_ready(settings, [*fresh, *known], began, remove_failed=fresh)
    return sorted(reports, key=lambda report: names.index(report["name"]))


def _order(settings, name, dist, base, owner, number, storage) -> None:
    leases = read_json(settings.run / "leases.json", {})
    leases[name] = network.pick_address(settings.subnet, leases, name, number)
    write_atomically(settings.run / "leases.json", json.dumps(leases, indent=1) + "\n")
    directory = settings.hosts / name
    directory.mkdir()
    order = {
        "name": name,
        "dist": dist,
        "address": leases[name],
        "image": str(base.directory),
        "owner": owner,
        "storage": storage,
    }
    write_atomically(directory / "order.json", json.dumps(order) + "\n")
    supervisor.start(settings, name)


def _await_supervisor(settings: Settings, name: str) -> None:
    path = settings.hosts / name / "state.json"
    if not wait_for(path.exists, 30, 0.01):
        raise LabError(f"the supervisor of {name} did not start:\n{tail(path.with_name('supervisor.log'))}")
    found = read_json(path, {})
    if found.get("status") == "failed":
        raise LabError(f"{name} could not be prepared: {found.get('error')}")


def await_ready(settings: Settings, names: list[str], began: float, remove_failed=()) -> list[dict]:
    """Wait until these hosts accept SSH and have finished booting; return their reports in the order given.

    `began` is the time.monotonic() from which the boot is counted. Hosts of `remove_failed` that do not get ready are
    taken down. LabError names all that did not, with the end of their console.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        results = list(pool.map(lambda name: _await_one(settings, name, began), names))
    failures = [result for result in results if isinstance(result, LabError)]
    if failures:
        broken = [name for name, result in zip(names, results, strict=True) if isinstance(result, LabError)]
        down(settings, [name for name in broken if name in remove_failed])
        raise LabError("\n".join(map(str, failures)))
    return results


def _await_one(settings: Settings, name: str, began: float) -> dict | LabError:
    end = time.monotonic() + BOOT_TIMEOUT
    directory = settings.hosts / name
    last = ""
    while time.monotonic() < end:
        found = state(settings, name)
        if found is None or found["status"] != "running":
            status = found["status"] if found else "gone"
            return LabError(f"{name} is {status} instead of booting; its console:\n{tail(directory / 'console.log')}")
        command = [*ssh_command(settings, name), "systemctl is-system-running --wait; systemctl --failed --plain --no-legend"]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=max(1, end - time.monotonic())
            )
        except subprocess.TimeoutExpired:
            break
        lines = done.stdout.splitlines()
        if done.returncode != 255 and lines and lines[0] in ("running", "degraded"):
            failed = [line.split()[0] for line in lines[1:] if line.strip()]
            return {
                **public(settings, found),
                "system": lines[0],
                "failed_units": failed,
                "seconds": round(time.monotonic() - began, 2),
            }
        last = done.stdout + done.stderr
        time.sleep(0.05)
    return LabError(
        f"{name} did not get ready within {BOOT_TIMEOUT} s (last answer: {last.strip()!r}); its console:\n"
        + tail(directory / "console.log")
    )


def public(settings: Settings, found: dict) -> dict:
    """Return what others may rely on from a host's state."""
    report = {key: found[key] for key in ("name", "dist", "address", "status", "storage", "owner", "created")}
    return report | {
        "user": "debian",
        "ssh_config": str(settings.ssh_config),
        "private_key": str(settings.key),
        "known_hosts": str(settings.known_hosts),
        "console": str(settings.hosts / found["name"] / "console.log"),
        "leader": nspawn.leader(found["nspawn"]) if found["status"] == "running" else None,
    }


def ssh_command(settings: Settings, name: str) -> list[str]:
    """Return the ssh command line that reaches a host; append the remote command."""
    return ["ssh", "-F", str(settings.ssh_config), name]


def down(settings: Settings, names: list[str]) -> list[str]:
    """Throw these hosts away and return the names of those that existed; harmless for others."""
    gone = []
    for name in names:
        if found := state(settings, name):
            gone.append(name)
            with contextlib.suppress(ProcessLookupError):
                os.kill(found["pid"], signal.SIGTERM)
        elif alive(settings, name):
            gone.append(name)
    for name in gone:
        if not wait_for(lambda name=name: not alive(settings, name), STOP_TIMEOUT):
            raise LabError(f"the supervisor of {name} does not end:\n{tail(settings.hosts / name / 'supervisor.log')}")
    with FileLock(settings.lock):
        reap(settings)
    return gone


def require(settings: Settings, name: str, status: str | None = None) -> dict:
    """Return the state of a living host, which must have that status if one is given; otherwise LabError."""
    found = state(settings, name)
    if found is None:
        raise LabError(f"there is no host {name}")
    if status and found["status"] != status:
        raise LabError(f"{name} is {found['status']}, not {status}")
    return found


def require_leader(settings: Settings, name: str) -> int:
    """Return the process that is PID 1 of a running host, as the controller numbers it; otherwise LabError."""
    leader = nspawn.leader(require(settings, name, "running")["nspawn"])
    if leader is None:
        raise LabError(f"{name} has no PID 1 yet")
    return leader


def kill(settings: Settings, name: str) -> None:
    """Cut a host's power: all its processes are killed at once, its disk stays for `switch_on`."""
    os.kill(require_leader(settings, name), signal.SIGKILL)
    if not wait_for(lambda: require(settings, name)["status"] == "off", 15):
        raise LabError(f"{name} does not go off")


def switch_on(settings: Settings, name: str) -> None:
    """Start a host that is off, with the disk it had; does not wait until it is ready."""
    os.kill(require(settings, name, "off")["pid"], signal.SIGUSR1)
    if not wait_for(lambda: require(settings, name)["status"] == "running", 15):
        raise LabError(f"{name} does not start")


def boot(settings: Settings, name: str) -> dict:
    """Switch a host on again and wait until it is ready; return its report."""
    began = time.monotonic()
    switch_on(settings, name)
    return await_ready(settings, [name], began)[0]


def reboot(settings: Settings, name: str) -> dict:
    """Reboot a host in an orderly way and wait until it is ready; return its report."""
    began = time.monotonic()
    before = require_leader(settings, name)
    enter(settings, name, ["systemctl", "reboot"])
    if not wait_for(lambda: nspawn.leader(require(settings, name)["nspawn"]) not in (None, before), BOOT_TIMEOUT):
        raise LabError(f"{name} does not reboot:\n{tail(settings.hosts / name / 'console.log')}")
    return await_ready(settings, [name], began)[0]


def enter(settings: Settings, name: str, command: list[str]) -> int:
    """Run a command as root in a host, past SSH, with our standard streams; return its exit status."""
    leader = require_leader(settings, name)
    clean = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root"]
    if term := os.environ.get("TERM"):
        clean.append(f"TERM={term}")
    return subprocess.call(["nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-C", "--wd=/", *clean, *command])


__all__ = ["alive", "all_states", "boot", "down", "enter", "kill", "reap", "reboot", "run", "state", "switch_on", "sys", "up"]
