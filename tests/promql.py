"""What the dashboards and the rules ask of Prometheus, taken apart."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
from collections.abc import Iterable, Mapping

import promql_parser as promql
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
DASHBOARDS = ROOT / "roles/grafana/files/dashboards"
RULES = ROOT / "roles/prometheus/files/rules"
SETS = {"and", "or", "unless"}
COMPARISONS = {"==", "!=", ">", "<", ">=", "<="}
# Grafana's own variables that we use, here with what they stand for where nothing else is said.
GRAFANA = {"__rate_interval": "1m", "__range": "3h"}


@dataclasses.dataclass(frozen=True)
class Query:
    """An expression and who asks it."""

    asker: str
    expression: str


def boards() -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))]


def panels(board: dict) -> list[dict]:
    """The panels of a dashboard that ask something; rows do not."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def panel_queries(board: dict) -> list[Query]:
    return [
        Query(f"{board['uid']}: {panel['title']} [{target['refId']}]", target["expr"])
        for panel in panels(board)
        for target in panel["targets"]
    ]


def variable_queries(board: dict) -> dict[str, tuple[str, str]]:
    """Name of each variable to the selector and the label whose values it offers."""
    found = {}
    for variable in board["templating"]["list"]:
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
        assert match, f"{board['uid']}: ${variable['name']} is not label_values(SELECTOR, LABEL): {variable['query']}"
        found[variable["name"]] = match[1], match[2]
    return found


def substituted(expression: str, values: Mapping[str, Iterable[str]]) -> str:
    """The expression as Grafana sends it with all of each variable's values chosen: regular expressions of alternatives."""
    plain = dict(GRAFANA)
    for name, chosen in values.items():
        escaped = [re.sub(r"([.+*?()|\[\]{}^$\\])", r"\\\\\1", value) for value in chosen]
        plain[name] = escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
    return re.sub(r"\$(\w+)", lambda match: plain[match[1]], expression)


def rules() -> list[dict]:
    """All rules of all files, with the name that each is known by."""
    documents = [yaml.safe_load(path.read_text()) for path in sorted(RULES.glob("*.yml"))]
    return [rule for document in documents for group in document["groups"] for rule in group["rules"]]


def recorded() -> dict[str, str]:
    """Name of each recorded series to its expression."""
    return {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}


def alert_queries() -> list[Query]:
    """What the alerts look at, whether they fire or not: operands without the comparisons that make them alerts."""
    return [
        Query(f"alert {rule['alert']} [{number}]", text)
        for rule in rules() if "alert" in rule
        for number, text in enumerate(operands(rule["expr"]), 1)
    ]  # fmt: skip


def operands(expression: str) -> list[str]:
    """The parts of a condition that must have data for it to mean anything, each once.

    `a > 3 and b unless absent(c)` looks at a, b and c. An expression that is no condition is its own part.
    """
    found: dict[str, None] = {}

    def visit(node: promql.Expr) -> None:
        if isinstance(node, promql.ParenExpr):
            visit(node.expr)
        elif isinstance(node, promql.BinaryExpr) and str(node.op) in SETS | COMPARISONS:
            visit(node.lhs)
            visit(node.rhs)
        elif isinstance(node, promql.Call) and node.func.name in ("absent", "absent_over_time", "scalar", "vector"):
            for argument in node.args:
                visit(argument)
        elif names(str(node)):
            # That a series was there earlier as well is a matter of time.
            found[re.sub(r" offset (\d+[smhdwy])+", "", str(promql.transform(node, uncompared)))] = None

    visit(promql.parse(expression))
    return list(found)


def uncompared(node: promql.Expr) -> promql.Expr | None:
    """For promql.transform: an inner comparison with a number gives way to what is compared."""
    if isinstance(node, promql.BinaryExpr) and str(node.op) in COMPARISONS and isinstance(node.rhs, promql.NumberLiteral):
        return node.lhs
    return None


def names(expression: str) -> set[str]:
    """The metrics that an expression mentions."""
    found: set[str] = set()

    def note(node: promql.Expr) -> bool:
        selector = node.vector_selector if isinstance(node, promql.MatrixSelector) else node
        if isinstance(selector, promql.VectorSelector):
            found.update([selector.name] if selector.name else [])
            found.update(part for matcher in selector.matchers.matchers if matcher.name == "__name__" for part in matcher.value.split("|"))
        return True

    promql.walk(promql.parse(expression), note)
    return found


def origins(expression: str, series: Mapping[str, str] | None = None) -> set[str]:
    """The metrics that an expression stands on, through recorded series down to what exporters tell."""
    series = recorded() if series is None else series
    found: set[str] = set()
    waiting, seen = names(expression), set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        if name in series:
            waiting |= names(series[name]) - seen
        else:
            found.add(name)
    return found
