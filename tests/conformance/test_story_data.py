"""Where data really lands after real use: runs after test_story.py, which is that use."""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://redis"]


def redis(host, port: int, command: str) -> str:
    """Ask an instance; its password is read on the host and appears in no process list."""
    conf = {6379: "cache", 6380: "queue"}[port]
    return host.check_output(
        f"sudo sh -c \"REDISCLI_AUTH=\\$(awk '/^requirepass/ {{print \\$2}}' /etc/redis/redis-{conf}.conf) redis-cli -p {port} {command}\"")


@pytest.mark.ledger("RD5", "CE5")
def test_each_use_of_redis_lands_in_the_right_instance(host):
    """A session or a queued task in the instance that evicts is one that gets lost."""
    cache = redis(host, 6379, "--scan").split()
    durable = {number: redis(host, 6380, f"-n {number} --scan").split() for number in range(5)}
    assert all(key.startswith("cache:") for key in cache), cache
    assert cache, "the application's cache was never used"
    assert any(key.startswith("_kombu") for key in durable[0]), "no broker keys"
    assert any(key.startswith("celery-task-meta") for key in durable[1]), "no results"
    assert any("session" in key for key in durable[2]), "no sessions"
    assert durable[3], "no rate limits"
    assert any(key.startswith("redbeat") for key in durable[4]), "no schedule"
