"""roles/backup/files/aiko_backup/restore*.py: what replaces what, wherever it was interrupted. On hosts: molecule/backup_restore."""

import contextlib
import errno
import grp
import hashlib
import json
import os
import pathlib
import pwd

import pytest

from tests.unit.backup import library

restore = library("restore")
parts = library("restore_parts")
send = library("restore_send")
Failed = library("command").Failed
ME = pwd.getpwuid(os.getuid()).pw_name
MINE = grp.getgrgid(os.getgid()).gr_name


class Killed(Exception):
    """Stands for a SIGKILL."""


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """A host with uploads, whose directories lie in a scratch place."""
    monkeypatch.setattr(restore, "HOME", tmp_path / "home")
    monkeypatch.setattr(restore, "STATE", tmp_path / "home/state.json")
    for module in (restore, parts):
        monkeypatch.setattr(module, "RECEIVED", str(tmp_path / "home/received"))
    monkeypatch.setattr(parts, "HOME", tmp_path / "home")
    write(tmp_path / "uploads", {"old": "old", "both": "live"})
    return {"margin_mb": 1, "parts": {"uploads": {"path": str(tmp_path / "uploads"), "user": ME, "group": MINE, "address": None}}}


def write(directory, files):
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def read(directory):
    return {str(path.relative_to(directory)): path.read_text() for path in pathlib.Path(directory).rglob("*") if path.is_file()}


def plan(mode="replace", identifier="20260121_143000"):
    return {"id": identifier, "restore_to": None if mode == "replace" else "2026-01-21 14:29:00+00:00",
            "parts": {"uploads": {"id": identifier, "bytes": 6, "mode": mode}}}


def receive(settings, tmp_path, files, identifier="20260121_143000", hashes=None):
    """As the backup host brings it."""
    write(tmp_path / "home/received/uploads/files", files)
    right = hashes or files
    listed = {name: {"size": len(text), "sha256": hashlib.sha256(right[name].encode()).hexdigest()} for name, text in files.items()}
    (tmp_path / "home/received/uploads/manifest.json").write_text(json.dumps({"id": identifier, "files": listed}))


NEW = {"both": "kept", "deep/new": "new"}


def whole(settings, tmp_path, mode="replace"):
    restore.check(settings, plan(mode))
    receive(settings, tmp_path, NEW)
    restore.stage(settings, plan(mode))


def test_what_was_there_is_kept(settings, tmp_path):
    whole(settings, tmp_path)
    assert read(tmp_path / "uploads") == {"old": "old", "both": "live"}, "before the swap nothing changes"
    done = restore.swap(settings)
    assert read(tmp_path / "uploads") == NEW
    assert read(done["copies"]["uploads"]) == {"old": "old", "both": "live"}
    restore.finish(settings)
    assert not (tmp_path / "home/received").exists()
    assert restore.status(settings)["copies"][0]["places"] == [done["copies"]["uploads"]]


def test_undoing_and_undoing_that(settings, tmp_path):
    whole(settings, tmp_path)
    restore.swap(settings, "x")
    restore.finish(settings)
    for _ in range(2):
        # Called again because another host has failed: it stays undone.
        restore.undo(settings, "x")
        assert read(tmp_path / "uploads") == {"old": "old", "both": "live"}
        assert [copy["of"] for copy in restore.State().copies] == ["x-undone"]
    with pytest.raises(Failed, match="of x, not of x-undone"):
        restore.undo(settings, "x-undone")
    restore.finish(settings)
    restore.undo(settings, "x-undone")
    assert read(tmp_path / "uploads") == NEW
    assert [copy["of"] for copy in restore.State().copies] == ["x"]


def test_a_copy_that_somebody_removed_cannot_come_back(settings, tmp_path):
    whole(settings, tmp_path)
    done = restore.swap(settings)
    restore.finish(settings)
    parts._remove(done["copies"]["uploads"])
    with pytest.raises(Failed, match="not there any more"):
        restore.undo(settings)
    assert read(tmp_path / "uploads") == NEW


@pytest.mark.parametrize(("brought", "goes_on"), [
    (["base/5/"], False), (["base/5/", "backup.manifest"], True), (["base/5/1249", "PG_VERSION"], True), ([], False),
])  # fmt: skip
def test_pgbackrest_killed_before_its_manifest_begins_anew(tmp_path, brought, goes_on):
    """It refuses directories with neither its manifest nor PG_VERSION, and such it leaves when it is killed early."""
    staged = tmp_path / "main.restored"
    for name in brought:
        place = staged / name
        (place if name.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            place.touch()
    assert parts._goes_on(str(staged)) == goes_on
    assert staged.exists() == goes_on


@pytest.mark.parametrize("survives", range(4))
def test_a_swap_that_was_killed_goes_on(settings, tmp_path, monkeypatch, survives):
    """Killed before the first rename, after it, after the second, or not at all; then the same again, or undone."""
    whole(settings, tmp_path)
    _swap_killed(settings, monkeypatch, survives)
    restore.swap(settings)
    assert read(tmp_path / "uploads") == NEW
    assert read(restore.status(settings)["copies"][0]["places"][0]) == {"old": "old", "both": "live"}


@pytest.mark.parametrize("survives", range(4))
def test_a_swap_that_was_killed_is_undone(settings, tmp_path, monkeypatch, survives):
    whole(settings, tmp_path)
    _swap_killed(settings, monkeypatch, survives)
    restore.undo(settings)
    assert read(tmp_path / "uploads") == {"old": "old", "both": "live"}
    assert not (tmp_path / "uploads.restored").exists()


def _swap_killed(settings, monkeypatch, survives):
    done = []

    def rename(origin, target):
        if len(done) == survives:
            raise Killed
        done.append(origin)
        os.rename(origin, target)

    with monkeypatch.context() as patched, contextlib.suppress(Killed):
        patched.setattr(parts, "rename", rename)
        restore.swap(settings)


@pytest.mark.parametrize("survives", range(2))
def test_what_is_half_replaced_cannot_be_called_finished(settings, tmp_path, monkeypatch, survives):
    """What waits beside may be all that is left: of the restored data, and while it is undone, of what was there before."""
    whole(settings, tmp_path)
    _swap_killed(settings, monkeypatch, survives)
    with pytest.raises(Failed, match="uploads has not been replaced yet"):
        restore.finish(settings)
    restore.swap(settings)
    restore.finish(settings)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(parts.Uploads, "replace", lambda *_: (_ for _ in ()).throw(Killed))
        restore.undo(settings)
    with pytest.raises(Failed, match="uploads has not been replaced yet"):
        restore.finish(settings)
    restore.undo(settings)
    restore.finish(settings)
    assert read(tmp_path / "uploads") == {"old": "old", "both": "live"}


def test_a_note_that_cannot_be_made_is_no_failure(settings, tmp_path, monkeypatch):
    """What comes after the swap must not look like a restore that did not succeed."""
    whole(settings, tmp_path)
    restore.swap(settings)
    monkeypatch.setattr(parts.Uploads, "notes", lambda _: (_ for _ in ()).throw(Failed("the connection was lost")))
    assert restore.tidy(settings) == {"notes": ["WARNING: uploads: the connection was lost"]}
    assert restore.State().running, "the same words still mean this restore"


def test_another_restore_waits_for_the_one_that_was_killed(settings, tmp_path, monkeypatch):
    whole(settings, tmp_path)
    _swap_killed(settings, monkeypatch, 1)
    with pytest.raises(Failed, match="-e backup_id=20260121_143000 -e parts=uploads"):
        restore.check(settings, plan(identifier="20260122_143000"))
    with pytest.raises(Failed, match="is not finished"):
        restore.forget(settings, None)


def test_what_was_only_prepared_gives_way(settings, tmp_path):
    whole(settings, tmp_path)
    restore.check(settings, plan(identifier="20260122_143000"))
    assert not (tmp_path / "uploads.restored").exists() and not (tmp_path / "home/received/uploads").exists()
    assert restore.State().running is None


def test_what_is_not_what_it_was_never_lives(settings, tmp_path):
    restore.check(settings, plan())
    receive(settings, tmp_path, NEW, hashes={"both": "kept", "deep/new": "other"})
    with pytest.raises(Failed, match="deep/new"):
        restore.stage(settings, plan())
    with pytest.raises(Failed, match="uploads were not proved"):
        restore.swap(settings)
    assert read(tmp_path / "uploads") == {"old": "old", "both": "live"}


def test_files_of_another_backup_are_not_taken(settings, tmp_path):
    receive(settings, tmp_path, NEW, identifier="20260122_143000")
    with pytest.raises(Failed, match="of backup 20260121_143000 has not come here"):
        restore.stage(settings, plan())


def test_staging_goes_on_where_it_was_killed(settings, tmp_path):
    """The files were moved, and that they are right was not written yet."""
    receive(settings, tmp_path, NEW)
    os.rename(tmp_path / "home/received/uploads/files", tmp_path / "uploads.restored")
    restore.stage(settings, plan())
    restore.swap(settings)
    assert read(tmp_path / "uploads") == NEW


def test_completing_goes_on_where_it_was_killed(settings, tmp_path, monkeypatch):
    """What was received stays whole until all is over."""
    restore.check(settings, plan("complete"))
    receive(settings, tmp_path, NEW)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(parts, "_own", lambda *_: (_ for _ in ()).throw(Killed))
        restore.stage(settings, plan("complete"))
    restore.stage(settings, plan("complete"))
    restore.swap(settings)
    assert read(tmp_path / "uploads") == {"old": "old", "both": "live", "deep/new": "new"}


@pytest.mark.parametrize("mode", ["replace", "complete"])
def test_uploads_on_another_file_system_are_copied(settings, tmp_path, monkeypatch, mode):
    """And killed in the middle of that, copied again."""
    def refuse(*_):
        raise OSError(errno.EXDEV, "another file system")

    restore.check(settings, plan(mode))
    receive(settings, tmp_path, NEW)
    with monkeypatch.context() as patched:
        patched.setattr(parts.os, "rename", refuse)
        patched.setattr(parts.os, "link", refuse)
        for _ in range(2):
            parts.KINDS["uploads"](settings, settings["parts"]["uploads"], plan(mode)["parts"]["uploads"]).stage()
    assert read(tmp_path / "uploads.restored") == (NEW if mode == "replace" else {"deep/new": "new"})
    assert read(tmp_path / "home/received/uploads/files") == NEW


def test_a_point_in_time_whose_backup_is_another_one_now_begins_anew(settings, tmp_path):
    """The nearest backup to a time: until tomorrow's there was an older one."""
    restore.check(settings, plan("complete"))
    receive(settings, tmp_path, NEW)
    restore.stage(settings, plan("complete"))
    restore.check(settings, plan("complete", "20260122_143000"))
    assert restore.State().running is None and not (tmp_path / "home/received/uploads").exists()


def test_room_is_asked_for_wherever_something_comes(settings, tmp_path, monkeypatch):
    """Received on one file system, restored on the other; what has come already takes no more room."""
    part = parts.KINDS["uploads"](settings, settings["parts"]["uploads"], plan()["parts"]["uploads"])
    received, path = str(tmp_path / "home/received"), str(tmp_path / "uploads")
    assert part.needs() == [(path, 6)]
    receive(settings, tmp_path, {"both": "kept"})
    assert part.needs() == [(path, 2)]
    os.rename(tmp_path / "home/received/uploads/files", f"{path}.restored")
    assert part.needs() == [(path, 6)], "another host sends it again"
    settings["restic"] = {"repository": "/repository"}
    assert part.needs() == [(path, 2)]
    os.rename(f"{path}.restored", tmp_path / "home/received/uploads/files")
    monkeypatch.setattr(parts, "_device", lambda place: place == received)
    assert part.needs() == [(received, 2), (path, 6)]


def test_a_point_in_time_completes_uploads_and_removes_none(settings, tmp_path):
    whole(settings, tmp_path, "complete")
    done = restore.swap(settings)
    assert read(tmp_path / "uploads") == {"old": "old", "both": "live", "deep/new": "new"}
    assert json.loads(pathlib.Path(done["copies"]["uploads"]).read_text()) == ["deep/new"]
    restore.finish(settings)
    restore.undo(settings)
    assert read(tmp_path / "uploads") == {"old": "old", "both": "live", "deep/new": "new"}


def test_room_is_counted_first(settings, tmp_path):
    settings["margin_mb"] = 10**9
    with pytest.raises(Failed, match=r"has \d+ MB free; the restore takes 0 MB .* keeps 1000000000 MB free"):
        restore.check(settings, plan())
    assert not (tmp_path / "home").exists()


def test_what_was_proved_takes_no_more_room(settings, tmp_path):
    """The room that it takes is not free any more; a run that goes on must not be refused for that."""
    whole(settings, tmp_path)
    settings["margin_mb"] = 10**9
    assert restore.check(settings, plan())["proved"] == ["uploads"]


def test_a_mount_point_is_refused(settings, monkeypatch):
    monkeypatch.setattr(parts.os.path, "ismount", lambda _: True)
    with pytest.raises(Failed, match="is a mount point"):
        restore.check(settings, plan())


def test_copies_are_removed_when_somebody_says_so(settings, tmp_path):
    whole(settings, tmp_path)
    done = restore.swap(settings)
    restore.finish(settings)
    with pytest.raises(Failed, match="no safety copy 20200101_000000"):
        restore.forget(settings, "20200101_000000")
    assert restore.forget(settings, done["id"])["copies"] == []
    assert not os.path.exists(done["copies"]["uploads"])
    with pytest.raises(Failed, match="there is no safety copy here"):
        restore.undo(settings)


def test_hosts_take_their_own_parts(settings):
    settings["postgresql"] = {"address": "192.0.2.7"}
    request = {"parts": {"postgresql": {"mode": "replace"}, **plan()["parts"]}}
    assert [part.name for part in restore.here(settings, request)] == ["uploads"]


@pytest.mark.parametrize("journal", [True, False])
def test_grafana_goes_with_its_journals(tmp_path, monkeypatch, journal):
    """A journal of another database, found beside one, would be played into it."""
    live = tmp_path / "grafana.db"
    live.write_text("old")
    if journal:
        (tmp_path / "grafana.db-wal").write_text("wal")
    (tmp_path / "grafana.db.restored").write_text("new")
    part = parts.Grafana({}, {"path": str(live)}, {"mode": "replace"})
    part.replace("1")
    expected = {"grafana.db": "new", "grafana.db.before-1": "old"} | ({"grafana.db.before-1-wal": "wal"} if journal else {})
    assert read(tmp_path) == expected
    part.take_back("1")
    part.replace("2")
    assert read(tmp_path) == {"grafana.db": "old", "grafana.db.before-2": "new"} | ({"grafana.db-wal": "wal"} if journal else {})


def test_redis_of_another_layout_is_refused(tmp_path):
    entry = {"instances": {"cache": {"data": str(tmp_path / "cache")}}, "user": ME}
    with pytest.raises(Failed, match=r"has Redis cache, queue, and this host cache. Expected: the same \(redis_layout\)"):
        parts.Redis({}, entry, {"files": {"cache.rdb": {}, "queue.rdb": {}}}).check()
