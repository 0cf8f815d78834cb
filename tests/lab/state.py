"""Which hosts there are, and clearing away those whose supervisor died."""

import contextlib
import json
from pathlib import Path

from . import network, nspawn, ssh
from .settings import Settings
from .system import BOOT_ID, FileLock, is_locked, read_json, remove_tree, write_atomically


def alive(settings: Settings, name: str) -> bool:
    """Tell whether the host's supervisor lives."""
    return is_locked(settings.hosts / name / "lock")


def read(settings: Settings, name: str) -> dict | None:
    """Return what the supervisor says about a living host, None when there is no such host."""
    if not alive(settings, name):
        return None
    return read_json(settings.hosts / name / "state.json", None)


def all_states(settings: Settings) -> list[dict]:
    """Return the states of all living hosts, by name."""
    names = sorted(path.name for path in settings.hosts.iterdir()) if settings.hosts.is_dir() else []
    return [found for name in names if (found := read(settings, name))]


def reap(settings: Settings) -> None:
    """Clear away what dead supervisors left behind, and the network with the last host. The lab's lock must be held."""
    _forget_former_boot(settings)
    leases = read_json(settings.run / "leases.json", {})
    living = set()
    for directory in sorted(settings.hosts.iterdir()) if settings.hosts.is_dir() else []:
        lock = FileLock(directory / "lock")
        if lock.acquire(wait=False):
            _remove_remains(settings, directory.name)
            lock.release()
        else:
            living.add(directory.name)
    # A host may also have died before it had a directory, or between removing that and the rest.
    for directory in settings.layers.glob("*/*"):
        if directory.name not in living:
            remove_tree(directory)
    kept = {name: address for name, address in leases.items() if name in living}
    if kept != leases:
        write_atomically(settings.run / "leases.json", json.dumps(kept, indent=1) + "\n")
    if settings.run.is_dir():
        ssh.write_files(settings, all_states(settings))
    if not living:
        remove_tree(settings.layers)
        network.remove(settings)
        for mount in nspawn.cgroup_mounts(Path("/proc/mounts").read_text()):
            with contextlib.suppress(OSError):
                (mount / settings.cgroup).rmdir()


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
        nspawn.stop_unit(settings.unit(name))
    else:
        for directory in nspawn.own_cgroups(settings, name, with_systemd=False):
            nspawn.empty_cgroup(directory)
    for directory in (settings.disk(name), settings.seed(name), settings.hosts / name):
        remove_tree(directory)
