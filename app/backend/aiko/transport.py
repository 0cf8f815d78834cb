"""Celery's way through Redis without the moment in which a task is in no list.

Kombu's own transport takes a message from its queue (BRPOP) and notes it as unacknowledged in a second step. A worker
that is killed, or a Redis that restarts, between the two loses the task: https://github.com/celery/kombu/issues/305.

Here a worker waits with `BLMOVE queue queue RIGHT RIGHT`, which shows the last element and leaves it where it is
(https://redis.io/docs/latest/commands/blmove/, Redis 6.2), and then moves that element from the queue to kombu's notes
in one script. Redis runs a script as a whole, so the message is always in exactly one of the two places; a worker that
was too slow finds that another has taken the element, and waits again.
"""

from __future__ import annotations

import logging
import time
from queue import Empty
from typing import Any

from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads
from redis.exceptions import OutOfMemoryError

log = logging.getLogger(__name__)

CLAIM = """
if redis.call('LREM', KEYS[1], -1, ARGV[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
return 1
"""
SET_ASIDE = """
if redis.call('LREM', KEYS[1], -1, ARGV[1]) == 0 then return 0 end
return redis.call('LPUSH', KEYS[2], ARGV[1])
"""


class QoS(redis.QoS):
    """Kombu's notes of what is being done; what CLAIM has noted is not noted again."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Remember a message that was handed out."""
        if delivery_tag == self.channel.noted:
            super(redis.QoS, self).append(message, delivery_tag)
        else:
            super().append(message, delivery_tag)

    def restore_unacked(self, client: Any = None) -> Any:
        """Hand back what was not acknowledged; without a way to Redis nothing: others take it when it is due."""
        if self.channel.connection.client is None and self.channel._pool is None:
            # Kombu would ask the connection that is gone for its host, and Celery would end the worker for that.
            log.warning("%d tasks wait for the visibility timeout: their connection is gone", len(self._delivered))
            return self._delivered.clear()
        return super().restore_unacked(client)


class Channel(redis.Channel):
    """Kombu's channel; safe for a consumer of one queue, as every pool is. One of several gets kombu's own BRPOP."""

    # One list for each queue: BLMOVE waits for one alone, and no task of ours has a priority inside its queue.
    priority_steps = (0,)
    QoS = QoS
    # Tag of the message that CLAIM noted last.
    noted: str | None = None
    _peeked: str | None = None

    def __init__(self, *args: Any, **more: Any) -> None:
        self._unacknowledged: set[str] = set()
        super().__init__(*args, **more)

    def basic_consume(self, queue: str, no_ack: bool = False, *args: Any, **more: Any) -> Any:
        """Consume a queue. Who acknowledges nothing, as those who wait for a worker's answer, gets kombu's own way."""
        (self._unacknowledged.add if no_ack else self._unacknowledged.discard)(queue)
        return super().basic_consume(queue, no_ack, *args, **more)

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self._queue_cycle.consume(len(self.active_queues))
        alone = len(queues) == 1 and queues[0] not in self._unacknowledged and not self.global_keyprefix
        self._peeked = queues[0] if alone else None
        if self._peeked is None:
            return super()._brpop_start(timeout)
        self._in_poll = self.client.connection
        self._brpop_sent_at = time.monotonic()
        wait = self.brpop_timeout if timeout is None else timeout
        return self.client.connection.send_command("BLMOVE", self._peeked, self._peeked, "RIGHT", "RIGHT", wait or 0)

    def _brpop_read(self, **options: Any) -> bool:
        if self._peeked is None:
            return super()._brpop_read(**options)
        try:
            try:
                item = self.client.parse_response(self.client.connection, "BLMOVE", **options)
            except OutOfMemoryError:
                # Neither a task's result nor its acknowledgement could be written: it stays where it is.
                log.error("Redis is full: queue %s waits until there is room", self._peeked)
                time.sleep(1)
                raise Empty from None
            except self.connection_errors:
                # As kombu does: a broken connection must not be used for the next wait.
                self.client.connection.disconnect()
                raise
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        if item is None:
            raise Empty
        self.connection._deliver(self._claim(self._peeked, item), self._peeked)
        return True

    def _claim(self, queue: str, item: bytes | str) -> dict[str, Any]:
        """Return the message, now noted as unacknowledged; Empty when there is none to be had."""
        try:
            message = loads(bytes_to_str(item))
            properties = message["properties"]
            tag, route = properties["delivery_tag"], properties["delivery_info"]
            note = dumps([message, route["exchange"], route["routing_key"]])
            self.Message(message, channel=self)
        except (ValueError, KeyError, TypeError):
            # Left in its place it would be shown again for ever, and nothing behind it would be done.
            aside = f"{queue}.damaged"
            with self.conn_or_acquire() as client:
                client.eval(SET_ASIDE, 2, queue, aside, item)
            log.error("A message in queue %s is not one of Celery's; it was set aside in the list %s", queue, aside)
            raise Empty from None
        with self.conn_or_acquire() as client:
            if not client.eval(CLAIM, 3, queue, self.unacked_index_key, self.unacked_key, item, tag, time.time(), note):
                raise Empty
        self.noted = tag
        return message


class Transport(redis.Transport):
    """`broker_transport` of the application."""

    Channel = Channel
