"""Secrets on their way to systemd credentials."""

from __future__ import annotations

import re

from ansible.errors import AnsibleFilterError


def credential_files(secrets: dict, directory: str = "/etc/aiko/credentials") -> list[dict]:
    """The ``files`` of a config_tree task: one file a secret, for root alone; PID 1 hands them on.

    Args:
        secrets: name to value; the name is that of the environment variable it stands for.
        directory: on the host.

    Raises:
        AnsibleFilterError: a name is none, or a value is empty. The value is never part of the message.
    """
    files = []
    for name, value in secrets.items():
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            raise AnsibleFilterError(f"'{name}' is not the name of a secret: capitals, digits and _ are")
        if not isinstance(value, str) or not value:
            raise AnsibleFilterError(f"secret {name} is empty; give it a value or take it out of backend_secrets")
        files.append({"path": f"{directory}/{name}", "content": value, "mode": "0600", "secret": True})
    return files


class FilterModule:
    def filters(self) -> dict:
        return {"credential_files": credential_files}
