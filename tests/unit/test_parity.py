"""molecule/_shared/parity.py and tests/tools/parity.py: what is recorded of both run modes, and the table that is made of it."""

import json
import types

import pytest

from tests.unit.support import load

recording = load("molecule/_shared/parity.py")
table = load("tests/tools/parity.py")


def report(nodeid: str, outcome: str = "passed", when: str = "call"):
    return types.SimpleNamespace(nodeid=nodeid, outcome=outcome, when=when, passed=outcome == "passed")


def test_a_test_is_known_by_its_name_whatever_the_run_mode(tmp_path):
    """Two parameters stand in either order, as pytest has them."""
    found = recording.Recorder(tmp_path / "x.json")
    assert found.place("m/test_r.py::test_a[container-6379]") == ("test_r.py::test_a[6379]", "container")
    assert found.place("test_r.py::test_a[6379-native]") == ("test_r.py::test_a[6379]", "native")
    assert found.place("test_r.py::test_a[ansible://site-container-fr-6379]") == ("test_r.py::test_a[fr-6379]", "")
    assert found.place("test_r.py::test_b[ansible://site-trixie]")[0] == found.place("test_r.py::test_b")[0]
    assert found.place("test_r.py::test_b") == ("test_r.py::test_b", "")


def test_a_failure_stays_one(tmp_path):
    """What fails afterwards, while it is put back, is a failure too."""
    found = recording.Recorder(tmp_path / "p/x.json")
    for one in (report("t.py::a[native]"), report("t.py::a[native]", "failed", "teardown"), report("t.py::a[container]")):
        found.pytest_runtest_logreport(one)
    found.pytest_sessionfinish()
    assert json.loads((tmp_path / "p/x.json").read_text()) == {"t.py::a": {"native": "failed", "container": "passed"}}


def test_the_table_counts_and_names(tmp_path):
    """An exception that is not named would be one that nobody explains."""
    (tmp_path / "site.json").write_text(json.dumps({"a": {"native": "passed"}, "b": {"native": "passed"}}))
    (tmp_path / "site_container.json").write_text(json.dumps({"a": {"container": "passed"}}))
    (tmp_path / "redis.json").write_text(json.dumps({
        "c": {"native": "passed", "container": "left to the other"}, "d": {"native": "passed", "container": "failed"},
        "e": {"native": "skipped", "container": "skipped"}}))
    page = table.table(table.read(tmp_path), {"b": "it is a test", "e": "nobody has it"})
    assert "| redis | 0 | 1 | 0 | 1 | 1 |" in page
    assert "| site | 1 | 0 | 1 | 0 | 0 |" in page
    assert "- redis, `e`, in neither: nobody has it.\n" in page
    assert "- site, `b`, native alone: it is a test.\n" in page
    with pytest.raises(SystemExit, match="nobody says why b is asked"):
        table.table(table.read(tmp_path), {"e": "nobody has it"})
