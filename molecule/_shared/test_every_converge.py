"""What holds wherever a role has converged; every scenario runs this."""

import pytest


@pytest.mark.any_release
# Of containers the whole site is asked, in site_container.
@pytest.mark.any_runtime
@pytest.mark.ledger("OP6")
def test_check_mode_of_a_converged_host_announces_nothing(converge):
    """Operators trust --check before they touch production; a change that would never happen teaches them not to."""
    play = converge({}, "--check", "--diff").succeeded()
    assert play.changed == 0, play.output[-6000:]


@pytest.mark.ledger("SY4")
def test_no_unit_failed(hosts):
    """A unit that failed in passing is what nobody notices until it is needed."""
    for name, host in hosts.items():
        assert host.check_output("systemctl --failed --plain --no-legend") == "", name


@pytest.mark.ledger("SY1")
def test_the_run_mode_is_the_one_asked_for(scenario, hosts):
    """Two hosts that both run packages would agree in every test."""
    for mode, name in scenario.twins().items():
        running = hosts[name].run("podman ps --quiet")
        assert bool(running.stdout.split()) == (mode == "container"), running
