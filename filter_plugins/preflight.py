"""What cannot work, found before anything is changed.

Each message names the variable, the host, what was expected and the remedy.
"""

from __future__ import annotations

import difflib
import ipaddress
import pathlib
import re

import yaml
from ansible.errors import AnsibleFilterError

RELEASES = {"bookworm": "12", "trixie": "13"}
SINGLE = {"postgresql": "database", "redis": "Redis", "monitoring": "monitoring", "backup": "backup"}
PREFIXES = ("aiko", "base", "unit", "certificates", "postgresql", "redis", "release", "backend", "celery", "frontend", "nginx", "exporters",
            "prometheus", "alertmanager", "grafana", "backup", "podman")
# Images of a whole platform, the last releases of the application among them.
IMAGES_MB = 2500
# Memory of what is not configured by size: the system itself, nginx, page cache that keeps it usable.
RESERVED_MB = 256
# Prometheus with the series of one platform, Alertmanager, the exporters.
MONITORING_MB = 256
# Connections that PostgreSQL keeps for its superuser, and some for the operator's own.
RESERVED_CONNECTIONS = 3 + 5
# Disk in MB: max_wal_size and a small database; the append-only files of two instances; three releases, of
# which backend, worker and scheduler on one host share the same; three of the frontend and the packages of a build; logs; the
# packages of monitoring; a small repository, its margin and a trial restore.
DISK_MB = {"postgresql": 3072, "redis": 512, "backend": 1536, "worker": 1536, "scheduler": 1536, "frontend": 2304, "proxy": 256,
           "monitoring": 400, "backup": 1536}
# What an object store for backups cannot do without.
STORE = ("endpoint", "bucket", "key", "secret")
# A label of a DNS name (RFC 1123, section 2.1).
LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# Below this, nothing can be installed or written safely.
FREE_MB = 300


def inventory_errors(groups: dict, expected: list[str], hostvars: dict) -> list[str]:
    """Groups that are missing or claim too many hosts.

    Args:
        groups: Ansible's ``groups``.
        expected: the groups that every inventory must have.
        hostvars: Ansible's ``hostvars``, for the variables that allow exceptions.
    """
    errors = []
    for name in expected:
        if name not in groups:
            near = difflib.get_close_matches(name, [g for g in groups if g not in ("all", "ungrouped", *expected)], 1)
            hint = f" (did you mean it by '{near[0]}'?)" if near else ""
            errors.append(f"inventory: group '{name}' is missing{hint}. Expected: all of {', '.join(expected)}. "
                          "Remedy: add it; it may be empty where nothing needs it yet")
    for name, what in SINGLE.items():
        members = groups.get(name, [])
        if len(members) > 1:
            errors.append(f"inventory: group '{name}' has {len(members)} hosts ({', '.join(members)}). "
                          f"Expected: one, because the {what} is a single-host service. Remedy: leave one host in it")
    needed = [name for name in ("backend", "worker", "scheduler") if groups.get(name)]
    for name in ("postgresql", "redis"):
        if needed and name in groups and not groups[name]:
            errors.append(f"inventory: group '{name}' is empty, but {', '.join(needed)} need it. "
                          "Expected: one host. Remedy: put one into it")
    if groups.get("backup") and not groups.get("postgresql"):
        errors.append("inventory: group 'backup' has a host, and group 'postgresql' has none. Expected: a database to back up. "
                      "Remedy: put the database's host into 'postgresql', or leave 'backup' empty")
    backends = groups.get("backend", [])
    if len(backends) > 1 and not all(hostvars[host].get("backend_uploads_shared") for host in backends):
        errors.append(f"inventory: group 'backend' has {len(backends)} hosts ({', '.join(backends)}), but uploads lie on one. "
                      "Expected: storage that all of them share at backend_uploads. "
                      "Remedy: mount it and set backend_uploads_shared: true, or leave one host in the group")
    return errors


def host_errors(variables: dict, disk: str, groups: dict, known: list[str]) -> list[str]:
    """What is wrong with one host's facts and variables.

    Args:
        variables: the host's variables and facts (``hostvars[host]``).
        disk: what ``df --output=size,avail --block-size=1M /`` printed.
        groups: Ansible's ``groups``.
        known: names of all variables that roles and inventories document.
    """
    host = variables["inventory_hostname"]
    member = {name for name in DISK_MB if host in groups.get(name, [])}
    numbers = _numbers(variables)
    return [
        f"{host}: {error}"
        for error in [
            *_misspelt(variables, known),
            *_distribution(variables),
            *_choices(variables),
            *_run_mode(variables),
            *_passwords(variables, member),
            *(receiver_errors(variables) if "monitoring" in member else []),
            *(store_errors(variables.get("backup_s3") or {}) if "backup" in member else []),
            *_address(variables, groups),
            *(numbers or _memory(variables, member)),
            *_disk(disk, member, variables),
        ]
    ]


def _misspelt(variables: dict, known: list[str]) -> list[str]:
    errors = []
    for name in sorted(variables):
        if name.split("_", 1)[0] in PREFIXES and "_" in name and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"Remedy: did you mean {near[0]}?" if near else "Remedy: remove it, or see the role's README for what there is"
            errors.append(f"variable {name} is not one that any role knows. Expected: a documented name. {hint}")
    return errors


def _distribution(variables: dict) -> list[str]:
    facts = variables.get("ansible_facts", {})
    if facts.get("distribution") != "Debian" or facts.get("distribution_release") not in RELEASES:
        found = f"{facts.get('distribution', 'unknown')} {facts.get('distribution_version', '')}".strip()
        return [f"runs {found}. Expected: Debian {' or '.join(sorted(RELEASES.values()))}. Remedy: install one of these on the host"]
    return []


def _run_mode(variables: dict) -> list[str]:
    runtime = variables.get("aiko_runtime")
    release = variables.get("ansible_facts", {}).get("distribution_release")
    if runtime not in ("native", "container"):
        return [f"aiko_runtime is '{runtime}'. Expected: native or container. Remedy: set it to one of them"]
    if runtime == "native":
        return []
    if release == "bookworm":
        return ["aiko_runtime is container, but this is Debian 12, whose Podman cannot run containers as systemd's own units. "
                "Expected: Debian 13 or newer. Remedy: set aiko_runtime: native for this host, or install Debian 13"]
    return []


def _choices(variables: dict) -> list[str]:
    errors = []
    domain = str(variables.get("aiko_domain") or "")
    if len(domain) > 253 or not re.fullmatch(rf"{LABEL}(\.{LABEL})+", domain):
        errors.append(f"aiko_domain is '{domain}'. Expected: the site's DNS name, for example aiko.example.com. Remedy: set it in the "
                      "inventory's group_vars/all")
    return errors


def _numbers(variables: dict) -> list[str]:
    """Numbers that are added up here. The roles check all others, but each only when its turn comes."""
    errors = []
    for name in ("postgresql_max_connections", "backend_database_pool", "celery_database_pool", "backend_workers"):
        value = variables.get(name, 1)
        if not _positive(value) and (name, value) != ("backend_workers", "auto"):
            also = ", or auto" if name == "backend_workers" else ""
            errors.append(f"{name} is '{value}'. Expected: a whole number of at least 1{also}. Remedy: set it to one")
    for name, pool in (variables.get("celery_pools") or {}).items():
        if not isinstance(pool, dict) or not pool.get("queues") or not _positive(pool.get("concurrency")):
            errors.append(f"celery_pools: pool {name} is '{pool}'. Expected: a list 'queues' and a 'concurrency' of at least 1. "
                          "Remedy: complete the pool, or take it out")
    return errors


def _positive(value) -> bool:
    return bool(re.fullmatch(r"0*[1-9][0-9]*", str(value)))


def _passwords(variables: dict, member: set[str]) -> list[str]:
    """Passwords stand in URLs and configuration files: nothing that means something there, and enough of it."""
    errors = []
    for name, group in (("postgresql_password", "postgresql"), ("redis_password", "redis")):
        if group in member and not re.fullmatch(r"[A-Za-z0-9_.~-]{16,}", str(variables.get(name) or "")):
            errors.append(f"{name} is empty, short or has a character that is not plain. Expected: at least 16 letters, digits "
                          f"and . _ ~ -. Remedy: leave it to the generated secret, or set a longer plain one")
    return errors


def receiver_errors(variables: dict) -> list[str]:
    """Receivers of alerts that could not work: one finds out on the day that something breaks."""
    errors = []
    mail, server = str(variables.get("alertmanager_email_to") or ""), str(variables.get("alertmanager_smarthost") or "")
    if bool(mail) != bool(server):
        there, missing = ("email_to", "smarthost") if mail else ("smarthost", "email_to")
        errors.append(f"alertmanager_{there} is set and alertmanager_{missing} is not. Expected: both, for mail to be sent, or none. "
                      f"Remedy: set alertmanager_{missing}, or take the other out")
    if server and not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}", server):
        errors.append(f"alertmanager_smarthost is '{server}'. Expected: HOST:PORT, for example smtp.example.com:587. Remedy: correct it")
    for name in ("alertmanager_email_to", "alertmanager_email_from"):
        value = str(variables.get(name) or "")
        wrong = [part.strip() for part in value.split(",") if value and not re.fullmatch(r"(.*<)?[^@\s<>,]+@[^@\s<>,]+>?", part.strip())]
        if wrong:
            errors.append(f"{name} has '{wrong[0]}'. Expected: a mail address, or several with commas between. Remedy: correct it")
    if bool(variables.get("alertmanager_smtp_user")) != bool(variables.get("alertmanager_smtp_password")):
        errors.append("alertmanager_smtp_user and alertmanager_smtp_password: one is set and the other is not. Expected: both, or none. "
                      "Remedy: set both; ansible-vault encrypt_string makes the password a line of group_vars")
    for name in ("alertmanager_webhook_url", "alertmanager_watchdog_url"):
        value = str(variables.get(name) or "")
        if value and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
            errors.append(f"{name} is no address. Expected: http:// or https:// and a host. Remedy: correct it")
    return errors


def store_errors(store: dict) -> list[str]:
    """What is wrong with ``backup_s3``: half of it would be found out when the first backup is wanted."""
    if not isinstance(store, dict):
        return ["backup_s3 is no dictionary. Expected: endpoint, bucket, key, secret, and what else roles/backup/README.md names. "
                "Remedy: correct it"]
    errors = []
    missing = [name for name in STORE if not str(store.get(name) or "")]
    if store and missing:
        errors.append(f"backup_s3 has no {' and no '.join(missing)}. Expected: {', '.join(STORE)}, or nothing at all. "
                      "Remedy: complete it, or leave it empty for a repository on the backup host's disk")
    endpoint, bucket = str(store.get("endpoint") or ""), str(store.get("bucket") or "")
    if endpoint and not re.fullmatch(r"[A-Za-z0-9.-]+(:\d{1,5})?", endpoint):
        errors.append(f"backup_s3.endpoint is '{endpoint}'. Expected: HOST or HOST:PORT, for example s3.example.com; it is spoken to over "
                      "TLS, and the bucket is a name of its own. Remedy: correct it")
    if bucket and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
        errors.append(f"backup_s3.bucket is '{bucket}'. Expected: 3 to 63 lower-case letters, digits, dots and dashes. Remedy: correct it")
    authority = str(store.get("ca_file") or "")
    if authority and not pathlib.Path(authority).is_file():
        errors.append(f"backup_s3.ca_file is '{authority}', which is no file here. Expected: the authority's certificate, a PEM file on "
                      "the controller. Remedy: bring it there, or leave it out for an authority that Debian trusts")
    return errors


def _address(variables: dict, groups: dict) -> list[str]:
    if len(groups.get("all", [])) < 2:
        return []
    address = variables.get("aiko_address")
    try:
        usable = not ipaddress.IPv4Address(str(address)).is_loopback
    except ValueError:
        usable = False
    if usable:
        return []
    return [f"aiko_address is '{address}'. Expected: the IPv4 address by which the platform's other hosts reach this one. "
            "Remedy: set aiko_address for this host"]


def address_errors(hostvars: dict, groups: dict) -> list[str]:
    """Addresses of all hosts of the platform, also of those that this run leaves out: the others are configured with them."""
    hosts = sorted({host for name in DISK_MB for host in groups.get(name, [])})
    if len(hosts) < 2:
        return []
    errors, seen = [], {}
    for host in hosts:
        address = str(hostvars[host].get("aiko_address") or "")
        if not address:
            errors.append(f"{host}: aiko_address is not known, because this run leaves the host out. Expected: an address of every host, "
                          "which the others are configured with. Remedy: run without --limit, or set aiko_address for it in the inventory")
        elif address in seen:
            errors.append(f"{host}: aiko_address is {address}, as is that of {seen[address]}. Expected: an address of its own. "
                          "Remedy: set aiko_address for each host")
        seen.setdefault(address, host)
    return errors


def _memory(variables: dict, member: set[str]) -> list[str]:
    needs = {}
    if "postgresql" in member and variables.get("postgresql_sizing") != "auto":
        shared = (variables.get("postgresql_settings") or {}).get("shared_buffers", "256MB")
        needs["postgresql shared_buffers"] = megabytes(shared)
    if "redis" in member:
        needs["redis_cache_maxmemory"] = megabytes(variables.get("redis_cache_maxmemory", "256mb"))
        if variables.get("redis_layout") != "single":
            needs["redis_queue_maxmemory"] = megabytes(variables.get("redis_queue_maxmemory", "256mb"))
    if "backend" in member:
        # A Gunicorn worker of the application takes about 60 MB.
        needs["backend_workers"] = 60 * _workers(variables)
    if "frontend" in member:
        # The server and, for a minute, a build beside it.
        needs["frontend (a build)"] = 1024
    if "worker" in member:
        needs["celery_pools"] = 70 * sum(int(pool["concurrency"]) + 1 for pool in (variables.get("celery_pools") or {}).values())
    if "monitoring" in member:
        needs["monitoring"] = MONITORING_MB
    total, there = sum(needs.values()) + RESERVED_MB, variables.get("ansible_facts", {}).get("memtotal_mb", 0)
    if not needs or there >= total:
        return []
    parts = ", ".join(f"{name} {size} MB" for name, size in needs.items())
    return [f"has {there} MB of memory for {parts} and {RESERVED_MB} MB for the system. Expected: at least {total} MB. "
            f"Remedy: make one of {', '.join(needs)} smaller, or move a service to another host"]


def _disk(disk: str, member: set[str], variables: dict) -> list[str]:
    size, free = (int(number) for number in disk.split()[-2:])
    # One host's releases are the same ones for all that run them.
    needed = sum(DISK_MB[name] for name in {"backend" if name in ("worker", "scheduler") else name for name in member})
    if "monitoring" in member:
        needed += megabytes(variables.get("prometheus_retention_size", 0))
    if variables.get("aiko_runtime") == "container":
        needed += IMAGES_MB
    if size < needed:
        return [f"has a file system of {size} MB at /. Expected: at least {needed} MB for {', '.join(sorted(member))}. "
                "Remedy: a larger disk, or move a service to another host"]
    if free < FREE_MB:
        return [f"has {free} MB free at /. Expected: at least {FREE_MB} MB. Remedy: make room; apt-get clean is a start"]
    return []


def pool_errors(hostvars: dict, groups: dict) -> list[str]:
    """The connections that all pools may open, against what PostgreSQL takes.

    A release starts beside the old one, so that the backend's pools count twice.
    """
    if not groups.get("postgresql") or any(_numbers(hostvars[host]) for host in groups["all"]):
        return []
    parts, total = [], 0
    for host in groups.get("backend", []):
        one = hostvars[host]
        size = 2 * (_workers(one) + 1) * int(one["backend_database_pool"])
        parts.append(f"{host}: backend 2 x ({_workers(one)} workers + 1) x backend_database_pool {one['backend_database_pool']} = {size}")
        total += size
    for host in groups.get("worker", []):
        one = hostvars[host]
        processes = sum(int(pool["concurrency"]) + 1 for pool in one["celery_pools"].values())
        size = processes * int(one["celery_database_pool"])
        parts.append(f"{host}: celery_pools {processes} processes x celery_database_pool {one['celery_database_pool']} = {size}")
        total += size
    limit = int(hostvars[groups["postgresql"][0]]["postgresql_max_connections"]) - RESERVED_CONNECTIONS
    if total <= limit:
        return []
    return [f"{groups['postgresql'][0]}: postgresql_max_connections leaves {limit} connections (after {RESERVED_CONNECTIONS} kept back), "
            f"but the pools may open {total}: {'; '.join(parts)}. Expected: a sum of at most {limit}. "
            f"Remedy: raise postgresql_max_connections to {total + RESERVED_CONNECTIONS}, or make a pool smaller"]


def _workers(variables: dict) -> int:
    workers = variables.get("backend_workers", 4)
    cores = variables.get("ansible_facts", {}).get("processor_vcpus", 1)
    return 2 * int(cores) + 1 if workers == "auto" else int(workers)


def megabytes(size: str | int) -> int:
    """MiB of a size such as 256MB or 1g; sizes are checked where they are used, so an odd one counts as nothing."""
    text = str(size).strip().lower().removesuffix("b")
    factor = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1024**2}.get(text[-1:])
    try:
        return int(float(text[:-1]) * factor) if factor else int(text) // 2**20
    except ValueError:
        return 0


def documented_variables(directory: str) -> list[str]:
    """Names of all public variables of the roles below ``directory``, from their argument_specs."""
    names = set()
    for path in pathlib.Path(directory).glob("roles/*/meta/argument_specs.yml"):
        specs = yaml.safe_load(path.read_text()) or {}
        for entry in specs.get("argument_specs", {}).values():
            names |= set(entry.get("options") or {})
    for path in pathlib.Path(directory).glob("inventories/shared/*.yml"):
        names |= {name for name in yaml.safe_load(path.read_text()) or {} if not name.startswith("__")}
    if not names:
        raise AnsibleFilterError(f"{directory} has no roles with argument_specs")
    return sorted(names | {"aiko_environment", "aiko_domain"})


class FilterModule:
    def filters(self) -> dict:
        return {
            "inventory_errors": inventory_errors,
            "host_errors": host_errors,
            "pool_errors": pool_errors,
            "address_errors": address_errors,
            "receiver_errors": receiver_errors,
            "store_errors": store_errors,
            "documented_variables": documented_variables,
        }
