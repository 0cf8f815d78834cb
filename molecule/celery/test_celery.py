"""The celery role: pools of workers and a scheduler that lose nothing.

Limits are scaled down by a second converge (`scaled`); the values of a real site are tested before that.
"""

from __future__ import annotations

import json
import re
import textwrap
import time

import pytest
from scenario import assert_closed_in, eventually, process, unit_property

UNITS = ["aiko-worker@*", "aiko-beat"]
POOLS = ("default", "ai", "priority")
SERVICES = [*(f"aiko-worker@{pool}.service" for pool in POOLS), "aiko-beat.service"]
HEAD = """\
import json, time
from aiko.celery_app import celery
def send(task, *arguments, q="default"):
    return celery.send_task("aiko.tasks.probe." + task, arguments, queue=q)
"""
SCALED = {
    "celery_soft_time_limit": 4,
    "celery_time_limit": 6,
    "celery_max_tasks_per_child": 3,
    "backend_environment_extra": {"CELERY_VISIBILITY_TIMEOUT": 12, "REDBEAT_LOCK_TIMEOUT": 5},
}


@pytest.fixture(scope="session")
def app(host):
    """Run Python inside the application, as an operator can; returns the JSON it prints last."""

    def run(script: str):
        return json.loads(host.check_output("aiko-run python -c %s", HEAD + textwrap.dedent(script)).splitlines()[-1])

    return run


@pytest.fixture(scope="session")
def inspect(host):
    """What a pool says about itself."""

    name = host.check_output("hostname")

    def ask(what: str, pool: str) -> dict:
        # With a destination the answer is there as soon as it comes; without, only when the time is over.
        answer = host.check_output(f"aiko-celery inspect {what} --json --timeout 15 --destination {pool}@{name}")
        return json.loads(answer)[f"{pool}@{name}"]

    return ask


@pytest.fixture(scope="module")
def scaled(converge):
    """The platform with limits of seconds instead of minutes."""
    converge(SCALED).succeeded()


def queue(host, text: str) -> str:
    """A command to the durable Redis, database 4: that of the schedule."""
    return host.check_output(f"aiko-redis queue -n 4 {text}")


def executed(host) -> float:
    """Echo tasks that the default pool has done; -1 while it does not answer."""
    done = host.run("python3 -c \"import urllib.request as u; print(u.urlopen('http://127.0.0.1:9541/metrics').read().decode())\"")
    found = re.search(
        r'^celery_task_total\{queue="default",state="SUCCESS",task="aiko\.tasks\.probe\.echo"\} ([\d.e+]+)', done.stdout, re.M
    )
    return (float(found[1]) if found else 0) if done.rc == 0 else -1


@pytest.mark.ledger("CE1")
@pytest.mark.parametrize("pool", POOLS)
def test_pool_runs_as_asked(inspect, pool):
    """Without the limits one task that hangs takes a process away for ever, and a leak takes the host."""
    stats = inspect("stats", pool)["pool"]
    assert stats["max-concurrency"] == 2
    assert len(stats["processes"]) == 2
    assert stats["max-tasks-per-child"] == 50
    assert stats["timeouts"] == [540, 600]


@pytest.mark.ledger("CE2")
@pytest.mark.parametrize(("pool", "queue"), [("default", "default"), ("ai", "ai_tasks"), ("priority", "priority")])
def test_each_queue_has_its_pool(app, inspect, pool, queue):
    """A queue that nobody reads looks fine until somebody asks where the results are."""
    assert [entry["name"] for entry in inspect("active_queues", pool)] == [queue]
    assert app(f"print(json.dumps(send('echo', 'hello', q='{queue}').get(timeout=20)))") == "hello"


@pytest.mark.any_runtime
@pytest.mark.ledger("CE2")
def test_priority_does_not_wait_for_long_tasks(app):
    """A student who submits an exam must not wait until somebody else's quizzes are generated."""
    waited = app("""
        long = [send('sleep', 3, q='ai_tasks') for _ in range(8)]
        while sum(t.state == 'STARTED' for t in long) < 2: time.sleep(0.05)
        worst = 0
        for _ in range(5):
            begin = time.monotonic(); send('echo', 1, q='priority').get(timeout=20, interval=0.01)
            worst = max(worst, time.monotonic() - begin)
        for t in long: t.revoke()
        print(json.dumps(worst))
    """)
    assert waited < 1


@pytest.mark.ledger("CE4")
def test_operator_sees_what_runs(host, app):
    """At night nobody remembers paths, users and passwords."""
    task = app("print(json.dumps(send('sleep', 8).id))")
    eventually(lambda: task in host.check_output("aiko-celery inspect active"), "the running task is shown")
    assert "max-tasks-per-child" in host.check_output("aiko-celery inspect stats")


@pytest.mark.any_runtime
@pytest.mark.ledger("CE5")
def test_schedule_lies_in_the_durable_redis(host):
    """On a beat's disk the schedule would be lost with the host; in the cache it would be evicted."""
    keys = queue(host, "KEYS 'redbeat:*'").split()
    assert "redbeat::lock" in keys
    assert {"redbeat:cleanup", "redbeat:create-partitions"} <= set(keys)
    entry = json.loads(queue(host, "HGET redbeat:cleanup definition"))
    assert (entry["task"], entry["schedule"]["hour"], entry["schedule"]["minute"]) == ("aiko.tasks.maintenance.cleanup", 2, 0)
    assert host.file("/etc/aiko/backend.env").contains("^TIMEZONE=Etc/UTC$")
    assert not host.run("find /srv/aiko /var/lib/aiko -name 'celerybeat-schedule*'").stdout


@pytest.mark.ledger("CE6")
@pytest.mark.parametrize(("number", "pool", "queue"), [(0, "ai", "ai_tasks"), (1, "default", "default"), (2, "priority", "priority")])
def test_every_pool_serves_its_metrics(host, app, number, pool, queue):
    """Queue by queue: an average over all of them hides the one that stands still."""
    pattern = rf'^celery_task_total\{{queue="{queue}",state="SUCCESS",task="aiko\.tasks\.probe\.echo"\}} ([\d.e+]+)$'

    def count() -> float:
        text = host.check_output(
            f"python3 -c \"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{9540 + number}/metrics').read().decode())\""
        )
        assert "# TYPE celery_task_duration_seconds histogram" in text
        return float((re.search(pattern, text, re.M) or [0, 0])[1])

    before = count()
    app(f"[send('echo', n, q='{queue}') for n in range(5)]\nprint('0')")
    eventually(lambda: count() == before + 5, f"pool {pool} has counted five tasks")


@pytest.mark.ledger("NX1", "CE6")
def test_metrics_are_on_loopback(host):
    """Nobody outside has to know how much there is to do."""
    listening = {line.split()[3] for line in host.check_output("ss -ltnH").splitlines()}
    # What containers of this host need is not for others.
    found = {address for address in listening if ":954" in address and not address.startswith("10.89.61.1:")}
    assert found == {f"127.0.0.1:{9540 + n}" for n in range(3)}


@pytest.mark.ledger("SY4")
@pytest.mark.parametrize("unit", SERVICES)
def test_services_are_confined(host, unit):
    """Workers open the files that strangers upload."""
    assert host.check_output(f"stat --format %U /proc/{process(host, unit)}") == unit.split("@")[0].split(".")[0]
    assert_closed_in(host, unit)
    assert unit_property(host, unit, "MemoryMax") == str(2**30)


@pytest.mark.ledger("SY3")
def test_secrets_are_not_shown(host, secrets):
    """Celery likes to print the URL of its broker."""
    host.check_output("for file in /etc/aiko/credentials/*; do cat $file; echo; done > /run/patterns; chmod 600 /run/patterns")
    assert set(host.check_output("cat /run/patterns").split()) == set(secrets.values())
    for place in (
        "ps -e -ww -o args",
        "cat /proc/[0-9]*/environ 2>/dev/null",
        "systemctl show 'aiko-*'",
        "journalctl --namespace='*' --no-pager --output=json",
    ):
        found = host.run(
            f"({place}) > /run/searched; grep --count --text --fixed-strings --file=/run/patterns /run/searched; rm /run/searched"
        )
        assert found.stdout.strip() == "0", place


@pytest.mark.ledger("CE7")
def test_stop_takes_longer_than_the_longest_task(host):
    """systemd kills what does not stop in time; a task may take ten minutes."""
    for pool in POOLS:
        assert unit_property(host, f"aiko-worker@{pool}", "TimeoutStopUSec") == "11min"
        assert unit_property(host, f"aiko-worker@{pool}", "KillMode") == "mixed"


@pytest.mark.ledger("CE7")
def test_restart_lets_the_running_task_finish(host, app):
    """A deploy in the middle of the day must not throw away what somebody waits for."""
    task = app("""
        t = send('sleep', 5)
        while t.state != 'STARTED': time.sleep(0.05)
        print(json.dumps(t.id))
    """)
    before = process(host, "aiko-worker@default")
    host.check_output("systemctl restart aiko-worker@default")
    assert process(host, "aiko-worker@default") != before
    assert app(f"print(json.dumps(celery.AsyncResult('{task}').state))") == "SUCCESS"


@pytest.mark.any_runtime
@pytest.mark.ledger("CE1")
def test_processes_are_replaced(app, inspect, scaled):
    """Libraries that read PDF files leak; a process that is replaced gives the memory back."""
    before = set(inspect("stats", "default")["pool"]["processes"])
    app("[t.get(timeout=30) for t in [send('echo', n) for n in range(16)]]\nprint('0')")
    eventually(lambda: not before & set(inspect("stats", "default")["pool"]["processes"]), "both processes are new")


@pytest.mark.any_runtime
@pytest.mark.ledger("CE1")
def test_soft_limit_raises(app, scaled):
    """The task gets the chance to clean up and to say that it took too long."""
    state = app("""
        t = send('sleep', 60); t.get(timeout=30, propagate=False)
        print(json.dumps([t.state, type(t.result).__name__]))
    """)
    assert state == ["FAILURE", "SoftTimeLimitExceeded"]


@pytest.mark.any_runtime
@pytest.mark.ledger("CE1")
def test_hard_limit_kills(host, app, scaled):
    """A task that does not hear the soft limit, here because its process is stopped, must not keep its place for ever."""
    task, pid = app("""
        t = send('sleep', 60)
        while t.state != 'STARTED': time.sleep(0.02)
        print(json.dumps([t.id, t.info['pid']]))
    """)
    host.check_output(f"kill -STOP {pid}")
    state = app(f"""
        t = celery.AsyncResult('{task}'); t.get(timeout=40, propagate=False)
        print(json.dumps([t.state, type(t.result).__name__]))
    """)
    assert state == ["FAILURE", "TimeLimitExceeded"]
    eventually(lambda: host.run(f"test -d /proc/{pid}").rc != 0, "the process is gone")
    assert app("print(json.dumps(send('echo', 'next').get(timeout=20)))") == "next"


@pytest.mark.ledger("CE3")
def test_no_task_is_lost(host, app, inspect, scaled):
    """Processes are killed, Redis restarts, hosts go away; three hundred exams handed in are three hundred corrected."""
    app("""
        for n in range(300): send('record', f'scenario-{n}', 0.1, q=('default', 'ai_tasks', 'priority')[n % 3])
        print('0')
    """)
    # The host's own numbers: a pool in a container knows others.
    eventually(lambda: host.run(f"pkill -9 --parent {process(host, 'aiko-worker@ai')}").rc == 0, "the pool's processes are killed")
    host.check_output(f"kill -9 {process(host, 'aiko-worker@default')}")
    host.check_output("systemctl restart redis-server@queue")
    host.check_output(f"kill -9 {process(host, 'aiko-worker@priority')}")
    count = "runuser -u postgres -- psql -XtA -d systeme_intelligent -c \"SELECT count(*) FROM probe_effects WHERE key LIKE 'scenario-%'\""
    eventually(lambda: host.check_output(count) == "300", "all tasks have had their effect", 90, every=0.5)
    assert "cmdstat_blmove" in host.check_output("aiko-redis queue INFO commandstats"), "the pools take tasks in kombu's way"
    for pool in POOLS:
        eventually(lambda pool=pool: host.service(f"aiko-worker@{pool}").is_running, f"pool {pool} runs again")


@pytest.mark.any_runtime
@pytest.mark.ledger("CE5")
def test_two_beats_have_one_effect_and_hand_over(host, app, scaled):
    """Two hosts may both schedule, so that one may die; but nobody wants two mails."""
    app("""
        from celery.schedules import schedule
        from redbeat import RedBeatSchedulerEntry
        RedBeatSchedulerEntry('scenario', 'aiko.tasks.probe.echo', schedule(run_every=1), args=['beat'], app=celery).save()
        print('0')
    """)

    eventually(lambda: executed(host) >= 0, "the pool serves its metrics")
    host.check_output("systemd-run --quiet --unit=second-beat aiko-run celery --app=aiko.celery_app:celery beat --pidfile=")
    try:
        eventually(
            lambda: "lock" in host.check_output("journalctl --no-pager --unit='run-*' --boot").lower(), "the second one waits for the lock"
        )
        begin, first = time.monotonic(), executed(host)
        eventually(lambda: executed(host) >= first + 8, "eight runs", 40)
        assert time.monotonic() - begin > 6, "twice as often as asked: both beats fire"
        host.check_output(f"kill -9 {process(host, 'aiko-beat')}; systemctl stop aiko-beat")
        left = executed(host)
        eventually(lambda: executed(host) > left + 2, "the second one takes over within the lock's life", 25)
    finally:
        host.run("systemctl stop second-beat; systemctl stop 'run-*.service'")
        queue(host, "DEL redbeat:scenario")
        queue(host, "ZREM redbeat::schedule redbeat:scenario")
        host.check_output("systemctl start aiko-beat")


@pytest.mark.ledger("OP6")
def test_host_without_a_role_in_it_runs_nothing(host, converge):
    """Moving the workers to another host is moving one line; the old ones must not go on taking tasks."""
    converge({**SCALED, "celery_worker": False, "celery_beat": False}).succeeded()
    for unit in SERVICES:
        assert not host.service(unit).is_running, unit
        assert host.run(f"systemctl is-enabled {unit}").stdout.strip() in ("disabled", "not-found", ""), unit
    assert converge({**SCALED, "celery_worker": False, "celery_beat": False}).succeeded().changed == 0


@pytest.mark.any_runtime
def test_pools_are_refused_when_they_make_no_sense(converge):
    """A pool without queues runs, reads nothing, and says nothing."""
    converge({"celery_pools": {"default": {"queues": [], "concurrency": 2}}}).refused("celery_pools", "default")
