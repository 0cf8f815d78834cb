"""tests/run.py: what it adds up is what the project claims."""

import os
import signal
import subprocess
import sys

import pytest

from tests import run
from tests.unit.support import ROOT

LINE = "=" * 20


def counted(log: str, code: int = 0) -> tuple[int, int, int]:
    suite = run.Suite("x", [])
    run.count(suite, log, code)
    return suite.passed, suite.failed, suite.skipped


@pytest.mark.parametrize(("closing", "code", "expected"), [
    ("3 passed in 0.12s", 0, (3, 0, 0)),
    ("1 failed, 3 passed in 0.12s", 1, (3, 1, 0)),
    ("1 failed, 2 passed, 4 skipped, 1 warning in 75.00s (0:01:15)", 1, (2, 1, 4)),
    ("2 passed, 1 error in 1.00s", 1, (2, 1, 0)),
    ("2 failed, 5 passed, 3 errors in 1.00s", 1, (5, 5, 0)),
    ("4 skipped in 0.01s", 0, (0, 0, 4)),
    ("10 passed, 2 deselected, 1 xfailed in 0.01s", 0, (10, 0, 0)),
    ("no tests ran in 0.01s", 5, (0, 1, 0)),
    ("3 passed in 0.12s", 1, (3, 1, 0)),
])
def test_closing_lines_of_pytest(closing, code, expected):
    """Errors of fixtures count as failures, and a bad exit code is never without one."""
    assert counted(f"collected\n{LINE} {closing} {LINE}\n", code) == expected


def test_several_closings_add_up():
    """A Molecule scenario runs pytest more than once; the application's tests are two runs."""
    assert counted(f"{LINE} 3 passed in 1.00s {LINE}\nnoise\n{LINE} 1 failed, 4 passed in 2.00s {LINE}\n", 1) == (7, 1, 0)


@pytest.mark.parametrize(("log", "code", "expected"), [
    ("All checks passed!\n", 0, (1, 0, 0)), ("", 0, (1, 0, 0)), ("Found 3 errors.\n", 1, (0, 1, 0)), ("", -15, (0, 1, 0)),
    ("    assert 3 passed in 1.0s\nE   ==== 9 passed in 1.00s ====\n", 0, (1, 0, 0)),
])
def test_a_command_without_a_closing_line_is_one_test(log, code, expected):
    """Linters say it with their exit code; words that only look alike count for nothing."""
    assert counted(log, code) == expected


def test_an_unknown_suite_is_refused_with_those_there_are():
    """A misspelt name that runs nothing would end with `0 failed`."""
    done = subprocess.run([sys.executable, "tests/run.py", "unit", "unti"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.startswith("tests/run.py: no suite unti; there are lint, policy, unit, ")


def test_every_scenario_is_a_suite():
    """A scenario that nobody runs rots."""
    names = {suite.name for suite in run.suites()}
    scenarios = {f"molecule-{path.parent.name}" for path in ROOT.glob("molecule/*/molecule.yml")}
    assert scenarios <= names
    assert {"lint", "policy", "unit", "app", "lab"} <= names
    assert len(names) == len(run.suites())


def test_no_scenario_at_all_is_an_error(tmp_path, monkeypatch):
    """A moved directory must not turn into a quick, green run."""
    monkeypatch.setattr(run, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="no Molecule scenario was found"):
        run.suites()


RUNNER = """
import os, pathlib, sys
sys.path.insert(0, "tests")
import run
run.ARTEFACTS = pathlib.Path(sys.argv[1])
for directory in ("logs", "ledger"):
    (run.ARTEFACTS / directory).mkdir(parents=True)
suites = [run.Suite(*suite) for suite in eval(sys.argv[2])]
sys.exit(run.Runner(suites).all())
"""
GOOD = ("good", ["sh", "-c", f"echo '{LINE} 2 passed in 0.10s {LINE}'"])
BAD = ("bad", ["sh", "-c", f"echo the reason; echo '{LINE} 1 failed, 1 passed, 1 skipped in 0.10s {LINE}'; exit 1"])
SECRETS = ("secrets", ["sh", "-c", 'test "$AIKO_VAULT_PASSWORD_FILE" != /home/me/password && test -n "$AIKO_LAB_OWNER"'])


def runner(tmp_path, *suites) -> subprocess.Popen:
    environment = {**os.environ, "AIKO_VAULT_PASSWORD_FILE": "/home/me/password", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen([sys.executable, "-c", RUNNER, str(tmp_path / "artefacts"), repr(suites)], cwd=ROOT, env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_run_ends_with_the_sum_and_an_exit_code(tmp_path):
    """The last line is what people and machines read; the operator's own vault password is none of the tests' business."""
    process = runner(tmp_path, GOOD, SECRETS)
    out = process.communicate()[0]
    assert out.splitlines()[-1] == "3 passed, 0 failed", out
    assert process.returncode == 0


def test_a_failure_shows_why_and_fails_the_run(tmp_path):
    """The end of the log is there, since the machine it lies on may be gone; the other suites still run."""
    process = runner(tmp_path, BAD, GOOD)
    out = process.communicate()[0]
    assert out.splitlines()[-1] == "3 passed, 1 failed, 1 skipped", out
    assert "    the reason" in out
    assert process.returncode == 1
    assert "the reason" in (tmp_path / "artefacts/logs/bad.log").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_takes_its_suites_along(tmp_path, number):
    """Ctrl-C must leave neither processes nor a sum that looks like success."""
    os.mkfifo(tmp_path / "started")
    waiting = ("waiting", ["sh", "-c", f"echo $$ > {tmp_path}/started; exec sleep 300"])
    process = runner(tmp_path, waiting, GOOD)
    child = int((tmp_path / "started").read_text())
    process.send_signal(number)
    try:
        out = process.communicate(timeout=30)[0]
    except subprocess.TimeoutExpired:
        os.kill(child, signal.SIGKILL)
        process.kill()
        raise
    assert process.returncode == 1
    assert not out.splitlines()[-1].endswith(" 0 failed")
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_suite_that_hangs_is_told_and_stopped(tmp_path, monkeypatch):
    """One that never ends would take the time of all others, and nobody would hear why."""
    monkeypatch.setenv("AIKO_TEST_LIMIT", "2")
    hanging = ("hanging", ["sh", "-c", f"echo $$ > {tmp_path}/pid; sleep 301; true"])
    process = runner(tmp_path, hanging, GOOD)
    out = process.communicate(timeout=30)[0]
    assert "hanging has not ended within 2 s and is stopped" in out
    assert "sleep 301" in out
    assert out.splitlines()[-1] == "2 passed, 1 failed", out
    left = run.family(int((tmp_path / "pid").read_text()))
    assert not [line for line in left if not line.split()[1].startswith("Z")], left


def test_the_end_says_why_suites_failed():
    """What CI keeps of a long output is its end."""
    log = """
        TASK [x]
            fatal: [host]: FAILED! =>
                msg: non-zero return code
                stderr: |-
                    no connection
                    and more
                rc: 1
        E   assert 1 == 2
        FAILED test_x.py::test_y
    """
    assert run.reasons(log) == ["fatal: [host]: FAILED! =>", "msg: non-zero return code", "no connection", "E   assert 1 == 2",
                                "FAILED test_x.py::test_y"]
    assert len(run.reasons(log * 30, most=5)) == 5
