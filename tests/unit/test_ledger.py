"""The ledger's plugin and its report."""

from __future__ import annotations

import json

import pytest

from tests import ledger

pytest_plugins = ["pytester"]

SUITE = """
    import pytest

    @pytest.mark.ledger("PG1", "RD1")
    def test_good(): pass

    @pytest.mark.ledger("PG1")
    def test_bad(): assert False

    @pytest.fixture
    def stumbles():
        yield
        raise RuntimeError("while cleaning up")

    @pytest.mark.ledger("PG2")
    def test_cannot_clean_up(stumbles): pass

    @pytest.mark.ledger("PG3")
    def test_away(): pytest.skip("no host")

    def test_without_row(): pass
"""


@pytest.fixture
def run(pytester, monkeypatch, tmp_path):
    """Run a suite under the plugin; returns its result and the lines it left."""

    def run_suite(text: str):
        monkeypatch.setenv(ledger.VARIABLE, str(tmp_path / "report"))
        pytester.makepyfile(text)
        result = pytester.runpytest_inprocess("-p", "tests.ledger", "-p", "no:cacheprovider", "--strict-markers")
        lines = [json.loads(line) for path in tmp_path.glob("report/*.jsonl") for line in path.read_text().splitlines()]
        return result, {line["test"].split("::")[1]: line for line in lines}

    return run_suite


def test_one_line_a_test_with_its_worst_outcome(run):
    """A test that fails while it cleans up has not proved its row."""
    _, lines = run(SUITE)
    assert {name: (line["rows"], line["outcome"]) for name, line in lines.items()} == {
        "test_good": (["PG1", "RD1"], "passed"),
        "test_bad": (["PG1"], "failed"),
        "test_cannot_clean_up": (["PG2"], "failed"),
        "test_away": (["PG3"], "skipped"),
    }


def test_a_row_that_does_not_exist_is_refused(run):
    """A mistyped row would leave the real one unproved while everybody believes otherwise."""
    result, lines = run("import pytest\n@pytest.mark.ledger('PG99')\ndef test_x(): pass\n")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert not lines


def test_report_names_every_row(run, tmp_path, capsys):
    """Silence about a row must not look like success."""
    run(SUITE)
    capsys.readouterr()
    assert ledger.main(["report", str(tmp_path / "report")]) == 1
    said = {line.split()[0]: line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()}
    assert said["PG1"] == "fail     2 tests"
    assert said["RD1"] == "pass     1 test"
    assert said["PG3"] == "no test  0 tests, 1 skipped"
    assert said["OP6"] == "no test  0 tests"
    assert set(ledger.ROWS) <= set(said)


def test_report_without_failures_ends_well(tmp_path, capsys):
    """Rows without a test are told, and are not yet a failure."""
    ledger.record(tmp_path, "x", ["PG1"], "passed")
    assert ledger.main(["report", str(tmp_path)]) == 0
    assert "1 pass, 0 fail" in capsys.readouterr().out


def test_report_of_nothing_is_an_error(tmp_path):
    """A mistyped directory is no empty ledger."""
    with pytest.raises(SystemExit):
        ledger.main(["report", str(tmp_path / "nowhere")])
