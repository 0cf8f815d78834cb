"""Workers: nothing lost, nothing done twice, limits, queues, metrics."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import text

from tests.samples import ENGLISH
from tests.support import processes, servers
from tests.test_web_metrics import value


def names() -> list[str]:
    """Return keys nobody used before."""
    run = uuid.uuid4().hex[:8]
    return [f"{run}-{n}" for n in range(40)]


def effects(keys: list[str]) -> int:
    """Return how many rows the keys left."""
    from aiko import db

    with db.session() as session:
        return session.scalar(text("SELECT count(*) FROM probe_effects WHERE key = ANY(:k)"), {"k": keys})


def metrics(port: int) -> str:
    """Return a worker's metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return answer.read().decode()


@pytest.fixture
def quick(app: Any, settings: dict[str, str]) -> Iterator[dict[str, str]]:
    """Settings with limits scaled down to seconds; no task of one test comes back in another."""
    from aiko.celery_app import celery

    celery.control.purge()
    yield settings | {
        "CELERY_TASK_TIME_LIMIT": "4",
        "CELERY_TASK_SOFT_TIME_LIMIT": "2",
        "CELERY_VISIBILITY_TIMEOUT": "5",
    }
    celery.control.purge()
    redis.Redis.from_url(settings["CELERY_BROKER_URL"]).delete("unacked", "unacked_index")


@pytest.mark.ledger("CE3")
def test_killed_children_lose_nothing(quick: dict[str, str], tmp_path: Path) -> None:
    """Forty tasks while their processes are killed again and again: forty effects."""
    from aiko.tasks.probe import record

    keys = names()
    with processes.worker(quick, tmp_path / "log") as worker:
        for key in keys:
            record.apply_async(args=(key, 0.1))
        killed = 0
        while effects(keys) < len(keys) * 0.7:
            for child in worker.children()[:1]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                    killed += 1
            time.sleep(0.4)
        servers.wait_for(lambda: effects(keys) == len(keys), 30, "all effects")
        assert killed >= 3, "the test killed nobody"


@pytest.mark.ledger("CE3")
def test_killed_worker_hands_its_tasks_back(quick: dict[str, str], tmp_path: Path) -> None:
    """The whole worker dies with tasks in hand; after the visibility timeout the next one does them."""
    from aiko.tasks.probe import record

    keys = names()[:6]
    with processes.worker(quick, tmp_path / "first") as first:
        for key in keys:
            record.apply_async(args=(key, 1.5))
        servers.wait_for(lambda: "received" in first.output(), 10, "tasks in hand")
        time.sleep(0.5)
        os.killpg(first.pid, signal.SIGKILL)
    assert effects(keys) < len(keys)
    with processes.worker(quick, tmp_path / "second"):
        servers.wait_for(lambda: effects(keys) == len(keys), 45, "all effects")


def result_pipes(parent: int, child: int) -> list[str]:
    """Return the pipes a process of the pool writes to and its parent reads from, as paths that can be written to."""

    def ends(pid: int, how: int) -> dict[str, str]:
        found = {}
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                flags = int(re.search(r"flags:\s+(\d+)", Path(f"/proc/{pid}/fdinfo/{path.name}").read_text())[1], 8)
                if os.readlink(path).startswith("pipe:") and flags & os.O_ACCMODE == how:
                    found[os.readlink(path)] = str(path)
        return found

    read = ends(parent, os.O_RDONLY)
    return [path for pipe, path in ends(child, os.O_WRONLY).items() if pipe in read]


@pytest.mark.ledger("CE3")
def test_a_broken_worker_ends(quick: dict[str, str], tmp_path: Path) -> None:
    """Half a result in a pipe: Celery gives up, waits for the other half, and nothing would ever start a new worker."""
    from aiko.tasks.probe import sleep

    with processes.worker(quick, tmp_path / "log") as worker:
        sleep.apply_async(args=(60,), soft_time_limit=60, time_limit=60)
        servers.wait_for(lambda: "received" in worker.output(), 10, "a task in hand")
        begun = time.monotonic()
        for child in worker.children():
            for pipe in result_pipes(worker.pid, child):
                # A length, as many bytes that are no result, and the length of one that never comes.
                Path(pipe).write_bytes(b"\0\0\0\4\0\0\0\0\0\1\0\0")
        servers.wait_for(lambda: "Unrecoverable error" in worker.output(), 10, "the worker giving up")
        assert worker.popen.wait(20) == 1
        assert time.monotonic() - begun > 9, "tasks had no time to end"


@pytest.mark.ledger("CE3")
def test_redis_restart(tmp_path: Path, settings: dict[str, str], app: Any) -> None:
    """The broker goes and comes back with its data; the worker reconnects by itself and finishes."""
    from aiko.celery_app import celery
    from aiko.tasks.probe import record

    keys = names()[:20]
    with servers.folder() as folder:
        broker = servers.Redis(folder / "r")
        try:
            own = settings | {
                "CELERY_BROKER_URL": broker.url(0),
                "CELERY_RESULT_BACKEND": broker.url(0),
                "CELERY_TASK_TIME_LIMIT": "4",
                "CELERY_TASK_SOFT_TIME_LIMIT": "2",
                "CELERY_VISIBILITY_TIMEOUT": "5",
            }
            sender = celery.connection_for_write(url=broker.url(0))
            with processes.worker(own, tmp_path / "log") as worker:
                for key in keys:
                    record.apply_async(args=(key, 0.2), connection=sender)
                servers.wait_for(lambda: effects(keys) >= 2, 10, "first effects")
                broker.stop()
                time.sleep(1)
                broker.start()
                servers.wait_for(lambda: effects(keys) == len(keys), 60, "all effects")
                assert worker.popen.poll() is None
                sender.release()
        finally:
            broker.stop()


@pytest.mark.ledger("CE3")
def test_redelivered_tasks_have_one_effect(app: Any, person: Any) -> None:
    """Each task twice, also at the same time: one set of questions, one correction, one score."""
    from concurrent.futures import ThreadPoolExecutor

    from aiko import db
    from aiko.tasks.attempts import correct
    from aiko.tasks.quiz import generate

    teacher = person()
    document = teacher.upload(ENGLISH.encode()).json["id"]
    quiz = teacher.post("/api/quizzes", json={"document_id": document, "questions": 4}).json["id"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: generate.apply(args=(quiz,), task_id=f"t{n}", throw=True), range(4)))
    first = teacher.get(f"/api/quizzes/{quiz}").json["questions"]
    assert len(first) == 4
    answers = {q["id"]: q["options"][0] for q in first}
    attempt = teacher.post(f"/api/quizzes/{quiz}/attempts", json={"answers": answers}).json["id"]
    with ThreadPoolExecutor(4) as pool:
        scores = {r.get()["score"] for r in pool.map(lambda _: correct.apply(args=(attempt,), throw=True), range(4))}
    assert len(scores) == 1
    with db.session() as session:
        assert session.scalar(text("SELECT count(*) FROM attempt_results WHERE attempt_id = :a"), {"a": attempt}) == 4
    assert teacher.get(f"/api/quizzes/{quiz}").json["questions"] == first


@pytest.mark.ledger("CE1", "CE6")
def test_limits_recycling_and_metrics(quick: dict[str, str], tmp_path: Path) -> None:
    """A soft limit raises, a hard one kills; children change; each run is counted once, under how it ended."""
    from aiko.celery_app import celery
    from aiko.tasks.probe import echo, sleep

    port = servers.free_port()
    celery.control.purge()
    own = quick | {"WORKER_METRICS_LISTEN": f"127.0.0.1:{port}", "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "shared")}
    with processes.worker(own, tmp_path / "log", "--max-tasks-per-child", "5") as worker:
        with pytest.raises(Exception, match="SoftTimeLimitExceeded"):
            # From a process with the worker's settings: the sender's limits are in the message, and they win.
            call = ["celery", "-A", "aiko.celery_app:celery", "call", sleep.name, "--args=[30]", "--queue=default"]
            celery.AsyncResult(processes.run(call, own).stdout.strip()).get(timeout=15)
        with pytest.raises(Exception, match="TimeLimitExceeded"):
            sleep.apply_async(args=(30,), soft_time_limit=3, time_limit=1).get(timeout=15)
        # The limits first: right after a child was replaced, a task may have to wait some seconds for its start.
        before = set(worker.children())
        results = [echo.apply_async(args=(n,), queue="priority") for n in range(25)]
        assert [r.get(timeout=30) for r in results] == list(range(25))
        servers.wait_for(lambda: not before & set(worker.children()), 10, "new children after five tasks each")
        page = servers.wait_for(
            lambda: (p := metrics(port)) and value(p, "celery_task_total", state="TIMEOUT") == 1 and p, 5, "metrics"
        )
        count = lambda **labels: value(page, "celery_task_total", **labels)  # noqa: E731
        assert count(task="aiko.tasks.probe.echo", state="SUCCESS", queue="priority") == 25
        assert value(page, "celery_task_duration_seconds_count", task="aiko.tasks.probe.echo", queue="priority") == 25
        assert count(task="aiko.tasks.probe.sleep", state="FAILURE", queue="default") == 1
        assert count() == 27 and not (tmp_path / "shared").exists()
        assert 1.9 < value(page, "celery_task_duration_seconds_sum", state="FAILURE") < 3


@pytest.mark.ledger("CE2")
def test_queues(quick: dict[str, str], app: Any, tmp_path: Path, person: Any) -> None:
    """Routes lead into the right queues, and a worker of another queue leaves them alone."""
    from aiko.celery_app import celery

    broker = redis.Redis.from_url(quick["CELERY_BROKER_URL"])
    celery.control.purge()
    for name in ("aiko.tasks.quiz.generate", "aiko.tasks.attempts.correct", "aiko.tasks.maintenance.cleanup"):
        celery.send_task(name)
    assert [broker.llen(queue) for queue in ("ai_tasks", "priority", "default")] == [1, 1, 1]
    celery.control.purge()


def test_broker_away(app: Any, person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for a quiz without a queue is refused, and leaves no quiz that would wait for ever."""
    from aiko.celery_app import celery

    teacher = person()
    document = teacher.upload(ENGLISH.encode()).json["id"]
    before = celery.conf.broker_url
    celery.conf.broker_url = celery.conf.broker_write_url = f"redis://127.0.0.1:{servers.free_port()}/0"
    celery.__dict__.pop("amqp", None)
    celery._pool = None
    try:
        started = time.monotonic()
        answer = teacher.post("/api/quizzes", json={"document_id": document})
        assert answer.status_code == 503 and time.monotonic() - started < 10, answer.text
    finally:
        celery.conf.broker_url = celery.conf.broker_write_url = before
        celery.__dict__.pop("amqp", None)
        celery._pool = None
    assert teacher.get("/api/quizzes").json["total"] == 0


def test_request_id_reaches_the_task(app: Any, person: Any, settings: dict[str, str], tmp_path: Path) -> None:
    """One id leads from the request to the worker's log lines."""
    teacher = person()
    teacher.headers["X-Request-ID"] = f"trace-{uuid.uuid4().hex}"
    document = teacher.upload(ENGLISH.encode()).json["id"]
    with processes.worker(settings, tmp_path / "log") as worker:
        made = teacher.post("/api/quizzes", json={"document_id": document, "questions": 2}).json
        servers.wait_for(
            lambda: teacher.get(f"/api/tasks/{made['task_id']}").json["state"] == "SUCCESS", 15, "the quiz"
        )
        lines = [line for line in worker.output().splitlines() if teacher.headers["X-Request-ID"] in line]
        assert [line for line in lines if made["task_id"] in line], worker.output()
