"""The table of services that playbooks/status.yml shows."""

from __future__ import annotations

import json

# Units that do their work and end: being inactive is their good state.
PASSING = ("aiko-backend-check@", "aiko-frontend-check@")
# What is released by taking turns in two slots.
PARTS = ("backend", "frontend")


def _units(variables: dict) -> list[dict]:
    rows = json.loads(variables["__status_units"]["stdout"] or "[]")
    if variables.get("redis_layout") == "single":
        # Named by the workers' order of starting, and loaded by systemd for that reason alone.
        rows = [row for row in rows if row["unit"] != "redis-server@queue.service"]
    return [row for row in rows if not row["unit"].startswith(PASSING) and row["load"] != "not-found"]


def _well(row: dict) -> bool:
    # The slot that does not serve is inactive and stays so until the next release.
    idle = row["unit"].startswith(tuple(f"aiko-{part}@" for part in PARTS)) and row["active"] == "inactive"
    return row["active"] in ("active", "reloading") or idle


def _versions(variables: dict) -> dict[str, str]:
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


def status_table(hostvars: dict, hosts: list[str]) -> list[str]:
    """Lines of a table: host, unit, state, version; then the URLs with their health."""
    rows = [("HOST", "SERVICE", "STATE", "VERSION")]
    urls = []
    for host in hosts:
        variables = hostvars[host]
        versions = _versions(variables)
        for row in _units(variables):
            name = row["unit"].removesuffix(".service")
            known = versions.get(name) or versions.get(name.split("@")[0].split("-")[0], "")
            version = f"release {_release(variables, name)}" if name.startswith("aiko-") else known
            rows.append((host, name, f"{row['active']} ({row['sub']})", version))
        health = variables.get("__status_health", {})
        if "status" in health:
            urls.append(f"https://{variables['aiko_domain']}/health at {variables['aiko_address']}: {health['status']}")
            urls.append(f"https://{variables['aiko_domain']}/ is the site; /api/openapi.json describes the API")
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows] + urls


def status_problems(hostvars: dict, hosts: list[str]) -> list[str]:
    """A sentence for each unit that does not run and each site that does not answer well."""
    problems = []
    for host in hosts:
        variables = hostvars[host]
        problems += [f"{host}: {row['unit']} is {row['active']}; see: journalctl --namespace='*' --unit {row['unit']}"
                     for row in _units(variables) if not _well(row)]
        for part in PARTS:
            slots = [row for row in _units(variables) if row["unit"].startswith(f"aiko-{part}@")]
            if slots and all(row["active"] == "inactive" for row in slots):
                problems.append(f"{host}: no slot of aiko-{part} serves; see: aiko-release --part {part} status")
        problems += [f"{host}: {line}" for line in _alerts(variables)]
        health = variables.get("__status_health", {})
        if "proxy" in variables["group_names"] and health.get("status") != 200:
            problems.append(f"{host}: https://{variables['aiko_domain']}/health gave {health.get('status')}")
    return problems


class FilterModule:
    def filters(self) -> dict:
        return {"status_table": status_table, "status_problems": status_problems}
