"""The table of services that playbooks/status.yml shows."""

from __future__ import annotations

import calendar
import json
import time

# Units that do their work and end: being inactive is their good state.
PASSING = ("aiko-backend-check@", "aiko-frontend-check@")
# What is released by taking turns in two slots.
PARTS = ("backend", "frontend")
# What runs a release of the application.
RELEASED = ("aiko-backend", "aiko-worker@", "aiko-beat", "aiko-frontend")
# Their timers start them; what they do is in the lines on backups.
BACKUPS = ("aiko-backup.service", "aiko-backup-drill.service")
ALWAYS_A_PACKAGE = "prometheus-node-exporter"
HOUR, DAY = 3600, 86400
# As the alerts BackupStale and BackupUnverified have it.
STALE, UNPROVEN = 26 * HOUR, 8 * DAY


def _units(variables: dict) -> list[dict]:
    rows = json.loads(variables["__status_units"]["stdout"] or "[]")
    if variables.get("redis_layout") == "single":
        # Named by the workers' order of starting, and loaded by systemd for that reason alone.
        rows = [row for row in rows if row["unit"] != "redis-server@queue.service"]
    return [row for row in rows if not row["unit"].startswith(PASSING) and row["load"] != "not-found"]


def _well(row: dict) -> bool:
    # The slot that does not serve is inactive and stays so until the next release.
    idle = row["unit"].startswith(tuple(f"aiko-{part}@" for part in PARTS)) and row["active"] == "inactive"
    waiting = row["unit"] in BACKUPS and row["active"] in ("inactive", "activating")
    return row["active"] in ("active", "reloading") or idle or waiting


def _version(variables: dict, unit: str, contained: dict[str, str], packages: dict[str, str]) -> str:
    """The release of the application, what a container's program says, or the version of the package."""
    name = unit.removesuffix(".service")
    if name.startswith(RELEASED):
        return f"release {_release(variables, name)}"
    # A host with containers may have the packages as well, to prove backups.
    if unit in contained or (variables.get("aiko_runtime") == "container" and name != ALWAYS_A_PACKAGE):
        return contained.get(unit, "")
    return packages.get(name) or packages.get(name.split("@")[0].split("-")[0], "")


def _contained(variables: dict) -> dict[str, str]:
    """Unit to the version that its container told."""
    return dict(line.split(" ", 1) for line in (variables.get("__status_containers", {}).get("stdout") or "").splitlines())


def _packages(variables: dict) -> dict[str, str]:
    versions = {}
    for line in variables["__status_packages"]["stdout"].splitlines():
        name, _, version = line.partition(" ")
        if version:
            # A major version, or "server", is no part of a unit's name; the exporters' names are whole.
            versions[name if name.startswith("prometheus") else name.split("-")[0]] = version.split("+")[0]
    return versions


def _alerts(variables: dict) -> list[str]:
    """Alerts that fire and targets that are down, as Prometheus names them; or that it does not tell, which is not the same as none."""
    asked = variables.get("__status_alerts", {})
    if "rc" not in asked:
        return []
    if asked["rc"] == 0:
        return [f"{alert}; see: aiko-query --alerts" for alert in sorted(line.rsplit(" ", 1)[0] for line in asked["stdout"].splitlines())]
    if any(row["unit"] == "prometheus.service" and not _well(row) for row in _units(variables)):
        return []
    said = (asked.get("stderr") or asked.get("msg") or "").strip().splitlines()
    return [f"what fires is not known: {said[-1] if said else 'no word'}; see: aiko-query --alerts"]


def _release(variables: dict, unit: str) -> str:
    """The release that a unit runs; workers and beat run the backend's."""
    part = "frontend" if unit.startswith("aiko-frontend") else "backend"
    text = variables.get(f"__status_{part}", {}).get("stdout") or ""
    return json.loads(text).get("current") or "" if text.startswith("{") else ""


def _ago(seconds: float) -> str:
    for unit, name in ((DAY, "d"), (HOUR, "h")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{max(0, seconds) / 60:.0f} min"


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def _backups(variables: dict) -> dict | None:
    """What the backup host says of its backups; None where it was not asked, or does not say."""
    asked = variables.get("__status_backups", {})
    return json.loads(asked["stdout"]) if asked.get("rc") == 0 else None


def _proven(backups: dict) -> float | None:
    """When a backup was last restored on trial."""
    return max((one["proven"] for one in backups["sets"] if one["proven"]), default=None)


def _began(identifier: str) -> int:
    """When a backup was begun: its id says it, in UTC."""
    return calendar.timegm(time.strptime(identifier, "%Y%m%d_%H%M%S"))


def _backup_lines(host: str, variables: dict, now: float) -> list[str]:
    backups = _backups(variables)
    if backups is None:
        return []
    words = ["no backup yet"]
    if backups["newest"]:
        proven = _proven(backups)
        words = [
            f"newest {backups['newest']}, {_ago(backups['newest_age_seconds'])} old",
            f"proven {backups['newest_proven']}, {_ago(now - proven)} ago" if proven else "none is proven yet",
            f"{len(backups['sets'])} in all",
        ]
    if backups.get("repository_free_bytes") is not None:
        words.append(f"{backups['repository_free_bytes'] / 1024**3:.1f} GiB free")
    timers = json.loads(variables.get("__status_timers", {}).get("stdout") or "[]")
    due = {row["activates"]: row["next"] / 1e6 for row in timers if row.get("next")}
    words += [f"{word} {_utc(due[unit])}" for unit, word in zip(BACKUPS, ("next", "next trial restore"), strict=True) if unit in due]
    return [f"backups at {host}: {'; '.join(words)}"]


def _backup_problems(variables: dict, now: float) -> list[str]:
    asked = variables.get("__status_backups", {})
    if "rc" not in asked:
        return []
    backups = _backups(variables)
    if backups is None:
        said = (asked.get("stderr") or asked.get("msg") or "").strip().splitlines()
        return [f"how its backups are is not known: {said[-1] if said else 'no word'}; see: aiko-backup status"]
    problems = []
    if backups["newest"] and backups["newest_age_seconds"] > STALE:
        age = _ago(backups["newest_age_seconds"])
        problems.append(f"the newest backup, {backups['newest']}, is {age} old; see: docs/runbooks/BackupStale.md")
    # The first week has no trial restore yet.
    since = _proven(backups) or min((_began(one["id"]) for one in backups["sets"]), default=now)
    if now - since > UNPROVEN:
        problems.append(f"no backup was restored on trial for {_ago(now - since)}; see: docs/runbooks/BackupUnverified.md")
    timers = json.loads(variables.get("__status_timers", {}).get("stdout") or "[]")
    silent = sorted(set(BACKUPS) - {row["activates"] for row in timers})
    return problems + [f"nothing starts {unit}: its timer is off; run site.yml" for unit in silent]


def status_table(hostvars: dict, hosts: list[str], now: float | None = None) -> list[str]:
    """Lines of a table: host, unit, state, version; then how backups are, and the URLs with their health."""
    now = time.time() if now is None else now
    rows = [("HOST", "SERVICE", "STATE", "VERSION")]
    urls = []
    for host in hosts:
        variables = hostvars[host]
        contained, packages = _contained(variables), _packages(variables)
        for row in _units(variables):
            version = _version(variables, row["unit"], contained, packages)
            rows.append((host, row["unit"].removesuffix(".service"), f"{row['active']} ({row['sub']})", version))
        urls += _backup_lines(host, variables, now)
        health = variables.get("__status_health", {})
        if "status" in health:
            urls.append(f"https://{variables['aiko_domain']}/health at {variables['aiko_address']}: {health['status']}")
            urls.append(f"https://{variables['aiko_domain']}/ is the site; /api/openapi.json describes the API")
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows] + urls


def status_problems(hostvars: dict, hosts: list[str], now: float | None = None) -> list[str]:
    """A sentence for each unit that does not run, each site that does not answer well, and backups that nobody should rely on."""
    now = time.time() if now is None else now
    problems = []
    for host in hosts:
        variables = hostvars[host]
        problems += [f"{host}: {row['unit']} is {row['active']}; see: journalctl --namespace='*' --unit {row['unit']}"
                     for row in _units(variables) if not _well(row)]
        for part in PARTS:
            slots = [row for row in _units(variables) if row["unit"].startswith(f"aiko-{part}@")]
            if slots and all(row["active"] == "inactive" for row in slots):
                problems.append(f"{host}: no slot of aiko-{part} serves; see: aiko-release --part {part} status")
        problems += [f"{host}: {line}" for line in _backup_problems(variables, now) + _alerts(variables)]
        health = variables.get("__status_health", {})
        if "proxy" in variables["group_names"] and health.get("status") != 200:
            problems.append(f"{host}: https://{variables['aiko_domain']}/health gave {health.get('status')}")
    return problems


class FilterModule:
    def filters(self) -> dict:
        return {"status_table": status_table, "status_problems": status_problems}
