"""The unit role: units as data, hardened, and judged by what runs."""

import pytest
from scenario import eventually, exposure, unit_property

UNITS = ["probe*"]
SERVICES = pytest.mark.parametrize("unit", ["probe.service", "probe-steady.service"])


def process(host, unit: str) -> str:
    return unit_property(host, unit, "MainPID")


@SERVICES
def test_services_run_and_come_back(host, unit):
    """Started but not enabled is gone after the next reboot."""
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled


@pytest.mark.ledger("SY4")
@SERVICES
def test_services_are_confined(host, unit):
    """One directive forgotten in one of ten templates is how a service ends up with the whole machine."""
    status = host.check_output(f"cat /proc/{process(host, unit)}/status")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Uid:\t0\t" not in status
    assert exposure(host, unit) <= 2.5


@pytest.mark.ledger("SY4")
def test_limits_are_configured(host):
    """Whether the kernel enforces them is the machine's matter; that systemd was told is ours."""
    assert unit_property(host, "probe.service", "MemoryMax") == str(64 * 1024 * 1024)
    quotas = {name: unit_property(host, f"{name}.service", "CPUQuotaPerSecUSec") for name in ("probe", "probe-steady", "probe-vendor")}
    assert quotas == {"probe": "1.500000s", "probe-steady": "infinity", "probe-vendor": "500ms"}


def test_timer_waits_for_its_time(host):
    """A timer that is loaded but never elapses is a backup that never runs."""
    assert unit_property(host, "probe-tick.timer", "NextElapseUSecRealtime")
    assert unit_property(host, "probe-tick.timer", "Persistent") == "yes"
    assert "02:00:00 Europe/Paris" in unit_property(host, "probe-tick.timer", "TimersCalendar")
    host.check_output("systemctl start probe-tick.service")
    eventually(lambda: "ticked" in host.check_output("journalctl --no-pager --unit probe-tick"), "a list becomes two ExecStart lines")


def test_drop_in_changes_only_what_it_says(host):
    """Hardening somebody else's unit behind its back breaks it in ways nobody looks for here."""
    assert unit_property(host, "probe-vendor.service", "Environment") == "PROBE=1"
    # And what the operator gives to it wins.
    assert unit_property(host, "probe-vendor.service", "Nice") == "7"
    assert unit_property(host, "probe-vendor.service", "NoNewPrivileges") == "no"
    assert unit_property(host, "probe-vendor.service", "ProtectSystem") == "no"


@pytest.mark.ledger("OP6")
def test_only_the_changed_unit_is_restarted(host, converge):
    """A change to one service must not interrupt its neighbours."""
    before = {unit: process(host, unit) for unit in ("probe", "probe-steady", "probe-vendor")}
    converge({"probe_description": "Second"}).succeeded()
    after = {unit: process(host, unit) for unit in before}
    assert after["probe"] != before["probe"]
    assert (after["probe-steady"], after["probe-vendor"]) == (before["probe-steady"], before["probe-vendor"])
    assert unit_property(host, "probe", "Description") == "Second"


@pytest.mark.ledger("OP6")
def test_killed_run_is_finished_by_the_next(host, converge):
    """A handler would have forgotten: the file is already there, so nothing notifies it any more."""
    before = process(host, "probe")
    # What a run leaves that was killed between the two steps of the role.
    converge({"probe_description": "Third", "unit_states": []}).succeeded()
    assert process(host, "probe") == before
    converge({"probe_description": "Third"}).succeeded()
    assert process(host, "probe") != before
    assert unit_property(host, "probe", "Description") == "Third"
    assert unit_property(host, "probe", "NeedDaemonReload") == "no"


@pytest.mark.ledger("OP6")
def test_configuration_newer_than_the_process_restarts_it(host, converge):
    """The configuration on disk and the one in memory must be the same, whoever wrote the file."""
    before = process(host, "probe-steady"), process(host, "probe")
    host.check_output("echo A=1 > /etc/probe.env")
    converge({"probe_description": "Third"}).succeeded()
    assert process(host, "probe-steady") != before[0]
    assert process(host, "probe") == before[1]
    assert converge({"probe_description": "Third"}).succeeded().changed == 0


def test_stopped_service_is_started(host, converge):
    """What somebody stopped by hand at three in the morning is running again after the next deploy."""
    host.check_output("systemctl stop probe-steady")
    assert converge({"probe_description": "Third"}).succeeded().changed == 1
    assert host.service("probe-steady").is_running


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ({"probe-bad.service": {"Service": {"ExecStart": "relative/path"}}}, ["probe-bad.service"]),
        ({"probe-bad.service": {"Service": {"ExecStart": "/bin/true\nUser=root"}}}, ["line break"]),
        ({"probe-bad.service": {"Service": ["ExecStart=/bin/true"]}}, ["must be a dict"]),
    ],
    ids=["relative path", "smuggled directive", "not a dict"],
)
def test_bad_unit_is_refused(host, converge, unit, words):
    """A unit that systemd cannot load is found at the next boot, unless it is refused now."""
    converge({"unit_units": unit, "unit_states": [{"name": "probe-bad.service", "state": "started"}]}).refused(*words)
    host.run("rm -f /etc/systemd/system/probe-bad.service; systemctl daemon-reload")
    assert host.service("probe").is_running


def test_unknown_directive_is_refused(host, converge):
    """systemd only warns of a directive it does not know: a typing error in the hardening would go unnoticed."""
    unit = {"probe-bad.service": {"Service": {"ExecStart": "/bin/true", "ProtectSytem": "strict"}}}
    converge({"unit_units": unit, "unit_states": []}).refused("ProtectSytem")
    assert not host.file("/etc/systemd/system/probe-bad.service").exists


@pytest.mark.any_release
@pytest.mark.ledger("SY3")
@pytest.mark.parametrize("variable", ["DB_PASSWORD", "SECRET_KEY", "API_TOKEN"])
def test_secret_in_a_unit_is_refused(host, converge, variable):
    """Unit files are world-readable, and `systemctl show` prints them to everybody."""
    unit = {"probe-bad.service": {"Service": {"ExecStart": "/bin/true", "Environment": f"{variable}=hunter2"}}}
    play = converge({"unit_units": unit, "unit_states": []}).refused("looks like a secret", "LoadCredential")
    assert not host.file("/etc/systemd/system/probe-bad.service").exists
    assert "hunter2" not in play.output


def test_service_that_does_not_start_is_an_error_with_its_journal(host, converge):
    """The reason belongs into the message: whoever deploys should not have to log in to learn it."""
    unit = {"probe-bad.service": {"Service": {"Type": "notify", "ExecStart": "/bin/sh -c 'echo no database here; exit 3'"}}}
    converge({"unit_units": unit, "unit_states": [{"name": "probe-bad.service", "state": "started"}]}).refused("no database here")
    host.run(
        "systemctl stop probe-bad; systemctl reset-failed probe-bad; rm -f /etc/systemd/system/probe-bad.service; systemctl daemon-reload"
    )


def test_stale_unit_goes(host, converge):
    """A unit that the project no longer has would otherwise run for years."""
    stale = {"unit_absent": ["probe.service", "probe-vendor.service.d/probe.conf"], "unit_units": {}, "unit_states": []}
    converge(stale).succeeded()
    assert not host.file("/etc/systemd/system/probe.service").exists
    assert not host.file("/etc/systemd/system/multi-user.target.wants/probe.service").is_symlink
    assert not host.service("probe").is_running
    assert host.service("probe-vendor").is_running, "only the drop-in goes, not the unit it belongs to"
    assert converge(stale).succeeded().changed == 0, "once it is gone, asking again must be fine"
