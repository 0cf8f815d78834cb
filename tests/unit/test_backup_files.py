"""roles/backup/files/aiko_backup/files.py: hashes, their cache, and what has to be noticed."""

import hashlib
import json
import os
import pathlib
import time

import pytest

from tests.unit.backup import library

files = library("files")
Failed = library("command").Failed
LONG_AGO = time.time() - 3600


@pytest.fixture
def place(tmp_path):
    """Files of an hour ago, one with a name that is no UTF-8."""
    place = tmp_path / "uploads"
    (place / "ab").mkdir(parents=True)
    for name, content in ((b"ab/1.pdf", b"one"), (b"ab/two lines\n.pdf", b"two"), (b"\xff.bin", b"x" * 100_000), (b"empty", b"")):
        path = os.path.join(os.fsencode(place), name)
        pathlib.Path(os.fsdecode(path)).write_bytes(content)
        os.utime(path, (LONG_AGO, LONG_AGO))
    return place


def hashes(place, tmp_path):
    return files.list_hashes(str(place), str(tmp_path / "cache"))


def test_every_file_is_hashed_whatever_its_name(place, tmp_path):
    found = hashes(place, tmp_path)
    assert list(found) == ["ab/1.pdf", "ab/two lines\n.pdf", "empty", "\udcff.bin"]
    assert found["ab/1.pdf"] == {"size": 3, "sha256": hashlib.sha256(b"one").hexdigest()}
    assert found["\udcff.bin"]["sha256"] == hashlib.sha256(b"x" * 100_000).hexdigest()


def test_a_manifest_carries_odd_names(place, tmp_path):
    """They go through JSON on their way into the manifest and back."""
    found = json.loads(json.dumps(hashes(place, tmp_path)))
    files.verify(str(place), found)


def test_links_are_not_followed_and_pipes_not_read(place, tmp_path, capsys):
    """Whoever may write uploads could otherwise have any file of the host read, or the backup wait forever."""
    (place / "link").symlink_to("/etc/passwd")
    (place / "directory").symlink_to("/etc")
    os.mkfifo(place / "pipe")
    assert not {"link", "pipe", "directory/passwd"} & set(hashes(place, tmp_path))
    said = capsys.readouterr().err
    assert "'pipe'" in said
    assert "'link'" in said


def test_what_is_known_is_not_read_again(place, tmp_path, monkeypatch):
    """A nightly backup of many files would otherwise read all of them."""
    (tmp_path / "cache").write_text("{}")
    # Time has to pass until a file may be taken as settled.
    monkeypatch.setattr(files, "SETTLED_NS", -10**12)
    first = hashes(place, tmp_path)
    (place / "new").write_bytes(b"new")
    read = []
    hash_open = files._hash_open
    monkeypatch.setattr(files, "_hash_open", lambda *given: read.append(given) or hash_open(*given))
    assert hashes(place, tmp_path) == {**first, "new": {"size": 3, "sha256": hashlib.sha256(b"new").hexdigest()}}
    assert len(read) == 1


def test_a_change_that_keeps_size_and_date_is_seen(place, tmp_path, monkeypatch):
    """The kernel's own date of change cannot be set back."""
    monkeypatch.setattr(files, "SETTLED_NS", -10**12)
    hashes(place, tmp_path)
    (place / "ab/1.pdf").write_bytes(b"eno")
    os.utime(place / "ab/1.pdf", (LONG_AGO, LONG_AGO))
    assert hashes(place, tmp_path)["ab/1.pdf"]["sha256"] == hashlib.sha256(b"eno").hexdigest()


def test_what_has_just_changed_is_not_believed_next_time(place, tmp_path):
    """Two changes within one tick of the clock look like one."""
    hashes(place, tmp_path)
    assert json.loads((tmp_path / "cache").read_text()) == {}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"ab/1.pdf": null}'])
def test_a_cache_that_cannot_be_read_costs_time_only(place, tmp_path, content):
    (tmp_path / "cache").write_text(content)
    assert len(hashes(place, tmp_path)) == 4


def test_a_directory_that_is_not_there_is_a_failure(tmp_path):
    """No files and no place for files are two things."""
    with pytest.raises(Failed, match="uploads"):
        hashes(tmp_path / "uploads", tmp_path)


@pytest.mark.parametrize(("change", "words"), [
    (lambda place: (place / "ab/1.pdf").unlink(), "'ab/1.pdf' is missing"),
    (lambda place: (place / "ab/1.pdf").write_bytes(b"onE"), "'ab/1.pdf' has other contents"),
    (lambda place: (place / "ab/1.pdf").write_bytes(b"on"), "'ab/1.pdf' has 2 bytes, not 3"),
    (lambda place: ((place / "ab/1.pdf").rename(place / "z"), (place / "ab/1.pdf").symlink_to(place / "z")), "'ab/1.pdf' is not a file"),
])  # fmt: skip
def test_verifying_names_what_differs(place, tmp_path, change, words):
    known = hashes(place, tmp_path)
    files.verify(str(place), known)
    change(place)
    with pytest.raises(Failed, match=words):
        files.verify(str(place), known)


def test_a_sample_has_the_largest_and_changes():
    known = {str(number): {"size": number} for number in range(1000)}
    samples = [files.choose(known, 10) for _ in range(5)]
    assert all(len(sample) == 10 and "999" in sample for sample in samples)
    assert len({tuple(sample) for sample in samples}) == 5
    assert files.choose(known, 5000) == known
