"""What Redis knows of the background: queues, and the signs of life that workers and beat leave there.

Workers write theirs next to the queues, and beat next to its schedule, so a sign is as fresh as the connection that the
process needs for its work.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from typing import Any

import redis
from kombu.transport.redis import Channel

from aiko.celery_app import celery
from aiko.stores import client

log = logging.getLogger(__name__)
WORKERS, BEAT = "aiko:workers", "aiko:beat"
# A worker gives a sign every so many seconds, counts as dead after some missed ones, and is forgotten after a day.
EVERY, DEAD_AFTER, FORGET_AFTER = 5.0, 30.0, 86_400.0
# Short: somebody waits for a page, or a worker's loop for its turn.
SECONDS = 1.0


@dataclass(frozen=True)
class Worker:
    """A worker by its Celery name, the seconds since its last sign of life, and the tasks it was running then."""

    name: str
    age: float
    active: int

    @property
    def alive(self) -> bool:
        """Say whether the last sign is recent."""
        return self.age < DEAD_AFTER


@dataclass(frozen=True)
class Queues:
    """Tasks that wait, by queue, and tasks that were handed out and not acknowledged yet."""

    waiting: dict[str, int]
    unacked: int


@dataclass(frozen=True)
class Beat:
    """When beat last sent a task (Unix time), and by how many seconds the next entry of its schedule is overdue."""

    sent: float | None
    lag: float | None


def _broker() -> redis.Redis:
    return client("CELERY_BROKER_URL", SECONDS)


def _schedule() -> redis.Redis:
    return client("REDBEAT_REDIS_URL", SECONDS)


def worker_lives(name: str, active: int) -> float:
    """Leave a worker's sign of life and return its time. Raises RedisError."""
    now = time.time()
    _broker().hset(WORKERS, name, json.dumps({"time": now, "active": active}))
    return now


def worker_left(name: str) -> None:
    """Forget a worker that takes no more tasks. Raises RedisError."""
    _broker().hdel(WORKERS, name)


def workers() -> list[Worker]:
    """Return the workers by name, and forget those without a sign for a day. Raises RedisError."""
    now, found = time.time(), []
    for name, raw in sorted(_broker().hgetall(WORKERS).items()):
        sign = json.loads(raw)
        if now - sign["time"] > FORGET_AFTER:
            worker_left(name)
        else:
            # Clocks of two hosts differ a little.
            found.append(Worker(name, max(0.0, now - sign["time"]), sign["active"]))
    return found


def queues() -> Queues:
    """Return what every declared queue holds. Raises RedisError."""
    names = [queue.name for queue in celery.conf.task_queues]
    with _broker().pipeline(transaction=False) as ask:
        for name in names:
            # Celery keeps the messages of one queue in a list for each priority; the first has the plain name.
            for step in Channel.priority_steps:
                ask.llen(f"{name}{Channel.sep}{step}" if step else name)
        ask.hlen(Channel.unacked_key)
        *lengths, unacked = ask.execute()
    steps = len(Channel.priority_steps)
    return Queues({name: sum(lengths[n * steps : (n + 1) * steps]) for n, name in enumerate(names)}, unacked)


def beat_sent(**_: Any) -> None:
    """Note that beat sent a task just now; a receiver of Celery's signal, so it raises nothing."""
    try:
        _schedule().set(BEAT, time.time())
    except redis.RedisError as error:
        log.warning("what beat sent could not be noted: %s", type(error).__name__)


def beat() -> Beat:
    """Return when beat last sent something, and how late it is. Raises RedisError."""
    with _schedule().pipeline(transaction=False) as ask:
        ask.get(BEAT)
        # RedBeat keeps the entries by the time they are due.
        ask.zrange(f"{celery.conf.redbeat_key_prefix}:schedule", 0, 0, withscores=True)
        sent, due = ask.execute()
    return Beat(float(sent) if sent else None, max(0.0, time.time() - due[0][1]) if due else None)
