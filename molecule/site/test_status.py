"""playbooks/status.yml on a whole site: what runs where, in which version, and what is not well."""

import re

import pytest
from scenario import eventually

UNITS = ["aiko-beat"]
# What hosts with containers have for them; a rule and an address are of no version.
THE_HOSTS = ("aiko-containers-guard", "aiko-host-address")


@pytest.fixture
def status(scenario):
    """Ask for it; returns a Play."""
    return lambda: scenario.play(scenario.project / "playbooks/status.yml", {})


def table(text: str) -> dict[str, list[str]]:
    """Unit to what follows its state."""
    text = re.sub(r"\x1b\[[\d;]*m", "", text)
    return {unit: words.split() for unit, words in re.findall(r"^\W*\S+ +(\S+) +active \(\w+\)(.*?)\W*$", text, re.MULTILINE)}


@pytest.mark.ledger("OP5")
def test_every_service_is_shown_with_the_version_that_runs(status, host):
    """After an update, the table is where one looks whether it has arrived."""
    # It may fail: what other tests have provoked can still be firing.
    play = status()
    shown = table(play.output)
    without = [unit for unit, version in shown.items() if not version and unit not in THE_HOSTS]
    assert len(shown) > 12 and not without, play.output
    running = {
        "postgresql@": "cd / && runuser -u postgres -- psql -XAtc 'SHOW server_version'",
        "redis-server@cache": "aiko-redis cache INFO server | sed -n s/redis_version://p",
        "nginx": "nginx -v 2>&1 | cut -d/ -f2",
    }
    for unit, question in running.items():
        version = host.check_output(question).split()[0]
        (found,) = [words[0] for name, words in shown.items() if name == unit or (unit.endswith("@") and name.startswith(unit))]
        assert re.sub(r"^\d+:", "", found).startswith(version), unit
    assert re.search(r"/health at [\d.]+: 200", play.text)


@pytest.mark.ledger("OP5")
def test_what_does_not_run_is_told(status, host):
    """It must fail then: a timer or a script may be all that asks."""
    host.check_output("systemctl stop aiko-beat")
    try:
        status().refused("aiko-beat.service is inactive; see: journalctl")
    finally:
        host.check_output("systemctl start aiko-beat")
        eventually(lambda: host.run("systemctl is-active aiko-beat").rc == 0, "it runs again", 60)
