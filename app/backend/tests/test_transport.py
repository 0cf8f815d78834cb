"""The broker's transport: a message is always in the queue or in the notes of what is being done, never in neither."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from queue import Empty
from typing import Any

import pytest
import redis
from kombu import Connection
from kombu.transport.redis import Mutex

QUEUE = "transport-test"


@pytest.fixture
def server(place: Any) -> redis.Redis:
    """An empty Redis database."""
    client = redis.Redis.from_url(place.redis(9))
    client.flushdb()
    return client


@pytest.fixture
def consumer(place: Any, server: redis.Redis) -> Iterator[Callable[[], Any]]:
    """Make a channel that consumes the queue and keeps what it was given in `.got`."""
    opened = []

    def make(*queues: str) -> Any:
        connection = Connection(place.redis(9), transport="aiko.transport:Transport")
        opened.append(connection)
        channel = connection.channel()
        channel.got = []
        for name in queues or (QUEUE,):
            channel.queue_declare(name)
            channel.basic_consume(name, no_ack=False, callback=channel.got.append, consumer_tag=name)
        return channel

    yield make
    for connection in opened:
        connection.release()


@pytest.fixture
def configured(app: Any, place: Any) -> Iterator[Any]:
    """A channel with the options of the application's workers."""
    from aiko.celery_app import settings
    from aiko.config import current

    options = settings(current())["broker_transport_options"]
    with Connection(place.redis(9), transport="aiko.transport:Transport", transport_options=options) as connection:
        yield connection.channel()


def test_a_silent_server_is_noticed(configured: Any) -> None:
    """A worker that waits for a host without power would wait for two hours, and nobody would correct anything."""
    one = configured.client.connection_pool.get_connection()
    names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    assert one._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert [one._sock.getsockopt(socket.IPPROTO_TCP, name) for name in names] == [10, 5, 3]


def test_who_dies_while_restoring_keeps_nobody_from_it_for_long(configured: Any, server: redis.Redis) -> None:
    """The tasks of a killed worker would wait until a lock expires that nobody holds any more."""
    with Mutex(configured.client, configured.unacked_mutex_key, configured.unacked_mutex_expire):
        assert 0 < server.ttl(configured.unacked_mutex_key) <= 10


def publish(place: Any, body: str, queue: str = QUEUE) -> None:
    with Connection(place.redis(9), transport="aiko.transport:Transport") as connection:
        connection.SimpleQueue(queue).put(body)


def ask(channel: Any, seconds: float = 10) -> None:
    """Send the question, as the worker's event loop does."""
    channel.brpop_timeout = seconds
    channel.connection.cycle._register_BRPOP(channel)


def wait(channel: Any) -> None:
    """Send the question, and wait until Redis has answered it."""
    ask(channel)
    assert channel.client.connection.can_read(timeout=5)


@pytest.mark.ledger("CE3")
def test_a_waiting_message_stays_in_its_queue_until_it_is_noted(place, server, consumer):
    """A worker that dies with Redis' answer in its buffer must not take the task with it."""
    channel = consumer()
    publish(place, "hello")
    wait(channel)
    assert (server.llen(QUEUE), server.hlen("unacked")) == (1, 0)
    channel._brpop_read()
    assert (server.llen(QUEUE), server.hlen("unacked"), server.zcard("unacked_index")) == (0, 1, 1)
    (message,) = channel.got
    assert message.decode() == "hello"
    message.ack()
    assert (server.hlen("unacked"), server.zcard("unacked_index")) == (0, 0)


@pytest.mark.ledger("CE3")
def test_two_that_see_one_message_do_not_both_get_it(place, server, consumer):
    """Both are shown the same element; the second is told that there is none."""
    first, second = consumer(), consumer()
    publish(place, "once")
    wait(first)
    wait(second)
    first._brpop_read()
    with pytest.raises(Empty):
        second._brpop_read()
    assert (len(first.got), len(second.got), server.hlen("unacked")) == (1, 0, 1)


@pytest.mark.ledger("CE3")
def test_all_who_wait_are_woken(place, consumer):
    """A message that comes while two wait is taken by one; the next one is still seen by the other."""
    first, second = consumer(), consumer()
    for channel in (first, second):
        ask(channel)
    publish(place, "a")
    first._brpop_read()
    with pytest.raises(Empty):
        second._brpop_read()
    publish(place, "b")
    wait(second)
    second._brpop_read()
    assert [message.decode() for message in (*first.got, *second.got)] == ["a", "b"]


@pytest.mark.ledger("CE3")
def test_an_unacknowledged_message_goes_back(place, server, consumer):
    """What a worker had in hand when it went is done by another."""
    channel = consumer()
    publish(place, "again")
    wait(channel)
    channel._brpop_read()
    channel.got[0].requeue()
    assert (server.llen(QUEUE), server.hlen("unacked")) == (1, 0)
    wait(channel)
    channel._brpop_read()
    assert channel.got[1].decode() == "again"


@pytest.mark.ledger("CE3")
def test_a_channel_closes_after_its_connection(place, server, consumer, caplog):
    """Redis restarted, and the worker has given up the connection before the channel: it must go on, not end."""
    channel = consumer()
    publish(place, "noted")
    wait(channel)
    channel._brpop_read()
    channel.connection.client = None
    channel._disconnect_pools()
    channel.close()
    assert "1 tasks wait for the visibility timeout" in caplog.text
    assert (server.llen(QUEUE), server.hlen("unacked")) == (0, 1)


@pytest.mark.ledger("CE3")
def test_a_full_redis_hands_out_nothing_and_ends_no_worker(place, server, consumer, caplog):
    """What it handed out could not be acknowledged; a worker that died of that would be started again for ever."""
    channel = consumer()
    publish(place, "kept")
    server.config_set("maxmemory", 1)
    try:
        wait(channel)
        with pytest.raises(Empty):
            channel._brpop_read()
    finally:
        server.config_set("maxmemory", 0)
    assert f"Redis is full: queue {QUEUE} waits" in caplog.text
    assert (server.llen(QUEUE), server.hlen("unacked")) == (1, 0)
    wait(channel)
    channel._brpop_read()
    assert channel.got[0].decode() == "kept"


def test_who_acknowledges_nothing_leaves_no_notes(place, server):
    """Whoever waits for a worker's answer reads it and goes; a note of it would be handed out again an hour later."""
    with Connection(place.redis(9), transport="aiko.transport:Transport") as connection:
        channel = connection.channel()
        got = []
        channel.queue_declare(QUEUE)
        channel.basic_consume(QUEUE, no_ack=True, callback=got.append, consumer_tag="c")
        publish(place, "answer")
        wait(channel)
        channel._brpop_read()
        assert [message.decode() for message in got] == ["answer"]
        assert server.hlen("unacked") == 0


def test_an_empty_queue_is_no_message(consumer):
    """The wait ends after its time, so that a worker hears of other things."""
    channel = consumer()
    ask(channel, 1)
    with pytest.raises(Empty):
        channel._brpop_read()


ROUTE = {"exchange": "", "routing_key": QUEUE}
BODY = {"body": "!x", "properties": {"body_encoding": "base64", "delivery_tag": "t", "delivery_info": ROUTE}}


@pytest.mark.parametrize("damaged", ["no json", json.dumps({"body": "x"}), json.dumps(["list"]), json.dumps(BODY)])
def test_what_is_no_message_is_set_aside(place, server, consumer, damaged, caplog):
    """It must not stand in the way of those behind it, and nobody but a person may throw it away."""
    channel = consumer()
    server.rpush(QUEUE, damaged)
    publish(place, "behind")
    wait(channel)
    with pytest.raises(Empty):
        channel._brpop_read()
    assert server.lrange(f"{QUEUE}.damaged", 0, -1) == [damaged.encode()]
    assert f"set aside in the list {QUEUE}.damaged" in caplog.text
    wait(channel)
    channel._brpop_read()
    assert channel.got[0].decode() == "behind"


def test_a_consumer_of_several_queues_is_served_too(place, consumer):
    """One worker for everything, as on a developer's machine: with kombu's own guarantees."""
    channel = consumer(QUEUE, f"{QUEUE}-2")
    publish(place, "one")
    publish(place, "two", f"{QUEUE}-2")
    for _ in range(2):
        wait(channel)
        channel._brpop_read()
    assert sorted(message.decode() for message in channel.got) == ["one", "two"]


def test_messages_are_noted_when_they_are_taken(place, server, consumer):
    """The time in the index is what the visibility timeout counts from."""
    channel = consumer()
    publish(place, "timed")
    wait(channel)
    channel._brpop_read()
    ((_, when),) = server.zrange("unacked_index", 0, -1, withscores=True)
    assert abs(time.time() - when) < 60
