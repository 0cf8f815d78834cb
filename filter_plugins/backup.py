"""Backups: what each host is told of them, and how the hosts reach each other for it."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError


def backup_settings(common: dict, parts: dict, host: str, store: str, addresses: dict) -> dict:
    """The settings of the tool aiko-backup on one host (roles/backup/files/aiko_backup/config.py).

    Args:
        common: what does not depend on the host.
        parts: ``postgresql``, and what else is backed up (``redis``, ``uploads``, ``grafana``) or asked for its release (``backend``,
            ``frontend``), each a dict with at least ``host``.
        host: the host that reads them. The backup host is told of every part, any other of its own ones.
        store: the backup host.
        addresses: host to the address by which others reach it.
    """
    # None: no SSH is needed.
    seen = {
        name: {**part, "address": addresses[part["host"]] if part["host"] != host else None}
        for name, part in parts.items()
        if host in (store, part["host"])
    }
    return {
        **common,
        **({"postgresql": seen["postgresql"]} if "postgresql" in seen else {}),
        "parts": {name: part for name, part in seen.items() if name in ("redis", "uploads", "grafana")},
        "releases": {name: part for name, part in seen.items() if name in ("backend", "frontend")},
    }


def backup_remotes(parts: dict, store: str, groups: list[str] | None = None) -> list[str]:
    """Hosts that the backup host reaches over SSH, sorted; those of some parts alone when ``groups`` names them."""
    return sorted({part["host"] for name, part in parts.items() if groups is None or name in groups} - {store})


def ssh_hosts(hosts: list[str], addresses: dict, keys: dict) -> str:
    """An ssh_config(5) that knows these hosts by name and nobody else by trust.

    Args:
        hosts: their names.
        addresses: host to address.
        keys: account there to the private key that opens it.
    """
    lines = []
    for host in hosts:
        lines += [f"Host {host}", f"    HostName {addresses[host]}", f"    HostKeyAlias {host}"]
    for account, key in keys.items():
        lines += [f"Match user {account}", f"    IdentityFile {key}"]
    lines += ["Match all", "    IdentitiesOnly yes", "    BatchMode yes", "    StrictHostKeyChecking yes",
              # Whoever does not answer is waited for a minute at most, in the handshake too.
              "    ConnectTimeout 30", "    ServerAliveInterval 15",
              "    UserKnownHostsFile /etc/aiko/backup/known_hosts"]
    return "\n".join(lines) + "\n"


def below(files: list[dict], directory: str) -> list[dict]:
    """Files with relative paths, as config_tree takes them, below a directory."""
    return [{**file, "path": f"{directory}/{file['path']}"} for file in files]


def pgbackrest_conf(sections: dict) -> str:
    """A pgbackrest.conf (pgbackrest.org/configuration.html): section to options; None leaves an option out.

    Raises:
        AnsibleFilterError: a value has a line break, which would begin another option.
    """
    lines = []
    for section, options in sections.items():
        lines += ["", f"[{section}]"]
        for name, value in options.items():
            if value is None:
                continue
            if "\n" in str(value):
                raise AnsibleFilterError(f"{name} has a line break, which would begin another option of pgbackrest")
            lines.append(f"{name}={value}")
    return "\n".join(lines[1:]) + "\n"


class FilterModule:
    def filters(self) -> dict:
        return {
            "backup_settings": backup_settings,
            "below": below,
            "backup_remotes": backup_remotes,
            "pgbackrest_conf": pgbackrest_conf,
            "ssh_hosts": ssh_hosts,
        }
