"""Metrics of what goes on behind the requests: queues, workers, beat. A private Redis, because the tests stop it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis

from tests.support import processes, servers
from tests.test_web_metrics import value
from tests.test_worker import metrics

QUEUES = ("default", "ai_tasks", "priority")
CELERY = ["celery", "-A", "aiko.celery_app:celery"]


@pytest.fixture(scope="module")
def stage(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A broker of its own, and a gunicorn of two workers that share their metrics."""
    place = tmp_path_factory.mktemp("background")
    with servers.folder() as folder:
        broker = servers.Redis(folder / "b")
        own = settings | {
            "CELERY_BROKER_URL": broker.url(0),
            "CELERY_RESULT_BACKEND": broker.url(0),
            "REDBEAT_REDIS_URL": broker.url(1),
            "PROMETHEUS_MULTIPROC_DIR": str(place / "shared"),
            "AIKO_RELEASE": "r7",
        }
        try:
            with processes.web(own, place / "log", workers=2) as web:
                yield SimpleNamespace(broker=broker, web=web, settings=own)
        finally:
            broker.stop()


def page(stage: SimpleNamespace) -> str:
    """Return the backend's metrics; a scrape is never late."""
    started = time.monotonic()
    status, body = stage.web.get("/metrics")
    assert status == 200 and time.monotonic() - started < 2
    return body


def seen(stage: SimpleNamespace, what: str, seconds: float, **wanted: Callable[[float], bool]) -> str:
    """Return the first page on which all these metrics are there and as wanted, named NAME or NAME__QUEUE.

    One page: the two processes that answer in turn each keep what they know for some seconds.
    """

    def fits(found: str) -> bool:
        for name, condition in wanted.items():
            metric, _, queue = name.partition("__")
            if f"\n{metric}" not in found or not condition(value(found, metric, **({"queue": queue} if queue else {}))):
                return False
        return True

    return servers.wait_for(lambda: (found := page(stage)) and fits(found) and found, seconds, what)


def send(stage: SimpleNamespace, task: str, queue: str, *more: str) -> None:
    """Send a task as an operator would."""
    done = processes.run([*CELERY, "call", f"aiko.tasks.probe.{task}", f"--queue={queue}", *more], stage.settings)
    assert done.returncode == 0, done.stderr


@pytest.mark.ledger("CE6")
def test_queues(stage: SimpleNamespace, tmp_path: Path) -> None:
    """Every declared queue has a length from the start, priorities are added up, and tasks in hand are told apart."""
    found = page(stage)
    for queue in QUEUES:
        assert f'celery_queue_length{{queue="{queue}"}} 0.0' in found
    assert "celery_queue_unacked 0.0" in found
    program = (
        "from aiko.tasks.probe import sleep\n"
        "for priority in (0, 3, 9): sleep.apply_async(args=(5,), queue='default', priority=priority)"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=processes.BACKEND,
        env=processes.environment(stage.settings),
        check=True,
    )
    send(stage, "sleep", "ai_tasks", "--args=[5]")
    length, unacked = "celery_queue_length", "celery_queue_unacked"
    three, one, two, none = (3.0).__eq__, (1.0).__eq__, (2.0).__eq__, (0.0).__eq__
    seen(stage, "waiting tasks", 8, **{f"{length}__default": three, f"{length}__ai_tasks": one, unacked: none})
    with processes.worker(stage.settings, tmp_path / "worker", "-Q", "default,priority") as worker:
        # Two run and, acknowledged late and fetched one by one, no more than that are in hand.
        seen(stage, "tasks in hand", 12, **{f"{length}__default": one, f"{length}__ai_tasks": one, unacked: two})
        seen(stage, "the end", 20, **{f"{length}__default": none, f"{length}__ai_tasks": one, unacked: none})
        worker.stop(seconds=20)


@pytest.mark.ledger("CE6")
def test_beat(stage: SimpleNamespace, tmp_path: Path) -> None:
    """A silent beat is told from an idle one: the last thing it sent ages, and its schedule is overdue."""
    store = redis.Redis(port=stage.broker.port, db=1)
    store.flushdb()
    assert "celery_beat_" not in page(stage), "nothing is known yet, and nothing is made up"
    with processes.running([*CELERY, "beat", "--max-interval", "1"], stage.settings, tmp_path / "beat") as beat:
        servers.wait_for(lambda: store.zscore("redbeat::schedule", "redbeat:heartbeat"), 15, "the schedule")
        # Its first minute passes at once.
        entry = store.hget("redbeat:heartbeat", "meta").decode()
        past = re.sub(r'"minute": \d+', '"minute": 0', re.sub(r'"year": \d+', '"year": 2020', entry))
        assert past != entry
        store.hset("redbeat:heartbeat", "meta", past)
        store.zadd("redbeat::schedule", {"redbeat:heartbeat": 0})
        seen(
            stage,
            "beat being at work and in time",
            25,
            celery_beat_last_run_timestamp_seconds=lambda sent: abs(sent - time.time()) < 30,
            celery_beat_schedule_lag_seconds=lambda lag: lag < 2,
        )
        sent = redis.Redis(port=stage.broker.port).lrange("default", 0, -1)
        assert any(b"aiko.tasks.maintenance.heartbeat" in message for message in sent)
        beat.stop()
    store.zadd("redbeat::schedule", {"redbeat:heartbeat": time.time() - 90})
    seen(stage, "the lag of a dead beat", 8, celery_beat_schedule_lag_seconds=lambda lag: lag > 89)


@pytest.mark.ledger("BE3", "CE6")
@pytest.mark.parametrize("how", ["stopped", "hanging"])
def test_redis_away(stage: SimpleNamespace, how: str) -> None:
    """Without Redis the scrape is as quick as ever; its samples are missing, never wrong, and that is counted."""
    servers.wait_for(lambda: "celery_queue_length" in page(stage), 8, "all being well")
    errors = value(page(stage), "aiko_metrics_errors_total", source="queues")
    pid = stage.broker.process.pid
    os.kill(pid, signal.SIGSTOP) if how == "hanging" else stage.broker.stop()
    try:
        # Each of the two processes that answer keeps what it knows for some seconds, and one of them may answer many
        # times in a row: what is looked at below is one of the pages that were waited for, not a later one.
        found = servers.wait_for(
            lambda: (
                (pages := [page(stage) for _ in range(8)])
                and not any(gone in text for text in pages for gone in ("celery_queue_", "celery_beat_"))
                and pages[-1]
            ),
            15,
            "the samples being gone",
        )
        assert "http_request_total{" in found
        assert value(found, "aiko_metrics_errors_total", source="queues") > errors
        started = time.monotonic()
        for _ in range(10):
            page(stage)
        assert time.monotonic() - started < 4, "a Redis that is away costs each scrape its wait"
    finally:
        os.kill(pid, signal.SIGCONT) if how == "hanging" else stage.broker.start()
    servers.wait_for(lambda: all("celery_queue_length" in page(stage) for _ in range(8)), 15, "the samples being back")


@pytest.mark.ledger("BE3")
def test_release_and_python(stage: SimpleNamespace) -> None:
    """After a deploy one query shows which hosts run what."""
    from aiko import __version__

    found = page(stage)
    assert f'aiko_release_info{{part="backend",release="r7",version="{__version__}"}} 1.0' in found
    assert re.search(r'^python_info\{.*version="3\.', found, re.M)


@pytest.mark.ledger("BE3")
def test_unknown_paths_add_no_series(stage: SimpleNamespace) -> None:
    """Whoever probes for paths, methods or hosts must not fill Prometheus' memory."""

    def series() -> set[str]:
        # Those of Redis come and go with its answers, and know nothing of requests.
        own = ("#", "celery_", "aiko_metrics_errors")
        return {line.rsplit(" ", 1)[0] for line in page(stage).splitlines() if not line.startswith(own)}

    def call(path: str, method: str, **headers: str) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{stage.web.port}{path}", method=method, headers=headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=5)
        assert refused.value.code in (404, 405, 401)
        refused.value.close()

    def probe(n: int) -> None:
        call(f"/{n}/admin.php?x={n}", "GET", **{"X-Request-ID": f"probe-{n:08}", "User-Agent": f"p/{n}"})
        call(f"/api/documents/{n}/{n}", f"METHOD{n}" if n % 2 else "BREW")
        call(f"/api/quizzes/{n:032x}", "GET", Host=f"{n}.example.test")

    probe(0)
    probe(1)
    before = series()
    for n in range(2, 502):
        probe(n)
    assert series() == before
    assert value(page(stage), "http_request_total", route="(unknown)", method="GET", status="404") >= 500


@pytest.mark.ledger("CE6")
def test_worker_heartbeat(stage: SimpleNamespace, tmp_path: Path) -> None:
    """A worker whose loop hangs goes stale, although its process lives and its /metrics answers."""
    port = servers.free_port()
    own = stage.settings | {"WORKER_METRICS_LISTEN": f"127.0.0.1:{port}"}
    name = "celery_worker_heartbeat_timestamp_seconds"
    options = ("-n", "w@host", "-Q", "default,priority", "--max-tasks-per-child", "2")
    with processes.worker(own, tmp_path / "log", *options) as worker:

        def beaten(queue: str = "default") -> float:
            return value(metrics(port), name, worker="w@host", queue=queue)

        servers.wait_for(beaten, 10, "the first sign of life")
        assert beaten("default") == beaten("priority") and abs(beaten() - time.time()) < 10
        assert 'queue="ai_tasks"' not in metrics(port)
        assert 'part="worker",release="r7"' in metrics(port)
        children = set(worker.children())
        for _ in range(6):
            send(stage, "echo", "default")
        send(stage, "sleep", "default", "--args=[3]")
        servers.wait_for(lambda: value(metrics(port), "celery_worker_tasks_active") == 1, 20, "an active task")
        servers.wait_for(lambda: value(metrics(port), "celery_worker_tasks_active") == 0, 20, "its end")
        servers.wait_for(lambda: not children & set(worker.children()), 20, "new children")
        before = beaten()
        servers.wait_for(lambda: beaten() > before, 10, "signs going on after the children were replaced")

        pid = stage.broker.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            servers.wait_for(lambda: time.time() - beaten() > 9, 15, "the loop that waits for Redis going stale")
        finally:
            os.kill(pid, signal.SIGCONT)
        servers.wait_for(lambda: time.time() - beaten() < 5, 60, "signs again")
        processes.run([*CELERY, "control", "cancel_consumer", "priority"], own)
        servers.wait_for(lambda: 'queue="priority"}' not in heartbeats(port), 20, "the queue that was taken from it")
        assert time.time() - beaten() < 15


@pytest.mark.ledger("CE6")
def test_a_worker_that_drains_is_not_stale(stage: SimpleNamespace, tmp_path: Path) -> None:
    """Every release lets workers finish what they have, which may take minutes: that is no alert."""
    port = servers.free_port()
    own = stage.settings | {"WORKER_METRICS_LISTEN": f"127.0.0.1:{port}"}
    with processes.worker(own, tmp_path / "log", "-n", "leaving@host", "-Q", "default") as worker:
        servers.wait_for(lambda: 'queue="default"' in heartbeats(port), 10, "the first sign of life")
        send(stage, "sleep", "default", "--args=[15]")
        servers.wait_for(lambda: value(metrics(port), "celery_worker_tasks_active") == 1, 20, "an active task")
        worker.popen.send_signal(signal.SIGTERM)
        servers.wait_for(lambda: 'queue="default"' not in heartbeats(port), 10, "its series going")
        assert value(metrics(port), "celery_worker_tasks_active") == 1, "the task ended before that"
        worker.stop(seconds=30)


def heartbeats(port: int) -> str:
    """Return a worker's heartbeat lines."""
    return "\n".join(line for line in metrics(port).splitlines() if line.startswith("celery_worker_heartbeat"))


@pytest.mark.ledger("BE3", "BE6")
def test_switched_off(settings: dict[str, str], tmp_path: Path) -> None:
    """To measure what counting costs, it must really be off: no page, no files, no port."""
    shared, port = tmp_path / "shared", servers.free_port()
    own = settings | {
        "METRICS_ENABLED": "false",
        "PROMETHEUS_MULTIPROC_DIR": str(shared),
        "WORKER_METRICS_LISTEN": f"127.0.0.1:{port}",
    }
    with processes.web(own, tmp_path / "web", workers=2) as web:
        status, body = web.get("/metrics")
        assert status == 404 and "METRICS_ENABLED" in body
        assert web.get("/api/nothing")[0] == 404 and not shared.exists()
    with processes.worker(own, tmp_path / "worker"), pytest.raises(OSError, match="refused"):
        metrics(port)
