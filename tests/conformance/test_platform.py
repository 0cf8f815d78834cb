"""What must hold on every host of a deployed platform."""

from __future__ import annotations

import re
import socket

import pytest

from tests.conformance.conftest import platform_address

testinfra_hosts = ["ansible://all"]

SECRETS = ("/etc/aiko/credentials", "/etc/aiko/frontend-credentials")


@pytest.mark.ledger("NX1")
def test_only_ssh_http_and_https_are_open(host):
    """Whatever else listens is bound to loopback, or to the private address where another host of the platform needs it."""
    variables = host.ansible.get_variables()
    name, groups = variables["inventory_hostname"], variables["groups"]
    address = platform_address(host)

    def elsewhere(*clients: str) -> bool:
        return any(member != name for client in clients for member in groups[client])

    expected = {22} | ({80, 443} if name in groups["proxy"] else set())
    # The firewall that keeps these between the platform's hosts is not here yet.
    if name in groups["postgresql"] and elsewhere("backend", "worker", "scheduler"):
        expected |= {5432}
    if name in groups["redis"] and elsewhere("backend", "worker", "scheduler"):
        expected |= {6379, 6380}
    if name in groups["backend"] and elsewhere("proxy", "frontend", "monitoring"):
        expected |= {5000}
    if name in groups["frontend"] and elsewhere("proxy"):
        expected |= {3000}
    if elsewhere("monitoring"):
        expected |= {9100}
        expected |= {9187} if name in groups["postgresql"] else set()
        expected |= {9121} if name in groups["redis"] else set()
        expected |= {9113} if name in groups["proxy"] else set()
        expected |= {9540, 9541, 9542} if name in groups["worker"] else set()
    listening = [line.split()[3].rsplit(":", 1) for line in host.check_output("ss --no-header --tcp --listening --numeric").splitlines()]
    # What is for the host's own containers is closed to others, as the packets below show.
    inside = ("127.", "[::1]", "10.89.60.1", "10.89.61.1")
    beyond = {int(port) for where, port in listening if not where.startswith(inside)}
    assert beyond == expected

    def is_open(port: int) -> bool:
        with socket.socket() as probe:
            probe.settimeout(2)
            return probe.connect_ex((address, port)) == 0

    known = {22, 80, 443, *(int(port) for _, port in listening)}
    assert {port for port in known if is_open(port)} == expected


@pytest.mark.ledger("SY1")
def test_services_are_called_by_name(host):
    """One configuration serves every topology only if the names resolve everywhere."""
    for name in ("postgres", "redis", "redis-queue", "backend"):
        assert host.run(f"getent ahostsv4 {name}").rc == 0, f"{name} does not resolve"


@pytest.mark.ledger("SY3")
def test_no_secret_is_where_others_can_read_it(host):
    """A secret in a unit file, a process list or the journal is a secret no more."""
    names = host.run(f"sudo find {' '.join(SECRETS)} -type f").stdout.split()
    if not names:
        assert not host.file("/etc/aiko/backend.env").exists and not host.file("/etc/aiko/frontend.env").exists
        return
    for name in names:
        value = host.check_output(f"sudo cat {name}")
        assert re.fullmatch(r"[0-9a-f]{64}", value), f"{name} is not 32 random bytes in hexadecimal"
        for place in (
            "systemctl show '*'", "ps -e -o args", "journalctl --namespace='*' --no-pager", "cat /etc/systemd/system/*.service",
            "cat /etc/containers/systemd/*",
        ):  # fmt: skip
            # grep reads the pattern from standard input, so that it is in no process list itself.
            command = f"sudo sh -c \"({place}) 2>/dev/null | grep -c -F -f {name}\""
            assert host.run(command).stdout.strip() == "0", f"{name} is shown by: {place}"
            search = f"sudo grep -r -l -F -f {name} --exclude-dir=venv --exclude-dir=node_modules"
            readable = host.run(f"{search} /etc /srv/aiko /usr/local /var/lib/aiko").stdout.split()
        for path in readable:
            mode = int(host.check_output(f"sudo stat --format %a {path}"), 8)
            assert mode & 0o004 == 0, f"{name} is in {path}, which anybody can read"


@pytest.mark.ledger("SY2", "PG6", "BE5")
def test_data_lies_where_it_is_declared(host):
    """Backups and operators rely on these paths; strangers must not read them."""
    groups = host.ansible.get_variables()["groups"]
    name = host.ansible.get_variables()["inventory_hostname"]
    expected = []
    if name in groups["postgresql"]:
        expected.append(("/var/lib/postgresql", "postgres", 0o755))
    if name in groups["redis"]:
        expected += [("/var/lib/redis/cache", "redis", 0o750), ("/var/lib/redis/queue", "redis", 0o750)]
    if name in groups["backend"]:
        expected.append(("/var/lib/aiko/uploads", "aiko-backend", 0o2770))
    for path, owner, mode in expected:
        status = host.check_output(f"sudo stat --format '%U %a' {path}")
        assert status == f"{owner} {mode:o}", path


@pytest.mark.ledger("OP6")
def test_no_unit_has_failed(host):
    """A unit that failed and came back is a fault that waits for the night."""
    assert host.check_output("systemctl --failed --no-legend --plain") == ""


@pytest.mark.ledger("SY4")
def test_systemd_does_not_give_up(host):
    """By default it lets a service rest for good that ends five times within ten seconds, as when a host boots under load."""
    asked = ("Id", "Type", "Restart", "RestartUSec", "StartLimitBurst", "StartLimitIntervalUSec")
    shown = host.check_output(f"sudo systemctl show --property={','.join(asked)} 'aiko-*.service' 'nginx*.service' "
                              "'redis-server@*.service' 'postgresql@*.service' 'prometheus*.service'")
    units = [dict(line.split("=", 1) for line in text.splitlines()) for text in shown.split("\n\n")]
    # Debian's PostgreSQL mends itself, and is stopped by a program that systemd would take for a failure (postgresql@.service says so).
    lasting = [unit for unit in units if unit["Type"] != "oneshot" and "-check@" not in unit["Id"]
               and not (unit["Type"] == "forking" and unit["Id"].startswith("postgresql"))]
    assert any(unit["Id"] == "nginx.service" for unit in lasting) == ("proxy" in host.ansible.get_variables()["group_names"])
    for unit in lasting:
        assert unit["Restart"] in ("always", "on-failure"), unit
        assert seconds(unit["RestartUSec"]) * int(unit["StartLimitBurst"]) >= seconds(unit["StartLimitIntervalUSec"]), unit


def seconds(text: str) -> float:
    """As systemd prints spans: 1min 30s, 100ms."""
    units = {"min": 60, "s": 1, "ms": 0.001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(min|ms|s)", text))
