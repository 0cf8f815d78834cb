"""The dashboards: fresh, whole, readable, and true to the kit's types. What their queries find is molecule/_shared/test_dashboards.py's."""

import copy
import json
import re

import jsonschema
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as model

from roles.grafana.dashboards import __main__ as generator
from tests import promql
from tests.unit.support import ROOT

SCHEMA = json.loads((ROOT / "tests/unit/grafana_schema/dashboard-11.6.0.json").read_text())
# The kit writes the keys of interval variables into every variable; Grafana does not read them there.
SUPERFLUOUS = ("auto", "auto_count", "auto_min")
BOARDS = {board["uid"]: board for board in promql.boards()}
EVERY = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
# Row MO6 of the ledger: what each dashboard must show, and the title of the panel that does.
ASKED = {
    "aiko-system": {"service status": "Services", "CPU": "CPU", "memory": "Memory", "disk": "Disks", "network": "Network"},
    "aiko-backend": {
        "request rate": "Requests by status", "p50/p95/p99": "Time to answer", "error rate": "Errors", "active connections": "nginx"},
    "aiko-database": {
        "connections": "Connections", "queries/s": "Statements", "cache hit ratio": "Cache hits", "slow queries": "Slowest statements"},
    "aiko-redis": {"memory": "Memory", "hit ratio": "Hit ratio", "evictions": "Keys that went", "clients": "Clients"},
    "aiko-celery": {
        "tasks by state": "Tasks by state", "duration": "Duration", "queue length": "Queue length", "worker health": "Heartbeat"},
}


@pytest.mark.ledger("MO6")
def test_the_files_are_what_the_source_says(capsys):
    """The files are what is deployed; a change of the source that is not in them is a change that nobody sees."""
    assert generator.main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_file_is_seen_and_mended(tmp_path, monkeypatch, capsys):
    """The test above is worth something only if the generator tells a difference."""
    monkeypatch.setattr(generator, "FILES", tmp_path)
    assert generator.main(["--check"]) == 1
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0
    (tmp_path / "stranger.json").write_text("{}")
    (tmp_path / "aiko-redis.json").write_text("{}")
    assert generator.main(["--check"]) == 1
    assert "aiko-redis.json is stale" in capsys.readouterr().out
    assert generator.main([]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{uid}.json" for uid in BOARDS)


@pytest.mark.ledger("MO6")
@pytest.mark.parametrize("uid", ASKED)
def test_everything_that_was_asked_for_is_shown(uid):
    """The five dashboards of the ledger, each with the panels that it names."""
    assert set(BOARDS) == set(ASKED)
    titles = {panel["title"] for panel in promql.panels(BOARDS[uid])}
    assert not {what: title for what, title in ASKED[uid].items() if title not in titles}


@EVERY
def test_panels_explain_themselves(board):
    """At night a number without unit, scale and meaning helps nobody."""
    for panel in promql.panels(board):
        defaults = panel["fieldConfig"]["defaults"]
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["description"].rstrip()[-1] in ".?" or "systemctl" in panel["description"], panel["title"]
        assert defaults["unit"], panel["title"]
        assert defaults["thresholds"]["steps"], panel["title"]
        assert panel["datasource"]["uid"] == "aiko-prometheus", panel["title"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"aiko-prometheus"}, panel["title"]
        assert all(target.get("legendFormat") for target in panel["targets"]) or panel["type"] in ("stat", "table"), panel["title"]
    assert board["description"]


@EVERY
def test_panels_lie_side_by_side(board):
    """A hole or an overlap is what the browser makes of a line that does not add up to 24 columns."""
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert not cells & taken, f"{panel['title']} covers another panel"
        taken |= cells
    height = max(y for _, y in taken) + 1
    assert len(taken) == 24 * height, "there is a hole"


@EVERY
def test_numbers_of_panels_are_unique(board):
    """Links to a panel and its place in the browser hang on its number; the kit gives none by itself."""
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers)) and None not in numbers


@pytest.mark.ledger("MO5")
@EVERY
def test_boards_are_read_only_and_find_each_other(board):
    """Who looks at a slow site has to get to the database with one click."""
    assert not board["editable"]
    assert not board.get("id"), "a number of one Grafana means nothing in another"
    (link,) = board["links"]
    assert link["type"] == "dashboards" and set(link["tags"]) <= set(board["tags"]) and link["keepTime"]
    text = json.dumps(board)
    assert set(re.findall(r"/d/([\w-]+)", text)) <= set(BOARDS)


@EVERY
def test_queries_can_be_parsed_and_know_their_variables(board):
    """A query with a mistake shows an empty panel and a small triangle."""
    variables = promql.variable_queries(board)
    for selector, _ in variables.values():
        promql.promql.parse(selector)
    for query in promql.panel_queries(board):
        used = set(re.findall(r"\$(\w+)", query.expression)) - set(promql.GRAFANA)
        assert used <= set(variables), query
        text = promql.substituted(query.expression, {name: ["a.b", "c"] for name in variables})
        assert promql.names(text), query
    asked = "".join(query.expression for query in promql.panel_queries(board))
    assert not [name for name in variables if f"${name}" not in asked], "a variable that changes nothing"


@EVERY
def test_recorded_series_are_recorded(board):
    """A rule that was renamed leaves the panel behind."""
    recorded = promql.recorded()
    values = {name: ["x"] for name in promql.variable_queries(board)}
    texts = [promql.substituted(query.expression, values) for query in promql.panel_queries(board)]
    used = {name for text in texts for name in promql.names(text) if ":" in name}
    assert used <= set(recorded), used - set(recorded)


@EVERY
def test_boards_are_of_the_kits_types(board):
    """What the kit reads and writes again without a loss has no key that this Grafana does not know."""
    register_default_plugins()
    again = json.loads(JSONEncoder(sort_keys=True).encode(model.Dashboard.from_json(board)))
    assert again == board


@EVERY
def test_boards_are_what_grafana_itself_describes(board):
    """The kit is one reading of what a dashboard is; Grafana's own types, from which its browser code is made, are another."""
    plain = copy.deepcopy(board)
    for variable in plain["templating"]["list"]:
        for key in SUPERFLUOUS:
            del variable[key]
    validator = jsonschema.Draft7Validator(SCHEMA)
    assert not [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(plain)]
    plain["panels"][1]["fieldConfig"]["defaults"]["thresholds"]["mode"] = "somehow"
    plain["refresh"] = 5
    assert len(list(validator.iter_errors(plain))) >= 2, "the schema lets everything pass"


def test_operands_of_alerts_are_told_from_their_comparisons():
    """`no data` and `does not fire` look the same to whoever asks the alert's own expression."""
    assert promql.operands("a > 3 and on (x) (b == 0 unless absent(c{d='e'}))") == ["a{}", "b{}", 'c{d="e"}']
    assert promql.operands("sum(rate(a[5m])) / (b > 0) < scalar(l) * 2") == ["sum(rate(a{}[5m])) / (b{})", "scalar(l{}) * 2"]
    assert promql.operands("count(up == 0) > 1") == ["count(up{})"]
    assert promql.operands("x offset 15m") == ["x{}"]
    assert promql.operands("max(x offset 26h) > 1") == ["max(x{})"]
    assert promql.operands("vector(1)") == []


def test_origins_go_through_recorded_series():
    """A panel fails when the metric below its recorded series is renamed; the test of that must expect it."""
    series = {"l:m:rate5m": "sum(rate(m_total[5m])) / n", "l:deep:x": "l:m:rate5m * 2"}
    assert promql.origins('l:deep:x + {__name__=~"p|q"}', series) == {"m_total", "n", "p", "q"}


def test_variables_are_put_in_as_grafana_does():
    """One value stands for itself, several are alternatives, and signs of regular expressions are escaped twice: RE2 and PromQL."""
    assert promql.substituted('a{b=~"$x"}', {"x": ["v.1"]}) == 'a{b=~"v\\\\.1"}'
    assert promql.substituted('rate(a{b=~"$x"}[$__rate_interval])', {"x": ["v", "w"]}) == 'rate(a{b=~"(v|w)"}[1m])'
