"""Sets, their manifests, what monitoring is told and when a backup is suspicious (roles/backup/files/aiko_backup)."""

import json

import pytest

from tests.unit.backup import library

backup = library("backup")
Failed = library("command").Failed
manifest = library("manifest")
metrics = library("metrics")
pgbackrest = library("pgbackrest")
restic = library("restic")
MB = 1024 * 1024


class Repository:
    """What restic would answer."""

    settings = {"repository": "/repository"}

    def __init__(self, snapshots, manifests=None):
        self.found = snapshots
        self.manifests = manifests or {}

    def snapshots(self, *_):
        return self.found

    def read(self, snapshot, name):
        assert name == "manifest.json"
        return self.manifests[snapshot]


def snapshot(number: int, *tags: str) -> dict:
    return {"id": str(number), "time": str(number), "tags": list(tags)}


TWO = [
    snapshot(1, "id:20260101_020000", "part:uploads"),
    snapshot(2, "id:20260101_020000", "part:manifest", "proven:1767500000", "proven:1767600000", "database:20260101-020000F"),
    snapshot(3, "id:20260102_020000", "part:uploads"), snapshot(4, "id:20260102_020000", "part:manifest"),
    snapshot(5, "id:20260103_020000", "part:uploads"), snapshot(6, "somebody", "else"), {"id": "7", "time": "7"},
]  # fmt: skip


def test_a_set_is_one_when_its_manifest_is_there():
    """A run that was killed leaves parts, and they must not pass for a backup; nor must what others keep in the repository."""
    found = manifest.sets(Repository(TWO))
    assert [(one.identifier, one.complete, one.proven) for one in found] == [
        ("20260101_020000", True, 1767600000), ("20260102_020000", True, None), ("20260103_020000", False, None),
    ]  # fmt: skip
    assert [one.label for one in found] == ["20260101-020000F", "", ""]
    assert [one.identifier for one in manifest.complete(Repository(TWO))] == ["20260101_020000", "20260102_020000"]


def test_ids_are_found_and_refused_by_name():
    """Half of an id must not choose whatever comes first."""
    assert manifest.find(Repository(TWO), "latest").identifier == "20260102_020000"
    assert manifest.find(Repository(TWO), "20260101_020000").snapshots["uploads"] == "1"
    with pytest.raises(Failed, match="there is no complete backup 20260103_020000 in /repository.*20260101_020000, 20260102_020000"):
        manifest.find(Repository(TWO), "20260103_020000")
    with pytest.raises(Failed, match="backup_id is '2026'. Expected: YYYYMMDD_HHMMSS"):
        manifest.find(Repository(TWO), "2026")
    with pytest.raises(Failed, match="those there are: none"):
        manifest.find(Repository([]), "latest")


def test_ids_are_those_of_their_second_and_never_taken_twice():
    """In UTC: the hour that comes twice in autumn would give two backups one name."""
    assert manifest.new_identifier([], 0) == "19700101_000000"
    assert manifest.new_identifier(["19700101_000000", "19700101_000001"], 0) == "19700101_000002"
    assert manifest.moment("19700101_000002") == 2


@pytest.mark.parametrize(("text", "words"), [
    ("", "cannot be read"),
    (json.dumps({"format": 2}), "format 2. Expected: 1"),
    (json.dumps({"format": 1, "id": "20250101_000000"}), "has the manifest of 20250101_000000"),
])  # fmt: skip
def test_a_manifest_that_is_not_right_is_refused(text, words):
    """It decides what is restored over what."""
    repository = Repository(TWO, {"2": text})
    with pytest.raises(Failed, match=words):
        manifest.load(repository, manifest.find(repository, "20260101_020000"))


def test_a_part_that_is_lost_is_refused_and_the_others_are_not():
    """What is left of a backup may be all that is left; a part that had no files has no snapshot."""
    one = manifest.find(Repository(TWO), "20260101_020000")
    found = {"parts": {"postgresql": {}, "redis": {"snapshot": "99"}, "uploads": {"snapshot": "1"}, "grafana": {"snapshot": None}}}
    with pytest.raises(Failed, match="has lost its redis: .*-e parts="):
        manifest.refuse_lost(one, found, found["parts"])
    manifest.refuse_lost(one, found, ["postgresql", "uploads", "grafana"])


def test_a_set_that_was_being_marked_when_the_run_was_killed_is_one():
    """restic makes another snapshot of the manifest before the former one goes; proof and parts are those of both."""
    again = [*TWO, snapshot(8, "id:20260101_020000", "part:manifest", "database:20260101-020000F")]
    one = manifest.sets(Repository(again))[0]
    assert (one.snapshots["manifest"], one.former, one.proven, one.label) == ("8", ["2"], 1767600000, "20260101-020000F")


class Marked(Repository):
    """restic, while a trial restore in another process marks the only set: the first `stale` answers are of before."""

    def __init__(self, before, after, manifests, stale):
        super().__init__(after, manifests)
        self.answers = [before] * stale

    def snapshots(self, *_):
        return self.answers.pop() if self.answers else self.found

    def read(self, snapshot, name):
        if snapshot not in self.manifests:
            raise Failed(f"failed to load snapshot {snapshot}: no such file or directory")
        return super().read(snapshot, name)


@pytest.mark.parametrize("before", [[snapshot(1, "id:20260101_020000", "part:manifest")], []], ids=["the former", "neither"])
def test_a_set_that_is_marked_while_somebody_reads_it_is_found(before):
    """A restore takes no lock, and must not fail for a trial restore that ends at that moment."""
    after = [snapshot(2, "id:20260101_020000", "part:manifest", "proven:5")]
    repository = Marked(before, after, {"2": json.dumps({"format": 1, "id": "20260101_020000"})}, stale=1)
    assert manifest.load(repository, manifest.find(repository, "latest"))["id"] == "20260101_020000"


@pytest.mark.parametrize("after", [[snapshot(1, "id:20260101_020000", "part:manifest")], []], ids=["there", "gone"])
def test_a_manifest_that_cannot_be_read_is_no_race(after):
    repository = Marked([snapshot(1, "id:20260101_020000", "part:manifest")], after, {}, stale=1)
    with pytest.raises(Failed, match="failed to load snapshot 1"):
        manifest.load(repository, manifest.find(repository, "latest"))


class Marking(Repository):
    """restic, on a disk that takes the mark or does not."""

    takes = True

    def snapshots(self, *tags):
        return [one for one in self.found if set(tags) <= set(one.get("tags", []))]

    def tag(self, identifier, tag):
        if self.takes:
            next(one for one in self.found if one["id"] == identifier)["tags"].append(tag)


@pytest.mark.parametrize("takes", [True, False])
def test_a_proof_counts_when_it_is_written(takes):
    """restic ends with 0 where it could not mark a snapshot."""
    repository = Marking([snapshot(1, "id:20260101_020000", "part:manifest", "proven:5")])
    repository.takes = takes
    one = manifest.find(repository, "latest")
    if takes:
        manifest.prove(repository, one, 7)
        assert manifest.find(repository, "latest").proven == 7
    else:
        with pytest.raises(Failed, match="did not take the note"):
            manifest.prove(repository, one, 7)


def test_a_snapshot_that_restic_leaves_out_is_missed(monkeypatch):
    """Of a damaged one it warns only, and ends with 0: the set would pass for unfinished, and be removed."""
    answers = {"list": "aaaaaaaaaa\nbbbbbbbbbb\n", "snapshots": json.dumps([{"id": "aaaaaaaaaa", "time": "1"}])}
    repository = restic.Restic({"restic": {"repository": "/repository", "password_file": "/password"}})

    def call(*words):
        assert "list" in words or "--no-cache" in words, "what is in the cache may not be in the repository any more"
        return next(answers[word] for word in ("list", "snapshots") if word in words)

    monkeypatch.setattr(repository, "call", call)
    assert repository.unreadable() == ["bbbbbbbbbb"]
    monkeypatch.setattr(repository, "settings", {"repository": "/repository"})
    with pytest.raises(Failed, match="cannot be read: bbbbbbbb. .*A damaged repository"):
        manifest.refuse_unreadable(repository)
    lists = iter(["aaaaaaaaaa\nbbbbbbbbbb\n", "aaaaaaaaaa\n"])
    monkeypatch.setattr(repository, "call", lambda *words: next(lists) if "list" in words else answers["snapshots"])
    assert repository.unreadable() == [], "one that was removed meanwhile is not damaged"


def test_the_newest_good_manifest_is_what_a_backup_is_compared_with(capsys):
    """A damaged one must not keep the next backup from being made."""
    good = json.dumps({"format": 1, "id": "20260101_020000", "parts": {}})
    repository = Repository(TWO, {"2": good, "4": "damaged"})
    assert backup.newest_readable(repository, manifest.complete(repository))["id"] == "20260101_020000"
    assert "WARNING: the manifest of backup 20260102_020000" in capsys.readouterr().err
    assert backup.newest_readable(repository, []) is None


@pytest.mark.parametrize("now", [{"system_id": "1", "timeline": 4}, {"system_id": "2", "timeline": 3}])
def test_a_backup_during_a_restore_is_none(monkeypatch, now):
    """Half of it would be of before."""
    run = backup.Run.__new__(backup.Run)
    run.settings = {"postgresql": {}}
    monkeypatch.setattr(backup.Source, "call", lambda *_: now)
    with pytest.raises(Failed, match="was restored while this backup was made"):
        run.refuse_restored({"system_id": "1", "timeline": 3})
    now |= {"system_id": "1", "timeline": 3}
    run.refuse_restored({"system_id": "1", "timeline": 3})


def made(database: int, uploads: int, count: int) -> dict:
    return {"parts": {"postgresql": {"database_bytes": database * MB}, "uploads": {"bytes": uploads * MB, "count": count, "files": {}}}}


def test_what_has_shrunk_to_less_than_half_is_suspicious():
    """An empty directory at the mount point is backed up without complaint otherwise."""
    assert backup.shrinkage(made(100, 100, 5), made(40, 100, 5)) == [f"postgresql went from {100 * MB} to {40 * MB} bytes"]
    assert backup.shrinkage(made(100, 100, 5), made(60, 60, 3)) == []
    assert backup.shrinkage(made(8, 8, 5), made(1, 1, 1)) == [], "a small one may"
    assert backup.shrinkage(made(8, 8, 5), made(8, 0, 0)) == ["uploads went from 5 files to none"]
    assert backup.shrinkage(None, made(1, 0, 0)) == []
    full, empty = ({"parts": {"redis": {"files": {"queue.rdb": {"size": size * MB}}}}} for size in (100, 1))
    assert backup.shrinkage(full, empty) == [], "a queue is worked off"


def test_metrics_keep_what_this_run_does_not_know(tmp_path):
    """A failed backup must not make the time of the last good one unknown: its alert would fall silent."""
    settings = {"metrics": str(tmp_path)}
    assert metrics.missing(settings)
    metrics.write(settings, {"backup_last_success_timestamp_seconds": 5, "backup_size_bytes": {'part="redis"': 1, 'part="uploads"': 2}})
    metrics.write(settings, {"backup_sets": 3, "backup_size_bytes": {'part="redis"': 4}})
    lines = (tmp_path / "backup.prom").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "backup_last_success_timestamp_seconds 5", 'backup_size_bytes{part="redis"} 4', "backup_sets 3",
    ]  # fmt: skip
    assert not metrics.missing(settings)
    assert (tmp_path / "backup.prom").stat().st_mode & 0o777 == 0o644
    metrics.write({"metrics": ""}, {"backup_sets": 3})
    assert not metrics.missing({"metrics": ""})


INFO = [{
    "name": "aiko", "status": {"code": 0}, "repo": [{"status": {"code": 0, "message": "ok"}}],
    "db": [{"id": 1, "system-id": 111, "version": "15"}, {"id": 2, "system-id": 222, "version": "17"}],
    "backup": [
        {"label": "20260101-020000F", "database": {"id": 1}, "info": {"size": 10, "repository": {"delta": 4}}, "timestamp": {"stop": 5},
         "annotation": {"id": "20260101_020000"}, "error": None},
        {"label": "20260101-020000F_20260102-020000I", "database": {"id": 2}, "info": {"size": 11, "repository": {"delta": 1}},
         "timestamp": {"stop": 6}, "error": True},
    ],
}]  # fmt: skip


def test_what_pgbackrest_tells(monkeypatch):
    """Its answer is read in one place."""
    monkeypatch.setattr(pgbackrest, "run", lambda *_, **__: json.dumps(INFO))
    database = pgbackrest.PgBackRest({"stanza": "aiko"})
    full, increment = database.backups()
    assert (full.kind, full.full, full.identifier) == ("full", "20260101-020000F", "20260101_020000")
    assert (full.system_id, full.error) == ("111", False)
    assert (increment.kind, increment.full, increment.identifier, increment.error) == ("incr", "20260101-020000F", "", True)
    assert database.system_id() == "222"
    assert database.exists()
    assert not pgbackrest.PgBackRest({"stanza": "other"}).exists()


def test_a_repository_that_cannot_be_read_is_told_with_its_reason(monkeypatch):
    """pgbackrest info ends with 0 when the key is wrong."""
    broken = [{**INFO[0], "backup": [], "db": [], "repo": [{"status": {"code": 99, "message": "[CryptoError] unable to flush"}}]}]
    monkeypatch.setattr(pgbackrest, "run", lambda *_, **__: json.dumps(broken))
    with pytest.raises(Failed, match="CryptoError.*backup_database_key"):
        pgbackrest.PgBackRest({"stanza": "aiko"}).backups()


def test_a_full_backup_is_made_when_the_last_one_is_old(monkeypatch):
    """A chain of increments is as good as its oldest member."""
    run = backup.Run.__new__(backup.Run)
    run.settings = {"keep": {"full_days": 7}}
    monkeypatch.setattr(backup.time, "time", lambda: 100 * 86400.0)
    one = pgbackrest.Backup("20260101-020000F", "", "1", "17", 1, 1, 94 * 86400, False)
    assert run.kind([one]) == "incr"
    assert run.kind([]) == "full"
    assert run.kind([pgbackrest.Backup(**{**one.__dict__, "stop": 90 * 86400})]) == "full"
    assert run.kind([pgbackrest.Backup(**{**one.__dict__, "error": True})]) == "full"
    run.settings = {"keep": {"full_days": 0}}
    assert run.kind([one]) == "full"
