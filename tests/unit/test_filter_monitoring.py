"""Who is watched and how: the filters behind Prometheus' and the exporters' configuration. Rules: test_alert_rules.py."""

import pytest
from ansible.errors import AnsibleFilterError

from tests.unit.support import load

monitoring = load("filter_plugins/monitoring.py")
logs = load("filter_plugins/logs.py")

HOSTVARS = {
    "data": {"aiko_address": "192.0.2.1", "postgresql_scrape_targets": [{"job": "postgresql", "port": 9187}], "__x_scrape_targets": [{}]},
    "app": {"aiko_address": "192.0.2.2",
            "nginx_scrape_targets": monitoring.site_targets("aiko.test", 443, 9115, ["/health", "/api/health"]),
            "backend_scrape_targets": [{"job": "backend", "port": 5000, "options": {"scheme": "http"}, "labels": {"slot": "x"}}]},
    "idle": {"nginx_scrape_targets": []},
}
GROUPS = {"all": list(HOSTVARS)}


def test_every_host_is_asked_where_it_publishes():
    """From the host that asks, over loopback or by the platform's address; named by the inventory, so that a move keeps the series."""
    jobs = {job["job_name"]: job for job in monitoring.scrape_jobs(GROUPS, HOSTVARS, "data", "lab")}
    assert list(jobs) == ["backend", "blackbox-site", "postgresql"]
    assert jobs["backend"] == {"job_name": "backend", "scheme": "http", "static_configs": [
        {"targets": ["192.0.2.2:5000"], "labels": {"instance": "app", "environment": "lab", "slot": "x"}}]}
    assert jobs["postgresql"]["static_configs"][0]["targets"] == ["127.0.0.1:9187"]


def test_what_prometheus_finds_elsewhere_on_its_own_host():
    """A container does not always reach itself by the port that it publishes; from another host there is but one address."""
    hostvars = {name: {"aiko_address": f"192.0.2.{number}", "aiko_own_address": "10.89.61.1",
                       "x_scrape_targets": [{"job": "x", "port": 1, "own": "127.0.0.1"}, {"job": "y", "port": 2}]}
                for number, name in enumerate(("here", "there"), 1)}
    jobs = monitoring.scrape_jobs({"all": list(hostvars)}, hostvars, "here", "lab")
    assert [[one["targets"] for one in job["static_configs"]] for job in jobs] == [
        [["127.0.0.1:1"], ["192.0.2.2:1"]], [["10.89.61.1:2"], ["192.0.2.2:2"]]]


def test_a_site_is_looked_at_from_outside():
    """Prometheus asks the exporter beside it, which asks the proxy; the series belongs to the proxy."""
    job = next(job for job in monitoring.scrape_jobs(GROUPS, HOSTVARS, "data", "lab") if job["job_name"] == "blackbox-site")
    assert [one["targets"] for one in job["static_configs"]] == [["127.0.0.1:9115"]] * 2
    labels = [one["labels"] for one in job["static_configs"]]
    assert [(one["instance"], one["path"], one["__param_target"]) for one in labels] == [
        ("app", "/health", "https://192.0.2.2:443/health"), ("app", "/api/health", "https://192.0.2.2:443/api/health")]
    assert {(one["__param_hostname"], one["site"]) for one in labels} == {("aiko.test", "aiko.test")}


def test_a_host_without_an_address_is_named():
    """A target of `None:9100` would be down for ever, and nobody would know why."""
    hostvars = {"data": {}, "new": {"backend_scrape_targets": [{"job": "backend", "port": 5000}]}}
    with pytest.raises(AnsibleFilterError, match="host new has no aiko_address"):
        monitoring.scrape_jobs({"all": ["new"]}, hostvars, "data", "lab")


def test_pools_publish_the_ports_that_they_serve():
    """The order is that of worker_environments: one more pool in between must move both."""
    celery = load("filter_plugins/celery.py")
    pools = {name: {"queues": [name], "concurrency": 1} for name in ("priority", "ai", "default")}
    served = {name: one["WORKER_METRICS_LISTEN"] for name, one in celery.worker_environments(pools, {}, "127.0.0.1", 9540).items()}
    published = {one["labels"]["pool"]: f"127.0.0.1:{one['port']}" for one in monitoring.pool_targets(pools, 9540)}
    assert published == served


@pytest.mark.parametrize(("word", "line"), [
    ("--flag=/a/b:1", "--flag=/a/b:1"), ("a b", '"a b"'), ("^/(x)($|/)", '"^/(x)($$|/)"'), ('say "x"', '"say \\"x\\""'),
    (r"a\.b", r'"a\\.b"'), ("%d/NAME", "%d/NAME"), ("", '""'),
])
def test_words_arrive_as_they_are(word, line):
    """systemd reads quotes, backslashes and dollars of a command line itself."""
    assert monitoring.exec_line(["/bin/x", word]) == f"/bin/x {line}"


@pytest.mark.parametrize(("text", "number"), [("15s", 15), ("1h30m", 5400), ("500ms", 0.5), ("1d", 86400), ("0", 0)])
def test_durations(text, number):
    """A drill scales them: a unit that was mistaken would wait for hours."""
    assert monitoring.seconds(text) == number
    assert monitoring.seconds(monitoring.duration(number)) == number


@pytest.mark.parametrize("text", ["", "15", "s", "1.5h", "15 s", "-1s"])
def test_what_is_no_duration_is_refused(text):
    """Prometheus would refuse the whole file, and say less."""
    with pytest.raises(AnsibleFilterError, match="is no duration"):
        monitoring.seconds(text)


def test_the_shorter_wins():
    """A time-out longer than the interval is refused by Prometheus."""
    assert monitoring.shorter("1m", "10s") == "10s"
    assert monitoring.shorter("500ms", "10s") == "500ms"


def test_both_releases_of_the_redis_exporter_find_the_password():
    """1.69 looks it up under the URL with the user, 1.45 under the one without; the wrong one is an exporter that says `down`."""
    assert monitoring.redis_passwords({"cache": 6379}, "monitor", "secret") == {
        "redis://monitor@127.0.0.1:6379": "secret", "redis://127.0.0.1:6379": "secret"}


@pytest.mark.ledger("MO4")
def test_alerts_for_machines_reach_no_person():
    """What only holds others back, told by mail, would be the noise that it is there to prevent; the watchdog has its own way out."""
    made = monitoring.alertmanager_configuration({
        "email_to": "operator@example.com", "webhook_url": "", "watchdog_url": "", "smarthost": "mail.example.com:25", "smtp_tls": True,
        "email_from": "aiko@example.com", "smtp_user": "", "group_wait": "10s", "group_interval": "10m", "repeat_interval": "1h"})
    assert [(one["receiver"], one["matchers"]) for one in made["route"]["routes"]] == [
        ("watchdog", ['alertname="Watchdog"']), ("nobody", ['severity="none"'])]
    assert {one["name"]: sorted(one) for one in made["receivers"]}["nobody"] == ["name"]


def test_password_hashes_do_not_move():
    """Another hash in every run would be a change in every run; bcrypt itself must still know the password."""
    one = monitoring.web_password("x" * 64, "admin")
    assert one == monitoring.web_password("x" * 64, "admin")
    assert one != monitoring.web_password("x" * 64, "other")
    assert monitoring.bcrypt.checkpw(b"x" * 64, one.encode())
    assert not monitoring.bcrypt.checkpw(b"y" * 64, one.encode())


@pytest.mark.parametrize("password", ["", "x" * 73])
def test_passwords_that_bcrypt_cannot_hash(password):
    """It looks at 72 bytes only; the message must not repeat it."""
    with pytest.raises(AnsibleFilterError, match="the password of admin") as refused:
        monitoring.web_password(password, "admin")
    assert "xxx" not in str(refused.value)


def test_a_third_of_a_journal_is_dropped_at_a_time():
    """Three files of ten megabytes, as the seed's log rotation had it."""
    files = logs.journal_files(["backend", "nginx"], "30M")
    assert [file["path"] for file in files] == ["/etc/systemd/journald@backend.conf", "/etc/systemd/journald@nginx.conf"]
    assert {"SystemMaxUse=30M", f"SystemMaxFileSize={10 * 1024**2}"} <= set(files[0]["content"].splitlines())


@pytest.mark.parametrize(("names", "most", "words"), [
    (["a"], "30", "base_journal_namespace_max is '30'"), (["a"], "30MB", "for example 30M"), (["../a"], "30M", "has '../a'"),
])
def test_bounds_that_make_no_sense(names, most, words):
    """journald would ignore the line, and keep what it likes."""
    with pytest.raises(AnsibleFilterError, match=words):
        logs.journal_files(names, most)


SERVICES = {
    "node": {"description": "machine", "port": 9100, "arguments": ["--x"], "memory": "128M", "service": {"ProcSubset": "all"}},
    "redis": {"description": "store", "port": 9121, "arguments": ["--y=a b"], "memory": "64M", "service": {"LoadCredential": "a:/b"},
              "program": "/redis_exporter", "volumes": ["/a:/a:ro"], "environment": '"A=b"'},
}


def test_an_exporter_is_the_same_in_both_run_modes():
    """Limits, arguments and addresses must not get lost in the one that is tried less often."""
    native = monitoring.exporter_units(SERVICES, ["redis"], "192.0.2.1")["prometheus-redis-exporter.service"]["Service"]
    assert native["ExecStart"] == '/usr/bin/prometheus-redis-exporter "--y=a b" --web.listen-address=192.0.2.1:9121'
    assert (native["MemoryMax"], native["Environment"], native["LoadCredential"]) == ("64M", '"A=b"', "a:/b")
    made = monitoring.exporter_containers(SERVICES, ["redis"], "192.0.2.1", {"redis": "image:1"}, {"redis": {"User": "7"}})
    unit = made["prometheus-redis-exporter.container"]
    assert unit["Service"]["MemoryMax"] == "64M" and "LoadCredential" not in unit["Service"]
    assert unit["Container"]["Exec"] == '"--y=a b" --web.listen-address=0.0.0.0:9121'
    assert {key: unit["Container"][key] for key in ("User", "Image", "Entrypoint", "Environment", "Volume", "PublishPort")} == {
        "User": "7", "Image": "image:1", "Entrypoint": "/redis_exporter", "Environment": '"A=b"', "Volume": ["/a:/a:ro"],
        "PublishPort": "192.0.2.1:9121:9121"}


def test_the_units_of_the_other_run_mode_go():
    """Both would work on one port."""
    assert monitoring.exporter_strangers(SERVICES, {"prometheus-node-exporter.service": {}, "prometheus-redis-exporter.container": {}}) == [
        "prometheus-node-exporter.container", "prometheus-redis-exporter.service"]
    assert monitoring.exporter_images(["redis"], {"redis": "a/b:1"}, {}) == [{"image": "a/b:1", "digest": "", "recipe": "redis-exporter"}]
