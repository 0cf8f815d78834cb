"""The schedule: kept in Redis, run by one beat of several, taken over when it dies."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support import processes, servers

pytestmark = pytest.mark.ledger("CE5")
BEAT = ["celery", "-A", "aiko.celery_app:celery", "beat", "--max-interval", "1"]


def test_two_beats_fire_once_and_hand_over(app: Any, settings: dict[str, str], tmp_path: Path) -> None:
    """Two beats are running, and each tick comes once; when the leader is killed, the other takes over."""
    from celery.schedules import schedule
    from redbeat import RedBeatSchedulerEntry

    from aiko.celery_app import celery

    own = settings | {"REDBEAT_LOCK_TIMEOUT": "5"}
    store = redis.Redis.from_url(settings["REDBEAT_REDIS_URL"])
    broker = redis.Redis.from_url(settings["CELERY_BROKER_URL"])

    def ticked() -> int:
        return sum(b"aiko.tasks.probe.echo" in message for message in broker.lrange("default", 0, -1))

    store.flushdb()
    celery.control.purge()
    celery.__dict__.pop("redbeat_conf", None)
    entry = RedBeatSchedulerEntry(
        "tick",
        "aiko.tasks.probe.echo",
        schedule(timedelta(seconds=1)),
        args=["tick"],
        options={"queue": "default"},
        app=celery,
    )
    with processes.running(BEAT, own, tmp_path / "a") as first, processes.running(BEAT, own, tmp_path / "b") as second:
        both = (first, second)
        leader = servers.wait_for(
            lambda: next((b for b in both if "Acquired lock" in b.output()), None), 15, "a leader"
        )
        other = second if leader is first else first
        entry.save()
        servers.wait_for(lambda: ticked() >= 1, 10, "the first tick")
        start, counted = time.monotonic(), ticked()
        time.sleep(6)
        ticks, passed = ticked() - counted, time.monotonic() - start
        assert passed * 0.6 <= ticks <= passed + 1.5, f"{ticks} ticks in {passed:.1f} s"
        assert "Acquired lock" not in other.output()
        os.kill(leader.pid, signal.SIGKILL)
        counted, start = ticked(), time.monotonic()
        servers.wait_for(lambda: "Acquired lock" in other.output(), 12, "the other beat taking over")
        assert time.monotonic() - start < 10
        servers.wait_for(lambda: ticked() > counted, 8, "a tick after the takeover")
        static = {key.decode().removeprefix("redbeat:") for key in store.keys("redbeat:*")}
        assert {"cleanup", "create-partitions", "heartbeat"} <= static
    celery.control.purge()
    store.flushdb()


def test_the_daily_entries_are_at_their_local_time(app: Any) -> None:
    """`02:00` means that hour of the stated time zone, summer and winter."""
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from celery import Celery

    from aiko import config
    from aiko.celery_app import settings

    found = Celery("other")
    found.conf.update(settings(config.Config(config.current() | {"TIMEZONE": "Europe/Paris"})))
    for day, utc_hour in (((2030, 1, 15), 1), ((2030, 7, 15), 0)):
        entry = found.conf.beat_schedule["cleanup"]["schedule"]
        entry.app = found
        before = datetime(*day, tzinfo=UTC) - timedelta(hours=3)
        entry.nowfun = lambda before=before: before
        due = before + entry.remaining_estimate(before)
        assert due.astimezone(UTC).hour == utc_hour and due.astimezone(ZoneInfo("Europe/Paris")).hour == 2
