"""The alertmanager role: alerts reach people, once, and the cause before what follows from it."""

from __future__ import annotations

import json
import uuid

import pytest
import yaml
from scenario import assert_closed_in, eventually, process, unit_property

UNITS = ["prometheus-alertmanager", "smtp-sink"]
# The lab's mail server speaks no TLS; what happens where that is wanted has a test of its own.
MAIL = {"alertmanager_email_to": "ops@example.com", "alertmanager_smtp_tls": False, "alertmanager_group_wait": "1s"}
ACCOUNT = {"alertmanager_smtp_user": "alerts", "alertmanager_smtp_password": "sesame"}


@pytest.fixture(scope="module")
def receiver(host_name) -> dict:
    """The mail server and an account there; none in a container, where Go gives no password to a server without TLS."""
    if host_name == "alertmanager-container":
        return {**MAIL, "alertmanager_smarthost": "10.89.61.1:2525"}
    return {**MAIL, **ACCOUNT, "alertmanager_smarthost": "127.0.0.1:2525"}


@pytest.fixture(scope="module", autouse=True)
def with_mail(converge, receiver):
    """Most of what follows wants a receiver."""
    converge(receiver).succeeded()


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


@pytest.mark.any_runtime
@pytest.mark.ledger("MO4")
def test_timings_of_the_seed(host, converge, receiver):
    """Ten seconds to gather, ten minutes for news of a group, an hour until it tells again."""
    converge({**receiver, "alertmanager_group_wait": "10s"}).succeeded()
    try:
        route = settings(host)["route"]
        assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("10s", "10m", "1h")
        assert "SUCCESS" in host.check_output("amtool check-config /etc/prometheus/alertmanager.yml")
    finally:
        converge(receiver).succeeded()


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
    before = process(host, "prometheus-alertmanager")
    # The state is written at the end and every fifteen minutes.
    host.check_output("systemctl restart prometheus-alertmanager")
    assert unit_property(host, "prometheus-alertmanager", "MainPID") != "0"
    assert process(host, "prometheus-alertmanager") != before
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
def test_it_is_closed_in(host, host_name):
    """One port on loopback, and none for a cluster that does not exist."""
    assert_closed_in(host, "prometheus-alertmanager")
    listening = {line.split()[3] for line in host.check_output("ss -lntuH -p").splitlines() if "alertmanage" in line}
    ports = {line.split()[3] for line in host.check_output("ss -ltnH").splitlines()}
    # Containers of this host ask it at an address that only they and the host reach.
    inside = {"10.89.61.1:9093"} if host_name == "alertmanager-container" else set()
    assert {address for address in ports if address.endswith(":9093")} == {"127.0.0.1:9093"} | inside
    assert not [address for address in ports | listening if address.endswith(":9094")]


@pytest.mark.any_runtime
@pytest.mark.parametrize(("wrong", "words"), [
    ({"alertmanager_smarthost": ""}, ["alertmanager_email_to is set and alertmanager_smarthost is not", "Expected: both"]),
    ({"alertmanager_smarthost": "mail.example.com"}, ["alertmanager_smarthost is 'mail.example.com'", "HOST:PORT"]),
    ({"alertmanager_smtp_password": ""}, ["alertmanager_smtp_user and alertmanager_smtp_password"]),
], ids=["half", "port", "account"])
def test_receivers_that_cannot_work_are_refused(converge, receiver, wrong, words):
    """One finds out on the day that something breaks, otherwise."""
    converge({**receiver, **wrong}).refused(*words)


def test_a_configuration_that_makes_no_sense_is_refused(host, converge, receiver):
    """The one that is there goes on telling people."""
    before = host.check_output("cat /etc/prometheus/alertmanager.yml")
    wrong = {"alertmanager_settings": {"route": {"receiver": "nobody-knows"}}}
    converge({**receiver, **wrong}).refused("check-config", "former files are in place")
    assert host.check_output("cat /etc/prometheus/alertmanager.yml") == before


@pytest.mark.any_runtime
def test_mail_without_tls_is_not_sent_where_tls_is_wanted(host, converge, receiver, fire, mails):
    """Alerts name hosts and faults; the default is not to send them in clear. The webhook stands in meanwhile."""
    converge({**receiver, "alertmanager_smtp_tls": True, "alertmanager_webhook_url": "http://127.0.0.1:9/hook"}).succeeded()
    try:
        name = fire()
        said = "journalctl --namespace=monitoring --no-pager --lines=50"
        eventually(lambda: "STARTTLS" in host.run(said).stdout, "it says why", 30)
        assert not [one for one in mails() if name in one["subject"]]
        assert [one["name"] for one in settings(host)["receivers"] if "webhook_configs" in one] == ["people"]
    finally:
        converge(receiver).succeeded()


@pytest.mark.any_runtime
def test_without_a_receiver_it_says_so_in_one_line(converge, receiver):
    """Silence must not be taken for health."""
    assert "NOTICE" in converge({}, "--check").succeeded().text
    assert "alerts reach nobody" not in converge(receiver, "--check").succeeded().text
