"""Everything that runs is watched, and the watching is closed to visitors."""

from __future__ import annotations

import json
import time

import pytest

testinfra_hosts = ["ansible://monitoring"]

# Job to the group whose hosts it watches.
JOBS = {"backend": "backend", "celery": "worker", "postgresql": "postgresql", "redis": "redis", "nginx": "proxy", "blackbox-site": "proxy",
        "blackbox": "monitoring", "prometheus": "monitoring", "alertmanager": "monitoring"}
# What says that the service behind an exporter is well, and how many of it. Probes: of the backend and of the frontend.
BEHIND = {"pg_up": 1, "redis_up": 2, "nginx_up": 1, "probe_success": 2}


def ask(host, expression: str) -> list[dict]:
    return json.loads(host.check_output("sudo aiko-query --json %s", expression))["result"]


def until(check, what: str, seconds: float = 90):
    """Prometheus asks every fifteen seconds: what has just begun is not known yet."""
    end = time.monotonic() + seconds
    while not (last := check()):
        assert time.monotonic() < end, what
        time.sleep(0.5)
    return last


@pytest.mark.ledger("MO2")
def test_every_target_is_up(host):
    """Each host's machine and each service, under the names of the inventory; one that is missing is one that nobody misses."""
    variables = host.ansible.get_variables()
    groups = variables["groups"]
    # A host in none of them has nothing of the platform.
    members = {name for group in variables["aiko_groups"] for name in groups.get(group, [])}
    expected = {(job, name) for job, group in JOBS.items() for name in groups.get(group, [])} | {("node", name) for name in members}

    def up() -> set[tuple[str, str]]:
        return {(one["metric"]["job"], one["metric"]["instance"]) for one in ask(host, "up == 1")}

    until(lambda: expected <= up() and not ask(host, "up == 0"), f"up: {sorted(up())}")


@pytest.mark.ledger("MO2", "MO3")
@pytest.mark.parametrize("name", BEHIND)
def test_what_is_behind_each_exporter_is_up(host, name):
    """An exporter answers, and its database does not: the seed's alert would have said that all is well."""
    until(lambda: len(ask(host, f"{name} == 1")) == BEHIND[name], f"{name}: {ask(host, name)}")


@pytest.mark.ledger("CE6", "MO2")
def test_every_pool_is_watched(host):
    """A queue without a worker fills in silence."""
    pools = {one["metric"]["pool"] for one in until(lambda: ask(host, 'up{job="celery"}'), "no pool is asked")}
    assert pools == {"default", "ai", "priority"}


@pytest.mark.ledger("OP6")
def test_nothing_fires_on_a_platform_that_is_well(host):
    """An alert that always rings is not heard: only the watchdog does, which is its work.

    Those of the objectives are about how fast and how well this platform has answered for an hour, which a loaded machine and
    tests that stop things decide; promtool has their cases.
    """
    firing = 'ALERTS{alertstate="firing", alertname!~"(Error|Latency)BudgetBurn.*"}'
    until(lambda: {one["metric"]["alertname"] for one in ask(host, firing)} == {"Watchdog"},
          f"firing: {host.run('sudo aiko-query --alerts').stdout}")


@pytest.mark.ledger("MO4")
def test_alerts_arrive_at_alertmanager(host):
    """Between the two is a password."""
    until(lambda: "Watchdog" in host.run("sudo amtool alert query").stdout, "Alertmanager knows of no alert")
