"""Rules, their runbooks and their cases for promtool belong together."""

from __future__ import annotations

import functools
import re

import pytest

from tests.policy.repository import ROOT, load, shown

RUNBOOKS = ROOT / "docs/runbooks"
RULES = sorted(ROOT.glob("roles/prometheus/files/rules/*.yml"))
CASES = sorted(ROOT.glob("tests/rules/*.yml"))
# What a page tells, in this order.
PARTS = ["First look", "Remedy", "Silence"]
# Level of aggregation, metric, operations: prometheus.io/docs/practices/rules.
RECORD = re.compile(r"[a-z_]+:[a-z_0-9]+:[a-z0-9_]+")


def rules(kind: str) -> dict[str, dict]:
    """Rules of a kind, ``alert`` or ``record``, by name."""
    found = [(rule[kind], rule) for path in RULES for group in load(path)["groups"] for rule in group["rules"] if kind in rule]
    assert len(found) == len(dict(found)), "two rules have the same name"
    return dict(found)


ALERTS = rules("alert")


@functools.cache
def cases() -> dict[str, list[bool]]:
    """Alert to whether it fires, in each of its cases."""
    found: dict[str, list[bool]] = {}
    for path in CASES:
        for test in load(path)["tests"]:
            for case in test["alert_rule_test"]:
                found.setdefault(case["alertname"], []).append(bool(case["exp_alerts"]))
    return found


def test_there_are_rules_and_cases():
    """If they moved, the tests below would look at nothing."""
    assert len(ALERTS) >= 30
    assert len(RULES) >= 5
    assert CASES


@pytest.mark.ledger("MO3")
@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_all_that_the_one_who_gets_it_needs(name):
    """At three in the morning: what is it, how bad is it, how much of it, and where is it written what to do."""
    rule = ALERTS[name]
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("page", "ticket", "none")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert "$value" in rule["annotations"]["description"]
    assert rule["annotations"]["runbook_url"] == f"{name}.md"


@pytest.mark.ledger("MO3")
@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_a_runbook(name):
    """An alert that nobody knows an answer to is noise."""
    path = RUNBOOKS / f"{name}.md"
    assert path.is_file(), f"docs/runbooks/{name}.md is missing"
    text = path.read_text()
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS
    rule = ALERTS[name]
    assert f"Severity `{rule['labels']['severity']}`" in text
    if rule["for"] != "0s":
        assert f"Fires after `{rule['for']}`" in text


@pytest.mark.ledger("MO3")
@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_seen_firing_and_not_firing(name):
    """One that never fires is a promise; one that always does is switched off by the first who is woken."""
    # The Watchdog fires always: that is what it is for.
    assert set(cases().get(name, [])) == ({True} if name == "Watchdog" else {True, False})


@pytest.mark.ledger("MO3")
def test_no_runbook_looks_into_an_empty_journal():
    """Every service of the platform has a journal namespace of its own: plain `journalctl` shows nothing of it, and says no word."""
    uses = [(shown(path), line) for path in RUNBOOKS.glob("*.md")
            for line in re.findall(r"journalctl\b[^`|]*?(?=`|\||$)", path.read_text(), re.MULTILINE)]
    assert uses
    assert not [use for use in uses if "--namespace" not in use[1]]


def test_no_runbook_and_no_case_is_left_over():
    """What describes an alert that is gone misleads."""
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"} == set(ALERTS)
    assert set(cases()) == set(ALERTS)


def test_the_index_lists_each_alert_with_its_severity_and_time():
    """It is what a reader sees first."""
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \| (\w+) \|$", (RUNBOOKS / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted((name, name, rule["labels"]["severity"], rule["for"]) for name, rule in ALERTS.items())


def test_runbooks_link_to_each_other_by_names_that_exist():
    """Whoever follows 'see DiskNearlyFull' finds it. A name in camel case is an alert's, here."""
    words = {(shown(path), word) for path in RUNBOOKS.glob("*.md")
             for word in re.findall(r"\b(?:see|then|Look at|look at) ([A-Z][a-z]+(?:[A-Z][a-z]+)+)\b", path.read_text())}
    assert words
    assert not {(path, word) for path, word in words if word not in ALERTS}


@pytest.mark.parametrize("path", RULES, ids=shown)
def test_recording_rules_are_named_as_prometheus_asks(path):
    """level:metric:operations tells what a series is without looking its rule up."""
    names = [rule["record"] for group in load(path)["groups"] for rule in group["rules"] if "record" in rule]
    assert not [name for name in names if not RECORD.fullmatch(name)]


def test_cases_load_the_rules_that_they_are_about():
    """A case against no rules passes as long as it expects nothing."""
    for path in CASES:
        files = {(path.parent / name).resolve() for name in load(path)["rule_files"]}
        assert files <= set(RULES)
        known = {rule.get("alert") for file in files for group in load(file)["groups"] for rule in group["rules"]}
        assert {case["alertname"] for test in load(path)["tests"] for case in test["alert_rule_test"]} <= known
