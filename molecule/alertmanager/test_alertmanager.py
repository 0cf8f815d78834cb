"""The alertmanager role: alerts reach people, once, and the cause before what follows from it."""

from __future__ import annotations

import json
import uuid

import pytest
import yaml
from scenario import eventually, exposure, unit_property

UNITS = ["prometheus-alertmanager", "smtp-sink"]
# The lab's mail server speaks no TLS; what happens where that is wanted has a test of its own.
MAIL = {
    "alertmanager_email_to": "ops@example.com", "alertmanager_smarthost": "127.0.0.1:2525", "alertmanager_smtp_tls": False,
    "alertmanager_smtp_user": "alerts", "alertmanager_smtp_password": "sesame", "alertmanager_group_wait": "1s",
}


@pytest.fixture(scope="module", autouse=True)
def with_mail(converge):
    """Most of what follows wants a receiver."""
    converge(MAIL).succeeded()


@pytest.fixture
def mails(host):
    """All mails that have arrived."""

    def read() -> list[dict]:
        return [json.loads(line) for line in host.run("cat /var/lib/private/smtp-sink/mails").stdout.splitlines()]

    return read


@pytest.fixture
def fire(host):
    """Hand an alert to Alertmanager as Prometheus would; its name is of no other test."""

    def alert(name: str = "", **labels: str) -> str:
        name = name or f"Probe{uuid.uuid4().hex[:8]}"
        words = " ".join(f"{key}={value}" for key, value in {"alertname": name, "severity": "page", **labels}.items())
        host.check_output(f"amtool alert add {words} --annotation=summary='it is {name}'")
        return name

    return alert


def settings(host) -> dict:
    return yaml.safe_load(host.check_output("cat /etc/prometheus/alertmanager.yml"))


@pytest.mark.ledger("MO4")
def test_an_alert_is_mailed(fire, mails):
    """The seed had alerts and nobody to tell them to."""
    name = fire(instance="web1")
    mail = eventually(lambda: next((one for one in mails() if name in one["subject"]), None), "the mail arrives", 30)
    assert mail["to"] == ["ops@example.com"]
    assert mail["from"] == "<alertmanager@aiko.test>"
    assert f"it is {name}" in mail["body"]


@pytest.mark.ledger("MO4")
def test_timings_of_the_seed(host, converge):
    """Ten seconds to gather, ten minutes for news of a group, an hour until it tells again."""
    converge({**MAIL, "alertmanager_group_wait": "10s"}).succeeded()
    try:
        route = settings(host)["route"]
        assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("10s", "10m", "1h")
        assert "SUCCESS" in host.check_output("amtool check-config /etc/prometheus/alertmanager.yml")
    finally:
        converge(MAIL).succeeded()


@pytest.mark.ledger("MO4")
def test_what_follows_from_a_cause_is_not_told(fire, mails, host):
    """Twenty mails about one dead host hide the one that says so; other hosts are not silenced with it."""
    instance = f"host{uuid.uuid4().hex[:6]}"
    fire("HostDown", instance=instance, environment=instance)
    eventually(lambda: [one for one in mails() if "HostDown" in one["subject"]], "the cause is told", 30)
    follower, other = fire(instance=instance, environment=instance), fire(instance="elsewhere", environment=instance)
    eventually(lambda: [one for one in mails() if other in one["subject"]], "another host is told of", 30)
    assert not [one for one in mails() if follower in one["subject"]]
    assert follower in host.check_output("amtool alert query --inhibited")


def test_the_watchdog_wakes_nobody(fire, mails):
    """It always fires; whoever gets it by mail filters it, and the others with it."""
    fire("Watchdog", severity="none")
    other = fire()
    eventually(lambda: [one for one in mails() if other in one["subject"]], "a later alert is told", 30)
    assert not [one for one in mails() if "Watchdog" in one["subject"]]


def test_silences_survive_a_kill(host, fire, mails):
    """Somebody who works on a host must not be paged for it after a crash."""
    host.check_output("amtool silence add instance=quiet --duration=1h --author=probe --comment=work")
    before = unit_property(host, "prometheus-alertmanager", "MainPID")
    # The state is written at the end and every fifteen minutes.
    host.check_output("systemctl restart prometheus-alertmanager")
    assert unit_property(host, "prometheus-alertmanager", "MainPID") != before
    eventually(lambda: "quiet" in host.run("amtool silence query").stdout, "the silence is still there", 30)
    silenced, other = fire(instance="quiet"), fire(instance="loud")
    eventually(lambda: [one for one in mails() if other in one["subject"]], "another is told", 30)
    assert not [one for one in mails() if silenced in one["subject"]]


def test_nobody_silences_without_the_password(host):
    """Whoever can silence alerts can work undisturbed."""
    script = (
        "import urllib.request as u, urllib.error\n"
        "try: print(u.urlopen('http://127.0.0.1:9093/api/v2/alerts', timeout=15).status)\n"
        "except urllib.error.HTTPError as e: print(e.code)"
    )
    assert host.check_output("python3 -c %s", script) == "401"
    assert host.run("cd / && runuser -u nobody -- amtool alert").rc != 0


@pytest.mark.ledger("SY3")
def test_the_mail_accounts_password_is_for_the_service_alone(host, secrets):
    """It is an account of the organisation; and an address of a webhook is a password too."""
    for name in ("alertmanager.yml", "alertmanager-web.yml", "smtp-password", "amtool-http.yml"):
        file = host.file(f"/etc/prometheus/{name}")
        assert (file.user, file.group, file.mode) == ("root", "prometheus", 0o640), name
    for place in ("systemctl show prometheus-alertmanager", "ps axww -o args", "cat /etc/prometheus/amtool.yml"):
        assert secrets["alertmanager_password"] not in host.check_output(place), place
        assert "sesame" not in host.check_output(place + " | grep -v smtp_sink"), place


@pytest.mark.ledger("SY4", "NX1")
def test_it_is_closed_in(host):
    """One port on loopback, and none for a cluster that does not exist."""
    assert exposure(host, "prometheus-alertmanager.service") <= 2.5
    pid = unit_property(host, "prometheus-alertmanager", "MainPID")
    status = dict(line.split(":\t", 1) for line in host.check_output(f"cat /proc/{pid}/status").splitlines() if ":\t" in line)
    assert int(status["CapEff"], 16) == 0
    listening = {line.split()[3] for line in host.check_output("ss -lntuH -p").splitlines() if "alertmanage" in line}
    ports = {line.split()[3] for line in host.check_output("ss -ltnH").splitlines()}
    assert "127.0.0.1:9093" in ports
    assert not [address for address in ports | listening if address.endswith(":9094")]


@pytest.mark.parametrize(("wrong", "words"), [
    ({"alertmanager_smarthost": ""}, ["alertmanager_email_to is set and alertmanager_smarthost is not", "Expected: both"]),
    ({"alertmanager_smarthost": "mail.example.com"}, ["alertmanager_smarthost is 'mail.example.com'", "HOST:PORT"]),
    ({"alertmanager_smtp_password": ""}, ["alertmanager_smtp_user and alertmanager_smtp_password"]),
    ({"alertmanager_settings": {"route": {"receiver": "nobody-knows"}}}, ["amtool check-config", "former files are in place"]),
], ids=["half", "port", "account", "receiver"])
def test_receivers_that_cannot_work_are_refused(host, converge, wrong, words):
    """One finds out on the day that something breaks, otherwise."""
    before = host.check_output("cat /etc/prometheus/alertmanager.yml")
    converge({**MAIL, **wrong}).refused(*words)
    assert host.check_output("cat /etc/prometheus/alertmanager.yml") == before


def test_mail_without_tls_is_not_sent_where_tls_is_wanted(host, converge, fire, mails):
    """Alerts name hosts and faults; the default is not to send them in clear. The webhook stands in meanwhile."""
    converge({**MAIL, "alertmanager_smtp_tls": True, "alertmanager_webhook_url": "http://127.0.0.1:9/hook"}).succeeded()
    try:
        name = fire()
        said = "journalctl --namespace=monitoring --no-pager --lines=50"
        eventually(lambda: "STARTTLS" in host.run(said).stdout, "it says why", 30)
        assert not [one for one in mails() if name in one["subject"]]
        assert [one["name"] for one in settings(host)["receivers"] if "webhook_configs" in one] == ["people"]
    finally:
        converge(MAIL).succeeded()


def test_without_a_receiver_it_says_so_in_one_line(converge):
    """Silence must not be taken for health."""
    assert "NOTICE" in converge({}, "--check").succeeded().text
    assert "alerts reach nobody" not in converge(MAIL, "--check").succeeded().text
