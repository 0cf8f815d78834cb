"""Celery entry point: `celery -A aiko.celery_app:celery worker|beat|inspect`."""

from __future__ import annotations

import logging.config
import os
import socket
from typing import Any

from celery import Celery, signals
from celery.schedules import crontab
from kombu import Queue

from aiko.config import Config, current
from aiko.logs import dict_config
from aiko.requestid import current_id

TASK_MODULES = ("aiko.tasks.quiz", "aiko.tasks.attempts", "aiko.tasks.maintenance", "aiko.tasks.probe")


# A host that loses its power says no goodbye: whoever waits for its answer asks after ten seconds whether it is still
# there. By itself the kernel asks after two hours (tcp(7)).
KEEPALIVE = {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}


def settings(config: Config) -> dict[str, Any]:
    """Return Celery's settings for the application's configuration."""
    transport = {
        "visibility_timeout": config.CELERY_VISIBILITY_TIMEOUT,
        "socket_keepalive": True,
        "socket_keepalive_options": KEEPALIVE,
        "socket_connect_timeout": 5,
        "health_check_interval": 25,
        # Look for tasks of dead workers every 10 seconds; by default it would be every 100.
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        # Who does so holds a lock for a moment; one that dies meanwhile would keep the others from it for five minutes.
        "unacked_mutex_expire": 10,
    }
    return {
        "broker_url": config.CELERY_BROKER_URL,
        "broker_transport": "aiko.transport:Transport",
        "result_backend": config.CELERY_RESULT_BACKEND,
        "broker_transport_options": transport,
        "result_backend_transport_options": {"visibility_timeout": config.CELERY_VISIBILITY_TIMEOUT},
        "redis_socket_connect_timeout": 5,
        "redis_socket_timeout": 10,
        "redis_socket_keepalive": True,
        "redis_retry_on_timeout": True,
        "redis_backend_health_check_interval": 25,
        "broker_connection_retry_on_startup": True,
        # For ever: a worker that gave up while Redis was away would have to be started by hand.
        "broker_connection_max_retries": None,
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "event_serializer": "json",
        "enable_utc": True,
        "timezone": config.TIMEZONE,
        "task_default_queue": "default",
        "task_queues": [Queue(name, routing_key=name) for name in ("default", "ai_tasks", "priority")],
        "task_routes": {"aiko.tasks.quiz.*": {"queue": "ai_tasks"}, "aiko.tasks.attempts.*": {"queue": "priority"}},
        "task_create_missing_queues": False,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "task_track_started": True,
        "task_time_limit": config.CELERY_TASK_TIME_LIMIT,
        "task_soft_time_limit": config.CELERY_TASK_SOFT_TIME_LIMIT,
        "result_expires": 86_400,
        "worker_hijack_root_logger": False,
        "beat_scheduler": "redbeat.RedBeatScheduler",
        "redbeat_redis_url": config.REDBEAT_REDIS_URL,
        "redbeat_key_prefix": "redbeat:",
        "redbeat_lock_timeout": config.REDBEAT_LOCK_TIMEOUT,
        # The leader renews its lock once a loop, so several loops must fit into the lock's life.
        "beat_max_loop_interval": max(1, config.REDBEAT_LOCK_TIMEOUT // 5),
        "beat_schedule": {
            "cleanup": {"task": "aiko.tasks.maintenance.cleanup", "schedule": crontab(hour=2, minute=0)},
            "create-partitions": {
                "task": "aiko.tasks.maintenance.create_partitions",
                "schedule": crontab(hour=1, minute=30),
            },
            # The others are so rare that a beat which died would look like one that has nothing to do. Nobody needs
            # an old one, so those that waited for longer than until the next are dropped by the workers.
            "heartbeat": {"task": "aiko.tasks.maintenance.heartbeat", "schedule": 60.0, "options": {"expires": 60}},
        },
    }


# Celery lets these variables win over its settings; without this they would win without the password,
# which the configuration has read from somewhere else.
for _name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
    if _name in os.environ:
        os.environ[_name] = getattr(current(), _name)

celery = Celery("aiko", task_cls="aiko.tasks.base:AikoTask", include=list(TASK_MODULES))
celery.conf.update(settings(current()))


@signals.worker_init.connect
def _worker_gives_signs_of_life(**_: Any) -> None:
    from aiko.heartbeat import Heartbeat

    celery.steps["consumer"].add(Heartbeat)


@signals.worker_init.connect
def _broken_worker_ends(**_: Any) -> None:
    from aiko.broken import EndWhenBroken

    celery.steps["worker"].add(EndWhenBroken)


@signals.beat_init.connect
def _beat_gives_signs_of_life(**_: Any) -> None:
    from aiko.pulse import beat_sent

    # Only in the process that is beat: elsewhere it is requests that send tasks.
    signals.after_task_publish.connect(beat_sent, weak=False)


@signals.setup_logging.connect
def _logging(**_: Any) -> None:
    logging.config.dictConfig(dict_config(current().FLASK_ENV))


@signals.before_task_publish.connect
def _carry_request_id(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None and current_id.get():
        headers.setdefault("request_id", current_id.get())


@signals.task_prerun.connect
def _take_request_id(task: Any = None, **_: Any) -> None:
    current_id.set(getattr(task.request, "request_id", None))


@signals.task_postrun.connect
def _drop_request_id(**_: Any) -> None:
    current_id.set(None)


@signals.worker_init.connect
def _serve_metrics(**_: Any) -> None:
    from aiko.metrics import worker

    worker.serve(current().WORKER_METRICS_LISTEN)
