"""Values in the syntax of the file they go into."""

from __future__ import annotations

import re

from ansible.errors import AnsibleFilterError

BARE = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")


def environment_file(variables: dict) -> str:
    """A systemd EnvironmentFile (systemd.exec(5)), sorted by name; None leaves a variable out.

    Raises:
        AnsibleFilterError: a name is no environment variable's, or a value has a line break.
    """
    lines = ["# Ansible managed. Changes made here are lost."]
    for name, value in sorted(variables.items()):
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise AnsibleFilterError(f"'{name}' is not the name of an environment variable")
        if value is None:
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if "\n" in text:
            raise AnsibleFilterError(f"{name} has a line break; an environment file cannot carry it")
        if text and not BARE.fullmatch(text):
            text = '"' + re.sub(r'(["\\$`])', r"\\\1", text) + '"'
        lines.append(f"{name}={text}")
    return "\n".join(lines) + "\n"


def postgresql_settings(settings: dict) -> str:
    """Lines of postgresql.conf (manual, "Setting Parameters"); None leaves a setting out.

    Raises:
        AnsibleFilterError: a name is no setting's, or a value has a line break.
    """
    lines = []
    for name, value in sorted(settings.items()):
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.$]*", name):
            raise AnsibleFilterError(f"'{name}' is not the name of a setting of PostgreSQL")
        if value is None:
            continue
        text = ("on" if value else "off") if isinstance(value, bool) else str(value)
        if "\n" in text:
            raise AnsibleFilterError(f"{name} has a line break, which would begin a new setting")
        quoted = text.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{quoted}'")
    return "\n".join(lines) + "\n"


def redis_directives(settings: dict) -> str:
    """Lines of redis.conf: a list repeats the directive, None leaves it out, empty text is written as ``""``.

    Raises:
        AnsibleFilterError: a name is no directive's, or a value has a line break.
    """
    lines = []
    for name, value in settings.items():
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise AnsibleFilterError(f"'{name}' is not the name of a directive of Redis")
        for item in value if isinstance(value, list) else [value]:
            if item is None:
                continue
            text = ("yes" if item else "no") if isinstance(item, bool) else str(item)
            if "\n" in text:
                raise AnsibleFilterError(f"{name} has a line break, which would begin a new directive")
            lines.append(f"{name} {text}" if text else f'{name} ""')
    return "\n".join(lines) + "\n"


class FilterModule:
    def filters(self) -> dict:
        return {
            "environment_file": environment_file,
            "postgresql_settings": postgresql_settings,
            "redis_directives": redis_directives,
        }
