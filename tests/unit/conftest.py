"""What the tests of host-side programs share."""

import json
import os
import pathlib
import shutil
import sys
import time

import pytest

from tests.unit import fake_systemctl


class Systemd:
    """The state behind the stand-ins for systemctl and journalctl."""

    def __init__(self, place: pathlib.Path):
        self.place = place
        self.write({"units": {}, "fails": {}, "calls": []})

    def write(self, system: dict) -> None:
        self.place.write_text(json.dumps(system))

    def read(self) -> dict:
        return json.loads(self.place.read_text())

    def change(self, **top) -> None:
        self.write({**self.read(), **top})

    def unit(self, name: str, age: float | None = None, **properties) -> None:
        """Add a unit; with an age it runs, for so many seconds."""
        running = {} if age is None else {"ActiveState": "active", "Started": time.time() - age}
        system = self.read()
        system["units"][name] = {**fake_systemctl.LOADED, **running, **properties}
        self.write(system)

    def state(self, name: str) -> str:
        return self.read()["units"][name]["ActiveState"]

    def actions(self) -> list[str]:
        """The calls that change something, in order."""
        looking = ("show", "is-active", "is-enabled", "list-units", "--quiet")
        return [" ".join(call[1:]) for call in self.read()["calls"] if call[0] == "systemctl" and call[1] not in looking]


@pytest.fixture
def systemd(tmp_path, monkeypatch) -> Systemd:
    """Put the stand-ins before everything else on the PATH."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("systemctl", "journalctl"):
        source = pathlib.Path(fake_systemctl.__file__).read_text()
        (programs / name).write_text(f"#!{sys.executable} -IS\n{source}")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    assert shutil.which("systemctl") == str(programs / "systemctl")
    return Systemd(programs / "systemd.json")
