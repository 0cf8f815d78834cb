"""Logs that stay small."""

from __future__ import annotations

import re

from ansible.errors import AnsibleFilterError

FACTORS = {"K": 1024, "M": 1024**2, "G": 1024**3}


def journal_files(names: list[str], most: str) -> list[dict]:
    """The ``files`` of a config_tree task that bound the journal namespace of each service (journald.conf(5)).

    Args:
        names: of the namespaces.
        most: what each may take on disk, a number with K, M or G. It goes in three files, of which the oldest is dropped whole.

    Raises:
        AnsibleFilterError: the size is none, or a name is no namespace's.
    """
    found = re.fullmatch(r"(\d+)([KMG])", str(most))
    if not found:
        raise AnsibleFilterError(f"base_journal_namespace_max is '{most}'. Expected: a number with K, M or G, for example 30M")
    for name in names:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise AnsibleFilterError(f"base_journal_namespaces has '{name}'. Expected: lower-case letters, digits and -")
    third = int(found[1]) * FACTORS[found[2]] // 3
    text = (
        "# Ansible managed: roles/base. Changes made here are lost.\n"
        f"[Journal]\nStorage=persistent\nSystemMaxUse={most}\nSystemMaxFileSize={third}\n"
    )
    return [{"path": f"/etc/systemd/journald@{name}.conf", "content": text} for name in names]


class FilterModule:
    def filters(self) -> dict:
        return {"journal_files": journal_files}
