"""roles/unit/library/systemd_units.py: what it decides, against a stand-in for systemctl. Real systemd: molecule/unit."""

import os
import time

import pytest

from tests.unit.support import call, load

systemd_units = load("roles/unit/library/systemd_units.py")


@pytest.fixture
def settle(tmp_path, monkeypatch, systemd):
    """Run the module; answers its result."""
    monkeypatch.setattr(systemd_units, "STAMPS", str(tmp_path / "stamps"))

    def run(*units: dict, check: bool = False, **arguments) -> dict:
        arguments = {"units": list(units), "_ansible_remote_tmp": str(tmp_path / ".ansible"), **arguments}
        return call(systemd_units, arguments, check)

    return run


@pytest.fixture
def written(tmp_path):
    """Make a file that was written so many seconds ago; answers its path."""

    def make(age: float, name: str = "file") -> str:
        path = tmp_path / name
        path.write_text("x")
        os.utime(path, (time.time() - age,) * 2)
        return str(path)

    return make


def demo(**more) -> dict:
    return {"name": "demo.service", "enabled": True, "state": "started", **more}


def test_a_new_unit_is_enabled_and_started_once(settle, systemd):
    """The second run must find nothing to do, or every deployment interrupts."""
    systemd.unit("demo.service")
    assert settle(demo())["actions"] == ["enable demo.service", "start demo.service"]
    assert systemd.actions() == ["enable demo.service", "start demo.service"]
    again = settle(demo())
    assert (again["changed"], again["actions"]) == (False, [])
    assert len(systemd.actions()) == 2


@pytest.mark.parametrize(("wanted", "properties", "expected"), [
    ({"state": "started"}, {"ActiveState": "failed"}, ["start"]),
    ({"state": "started"}, {"ActiveState": "deactivating"}, ["start"]),
    ({"state": "started"}, {"ActiveState": "activating"}, []),
    ({"state": "started"}, {"ActiveState": "reloading"}, []),
    ({"state": "stopped"}, {"ActiveState": "active"}, ["stop"]),
    ({"state": "stopped"}, {"ActiveState": "activating"}, ["stop"]),
    ({"state": "stopped"}, {"ActiveState": "failed"}, []),
    ({"state": "stopped"}, {"LoadState": "not-found"}, []),
    ({}, {"ActiveState": "inactive"}, []),
    ({"enabled": True}, {"UnitFileState": "static"}, []),
    ({"enabled": True}, {"UnitFileState": "enabled-runtime"}, []),
    ({"enabled": True}, {"UnitFileState": "masked"}, ["enable"]),
    ({"enabled": False}, {"UnitFileState": "enabled"}, ["disable"]),
    ({"enabled": False}, {"UnitFileState": "static"}, []),
    ({"masked": True}, {}, ["mask"]),
    ({"masked": True}, {"LoadState": "masked"}, []),
    ({"masked": False, "enabled": True}, {"LoadState": "masked", "UnitFileState": "masked"}, ["unmask", "enable"]),
    ({"masked": False}, {}, []),
])
def test_what_is_done_in_each_state(settle, systemd, wanted, properties, expected):
    """A stopped unit that is stopped again, a static one that is enabled: each would report a change for ever."""
    systemd.unit("demo.service", **{"Started": time.time() - 100, **properties})
    assert settle({"name": "demo.service", **wanted})["actions"] == [f"{verb} demo.service" for verb in expected]


def test_a_file_that_is_newer_than_the_start_restarts(settle, systemd, written):
    """Judged by what runs: a run that was killed between writing and restarting is made good by the next one."""
    systemd.unit("demo.service", age=100, UnitFileState="enabled")
    assert settle(demo(restart_on=[written(200)]))["actions"] == []
    assert settle(demo(restart_on=[written(200), written(50, "newer"), "/does/not/exist"]))["actions"] == ["restart demo.service"]
    assert settle(demo(restart_on=[written(50, "newer")]))["actions"] == []


def test_a_link_that_was_changed_restarts(settle, systemd, written, tmp_path):
    """`current` points to another release: the link is newer, its target may be old."""
    systemd.unit("demo.service", age=100, UnitFileState="enabled")
    link = tmp_path / "current"
    link.symlink_to(written(300, "target"))
    os.utime(link, (time.time() - 200,) * 2, follow_symlinks=False)
    assert settle(demo(restart_on=[str(link)]))["actions"] == []
    written(50, "target")
    assert settle(demo(restart_on=[str(link)]))["actions"] == ["restart demo.service"]


def test_a_link_to_a_directory_counts_by_itself(tmp_path):
    """Files that come and go in a release's directory are no new release."""
    (tmp_path / "release").mkdir()
    (tmp_path / "current").symlink_to("release")
    os.utime(tmp_path / "current", (1000, 1000), follow_symlinks=False)
    assert systemd_units.written(str(tmp_path / "current")) == 1000
    assert systemd_units.written(str(tmp_path / "nothing")) == 0
    assert not systemd_units.newer_than(1000, [str(tmp_path / "current")])
    assert systemd_units.newer_than(999, [str(tmp_path / "current")])


def test_a_reload_is_remembered(settle, systemd, written):
    """systemd keeps no time of reloads; without one, each run would reload again."""
    systemd.unit("demo.service", age=100, UnitFileState="enabled")
    wanted = demo(reload_on=[written(50)])
    assert settle(wanted)["actions"] == ["reload demo.service"]
    assert settle(wanted)["actions"] == []
    written(-5)
    assert settle(wanted)["actions"] == ["reload demo.service"]


def test_a_restart_makes_a_reload_needless(settle, systemd, written):
    """Both at once would reload a service that has just read everything."""
    systemd.unit("demo.service", age=100, UnitFileState="enabled")
    assert settle(demo(restart_on=[written(50)], reload_on=[written(50, "other")]))["actions"] == ["restart demo.service"]
    assert settle(demo(restart_on=[written(50)], reload_on=[written(50, "other")]))["actions"] == []


def test_a_failed_reload_is_not_remembered(settle, systemd, written):
    """The next run must try again: the service still has its old configuration."""
    systemd.unit("demo.service", age=100, UnitFileState="enabled")
    systemd.change(fails={"reload": "Job failed."})
    wanted = demo(reload_on=[written(50)])
    assert settle(wanted)["failed"]
    systemd.change(fails={})
    assert settle(wanted)["actions"] == ["reload demo.service"]


def test_own_unit_files_count_and_those_of_packages_do_not():
    """An apt upgrade has its own opinion on when to restart; a changed drop-in of ours restarts."""
    units = systemd_units.Units(None, {})
    units.state = {"demo.service": {
        "FragmentPath": "/usr/lib/systemd/system/demo.service",
        "DropInPaths": "/etc/systemd/system/demo.service.d/aiko.conf /usr/lib/systemd/system/service.d/x.conf",
    }, "none.service": {"FragmentPath": "", "DropInPaths": ""}}
    assert units.own_files("demo.service") == ["/etc/systemd/system/demo.service.d/aiko.conf"]
    assert units.own_files("none.service") == []


def test_a_unit_of_ours_before_a_packages_is_read(settle, systemd, tmp_path, monkeypatch):
    """A package's unit is loaded when it is installed; systemd does not say that ours stands before it now, and starts the wrong one."""
    monkeypatch.setattr(systemd_units, "OWN", str(tmp_path / "etc"))
    (tmp_path / "etc").mkdir()
    systemd.unit("demo.service", FragmentPath="/usr/lib/systemd/system/demo.service")
    systemd.unit("pool@a.service", FragmentPath="/usr/lib/systemd/system/pool@.service")
    pool = {"name": "pool@a.service", "state": "started"}
    settle(demo(), pool, check=True)
    assert "daemon-reload" not in systemd.actions()
    (tmp_path / "etc/pool@.service").write_text("[Service]\n")
    settle(demo(), pool, check=True)
    assert "daemon-reload" not in systemd.actions(), "check mode only looks"
    settle(demo(), pool)
    assert systemd.actions()[0] == "daemon-reload"
    systemd.change(calls=[])
    (tmp_path / "etc/pool@.service").unlink()
    (tmp_path / "etc/demo.service").write_text("[Service]\n")
    settle(demo())
    assert "daemon-reload" in systemd.actions()
    systemd.unit("demo.service", age=1, FragmentPath=str(tmp_path / "etc/demo.service"))
    systemd.change(calls=[])
    settle(demo())
    assert "daemon-reload" not in systemd.actions()


@pytest.mark.parametrize(("name", "directory"), [
    ("demo.service", "demo.service.d"), ("pool@a.service", "pool@a.service.d"), ("pool@a.service", "pool@.service.d"),
])
def test_the_first_drop_in_restarts(settle, systemd, written, tmp_path, monkeypatch, name, directory):
    """Before 256, systemd does not say that it has to read a drop-in in a new directory: the unit would run on without it, unnoticed."""
    monkeypatch.setattr(systemd_units, "OWN", str(tmp_path / "etc"))
    monkeypatch.setattr(systemd_units.Units, "own_files", lambda units, name: units.state[name]["DropInPaths"].split())
    (tmp_path / "etc" / directory).mkdir(parents=True)
    (tmp_path / "etc" / directory / "notes.txt").write_text("no drop-in")
    wanted = {"name": name, "state": "started"}
    systemd.unit(name, age=100, FragmentPath="/usr/lib/systemd/system/x.service", DropInPaths="/usr/lib/systemd/system/x.service.d/a.conf")
    settle(wanted)
    assert systemd.actions() == []
    path = written(50, f"etc/{directory}/aiko.conf")
    systemd.unit(name, age=100, FragmentPath="/usr/lib/systemd/system/x.service", Unread={"DropInPaths": path})
    settle(wanted, check=True)
    assert systemd.actions() == [], "check mode only looks"
    assert settle(wanted)["actions"] == [f"restart {name}"]
    assert systemd.actions() == ["daemon-reload", f"restart {name}"]
    assert not settle(wanted)["changed"]
    assert systemd.actions() == ["daemon-reload", f"restart {name}"], "what was read is read"


def test_a_drop_in_that_is_never_read_is_not_waited_for(settle, systemd, tmp_path, monkeypatch):
    """Every run would reload systemd: for a unit that is masked or not there, and for a template's that an instance's stands in for."""
    monkeypatch.setattr(systemd_units, "OWN", str(tmp_path / "etc"))
    for directory in ("gone.service.d", "masked.service.d", "pool@a.service.d", "pool@.service.d"):
        (tmp_path / "etc" / directory).mkdir(parents=True)
        (tmp_path / "etc" / directory / "aiko.conf").write_text("[Service]\n")
    systemd.unit("masked.service", LoadState="masked", FragmentPath="/etc/systemd/system/masked.service")
    systemd.unit("pool@a.service", FragmentPath="/x/pool@.service", DropInPaths=str(tmp_path / "etc/pool@a.service.d/aiko.conf"))
    settle({"name": "gone.service", "state": "stopped"}, {"name": "masked.service", "state": "stopped"}, {"name": "pool@a.service"})
    assert systemd.actions() == []


@pytest.mark.parametrize(("verb", "wanted"), [
    ("stop", {"state": "stopped"}), ("restart", {"restart_on": "newer"}), ("reload", {"reload_on": "newer"}),
])
def test_a_running_unit_gets_the_journal_that_it_was_not_started_with(settle, systemd, written, tmp_path, monkeypatch, verb, wanted):
    """systemd starts a namespace's journal with the unit; where the namespace came later, ExecStop and ExecReload fail for want of it."""
    monkeypatch.setattr(systemd_units, "JOURNAL", str(tmp_path / "journal."))
    wanted = demo(**{key: [written(50)] if value == "newer" else value for key, value in wanted.items()})
    systemd.unit("demo.service", age=100, UnitFileState="enabled", LogNamespace="demo")
    settle({**wanted, "enabled": None}, check=True)
    assert systemd.actions() == [], "check mode only looks"
    assert settle({**wanted, "enabled": None})["actions"] == [f"{verb} demo.service"]
    sockets = "start systemd-journald@demo.socket systemd-journald-varlink@demo.socket"
    assert systemd.actions() == [sockets, f"{verb} demo.service"]
    (tmp_path / "journal.demo").mkdir()
    (tmp_path / "stamps/demo.service").unlink(missing_ok=True)
    systemd.change(calls=[])
    systemd.unit("demo.service", age=100, UnitFileState="enabled", LogNamespace="demo")
    settle({**wanted, "enabled": None})
    assert systemd.actions() == [f"{verb} demo.service"], "a journal that is there is left alone"


def test_a_unit_that_starts_brings_its_journal_itself(settle, systemd, tmp_path, monkeypatch):
    """systemd does that; and a unit without a namespace has none to start."""
    monkeypatch.setattr(systemd_units, "JOURNAL", str(tmp_path / "journal."))
    systemd.unit("demo.service", LogNamespace="demo")
    systemd.unit("plain.service", age=100)
    settle({"name": "demo.service", "state": "started"}, {"name": "plain.service", "state": "stopped"})
    assert systemd.actions() == ["stop plain.service", "start demo.service"]


def test_units_of_one_verb_go_together_and_stops_go_first(settle, systemd, written):
    """Five pools that drain for ten minutes each do so side by side; and what is stopped frees its port before another starts."""
    for name, age in (("a", 100), ("b", 100), ("c", None), ("d", 100), ("e", 100)):
        systemd.unit(f"{name}.service", age=age, UnitFileState="enabled")
    newer = written(50)
    settle(*({"name": f"{name}.service", "state": "started", "restart_on": [newer]} for name in "abc"),
           *({"name": f"{name}.service", "state": "stopped"} for name in "de"))
    assert systemd.actions() == ["stop d.service e.service", "start c.service", "restart a.service b.service"]


def test_check_mode_only_looks(settle, systemd, written):
    """It names what the run would do, and calls nothing that changes anything."""
    systemd.unit("demo.service", age=100, NeedDaemonReload="yes")
    systemd.unit("gone.service", age=100)
    wanted = (demo(restart_on=[written(50)]), {"name": "gone.service", "state": "stopped"}, {"name": "new.service", "state": "started"})
    result = settle(*wanted, check=True)
    assert result["actions"] == ["enable demo.service", "stop gone.service", "start new.service", "restart demo.service"]
    assert result["changed"]
    assert systemd.actions() == []


def test_daemon_reload_comes_first_and_is_no_change(settle, systemd):
    """systemd would start the old version of a unit; the file that made it necessary has already been reported."""
    systemd.unit("demo.service", age=100, UnitFileState="enabled", NeedDaemonReload="yes")
    systemd.unit("other.service")
    result = settle(demo(), {"name": "other.service", "state": "started"})
    assert systemd.actions() == ["daemon-reload", "start other.service"]
    assert result["actions"] == ["start other.service"]
    settle(demo())
    assert systemd.actions().count("daemon-reload") == 1


def test_a_unit_that_cannot_be_loaded_is_named(settle, systemd):
    """With systemd's own reason; and nothing else of the step is done before that."""
    systemd.unit("bad.service", LoadState="bad-setting", LoadError="org.x.Bad \"Unit has a bad unit file setting.\"")
    systemd.unit("demo.service")
    result = settle(demo(), {"name": "bad.service", "state": "started"})
    assert result["failed"]
    assert result["msg"].startswith("bad.service cannot be loaded: ")
    assert "bad unit file setting" in result["msg"]
    assert systemd.actions() == []


def test_a_failure_brings_the_journal_of_the_unit_that_is_not_well(settle, systemd):
    """The reason is there, and the host may be gone when somebody asks."""
    systemd.unit("good.service", age=100)
    systemd.unit("demo.service")
    systemd.change(fails={"start": "Job for demo.service failed."}, journal="demo: no such file: /etc/demo")
    result = settle({"name": "good.service", "state": "started"}, {"name": "demo.service", "state": "started"})
    assert result["failed"]
    assert "systemctl start demo.service failed: Job for demo.service failed." in result["msg"]
    assert "The journal of demo.service ends with:\ndemo: no such file: /etc/demo" in result["msg"]
    assert "good.service ends" not in result["msg"]
    assert result["changed"], "the start was tried"


def test_a_call_that_does_not_end_is_ended(settle, systemd, tmp_path):
    """A unit that hangs in its start must not hang the deployment."""
    systemd.unit("demo.service")
    (tmp_path / "programs" / "systemctl").rename(tmp_path / "programs" / "systemctl.real")
    wrapper = '#!/bin/sh\n[ "$1" = start ] && exec sleep 60\nexec python3 "$0.real" "$@"\n'
    (tmp_path / "programs" / "systemctl").write_text(wrapper)
    (tmp_path / "programs" / "systemctl").chmod(0o755)
    result = settle({"name": "demo.service", "state": "started"}, timeout=1)
    assert result["failed"]
    assert "systemctl start demo.service failed: no end after 1 s" in result["msg"]


def test_answers_belong_to_their_questions(settle, systemd):
    """One `systemctl show` asks for all; values may hold = and be empty, and an unknown unit answers too."""
    systemd.unit("a.service", age=100, DropInPaths="/x/a=b.conf /y", LoadError="")
    systemd.unit("c.service", ActiveState="failed")
    settle({"name": "a.service", "state": "started"}, {"name": "b.service", "state": "stopped"}, {"name": "c.service", "state": "started"})
    assert systemd.actions() == ["start c.service"]


def test_strangers_of_a_family_are_stopped_and_disabled(settle, systemd):
    """A pool that left the inventory must not go on taking tasks with the configuration of last year."""
    systemd.unit("pool@ai.service", age=100, UnitFileState="enabled")
    systemd.unit("pool@old.service", age=100, UnitFileState="enabled")
    systemd.unit("other.service", age=100, UnitFileState="enabled")
    wanted = {"name": "pool@ai.service", "enabled": True, "state": "started"}
    assert settle(wanted, exclusive=["pool@*.service"])["actions"] == ["disable pool@old.service", "stop pool@old.service"]
    assert settle(wanted, exclusive=["pool@*.service"])["actions"] == []
    assert systemd.state("other.service") == "active"


def test_nothing_asked_is_nothing_done(settle, systemd):
    """A host without units calls no systemctl: in a container there is none."""
    assert not settle()["changed"]
    assert systemd.read()["calls"] == []


@pytest.fixture
def quadlets(tmp_path, monkeypatch):
    """Where quadlets lie."""
    place = tmp_path / "quadlets"
    place.mkdir()
    monkeypatch.setattr(systemd_units, "QUADLETS", str(place))
    return place


def test_a_stranger_that_is_a_container_loses_its_quadlet(settle, systemd, quadlets):
    """It starts with the host as long as its quadlet is there: stopping it would last until the next boot."""
    for name in ("pool@kept", "pool@old"):
        (quadlets / f"{name}.container").write_text("x")
        os.utime(quadlets / f"{name}.container", (1_000_000, 1_000_000))
        systemd.unit(f"{name}.service", 100, UnitFileState="generated", SourcePath=str(quadlets / f"{name}.container"))
    wanted = {"name": "pool@kept.service", "enabled": True, "state": "started"}
    done = settle(wanted, exclusive=["pool@*.service"])
    assert done["actions"] == ["stop pool@old.service", f"remove {quadlets / 'pool@old.container'}"]
    assert [path.name for path in quadlets.iterdir()] == ["pool@kept.container"]
    assert systemd.actions()[-1] == "daemon-reload"


def test_a_service_that_becomes_a_container_stops_first(settle, systemd, quadlets):
    """Read first, the container would start beside the service that still writes to the same data."""
    (quadlets / "demo.container").write_text("x")
    systemd.unit("demo.service", 100, UnitFileState="enabled", Unread={"SourcePath": str(quadlets / "demo.container")})
    assert settle(demo())["actions"] == ["stop demo.service", "start demo.service"]
    assert systemd.actions() == ["stop demo.service", "daemon-reload", "start demo.service"]
    assert settle(demo())["actions"] == []


def test_a_container_that_becomes_a_service_stops_first(settle, systemd, quadlets):
    """What the package's unit would be asked to stop is not what runs."""
    systemd.unit("demo.service", 100, UnitFileState="enabled", SourcePath=str(quadlets / "demo.container"), Unread={"SourcePath": ""})
    settle(demo())
    assert systemd.actions() == ["stop demo.service", "daemon-reload", "start demo.service"]


def test_a_container_that_is_gone_and_not_wanted_is_stopped(settle, systemd, quadlets):
    """Stopped while systemd still knows how."""
    systemd.unit("demo.service", 100, SourcePath=str(quadlets / "demo.container"), Unread={"SourcePath": ""})
    settle(demo(enabled=False, state="stopped"))
    assert systemd.actions() == ["stop demo.service", "daemon-reload"]


def test_a_newer_quadlet_restarts(settle, systemd, quadlets):
    """The image, its options and its limits stand in there."""
    path = quadlets / "demo.container"
    path.write_text("x")
    systemd.unit("demo.service", 100, UnitFileState="generated", SourcePath=str(path))
    assert settle(demo())["actions"] == ["restart demo.service"]
    os.utime(path, (time.time() - 500,) * 2)
    assert settle(demo())["actions"] == []


@pytest.mark.parametrize(("file", "unit"), [
    ("a@b.container", "a@b.service"), ("net.network", "net-network.service"), ("data.volume", "data-volume.service"),
])
def test_each_kind_of_quadlet_has_its_service(quadlets, file, unit):
    """Podman names them so."""
    assert systemd_units.quadlet(unit) is None
    (quadlets / file).write_text("x")
    assert systemd_units.quadlet(unit) == str(quadlets / file)
