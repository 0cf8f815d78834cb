"""A molecule scenario seen from its tests."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import testinfra
import yaml

# Debian's release that scenarios run on unless they are told another one, as create.yml has it.
USUAL = "trixie"
# How a test host is reached; a dead one must fail a test, not hang it.
SSH = "-o ServerAliveInterval=5 -o ServerAliveCountMax=3"


def control_socket(name: str) -> pathlib.Path:
    """Where the tests' connection to a host listens: in Ansible's own directory, which is made.

    Ansible finds that directory by HOME; ssh's own `~` would ask the account database, which may say otherwise.
    The name is short, because a socket's path has at most 108 bytes and ssh adds 17 while it makes one.
    """
    directory = pathlib.Path("~/.ansible/cp").expanduser()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory / f"test-{hashlib.sha256(f'{lab_run()}/{name}'.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Play:
    """A finished run of ansible-playbook."""

    rc: int
    output: str

    @property
    def changed(self) -> int:
        """Tasks that changed something, over all hosts."""
        return sum(int(number) for number in re.findall(r"changed=(\d+)", self.output))

    @property
    def text(self) -> str:
        """The output on one line, so that a folded message can be searched."""
        return " ".join(self.output.split())

    def succeeded(self) -> Play:
        """Itself, after an assertion that nothing failed."""
        assert self.rc == 0, self.output[-8000:]
        return self

    def refused(self, *words: str) -> Play:
        """Itself, after an assertion that it failed and said each of `words`."""
        assert self.rc != 0, "expected a refusal, but it went through"
        for word in words:
            assert word in self.text, f"{word!r} is missing in the message:\n{self.output[-6000:]}"
        return self


@dataclass(frozen=True)
class Scenario:
    """The running scenario."""

    names: list[str]
    directory: pathlib.Path
    ephemeral: pathlib.Path
    project: pathlib.Path
    environment: dict[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Scenario:
        """Read what molecule exports; KeyError outside of `molecule verify`."""
        inventory = yaml.safe_load(pathlib.Path(environment["MOLECULE_INVENTORY_FILE"]).read_text())
        return cls(
            names=list(inventory["all"]["hosts"]),
            directory=pathlib.Path(environment["MOLECULE_SCENARIO_DIRECTORY"]),
            ephemeral=pathlib.Path(environment["MOLECULE_EPHEMERAL_DIRECTORY"]),
            project=pathlib.Path(environment["MOLECULE_PROJECT_DIRECTORY"]),
            environment=dict(environment),
        )

    def twins(self) -> dict[str, str]:
        """Run mode to host, where one scenario has a host for each run mode; otherwise nothing."""
        own = yaml.safe_load((self.directory / "molecule.yml").read_text())
        # A run on the other release has one of them.
        container = [host["name"] for host in own["platforms"] if "containers" in host["groups"] and host["name"] in self.names]
        foreign = [host["name"] for host in own["platforms"] if host["groups"] == ["ungrouped"]]
        native = sorted(set(self.names) - {*container, *foreign})
        return {"native": native[0], "container": container[0]} if len(container) == len(native) == 1 else {}

    def releases(self) -> set[str]:
        """Debian's releases that the scenario's hosts run."""
        own = yaml.safe_load(pathlib.Path(self.environment["MOLECULE_FILE"]).read_text())
        return {platform.get("dist", USUAL) for platform in own["platforms"]}

    def connect(self, name: str):
        """A testinfra host, as root; one SSH connection serves all its commands."""
        return testinfra.get_host(
            f"ssh://{name}",
            ssh_config=str(lab_run() / "ssh_config"),
            sudo=True,
            ssh_extra_args=SSH,
            # Doubled, because testinfra formats the command line once more.
            controlpath=str(control_socket(name)).replace("%", "%%"),
        )

    def converge(self, variables: dict[str, Any], *arguments: str) -> Play:
        """Run the scenario's converge playbook once more."""
        own = yaml.safe_load((self.directory / "molecule.yml").read_text())
        book = own.get("ansible", {}).get("playbooks", {}).get("converge", "../_shared/converge.yml")
        return self.play((self.directory / book).resolve(), variables, *arguments)

    def play(self, playbook: pathlib.Path, variables: dict[str, Any], *arguments: str) -> Play:
        """Run a playbook against the scenario's hosts."""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as extra:
            json.dump(variables, extra)
            extra.flush()
            command = ["ansible-playbook", "--inventory", str(self.ephemeral / "inventory")]
            command += ["--extra-vars", f"@{extra.name}", *arguments, str(playbook)]
            # Warnings are results that are "ok"; molecule's own steps hide those.
            return Play(*bounded(command, 900, cwd=self.project, env={**self.environment, "ANSIBLE_DISPLAY_OK_HOSTS": "True"}))

    def secrets(self) -> dict[str, str]:
        """The scenario's secrets, decrypted by the project's own vault password."""
        path = self.ephemeral / "secrets/secrets.yml"
        done = subprocess.run(
            ["ansible-vault", "view", str(path)],
            env=self.environment, cwd=self.project, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return yaml.safe_load(done.stdout)

    def lab(self, *arguments: str) -> str:
        """Call the lab tool, for example to reboot a host; returns what it printed."""
        command = [os.environ.get("AIKO_LAB_PYTHON", "python3"), "-m", "tests.lab", *arguments]
        done = subprocess.run(command, cwd=self.project, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def bounded(command: list[str], seconds: float, **more: Any) -> tuple[int, str]:
    """Run a command; its exit code and what it printed. AssertionError with the latter when it takes longer.

    A file takes the output and no pipe: Ansible's workers outlive it when it is killed, and would keep a pipe's reader waiting.
    """
    with tempfile.TemporaryFile("w+") as output:
        try:
            code = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=seconds, check=False, **more).returncode
        except subprocess.TimeoutExpired:
            code = None
        output.seek(0)
        printed = output.read()
    assert code is not None, f"not ended within {seconds:.0f} s: {' '.join(command)}\n{printed[-8000:]}"
    return code, printed


def lab_run() -> pathlib.Path:
    """Where the lab keeps what is needed to reach its hosts."""
    return pathlib.Path(os.environ.get("AIKO_LAB_RUN") or "/run/aiko-lab")


def eventually(check: Callable[[], Any], what: str, seconds: float = 20, every: float = 0.1) -> Any:
    """Ask again until `check` gives something true, and return that; AssertionError when time runs out."""
    end = time.monotonic() + seconds
    while True:
        last = check()
        if last:
            return last
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}; the last answer was {last!r}")
        time.sleep(every)


@contextlib.contextmanager
def kept(host, path: str):
    """Put a file back as it was."""
    host.check_output("cp -a %s /root/kept", path)
    try:
        yield path
    finally:
        host.check_output("cp -a /root/kept %s && rm /root/kept", path)


def unit_property(host, unit: str, name: str) -> str:
    """One property of a unit, as systemd shows it."""
    return host.check_output("systemctl show --value --property %s %s", name, unit)


def process(host, unit: str) -> str:
    """The process of a service, once it has one; where that is a container, the one inside, as its supervisor is the unit's own."""
    contained = unit_property(host, unit, "SourcePath").endswith(".container")

    def ask() -> str:
        if not contained:
            return unit_property(host, unit, "MainPID").removeprefix("0")
        # It fails where a container goes while it lists them.
        found = host.run("podman ps --filter label=PODMAN_SYSTEMD_UNIT=%s.service --format '{{.Pid}}'", unit.removesuffix(".service"))
        return found.stdout.strip()

    return eventually(ask, f"{unit} has a process", 60)


def assert_closed_in(host, unit: str) -> None:
    """A service can do nothing that it need not: by systemd's sandbox, or as a container that has no other rights."""
    pid = process(host, unit)
    status = dict(line.split(":\t", 1) for line in host.check_output(f"cat /proc/{pid}/status").splitlines() if ":\t" in line)
    assert int(status["CapEff"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    if not unit_property(host, unit, "SourcePath").endswith(".container"):
        assert exposure(host, f"{unit.removesuffix('.service')}.service") <= 2.5
        return
    assert int(status["CapBnd"], 16) == 0
    assert "0" not in status["Uid"].split()
    assert host.run("touch /proc/%s/root/probe", pid).rc != 0, "the container's root can be written to"


def exposure(host, unit: str) -> float:
    """What `systemd-analyze security` thinks of a unit: 0 is closed, 10 is open."""
    report = json.loads(host.check_output("systemd-analyze security --json=short %s", unit) or "[]")
    assert report, f"systemd knows no unit {unit}"
    text = host.run("systemd-analyze security --no-pager %s", unit).stdout
    found = re.search(r"Overall exposure level for .*: ([\d.]+)", text)
    assert found, text
    return float(found[1])
