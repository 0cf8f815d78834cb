"""roles/backup/files/aiko_backup/restore_adopt.py: a repository that was copied from another host."""

import os
import types

import pytest

from tests.unit.backup import library

adopt = library("restore_adopt")


@pytest.fixture
def given(monkeypatch):
    """Paths that were given to somebody, and an account that owns nothing here."""
    found = []
    monkeypatch.setattr(adopt.os, "lchown", lambda path, uid, gid: found.append((os.path.normpath(path), uid, gid)))
    return found


def account(monkeypatch, uid):
    monkeypatch.setattr(adopt.pwd, "getpwnam", lambda name: types.SimpleNamespace(pw_uid=uid, pw_gid=7) if name == "postgres" else None)


def test_all_of_a_copied_repository_is_given_to_postgres(tmp_path, monkeypatch, given):
    place = tmp_path / "pgbackrest"
    (place / "backup/aiko").mkdir(parents=True)
    (place / "backup/aiko/backup.info").touch()
    account(monkeypatch, os.getuid() + 1)
    assert adopt.adopt({"directory": str(tmp_path)})
    assert {path for path, uid, gid in given if (uid, gid) == (os.getuid() + 1, 7)} == {
        str(path) for path in (place, place / "backup", place / "backup/aiko", place / "backup/aiko/backup.info")}


def test_its_own_repository_is_left_alone(tmp_path, monkeypatch, given):
    """Each night would walk through all of it otherwise."""
    account(monkeypatch, os.getuid())
    (tmp_path / "pgbackrest/backup").mkdir(parents=True)
    assert not adopt.adopt({"directory": str(tmp_path)}) and given == []


def test_no_repository_is_none_to_adopt(tmp_path, monkeypatch, given):
    account(monkeypatch, os.getuid() + 1)
    assert not adopt.adopt({"directory": str(tmp_path)}) and given == []
