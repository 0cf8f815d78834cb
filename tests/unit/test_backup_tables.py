"""roles/backup/files/aiko_backup/tables.py: what is said of differences, and of who is in the way. The moment: molecule/backup."""

import pytest

from tests.unit.backup import library

tables = library("tables")
Failed = library("command").Failed
KNOWN = {"public.a": {"rows": 2, "sum": "17"}, "public.b": {"rows": 0, "sum": "0"}}


def test_the_same_is_the_same():
    tables.compare(KNOWN, dict(reversed(KNOWN.items())))


@pytest.mark.parametrize(("found", "words"), [
    ({"public.a": KNOWN["public.a"]}, "public.b is missing"),
    ({**KNOWN, "public.c": {"rows": 0, "sum": "0"}}, "public.c should not be there"),
    ({**KNOWN, "public.a": {"rows": 3, "sum": "17"}}, "public.a has 3 rows, not 2"),
    ({**KNOWN, "public.a": {"rows": 2, "sum": "-17"}}, "public.a has the right number of rows, but not their contents"),
    ({}, "2 of 2 tables"),
])  # fmt: skip
def test_differences_are_named(found, words):
    """It stands in an alert's journal: the table's name is where the search begins."""
    with pytest.raises(Failed, match=words):
        tables.compare(KNOWN, found)


def test_many_differences_are_counted():
    with pytest.raises(Failed, match="20 of 20 tables .* and 15 more"):
        tables.compare({f"t{number}": {"rows": 1, "sum": "1"} for number in range(20)}, {})


@pytest.mark.parametrize("identifier", ["", "20260121", "20260121_143000'; DROP TABLE x; --", "20260121_143000\n"])
def test_an_id_is_an_id(identifier):
    """It comes over the network and becomes a part of a statement."""
    with pytest.raises(Failed, match="YYYYMMDD_HHMMSS"):
        tables.mark({"postgresql": {"database": "x", "port": 1}}, identifier)


@pytest.mark.parametrize(("blocker", "words"), [
    ({"pid": 17, "name": "", "state": "idle in transaction", "seconds": 90, "table": "public.a"},
     "process 17 (no name; idle in transaction; its transaction is 90 s old) holds public.a"),
    ({"pid": 0, "name": None, "state": None, "seconds": None, "table": "public.a"},
     "a prepared transaction holds public.a (see pg_prepared_xacts)"),
    ({"pid": 17, "name": "psql", "state": "active", "seconds": None, "table": None},
     "process 17 (psql; active; its transaction is 0 s old) holds one of them"),
])  # fmt: skip
def test_whoever_is_in_the_way_is_named(blocker, words):
    assert tables._described(blocker) == words


def test_tries_go_on_longer_than_a_transaction_may_idle():
    """roles/postgresql ends one that idles for 5 minutes; the backup outlasts it."""
    assert sum(tables.PAUSES) > 300
