"""Addresses: the same name mostly gets the same one, and never one that is taken."""

import ipaddress

import pytest
from lab.errors import LabError
from lab.network import is_loopback, nft_ruleset, pick_address
from lab.settings import Settings, check_name

SUBNET = ipaddress.IPv4Network("198.18.77.0/24")


def test_a_name_gets_the_same_address_again():
    assert pick_address(SUBNET, {}, "web1") == pick_address(SUBNET, {"other": "198.18.77.2"}, "web1")


def test_a_held_lease_is_kept():
    assert pick_address(SUBNET, {"web1": "198.18.77.9"}, "web1") == "198.18.77.9"


def test_a_taken_address_is_passed_over():
    first = pick_address(SUBNET, {}, "web1")
    assert pick_address(SUBNET, {"squatter": first}, "web1") != first


def test_every_address_is_given_once_and_then_none():
    small = ipaddress.IPv4Network("198.18.77.0/28")
    leases = {}
    for number in range(13):
        leases[f"h{number}"] = pick_address(small, leases, f"h{number}")
    assert len(set(leases.values())) == 13
    # Network, controller and broadcast address are nobody's.
    assert not {str(small[0]), str(small[1]), str(small[15])} & set(leases.values())
    with pytest.raises(LabError, match="no address left"):
        pick_address(small, leases, "one-more")


def test_a_wanted_number_is_given_or_refused():
    assert pick_address(SUBNET, {}, "web1", 40) == "198.18.77.40"
    with pytest.raises(LabError, match="belongs to db1"):
        pick_address(SUBNET, {"db1": "198.18.77.40"}, "web1", 40)
    for impossible in (0, 1, 255):
        with pytest.raises(LabError, match="outside"):
            pick_address(SUBNET, {}, "web1", impossible)


def test_only_our_own_table_is_touched():
    usual = nft_ruleset(Settings.from_environment({}))
    assert {line.split()[-1] for line in usual.splitlines()[:2]} == {"aiko_lab"}
    assert 'ip saddr 198.18.77.0/24 oifname != "aiko-lab0" masquerade' in usual


def test_labs_beside_each_other_share_no_name():
    one = Settings.from_environment({"AIKO_LAB_RUN": ""})
    assert one == Settings.from_environment({})
    two = Settings.from_environment({"AIKO_LAB_RUN": "/run/elsewhere"})
    for name in ("bridge", "nft_table", "cgroup", "layers", "lock"):
        assert getattr(one, name) != getattr(two, name)
    assert len(two.bridge) <= 15
    assert one.machine("web1") != two.machine("web1")


@pytest.mark.parametrize("subnet", ["198.18.77.1/24", "nonsense", "198.18.77.0/30"])
def test_an_unusable_subnet_is_refused(subnet):
    with pytest.raises(LabError, match="AIKO_LAB_SUBNET"):
        Settings.from_environment({"AIKO_LAB_SUBNET": subnet})


@pytest.mark.parametrize("name", ["", "Web1", "-a", "a-", "a/b", "..", "a" * 41, "a b", "a\n"])
def test_names_that_would_be_trouble_as_paths_are_refused(name):
    with pytest.raises(LabError):
        check_name(name)


def test_a_resolver_on_the_loopback_is_recognized():
    assert is_loopback("127.0.0.53") and is_loopback("::1") and not is_loopback("192.0.2.1") and not is_loopback("x")
