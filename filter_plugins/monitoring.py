"""What is watched, where it answers, and how Prometheus, its exporters and Alertmanager are told."""

from __future__ import annotations

import hashlib
import json
import pathlib
import re

import bcrypt
import yaml
from ansible.errors import AnsibleFilterError

LOOPBACK = "127.0.0.1"
# Who is told of a cause need not be told of what follows from it. What is about a whole environment is held back by an alert of
# severity none only: one of several instances that is away, or an alert that somebody silenced, would hide what visitors see.
BUDGETS = "ErrorBudgetBurn.*|LatencyBudgetBurn.*"
INHIBITIONS = [
    {"source_matchers": ['alertname="HostDown"'], "target_matchers": ['alertname!="HostDown"'], "equal": ["environment", "instance"]},
    # The frontend answers without a backend.
    {"source_matchers": ['alertname="NoBackend"'], "target_matchers": ['alertname="SiteDown"', 'path="/health"'], "equal": ["environment"]},
    {"source_matchers": ['alertname="NoBackend"'], "target_matchers": [f'alertname=~"{BUDGETS}"'], "equal": ["environment"]},
    # /health answers without the data stores.
    {"source_matchers": ['alertname="NoDatabase"'], "target_matchers": [f'alertname=~"{BUDGETS}|TasksFailing"'], "equal": ["environment"]},
    {"source_matchers": ['alertname="NoQueue"'], "target_matchers": ['alertname=~"TasksFailing|WorkerHeartbeatStale|BeatSilent"'],
     "equal": ["environment"]},
    # The same thing, worse.
    {"source_matchers": ['alertname="CertificateExpiresSoon"'], "target_matchers": ['alertname="CertificateExpiring"'],
     "equal": ["environment", "instance", "site"]},
    {"source_matchers": ['alertname="DiskNearlyFull"'], "target_matchers": ['alertname="DiskFilling"'],
     "equal": ["environment", "instance", "mountpoint"]},
    {"source_matchers": ['alertname="QueueWithoutWorker"'], "target_matchers": ['alertname="TargetMissing"'],
     "equal": ["environment", "pool"]},
]
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}


def addresses(hosts: list[str], hostvars: dict) -> list[str]:
    """The platform address of each host; see the filter of that name in topology.py."""
    unknown = [host for host in hosts if not hostvars[host].get("aiko_address")]
    if unknown:
        raise AnsibleFilterError(f"host {unknown[0]} has no aiko_address; set it in the inventory")
    return [str(hostvars[host]["aiko_address"]) for host in hosts]


def scrape_jobs(groups: dict, hostvars: dict, host: str, environment: str) -> list[dict]:
    """The ``scrape_configs`` of the Prometheus on ``host``: all that every host publishes, by job.

    A host publishes lists named ``ROLE_scrape_targets``. Their entries have ``job`` and ``port``, and may have ``labels``
    (those that begin with ``__`` say how it is asked) and ``options`` of the job. One with ``probe``, a URL with ``{address}``,
    is not asked itself: the blackbox exporter beside Prometheus looks at it from outside.
    Targets are named by their host in the inventory, so that a series stays the same when an address changes.

    Raises:
        AnsibleFilterError: a host's address is not known.
    """
    own = hostvars.get(host, {}).get("aiko_own_address", LOOPBACK)
    jobs: dict[str, dict] = {}
    for member in sorted(groups.get("all", [])):
        for target in published(hostvars[member]):
            address = own if member == host else addresses([member], hostvars)[0]
            job = jobs.setdefault(target["job"], {"job_name": target["job"], **target.get("options", {}), "static_configs": []})
            labels = {"instance": member, "environment": environment, **target.get("labels", {})}
            if "probe" in target:
                labels["__param_target"], address = target["probe"].format(address=address), own
            job["static_configs"].append({"targets": [f"{address}:{target['port']}"], "labels": labels})
    return [jobs[name] for name in sorted(jobs)]


def published(variables: dict) -> list[dict]:
    """All that one host publishes to be asked by Prometheus."""
    names = sorted(name for name in variables if name.endswith("_scrape_targets") and not name.startswith("__"))
    return [target for name in names for target in variables[name] or []]


def exporter_targets(enabled: list[str], ports: dict, parts: dict) -> list[dict]:
    """What the exporters of one host publish.

    Args:
        enabled: the exporters of the host.
        ports: exporter to TCP port.
        parts: for exporters that are asked about several things (Redis' instances, sites): exporter to a list of targets,
            each with ``labels`` and optionally another ``job``.
    """
    return [
        {"job": "postgresql" if name == "postgres" else name, "port": ports[name], **part}
        for name in enabled
        for part in parts.get(name, [{}])
    ]


def redis_parts(instances: dict, address: str = LOOPBACK) -> list[dict]:
    """One exporter asks several instances, name to port, at one address."""
    return [
        {"labels": {"store": name, "__metrics_path__": "/scrape", "__param_target": f"redis://{address}:{port}"}}
        for name, port in instances.items()
    ]


def site_targets(domain: str, port: int, blackbox: int, paths: list[str]) -> list[dict]:
    """What a proxy publishes: the site as a visitor sees it, asked by its name at this proxy, for each of the paths."""
    labels = {"site": domain, "__metrics_path__": "/probe", "__param_module": "site", "__param_hostname": domain}
    return [
        {"job": "blackbox-site", "port": blackbox, "probe": f"https://{{address}}:{port}{path}", "labels": {**labels, "path": path}}
        for path in paths
    ]


def pool_targets(pools: dict, port: int) -> list[dict]:
    """What Celery's pools publish: consecutive ports in the order of their names, see worker_environments."""
    return [
        {"job": "celery", "port": int(port) + number, "labels": {"pool": name, "queues": ",".join(pools[name]["queues"])}}
        for number, name in enumerate(sorted(pools))
    ]


def exporter_units(services: dict, enabled: list[str], address: str) -> dict:
    """Units of the exporters for the role `unit`.

    Args:
        services: exporter to ``description``, ``port``, ``arguments`` (list of text) and ``service`` (directives over the common ones).
        enabled: the exporters that the host runs.
        address: where they listen.
    """
    return {
        f"prometheus-{name}-exporter.service": {
            "Unit": {"Description": services[name]["description"], "After": "network.target"},
            "Service": {
                "Type": "exec",
                "ExecStart": exec_line([
                    f"/usr/bin/prometheus-{name}-exporter",
                    *services[name]["arguments"],
                    f"--web.listen-address={address}:{services[name]['port']}",
                ]),
                "User": f"{name}-exporter",
                "Restart": "always",
                "RestartSec": 2,
                "TasksMax": 64,
                "LogNamespace": "monitoring",
                # Programs made by Go before 1.20, which are Debian 12's, raise their limit of open files with setrlimit when they start.
                "SystemCallFilter": ["@system-service", "~@privileged @resources", "setrlimit"],
                **services[name]["service"],
            },
            "Install": {"WantedBy": "multi-user.target"},
        }
        for name in enabled
    }


def exporter_states(enabled: list[str], files: dict) -> list[dict]:
    """What systemd_units shall do with the exporters: run them, anew when the file that one reads is newer."""
    return [
        {"name": f"prometheus-{name}-exporter.service", "enabled": True, "state": "started",
         "restart_on": [files[name]["path"]] if name in files else []}
        for name in enabled
    ]


def redis_passwords(instances: dict, user: str, password: str, address: str = LOOPBACK) -> dict:
    """The redis exporter's file of passwords: URL to password. Debian 13's looks for the user in the URL, Debian 12's does not."""
    return {f"redis://{who}{address}:{port}": password for port in instances.values() for who in (f"{user}@", "")}


def exec_line(words: list[str]) -> str:
    """A command line for ExecStart= in which every word arrives as it is (systemd.service(5), "Command lines").

    ``%`` stays a specifier (``%d`` is the directory of credentials): write ``%%`` for the character.
    """
    return " ".join(_word(str(word)) for word in words)


def _word(word: str) -> str:
    text = word.replace("\\", "\\\\").replace("$", "$$")
    return text if re.fullmatch(r"[A-Za-z0-9_./:@%+,=-]+", text) else '"' + text.replace('"', '\\"') + '"'


def rule_texts(directory: str) -> dict:
    """File name to text of each file of rules in a directory on the controller."""
    return {path.name: path.read_text() for path in sorted(pathlib.Path(directory).glob("*.yml"))}


def rule_files(texts: dict, directory: str, scale: float, runbooks: str, overrides: dict) -> list[dict]:
    """The ``files`` of a config_tree task: every file of rules, each checked before it is put in place."""
    # Ansible's own kinds of text are none that YAML knows.
    overrides = json.loads(json.dumps(overrides))
    note = "# Ansible managed: roles/prometheus/files/rules/{}. Changes made here are lost.\n"
    return [
        {"path": f"{directory}/{name}", "content": note.format(name) + alert_rules(text, scale, runbooks, overrides),
         "validate": "promtool check rules %s"}
        for name, text in texts.items()
    ]


def alert_rules(text: str, scale: float, runbooks: str, overrides: dict) -> str:
    """A file of rules as this platform wants it.

    Args:
        text: the file, a ``groups`` map of Prometheus.
        scale: factor for ``for`` and ``keep_firing_for``.
        runbooks: address before ``runbook_url`` annotations that are no whole address.
        overrides: name of an alert or a recording rule to the parts of it that differ here, ``threshold`` for the number that
            ends its expression; None takes the rule out.

    Raises:
        AnsibleFilterError: a threshold for an expression that does not end with one.
    """
    groups = yaml.safe_load(text)["groups"]
    for group in groups:
        group["rules"] = [_rule(rule, scale, runbooks, overrides) for rule in group["rules"] if overrides.get(_name(rule), {}) is not None]
    return yaml.safe_dump({"groups": groups}, sort_keys=False, width=140, allow_unicode=True)


def _name(rule: dict) -> str:
    return rule.get("alert") or rule["record"]


def _rule(rule: dict, scale: float, runbooks: str, overrides: dict) -> dict:
    made, own = dict(rule), dict(overrides.get(_name(rule)) or {})
    for key in ("for", "keep_firing_for"):
        if key in made:
            made[key] = duration(round(seconds(made[key]) * float(scale), 3))
    if "threshold" in own:
        made["expr"] = _with_threshold(_name(rule), made["expr"], own.pop("threshold"))
    for key in ("annotations", "labels"):
        if key in made or key in own:
            made[key] = {**(made.get(key) or {}), **(own.pop(key, None) or {})}
    runbook = made.get("annotations", {}).get("runbook_url", "")
    if runbook and "://" not in runbook:
        made["annotations"]["runbook_url"] = f"{runbooks.rstrip('/')}/{runbook}"
    return {**made, **own}


def _with_threshold(name: str, expression: str, number) -> str:
    found = re.fullmatch(r"(.*[<>]=?\s*)[0-9.]+\s*", expression, re.DOTALL)
    if not found or isinstance(number, bool) or not re.fullmatch(r"\d+(\.\d+)?", str(number)):
        wrong = f"'{number}' is no number" if found else "its expression does not end with > or < and a number"
        raise AnsibleFilterError(f"prometheus_alert_overrides: {name} cannot have this threshold: {wrong}. "
                                 "Expected: a number of at least 0, for an alert that has one. Remedy: correct it, or state 'expr'")
    return f"{found[1]}{number}"


def unknown_alerts(overrides: dict, texts: list[str]) -> list[str]:
    """Names in ``overrides`` that are no rule of any of the files."""
    known = {_name(rule) for text in texts for group in yaml.safe_load(text)["groups"] for rule in group["rules"]}
    return sorted(set(overrides) - known)


def seconds(text: str) -> float:
    """Seconds of a duration as Prometheus writes it: 1h30m, 15s, 500ms.

    Raises:
        AnsibleFilterError: it is none.
    """
    if not re.fullmatch(r"(\d+(ms|[smhdwy]))+|0", str(text)):
        raise AnsibleFilterError(f"'{text}' is no duration. Expected: numbers with ms, s, m, h, d, w or y, for example 15s or 1h30m")
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", str(text)))


def duration(number: float) -> str:
    """A duration as Prometheus reads it, of seconds: whole ones where it can be, else milliseconds."""
    return f"{int(number)}s" if number == int(number) else f"{round(number * 1000)}ms"


def shorter(one: str, other: str) -> str:
    """The shorter of two durations."""
    return min(one, other, key=seconds)


def alertmanager_configuration(settings: dict) -> dict:
    """The content of alertmanager.yml.

    Args:
        settings: the role's variables by name without ``alertmanager_``, and ``password_file``, where the mail account's password lies.
    """
    people: dict = {"name": "people"}
    if settings["email_to"]:
        people["email_configs"] = [{"to": settings["email_to"], "send_resolved": True}]
    if settings["webhook_url"]:
        people["webhook_configs"] = [{"url": settings["webhook_url"], "send_resolved": True}]
    watchdog: dict = {"name": "watchdog"}
    if settings["watchdog_url"]:
        watchdog["webhook_configs"] = [{"url": settings["watchdog_url"], "send_resolved": False}]
    common: dict = {"resolve_timeout": "5m"}
    if settings["smarthost"]:
        common |= {"smtp_smarthost": settings["smarthost"], "smtp_from": settings["email_from"], "smtp_require_tls": settings["smtp_tls"]}
    if settings["smtp_user"]:
        common |= {"smtp_auth_username": settings["smtp_user"], "smtp_auth_password_file": settings["password_file"]}
    return {
        "global": common,
        "route": {
            "receiver": "people",
            "group_by": ["alertname", "environment"],
            "group_wait": settings["group_wait"],
            "group_interval": settings["group_interval"],
            "repeat_interval": settings["repeat_interval"],
            "routes": [
                # Always firing: it is there to be missed.
                {"receiver": "watchdog", "matchers": ['alertname="Watchdog"'], "group_wait": "0s", "group_interval": "1m",
                 "repeat_interval": "1m"},
                # They only hold others back.
                {"receiver": "nobody", "matchers": ['severity="none"']},
            ],
        },
        "inhibit_rules": INHIBITIONS,
        "receivers": [people, watchdog, {"name": "nobody"}],
    }


def web_password(password: str, user: str) -> str:
    """The bcrypt hash of a password, the same in every run: its salt comes from user and password.

    Salts keep equal passwords of many people apart; these are random secrets of one platform, of which there are no two.
    """
    if not password or len(password.encode()) > 72:
        raise AnsibleFilterError(f"the password of {user} is empty or has more than 72 bytes, which bcrypt cannot hash")
    letters = hashlib.sha256(f"{user}:{password}".encode()).hexdigest()[:21] + "u"
    return bcrypt.hashpw(password.encode(), f"$2b$10${letters}".encode()).decode()


class FilterModule:
    def filters(self) -> dict:
        return {
            "scrape_jobs": scrape_jobs,
            "exporter_targets": exporter_targets,
            "redis_parts": redis_parts,
            "site_targets": site_targets,
            "pool_targets": pool_targets,
            "exporter_units": exporter_units,
            "exporter_states": exporter_states,
            "redis_passwords": redis_passwords,
            "exec_line": exec_line,
            "rule_texts": rule_texts,
            "rule_files": rule_files,
            "unknown_alerts": unknown_alerts,
            "shorter": shorter,
            "alertmanager_configuration": alertmanager_configuration,
            "web_password": web_password,
        }
