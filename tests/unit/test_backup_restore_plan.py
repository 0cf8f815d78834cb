"""roles/backup/files/aiko_backup/restore_plan.py: which backup leads to a time, and along which timeline."""

import datetime
import time

import pytest

from tests.unit.backup import library

plan = library("restore_plan")
Set = library("manifest").Set
Failed = library("command").Failed

MANIFEST = {"id": "20260121_143000", "parts": {
    "postgresql": {"database_bytes": 10, "version": "17.6"}, "redis": {"files": {"cache.rdb": {"size": 5}}},
    "uploads": {"snapshot": "x", "count": 1, "bytes": 7, "files": {"a": {"size": 7}}},
}}  # fmt: skip


def backup(label, stop, timeline=1, position="0/3000000"):
    return {"label": label, "timestamp": {"stop": stop}, "archive": {"stop": f"{timeline:08X}0000000000000003"}, "lsn": {"stop": position}}


@pytest.mark.parametrize(("text", "expected"), [
    ("2026-01-21 14:29:00+00", "2026-01-21 14:29:00+00:00"),
    ("2026-01-21 15:29:00.25+01:00", "2026-01-21 14:29:00.250000+00:00"),
    (" 2026-01-21T14:29Z", "2026-01-21 14:29:00+00:00"),
])  # fmt: skip
def test_times_are_read(text, expected):
    assert plan.parse_time(text).isoformat(sep=" ") == expected


@pytest.mark.parametrize(("text", "words"), [
    ("noon", "Expected: a time such as '2026-01-21"), ("", "restore_to is ''"), ("2026-01-21 14:29", "says no time zone"),
    ("2099-01-21 14:29:00+00", "a time that has passed"), ("2026-02-30 14:29:00+00", "restore_to is '2026-02-30"),
])  # fmt: skip
def test_what_is_no_time_is_refused(text, words):
    with pytest.raises(Failed, match=words.replace("'", ".")):
        plan.parse_time(text)


def test_parts_are_all_of_the_backup_unless_some_are_named():
    there = MANIFEST["parts"]
    assert plan.choose_parts([], there, plan.PARTS) == ["postgresql", "redis", "uploads"]
    assert plan.choose_parts(["uploads", "postgresql"], there, plan.PARTS) == ["postgresql", "uploads"]
    # A point in time leaves Redis alone, unless it is named.
    assert plan.choose_parts([], there, plan.PARTS_OF_A_TIME) == ["postgresql", "uploads"]
    assert plan.choose_parts(["redis"], there, plan.PARTS_OF_A_TIME) == ["redis"]


def test_parts_that_cannot_be_restored_are_named():
    with pytest.raises(Failed, match="parts names facts"):
        plan.choose_parts(["facts"], MANIFEST["parts"], plan.PARTS)
    with pytest.raises(Failed, match=r"no grafana. Expected: some of postgresql, redis, uploads"):
        plan.choose_parts(["grafana"], MANIFEST["parts"], plan.PARTS)


def test_files_of_a_time_are_those_of_the_first_set_after_it():
    known = [Set("20260119_020000"), Set("20260120_020000"), Set("20260121_020000")]
    at = datetime.datetime(2026, 1, 20, 1, tzinfo=datetime.UTC)
    assert plan.nearest(known, at).identifier == "20260120_020000"
    # Later than all of them: the newest.
    assert plan.nearest(known, at + datetime.timedelta(days=9)).identifier == "20260121_020000"
    assert plan.nearest([], at) is None


def test_names_of_uploads_do_not_travel_with_the_plan():
    """There may be a hundred thousand."""
    assert plan.described(MANIFEST, "uploads") == {"id": "20260121_143000", "bytes": 7, "mode": "replace", "snapshot": "x", "count": 1}
    assert plan.described(MANIFEST, "redis")["files"] == {"cache.rdb": {"size": 5}}


@pytest.mark.parametrize(("version", "words"), [("18.1", "18, newer than PostgreSQL 17 on db"), ("15.9", "15, older than PostgreSQL 17")])
def test_another_major_version_is_refused(version, words):
    settings = {"postgresql": {"version": "17", "host": "db"}}
    plan.refuse_version(settings, "x", "17.9")
    with pytest.raises(Failed, match=words):
        plan.refuse_version(settings, "x", version)


# A backup on timeline 1; at 1000 somebody restored to 0/5000000 of it, at 2000 to 0/2000000 of it, which is before the second backup.
BACKUPS = [backup("first", 100, 1, "0/1000000"), backup("second", 500, 1, "0/3000000"), backup("third", 1500, 2, "0/6000000")]
HISTORIES = {
    2: {"began": 1000, "left": {1: 0x5000000}},
    3: {"began": 2000, "left": {1: 0x2000000}},
}


@pytest.mark.parametrize(("target", "label", "timeline"), [
    (100, "first", 1), (499, "first", 1), (500, "second", 1), (999, "second", 1),
    # From a backup on the timeline that it comes from, and from its own.
    (1000, "second", 2), (1499, "second", 2), (1500, "third", 2), (1999, "third", 2),
    # The third timeline left the first one before the second backup, and never was on the second.
    (2000, "first", 3), (9999, "first", 3),
])  # fmt: skip
def test_the_way_to_a_time_is_the_one_that_was_lived(target, label, timeline):
    found, along = plan.along(BACKUPS, HISTORIES, target)
    assert (found["label"], along) == (label, timeline)


def test_a_time_before_everything_is_refused_with_the_first_that_there_is():
    with pytest.raises(Failed, match="1970-01-01 00:01:40"):
        plan.along(BACKUPS, HISTORIES, 99)


def test_a_time_that_no_backup_leads_to_is_refused():
    """A timeline of whose past no backup is left."""
    with pytest.raises(Failed, match="before the end of the first backup that leads there"):
        plan.along(BACKUPS[1:], HISTORIES, 2500)


def test_a_history_file_is_read():
    text = "1\t0/5000000\tno recovery target specified\n\n2\t1/A0\tbefore 2026-01-21 14:29:00+00\n"
    assert plan.parse_history(text) == {1: 0x5000000, 2: 0x1000000A0}


def test_now_is_not_the_future():
    moment = datetime.datetime.fromtimestamp(time.time() - 1, datetime.UTC)
    assert plan.parse_time(moment.isoformat()) == moment
