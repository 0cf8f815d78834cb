"""systemd units as data: nested dicts in, unit files out.

The syntax is that of systemd.syntax(7): sections, ``key=value``, a key may be given several times.
"""

from __future__ import annotations

import fnmatch
import re

from ansible.errors import AnsibleFilterError

SECRET_WORDS = ("password", "secret", "token", "api_key")
# systemd only warns of what it does not understand, and goes on without it: hardening with a typing error would
# be no hardening. Drop-ins are no units, so they cannot be asked about before they are in place.
WHOLE = (".service", ".socket", ".timer", ".path", ".target")
VALIDATE = (
    "sh -c '! systemd-analyze verify --man=no --recursive-errors=no \"$0\" 2>&1 | grep --fixed-strings \"$0:\" | grep ignoring' %s"
)
# Quadlet refuses what it does not know, but names the file only where it stands among the others.
QUADLETS = "/etc/containers/systemd"
QUADLET_NAMES = (".container", ".network", ".volume")
VALIDATE_QUADLET = (
    f"sh -c '! QUADLET_UNIT_DIRS=\"$(dirname \"$0\"):{QUADLETS}\" /usr/lib/systemd/system-generators/podman-system-generator --dryrun"
    " 2>&1 >/dev/null | grep --invert-match Loading | grep --fixed-strings \"$(basename \"$0\")\"' %s"
)


def unit_file(sections: dict, name: str = "unit") -> str:
    """Render one unit.

    Args:
        sections: ``{"Unit": {...}, "Service": {...}}``. A value may be text, a number, a bool
            (``yes``/``no``), a list (the key is repeated) or None (the key is left out).
        name: of the unit, for messages.

    Raises:
        AnsibleFilterError: a section or value is of another type, or a value has a line break
            (it would smuggle in a directive).
    """
    if not isinstance(sections, dict):
        raise AnsibleFilterError(f"{name}: a unit is a dict of sections, not {type(sections).__name__}")
    lines = ["# Ansible managed: roles/unit. Changes made here are lost."]
    for section, directives in sections.items():
        if not isinstance(directives, dict):
            raise AnsibleFilterError(f"{name}: section [{section}] must be a dict, not {type(directives).__name__}")
        lines += ["", f"[{section}]"]
        for key, value in directives.items():
            lines += [f"{key}={text}" for text in _values(name, key, value)]
    return "\n".join(lines) + "\n"


def _values(name: str, key: str, value) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [text for item in value for text in _values(name, key, item)]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if not isinstance(value, str | int | float):
        raise AnsibleFilterError(f"{name}: {key} must be text, number, bool or list, not {type(value).__name__}")
    text = str(value)
    if "\n" in text:
        raise AnsibleFilterError(f"{name}: {key} has a line break, which would begin a new directive")
    # One line may assign several variables.
    for variable in re.findall(r"""(?:^|[\s"'])(\w+)=""", text) if key == "Environment" else []:
        if any(word in variable.lower() for word in SECRET_WORDS):
            raise AnsibleFilterError(f"{name}: {key}={variable} looks like a secret; use LoadCredential")
    return [text]


def unit_files(
    units: dict, hardening: dict, container: dict | None = None, limits: dict | None = None, directory: str = "/etc/systemd/system"
) -> list[dict]:
    """Turn units into the ``files`` of a config_tree task.

    Args:
        units: unit name, or ``NAME.d/PART.conf`` for a drop-in, to sections. ``NAME.container``, ``NAME.network`` and
            ``NAME.volume`` are Podman's quadlets (podman-systemd.unit(5)).
        hardening: directives that every whole ``.service`` gets in ``[Service]``; what the unit
            says itself wins, and None takes a default away. Drop-ins get none: they change
            somebody else's unit.
        container: the same for ``[Container]`` of every ``.container``. One that has a HealthCmd is asked by it every
            second until it is well for the first time, too.
        limits: pattern of services (fnmatch), as systemd calls them, to directives of ``[Service]`` that win over all others; of
            several patterns that match, the last one's.
        directory: where unit files live.

    """
    return [_file(name, _limited(name, sections, limits or {}), hardening, container or {}, directory) for name, sections in units.items()]


def _limited(name: str, sections: dict, limits: dict) -> dict:
    if not isinstance(sections, dict) or name.endswith((".network", ".volume")):
        return sections
    service = name.partition(".d/")[0] if ".d/" in name else unit_service(name)
    for pattern, directives in limits.items():
        if not isinstance(directives, dict):
            raise AnsibleFilterError(f"unit_limits: {pattern} is {directives!r}. Expected: directives of [Service], such as "
                                     "{CPUQuota: 150%}. Remedy: write it so")
        if service.endswith(".service") and fnmatch.fnmatchcase(service, pattern):
            sections = _with_defaults(sections, "Service", {}, directives)
    return sections


def _file(name: str, sections: dict, hardening: dict, container: dict, directory: str) -> dict:
    if isinstance(sections, dict) and name.endswith(".service"):
        sections = _with_defaults(sections, "Service", hardening)
    if isinstance(sections, dict) and name.endswith(".container"):
        sections = _with_defaults(sections, "Container", container)
        check = sections["Container"].get("HealthCmd") if isinstance(sections["Container"], dict) else None
        if check:
            sections = _with_defaults(sections, "Container", {"HealthStartupCmd": check, "HealthStartupInterval": "1s"})
    if name.endswith(QUADLET_NAMES):
        return {"path": f"{QUADLETS}/{name}", "content": unit_file(sections, name), "validate": VALIDATE_QUADLET}
    file = {"path": f"{directory}/{name}", "content": unit_file(sections, name)}
    return {**file, "validate": VALIDATE} if name.endswith(WHOLE) else file


def _with_defaults(sections: dict, section: str, defaults: dict, winners: dict | None = None) -> dict:
    own = sections.get(section, {})
    return {**sections, section: {**defaults, **own, **(winners or {})}} if isinstance(own, dict) else sections


def unit_paths(names: list[str]) -> list[str]:
    """Where units' files are."""
    return [f"{QUADLETS if name.endswith(QUADLET_NAMES) else '/etc/systemd/system'}/{name}" for name in names]


def unit_service(name: str) -> str:
    """The unit that systemd runs for a name: its own, or what Podman makes of a quadlet."""
    stem, _, kind = name.rpartition(".")
    return {"container": f"{stem}.service", "network": f"{stem}-network.service", "volume": f"{stem}-volume.service"}.get(kind, name)


def units_off(names: list[str], wanted: list[dict] | None = None) -> list[dict]:
    """What systemd_units shall do with units that go: stop and disable them; drop-ins and templates run nothing themselves.

    What somebody still wants changes between a unit of its own and a quadlet, and systemd_units stops it for that, when what it
    becomes is there. Only the former unit's link is taken away before, as nothing would lead to its name any more.
    """
    kept = {unit["name"] for unit in wanted or []}
    going = [name for name in names if "/" not in name and "@." not in name]
    return [{"name": unit_service(name), "enabled": False, **({} if unit_service(name) in kept else {"state": "stopped"})} for name in going
            if not (name.endswith(QUADLET_NAMES) and unit_service(name) in kept)]


class FilterModule:
    def filters(self) -> dict:
        return {"unit_file": unit_file, "unit_files": unit_files, "unit_paths": unit_paths, "units_off": units_off}
