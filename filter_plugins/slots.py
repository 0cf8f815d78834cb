"""The units of a part that is released by taking turns: one socket, two slots, and a candidate on a private socket."""

from __future__ import annotations


def slot_units(service: str, title: str, listen: list[str], after: list[str], common: dict, slot: dict, candidate: dict) -> dict:
    """Units for the role ``unit``.

    Args:
        service: what the units' names begin with, for example ``aiko-backend``.
        title: what it is, for people who list units.
        listen: ``HOST:PORT`` of each address of the socket.
        after: units that the slots start after.
        common: ``[Service]`` of every instance; ``%i`` is the slot's name.
        slot: what a slot that serves has besides.
        candidate: what the candidate has besides: it is asked for its health and never meets a visitor.
    """
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
        f"{service}@.service": {
            "Unit": {
                "Description": f"{title}, slot %i",
                "PartOf": f"{service}.service",
                "After": [f"{service}.service", "network.target", *after],
            },
            "Service": {**common, "Sockets": f"{service}.socket", "RuntimeDirectory": f"{service}-%i", **slot},
            "Install": {"WantedBy": f"{service}.service"},
        },
        f"{service}-check@.service": {
            "Unit": {"Description": f"{title}, candidate for slot %i on a private socket"},
            "Service": {**common, "Restart": "no", "RuntimeDirectory": f"{service}-check-%i", **candidate},
        },
    }


class FilterModule:
    def filters(self) -> dict:
        return {"slot_units": slot_units}
