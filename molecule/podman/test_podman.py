"""The podman role: what containers find on a host."""

import pytest
from scenario import unit_property

UNITS = ["smart-system-network*"]


@pytest.fixture(scope="module")
def image(host) -> str:
    """An image of the recipes that is there."""
    return next(line for line in host.check_output("podman images --format={{.Repository}}:{{.Tag}}").split() if "aiko/redis:" in line)


@pytest.mark.ledger("SY1")
def test_containers_call_each_other_by_name(host, image):
    """The host's own hosts file says where the host reaches a service: in a container that is somebody else's loopback."""
    host.check_output("echo 127.0.0.1 peer >>/etc/hosts")
    try:
        run = "podman run --rm --pull=never --network=smart-system-network"
        host.check_output(f"{run} --detach --name=peer --entrypoint=sleep %s 60", image)
        found = host.check_output(f"{run} --entrypoint=getent %s hosts peer", image)
        assert found.startswith("10.89.60."), found
    finally:
        host.run("podman rm --force --time=0 peer; sed -i '/ peer$/d' /etc/hosts")


@pytest.mark.ledger("SY1")
def test_the_network_survives_a_second_look(host, converge):
    """systemd owns it, so that it is there after a reboot before the first container."""
    assert unit_property(host, "smart-system-network-network.service", "ActiveState") == "active"
    assert converge({}).succeeded().changed == 0


def test_bookworm_is_refused(converge):
    """Its Podman has no quadlets: better no change than half of one."""
    converge({"ansible_facts": {"distribution_major_version": "12"}}).refused("runs Debian 12", "aiko_runtime: native")


def test_an_image_that_cannot_be_pulled_stops_nothing(host, converge):
    """It is asked for before anything is stopped for it."""
    play = converge({"podman_image_source": "pull", "podman_registry_mirror": "127.0.0.1:9/none"})
    play.refused("127.0.0.1:9/none/redis:7-alpine")


@pytest.mark.ledger("SY3")
def test_logins_are_for_root_alone(host, converge):
    """They open more than this host."""
    logins = {"podman_registry_logins": {"registry.example.com": {"username": "u", "password": "open-sesame-please"}}}
    play = converge(logins, "--diff").succeeded()
    file = host.file("/etc/aiko/registries.json")
    assert (file.user, file.mode) == ("root", 0o600)
    assert "open-sesame-please" not in play.output
    converge({}).succeeded()
    assert not host.file("/etc/aiko/registries.json").exists
