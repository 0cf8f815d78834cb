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


@pytest.mark.ledger("NX2")
def test_ports_are_used_again(host):
    """Where nginx has a host of its own, the ports of its requests to the backend's host would be used up; molecule/nginx has the story."""
    assert host.check_output("cat /proc/sys/net/ipv4/tcp_tw_reuse") == "1"


@pytest.mark.any_release
@pytest.mark.ledger("RD6")
def test_settings_the_kernel_refuses_are_a_warning(host, converge):
    """A host whose kernel belongs to somebody else must still be deployable, and its operator must know."""
    play = converge({"base_sysctl_extra": {"kernel.aiko_unknown": 1}}).succeeded()
    assert re.search(r"WARNING: \S+: refused kernel\.aiko_unknown: the kernel did not take 1", play.text), play.output
    assert host.file("/etc/sysctl.d/60-aiko.conf").contains("kernel.aiko_unknown")


@pytest.mark.any_release
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


def says(host, namespace: str, command: str) -> None:
    """Let a service say something in the journal of its name."""
    host.check_output(f"systemd-run --quiet --wait --collect --property=LogNamespace={namespace} sh -c %s", command)


def size(host, namespace: str) -> int:
    return int(host.check_output(f"du --bytes --summarize /var/log/journal/*.{namespace} | cut -f1"))


@pytest.mark.ledger("SY5")
def test_a_flood_stays_within_its_bound_and_drowns_nobody(host):
    """Three times ten megabytes, as the seed's log rotation: a service that goes mad at night must not fill the disk, nor push
    out what another had to say."""
    says(host, "worker", "echo the-last-word-of-the-worker")
    # Lines of 40 kB that do not compress: fewer than the 10000 in 30 seconds of which journald drops the rest by itself.
    says(host, "backend", "head --bytes=60M /dev/urandom | base64 --wrap=40000; echo the-end-of-the-flood")
    eventually(lambda: "the-end-of-the-flood" in host.run("aiko-logs backend --lines 3").stdout, "everything was taken in", 60)
    # The file that is written to may be a little over while the oldest is being dropped.
    assert 8 * 2**20 < size(host, "backend") <= 32 * 2**20
    assert "the-last-word-of-the-worker" in host.check_output("aiko-logs worker")


@pytest.mark.ledger("SY5")
def test_logs_are_read_by_service_by_number_and_exported(host):
    """One command for each way of reading; with `journalctl --unit` a service's last words before its end would be missing."""
    says(host, "redis", "for i in 1 2 3; do echo line-$i-of-redis; done")
    says(host, "beat", "echo a-line-of-beat")
    assert eventually(lambda: re.findall(r"line-\d-of-\w+", host.run("aiko-logs redis -n 2").stdout), "they arrive") == [
        "line-2-of-redis", "line-3-of-redis"]
    everything = host.check_output("aiko-logs")
    assert "line-3-of-redis" in everything
    assert "a-line-of-beat" in everything
    host.check_output("cd /root && aiko-logs redis beat --export probe.log")
    file = host.file("/root/probe.log")
    assert file.mode == 0o600
    assert "line-1-of-redis" in file.content_string
    assert "a-line-of-beat" in file.content_string


@pytest.mark.ledger("SY5")
def test_logs_are_followed(host):
    """Whoever watches a deployment sees lines when they are written."""
    command = "systemd-run --quiet --collect --unit=probe-follow --property=StandardOutput=file:/run/followed aiko-logs --follow redis"
    host.check_output(command)
    try:
        eventually(lambda: "-of-redis" in host.run("cat /run/followed").stdout, "it begins with what there was")
        says(host, "redis", "echo news-of-redis")
        eventually(lambda: "news-of-redis" in host.run("cat /run/followed").stdout, "it goes on")
    finally:
        host.check_output("systemctl stop probe-follow")


@pytest.mark.ledger("SY5")
@pytest.mark.parametrize(("arguments", "words"), [
    ("bakend", "there is no service 'bakend'; expected: backend, worker"), ("--lines many", "expected a number, or all"),
    ("--follow --export x", "choose one"),
])
def test_logs_refuse_what_they_cannot_do(host, arguments, words):
    """An empty answer to a mistyped name would look like peace."""
    done = host.run(f"aiko-logs {arguments}")
    assert done.rc == 2
    assert words in done.stderr
