"""What can be done with hosts: bring up, take down, switch off and on, and look into them."""

import contextlib
import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import caches, image, network, nspawn, ssh, supervisor
from .errors import LabError
from .settings import Settings, check_name
from .state import alive, all_states, read, reap
from .system import FileLock, read_json, tail, wait_for, write_atomically

BOOT_TIMEOUT = 90
STOP_TIMEOUT = 120


def up(
    settings: Settings,
    names: list[str],
    dist: str = "trixie",
    owner: int | None = None,
    number: int | None = None,
    storage: str = "auto",
    binds: list[str] | None = None,
) -> list[dict]:
    """Make sure that these hosts run; return one report per name, in that order.

    `owner` is a process number: its hosts go when it does. `number` is the host part of the first one's address, the
    others get the following ones. `binds` are SOURCE:TARGET pairs of directories. A host that runs already is left
    alone if it is of the same release. LabError when a host does not get ready; then it is removed again.
    """
    names = [check_name(name) for name in dict.fromkeys(names)]
    if owner is not None and not Path(f"/proc/{owner}").exists():
        raise LabError(f"there is no process {owner} to own the hosts")
    binds = [check_bind(bind) for bind in binds or []]
    base = image.ensure(settings, dist)
    began = time.monotonic()
    # A private key lives below; everything in it that is secret has a mode of its own.
    settings.hosts.mkdir(parents=True, exist_ok=True)
    fresh: dict[str, subprocess.Popen] = {}
    failures = []
    with _quiet_lab(settings, names):
        reap(settings)
        ssh.ensure_key(settings)
        present = {name: found for name in names if (found := read(settings, name))}
        for name, found in present.items():
            if found["dist"] != dist:
                raise LabError(f"{name} already runs {found['dist']}; take it down first")
        network.ensure(settings)
        common = {"dist": dist, "image": str(base.directory), "owner": owner, "storage": storage, "binds": binds}
        common["pip_conf"] = caches.guest_pip_conf()
        for index, name in enumerate(names):
            if name not in present:
                address = _lease(settings, name, None if number is None else number + index)
                _order(settings, {"name": name, "address": address, **common})
                fresh[name] = supervisor.start(settings, name)
        for name, launcher in fresh.items():
            try:
                _await_supervisor(settings, name, launcher)
            except LabError as error:
                failures.append(str(error))
        ssh.write_files(settings, all_states(settings))
    base.lock.release()
    if failures:
        down(settings, list(fresh))
        raise LabError("\n".join(failures))
    for name, found in present.items():
        if found["status"] == "off":
            switch_on(settings, name)
    return await_ready(settings, names, began, remove_failed=fresh)


def check_bind(bind: str) -> str:
    """Return a SOURCE:TARGET pair with both paths absolute, otherwise raise LabError."""
    source, colon, target = bind.partition(":")
    if not colon or ":" in target or not target.startswith("/"):
        raise LabError(f"{bind!r} is not SOURCE:TARGET with an absolute target")
    if not Path(source).exists():
        raise LabError(f"{source} does not exist")
    return f"{Path(source).resolve()}:{target}"


@contextlib.contextmanager
def _quiet_lab(settings: Settings, names: list[str]):
    """Hold the lab's lock at a moment when none of these hosts is just coming or going; that takes the lock itself."""
    end = time.monotonic() + STOP_TIMEOUT
    while True:
        with FileLock(settings.lock):
            if not any(_in_between(settings, name) for name in names):
                yield
                return
        if time.monotonic() > end:
            raise LabError("a former host of that name does not come or go")
        time.sleep(0.05)


def _in_between(settings: Settings, name: str) -> bool:
    """Whether a host is going away, or was ordered by a call that was killed and has a supervisor that has not reported yet."""
    found = read(settings, name)
    if found:
        return found["status"] == "stopping"
    directory = settings.hosts / name
    if not directory.is_dir():
        return False
    lock = FileLock(directory / "lock")
    if lock.acquire(wait=False):
        lock.release()
        return False
    return True


def _lease(settings: Settings, name: str, number: int | None) -> str:
    leases = read_json(settings.run / "leases.json", {})
    leases[name] = network.pick_address(settings.subnet, leases, name, number)
    write_atomically(settings.run / "leases.json", json.dumps(leases, indent=1) + "\n")
    return leases[name]


def _order(settings: Settings, order: dict) -> None:
    directory = settings.hosts / order["name"]
    directory.mkdir()
    # Not for everybody's eyes: the address of a private package index may contain a password.
    write_atomically(directory / "order.json", json.dumps(order) + "\n", mode=0o600)


def _await_supervisor(settings: Settings, name: str, launcher: subprocess.Popen) -> None:
    path = settings.hosts / name / "state.json"
    # `systemd-run` ends at once and successfully, a supervisor only when it failed.
    wait_for(lambda: path.exists() or launcher.poll(), 30, 0.01)
    found = read_json(path, {})
    if found.get("status") not in ("running", "off"):
        cause = found.get("error") or tail(path.with_name("supervisor.log"))
        raise LabError(f"{name} could not be started: {cause}")


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
        found = read(settings, name)
        if found is None or found["status"] != "running":
            status = found["status"] if found else "gone"
            return LabError(f"{name} is {status} instead of booting; its console:\n{tail(directory / 'console.log')}")
        command = [
            # Whoever kills us kills this as well: nobody else would, until the connection is given up.
            "setpriv", "--pdeathsig", "KILL",
            *ssh_command(settings, name),
            "systemctl is-system-running --wait; systemctl --failed --plain --no-legend",
        ]
        try:
            done = subprocess.run(
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=max(1, end - time.monotonic()),
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
        if found := read(settings, name):
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


def harvest(settings: Settings, name: str) -> int:
    """Take what a running host downloaded into the caches; return the number of files."""
    found = require(settings, name)
    # The host's mounts can only be seen from its supervisor's mount namespace.
    upper = Path(f"/proc/{found['pid']}/root{settings.hosts / name / 'disk/upper'}")
    return caches.harvest(settings, found["dist"], upper)


def require(settings: Settings, name: str, status: str | None = None) -> dict:
    """Return the state of a living host, which must have that status if one is given; otherwise LabError."""
    found = read(settings, name)
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
    clean = [
        "env",
        "-i",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8",
        "HOME=/root",
    ]
    if term := os.environ.get("TERM"):
        clean.append(f"TERM={term}")
    return subprocess.call(
        ["nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-C", "--wd=/", *clean, *command]
    )
