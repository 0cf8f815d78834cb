"""The small filters of single services: celery, credentials, instances, status."""

import json

import pytest
from ansible.errors import AnsibleFilterError

from tests.unit.support import load

celery = load("filter_plugins/celery.py")
credentials = load("filter_plugins/credentials.py")
instances = load("filter_plugins/instances.py")
status = load("filter_plugins/status.py")

POOLS = {"priority": {"queues": ["priority"], "concurrency": 1}, "ai": {"queues": ["ai_tasks", "slow"], "concurrency": "2"}}


def test_pools_get_queues_processes_and_a_metrics_port_each():
    """Two pools on one port would lose the metrics of one of them; the order is by name, so that it does not move."""
    made = celery.worker_environments(POOLS, {"TZ": "UTC"}, "127.0.0.1", 9540)
    assert made == {
        "ai": {"TZ": "UTC", "QUEUES": "ai_tasks,slow", "CONCURRENCY": 2, "WORKER_METRICS_LISTEN": "127.0.0.1:9540"},
        "priority": {"TZ": "UTC", "QUEUES": "priority", "CONCURRENCY": 1, "WORKER_METRICS_LISTEN": "127.0.0.1:9541"},
    }


@pytest.mark.parametrize("pool", [{}, {"queues": []}, {"queues": ["a"]}, {"queues": ["a"], "concurrency": 0}, {"concurrency": 2}])
def test_a_pool_that_could_not_work_is_named(pool):
    """A worker without a queue listens to all of them; one without processes to none."""
    with pytest.raises(AnsibleFilterError, match="celery_pools: pool ai needs a list 'queues' and a 'concurrency' of at least 1"):
        celery.worker_environments({"ai": pool}, {}, "127.0.0.1", 9540)


@pytest.mark.parametrize("name", ["AI", "a-b", "1a", "a b", "a/../b", ""])
def test_a_pool_name_that_is_no_unit_name_is_refused(name):
    """It becomes a part of a unit's and of a file's name."""
    with pytest.raises(AnsibleFilterError, match="is not the name of a pool"):
        celery.worker_environments({name: POOLS["ai"]}, {}, "127.0.0.1", 9540)


def test_pools_run_on_worker_hosts_and_stop_elsewhere():
    """A host that leaves the group must not go on taking tasks."""
    states = celery.worker_states(POOLS, True, ["/etc/aiko/backend.env"])
    assert [(s["name"], s["enabled"], s["state"]) for s in states] == [
        ("aiko-worker@ai.service", True, "started"), ("aiko-worker@priority.service", True, "started"),
    ]
    # Another pool's environment is no reason to interrupt this one's tasks.
    assert states[0]["restart_on"] == ["/etc/aiko/backend.env", "/etc/aiko/worker-ai.env"]
    assert {(s["enabled"], s["state"]) for s in celery.worker_states(POOLS, False, [])} == {(False, "stopped")}


def test_credentials_are_for_root_alone_and_never_shown():
    """PID 1 hands them to the services; nobody else has to read them."""
    assert credentials.credential_files({"SECRET_KEY": "x" * 64}) == [
        {"path": "/etc/aiko/credentials/SECRET_KEY", "content": "x" * 64, "mode": "0600", "secret": True},
    ]


@pytest.mark.parametrize(("secrets", "message"), [
    ({"../shadow": "hunter2"}, "is not the name of a secret"), ({"secret": "hunter2"}, "is not the name of a secret"),
    ({"SECRET_KEY": ""}, "secret SECRET_KEY is empty"), ({"SECRET_KEY": None}, "secret SECRET_KEY is empty"),
    ({"SECRET_KEY": ["hunter2"]}, "secret SECRET_KEY is empty"),
])
def test_credentials_refuse_without_telling(secrets, message):
    """An empty SECRET_KEY would sign every session with nothing; and an error message is a log line."""
    with pytest.raises(AnsibleFilterError, match=message) as refused:
        credentials.credential_files(secrets)
    assert "hunter2" not in str(refused.value)


def test_a_pattern_is_completed_for_each_instance():
    """Two instances are described once; everything that is no known fact stays as it is."""
    facts = {"cache": {"unit": "redis@cache", "port": 6379}, "queue": {"unit": "redis@queue", "port": 6380}}
    pattern = {"name": "{unit}", "n": "{name}", "nested": {"list": ["{port}", "{unknown}", "a{unit}"]}, "enabled": True}
    assert instances.per_instance(facts, ["queue", "cache"], pattern) == [
        {"name": "redis@queue", "n": "queue", "nested": {"list": [6380, "{unknown}", "a{unit}"]}, "enabled": True},
        {"name": "redis@cache", "n": "cache", "nested": {"list": [6379, "{unknown}", "a{unit}"]}, "enabled": True},
    ]
    assert pattern["name"] == "{unit}"


def units(**states: str) -> dict:
    """What `systemctl list-units --output=json` printed, from unit to state."""
    sub = {"active": "running"}
    return {"stdout": json.dumps([
        {"unit": name, "load": "loaded", "active": state, "sub": sub.get(state, "dead")} for name, state in states.items()
    ])}


def host(states: dict, health: dict | None = None, **more) -> dict:
    return {
        "group_names": ["backend", *(["proxy"] if health is not None else [])], "aiko_domain": "aiko.test", "aiko_address": "10.0.0.1",
        "__status_units": units(**states),
        "__status_packages": {"stdout": "postgresql-15 15.8-0+deb12u1\nredis-server \nnginx 1.22.1-9+b1\n"},
        "__status_backend": {"stdout": '{"current": "abc123"}'}, "__status_frontend": {"stdout": '{"current": "def456"}'},
        "__status_health": health or {}, **more,
    }


GOOD = {"nginx.service": "active", "postgresql@15-main.service": "active", "aiko-backend@blue.service": "active",
        "aiko-backend@green.service": "inactive", "aiko-backend-check@blue.service": "inactive",
        "aiko-frontend@blue.service": "inactive", "aiko-frontend@green.service": "active", "aiko-frontend-check@green.service": "inactive"}


def test_status_shows_versions_and_urls():
    """One look tells what runs where and in which version."""
    lines = status.status_table({"one": host(GOOD, {"status": 200})}, ["one"])
    assert lines[0].split() == ["HOST", "SERVICE", "STATE", "VERSION"]
    assert [line.split() for line in lines[1:4]] == [
        ["one", "nginx", "active", "(running)", "1.22.1-9"], ["one", "postgresql@15-main", "active", "(running)", "15.8-0"],
        ["one", "aiko-backend@blue", "active", "(running)", "release", "abc123"],
    ]
    assert ["one", "aiko-frontend@green", "active", "(running)", "release", "def456"] in [line.split() for line in lines]
    assert not any("check@" in line for line in lines)
    assert "https://aiko.test/health at 10.0.0.1: 200" in lines


def test_status_asks_a_container_and_not_the_package_beside_it():
    """Hosts with containers may have PostgreSQL's package to prove backups with; the node exporter is a package everywhere."""
    said = {"stdout": "nginx.service 1.26.3\nredis-server@cache.service registry.test/redis:7-alpine"}
    packages = {"stdout": "postgresql-15 15.8-0+deb12u1\nprometheus-node-exporter 1.9.0-1+b4\n"}
    states = dict.fromkeys(("nginx.service", "postgresql@15-main.service", "redis-server@cache.service", "prometheus-node-exporter.service",
                            "aiko-beat.service"), "active")
    lines = status.status_table(
        {"one": host(states, aiko_runtime="container", __status_containers=said, __status_packages=packages)}, ["one"])
    assert {line.split()[1]: line.split()[4:] for line in lines[1:]} == {
        "nginx": ["1.26.3"], "postgresql@15-main": [], "redis-server@cache": ["registry.test/redis:7-alpine"],
        "prometheus-node-exporter": ["1.9.0-1"], "aiko-beat": ["release", "abc123"],
    }  # fmt: skip


def test_status_is_content_with_a_host_that_is_well():
    """The idle slot and finished checks are no alarm: one that always rings is not heard."""
    assert status.status_problems({"one": host(GOOD, {"status": 200})}, ["one"]) == []


@pytest.mark.parametrize(("states", "health", "problem"), [
    ({"nginx.service": "failed"}, None, "one: nginx.service is failed; see: journalctl --namespace='*' --unit nginx.service"),
    ({"aiko-worker@ai.service": "inactive"}, None,
     "one: aiko-worker@ai.service is inactive; see: journalctl --namespace='*' --unit aiko-worker@ai.service"),
    ({"aiko-backend@blue.service": "failed"}, None,
     "one: aiko-backend@blue.service is failed; see: journalctl --namespace='*' --unit aiko-backend@blue.service"),
    ({"aiko-backend@blue.service": "inactive"}, None, "one: no slot of aiko-backend serves; see: aiko-release --part backend status"),
    ({"aiko-frontend@green.service": "inactive"}, None,
     "one: no slot of aiko-frontend serves; see: aiko-release --part frontend status"),
    ({}, {"status": 503}, "one: https://aiko.test/health gave 503"),
    ({}, {"status": -1}, "one: https://aiko.test/health gave -1"),
])
def test_status_names_what_is_not_well(states, health, problem):
    """Each problem once, with the place to look at next."""
    assert status.status_problems({"one": host({**GOOD, **states}, health)}, ["one"]) == [problem]


def test_status_knows_the_versions_of_what_watches():
    """Exporters are packages of their own."""
    watched = host({"prometheus.service": "active", "prometheus-node-exporter.service": "active"},
                   __status_packages={"stdout": "prometheus 2.53.3+ds1-2\nprometheus-node-exporter 1.9.0-1+b4\nprometheus-pushgateway \n"})
    lines = [line.split() for line in status.status_table({"one": watched}, ["one"])[1:]]
    assert [(line[1], line[-1]) for line in lines] == [("prometheus", "2.53.3"), ("prometheus-node-exporter", "1.9.0-1")]


def test_status_tells_what_prometheus_tells():
    """Everything may run and a queue still have no worker; when Prometheus does not answer, its unit's state is the message."""
    firing = {"rc": 0, "stdout": 'ALERTS{alertname="QueueStuck", queue="ai_tasks"} 1\n'}
    assert status.status_problems({"one": host(GOOD, {"status": 200}, __status_alerts=firing)}, ["one"]) == [
        'one: ALERTS{alertname="QueueStuck", queue="ai_tasks"}; see: aiko-query --alerts']
    silent = {"rc": 1, "stdout": "", "stderr": "aiko-query: http://127.0.0.1:9090 does not answer: refused"}
    stopped = {**GOOD, "prometheus.service": "failed"}
    assert status.status_problems({"one": host(stopped, {"status": 200}, __status_alerts=silent)}, ["one"]) == [
        "one: prometheus.service is failed; see: journalctl --namespace='*' --unit prometheus.service"]
    nothing = {"rc": 0, "stdout": ""}
    assert status.status_problems({"one": host(GOOD, {"status": 200}, __status_alerts=nothing)}, ["one"]) == []


@pytest.mark.parametrize(("answer", "said"), [
    ({"rc": 1, "stdout": "", "stderr": "aiko-query: Prometheus says 401: Unauthorized\n"}, "aiko-query: Prometheus says 401: Unauthorized"),
    ({"rc": 1, "stdout": "", "stderr": "Traceback (most recent call last):\n  ...\nKeyError: 'url'"}, "KeyError: 'url'"),
    ({"rc": 2, "msg": "[Errno 2] No such file or directory: b'aiko-query'"}, "[Errno 2] No such file or directory: b'aiko-query'"),
    ({"rc": 137, "stdout": "", "stderr": ""}, "no word"),
])
def test_status_does_not_take_silence_for_peace(answer, said):
    """Prometheus runs and cannot be asked, for want of the right password say: alerts may fire that nobody hears of here."""
    watched = host({**GOOD, "prometheus.service": "active"}, {"status": 200}, __status_alerts=answer)
    assert status.status_problems({"one": watched}, ["one"]) == [f"one: what fires is not known: {said}; see: aiko-query --alerts"]


NOW = 1764000000  # 2025-11-24 16:00 UTC
WAITING = {"aiko-backup.service": "inactive", "aiko-backup-drill.service": "inactive"}
TIMERS = [{"next": (NOW + 36000) * 1000000, "unit": "aiko-backup.timer", "activates": "aiko-backup.service"},
          {"next": (NOW + 500000) * 1000000, "unit": "aiko-backup-drill.timer", "activates": "aiko-backup-drill.service"}]


def keeper(*sets: tuple[str, int | None], age: float = 50400, states: dict | None = None, timers: list | None = None, **answer) -> dict:
    """A backup host: its sets as id and when they were proven, the newest first."""
    said = {"sets": [{"id": name, "proven": proven} for name, proven in sets], "newest": sets[0][0] if sets else None,
            "newest_age_seconds": age if sets else None, "newest_proven": next((name for name, proven in sets if proven), None),
            "repository_free_bytes": 32 * 1024**3}
    return host({**GOOD, **WAITING, **(states or {})}, {"status": 200}, __status_backups={"rc": 0, "stdout": json.dumps(said)} | answer,
                __status_timers={"stdout": json.dumps(TIMERS if timers is None else timers)})


def test_status_tells_how_backups_are():
    """Age, proof, number and the next time in one line; a oneshot that waits for its timer is well, and runs no release."""
    well = {"one": keeper(("20251124_020000", None), ("20251123_020000", NOW - 2 * 86400))}
    lines = status.status_table(well, ["one"], NOW)
    assert ("backups at one: newest 20251124_020000, 14 h old; proven 20251123_020000, 2 d ago; 2 in all; 32.0 GiB free; "
            "next 2025-11-25 02:00 UTC; next trial restore 2025-11-30 10:53 UTC") in lines
    assert ["one", "aiko-backup", "inactive", "(dead)"] in [line.split() for line in lines]
    assert status.status_problems(well, ["one"], NOW) == []


def test_status_of_a_backup_host_that_is_new():
    """The first night is waited for, and the first trial restore a week."""
    lines = status.status_table({"one": keeper()}, ["one"], NOW)
    assert any(line.startswith("backups at one: no backup yet; 32.0 GiB free; next 2025-11-25") for line in lines)
    assert status.status_problems({"one": keeper()}, ["one"], NOW) == []
    young = keeper(("20251124_020000", None), ("20251117_020000", None))
    assert "none is proven yet" in "\n".join(status.status_table({"one": young}, ["one"], NOW))
    assert status.status_problems({"one": young}, ["one"], NOW) == []
    running = keeper(states={"aiko-backup.service": "activating"}, timers=[{**TIMERS[0], "next": None}, TIMERS[1]])
    assert status.status_problems({"one": running}, ["one"], NOW) == []


@pytest.mark.parametrize(("variables", "problem"), [
    (keeper(("20251123_020000", NOW - 86400), age=136800),
     "the newest backup, 20251123_020000, is 38 h old; see: docs/runbooks/BackupStale.md"),
    (keeper(("20251124_020000", None), ("20251114_020000", NOW - 9 * 86400)),
     "no backup was restored on trial for 9 d; see: docs/runbooks/BackupUnverified.md"),
    (keeper(("20251124_020000", None), ("20251114_020000", None)),
     "no backup was restored on trial for 11 d; see: docs/runbooks/BackupUnverified.md"),
    (keeper(timers=TIMERS[1:]), "nothing starts aiko-backup.service: its timer is off; run site.yml"),
    (keeper(rc=1, stdout="", stderr="aiko-backup: the repository cannot be read: wrong password\n"),
     "how its backups are is not known: aiko-backup: the repository cannot be read: wrong password; see: aiko-backup status"),
    (keeper(rc=2, msg="[Errno 2] No such file or directory: b'aiko-backup'"),
     "how its backups are is not known: [Errno 2] No such file or directory: b'aiko-backup'; see: aiko-backup status"),
    (keeper(states={"aiko-backup.service": "failed"}),
     "aiko-backup.service is failed; see: journalctl --namespace='*' --unit aiko-backup.service"),
])
def test_status_names_backups_that_nobody_should_rely_on(variables, problem):
    """Without Prometheus nobody else tells of them."""
    assert status.status_problems({"one": variables}, ["one"], NOW) == [f"one: {problem}"]


def test_status_of_a_host_without_anything():
    """A bare host, or one in check mode, gives a table and no traceback."""
    bare = {"group_names": [], "__status_units": {"stdout": ""}, "__status_packages": {"stdout": ""}, "__status_backend": {"skipped": True}}
    assert status.status_table({"bare": bare}, ["bare"]) == ["HOST  SERVICE  STATE  VERSION"]
    assert status.status_problems({"bare": bare}, ["bare"]) == []


def test_each_pool_that_is_a_container_publishes_its_own_metrics():
    """One port for two pools would let but one of them start."""
    quadlet = {"Unit": {"Description": "pool %i"}, "Container": {"Image": "x", "HealthCmd": "ask {port}"}}
    made = celery.worker_quadlets({"b": {}, "a": {}}, quadlet, "10.89.61.1", 9540)
    assert list(made) == ["aiko-worker@a.container", "aiko-worker@b.container"]
    assert made["aiko-worker@b.container"]["Container"] == {
        "Image": "x", "HealthCmd": "ask 9541", "PublishPort": ["10.89.61.1:9541:9541", "127.0.0.1:9541:9541"]}
    silent = celery.worker_quadlets({"a": {}}, {"Container": {"HealthCmd": None}}, "127.0.0.1", 9540)["aiko-worker@a.container"]
    assert silent["Container"] == {"HealthCmd": None, "PublishPort": ["127.0.0.1:9540:9540"]}
