"""How a guest is started: its command line, its cgroup, and its first process."""

import contextlib
import os
import signal
import time
from pathlib import Path

from .settings import Settings
from .system import run


def nspawn_command(settings: Settings, name: str, root: Path, cgroups: list[Path], binds: list[str]) -> list[str]:
    """Return the command line of systemd-nspawn for one guest whose file system is at `root`.

    nspawn, but not its launcher, moves into `cgroups`, which must exist. `binds` are options that show directories of
    the controller in the guest.
    """
    return [
        # If the supervisor is killed, its guest goes too, instead of running on with nobody in charge. nspawn's death
        # alone would not do that, but it is the first process of a namespace, and nothing in there survives it.
        "setpriv", "--pdeathsig", "KILL",
        "unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
        # Without a cgroup of its own a guest shares one tree with the others and now and then fails to boot. 0 is
        # whoever writes it.
        "sh", "-c", 'while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs" || exit; shift; done; shift; exec "$@"', "sh",
        *map(str, cgroups), "--",
        "systemd-nspawn",
        f"--directory={root}",
        "--boot",
        f"--machine={settings.machine(name)}",
        f"--hostname={name}",
        f"--network-bridge={settings.bridge}",
        # The supervisor already gave it a cgroup; machined need not exist.
        "--keep-unit", "--register=no",
        "--settings=no", "--link-journal=no", "--resolv-conf=off", "--timezone=off", "--console=read-only",
        # Needed by containers inside the guest; but the kernel and the clock are the controller's.
        "--capability=all", "--drop-capability=CAP_SYS_MODULE,CAP_SYS_TIME", "--system-call-filter=add_key keyctl bpf",
        *binds,
        # What systemd would show on a screen goes to the console log.
        "systemd.show_status=1",
    ]  # fmt: skip


def controller_has_systemd() -> bool:
    """Tell whether systemd is the controller's PID 1."""
    return Path("/run/systemd/system").is_dir()


def launch_command(unit: str, supervise: list[str], environment: dict[str, str], with_systemd: bool) -> list[str]:
    """Return the command that starts a host's supervisor in the background of this controller.

    The supervisor always gets a mount namespace of its own: its mounts disappear with it, even when it is killed.
    With systemd as PID 1 it becomes a transient service, because there cgroups belong to systemd and may only be used
    where it delegated them.
    """
    isolated = ["unshare", "--mount", "--propagation", "slave", *supervise]
    if not with_systemd:
        return isolated
    return [
        "systemd-run", "--quiet", "--collect", f"--unit={unit}",
        "--property=Delegate=yes", "--property=KillMode=mixed", "--property=TimeoutStopSec=60",
        *(f"--setenv={key}={value}" for key, value in sorted(environment.items())),
        *isolated,
    ]  # fmt: skip


def cgroup_mounts(mounts: str) -> list[Path]:
    """Return where cgroup v2 and v1's `name=systemd` are mounted, given the text of /proc/mounts.

    Those two are what systemd in the guest and nspawn use. The resource controllers of v1 are left alone.
    """
    found = []
    for line in mounts.splitlines():
        _source, target, kind, options = line.split()[:4]
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(target))
    return found


def own_cgroups(settings: Settings, name: str, with_systemd: bool) -> list[Path]:
    """Return the directories of the guest's cgroup, one per hierarchy; they need not exist."""
    if with_systemd:
        # The service's own cgroup; processes may only be in its leaves, so the supervisor moves into one first.
        path = next(f[3:] for f in Path("/proc/self/cgroup").read_text().splitlines() if f.startswith("0::"))
        mounts = cgroup_mounts(Path("/proc/mounts").read_text())
        return [mount / path.strip("/") for mount in mounts if (mount / path.strip("/")).is_dir()]
    return [mount / settings.cgroup / name for mount in cgroup_mounts(Path("/proc/mounts").read_text())]


def enter(cgroups: list[Path]) -> None:
    """Move the calling process into the given cgroups, which are made when missing."""
    for directory in cgroups:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cgroup.procs").write_text(str(os.getpid()))


def members(cgroup: Path, keep: Path | None = None) -> set[int]:
    """Return the processes in a cgroup and all below it, except those in and below `keep`."""
    pids = set()
    for file in [cgroup / "cgroup.procs", *cgroup.rglob("cgroup.procs")]:
        if keep is None or not file.is_relative_to(keep):
            with contextlib.suppress(OSError):
                pids.update(map(int, file.read_text().split()))
    return pids - {0, os.getpid()}


def empty_cgroup(cgroup: Path, keep: Path | None = None, timeout: float = 10) -> bool:
    """Kill all processes in a cgroup the lab made and remove it, except the part `keep`; False when time ran out."""
    end = time.monotonic() + timeout
    while cgroup.is_dir():
        pids = members(cgroup, keep)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        directories = [path for path in [cgroup, *cgroup.rglob("*")] if path.is_dir()]
        for directory in sorted(directories, key=lambda path: len(path.parts), reverse=True):
            if directory != keep:
                with contextlib.suppress(OSError):
                    directory.rmdir()
        if not pids and keep is not None and keep.is_dir():
            return True
        if time.monotonic() > end:
            return False
        if cgroup.is_dir():
            time.sleep(0.02)
    return True


def leader(launcher: int) -> int | None:
    """Return the number, as seen from here, of the process that is PID 1 in the guest; None when there is none.

    `launcher` is the process that runs nspawn_command: nspawn is its child, the guest's PID 1 its grandchild.
    """
    for nspawn in _children(launcher):
        for child in _children(nspawn):
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{child}/status").read_text().splitlines():
                    # The numbers it has in all its namespaces, the innermost last.
                    if line.startswith("NSpid:") and line.split()[-1] == "1":
                        return child
    return None


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def stop_unit(unit: str) -> None:
    """Stop a host's transient service, if there is one."""
    run("systemctl", "stop", unit, check=False)
