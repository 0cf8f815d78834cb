"""The prometheus role: what asks, remembers and judges."""

from __future__ import annotations

import json
import time
import urllib.parse

import pytest
import yaml
from scenario import assert_closed_in, eventually, unit_property
from scenario import process as process_of

UNITS = ["prometheus"]


@pytest.fixture
def api(host):
    """The data of a path of the API; None while it is not there."""

    def ask(path: str):
        # The password is read on the host: a command line stands in its journal.
        script = (
            "import base64, urllib.request as u; p = open('/etc/prometheus/password').read(); "
            f"r = u.Request('http://127.0.0.1:9090{urllib.parse.quote(path, safe='/?=&')}', headers={{'Authorization': 'Basic ' + "
            "base64.b64encode(('admin:' + p).encode()).decode()}); print(u.urlopen(r, timeout=15).read().decode())"
        )
        done = host.run("python3 -c %s", script)
        return json.loads(done.stdout)["data"] if done.rc == 0 else None

    return ask


def status(host, path: str = "/api/v1/status/config", headers: str = "{}") -> int:
    script = (
        "import urllib.request as u, urllib.error\n"
        f"try: print(u.urlopen(u.Request('http://127.0.0.1:9090{path}', headers={headers}), timeout=15).status)\n"
        "except urllib.error.HTTPError as e: print(e.code)"
    )
    return int(host.check_output("python3 -c %s", script))


def process(host) -> str:
    return process_of(host, "prometheus")


def rules(api) -> dict[str, dict]:
    return {rule["name"]: rule for group in (api("/api/v1/rules?type=alert") or {"groups": []})["groups"] for rule in group["rules"]}


@pytest.mark.ledger("MO1")
def test_asks_and_keeps_as_declared(api):
    """Dashboards and alerts count in these units: fifteen seconds, fifteen days."""
    configuration = yaml.safe_load(api("/api/v1/status/config")["yaml"])
    assert configuration["global"]["scrape_interval"] == "15s"
    assert configuration["global"]["external_labels"] == {"environment": "molecule"}
    flags = api("/api/v1/status/flags")
    assert flags["storage.tsdb.retention.time"] == "15d"
    assert flags["storage.tsdb.path"] == "/var/lib/prometheus/metrics2"


@pytest.mark.ledger("MO1")
def test_samples_survive_a_kill(host, api):
    """What led to a crash is what one wants to read after it."""
    query = "/api/v1/query?query=min_over_time(timestamp(prometheus_build_info)[1h:1s])"
    eventually(lambda: (api(query) or {}).get("result"), "it has asked itself", 40)
    before, moment = process(host), time.time()
    host.check_output("kill -9 %s", before)
    eventually(lambda: process(host) != before and api("/api/v1/status/flags"), "it is back", 60)
    oldest = float(api(query)["result"][0]["value"][1])
    assert oldest < moment, "the samples from before are gone"


@pytest.mark.ledger("MO2")
def test_asks_what_the_topology_says(api):
    """A host that is in no job is a host that nobody watches; names are those of the inventory, and stay when addresses change."""
    active = eventually(lambda: (api("/api/v1/targets?state=active") or {}).get("activeTargets"), "it knows whom to ask")
    targets = {one["labels"]["job"]: one["labels"] for one in active}
    assert set(targets) == {"alertmanager", "blackbox", "node", "prometheus"}
    for labels in targets.values():
        assert labels["instance"].startswith("prometheus-")
        assert labels["environment"] == "molecule"
    up = "/api/v1/query?query=up{job='prometheus'}==1"
    eventually(lambda: (api(up) or {}).get("result"), "it can ask itself, through its own password", 40)


def test_nobody_reads_without_the_password(host):
    """Metrics and their labels tell what runs where; the API can also delete."""
    assert status(host) == 401
    assert status(host, headers="{'Authorization': 'Basic YWRtaW46YWRtaW4='}") == 401, "admin:admin"
    assert status(host, "/metrics") == 401


@pytest.mark.ledger("SY3")
def test_the_password_is_for_the_service_alone(host, secrets):
    """A hash in web.yml, and the password where only Prometheus reads it."""
    for name in ("password", "web.yml", "alertmanager-password"):
        file = host.file(f"/etc/prometheus/{name}")
        assert (file.user, file.group, file.mode) == ("root", "prometheus", 0o640), name
    assert secrets["prometheus_password"] not in host.file("/etc/prometheus/web.yml").content_string
    places = ("systemctl show prometheus", "ps axww -o args", "cat /etc/prometheus/prometheus.yml", "journalctl --namespace='*' --no-pager")
    for place in places:
        assert secrets["prometheus_password"] not in host.check_output(place), place


@pytest.mark.ledger("SY4")
def test_it_is_closed_in(host, host_name):
    """It talks to every host of the platform."""
    assert_closed_in(host, "prometheus")
    assert host.check_output(f"stat --format %U /proc/{process(host)}") == "prometheus"
    assert unit_property(host, "prometheus", "MemoryMax") == str(1024**3)
    addresses = {line.split()[3] for line in host.check_output("ss -ltnH").splitlines()}
    # Containers of this host ask it at an address that only they and the host reach.
    inside = {"10.89.61.1:9090"} if "container" in host_name else set()
    assert {address for address in addresses if address.endswith(":9090")} == {"127.0.0.1:9090"} | inside


@pytest.mark.ledger("MO3")
def test_the_rules_are_there_and_can_be_judged(api):
    """The seed's four with its times, and none that Prometheus chokes on."""
    found = eventually(lambda: rules(api), "the rules were read")
    assert {name: found[name]["duration"] for name in ("BackendDown", "HighMemory", "DatabaseDown", "RedisDown")} == {
        "BackendDown": 60, "HighMemory": 300, "DatabaseDown": 60, "RedisDown": 60}
    eventually(lambda: not [rule["name"] for rule in rules(api).values() if rule["health"] != "ok"], "every rule was judged", 60)
    assert {name: rule["annotations"]["runbook_url"].rpartition("/")[2] for name, rule in found.items()} == {
        name: f"{name}.md" for name in found}


@pytest.mark.any_runtime
def test_alerts_and_jobs_that_cannot_be_are_refused(converge):
    """Whoever misspells a name believes that the alert is changed; two jobs of one name are none."""
    converge({"prometheus_alert_overrides": {"BackendUp": {"for": "1m"}}}).refused("BackendUp", "Expected: names of alerts")
    converge({"prometheus_scrape_jobs_extra": [{"job_name": "node"}]}).refused("prometheus.yml", "former files are in place")


def test_a_configuration_that_makes_no_sense_is_refused(host, api, converge):
    """A typing error must not blind the alerts that are there."""
    before, pid = host.check_output("cat /etc/prometheus/rules/* /etc/prometheus/prometheus.yml"), process(host)
    wrong = {"prometheus_alert_overrides": {"BackendDown": {"expr": "up{job="}}, "prometheus_scrape_jobs_extra": [{"job_name": "mine"}]}
    converge(wrong).refused("check config /etc/prometheus/prometheus.yml", "BackendDown", "former files are in place")
    assert host.check_output("cat /etc/prometheus/rules/* /etc/prometheus/prometheus.yml") == before
    assert process(host) == pid
    assert "BackendDown" in rules(api)


def test_changes_are_a_reload(host, api, converge):
    """A restart is a gap in every graph; a drill wants short times, an operator other thresholds, and back."""
    pid = process(host)
    changed = {
        "prometheus_scrape_interval": "2s", "prometheus_alert_for_scale": 0.1,
        "prometheus_alert_overrides": {"BackendDown": {"labels": {"severity": "ticket"}}, "HighMemory": None},
    }
    converge(changed).succeeded()
    found = eventually(lambda: (one := rules(api))["DatabaseDown"]["duration"] == 6 and one, "the rules were read")
    assert (found["BackendDown"]["duration"], found["BackendDown"]["labels"]["severity"]) == (6, "ticket")
    assert "HighMemory" not in found
    assert yaml.safe_load(api("/api/v1/status/config")["yaml"])["global"]["scrape_timeout"] == "2s"
    converge({}).succeeded()
    eventually(lambda: rules(api).get("HighMemory", {}).get("duration") == 300, "everything is as it was")
    assert process(host) == pid
    reloaded = "aiko-query 'prometheus_config_last_reload_successful == 1'"
    eventually(lambda: "reload_successful" in host.run(reloaded).stdout, "the last reload was well", 40)


def test_the_operators_command(host):
    """Whoever is woken at night has a shell, not a browser."""
    assert host.check_output("aiko-query 'vector(1)'") == "{} 1"
    assert 'job="prometheus"' in eventually(lambda: host.run("aiko-query --targets").stdout, "it knows whom to ask")
    assert "Watchdog" in eventually(lambda: host.run("aiko-query --alerts").stdout, "an alert fires")
    refused = host.run("aiko-query 'up{'")
    assert refused.rc != 0
    assert "parse error" in refused.stderr
    assert host.run("runuser -u nobody -- aiko-query up").rc != 0
