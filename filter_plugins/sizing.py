"""Sizes: from a host's memory, processors and disks to the settings of its services."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError


def postgresql_sizes(memory_mb: int, rotational: bool = False, share: float = 1.0) -> dict:
    """PostgreSQL's memory and disk settings for a host.

    The rules are those of the manual's "Resource Consumption" chapter and of the community's
    tuning page (wiki.postgresql.org/wiki/Tuning_Your_PostgreSQL_Server): a quarter of memory for
    shared_buffers (at least 128 MB, at most 16 GB: beyond that the operating system's cache serves
    better), three quarters for effective_cache_size, a sixteenth, 1 GB at most, for maintenance_work_mem.
    work_mem is a quarter of memory over 100 connections with two sorts each, at least 4 MB.

    Args:
        memory_mb: memory of the host in MiB.
        rotational: the data lies on a spinning disk.
        share: part of the memory that PostgreSQL may count as its own, 0 to 1; below 1 where other
            services share the host.

    Raises:
        AnsibleFilterError: share is not within 0 to 1.
    """
    if not 0 < share <= 1:
        raise AnsibleFilterError(f"share must be above 0 and at most 1, not {share}")
    own = int(memory_mb * share)
    return {
        "shared_buffers": f"{min(max(own // 4, 128), 16384)}MB",
        "effective_cache_size": f"{max(own * 3 // 4, 256)}MB",
        "work_mem": f"{max(own // 4 // 200, 4)}MB",
        "maintenance_work_mem": f"{min(max(own // 16, 64), 1024)}MB",
        "random_page_cost": 4 if rotational else 1.1,
        "effective_io_concurrency": 2 if rotational else 200,
    }


def rotational(devices: dict) -> bool:
    """Whether a host's disks spin, from ``ansible_facts.devices``.

    Only physical disks (``sd*``, ``hd*``) are believed: virtual ones say "rotational" whatever lies behind them.
    """
    disks = [facts for name, facts in devices.items() if name.startswith(("sd", "hd"))]
    return bool(disks) and all(str(facts.get("rotational")) == "1" for facts in disks)


def gunicorn_workers(workers: int | str, cores: int) -> int:
    """Worker processes: the number given, or ``auto`` for 2 x cores + 1 (docs.gunicorn.org, "How Many Workers?")."""
    return 2 * int(cores) + 1 if workers == "auto" else int(workers)


class FilterModule:
    def filters(self) -> dict:
        return {
            "postgresql_sizes": postgresql_sizes,
            "rotational": rotational,
            "gunicorn_workers": gunicorn_workers,
        }
