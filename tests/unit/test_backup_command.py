"""roles/backup/files/aiko_backup/command.py: programs that are run, and those that are watched."""

import pathlib
import time

import pytest

from tests.unit.backup import library

command = library("command")
restic = library("restic")
Failed = command.Failed


def test_what_a_program_prints_is_returned_and_what_it_complains_of_is_told():
    """The operator reads its own words."""
    assert command.run(["sh", "-c", "cat"], input="x") == "x"
    assert command.run_watched(["sh", "-c", "echo y"], lambda: None) == "y\n"
    broken = ["sh", "-c", "echo broken >&2; exit 3"]
    with pytest.raises(Failed, match="ended with 3: broken"):
        command.run(broken)
    with pytest.raises(Failed, match="ended with 3: broken"):
        command.run_watched(broken, lambda: None)


def test_a_program_without_hope_is_ended_with_all_it_has_started(tmp_path):
    """restic tries for a quarter of an hour to write to a full disk, and the night's backup would seem to be at work."""
    began = time.monotonic()
    with pytest.raises(Failed, match="no room"):
        command.run_watched(["sh", "-c", f"sleep 300 & echo $! > {tmp_path}/child; wait"], lambda: "no room")
    assert time.monotonic() - began < 60
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        stat = pathlib.Path(f"/proc/{child}/stat")
        if not stat.exists() or stat.read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    raise AssertionError("what it had started goes on")


def test_a_full_disk_is_told_and_another_store_has_none(monkeypatch):
    """In a store elsewhere nobody knows how much room there is."""
    local = restic.Restic({"restic": {"repository": "/"}})
    monkeypatch.setattr(restic.shutil, "disk_usage", lambda _: type("Usage", (), {"free": restic.PACK - 1}))
    assert "the disk of / has less room than restic writes at once" in local.full()
    assert restic.Restic({"restic": {"repository": "s3:host/bucket"}}).full() is None
    monkeypatch.setattr(restic.shutil, "disk_usage", lambda _: type("Usage", (), {"free": restic.PACK}))
    assert local.full() is None


def test_a_full_disk_is_told_in_the_same_words_by_whoever_is_first(monkeypatch):
    """restic gives up by itself when the directory of what it writes is full, and that in words that name a file nobody knows."""
    local = restic.Restic({"restic": {"repository": "/", "password_file": "/x"}})

    def full(*_, **__):
        raise Failed("restic ended with 1: Save(<data/bd9d146e49>) failed: write /x: no space left on device")

    monkeypatch.setattr(restic, "run_watched", full)
    with pytest.raises(Failed, match="less room than restic writes at once"):
        local.call("backup", "/x", writes=True)
    with pytest.raises(Failed, match="no space left"):
        local.call("restore", "x", "--target", "/x")
