"""roles/backup/files/aiko_backup/drill.py: room, order and leaving nothing behind. Whole trial restores: molecule/backup."""

import collections
import contextlib
import os
import signal
import sqlite3

import pytest

from tests.unit.backup import library

drill = library("drill")
Failed = library("command").Failed
MB = 1024 * 1024


@pytest.fixture
def settings(tmp_path):
    return {"directory": str(tmp_path), "margin_mb": 100, "sample": 2, "restic": {}, "stanza": "aiko", "postgresql": {}}


@pytest.fixture
def free(monkeypatch):
    """Says how much room there is, in MB."""
    def set_free(amount):
        usage = collections.namedtuple("usage", "free")(amount * MB)  # noqa: PYI024
        monkeypatch.setattr(drill.shutil, "disk_usage", lambda _: usage)

    return set_free


MANIFEST = {"id": "20260121_143000", "parts": {
    "postgresql": {"database_bytes": 500 * MB},
    "uploads": {"files": {"a": {"size": 5 * MB}, "b": {"size": 7 * MB}, "c": {"size": 1 * MB}}},
    "redis": {"files": {"cache.rdb": {"size": 10 * MB}}},
}}  # fmt: skip


def test_room_is_that_of_the_largest_part():
    assert drill.needed(MANIFEST, 2) == 500 * MB
    assert drill.needed({"parts": {**MANIFEST["parts"], "postgresql": {"database_bytes": 1}}}, 2) == (5 + 7 + 2 * 10) * MB


@pytest.mark.parametrize(("amount", "enough"), [(601, True), (599, False)])
def test_a_disk_is_not_filled(settings, free, amount, enough):
    free(amount)
    if enough:
        with drill._scratch(drill.pathlib.Path(settings["directory"], "drill"), settings, MANIFEST):
            pass
    else:
        with pytest.raises(Failed, match="backup_margin_mb"):
            drill.drill(settings, MANIFEST)


def test_nothing_is_left_whatever_happens(settings, tmp_path, monkeypatch):
    """What a killed run left goes first: it takes the room that is asked for."""
    (tmp_path / "drill/postgresql/base").mkdir(parents=True)
    seen = []
    monkeypatch.setattr(drill, "postgresql", lambda *_: seen.extend(os.listdir(tmp_path / "drill")) or (tmp_path / "drill/x").touch())
    monkeypatch.setattr(drill, "redis", lambda *_: (_ for _ in ()).throw(Failed("cannot be read")))
    with pytest.raises(Failed, match="20260121_143000 is not proven; redis: cannot be read"):
        drill.drill({**settings, "margin_mb": 0}, MANIFEST)
    assert not seen
    assert not (tmp_path / "drill").exists()


def test_a_stop_is_orderly(settings, tmp_path, monkeypatch):
    """systemctl stop sends SIGTERM, which by itself ends Python without any cleaning up."""
    monkeypatch.setattr(drill, "postgresql", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    former = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Failed, match="SIGTERM"):
        drill.drill({**settings, "margin_mb": 0}, MANIFEST)
    assert not (tmp_path / "drill").exists()
    assert signal.getsignal(signal.SIGTERM) == former


@pytest.mark.parametrize(("path", "pattern"), [("ab/c.pdf", "/ab/c.pdf"), ("a[1]*?\\.pdf", "/a\\[1]\\*\\?\\\\.pdf")])
def test_a_name_means_itself(path, pattern):
    """A file called * would otherwise mean all of them."""
    assert drill._pattern(path) == pattern


@pytest.mark.parametrize("damage", [False, True])
def test_a_damaged_database_of_grafana_is_seen(tmp_path, monkeypatch, damage):
    """Its hash is right when it was damaged before the backup."""
    path = tmp_path / "grafana.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE dashboard (id INTEGER PRIMARY KEY, data TEXT UNIQUE)")
        database.executemany("INSERT INTO dashboard (data) VALUES (?)", [(f"{number}" * 200,) for number in range(500)])
        database.commit()
    if damage:
        content = bytearray(path.read_bytes())
        content[8192:12288] = os.urandom(4096)
        path.write_bytes(content)
    monkeypatch.setattr(drill, "restored", lambda *_: None)
    with pytest.raises(Failed, match="grafana.db is damaged") if damage else contextlib.nullcontext():
        drill.grafana(None, {"files": {"grafana.db": {}}}, tmp_path)
