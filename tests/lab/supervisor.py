"""The process that owns one host: its mounts, its cgroup, its nspawn; when it ends, nothing of them stays.

It holds an flock on the host's directory as long as it lives. So anybody can tell a living host from the remains of
a dead one, and a process number in the state is only believed while that lock is held.
"""

import argparse
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

from . import caches, images, network, nspawn, ssh, state
from .errors import LabError
from .image import Image
from .settings import GUEST_IMAGES, GUEST_MTU, GUEST_USER, TMPFS_NEEDS_KIB, TMPFS_SIZE, Settings
from .system import FileLock, read_json, remove_tree, run, write_atomically

# With --keep-unit nspawn does not reboot a guest itself but asks its caller to, with this exit status.
REBOOT = 133

# The engine may not raise limits where the controller may not, and there is no controller of process numbers to ask.
CONTAINERS_CONF = """\
[containers]
pids_limit = 0
default_ulimits = ["nofile=20000:20000", "nproc=90000:90000"]
"""
STORAGE_CONF = f"""\
[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
[storage.options]
additionalimagestores = ["{GUEST_IMAGES}"]
"""


def choose_storage(wanted: str, available_kib: int) -> str:
    """Return `tmpfs` or `disk`: what was asked for, or with `auto` memory if there is plenty of it."""
    if wanted != "auto":
        return wanted
    return "tmpfs" if available_kib >= TMPFS_NEEDS_KIB else "disk"


def available_memory_kib() -> int:
    """Return how much memory the kernel could still give away."""
    line = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    return int(line.split()[1])


def guest_files(name: str, address: str, settings: Settings, resolv: str) -> dict[str, str]:
    """Return the files that make a host this host, path to text."""
    nameservers = "".join(f"DNS={line.split()[1]}\n" for line in resolv.splitlines() if line.startswith("nameserver"))
    return {
        "etc/hostname": f"{name}\n",
        "etc/hosts": (
            f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost ip6-loopback\n"
            "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
        ),
        "etc/machine-id": f"{uuid.uuid4().hex}\n",
        "etc/resolv.conf": resolv,
        # Before 80-container-host0.network, which would ask for DHCP.
        "etc/systemd/network/10-lab.network": (
            f"[Match]\nName=host0\n\n[Link]\nMTUBytes={GUEST_MTU}\n\n[Network]\n"
            f"Address={address}/{settings.subnet.prefixlen}\nGateway={settings.gateway}\n{nameservers}LLDP=no\n"
        ),
    }


class Supervisor:
    """Runs one host from its first mount to its last unmount."""

    def __init__(self, settings: Settings, name: str):
        self.settings = settings
        self.name = name
        self.dir = settings.hosts / name
        self.root = self.dir / "root"
        self.disk = self.dir / "disk"
        self.lock = FileLock(self.dir / "lock")
        self.with_systemd = nspawn.controller_has_systemd()
        self.cgroups: list[Path] = []
        self.state: dict = {}
        self.guest: subprocess.Popen | None = None
        self.stopping = False

    def run(self) -> int:
        """Supervise until the host is gone; return the exit status."""
        if not (self.dir / "order.json").exists():
            raise LabError(f"nobody ordered a host {self.name}")
        self.lock.acquire()
        order = read_json(self.dir / "order.json", None)
        if order is None:
            raise LabError(f"nobody ordered a host {self.name}")
        self.pip_conf = order.pop("pip_conf")
        self.state = {**order, "pid": os.getpid(), "status": "preparing", "created": time.time()}
        image = Image(Path(order["image"]))
        wakeups = self._catch_signals()
        try:
            image.hold()
            self.held = [images.hold(self.settings, Path(bind.partition(":")[0])) for bind in self.state["binds"]]
            self._prepare(image)
            self._start()
            self._loop(wakeups)
        except Exception as error:
            self.state |= {"status": "failed", "error": str(error)}
            self._save()
            raise
        finally:
            self._clean_up()
        return 0

    def _save(self, **changes) -> None:
        self.state |= changes
        write_atomically(self.dir / "state.json", json.dumps(self.state, indent=1) + "\n")

    def _catch_signals(self) -> socket.socket:
        receiver, sender = socket.socketpair()
        sender.setblocking(False)
        signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        self._sender = sender
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, lambda *_: None)
        return receiver

    def _prepare(self, image: Image) -> None:
        storage = choose_storage(self.state["storage"], available_memory_kib())
        self.state["storage"] = storage
        for directory in (self.root, self.disk):
            directory.mkdir(exist_ok=True)
        # nspawn leaves directories here; in a file system only we can see, they go with us.
        Path("/run/systemd/nspawn").mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", "mode=755", "aiko-lab", "/run/systemd/nspawn")
        if storage == "tmpfs":
            run("mount", "-t", "tmpfs", "-o", f"size={TMPFS_SIZE},mode=755", f"aiko-lab-{self.name}", str(self.disk))
        else:
            remove_tree(self.settings.disk(self.name))
            self.settings.disk(self.name).mkdir(parents=True)
            run("mount", "--bind", str(self.settings.disk(self.name)), str(self.disk))
        for directory in ("upper", "work", "containers"):
            (self.disk / directory).mkdir()
        seed = caches.make_seed(self.settings, self.name, self.state["dist"])
        layers = f"lowerdir={seed}:{image.root},upperdir={self.disk}/upper,workdir={self.disk}/work"
        run("mount", "-t", "overlay", "-o", layers, f"aiko-lab-{self.name}", str(self.root))
        resolv = network.resolv_conf()
        files = guest_files(self.name, self.state["address"], self.settings, resolv)
        files["etc/pip.conf"] = self.pip_conf
        files["etc/containers/containers.conf.d/50-lab.conf"] = CONTAINERS_CONF
        if any(bind.endswith(f":{GUEST_IMAGES}") for bind in self.state["binds"]):
            files["etc/containers/storage.conf"] = STORAGE_CONF
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_text(text)
        (self.root / "etc/machine-id").chmod(0o444)
        host_key = self.root / "etc/ssh/ssh_host_ed25519_key"
        ssh.make_key(host_key, self.name)
        self._authorize(self.settings.key.with_suffix(".pub").read_text())
        self.state["host_key"] = " ".join(host_key.with_suffix(".pub").read_text().split()[:2])

    def _authorize(self, public_key: str) -> None:
        home = self.root / "home" / GUEST_USER
        directory = home / ".ssh"
        directory.mkdir(mode=0o700)
        (directory / "authorized_keys").write_text(public_key)
        (directory / "authorized_keys").chmod(0o600)
        owner = home.stat()
        for path in (directory, directory / "authorized_keys"):
            os.chown(path, owner.st_uid, owner.st_gid)

    def _start(self) -> None:
        self.cgroups = nspawn.own_cgroups(self.settings, self.name, self.with_systemd)
        for directory in self.cgroups:
            directory.mkdir(parents=True, exist_ok=True)
        if self.with_systemd:
            # Processes may only be in the leaves of a delegated cgroup, and nspawn makes leaves beside this one.
            nspawn.enter([directory / "lab" for directory in self.cgroups])
        environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        with open(self.dir / "console.log", "ab") as console:
            self.guest = subprocess.Popen(
                nspawn.nspawn_command(self.settings, self.name, self.root, self.cgroups, self._binds()),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=environment,
                start_new_session=True,
            )
        self._save(status="running", nspawn=self.guest.pid, started=time.time())

    def _binds(self) -> list[str]:
        # Container engines stack overlays, and the kernel does not stack them on the overlay that is the host's root.
        writable = f"--bind={self.disk / 'containers'}:/var/lib/containers"
        return [writable, *(f"--bind-ro={bind}" for bind in self.state["binds"])]

    def _loop(self, wakeups: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(wakeups, selectors.EVENT_READ, "signal")
            if owner := self.state.get("owner"):
                try:
                    selector.register(os.pidfd_open(owner), selectors.EVENT_READ, "owner")
                except ProcessLookupError:
                    return
            guest_fd = self._watch_guest(selector)
            while True:
                for key, _events in selector.select():
                    if key.data == "owner":
                        return
                    if key.data == "signal":
                        numbers = set(wakeups.recv(64))
                        if numbers & {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}:
                            return
                        if signal.SIGUSR1 in numbers and self.guest is None:
                            self._start()
                            guest_fd = self._watch_guest(selector)
                    if key.data == "guest" and self.guest is not None:
                        status = self.guest.wait()
                        selector.unregister(guest_fd)
                        os.close(guest_fd)
                        self.guest = None
                        self._kill_guest()
                        if status == REBOOT:
                            self._start()
                            guest_fd = self._watch_guest(selector)
                            continue
                        if status == 0:
                            # An orderly power-off: nobody will want this disk again.
                            return
                        self._save(status="off", exit_status=status)

    def _watch_guest(self, selector: selectors.BaseSelector) -> int:
        fd = os.pidfd_open(self.guest.pid)
        selector.register(fd, selectors.EVENT_READ, "guest")
        return fd

    def _kill_guest(self) -> None:
        if self.guest is not None:
            if leader := nspawn.leader(self.guest.pid):
                os.kill(leader, signal.SIGKILL)
            try:
                self.guest.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.guest.kill()
                self.guest.wait()
            self.guest = None
        for directory in self.cgroups:
            nspawn.empty_cgroup(directory, keep=directory / "lab")

    def _clean_up(self) -> None:
        if self.state.get("status") != "failed":
            self._save(status="stopping")
        self._kill_guest()
        if (self.disk / "upper").is_dir():
            caches.harvest(self.settings, self.state["dist"], self.disk / "upper")
        for directory in (self.root, self.disk):
            run("umount", str(directory), check=False)
        remove_tree(self.settings.disk(self.name))
        remove_tree(self.settings.seed(self.name))
        if self.state.get("status") == "failed":
            # Its directory stays until the next verb, so that whoever ordered the host can read why it failed.
            return
        with FileLock(self.settings.lock):
            # The directory goes before the lock, so that nobody takes it for the remains of a dead host: on a machine
            # with systemd those are stopped as a unit, which would be this very process.
            remove_tree(self.dir)
            self.lock.release()
            state.reap(self.settings)


def start(settings: Settings, name: str) -> subprocess.Popen:
    """Start the supervisor of a host whose order.json has been written, in the background, and return its launcher.

    The lab's lock must be held.
    """
    directory = settings.hosts / name
    environment = {
        "AIKO_LAB_RUN": str(settings.run),
        "AIKO_LAB_CACHE": str(settings.cache),
        "AIKO_LAB_SUBNET": str(settings.subnet),
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
    }
    supervise = [sys.executable, "-I", "-S", str(Path(__file__).with_name("__main__.py")), "supervise", name]
    command = nspawn.launch_command(settings.unit(name), supervise, environment, nspawn.controller_has_systemd())
    with open(directory / "supervisor.log", "ab") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd="/", start_new_session=True
        )


def main(settings: Settings, arguments: list[str]) -> int:
    """Run the hidden verb `supervise NAME`; return its exit status."""
    os.umask(0o022)
    parser = argparse.ArgumentParser(prog="lab supervise")
    parser.add_argument("name")
    return Supervisor(settings, parser.parse_args(arguments).name).run()
