"""The rules, judged by this release's own promtool: each alert fires when it should and not otherwise (tests/rules)."""

import base64
import io
import pathlib
import re
import tarfile

import pytest
from scenario import eventually

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = sorted(path.name for path in ROOT.glob("tests/rules/*.yml"))
RULES = "".join(path.read_text() for path in sorted(ROOT.glob("roles/prometheus/files/rules/*.yml")))
UNITS = ["prometheus"]


@pytest.fixture(scope="module")
def place(host):
    """A directory on the host with cases and rules, as they lie in the repository."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for part in ("tests/rules", "roles/prometheus/files/rules"):
            archive.add(ROOT / part, part)
    directory = host.check_output("mktemp --directory")
    text = base64.b64encode(buffer.getvalue()).decode()
    host.check_output("echo %s | base64 --decode | tar --extract --gzip --directory=%s", text, directory)
    yield directory
    host.check_output("rm --recursive %s", directory)


def test_there_are_cases():
    """Without files, the tests below would be none."""
    assert CASES


@pytest.mark.any_runtime
@pytest.mark.ledger("MO3")
@pytest.mark.parametrize("name", CASES)
def test_alerts_fire_when_they_should(host, place, name):
    """The two releases' Prometheus differ by two years; an alert that only works on one of them is none."""
    done = host.run("promtool test rules %s/tests/rules/%s", place, name)
    assert done.rc == 0 and "SUCCESS" in done.stdout, done.stdout + done.stderr


@pytest.mark.any_runtime
@pytest.mark.ledger("MO3")
def test_a_case_that_does_not_hold_fails(host, place):
    """Guards this suite: with a threshold that nothing reaches, the case of the alert must not pass."""
    rules = f"{place}/roles/prometheus/files/rules/capacity.yml"
    text = host.check_output("cat %s", rules)
    broken, count = re.subn(r"(expr: instance:node_memory_used:ratio) > 0\.9", r"\1 > 0.99", text)
    assert count == 1
    try:
        host.check_output("echo %s | base64 --decode > %s", base64.b64encode(broken.encode()).decode(), rules)
        done = host.run("promtool test rules %s/tests/rules/capacity.yml", place)
    finally:
        host.check_output("echo %s | base64 --decode > %s", base64.b64encode(text.encode()).decode(), rules)
    assert done.rc != 0
    assert "HighMemory" in done.stdout + done.stderr


@pytest.mark.ledger("MO3")
def test_what_is_installed_is_all_of_it_and_loaded(host):
    """A rule that lies in the repository wakes nobody."""
    here = set(re.findall(r"^ +- (?:alert|record): (\S+)$", RULES, re.MULTILINE))
    assert set(re.findall(r"^\s*-? ?(?:alert|record): (\S+)$", host.check_output("cat /etc/prometheus/rules/*.yml"), re.MULTILINE)) == here
    host.check_output("promtool check rules /etc/prometheus/rules/*.yml")
    # Every group was evaluated, and none of its rules failed.
    groups = len(re.findall(r"^  - name: ", RULES, re.MULTILINE))
    # Known once Prometheus has asked itself.
    known = "aiko-query 'count(prometheus_rule_group_rules)'"
    eventually(lambda: host.run(known).stdout.strip().endswith(f" {groups}"), "it has them all", 40)
    assert host.check_output("aiko-query 'sum(prometheus_rule_evaluation_failures_total)'").endswith(" 0")
