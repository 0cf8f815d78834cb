"""The redis role: a cache that may forget and a durable instance beside it."""

import re

import pytest
from scenario import eventually, unit_property

UNITS = ["redis-server@cache", "redis-server@queue", "redis-server"]
CACHE, QUEUE = 6379, 6380
PORTS = pytest.mark.parametrize("port", [CACHE, QUEUE])


@pytest.fixture
def ask(host, secrets):
    """Send a command to an instance with the password, or with another one; returns what redis-cli printed."""

    def command(port: int, text: str, password: str | None = None) -> str:
        chosen = secrets["redis_password"] if password is None else password
        return host.run(f"REDISCLI_AUTH='{chosen}' redis-cli -p {port} {text}").stdout.strip()

    return command


def setting(ask, port: int, name: str) -> str:
    return ask(port, f"CONFIG GET {name}").splitlines()[-1]


def process(host, name: str) -> str:
    return unit_property(host, f"redis-server@{name}", "MainPID")


@pytest.mark.ledger("RD1")
@PORTS
def test_refuses_anonymous_clients(host, port):
    """Whoever reaches an open Redis owns the Celery queue, and with it code on the workers."""
    assert "NOAUTH" in host.run(f"redis-cli -p {port} PING").stdout
    assert "NOAUTH" in host.run(f"redis-cli -p {port} CONFIG GET dir").stdout


@pytest.mark.ledger("RD1")
@PORTS
def test_refuses_a_wrong_password(host, port):
    """A default or guessed password must not do."""
    done = host.run(f"REDISCLI_AUTH=redis redis-cli -p {port} PING")
    assert "WRONGPASS" in done.stdout + done.stderr


@pytest.mark.ledger("RD1")
def test_version(ask):
    """The application's client and RedBeat's scripts were tried with Redis 7 and newer."""
    assert int(re.search(r"redis_version:(\d+)", ask(CACHE, "INFO server"))[1]) >= 7


@pytest.mark.ledger("RD4")
@PORTS
def test_answers_pong(ask, port):
    """redis-cli exits with 0 on an error reply too, so only the word proves health."""
    assert ask(port, "PING") == "PONG"


@pytest.mark.ledger("RD2")
@pytest.mark.parametrize(("port", "policy"), [(CACHE, "allkeys-lru"), (QUEUE, "noeviction")])
def test_memory_and_policy(ask, port, policy):
    """The cache may forget; a queue that forgets loses the work of a student."""
    assert setting(ask, port, "maxmemory") == str(256 * 1024 * 1024)
    assert setting(ask, port, "maxmemory-policy") == policy


@pytest.mark.ledger("RD2")
def test_full_cache_evicts_and_full_queue_refuses(host, ask, secrets):
    """The policy is what happens at the limit, not what CONFIG GET says."""
    fill = "for i in $(seq 120); do echo SET fill:$i $(head -c 60000 /dev/zero | tr '\\0' x); done"
    said = {}
    try:
        for port in (CACHE, QUEUE):
            ask(port, "CONFIG SET maxmemory 4mb")
            said[port] = host.run(f"{fill} | REDISCLI_AUTH={secrets['redis_password']} redis-cli -p {port}").stdout
        assert "OOM" not in said[CACHE]
        assert int(re.search(r"evicted_keys:(\d+)", ask(CACHE, "INFO stats"))[1]) > 0
        assert "OOM command not allowed" in said[QUEUE]
        assert re.search(r"evicted_keys:0\b", ask(QUEUE, "INFO stats"))
    finally:
        for port in (CACHE, QUEUE):
            ask(port, "FLUSHALL")
            ask(port, "CONFIG SET maxmemory 256mb")


@pytest.mark.ledger("RD3")
@PORTS
def test_writes_an_append_only_file(ask, port):
    """Snapshots alone lose minutes."""
    assert "aof_enabled:1" in ask(port, "INFO persistence")
    assert setting(ask, port, "appendfsync") == "everysec"


@pytest.mark.ledger("RD3")
def test_killed_instance_comes_back_with_its_keys(host, ask):
    """The kernel kills the largest process when memory runs out; that is often this one."""
    assert ask(QUEUE, "SET survivor yes") == "OK"
    before = process(host, "queue")
    host.check_output("kill -9 %s", before)
    eventually(lambda: process(host, "queue") not in ("0", before) and ask(QUEUE, "PING") == "PONG", "redis comes back")
    assert ask(QUEUE, "GET survivor") == "yes"


def test_only_our_instances_run(host):
    """The package's own instance has no password; it must never come up, not even after a reboot."""
    assert host.run("systemctl is-active redis-server.service").stdout.strip() == "inactive"
    assert host.run("systemctl is-enabled redis-server.service").stdout.strip() != "enabled"
    assert host.check_output("pgrep -c redis-server") == "2"


@pytest.mark.ledger("NX1")
def test_listens_on_loopback_alone(host):
    """All clients of this scenario live on the host; an address nobody needs is a door."""
    addresses = {line.split()[3] for line in host.check_output("ss -ltnH").splitlines()}
    # The host's address for containers is not for others.
    found = {address for address in addresses if address.endswith((":6379", ":6380")) and not address.startswith("10.89.61.1:")}
    assert found == {"127.0.0.1:6379", "127.0.0.1:6380"}


@pytest.mark.ledger("SY3")
def test_password_is_for_redis_alone(host, secrets):
    """A world-readable configuration gives the password to every process of the host."""
    for name in ("cache", "queue"):
        file = host.file(f"/etc/redis/redis-{name}.conf")
        assert (file.user, file.group, file.mode) == ("redis", "redis", 0o640)
    assert secrets["redis_password"] not in host.check_output("ps axww -o args")
    assert re.fullmatch(r"[0-9a-f]{64}", secrets["redis_password"])


@PORTS
def test_dangerous_commands_are_off(ask, port):
    """DEBUG and MODULE open the machine behind Redis to whoever has the password."""
    assert "ERR" in ask(port, "DEBUG SLEEP 0")
    assert "ERR" in ask(port, "MODULE LOAD /tmp/x.so")


def test_settings_that_redis_does_not_know_are_refused(host, ask, converge):
    """A typing error must not take the queue down; the instance goes on with the configuration it has."""
    before = host.file("/etc/redis/redis-cache.conf").content_string
    pids = process(host, "cache"), process(host, "queue")
    converge({"redis_settings": {"maxmemory-policy": "nonsense"}}).refused("redis-cache.conf was refused", "former files are in place")
    assert host.file("/etc/redis/redis-cache.conf").content_string == before
    assert (process(host, "cache"), process(host, "queue")) == pids
    assert ask(CACHE, "PING") == "PONG"


def test_changed_setting_restarts_and_loses_nothing(host, ask, converge, secrets):
    """A restart for a setting is routine; it must cost neither keys nor the password's secrecy."""
    ask(QUEUE, "SET kept yes")
    before = process(host, "queue")
    play = converge({"redis_settings": {"maxclients": 3000}}, "--diff").succeeded()
    assert process(host, "queue") != before
    assert setting(ask, QUEUE, "maxclients") == "3000"
    assert ask(QUEUE, "GET kept") == "yes"
    assert secrets["redis_password"] not in play.output, "the password is in the diff"


@pytest.mark.any_release
@pytest.mark.ledger("RD2")
def test_single_layout_and_back(host, ask, converge):
    """The origin's layout stays reachable; the instance that is then not used must not go on serving old data."""
    ask(QUEUE, "SET waiting yes")
    converge({"redis_layout": "single"}).succeeded()
    assert ask(CACHE, "PING") == "PONG"
    assert host.run("systemctl is-active redis-server@queue").stdout.strip() == "inactive"
    assert host.run("systemctl is-enabled redis-server@queue").stdout.strip() != "enabled"
    converge({}).succeeded()
    assert ask(QUEUE, "GET waiting") == "yes", "what was queued must be there when the instance is used again"


@pytest.mark.ledger("RD3", "RD4")
def test_both_instances_come_back_after_a_reboot(host_name, ask, scenario):
    """A host that needs a person after a power cut is down at night."""
    ask(QUEUE, "SET rebooted yes")
    scenario.lab("reboot", host_name)
    for port in (CACHE, QUEUE):
        eventually(lambda port=port: ask(port, "PING") == "PONG", f"instance {port} answers")
    assert ask(QUEUE, "GET rebooted") == "yes"
