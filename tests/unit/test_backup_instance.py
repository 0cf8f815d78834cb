"""roles/backup/files/aiko_backup/instance.py: what it says of a server that ends. Servers that run: molecule/backup."""

import pathlib
import subprocess
import threading

import pytest

from tests.unit.backup import library

instance = library("instance")
Failed = library("command").Failed
SETTINGS = {"postgresql": {"programs": "/nonexistent", "database": "x"}}


@pytest.mark.parametrize(("log", "words"), [
    ("LOG:  redo in progress\nFATAL:  recovery ended before configured recovery target was reached\n",
     "the archive's WAL ends, or has a gap or a damaged segment, before that point (FATAL:  recovery ended"),
    ("PANIC:  could not locate a valid checkpoint record\n", "the WAL that the backup begins with is missing"),
    ("ERROR:  invalid page in block 3 of relation base/5/16389\n", "restored files are damaged: a page's"),
    ("FATAL:  database files are incompatible with server\n", "another major version"),
    ("FATAL:  database locale is incompatible with operating system\n", "locale-gen"),
    ("LOG:  something else\nFATAL:  who knows\n", "FATAL:  who knows"),
    ("FATAL:  the database system is starting up\nLOG:  x\n", "LOG:  x"),
    ("", "no reason given"),
])  # fmt: skip
def test_a_log_becomes_a_sentence(log, words):
    assert words in instance.explain(log)


def test_the_same_line_is_said_once():
    """A server that cannot start its WAL's restore says so for every segment."""
    assert instance.explain("FATAL:  x\n" * 100) == "FATAL:  x"


def test_limits_that_were_raised_are_read():
    """Hot standby refuses what is lower than the primary had (postgresql.org/docs/current/hot-standby.html)."""
    log = "DETAIL:  max_connections = 100 is a lower setting than on the primary server, where its value was 200.\n"
    assert instance.RAISED.findall(log) == [("max_connections", "200")]


def test_programs_that_are_missing_are_named(tmp_path):
    with pytest.raises(Failed, match="/nonexistent/postgres is not here"):
        instance.Instance(SETTINGS, str(tmp_path)).start()


def test_nothing_of_production_is_used():
    """Above what the restored directory brings along: no network, no archive, no library, and its own socket."""
    own = {"listen_addresses": "", "archive_mode": "off", "archive_command": "", "shared_preload_libraries": ""}
    assert own.items() <= instance.SETTINGS.items()


def test_a_number_that_belongs_to_somebody_else_is_left_alone(tmp_path):
    """After a reboot a postmaster.pid may name any process."""
    other = subprocess.Popen(["sleep", "60"], cwd="/")
    try:
        (tmp_path / "postmaster.pid").write_text(f"{other.pid}\n{tmp_path}\n")
        instance.end_stale(str(tmp_path))
        assert other.poll() is None
        assert not (tmp_path / "postmaster.pid").exists(), "pgbackrest would refuse the directory"
    finally:
        other.kill()
        other.wait()


def test_what_a_killed_run_left_is_ended(tmp_path):
    """A postmaster works in its data directory; that is how it is known."""
    other = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    try:
        pathlib.Path(tmp_path, "postmaster.pid").write_text(f"{other.pid}\n{tmp_path}\n")
        # Whoever was killed is not there to hear of its child's end.
        threading.Thread(target=other.wait, daemon=True).start()
        instance.end_stale(str(tmp_path))
        assert other.wait(5) == -2
        assert not (tmp_path / "postmaster.pid").exists()
    finally:
        other.kill()
        other.wait()
