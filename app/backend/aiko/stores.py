"""Connections to the Redis servers. Clients are made lazily and shared by the threads of a process."""

from __future__ import annotations

import json
import logging
import os
import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from aiko.config import current

PROBE_SECONDS = 2
CACHE_SECONDS = 0.5
CACHE_PAUSE = 5.0
log = logging.getLogger(__name__)
_clients: dict[tuple[int, str, float], redis.Redis] = {}
_cache_back_at = 0.0


def client(name: str, timeout: float = PROBE_SECONDS) -> redis.Redis:
    """Return the client for the Redis URL setting `name`; every wait ends after `timeout` seconds."""
    url = current()[name]
    key = (os.getpid(), url, timeout)
    if key not in _clients:
        # One quick retry: after a restart of Redis the pooled connection is dead, and the caller should not notice.
        _clients[key] = redis.Redis.from_url(
            url,
            socket_connect_timeout=timeout,
            socket_timeout=timeout,
            health_check_interval=30,
            retry=Retry(NoBackoff(), 1),
            decode_responses=True,
        )
    return _clients[key]


def cache_get(key: str) -> Any | None:
    """Return the cached JSON value under `cache:key`, or None; a cache that is away counts as empty."""

    def read(cache: redis.Redis) -> Any | None:
        raw = cache.get(f"cache:{key}")
        return None if raw is None else json.loads(raw)

    return _cached(read)


def cache_set(key: str, value: Any, seconds: int) -> None:
    """Keep a JSON value under `cache:key` for `seconds`, if the cache is there."""
    _cached(lambda r: r.set(f"cache:{key}", json.dumps(value), ex=seconds))


def cache_bump(key: str) -> None:
    """Raise the version counter `cache:key`, which makes older entries unreachable."""
    _cached(lambda r: r.pipeline().incr(f"cache:{key}").expire(f"cache:{key}", 86_400).execute())


def _cached(action: Any) -> Any | None:
    global _cache_back_at  # noqa: PLW0603
    # After a failure the cache is left alone for a while, or a dead cache host would add its timeout to each request.
    if time.monotonic() < _cache_back_at:
        return None
    try:
        return action(client("REDIS_URL", CACHE_SECONDS))
    except (RedisError, ValueError) as error:
        _cache_back_at = time.monotonic() + CACHE_PAUSE
        log.warning("cache not usable, going on without: %s", error)
        return None
