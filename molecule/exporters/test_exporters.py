"""The exporters role: what tells Prometheus how a host and its services are, and can do nothing else."""

from __future__ import annotations

import json
import re

import pytest
from scenario import assert_closed_in, eventually, process, unit_property

UNITS = ["prometheus-*"]
PORTS = {"node": 9100, "postgres": 9187, "redis": 9121, "nginx": 9113, "blackbox": 9115}
STORES = {"cache": 6379, "queue": 6380}
EVERY = pytest.mark.parametrize("name", PORTS)


@pytest.fixture
def own(host_name) -> str:
    """Where services of the host find each other."""
    return "10.89.61.1" if host_name == "exporters-container" else "127.0.0.1"


@pytest.fixture
def metrics(host, own):
    """The samples that an exporter gives: series to value."""

    def ask(name: str, path: str = "/metrics") -> dict[str, float]:
        script = f"import urllib.request as u; print(u.urlopen('http://{own}:{PORTS[name]}{path}', timeout=15).read().decode())"
        lines = host.check_output("python3 -c %s", script).splitlines()
        return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines if line and line[0] != "#")}

    return ask


@pytest.fixture
def stores(own) -> dict[str, str]:
    """What the exporter of Redis is asked about each instance."""
    return {name: f"/scrape?target=redis://{own}:{port}" for name, port in STORES.items()}


@pytest.mark.ledger("MO2")
@EVERY
def test_answers_and_says_that_its_service_is_up(host, metrics, name):
    """An exporter that answers says nothing of what it watches: the value is what counts."""
    found, kind = metrics(name), unit_property(host, "nginx", "Type")
    expected = {"node": f'node_systemd_unit_state{{name="nginx.service",state="active",type="{kind}"}}', "postgres": "pg_up",
                "redis": "redis_up", "nginx": "nginx_up", "blackbox": "blackbox_exporter_config_last_reload_successful"}
    assert found[expected[name]] == 1


@pytest.mark.ledger("MO2")
def test_both_instances_of_redis_are_told_apart(host, metrics, stores):
    """One that answers for the other hides that the queue is gone."""
    try:
        host.check_output("systemctl stop redis-server@queue")
        assert metrics("redis", stores["cache"])["redis_up"] == 1
        assert metrics("redis", stores["queue"])["redis_up"] == 0
    finally:
        host.check_output("systemctl start redis-server@queue")
    eventually(lambda: metrics("redis", stores["queue"])["redis_up"] == 1, "the exporter finds it again")


@pytest.mark.ledger("MO3")
def test_a_database_that_is_down_is_told(host, metrics):
    """The exporter's own `up` stays 1: an alert on that would never fire."""
    unit = host.check_output("systemctl list-units --plain --no-legend 'postgresql@*' | cut -d' ' -f1")
    try:
        host.check_output("systemctl stop %s", unit)
        assert metrics("postgres")["pg_up"] == 0
    finally:
        host.check_output("systemctl start %s", unit)
    eventually(lambda: metrics("postgres")["pg_up"] == 1, "the exporter finds it again")


@pytest.mark.ledger("MO2")
def test_the_database_exporter_may_look_and_not_touch(host):
    """Whoever breaks into an exporter must not own the database."""
    query = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, pg_has_role(rolname, 'pg_monitor', 'member'), rolpassword IS NULL"
    answer = host.check_output(
        "cd / && runuser -u postgres -- psql -At -c %s", f"{query} FROM pg_authid WHERE rolname = 'postgres-exporter'")
    assert answer == "f|f|f|f|t|t"
    asked = host.run("cd / && runuser -u postgres-exporter -- psql -At systeme_intelligent -c %s", "CREATE TABLE public.mine (n int)")
    assert "permission denied" in asked.stderr


@pytest.mark.ledger("MO2")
def test_nobody_else_is_the_database_exporter(host):
    """It has no password, so the door must know its user and no other."""
    stranger = host.run("cd / && runuser -u nginx-exporter -- psql -At -U postgres-exporter systeme_intelligent -c 'SELECT 1'")
    assert "Peer authentication failed" in stranger.stderr
    remote = host.run("cd / && runuser -u postgres-exporter -- psql -At -h 127.0.0.1 systeme_intelligent -c 'SELECT 1'")
    assert "rejects connection" in remote.stderr


@pytest.mark.any_runtime
@pytest.mark.ledger("MO2", "RD1")
@pytest.mark.parametrize("port", STORES.values(), ids=STORES)
def test_the_redis_exporter_may_look_and_not_touch(host, secrets, port):
    """CONFIG GET would show the passwords of all others, SLOWLOG what their commands carried; a key is a session or a task."""

    def ask(command: str) -> str:
        return host.run(f"REDISCLI_AUTH={secrets['redis_monitor_password']} redis-cli --user monitor -p {port} {command} 2>&1").stdout

    assert "redis_version" in ask("INFO server")
    for command in ("CONFIG GET requirepass", "KEYS '*'", "GET x", "SET x 1", "FLUSHALL", "ACL LIST", "EVAL 'return 1' 0", "SHUTDOWN",
                    "SLOWLOG GET", "SLOWLOG LEN", "LATENCY LATEST", "LATENCY HISTOGRAM"):
        assert "NOPERM" in ask(command), command


@pytest.mark.ledger("SY4")
@EVERY
def test_each_is_closed_in(host, name):
    """Exporters parse what others say, on a port: the classic way in."""
    unit = f"prometheus-{name}-exporter"
    assert_closed_in(host, unit)
    assert host.check_output(f"stat --format %U /proc/{process(host, unit)}") == f"{name}-exporter"
    assert unit_property(host, unit, "MemoryMax").isdigit()


@pytest.mark.ledger("NX1")
def test_listens_on_loopback_alone(host, own):
    """Metrics tell an attacker what runs here and how busy it is. What is loopback to a host is an address of its own to containers."""
    addresses = {line.split()[3] for line in host.check_output("ss -ltnH").splitlines()}
    ours = {address for address in addresses if address.endswith(tuple(f":{port}" for port in (*PORTS.values(), 8081)))}
    assert ours == {f"{own}:{port}" for port in (*PORTS.values(), 8081)} | {"127.0.0.1:8081"}


@pytest.mark.ledger("SY3")
def test_the_password_is_nowhere_to_be_seen(host, host_name, secrets):
    """Units and process lists are read by everybody."""
    units = "/etc/systemd/system/prometheus-* /etc/containers/systemd/prometheus-*"
    for place in ("systemctl show 'prometheus-*'", "ps axww -o args", f"cat {units} 2>/dev/null || true"):
        assert secrets["redis_monitor_password"] not in host.check_output(place), place
    file = host.file("/etc/prometheus/redis-passwords.json")
    # systemd hands it over; a container reads it as its own group.
    expected = ("redis-exporter", 0o640) if host_name == "exporters-container" else ("root", 0o600)
    assert (file.user, file.group, file.mode) == ("root", *expected)


def test_the_site_is_seen_from_outside(own, metrics, converge):
    """A self-signed certificate is taken as it is, by default; as soon as the operator brings one, it must be good."""
    probe = f"/probe?module=site&hostname=aiko.test&target=https://{own}:443/health"
    found = metrics("blackbox", probe)
    # Nothing stands behind nginx here: it answers, with 502, and that is no success.
    assert (found["probe_http_status_code"], found["probe_success"]) == (502, 0)
    assert found["probe_ssl_earliest_cert_expiry"] > 0
    try:
        converge({"exporters_blackbox_verify": True}).succeeded()
        refused = metrics("blackbox", probe)
        assert (refused["probe_success"], refused["probe_http_status_code"]) == (0, 0)
    finally:
        converge({}).succeeded()


@pytest.mark.any_runtime
def test_other_programs_leave_metrics(host, metrics):
    """A backup has no port to be asked at: it leaves a file."""
    host.check_output("printf 'probe_metric 42\\n' > /var/lib/prometheus/node-exporter/probe.prom")
    try:
        assert metrics("node")["probe_metric"] == 42
    finally:
        host.check_output("rm /var/lib/prometheus/node-exporter/probe.prom")
    assert host.file("/var/lib/prometheus/node-exporter").user == "root"


@pytest.mark.any_runtime
def test_a_unit_that_failed_is_told(host, metrics):
    """What fails at night is found in the morning, unless somebody counts it."""
    # Not oneshot and not restarted: it fails, and stays so.
    host.run("systemd-run --unit=aiko-probe.service /bin/false")
    state = 'node_systemd_unit_state{name="aiko-probe.service",state="failed",type="simple"}'
    try:
        eventually(lambda: metrics("node").get(state) == 1, "the node exporter says that it failed")
    finally:
        host.check_output("systemctl reset-failed aiko-probe.service")


def test_disks_are_told(metrics):
    """An alert on a full disk is silent without a series of it."""
    found = metrics("node")
    sizes = {series for series in found if series.startswith("node_filesystem_size_bytes") and 'mountpoint="/"' in series}
    assert len(sizes) == 1
    assert not [series for series in found if re.match(r"node_filesystem_.*fstype=\"(tmpfs|proc)\"", series)]


@pytest.mark.any_release
def test_what_is_not_asked_for_goes(host, converge):
    """A service that moved takes its exporter along; the one left behind would report it down for ever."""
    try:
        converge({"exporters_enabled": ["node"]}).succeeded()
        for name in ("postgres", "redis", "nginx", "blackbox"):
            unit = f"prometheus-{name}-exporter"
            assert host.run("systemctl is-active %s", unit).stdout.strip() == "inactive"
            assert host.run("systemctl is-enabled %s", unit).stdout.strip() != "enabled"
        assert host.run("systemctl is-active prometheus-node-exporter").stdout.strip() == "active"
        for name in ("redis-passwords.json", "postgres-queries.yml", "blackbox.yml"):
            assert not host.file(f"/etc/prometheus/{name}").exists, name
    finally:
        converge({}).succeeded()
    assert len(json.loads(host.check_output("systemctl list-units --output=json 'prometheus-*-exporter.service'"))) == len(PORTS)
