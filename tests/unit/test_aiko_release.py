"""roles/release/files/aiko-release: what it decides and what it keeps. Whole switches under load: molecule and conformance."""

import http.server
import json
import os
import pathlib
import socket
import socketserver
import subprocess
import sys
import threading
import time

import pytest

from tests.unit.support import ROOT, load

aiko_release = load("roles/release/files/aiko-release")
BLUE, GREEN = "aiko-backend@blue.service", "aiko-backend@green.service"


@pytest.fixture
def root(tmp_path):
    """Three complete releases, c the newest; b serves in slot blue."""
    root = tmp_path / "srv"
    (root / "slots").mkdir(parents=True)
    for age, name in enumerate("cba"):
        add(root, name, age)
    (root / "slots" / "blue").symlink_to("../releases/b")
    (root / "current").symlink_to("releases/b")
    return root


def add(root: pathlib.Path, name: str, age: float, complete: bool = True) -> None:
    (root / "releases" / name / "venv").mkdir(parents=True)
    (root / "releases" / name / "venv" / "x").write_text("x")
    if complete:
        marker = root / "releases" / name / ".complete"
        marker.touch()
        os.utime(marker, (1_000_000 - age,) * 2)


@pytest.fixture
def backend(root, systemd, monkeypatch):
    """The program's view of a host on which slot blue has served for 100 seconds."""
    monkeypatch.setattr(aiko_release, "UNITS", root / "units")
    (root / "units/aiko-backend.service.wants").mkdir(parents=True)
    systemd.unit(BLUE, age=100)
    boots(root, BLUE)
    systemd.unit(GREEN)
    systemd.unit("aiko-backend.socket", age=100)
    return aiko_release.Part({
        "root": str(root), "service": "aiko-backend", "keep": 2, "watch": [str(root / "backend.env"), str(root / "missing")],
        "check": [], "migrate": [], "start_timeout": 2, "health_path": "/health/ready", "image": "",
    })


def boots(root: pathlib.Path, unit: str, wanted: bool = True) -> None:
    """Whether a slot starts with the host."""
    link = root / "units/aiko-backend.service.wants" / unit
    link.unlink(missing_ok=True)
    if wanted:
        link.symlink_to("../aiko-backend@.service")


def write(path: pathlib.Path, age: float) -> None:
    path.write_text("x")
    os.utime(path, (time.time() - age,) * 2)


def test_nothing_to_do_when_the_release_serves_with_what_is_on_disk(backend, root):
    """The usual deployment changes nothing, and must not restart anything."""
    write(root / "backend.env", age=200)
    assert backend.reason("b") is None


def test_another_release_is_a_reason(backend):
    """The plain case."""
    assert backend.reason("c") == "b serves"


def test_newer_configuration_is_a_reason(backend, root):
    """Also when the run that wrote it was killed right after: the file's time says so."""
    write(root / "backend.env", age=50)
    assert backend.reason("b") == f"{root / 'backend.env'} has changed"


def test_nothing_serves(backend, systemd):
    """A first deployment, or a backend that has failed."""
    systemd.unit(BLUE, ActiveState="failed")
    assert backend.reason("b") == "nothing serves"


def test_a_socket_that_does_not_listen_is_a_reason(backend, systemd):
    """The slots serve on with what they inherited, until the first restart: nobody else would notice in time."""
    systemd.unit("aiko-backend.socket", ActiveState="inactive")
    assert backend.reason("b") == "the socket does not listen"


@pytest.mark.parametrize("break_it", [
    lambda systemd, root: boots(root, BLUE, False),
    lambda systemd, root: boots(root, GREEN),
    lambda systemd, root: systemd.unit(GREEN, age=100),
    lambda systemd, root: aiko_release.relink(root / "current", "releases/a"),
    lambda systemd, root: (root / "current").unlink(),
])
def test_a_killed_switch_is_finished_by_the_next_run(backend, systemd, root, break_it):
    """Killed anywhere, it leaves two slots running, or the wrong one for the next boot: run again, it must notice."""
    break_it(systemd, root)
    assert backend.reason("b") == "an earlier switch was not finished"


def test_of_two_that_serve_the_one_that_boots_counts(backend, systemd, root):
    """A switch killed before the draining leaves both; the new one is enabled first, and the old one goes."""
    boots(root, BLUE, False)
    systemd.unit(GREEN, age=50)
    boots(root, GREEN)
    (root / "slots" / "green").symlink_to("../releases/c")
    assert backend.serving() == "green"
    assert backend.status()["serving"] == "c"


def test_releases_are_told_newest_first_and_halves_are_none(backend, root):
    """A build that was killed must not be switched to, however new it is."""
    add(root, "half", age=-1, complete=False)
    assert backend.releases() == ["c", "b", "a"]


@pytest.mark.parametrize("verb", ["use", "switch"])
def test_an_incomplete_release_is_refused(backend, systemd, root, verb):
    """And nothing of what serves is touched; the message says what there is."""
    add(root, "half", age=0, complete=False)
    for name in ("half", "nowhere"):
        with pytest.raises(aiko_release.Failed, match=rf"release {name} is not complete on this host; known: c, b, a"):
            getattr(backend, verb)(name)
    assert os.readlink(root / "current") == "releases/b"
    assert systemd.actions() == []


def test_use_links_a_release(backend, root, capsys):
    """On hosts of workers alone; the words are what Ansible reads as a change."""
    backend.use("c")
    assert os.readlink(root / "current") == "releases/c"
    backend.use("c")
    assert capsys.readouterr().out.splitlines() == ["switched: c is current", "unchanged: c is current"]


def test_prune_keeps_the_newest_and_whatever_is_in_use(backend, root, capsys):
    """`b` serves and `old` is current: neither may go, however old; the last ones stay as a way back."""
    for age, name in ((-2, "e"), (-1, "d"), (50, "old"), (60, "older")):
        add(root, name, age)
    aiko_release.relink(root / "current", "releases/old")
    backend.prune()
    assert backend.releases() == ["e", "d", "b", "old"]
    assert sorted(path.name for path in (root / "releases").iterdir()) == ["b", "d", "e", "old"]
    assert sorted(capsys.readouterr().out.split()) == ["a", "c", "older", "removed:", "removed:", "removed:"]


def test_prune_keeps_what_a_draining_slot_runs(backend, systemd, root):
    """Its requests still import modules from there."""
    (root / "slots" / "green").symlink_to("../releases/a")
    systemd.unit(GREEN, ActiveState="deactivating")
    backend.prune()
    assert "a" in backend.releases()
    systemd.unit(GREEN, ActiveState="inactive")
    backend.prune()
    assert "a" not in backend.releases()


def test_prune_takes_the_mark_away_before_the_rest(backend, root, monkeypatch):
    """Killed half-way through, what is left must not pass for a whole release."""
    seen = []

    def killed(path):
        seen.append((path / ".complete").exists())
        raise KeyboardInterrupt

    monkeypatch.setattr(aiko_release.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        backend.prune()
    assert seen == [False]
    assert backend.releases() == ["c", "b"]


def test_prune_removes_what_was_given_up_half_way(backend, root):
    """A build that was killed leaves a whole environment behind; nobody else knows of it."""
    for name, age in (("half", 7200), ("building", 5)):
        (root / "releases" / name).mkdir()
        os.utime(root / "releases" / name, (time.time() - age,) * 2)
    backend.prune()
    assert not (root / "releases" / "half").exists()
    assert (root / "releases" / "building").exists(), "somebody may be building it at this moment"
    assert backend.releases()


def test_a_link_never_misses(tmp_path):
    """Services start from `current` at any moment: a reader that looks all the time must always find it."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    link = tmp_path / "current"
    link.symlink_to("one")
    (tmp_path / "current.new").symlink_to("left by a killed run")
    done, seen = threading.Event(), set()

    def look():
        while not done.is_set():
            try:
                seen.add(os.readlink(link))
            except OSError as error:
                seen.add(repr(error))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for _ in range(500):
            aiko_release.relink(link, "two")
            aiko_release.relink(link, "one")
    finally:
        done.set()
        reader.join()
    assert seen <= {"one", "two"}
    assert os.readlink(link) == "one"
    assert not os.path.lexists(tmp_path / "current.new")


@pytest.fixture
def healthy(tmp_path):
    """A server on a Unix socket whose health can be chosen."""

    class Handler(http.server.BaseHTTPRequestHandler):
        status = 200

        def do_GET(self):
            body = b'{"status": "as asked"}'
            self.send_response(self.status if self.path == "/health/ready" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

        def address_string(self):
            return "unix"

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    path = str(tmp_path / "http.sock")
    with Server(path, Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield path, Handler
        server.shutdown()
        thread.join()


def test_health_is_asked_on_a_socket(healthy, tmp_path):
    """The candidate serves on a private socket; only a 200 counts, and silence is an answer, too."""
    path, handler = healthy
    assert aiko_release.ask(path, "/health/ready").startswith('200 {"status"')
    handler.status = 503
    assert aiko_release.ask(path, "/health/ready").startswith("503")
    assert aiko_release.ask(str(tmp_path / "no.sock"), "/health/ready").startswith("no answer (")
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf.sock"))
        assert aiko_release.ask(str(tmp_path / "deaf.sock"), "/health/ready").startswith("no answer (")


def test_a_candidate_that_dies_is_not_waited_for(backend, systemd, root):
    """What serves serves on, the slot that was tried is idle again, and the journal says why."""
    systemd.unit("aiko-backend-check@green.service", ActiveState="failed")
    systemd.change(fails={"restart": "Job failed"}, journal="ModuleNotFoundError: No module named 'aiko'")
    begin = time.monotonic()
    with pytest.raises(aiko_release.Failed) as failed:
        backend.switch("c")
    assert time.monotonic() - begin < backend.facts["start_timeout"]
    assert "the release did not become healthy" in str(failed.value)
    assert "/health/ready gave no answer" in str(failed.value)
    assert "ModuleNotFoundError" in str(failed.value)
    assert systemd.state(BLUE) == "active"
    assert systemd.state(GREEN) == "inactive"
    assert os.readlink(root / "current") == "releases/b"
    assert not [call for call in systemd.actions() if "blue" in call]


def program(tmp_path, systemd, facts: dict, *arguments: str) -> subprocess.CompletedProcess:
    """The program itself, with its absolute paths moved below tmp_path."""
    (tmp_path / "backend.json").write_text(json.dumps(facts))
    source = (ROOT / "roles/release/files/aiko-release").read_text()
    moved = {'"/etc/aiko"': tmp_path, '"/run/aiko-release.lock"': tmp_path / "lock", '"/etc/systemd/system"': tmp_path / "srv/units"}
    for absolute, below in moved.items():
        assert source.count(absolute) == 1
        source = source.replace(absolute, f'"{below}"')
    (tmp_path / "aiko-release").write_text(source)
    return subprocess.run([sys.executable, str(tmp_path / "aiko-release"), *arguments], capture_output=True, text=True, check=False)


def test_a_dry_run_tells_the_truth_for_both_ways_to_switch(backend, tmp_path, systemd, root):
    """Ansible's check mode asks it; a change that it keeps back is a surprise in the real run."""
    def said(*arguments: str) -> str:
        done = program(tmp_path, systemd, backend.facts, *arguments, "--dry-run")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert said("switch", "b") == "unchanged"
    assert said("use", "b") == "unchanged"
    assert said("switch", "c") == "switched: would switch, because b serves"
    assert said("use", "c") == "switched: would switch, because b is current"
    (root / "current").unlink()
    assert said("use", "c") == "switched: would switch, because nothing is current"
    assert systemd.actions() == []
    assert sorted(path.name for path in (root / "releases").iterdir()) == ["a", "b", "c"]


def test_the_program_ends_with_one_line_and_a_bad_code(backend, tmp_path, systemd):
    """A traceback is not a message."""
    done = program(tmp_path, systemd, backend.facts, "use", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "aiko-release: release nowhere is not complete on this host; known: c, b, a\n"
    for wrong in (["use"], ["switch"], ["prune", "c"], ["status", "c"], ["deploy"]):
        assert program(tmp_path, systemd, backend.facts, *wrong).returncode == 2


def test_a_part_is_chosen_and_one_that_is_not_here_is_named(backend, tmp_path, systemd):
    """Each part of the platform has its own releases; the wrong ones must not be touched by mistake."""
    (tmp_path / "frontend.json").write_text(json.dumps(backend.facts | {"root": str(tmp_path / "none"), "service": "aiko-frontend"}))
    assert json.loads(program(tmp_path, systemd, backend.facts, "--part", "frontend", "status").stdout)["releases"] == []
    assert json.loads(program(tmp_path, systemd, backend.facts, "--part", "backend", "status").stdout)["releases"] == ["c", "b", "a"]
    done = program(tmp_path, systemd, backend.facts, "--part", "grafana", "status")
    assert (done.returncode, done.stderr) == (1, "aiko-release: this host has no grafana; the parts here: backend, frontend\n")


def test_status_is_for_programs(backend, tmp_path, systemd):
    """The status playbook reads it."""
    done = program(tmp_path, systemd, backend.facts, "status")
    assert json.loads(done.stdout) == {"current": "b", "slot": "blue", "serving": "b", "releases": ["c", "b", "a"]}
