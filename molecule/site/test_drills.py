"""Drills: each thing is broken for real, its alert fires, somebody is told by mail, and told again when it is mended.

The rules are those of production; only their times are shortened, by the variables that operators have as well. All things
are broken at once, since each has an alert of its own. The table goes to artefacts/drills.md.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import pathlib
import re
import shlex
import time

import pytest
import yaml
from scenario import eventually

SCALE = 0.03
# What the issue allows between the end of `for` and the mail, and from mending to the mail that says so.
GRACE = 60
MAILS, PORT = "/run/drill/mails.jsonl", 2525
TIMES = {
    # Not less: the exporter of a stopped PostgreSQL needs a second to say so, and must not run into the scrape's time-out.
    "prometheus_scrape_interval": "2s",
    "prometheus_evaluation_interval": "2s",
    "prometheus_alert_for_scale": SCALE,
    "alertmanager_group_wait": "1s",
    "alertmanager_group_interval": "2s",
    "alertmanager_email_to": "operator@example.com",
    "alertmanager_smarthost": f"127.0.0.1:{PORT}",
    "alertmanager_smtp_tls": False,
}
RULES = {
    rule["alert"]: rule
    for path in pathlib.Path(__file__).resolve().parents[2].glob("roles/prometheus/files/rules/*.yml")
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
UNITS = ["prometheus", "prometheus-alertmanager", "drill-mail"]
# A file system of 20 MB that the node exporter sees: on an overlay, since it does not look at those in memory.
SMALL = """
mkdir -p /run/drill/{0} /srv/drill-{0} && mount -t tmpfs -o size=20M tmpfs /run/drill/{0} && cd /run/drill/{0} && mkdir low up work
mount -t overlay -o lowerdir=$PWD/low,upperdir=$PWD/up,workdir=$PWD/work overlay /srv/drill-{0}
"""
# Ten days are left, and the site's own key: what an automatic renewal that broke looks like.
CERTIFICATE = """
cd /etc/aiko/tls && cp --preserve site.crt /run/drill/site.crt
openssl req -x509 -new -key site.key -subj /CN=aiko.test -addext subjectAltName=DNS:aiko.test -days 10 -out site.crt
systemctl reload nginx
"""
# Memory that is really used, up to a share of all there is. Test hosts share the machine's with others that come and go: what those
# give back is taken as well.
BALLOON = """
import time
held = []
while True:
    sizes = {{line.split(":")[0]: int(line.split()[1]) for line in open("/proc/meminfo")}}
    if 1 - sizes["MemAvailable"] / sizes["MemTotal"] < {}:
        held.append(b"x" * 2**27)
    else:
        time.sleep(0.1)
"""
# A piece of the repository that is empty now, which the next trial restore finds out.
BACKUP = """
find /var/lib/aiko-backup/restic/data -type f | head -n 1 >/run/drill/pack
cp --preserve "$(cat /run/drill/pack)" /run/drill/pack.kept && truncate --size=0 "$(cat /run/drill/pack)"
! systemctl start aiko-backup-drill
"""


@dataclasses.dataclass(frozen=True)
class Drill:
    """How to break a thing, and how to mend it; shell, on the host."""

    breaking: str
    mending: str


DRILLS = {
    "BackupFailed": Drill(BACKUP, 'cp --preserve /run/drill/pack.kept "$(cat /run/drill/pack)" && systemctl start aiko-backup-drill'),
    # The frontend alone; with the backend, that the site does not answer at /health is held back.
    "SiteDown": Drill(
        "systemctl stop aiko-frontend.socket aiko-frontend.service 'aiko-frontend@*.service'",
        "systemctl start aiko-frontend.socket aiko-frontend.service"),
    "BackendDown": Drill(
        "systemctl stop aiko-backend.socket aiko-backend.service 'aiko-backend@*.service'",
        "systemctl start aiko-backend.socket aiko-backend.service"),
    "DatabaseDown": Drill("systemctl stop 'postgresql@*'", "systemctl start postgresql"),
    "RedisDown": Drill("systemctl stop redis-server@cache", "systemctl start redis-server@cache"),
    "HighMemory": Drill("systemd-run --quiet --unit=drill-memory python3 -c {balloon}", "systemctl stop drill-memory"),
    "QueueWithoutWorker": Drill("systemctl stop aiko-worker@ai", "systemctl start aiko-worker@ai"),
    "UnitFailed": Drill(
        "systemd-run --quiet --unit=aiko-drill --property=Type=oneshot false || systemctl is-failed aiko-drill",
        "systemctl reset-failed aiko-drill"),
    "TargetMissing": Drill("systemctl stop prometheus-nginx-exporter", "systemctl start prometheus-nginx-exporter"),
    "CertificateExpiring": Drill(CERTIFICATE, "cp --preserve /run/drill/site.crt /etc/aiko/tls/site.crt && systemctl reload nginx"),
    "DiskNearlyFull": Drill("head --bytes=19M /dev/zero >/srv/drill-full/zeros", "rm /srv/drill-full/zeros"),
    "DiskFilling": Drill("head --bytes=12M /dev/zero >/srv/drill-filling/zeros", "rm /srv/drill-filling/zeros"),
}


@dataclasses.dataclass
class Record:
    """What became of a drill, in seconds since 1970."""

    broken: float = 0
    fired: float = 0
    mailed: float = 0
    mended: float = 0
    resolved: float = 0
    mail: str = ""


class Inbox:
    """What the mail server on the host has got."""

    def __init__(self, host):
        self.host = host

    def mails(self) -> list[dict]:
        return [json.loads(line) for line in self.host.check_output(f"cat {MAILS} 2>/dev/null || true").splitlines()]

    def about(self, alert: str, status: str, since: float = 0) -> dict | None:
        """The first mail with this status (FIRING, RESOLVED) about an alert."""
        return next((mail for mail in self.mails()
                     if mail["at"] >= since and re.match(rf"\[{status}(:\d+)?\] {alert}\b", mail["subject"])), None)


def seconds(text: str) -> int:
    return sum(int(number) * {"s": 1, "m": 60, "h": 3600}[unit] for number, unit in re.findall(r"(\d+)([smh])", text))


def memory(host) -> dict[str, int]:
    return {name: int(size) * 1024 for name, size in re.findall(r"(\w+): +(\d+) kB", host.check_output("cat /proc/meminfo"))}


def install(host, name: str) -> None:
    """Copy a helper to the host."""
    text = (pathlib.Path(__file__).resolve().parents[1] / "_shared" / name).read_bytes()
    host.check_output(f"mkdir -p /run/drill && echo %s | base64 --decode >/run/drill/{name}", base64.b64encode(text).decode())


def firing(host) -> set[str]:
    alerts = json.loads(host.check_output("aiko-query --alerts --json"))["alerts"]
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


@pytest.fixture(scope="module")
def watched(host, converge):
    """The host with short times, a mail server, and two small file systems. The memory's threshold is well above what is used."""
    size = memory(host)
    used = 1 - size["MemAvailable"] / size["MemTotal"]
    install(host, "smtp_sink.py")
    host.check_output(f"systemd-run --quiet --unit=drill-mail python3 /run/drill/smtp_sink.py {PORT} {MAILS}")
    for name in ("full", "filling"):
        host.check_output(SMALL.format(name))
    # Far enough from what is used that neighbours do not reach it, and not so far that the machine would suffer.
    limit = round(max(min(used + 0.25, 0.8), used + 0.06), 3)
    threshold = {"prometheus_alert_overrides": {"HighMemory": {"threshold": limit}}}
    converge(TIMES | threshold, "--tags", "monitoring").succeeded()
    yield BALLOON.format(limit + 0.02)
    converge({}, "--tags", "monitoring").succeeded()
    host.check_output("systemctl stop drill-mail; umount /srv/drill-* /run/drill/full /run/drill/filling; rm -r /run/drill /srv/drill-*")


@pytest.fixture(scope="module")
def records(scenario, host, watched) -> dict[str, Record]:
    """Break everything, wait for the mails, mend everything, wait for the mails."""
    found = {alert: Record() for alert in DRILLS}
    inbox = Inbox(host)

    def all_about(status: str) -> bool:
        mails = inbox.mails()
        return all(any(re.match(rf"\[{status}(:\d+)?\] {alert}\b", mail["subject"]) for mail in mails) for alert in DRILLS)

    def wait(status: str, limit: float) -> None:
        # What is missing is for the tests to tell, each its own.
        with contextlib.suppress(AssertionError):
            eventually(lambda: all_about(status), f"mails {status} about all drills", limit, every=0.5)

    # The small file systems have to be seen empty first: a prediction needs a past.
    seen = "aiko-query 'count_over_time(instance_mountpoint:node_filesystem_used:ratio[1m]) > 3'"
    eventually(lambda: "/srv/drill-filling" in host.check_output(seen), "the small file systems are watched", 60, every=0.5)
    before = firing(host)
    try:
        for alert, drill in DRILLS.items():
            found[alert].broken = time.time()
            host.check_output("bash -ec %s", drill.breaking.replace("{balloon}", shlex.quote(watched)))
        wait("FIRING", max(seconds(RULES[alert]["for"]) for alert in DRILLS) * SCALE + GRACE)
    finally:
        failed = []
        for alert, drill in reversed(DRILLS.items()):
            found[alert].mended = time.time()
            done = host.run("bash -ec %s", drill.mending)
            failed += [] if done.rc == 0 else [f"{alert}: {done.stderr}"]
    assert not failed
    wait("RESOLVED", GRACE)
    # Others may: tests before these let tasks fail, and that is remembered for some minutes.
    assert not before & set(DRILLS), f"before anything was broken these fired: {before}"
    # An earlier run on a host that was kept is none of this one's business.
    since = int(time.time() - min(record.broken for record in found.values()))
    first = f'min by (alertname) (min_over_time(timestamp(ALERTS{{alertstate="firing"}})[{since}s:1s]))'
    began = json.loads(host.check_output("aiko-query --json %s", first))
    fired = {series["metric"]["alertname"]: float(series["value"][1]) for series in began["result"]}
    for alert, record in found.items():
        record.fired = fired.get(alert, 0)
        told, over = inbox.about(alert, "FIRING"), inbox.about(alert, "RESOLVED")
        record.mailed, record.mail = (told["at"], told["body"]) if told else (0, "")
        record.resolved = over["at"] if over else 0
    return found


def table(records: dict[str, Record]) -> str:
    """The drills as a table of Markdown; times of day in UTC, and seconds since the thing was broken or mended."""

    def clock(then: float) -> str:
        return time.strftime("%H:%M:%S", time.gmtime(then)) if then else "never"

    lines = ["| alert | for | broken at | fired at | mailed at | after | mended at | resolved at | after |", "|" + " --- |" * 9]
    for alert, record in records.items():
        told = f"{record.mailed - record.broken:.1f} s" if record.mailed else "-"
        over = f"{record.resolved - record.mended:.1f} s" if record.resolved else "-"
        lines.append(
            f"| {alert} | {seconds(RULES[alert]['for']) * SCALE:.1f} s | {clock(record.broken)} | {clock(record.fired)} "
            f"| {clock(record.mailed)} | {told} | {clock(record.mended)} | {clock(record.resolved)} | {over} |"
        )
    return "\n".join(lines)


def test_the_table_of_drills(scenario, host, records, capsys):
    """Somebody will ask how long it takes until one is told; the answer is measured."""
    text = table(records)
    place = scenario.project / "artefacts" / "drills.md"
    place.parent.mkdir(exist_ok=True)
    release = host.check_output(". /etc/os-release && echo $PRETTY_NAME")
    note = f"{release}; the rules' times x {SCALE}; the memory's threshold is well above what was used."
    place.write_text(f"# Drills\n\n{note}\n\n{text}\n")
    with capsys.disabled():
        print(f"\n{text}")
    assert all(record.broken and record.mended for record in records.values())


@pytest.mark.ledger("MO3", "MO4")
@pytest.mark.parametrize("alert", DRILLS)
def test_somebody_is_told_and_told_when_it_is_over(records, alert):
    """A chain of six programs has to work at night for one mail; this is the whole chain."""
    record = records[alert]
    assert record.fired, f"{alert} has not fired"
    assert record.fired - record.broken >= seconds(RULES[alert]["for"]) * SCALE - 2.5, "it fired before its time"
    assert record.mailed, f"{alert} has fired, and no mail came"
    assert record.mailed - record.broken <= seconds(RULES[alert]["for"]) * SCALE + GRACE
    assert f"{alert}.md" in record.mail, "the mail does not say where to read what to do"
    assert record.resolved, "it was mended, and no mail said so"
    assert record.resolved - record.mended <= GRACE


@pytest.mark.ledger("MO3", "MO4")
def test_visitors_who_get_no_answer_are_noticed_from_outside(host, records):
    """Everything on the host may be well and the site be gone all the same."""
    inbox = Inbox(host)
    eventually(lambda: not firing(host) & set(DRILLS), "no drill's alert fires after everything was mended", 60, every=0.5)
    began = time.time()
    host.check_output("systemctl stop nginx")
    try:
        limit = seconds(RULES["SiteDown"]["for"]) * SCALE + GRACE
        mail = eventually(lambda: inbox.about("SiteDown", "FIRING", began), "a mail about SiteDown", limit, every=0.5)
        mended = time.time()
    finally:
        host.check_output("systemctl start nginx")
    assert "SiteDown.md" in mail["body"]
    eventually(lambda: inbox.about("SiteDown", "RESOLVED", mended), "a mail that it is over", GRACE, every=0.5)


@pytest.mark.ledger("MO4")
def test_what_follows_from_the_backend_is_held_back(host, records):
    """One cause is one mail: whoever gets ten at once reads none. What has another cause, the frontend, is told all the same."""
    mended = min(record.mended for record in records.values())
    bodies = [mail["body"] for mail in Inbox(host).mails() if "SiteDown" in mail["subject"] and mail["at"] < mended]
    assert any(re.search(r"path = /api/health\b", body) for body in bodies)
    assert not any(re.search(r"path = /health\b", body) for body in bodies)
