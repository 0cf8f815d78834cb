"""Run the test suites side by side, show where the time goes, and end with `N passed, N failed`.

    python tests/run.py [SUITE...]

Each suite logs to artefacts/logs/SUITE.log; the end of a failed one is shown. Test hosts belong to this
process: when it ends, however it ends, the lab takes them down.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ARTEFACTS = ROOT / "artefacts"
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--durations=5"]
MOLECULE = [sys.executable, "molecule/run"]
# Suites that share nothing; two at a time keep two cores busy while the other waits for the network.
LANES = int(os.environ.get("AIKO_TEST_LANES", "2"))
# Seconds, about twice what the longest takes: one that hangs must fail and be told, not take all the others' time.
LIMIT = float(os.environ.get("AIKO_TEST_LIMIT", "1800"))


@dataclasses.dataclass
class Suite:
    """One command of the test run, and what came of it."""

    name: str
    command: list[str]
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def suites() -> list[Suite]:
    """All suites, the longest first, so that no lane is left alone with one at the end."""
    listed = subprocess.run([*MOLECULE, "--list"], cwd=ROOT, capture_output=True, text=True, check=False)
    found = listed.stdout.split()
    if listed.returncode or not found:
        raise SystemExit(f"tests/run.py: no Molecule scenario was found; an empty test run is a failed one. {listed.stderr}")
    # Both releases of one scenario in one suite: they share its directory, so they must not run at the same time.
    releases: dict[str, list[str]] = {}
    for name in found:
        releases.setdefault(name.partition(":")[0], []).append(name)
    long = ("site", "backup_restore", "two_hosts", "celery", "backend", "postgresql")
    scenarios = {name: Suite(f"molecule-{name}", [*MOLECULE, *releases[name]]) for name in sorted(releases)}
    return [
        Suite("lint", ["tests/lint"]),
        Suite("policy", [*PYTEST, "tests/policy"]),
        Suite("unit", [*PYTEST, "tests/unit"]),
        *(suite for name, suite in scenarios.items() if name.startswith(long)),
        Suite("app", ["tests/app"]),
        *(suite for name, suite in scenarios.items() if not name.startswith(long)),
        Suite("frontend", ["tests/frontend"]),
        # Boots and kills many hosts; beside others, its own lab keeps them apart.
        Suite("lab", [*PYTEST, "tests/lab/test_lab_hosts.py"]),
    ]


class Runner:
    def __init__(self, chosen: list[Suite]):
        self.chosen = chosen
        self.running: set[subprocess.Popen] = set()
        self.lock = threading.Lock()
        self.stopped = False
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="aiko-test-"))

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "AIKO_LAB_OWNER": str(os.getpid()),
            "AIKO_LEDGER_REPORT": str(ARTEFACTS / "ledger"),
            # The operator's own password and secrets are none of the tests' business.
            "AIKO_VAULT_PASSWORD_FILE": str(self.scratch / "vault-password"),
            # Modules do not change while they are tested, so that they need to be packed only once.
            "AIKO_MODULE_ARCHIVES": str(self.scratch / "modules"),
            "ANSIBLE_FORCE_COLOR": "0",
            "PY_COLORS": "0",
            "NO_COLOR": "1",
        }

    def run(self, suite: Suite) -> None:
        log = ARTEFACTS / "logs" / f"{suite.name}.log"
        begin = time.monotonic()
        with log.open("w") as stream:
            with self.lock:
                if self.stopped:
                    return
                process = subprocess.Popen(  # noqa: S603 - commands of this file
                    suite.command, cwd=ROOT, env=self.environment(), stdin=subprocess.DEVNULL,
                    stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
                )
                self.running.add(process)
            if self.stopped:
                # The signal came between the start and the note of it.
                self.stop()
            code = self.await_end(suite, process)
            self.running.discard(process)
        suite.seconds = time.monotonic() - begin
        count(suite, log.read_text(errors="replace"), code)
        verdict = "FAILED" if suite.failed else "passed"
        skipped = f", {suite.skipped} skipped" if suite.skipped else ""
        show(f"{verdict}  {suite.name:32} {suite.seconds:6.0f} s  {suite.passed} passed, {suite.failed} failed{skipped}")
        if suite.failed:
            tail = log.read_text(errors="replace").splitlines()[-80:]
            show("\n".join(f"    {line}" for line in tail))

    def await_end(self, suite: Suite, process: subprocess.Popen) -> int:
        """The suite's exit code; past its limit it is stopped, after a word on what it was waiting for."""
        try:
            return process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            doing = "\n".join([*family(process.pid), "On test hosts:", *guests()])
            show(f"{suite.name} has not ended within {LIMIT:.0f} s and is stopped. What it was doing:\n{doing}")
        terminate(process)
        try:
            return process.wait(60) or 1
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait() or 1

    def stop(self, *_) -> None:
        self.stopped = True
        for process in list(self.running):
            terminate(process)

    def all(self) -> int:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.stop)
        begin = time.monotonic()
        try:
            with concurrent.futures.ThreadPoolExecutor(LANES) as lanes:
                begun = [lanes.submit(self.run, suite) for suite in self.chosen]
                # Python would sleep on a signal that came just before a wait without end.
                while concurrent.futures.wait(begun, timeout=1).not_done:
                    pass
                for future in begun:
                    future.result()
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)
        show("\nWhere the time went (suites ran beside each other):")
        for suite in sorted(self.chosen, key=lambda s: -s.seconds):
            show(f"  {suite.seconds:6.0f} s  {suite.name}")
        show(f"  {time.monotonic() - begin:6.0f} s  in all\n")
        ledger = subprocess.run(  # noqa: S603
            [sys.executable, "tests/ledger.py", "report", str(ARTEFACTS / "ledger")], cwd=ROOT, check=False)
        passed, failed = sum(s.passed for s in self.chosen), sum(s.failed for s in self.chosen)
        if self.stopped or ledger.returncode:
            failed += 1
        for suite in self.chosen:
            if suite.failed:
                # Once more, and in short: of a long output people and machines read the end.
                said = reasons((ARTEFACTS / "logs" / f"{suite.name}.log").read_text(errors="replace"))
                show("\n".join([f"\n{suite.name}:", *(f"    {line}" for line in said)]))
        skipped = sum(s.skipped for s in self.chosen)
        show(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
        return 1 if failed else 0


def terminate(process: subprocess.Popen) -> None:
    """Ask a suite and what it started to end."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


def processes() -> list[list[str]]:
    """All processes of the machine and its test hosts: pid, parent, session, state, age in seconds, what the kernel does, command."""
    listed = subprocess.run(
        ["ps", "-e", "-ww", "-o", "pid=,ppid=,sess=,stat=,etimes=,wchan:20=,args="], capture_output=True, text=True, check=False
    )
    return [words for words in (line.split(None, 6) for line in listed.stdout.splitlines()) if len(words) == 7]


def family(session: int) -> list[str]:
    """The processes of a session, a line each."""
    return [line(process) for process in processes() if process[2] == str(session)]


def guests() -> list[str]:
    """What runs on test hosts in somebody's name: whatever an SSH server started, and containers' tools."""
    found, all_of_them = set(), processes()
    for pid, parent, *_, command in all_of_them:
        if parent in found or "sshd" in command or "podman" in command:
            found.add(pid)
    return [line(process) for process in all_of_them if process[0] in found]


def line(process: list[str]) -> str:
    """A process for people: pid, state, age, what the kernel does, command."""
    return "  ".join([process[0], *process[3:6], process[6][:300]])


def count(suite: Suite, log: str, code: int) -> None:
    """Add up the closing lines of pytest; a command without one counts as a single test."""
    closings = re.findall(r"^=+ .*\b(?:passed|failed|error|errors|skipped)\b.* in [\d.]+s.*=+$", log, re.MULTILINE)
    for line in closings:
        for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", line):
            name = {"passed": "passed", "skipped": "skipped"}.get(word, "failed")
            setattr(suite, name, getattr(suite, name) + int(number))
    if not closings:
        suite.passed += code == 0
    if code != 0 and not suite.failed:
        suite.failed = 1


def reasons(log: str, most: int = 20) -> list[str]:
    """The lines that say why a suite failed, by pytest (`FAILED`, `E`), Ansible (`[ERROR]`, `msg:`, `stderr:`) and Molecule."""
    telling = re.compile(r"FAILED |ERROR |E  |\[ERROR\]|fatal: |(?:msg|stderr): (?![|>]-?$)")
    # YAML begins a text of several lines below its name.
    below = re.compile(r"(?:msg|stderr): [|>]-?$")
    lines = [line.strip() for line in log.splitlines()]
    return [line[:400] for before, line in zip(["", *lines], lines, strict=False) if telling.match(line) or below.match(before)][-most:]


def show(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    wanted = sys.argv[1:]
    known = suites()
    if unknown := set(wanted) - {suite.name for suite in known}:
        raise SystemExit(f"tests/run.py: no suite {', '.join(sorted(unknown))}; there are {', '.join(s.name for s in known)}")
    shutil.rmtree(ARTEFACTS / "ledger", ignore_errors=True)
    for directory in ("logs", "ledger"):
        (ARTEFACTS / directory).mkdir(parents=True, exist_ok=True)
    return Runner([suite for suite in known if not wanted or suite.name in wanted]).all()


if __name__ == "__main__":
    sys.exit(main())
