"""How the hosts are reached: the lab's key, known_hosts and ssh_config, usable by the person who called sudo."""

import os
from pathlib import Path

from .settings import GUEST_USER, Settings
from .system import run, write_atomically


def invoking_user() -> tuple[int, int] | None:
    """Return (uid, gid) of the person behind sudo, None when nobody is."""
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "0") != "0":
        return int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", os.environ["SUDO_UID"]))
    return None


def ensure_key(settings: Settings) -> str:
    """Make the lab's key pair when missing, hand it to the invoking user, and return the public half."""
    public = settings.key.with_suffix(".pub")
    if not (settings.key.exists() and public.exists()):
        settings.key.unlink(missing_ok=True)
        make_key(settings.key, "lab")
    if user := invoking_user():
        os.chown(settings.key, *user)
    return public.read_text().strip()


def make_key(path: Path, comment: str) -> None:
    """Make an Ed25519 key pair without passphrase at `path` and `path`.pub; nothing may be there yet."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path))


def render_config(settings: Settings, hosts: list[dict]) -> str:
    """Return an ssh_config with one entry per host; each host has `name` and `address`."""
    entries = [f"Host {host['name']}\n    HostName {host['address']}\n" for host in hosts]
    common = f"""\
Host *
    User {GUEST_USER}
    IdentityFile {settings.key}
    IdentitiesOnly yes
    UserKnownHostsFile {settings.known_hosts}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
    BatchMode yes
    ConnectTimeout 5
    LogLevel ERROR
"""
    return "".join([*entries, common])


def render_known_hosts(hosts: list[dict]) -> str:
    """Return known_hosts lines; each host has `name`, `address` and its public `host_key`."""
    return "".join(f"{host['name']},{host['address']} {host['host_key']}\n" for host in hosts)


def write_files(settings: Settings, hosts: list[dict]) -> None:
    """Write ssh_config and known_hosts for exactly these hosts. The lab's lock must be held."""
    write_atomically(settings.known_hosts, render_known_hosts(hosts))
    write_atomically(settings.ssh_config, render_config(settings, hosts))
