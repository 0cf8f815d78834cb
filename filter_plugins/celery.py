"""Worker pools as units."""

from __future__ import annotations

import re

from ansible.errors import AnsibleFilterError


def worker_environments(pools: dict, common: dict, metrics_address: str, metrics_port: int) -> dict:
    """The environment of each pool's unit, by the pool's name.

    Args:
        pools: name to ``queues`` (list of text) and ``concurrency`` (number of processes).
        common: variables that every pool gets.
        metrics_address: the address on which each pool serves its metrics.
        metrics_port: port of the first pool by name; the next ones follow.

    Raises:
        AnsibleFilterError: a pool has no queues or no processes, or a name that cannot be a unit's.
    """
    environments = {}
    for number, (name, pool) in enumerate(sorted(pools.items())):
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise AnsibleFilterError(f"celery_pools: '{name}' is not the name of a pool: lower-case letters, digits and _ are")
        if not pool.get("queues") or int(pool.get("concurrency", 0)) < 1:
            raise AnsibleFilterError(f"celery_pools: pool {name} needs a list 'queues' and a 'concurrency' of at least 1")
        environments[name] = {
            **common,
            "QUEUES": ",".join(pool["queues"]),
            "CONCURRENCY": int(pool["concurrency"]),
            "WORKER_METRICS_LISTEN": f"{metrics_address}:{metrics_port + number}",
        }
    return environments


def worker_quadlets(pools: dict, quadlet: dict, address: str, port: int) -> dict:
    """The quadlets of a host's pools: each publishes the metrics of its own, on loopback too.

    Args:
        quadlet: what all have in common; ``{port}`` in HealthCmd, if there is one, is the pool's.
        address: the address on which pools serve their metrics beside loopback.
        port: that of the first pool by name; the next ones follow.
    """
    units = {}
    for number, name in enumerate(sorted(pools)):
        own = port + number
        published = [f"{host}:{own}:{own}" for host in sorted({"127.0.0.1", address})]
        check = quadlet["Container"].get("HealthCmd")
        container = {**quadlet["Container"], "PublishPort": published, "HealthCmd": check.format(port=own) if check else None}
        units[f"aiko-worker@{name}.container"] = {**quadlet, "Container": container}
    return units


def worker_states(pools: dict, wanted: bool, restart_on: list[str]) -> list[dict]:
    """What systemd_units shall do with the pools: run each on a worker host, none elsewhere."""
    return [
        {
            "name": f"aiko-worker@{name}.service",
            "enabled": wanted,
            "state": "started" if wanted else "stopped",
            "restart_on": [*restart_on, f"/etc/aiko/worker-{name}.env"],
        }
        for name in sorted(pools)
    ]


class FilterModule:
    def filters(self) -> dict:
        return {"worker_environments": worker_environments, "worker_quadlets": worker_quadlets, "worker_states": worker_states}
