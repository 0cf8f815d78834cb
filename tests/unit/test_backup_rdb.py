"""roles/backup/files/aiko_backup/rdb.py: what it says of redis-check-rdb's words, and the files it makes. Servers: molecule/backup."""

import os

import pytest

from tests.unit.backup import library

rdb = library("rdb")
Failed = library("command").Failed


@pytest.mark.parametrize(("text", "words"), [
    ("[offset 0] Checking RDB file x\n--- RDB ERROR DETECTED ---\n[offset 9] Unexpected EOF reading RDB file\n[info] 0 keys read\n",
     "[offset 9] Unexpected EOF reading RDB file"),
    ("*** FATAL\nCannot open file\n", "Cannot open file"),
    ("", "redis-check-rdb said nothing"),
])  # fmt: skip
def test_the_reason_is_taken_from_below_the_headline(text, words):
    assert rdb._reason(text) == words


@pytest.fixture
def dump(tmp_path):
    path = tmp_path / "cache.rdb"
    path.write_bytes(b"REDIS0011 whatever")
    return path


@pytest.mark.parametrize(("said", "words"), [
    ("--- RDB ERROR DETECTED ---\n[offset 9] RDB CRC error\n", "CRC error"),
    ("[info] 3 keys read\n", "no whole dump"),
    (rdb.WHOLE, "no whole dump"),
])  # fmt: skip
def test_a_dump_is_whole_only_when_that_is_said(dump, monkeypatch, said, words):
    """redis-check-rdb of some versions ends with 0 whatever it finds."""
    monkeypatch.setattr(rdb, "run", lambda *_, **__: said)
    with pytest.raises(Failed, match=words):
        rdb.count(str(dump))


def test_a_dump_without_checksum_is_refused(dump, monkeypatch):
    """No flipped bit would be seen in it."""
    monkeypatch.setattr(rdb, "run", lambda *_, **__: f"{rdb.WHOLE}\n[info] 3 keys read\n")
    assert rdb.count(str(dump)) == 3
    dump.write_bytes(b"REDIS0011" + bytes(8))
    with pytest.raises(Failed, match="no checksum"):
        rdb.count(str(dump))


def test_an_append_only_file_begins_with_the_dump(dump, tmp_path):
    """The server reads the manifest, then the base, then what came since: nothing yet."""
    data = tmp_path / "data"
    data.mkdir()
    rdb.append_only(str(dump), str(data))
    made = data / "appendonlydir"
    assert (made / "appendonly.aof.1.base.rdb").read_bytes() == dump.read_bytes()
    assert (made / "appendonly.aof.1.incr.aof").read_bytes() == b""
    assert (made / "appendonly.aof.manifest").read_text().splitlines() == [
        "file appendonly.aof.1.base.rdb seq 1 type b", "file appendonly.aof.1.incr.aof seq 1 type i",
    ]  # fmt: skip
    assert os.listdir(data) == ["appendonlydir"]


def test_an_append_only_file_is_never_replaced(dump, tmp_path):
    """It would be a running server's."""
    (tmp_path / "appendonlydir").mkdir()
    with pytest.raises(Failed, match="is there already"):
        rdb.append_only(str(dump), str(tmp_path))
