"""The base role: names, limits and kernel settings of every host."""

import re

import pytest
from scenario import eventually

UNITS = ["systemd-journald.service"]


@pytest.mark.ledger("SY1")
@pytest.mark.parametrize("name", ["postgres", "redis", "redis-queue", "backend", "proxy"])
def test_services_are_called_by_name(host, name):
    """One configuration serves every topology only if the names resolve wherever a service runs."""
    assert host.check_output("getent ahostsv4 %s", name).split()[0] == "127.0.0.1"


@pytest.mark.ledger("SY1")
def test_names_of_nobody_do_not_resolve(host):
    """A name that pointed somewhere by accident would hide a service that nobody runs."""
    assert host.run("getent ahostsv4 grafana").rc != 0


def test_hosts_file_keeps_the_host_itself(host):
    """sudo and mail stall for seconds where a host cannot resolve its own name."""
    own = host.check_output("hostname")
    assert host.check_output("getent hosts %s", own)
    assert host.check_output("getent ahostsv4 localhost").split()[0] == "127.0.0.1"


@pytest.mark.ledger("CE5")
def test_time_zone_is_stated(host):
    """Nightly tasks at 02:00 mean nothing without the zone."""
    assert host.check_output("readlink /etc/localtime") == "/usr/share/zoneinfo/Etc/UTC"
    assert host.check_output("timedatectl show --value --property Timezone") == "Etc/UTC"


@pytest.mark.ledger("RD6")
def test_kernel_settings_survive_a_reboot(host):
    """What is only written to /proc is gone when the host comes back."""
    text = host.file("/etc/sysctl.d/60-aiko.conf").content_string
    assert re.search(r"^vm\.overcommit_memory = 1$", text, re.M)
    assert "/sys/kernel/mm/transparent_hugepage/enabled - - - - madvise" in host.file("/etc/tmpfiles.d/aiko-hugepages.conf").content_string


@pytest.mark.ledger("RD6")
def test_settings_the_kernel_refuses_are_a_warning(host, converge):
    """A host whose kernel belongs to somebody else must still be deployable, and its operator must know."""
    play = converge({"base_sysctl_extra": {"kernel.aiko_unknown": 1}}).succeeded()
    assert re.search(r"WARNING: \S+: refused kernel\.aiko_unknown: the kernel did not take 1", play.text), play.output
    assert host.file("/etc/sysctl.d/60-aiko.conf").contains("kernel.aiko_unknown")


@pytest.mark.ledger("RD6")
def test_settings_the_kernel_takes_are_in_force(host, converge):
    """A setting that waits for a reboot is a setting that is forgotten."""
    converge({"base_sysctl_extra": {"net.ipv4.tcp_keepalive_time": 1234}}).succeeded()
    assert host.check_output("cat /proc/sys/net/ipv4/tcp_keepalive_time") == "1234"
    assert converge({"base_sysctl_extra": {"net.ipv4.tcp_keepalive_time": 1234}}).succeeded().changed == 0


@pytest.mark.ledger("SY5")
def test_journal_is_bounded_and_kept(host):
    """An unbounded journal fills the disk; one in memory is gone when it is needed most, after a crash."""
    assert host.file("/etc/systemd/journald.conf.d/aiko.conf").contains("^SystemMaxUse=512M$")
    flushed = eventually(
        lambda: host.run("journalctl --no-pager --unit systemd-journald --boot --grep 'System Journal .* max 512'").stdout,
        "journald applies the limit",
    )
    assert "/var/log/journal" in flushed


@pytest.mark.ledger("SY5")
def test_new_limit_reaches_the_running_journal(host, converge):
    """journald reads its configuration when it starts; writing the file alone would change nothing."""
    before = host.check_output("systemctl show --value --property MainPID systemd-journald")
    converge({"base_journal_max": "300M"}).succeeded()
    assert host.check_output("systemctl show --value --property MainPID systemd-journald") != before
    converge({}).succeeded()


def test_people_keep_their_accounts(host):
    """The role must never lock out whoever administers the host."""
    assert host.user("debian").exists
    assert host.file("/home/debian/.ssh/authorized_keys").size > 0
    assert host.run("sudo -u debian sudo -n true").rc == 0
