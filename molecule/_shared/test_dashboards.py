"""The truth test: every query of every dashboard, alert and recorded series, asked of the Prometheus of a site that works."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import threading
import uuid

import pytest
import yaml
from prometheus import Prometheus
from scenario import eventually

from tests import promql
from tests.conformance.conftest import Site, platform_address
from tests.conformance.test_story import LESSON

UNITS = ["prometheus", "prometheus-*-exporter", "aiko-backend@*", "aiko-worker@*"]
# Expressions that have no data on a site that is well, each with the reason. A part of the expression is enough.
EMPTY = {
    'err=~"OOM|MISCONF"': "Redis counts an error when it has made it, and a site that is well has not",
}
# Metrics that are renamed, of five exporters; the first is in recorded series as well.
RENAMED = ["redis_memory_used_bytes", "http_request_total", "pg_stat_database_xact_commit", "node_disk_io_time_seconds_total"]
FIRST_PORT = 9190


@pytest.fixture(scope="module")
def prometheus(host, secrets) -> Prometheus:
    return Prometheus(host, secrets["prometheus_password"])


class Load:
    """A few people at work: requests through nginx, tasks in every queue, some of which fail."""

    def __init__(self, host, domain: str):
        self.host, self.stop = host, threading.Event()
        self.site = Site(platform_address(host), domain)
        person = {"email": f"{uuid.uuid4().hex}@example.com", "password": f"correct-horse-{uuid.uuid4().hex}"}
        assert self.site.patient("POST", "/api/auth/register", body=person | {"name": "Ada"}).status == 201
        self.token = self.site.patient("POST", "/api/auth/login", body=person).json["access_token"]
        self.document = self.site.upload(self.token, "leçon.md", LESSON).json["id"]

    def people(self) -> None:
        """Look, make a quiz, answer it; queues ai_tasks and priority."""
        while not self.stop.is_set():
            self.site.ask("GET", "/health")
            self.site.patient("GET", "/api/documents", token=self.token)
            self.site.patient("GET", f"/api/documents/{uuid.uuid4()}", token=self.token)
            asked = self.site.patient("POST", "/api/quizzes", token=self.token, body={"document_id": self.document, "questions": 4})
            quiz, task = asked.json["id"], asked.json["task_id"]
            self.site.until(f"/api/tasks/{task}", self.token, lambda answer: answer.json.get("state") == "SUCCESS")
            questions = self.site.patient("GET", f"/api/quizzes/{quiz}", token=self.token).json["questions"]
            answers = {question["id"]: question["options"][0] for question in questions}
            self.site.patient("POST", f"/api/quizzes/{quiz}/attempts", token=self.token, body={"answers": answers})

    def machines(self) -> None:
        """What nobody asks for by hand: queue default, and tasks that fail."""
        tasks = [("aiko.tasks.probe.echo", ["1"], "default"), ("aiko.tasks.attempts.correct", ["no-such"], "priority"),
                 ("aiko.tasks.quiz.generate", ["no-such"], "ai_tasks"), ("aiko.tasks.probe.sleep", ["no number"], "default")]
        while not self.stop.is_set():
            for name, arguments, queue in tasks:
                self.host.run("aiko-celery call %s --queue %s --args %s", name, queue, json.dumps(arguments))

    def break_something(self) -> None:
        """A database that is away for a moment: requests that end in an exception."""
        unit = self.host.check_output("systemctl list-units --plain --no-legend 'postgresql@*' | cut -d' ' -f1")
        try:
            self.host.check_output("systemctl stop %s", unit)
            assert self.site.patient("GET", "/api/documents", token=self.token).status == 503
        finally:
            self.host.check_output("systemctl start %s", unit)

    def back_up(self) -> None:
        """What the night does, and the week: panels and alerts on backups speak of one that was made and proven."""
        self.host.check_output("systemctl start aiko-backup.service && systemctl start aiko-backup-drill.service")


@pytest.fixture(scope="module")
def load(host, scenario):
    """Load that goes on while the tests of this module ask."""
    variables = yaml.safe_load((scenario.project / "molecule/_shared/group_vars/all/environment.yml").read_text())
    work = Load(host, variables["aiko_domain"])
    work.break_something()
    work.back_up()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(work.people), pool.submit(work.machines)]
        yield work
        work.stop.set()
    for job in jobs:
        job.result()


@pytest.fixture(scope="module")
def questions(prometheus, load) -> list[promql.Query]:
    """Every query of every panel, with the variables' values as Grafana puts them in."""
    found = []
    for board in promql.boards():
        values = {}
        for name, (selector, label) in promql.variable_queries(board).items():
            what = f"{board['uid']}: ${name} has values"
            values[name] = eventually(lambda chosen=(selector, label): prometheus.values(*chosen), what, 90, every=3)
        found += [promql.Query(query.asker, promql.substituted(query.expression, values)) for query in promql.panel_queries(board)]
    return found


def unanswered(prometheus: Prometheus, queries: list[promql.Query]) -> list[promql.Query]:
    answers = prometheus.ask([query.expression for query in queries])
    wrong = [f"{query.asker}: {answer.error}" for query, answer in zip(queries, answers, strict=True) if answer.error]
    assert not wrong, "\n".join(wrong)
    return [query for query, answer in zip(queries, answers, strict=True) if not answer.has_data]


def excused(query: promql.Query) -> bool:
    return any(part in query.expression for part in EMPTY)


@pytest.mark.ledger("MO6", "MO3")
def test_every_query_has_an_answer(host, prometheus, questions, capsys):
    """A panel that shows nothing looks like a system that does nothing; an alert on a name that nobody tells never fires."""
    alerts = promql.alert_queries()
    series = [promql.Query(f"recorded {name}", name) for name in promql.recorded()]
    asked = questions + alerts + series
    assert len(questions) > 100 and len(alerts) > 30 and len(series) > 20
    waiting = [query for query in asked if not excused(query)]

    def all_answered() -> bool:
        waiting[:] = unanswered(prometheus, waiting)
        return not waiting

    try:
        eventually(all_answered, "every query has data", 180, every=5)
    except AssertionError:
        pytest.fail("no data for\n" + "\n".join(f"  {query.asker}: {query.expression}" for query in waiting))
    release = host.check_output("cat /etc/debian_version")
    with capsys.disabled():
        print(f"\nDebian {release}: {len(asked)} queries have data ({len(questions)} of panels, {len(alerts)} of alerts, "
              f"{len(series)} recorded), {sum(map(excused, asked))} of them excused")


@pytest.mark.ledger("MO6")
def test_what_is_excused_is_still_empty(prometheus, questions):
    """An excuse that is no longer needed hides the next mistake."""
    for part in EMPTY:
        concerned = [query for query in questions + promql.alert_queries() if part in query.expression]
        assert concerned, f"nobody asks for {part} any more"
        assert unanswered(prometheus, concerned), f"{part} has data now"


@pytest.fixture(scope="module")
def scratch(host, secrets, load):
    """Prometheus servers that ask the same targets: one as it is, and for each of RENAMED one to which that metric has another name."""
    original = yaml.safe_load(host.file("/etc/prometheus/prometheus.yml").content_string)
    servers = {}
    try:
        for number, name in enumerate(["", *RENAMED]):
            directory, port = f"/run/scratch-{number}", FIRST_PORT + number
            original["global"] |= {"scrape_interval": "3s", "scrape_timeout": "3s", "evaluation_interval": "3s"}
            original.pop("alerting", None)
            for job in original["scrape_configs"]:
                job["metric_relabel_configs"] = [
                    {"source_labels": ["__name__"], "regex": name, "target_label": "__name__", "replacement": f"{name}_renamed"}
                ] if name else []
            host.check_output(f"mkdir -p {directory} && printf '%%s' %s > {directory}/prometheus.yml", yaml.safe_dump(original))
            host.check_output(
                f"systemd-run --quiet --collect --unit=scratch-{number} --property=WorkingDirectory={directory} prometheus "
                f"--config.file={directory}/prometheus.yml --storage.tsdb.path={directory}/data --web.listen-address=127.0.0.1:{port}")
            servers[name] = Prometheus(host, secrets["prometheus_password"], port)
        yield servers
    finally:
        host.run("systemctl stop 'scratch-*'; rm -rf /run/scratch-*")


@pytest.mark.any_release
@pytest.mark.ledger("MO6")
def test_a_renamed_metric_empties_exactly_its_panels(scratch, questions):
    """The test above is worth something only if it sees a name that changed, as names do with every new exporter."""
    quick = [promql.Query(query.asker, query.expression.replace("[1m]", "[20s]")) for query in questions]
    waiting = list(quick)

    def all_answered() -> bool:
        waiting[:] = unanswered(scratch[""], waiting)
        return not waiting

    eventually(all_answered, "the unchanged one has data", 90, every=3)
    series = promql.recorded()
    for name in RENAMED:
        expected = {query.asker for query in quick if name in promql.origins(query.expression, series)}
        assert expected, f"no panel shows {name}"

        def empty(name: str = name) -> set[str]:
            return {query.asker for query in unanswered(scratch[name], quick)}

        # The servers started one after the other, and some queries look back; what differs in the end is for the assertion to tell.
        with contextlib.suppress(AssertionError):
            eventually(lambda expected=expected: empty() == expected, "exactly its panels are empty", 60, every=3)
        assert empty() == expected, name
