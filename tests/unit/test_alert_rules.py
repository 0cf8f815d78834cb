"""The filters that turn the rules as they lie in the repository into those of an environment."""

import re

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from tests.unit.support import ROOT, load

monitoring = load("filter_plugins/monitoring.py")
TEXTS = monitoring.rule_texts(str(ROOT / "roles/prometheus/files/rules"))


def rules(scale: float = 1, **overrides) -> dict[str, dict]:
    """Every rule that an environment gets, by its name."""
    files = monitoring.rule_files(TEXTS, "/etc/prometheus/rules", scale, "https://wiki.example.com/runbooks/", overrides)
    groups = [group for file in files for group in yaml.safe_load(file["content"])["groups"]]
    return {rule.get("alert") or rule["record"]: rule for group in groups for rule in group["rules"]}


def plain() -> dict[str, dict]:
    groups = [group for text in TEXTS.values() for group in yaml.safe_load(text)["groups"]]
    return {rule.get("alert") or rule["record"]: rule for group in groups for rule in group["rules"]}


def test_nothing_is_lost_on_the_way():
    """Without wishes of an operator, only the runbooks' addresses differ from what the promtool cases prove."""
    for name, rule in rules().items():
        expected = plain()[name]
        if "alert" in expected:
            expected["annotations"]["runbook_url"] = f"https://wiki.example.com/runbooks/{name}.md"
            for key in (rule, expected):
                key["for"] = monitoring.seconds(key["for"])
        assert rule == expected
    assert rules().keys() == plain().keys()


@pytest.mark.ledger("MO3")
@pytest.mark.parametrize(("name", "time"), [("BackendDown", "1m"), ("HighMemory", "5m"), ("DatabaseDown", "1m"), ("RedisDown", "1m")])
def test_the_four_alerts_of_the_origin_keep_their_times(name, time):
    """They were promised; everything else here came later."""
    assert plain()[name]["for"] == time


@pytest.mark.ledger("MO3")
def test_an_exporter_that_answers_does_not_hide_its_database():
    """The origin watched the exporters, which were up while what they watch was down."""
    assert plain()["DatabaseDown"]["expr"] == "pg_up == 0"
    assert plain()["RedisDown"]["expr"] == "redis_up == 0"


@pytest.mark.ledger("OP1")
@pytest.mark.parametrize("unit", ["aiko-backup.service", "aiko-backup-drill.service", "aiko-beat.service"])
def test_a_unit_that_failed_is_told_once(unit):
    """A backup that failed has a page of its own, and two mails about one thing are one too many."""
    owns, leaves = (re.search(r'name(=~|!~)"([^"]+)"', plain()[name]["expr"]).groups() for name in ("BackupFailed", "UnitFailed"))
    assert (owns[0], leaves[0]) == ("=~", "!~")
    assert bool(re.fullmatch(owns[1], unit)) == bool(re.fullmatch(leaves[1], unit)) == unit.startswith("aiko-backup")


@pytest.mark.ledger("OP1")
@pytest.mark.parametrize(("alert", "threshold"), [("BackupStale", 28800), ("BackupUnverified", 1209600), ("BackupShrunk", 0.9),
                                                  ("BackupRepositoryNearlyFull", 4)])
def test_how_often_backups_are_made_is_the_operators_to_say(alert, threshold):
    """docs/backups.md says how: the number is the last one, after what is said of those that never were."""
    changed = rules(**{alert: {"threshold": threshold}})[alert]["expr"]
    assert changed.endswith(f" {threshold}") and changed.count(str(threshold)) == 1


def test_a_drill_shortens_all_times():
    """Nobody waits a quarter of an hour for a test, and what it tests must be the same rules."""
    assert rules(0.05)["BackendDown"]["for"] == "3s"
    assert rules(0.05)["DiskFilling"]["for"] == "45s"
    assert rules(0.01)["BackendDown"]["for"] == "600ms"
    assert rules(0.05)["Watchdog"]["for"] == "0s"


def test_a_threshold_is_a_number_and_not_an_expression():
    """Whoever copies an expression to change a number keeps the old one when we improve it."""
    assert rules(HighMemory={"threshold": 0.75})["HighMemory"]["expr"] == "instance:node_memory_used:ratio > 0.75"
    changed = rules(DiskFilling={"threshold": 0.1})["DiskFilling"]["expr"]
    assert changed == plain()["DiskFilling"]["expr"].replace("> 0.5", "> 0.1")
    assert rules(CertificateExpiring={"threshold": "30"})["CertificateExpiring"]["expr"].endswith("< 30")


@pytest.mark.parametrize(("name", "threshold", "reason"), [
    ("BackendDown", 1, "its expression does not end with > or < and a number"),
    ("Watchdog", 1, "its expression does not end with > or < and a number"),
    ("HighMemory", "90%", "'90%' is no number"),
    ("HighMemory", True, "'True' is no number"),
    ("HighMemory", -1, "'-1' is no number"),
    ("slo:http_request_errors:budget", 0.005, "its expression does not end"),
])  # fmt: skip
def test_a_threshold_that_cannot_be_is_refused(name, threshold, reason):
    """It would be an alert that never fires, or always."""
    with pytest.raises(AnsibleFilterError, match=f"prometheus_alert_overrides: {name} cannot have this threshold: {reason}.*Remedy"):
        rules(**{name: {"threshold": threshold}})


def test_parts_of_a_rule_can_be_changed_and_alerts_taken_out():
    """Every site has an alert that it does not want, or wants at night."""
    changed = rules(RedisNearlyFull={"labels": {"severity": "page", "team": "data"}, "for": "1h"}, DiskFilling=None,
                    **{"slo:http_request_errors:budget": {"expr": "vector(0.005)"}})
    assert changed["RedisNearlyFull"]["labels"] == {"severity": "page", "team": "data"}
    assert changed["RedisNearlyFull"]["for"] == "1h"
    assert changed["RedisNearlyFull"]["annotations"]["summary"] == plain()["RedisNearlyFull"]["annotations"]["summary"]
    assert changed["slo:http_request_errors:budget"] == {"record": "slo:http_request_errors:budget", "expr": "vector(0.005)"}
    assert "DiskFilling" not in changed


def test_names_that_no_rule_has_are_found():
    """A misspelt name would change nothing, and nobody would notice until the night on which it counts."""
    wishes = {"HighMemroy": {"threshold": 0.5}, "HighMemory": {}, "slo:http_request_errors:budget": {}, "slo:nothing": None}
    assert monitoring.unknown_alerts(wishes, TEXTS.values()) == ["HighMemroy", "slo:nothing"]


def alerts() -> dict[str, dict]:
    return {name: rule for name, rule in plain().items() if "alert" in rule}


def fits(matchers: list[str], labels: dict) -> bool:
    """Whether Alertmanager's matchers are about an alert with these labels."""
    for matcher in matchers:
        name, sign, value = re.fullmatch(r'(\w+)(=~|!=|=)"(.*)"', matcher).groups()
        held = re.fullmatch(value, labels.get(name, "")) if sign == "=~" else labels.get(name, "") == value
        if bool(held) == (sign == "!="):
            return False
    return True


def held_back(target: dict, source: dict) -> bool:
    """Whether one alert holds another back, both given by their labels."""
    return any(fits(one["source_matchers"], source) and fits(one["target_matchers"], target)
               and all(source.get(name, "") == target.get(name, "") for name in one["equal"]) for one in monitoring.INHIBITIONS)


def test_an_inhibition_names_alerts_that_exist():
    """One that does not holds nothing back, and the night brings ten mails instead of one."""
    for inhibition in monitoring.INHIBITIONS:
        for side in ("source_matchers", "target_matchers"):
            (matcher,) = (one for one in inhibition[side] if one.startswith("alertname"))
            names = matcher.split('"')[1].split("|")
            assert all(any(re.fullmatch(name, alert) for alert in alerts()) for name in names), matcher


@pytest.mark.ledger("MO4")
def test_what_is_about_a_whole_environment_is_held_back_by_alerts_that_nobody_gets():
    """One backend of two that is away, or one that somebody silenced for the night, must not hide that the site is gone."""
    wide = {one["source_matchers"][0].split('"')[1] for one in monitoring.INHIBITIONS if one["equal"] == ["environment"]}
    assert wide == {name for name, rule in alerts().items() if rule["labels"]["severity"] == "none"} - {"Watchdog"}
    for name in wide:
        rule = alerts()[name]
        assert rule["for"] == "0s", "what follows would be told first"
        assert "max by (environment)" in rule["expr"]


@pytest.mark.ledger("MO4")
@pytest.mark.parametrize(("cause", "target", "held"), [
    ("NoBackend", {"alertname": "SiteDown", "path": "/health"}, True),
    ("NoBackend", {"alertname": "SiteDown", "path": "/api/health"}, False),
    ("NoBackend", {"alertname": "ErrorBudgetBurnFast"}, True),
    ("BackendDown", {"alertname": "SiteDown", "path": "/health"}, False),
    ("DatabaseDown", {"alertname": "TasksFailing"}, False),
    ("NoDatabase", {"alertname": "TasksFailing"}, True),
    ("NoDatabase", {"alertname": "SiteDown", "path": "/health"}, False),
    ("NoQueue", {"alertname": "BeatSilent"}, True),
    ("NoQueue", {"alertname": "SiteDown", "path": "/health"}, False),
    ("NoQueue", {"alertname": "ErrorBudgetBurnFast"}, False),
    ("RedisDown", {"alertname": "BeatSilent"}, False),
])  # fmt: skip
def test_what_holds_back_what(cause, target, held):
    """What follows from a cause is one mail too many; what does not is an outage that nobody hears of."""
    assert held_back({"environment": "lab", **target}, {"alertname": cause, "environment": "lab"}) == held
    assert not held_back({"environment": "lab", **target}, {"alertname": cause, "environment": "production"})
