"""filter_plugins/topology.py: addresses follow from the inventory's groups."""

import pytest
from ansible.errors import AnsibleFilterError

from tests.unit.support import load

topology = load("filter_plugins/topology.py")

HOSTS = {name: {"aiko_address": f"10.0.0.{number}"} for number, name in enumerate(("data", "app", "edge", "edge2"), 1)}
CLIENTS = ["backend", "worker", "scheduler", "monitoring"]
ONE = {name: ["data"] for name in ("postgresql", "redis", "backend", "worker", "scheduler", "proxy")} | {"frontend": [], "monitoring": []}
TWO = {**ONE, **{name: ["app"] for name in ("backend", "worker", "scheduler", "proxy")}}
MANY = {**TWO, "backend": ["app", "edge"], "proxy": ["edge", "edge2"]}
SERVICES = {"postgresql": ["postgres"], "redis": ["redis", "redis-queue"], "backend": ["backend"], "worker": [], "proxy": ["proxy"]}


def test_one_host_listens_on_loopback_alone():
    """With every client on the same host, an open port is a door without a purpose."""
    assert topology.bind(ONE, CLIENTS, "data", HOSTS) == ["127.0.0.1"]


def test_a_client_elsewhere_opens_the_platform_address_and_no_other():
    """0.0.0.0 would also listen towards the outside."""
    assert topology.bind(TWO, CLIENTS, "data", HOSTS) == ["127.0.0.1", "10.0.0.1"]


def test_a_group_that_is_missing_or_empty_is_no_client():
    """monitoring is empty for now, and must not open PostgreSQL."""
    assert topology.bind(ONE, ["monitoring", "unheard-of"], "data", HOSTS) == ["127.0.0.1"]


def test_others_are_sorted_and_each_named_once():
    """They become pg_hba lines: an order that changes would be a change on every run."""
    groups = {"backend": ["edge", "app"], "worker": ["app", "data"]}
    assert topology.others(groups, ["worker", "backend", "unheard-of"], "data") == ["app", "edge"]
    assert topology.others(groups, "backend", "app") == ["edge"]


def test_a_service_on_the_host_itself_is_reached_on_loopback():
    """The database of one host works without a network."""
    assert topology.reach(TWO, "postgresql", "data", HOSTS) == "127.0.0.1"
    assert topology.reach(TWO, "postgresql", "app", HOSTS) == "10.0.0.1"


def test_a_service_that_nobody_runs_is_said_so():
    """An address of None in a URL fails much later, and elsewhere."""
    with pytest.raises(AnsibleFilterError, match="group redis is empty: no host runs it; add one to the inventory"):
        topology.reach({"redis": []}, "redis", "app", HOSTS)


def test_a_host_without_an_address_is_named():
    """Facts may lack a default route; the message says which variable helps."""
    with pytest.raises(AnsibleFilterError, match="host app has no aiko_address; set it in the inventory"):
        topology.addresses(["data", "app"], {**HOSTS, "app": {}})


def test_three_hosts_and_several_proxies():
    """Each proxy balances over all backends; the one that shares its host with a backend uses loopback for that one."""
    assert topology.reach_all(MANY, "backend", "edge", HOSTS) == ["10.0.0.2", "127.0.0.1"]
    assert topology.reach_all(MANY, "backend", "edge2", HOSTS) == ["10.0.0.2", "10.0.0.3"]
    assert topology.reach_all(MANY, "frontend", "edge", HOSTS) == []
    # The backend on `app` has clients elsewhere, both proxies.
    assert topology.bind(MANY, ["proxy"], "app", HOSTS) == ["127.0.0.1", "10.0.0.2"]


def test_names_on_one_host_are_all_loopback():
    """Services are called by name even where everything is local."""
    assert topology.service_names(ONE, SERVICES, "data", HOSTS) == {"127.0.0.1": ["postgres", "redis", "redis-queue", "backend", "proxy"]}


def test_names_on_two_hosts_point_across():
    """`postgres` must be the other host's address where the database is elsewhere, and the host's own name resolves too."""
    assert topology.service_names(TWO, SERVICES, "app", HOSTS) == {
        "10.0.0.1": ["postgres", "redis", "redis-queue", "data"], "127.0.0.1": ["backend", "proxy"],
    }
    assert topology.service_names(TWO, SERVICES, "data", HOSTS) == {
        "127.0.0.1": ["postgres", "redis", "redis-queue"], "10.0.0.2": ["backend", "proxy", "app"],
    }


def test_names_of_an_operators_own_come_along():
    """A store or a mail server that only the hosts file knows must be found by containers as well."""
    extra = {"192.0.2.9": ["store.test"], "10.0.0.1": ["files"], "127.0.0.1": ["mail"]}
    assert topology.service_names(TWO, SERVICES, "app", HOSTS, "10.89.61.1", extra) == {
        "10.0.0.1": ["postgres", "redis", "redis-queue", "data", "files"], "10.89.61.1": ["backend", "proxy", "mail"],
        "192.0.2.9": ["store.test"],
    }  # fmt: skip


def test_every_host_resolves_exactly_one_address_a_name():
    """Two addresses for one name would let a client reach the wrong service every other time."""
    for groups in (ONE, TWO, MANY):
        for host in {member for members in groups.values() for member in members}:
            names = [name for names in topology.service_names(groups, SERVICES, host, HOSTS).values() for name in names]
            assert len(names) == len(set(names)), (groups, host)


def test_a_service_that_nobody_runs_has_no_name():
    """A name that resolves to nobody waits for a timeout; one that does not exist fails at once."""
    assert topology.service_names({"postgresql": [], "redis": ["data"]}, SERVICES, "data", HOSTS) == {"127.0.0.1": ["redis", "redis-queue"]}
