"""The podman role: what containers find on a host."""

import pytest
from scenario import eventually, unit_property

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


@pytest.fixture
def neighbour(host):
    """Run commands as a machine on another wire of the host, which routes by it."""
    host.check_output("ip netns add wire && ip link add wire0 type veth peer name wire1 netns wire")
    try:
        host.check_output("ip address add 192.0.2.1/24 dev wire0 && ip link set wire0 up")
        inside = "ip -netns wire"
        host.check_output(f"{inside} address add 192.0.2.2/24 dev wire1 && {inside} link set wire1 up")
        host.check_output(f"{inside} route add default via 192.0.2.1")
        yield lambda command: host.run(f"ip netns exec wire {command}")
    finally:
        host.run("ip netns delete wire; ip link delete wire0")


@pytest.mark.ledger("SY1", "SY4")
def test_a_neighbour_reaches_what_is_published_and_no_container(host, image, neighbour):
    """Redis' own address would be a door beside the one that its settings name."""
    published = "--publish=192.0.2.1:7001:7000 --publish=127.0.0.1:7002:7000"
    listen = f"podman run --rm --detach --pull=never --network=smart-system-network {published} --name=peer"
    host.check_output(f"{listen} --entrypoint=redis-server %s --port 7000 --bind 0.0.0.0 --protected-mode no", image)
    try:
        address = host.check_output("podman inspect peer --format='{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'")
        ask = "timeout 3 bash -c 'exec 3<>/dev/tcp/%s && echo PING >&3 && head -1 <&3'"
        eventually(lambda: "PONG" in host.run(ask % f"{address}/7000").stdout, "the host reaches it")
        assert "PONG" in neighbour(ask % "192.0.2.1/7001").stdout
        assert neighbour(ask % f"{address}/7000").rc != 0
        # One that takes this host for the way to its own loopback.
        assert "PONG" in host.run(ask % "127.0.0.1/7002").stdout
        host.check_output("ip -netns wire route add 127.0.0.1 via 192.0.2.1 table 7; ip -netns wire rule add pref 0 to 127.0.0.1 lookup 7; "
                          "ip -netns wire rule delete lookup local; ip -netns wire rule add pref 9 lookup local; "
                          "ip netns exec wire sysctl -q net.ipv4.conf.all.route_localnet=1")
        assert neighbour(ask % "127.0.0.1/7002").rc != 0
        # Debian's own rules begin with taking all others away.
        host.check_output("systemctl start nftables && systemctl reload nftables && podman network reload --all")
        assert neighbour(ask % f"{address}/7000").rc != 0
        assert "PONG" in neighbour(ask % "192.0.2.1/7001").stdout
    finally:
        host.run("podman rm --force --time=0 peer; systemctl stop nftables; systemctl restart aiko-containers-guard")


@pytest.mark.ledger("SY1", "SY4")
def test_a_container_finds_its_host_and_a_neighbour_does_not(host, image, neighbour):
    """What listens at the host's address for containers is for nobody else."""
    host.check_output("systemd-run --collect --unit=peer --property=Type=exec python3 -m http.server --bind 10.89.61.1 7000")
    ask = "timeout 3 bash -c 'exec 3<>/dev/tcp/10.89.61.1/7000 && printf \"GET / HTTP/1.0\\r\\n\\r\\n\" >&3 && head -1 <&3'"
    try:
        eventually(lambda: "200 OK" in host.run(ask).stdout, "the host itself reaches it")
        run = "podman run --rm --pull=never --network=smart-system-network --entrypoint=bash"
        assert "200 OK" in host.run(f"{run} {image} -c {ask.partition('bash -c ')[2]}").stdout
        assert neighbour(ask).rc != 0
    finally:
        host.run("systemctl stop peer")


@pytest.mark.ledger("SY1")
def test_another_subnet_is_used(host, image, converge):
    """Podman keeps a network that is there: the guard and the database's rules would speak of one that nobody uses."""
    subnet = "podman network inspect smart-system-network --format='{{range .Subnets}}{{.Subnet}}{{end}}'"
    converge({"podman_subnet": "10.89.70.0/24"}).succeeded()
    assert host.check_output(subnet) == "10.89.70.0/24"
    assert "10.89.70.0/24" in host.check_output("nft list table inet aiko-containers")
    converge({}).succeeded()
    assert host.check_output(subnet) == "10.89.60.0/24"


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
