"""Prometheus of a test host, asked through its API on the host itself; it listens on loopback alone."""

from __future__ import annotations

import dataclasses
import json

# Answers many questions in one go: a connection over SSH costs more than a query.
SCRIPT = """
import base64, json, os, sys, urllib.error, urllib.parse, urllib.request
port, questions = sys.argv[1], json.loads(sys.argv[2])
login = base64.b64encode(("admin:" + os.environ["PROMETHEUS_PASSWORD"]).encode()).decode()
answers = []
for path, arguments in questions:
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": "Basic " + login}), timeout=30) as answer:
            answers.append(json.load(answer))
    except urllib.error.HTTPError as error:
        answers.append({"status": "error", "error": f"{error.code} {error.read().decode()[:300]}"})
    except OSError as error:
        answers.append({"status": "error", "error": str(error)})
print(json.dumps([
    answer if answer["status"] != "success" or path != "query" else
    {"status": "success", "data": [[sample["metric"], sample["value"][1]] for sample in answer["data"]["result"]]
     if answer["data"]["resultType"] == "vector" else [[{}, answer["data"]["result"][1]]]}
    for (path, _), answer in zip(questions, answers)]))
"""
# As many as one command line may carry.
TOGETHER = 50


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of a query: (labels, value) of each series, or why there is none."""

    samples: list[tuple[dict, float]]
    error: str = ""

    @property
    def has_data(self) -> bool:
        """Whether it has a number; what is divided by nothing is none."""
        return any(value == value for _, value in self.samples)  # noqa: PLR0124 - NaN is not equal to itself


class Prometheus:
    def __init__(self, host, password: str, port: int = 9090):
        self.host, self.password, self.port = host, password, port

    def _ask(self, questions: list[tuple[str, dict]]) -> list[dict]:
        answers = []
        for begin in range(0, len(questions), TOGETHER):
            some = json.dumps(questions[begin : begin + TOGETHER])
            answers += json.loads(
                self.host.check_output(f"PROMETHEUS_PASSWORD={self.password} python3 -c %s {self.port} %s", SCRIPT, some))
        return answers

    def ask(self, expressions: list[str]) -> list[Answer]:
        """Evaluate each now."""
        return [
            Answer([(metric, float(value)) for metric, value in answer.get("data", [])], answer.get("error", ""))
            for answer in self._ask([("query", {"query": expression}) for expression in expressions])
        ]

    def values(self, selector: str, label: str) -> list[str]:
        """What Grafana's label_values(selector, label) gives."""
        (answer,) = self._ask([(f"label/{label}/values", {"match[]": selector})])
        assert answer["status"] == "success", answer
        return answer["data"]
