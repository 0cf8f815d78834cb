"""The units of a part that is released by taking turns: one socket, two slots, and a candidate on a private socket."""

from __future__ import annotations

SLOTS = ("blue", "green")


def slot_units(
    service: str, title: str, listen: list[str], after: list[str], common: dict, slot: dict, candidate: dict, container: dict | None = None
) -> dict:
    """Units for the role ``unit``.

    Args:
        service: what the units' names begin with, for example ``aiko-backend``.
        title: what it is, for people who list units.
        listen: ``HOST:PORT`` of each address of the socket.
        after: units that the slots start after.
        common: ``[Service]`` of every instance; ``%i`` is the slot's name.
        slot: what a slot that serves has besides.
        candidate: what the candidate has besides: it is asked for its health and never meets a visitor.
        container: for instances that are containers: ``common``, ``slot`` and ``candidate``, each ``[Container]``.
    """
    return {**_door(service, title, listen), **_instances(service, title, after, common, slot, candidate, container or {})}


def _door(service: str, title: str, listen: list[str]) -> dict:
    return {
        f"{service}.socket": {
            "Unit": {"Description": f"{title} listening socket"},
            "Socket": {
                "ListenStream": listen,
                # The platform's address may come up after the socket.
                "FreeBind": True,
                "Backlog": 1024,
                "NoDelay": True,
                "Service": f"{service}.service",
            },
            "Install": {"WantedBy": "sockets.target"},
        },
        f"{service}.service": {
            "Unit": {"Description": f"{title}, whichever slot serves", "Documentation": "man:systemd.socket(5)"},
            # Holds the socket and starts the enabled slot; it runs nothing itself.
            "Service": {"Type": "oneshot", "RemainAfterExit": True, "ExecStart": "/bin/true", "DynamicUser": True},
            "Install": {"WantedBy": "multi-user.target"},
        },
    }


def _instances(service: str, title: str, after: list[str], common: dict, slot: dict, candidate: dict, container: dict) -> dict:
    units = {
        f"{service}@.service": {
            "Unit": {
                "Description": f"{title}, slot %i",
                "PartOf": f"{service}.service",
                "After": [f"{service}.service", "network.target", *after],
            },
            "Service": {**common, "Sockets": f"{service}.socket", **_directory(f"{service}-%i", container), **slot},
        },
        f"{service}-check@.service": {
            "Unit": {"Description": f"{title}, candidate for slot %i on a private socket"},
            "Service": {**common, "Restart": "no", **_directory(f"{service}-check-%i", container), **candidate},
        },
    }
    if not container:
        return units
    parts = dict(zip(units, ("slot", "candidate"), strict=True))
    for name, unit in units.items():
        unit["Container"] = {**container["common"], "ContainerName": name.replace("@.service", "-%i"), **container[parts[name]]}
    return {name.replace("@.service", f"@{colour}.container"): _instance(unit, colour) for name, unit in units.items() for colour in SLOTS}


def _directory(name: str, container: dict) -> dict:
    """A directory below /run of an instance's own. A container's account is not its unit's, whose systemd would make it."""
    return {} if container else {"RuntimeDirectory": name}


def _instance(value, name: str):
    """A template's sections as those of one instance."""
    if isinstance(value, dict):
        return {key: _instance(entry, name) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_instance(entry, name) for entry in value]
    return value.replace("%i", name) if isinstance(value, str) else value


def slot_files(service: str, container: dict | None) -> dict:
    """Paths of the instances' unit files: ``here``, those of this run mode, and ``gone``, those of the other one."""
    stems = (service, f"{service}-check")
    native = [f"/etc/systemd/system/{stem}@.service" for stem in stems]
    quadlets = [f"/etc/containers/systemd/{stem}@{slot}.container" for stem in stems for slot in SLOTS]
    return {"here": quadlets, "gone": native} if container else {"here": native, "gone": quadlets}


class FilterModule:
    def filters(self) -> dict:
        return {"slot_units": slot_units, "slot_files": slot_files}
