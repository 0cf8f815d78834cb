"""What an operator can get wrong, end to end: playbooks/preflight.yml refuses it with one message, before any host is changed."""

import concurrent.futures
import dataclasses
import pathlib
import re
import socket
import subprocess

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.unit.support import everything_on, inventory, local, playbook

pytestmark = pytest.mark.skipif(
    not re.search(r"^VERSION_CODENAME=(bookworm|trixie)$", pathlib.Path("/etc/os-release").read_text(), re.MULTILINE),
    reason="the preflight's hosts are this machine, which would have to be Debian 12 or 13",
)
ONE = {"one": local(aiko_address="192.0.2.1")}
TWO = {**ONE, "two": local(aiko_address="192.0.2.2")}


def closed_port() -> int:
    """A loopback port at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@dataclasses.dataclass
class Case:
    """An inventory, and what the one message about it must say."""

    message: list[str]
    hosts: dict = dataclasses.field(default_factory=lambda: ONE)
    groups: dict = dataclasses.field(default_factory=lambda: everything_on("one"))
    variables: dict = dataclasses.field(default_factory=dict)
    # Whether it is found before the environment gets secrets.
    early: bool = False
    password: str | None = None


def without(name: str, **more) -> dict:
    return {**{group: members for group, members in everything_on("one").items() if group != name}, **more}


CASES = {
    "good": Case([]),
    "good on two hosts": Case([], TWO, everything_on("one", backend=["two"], worker=["two"], scheduler=["two"], proxy=["two"])),
    "misspelt variable": Case(
        ["one: variable redis_cache_maxmemry is not one that any role knows", "did you mean redis_cache_maxmemory?"],
        variables={"redis_cache_maxmemry": "1gb"}),
    "misspelt group": Case(
        ["group 'worker' is missing (did you mean it by 'workers'?)"], groups=without("worker", workers=["one"]), early=True),
    "two databases": Case(
        ["group 'postgresql' has 2 hosts (one, two)", "Expected: one", "leave one host in it"],
        TWO, everything_on("one", postgresql=["one", "two"]), early=True),
    "wrong vault password": Case(
        ["the vault password does not open", "Expected: the password it was encrypted with", "AIKO_VAULT_PASSWORD_FILE"], password="wrong"),
    "too little memory": Case(
        ["one: has", "MB of memory for", "redis_queue_maxmemory 8388608 MB", "make one of"], variables={"redis_queue_maxmemory": "8tb"}),
    "too many connections": Case(
        ["one: postgresql_max_connections leaves 22 connections", "may open 58", "raise postgresql_max_connections to 66"],
        variables={"postgresql_max_connections": 30}),
    "Grafana from nowhere": Case(
        ["one: grafana_repository_key is not set", "Expected: a file on the controller", "or grafana_package_source: none"],
        groups=everything_on("one", monitoring=["one"]), variables={"grafana_package_source": "upstream"}),
    "no domain": Case(["one: aiko_domain is 'no domain'", "for example aiko.example.com"], variables={"aiko_domain": "no domain"}),
    "run mode": Case(["one: aiko_runtime is 'docker'", "Expected: native or container"], variables={"aiko_runtime": "docker"}),
    "no address": Case(
        ["two: aiko_address is '127.0.0.1'", "set aiko_address for this host"],
        {**ONE, "two": local(aiko_address="127.0.0.1")}, everything_on("one")),
    "unreachable": Case(["UNREACHABLE!", "Connection refused"], {"one": {
        "ansible_host": "127.0.0.1", "ansible_port": closed_port(), "aiko_address": "192.0.2.1",
        "ansible_ssh_extra_args": "-F /dev/null -o ControlPath=none",
    }}),
}
REFUSED = [name for name, case in CASES.items() if case.message]


@dataclasses.dataclass
class Run:
    """What came of a case."""

    done: subprocess.CompletedProcess
    before: dict[str, bytes]
    after: dict[str, bytes]

    @property
    def output(self) -> str:
        return self.done.stdout + self.done.stderr


def contents(directory: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def run(place: pathlib.Path, case: Case) -> Run:
    directory = inventory(place / "inventory", case.hosts, case.groups, **case.variables)
    if case.password:
        (directory / "secrets.yml").write_bytes(VaultLib().encrypt("secret_key: x\n", VaultSecret(b"the right one")))
        (place / "vault-password").write_text(f"{case.password}\n")
        # What an earlier run leaves beside the hosts; Ansible reads every file there that it is not told to ignore.
        (directory / "secrets.yml.lock").touch()
    before = contents(directory)
    done = playbook(place, "-i", str(directory), "playbooks/preflight.yml")
    return Run(done, before, contents(directory))


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Run]:
    """All cases, a few beside each other: each is a run of ansible-playbook."""
    places = {name: tmp_path_factory.mktemp(name.replace(" ", "-")) for name in CASES}
    with concurrent.futures.ThreadPoolExecutor(4) as many:
        return dict(zip(CASES, many.map(lambda name: run(places[name], CASES[name]), CASES), strict=True))


@pytest.mark.parametrize("name", ["good", "good on two hosts"])
def test_a_good_inventory_passes(runs, name):
    """And brings the environment its secrets, encrypted; nothing else."""
    outcome = runs[name]
    assert outcome.done.returncode == 0, outcome.output
    assert "changed=0" in outcome.output
    assert set(outcome.after) - set(outcome.before) == {"secrets.yml", "secrets.yml.lock"}
    assert outcome.after["secrets.yml"].startswith(b"$ANSIBLE_VAULT;")


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_with_one_message(runs, name):
    """One place to look at, with what was found, what was expected and what helps; and a bad exit code for whoever scripts it."""
    outcome = runs[name]
    assert outcome.done.returncode != 0
    assert all(part in " ".join(outcome.output.split()) for part in CASES[name].message), outcome.output
    assert len(re.findall(r"^fatal: ", outcome.output, re.MULTILINE)) == 1, outcome.output
    assert "Traceback" not in outcome.output
    if name != "unreachable":
        # Ansible tells each failure twice, as an error and as the task's result.
        result = outcome.output.split("fatal: ")[1].split("PLAY RECAP")[0]
        assert result.count("Expected:") == result.count("Remedy:") == 1, outcome.output
        assert outcome.output.count("[ERROR]") == 1


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_changes_nothing(runs, name):
    """Neither a host nor the environment; an inventory that cannot work gets no secrets either."""
    outcome = runs[name]
    assert not re.search(r"changed=[1-9]", outcome.output)
    added = set(outcome.after) - set(outcome.before)
    assert added <= (set() if CASES[name].early or CASES[name].password else {"secrets.yml", "secrets.yml.lock"})
    assert {path: outcome.after.get(path) for path in outcome.before} == outcome.before
