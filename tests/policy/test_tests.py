"""The tests themselves: there are some, they say why, and what they claim to prove exists."""

from __future__ import annotations

import ast

import pytest
import yaml

from tests.ledger import ROWS
from tests.policy.repository import ROLE_NAMES, ROOT, functions_of, shown

SCENARIOS = sorted(path.parent for path in ROOT.glob("molecule/*/molecule.yml"))
TEST_FILES = sorted(
    path for place in ("molecule", "tests", "app/backend/tests") for path in (ROOT / place).rglob("test_*.py") if ".venv" not in path.parts
)
MOLECULE_FILES = [path for path in TEST_FILES if path.is_relative_to(ROOT / "molecule")]


def cited_rows(path) -> set[str]:
    """The arguments of every ``pytest.mark.ledger(...)``, wherever it stands."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    marks = [call for call in calls if isinstance(call.func, ast.Attribute) and ast.unparse(call.func) == "pytest.mark.ledger"]
    return {ast.literal_eval(argument) for call in marks for argument in call.args}


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_every_role_has_a_scenario(role):
    """A role without one is tested by its users."""
    assert (ROOT / "molecule" / role / "molecule.yml").is_file()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_no_scenario_is_empty(scenario):
    """A verify step that finds no tests is green, and proves nothing."""
    functions = [function for path in scenario.rglob("test_*.py") for function in functions_of(path)]
    assert functions, f"{shown(scenario)} has no test function in a file test_*.py"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_every_host_of_a_scenario_says_its_groups(scenario):
    """Who runs containers is read from them, before a host is booted."""
    platforms = yaml.safe_load((scenario / "molecule.yml").read_text())["platforms"]
    assert not [host["name"] for host in platforms if not isinstance(host.get("groups"), list)]


def test_there_are_scenarios():
    """If they moved, the tests above would have nothing to refuse."""
    assert SCENARIOS
    assert MOLECULE_FILES


@pytest.mark.parametrize("path", MOLECULE_FILES, ids=shown)
def test_every_molecule_test_says_why(path):
    """When it fails at night, its docstring is what tells whether anybody has to get up."""
    assert not [function.name for function in functions_of(path) if not (ast.get_docstring(function) or "").strip()]


@pytest.mark.parametrize("path", TEST_FILES, ids=shown)
def test_cited_rows_exist(path):
    """A test that cites a row which is not there proves nothing to anybody."""
    if path.name != "test_ledger.py":
        assert not cited_rows(path) - set(ROWS)


def test_rows_are_unique_and_in_order():
    """The ledger is read by people; a row that stands twice is counted twice."""
    assert len(ROWS) == len(set(ROWS))
    sections = [row.rstrip("0123456789") for row in ROWS]
    assert sections == sorted(sections, key=sections.index)
