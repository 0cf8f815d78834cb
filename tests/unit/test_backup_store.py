"""roles/backup/files/aiko_backup/store.py, what the preflight says of half a store, and what tells no repository from no access."""

import socket

import pytest

from tests.unit.backup import library
from tests.unit.support import load

restic = library("restic")
store = library("store")
Failed = library("command").Failed
preflight = load("filter_plugins/preflight.py")
WHOLE = {"endpoint": "s3.example.com:8443", "bucket": "aiko-backups", "key": "keeper", "secret": "word"}


def test_a_whole_store_and_none_are_right():
    """Empty is the usual case."""
    assert preflight.store_errors({}) == []
    assert preflight.store_errors(WHOLE) == []


@pytest.mark.parametrize(("change", "words"), [
    ({"secret": ""}, "has no secret"),
    ({"bucket": None}, "has no bucket"),
    ({"endpoint": "https://s3.example.com"}, "Expected: HOST or HOST:PORT"),
    ({"bucket": "Aiko_Backups"}, "Expected: 3 to 63 lower-case letters"),
    ({"ca_file": "/nowhere/authority.pem"}, "which is no file here"),
])  # fmt: skip
def test_half_a_store_is_refused(change, words):
    """The message says which half."""
    assert [error for error in preflight.store_errors(WHOLE | change) if words in error]


def test_a_disk_is_not_asked():
    """Only an object store is somewhere else."""
    store.refuse_absent("/var/lib/aiko-backup/restic", None)


def test_a_store_that_is_not_there_is_told(monkeypatch):
    """Nobody listens at a port that was just given back."""
    monkeypatch.setattr(store.time, "sleep", lambda seconds: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(Failed, match=f"127.0.0.1:{port} does not answer.*backup_s3.endpoint"):
        store.refuse_absent(f"s3:https://127.0.0.1:{port}/bucket/restic", None)


@pytest.mark.parametrize("said", [
    "restic ended with 1: Fatal: unable to open config file: Stat: Access Denied.",
    "[ProtocolError] HTTP request failed with 403 (Forbidden):\nGET /bucket\n<Code>SignatureDoesNotMatch</Code>",
])  # fmt: skip
def test_a_refused_key_is_told_in_one_line(said):
    """What a store answers besides is noise."""
    text = str(store.denied(said))
    assert "backup_s3.secret" in text
    assert "\n" not in text
    assert store.denied("Fatal: wrong password or no key found") is None


@pytest.mark.parametrize(("said", "there"), [
    ("Fatal: repository does not exist: unable to open config file: Stat: The specified key does not exist.", False),
    ("Fatal: unable to open config file: Stat: stat /x/config: no such file or directory", False),
    ("Fatal: unable to open config file: Stat: Access Denied.", None),
    ("Fatal: unable to open config file: context canceled", None),
])  # fmt: skip
def test_no_access_is_not_no_repository(monkeypatch, said, there):
    """Where there is none a new one is begun."""
    def fail(*arguments, **options):
        raise Failed(said)

    monkeypatch.setattr(restic, "run_watched", fail)
    one = restic.Restic({"restic": {"repository": "/x", "password_file": "/x"}})
    if there is False:
        assert one.exists() is False
    else:
        with pytest.raises(Failed):
            one.exists()
