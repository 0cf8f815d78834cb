#!/usr/bin/python
"""Bring systemd units to a stated condition, judged by what runs and not by what was just written."""

from __future__ import annotations

DOCUMENTATION = r"""
module: systemd_units
short_description: Enable, start, restart and reload many systemd units in one step
description:
  - A handler forgets its restart when the run is killed between the change and the handler.
    This module decides from the state of the host instead. A unit is restarted when one of its
    C(restart_on) files, or its own unit file below /etc/systemd, is newer than its start; it is
    reloaded when one of its C(reload_on) files is newer than its start and its last reload. The quadlet of a container is
    its unit file.
  - C(systemctl daemon-reload) runs when systemd says that it needs it (C(NeedDaemonReload)), or
    when it does not know a unit's file or drop-in below /etc/systemd/system yet.
  - A running service that becomes a container under the same name, or stops being one, is stopped as what it is before systemd
    reads what it becomes: never do both work on the same data.
  - A running unit that now logs into a namespace gets that journal's sockets before it is stopped,
    restarted or reloaded, because what it runs for that needs them.
options:
  units:
    description:
      - Each with C(name), C(enabled) (bool, left alone when absent), C(state) (C(started),
        C(stopped) or absent for enablement only), C(masked) (bool), C(restart_on) and C(reload_on)
        (lists of paths).
    type: list
    elements: dict
    required: true
  exclusive:
    description:
      - Patterns; units that match one and are not among C(units) are stopped and disabled. The quadlet of one is removed, since
        it starts with the host as long as its quadlet is there.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds that one systemctl call may take; starting waits for readiness, stopping for draining.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Run both instances with the configuration that is on disk
  systemd_units:
    units:
      - name: redis-server@queue.service
        enabled: true
        state: started
        restart_on: [/etc/redis/redis-queue.conf]
  notify: Wait until Redis answers
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, as C(verb unit).
  type: list
  elements: str
  returned: always
"""

import glob
import os
import time

from ansible.module_utils.basic import AnsibleModule

PROPERTIES = (
    "Id",
    "LoadState",
    "LoadError",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "NeedDaemonReload",
    "FragmentPath",
    "SourcePath",
    "DropInPaths",
    "LogNamespace",
    "ActiveEnterTimestampMonotonic",
    "InactiveExitTimestampMonotonic",
)
STAMPS = "/run/aiko-reloads"
OWN = "/etc/systemd/system"
# Podman's generator makes services of what lies here.
QUADLETS = "/etc/containers/systemd"
QUADLET_KINDS = (("-network.service", ".network"), ("-volume.service", ".volume"), (".service", ".container"))
# Where the journal of a namespace listens, without the namespace.
JOURNAL = "/run/systemd/journal."
ENABLED = {"enabled", "enabled-runtime", "alias", "static", "indirect", "generated"}


class Units:
    """The units of one call and what has to be done to them."""

    def __init__(self, module: AnsibleModule, wanted: dict):
        self.module = module
        self.wanted = wanted
        self.actions: list[str] = []
        self.state: dict[str, dict[str, str]] = {}

    def add_strangers(self, patterns: list[str]) -> None:
        """Units that match a pattern and that nobody asked for shall neither run nor start with the host."""
        if not patterns:
            return
        loaded = self.systemctl("list-units", "--all", "--plain", "--no-legend", *patterns)
        enabled = [link for pattern in patterns for link in glob.glob(f"/etc/systemd/system/*.wants/{pattern}")]
        quadlets = [f"{QUADLETS}/{pattern.removesuffix('.service')}.container" for pattern in patterns]
        described = [service_of(path) for pattern in quadlets for path in glob.glob(pattern)]
        for name in [line.split()[0] for line in loaded.splitlines() if line] + [os.path.basename(link) for link in enabled] + described:
            self.wanted.setdefault(name, {"enabled": False, "state": "stopped", "removed": True})

    def look(self) -> None:
        """Ask for all units in one call; systemctl answers in the order of the question."""
        names = list(self.wanted)
        out = self.systemctl("show", "--property", ",".join(PROPERTIES), *names)
        blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in out.split("\n\n") if block.strip()]
        self.state = dict(zip(names, blocks, strict=True))

    def systemctl(self, *arguments: str) -> str:
        code, out, err = self.module.run_command(["timeout", str(self.module.params["timeout"]), "systemctl", *arguments])
        if code != 0:
            reason = f"no end after {self.module.params['timeout']} s" if code == 124 else (err or out).strip()
            self.module.fail_json(
                msg=f"systemctl {' '.join(arguments)} failed: {reason}" + "".join(self.journal(name) for name in arguments[1:]),
                actions=self.actions,
                changed=bool(self.actions),
            )
        return out

    def journal(self, name: str) -> str:
        """Why a unit is not well, in its own words; empty for one that is."""
        if name not in self.wanted or self.module.run_command(["systemctl", "is-active", "--quiet", name])[0] == 0:
            return ""
        _, text, _ = self.module.run_command(["journalctl", "--namespace=*", "--no-pager", "--lines=30", "--output=cat", "--unit", name])
        return f"\nThe journal of {name} ends with:\n{text}"

    def do(self, verb: str, *names: str) -> None:
        self.actions += [f"{verb} {name}" for name in names]
        if not self.module.check_mode:
            self.systemctl(verb, *names)

    def settle(self) -> None:
        self.look()
        # Not a change of its own: the files that made it necessary were reported where they were written.
        turning = [name for name in self.state if self.turns(name) and self.runs(name)]
        if turning:
            self.do("stop", *turning)
        unread = any(
            state["NeedDaemonReload"] == "yes" or self.shadowed(name) or self.extended(name) or self.turns(name)
            for name, state in self.state.items()
        )
        if unread and not self.module.check_mode:
            self.systemctl("daemon-reload")
            self.look()
        broken = {name: state for name, state in self.state.items() if state["LoadState"] in {"bad-setting", "error"}}
        if broken:
            self.module.fail_json(msg="; ".join(f"{n} cannot be loaded: {s.get('LoadError')}" for n, s in broken.items()))
        masks = [n for n, w in self.wanted.items() if w.get("masked") and self.state[n]["LoadState"] != "masked"]
        unmasks = [n for n, w in self.wanted.items() if w.get("masked") is False and self.state[n]["LoadState"] == "masked"]
        if masks:
            self.do("mask", *masks)
        if unmasks:
            self.do("unmask", *unmasks)
        self.enablement()
        self.activity()
        self.removal()

    def turns(self, name: str) -> bool:
        """Whether a unit's quadlet has come or gone since systemd has read it."""
        return (quadlet(name) or "") != self.source(name)

    def source(self, name: str) -> str:
        """The quadlet of which the unit that systemd knows was made, if it was."""
        path = self.state[name].get("SourcePath", "")
        return path if path.startswith(QUADLETS) else ""

    def runs(self, name: str) -> bool:
        return self.state[name]["ActiveState"] in {"active", "activating", "reloading"}

    def shadowed(self, name: str) -> bool:
        """Whether a unit of a package has one of ours before it that systemd has not read: NeedDaemonReload does not tell of those."""
        if not self.state[name]["FragmentPath"]:
            return False
        paths = [os.path.join(OWN, unit) for unit in (name, template_of(name))]
        return any(os.path.isfile(path) and not os.path.islink(path) for path in paths) and self.state[name]["FragmentPath"] not in paths

    def extended(self, name: str) -> bool:
        """Whether a unit has a drop-in of ours that systemd has not read: before 256 it overlooks those in a directory that is new."""
        # Nothing is read beside a unit that is masked or not there, and a reload would not change that.
        if self.state[name]["LoadState"] in {"masked", "not-found"}:
            return False
        read = self.state[name]["DropInPaths"].split()
        of_instance = {os.path.basename(path) for path in read if os.path.basename(os.path.dirname(path)) == f"{name}.d"}
        written = glob.glob(os.path.join(OWN, glob.escape(name) + ".d", "*.conf"))
        if template_of(name) != name:
            # One of the same name for the instance stands in for the template's.
            paths = glob.glob(os.path.join(OWN, glob.escape(template_of(name)) + ".d", "*.conf"))
            written += [path for path in paths if os.path.basename(path) not in of_instance]
        return not set(written) <= set(read)

    def enablement(self) -> None:
        enable = [n for n, w in self.wanted.items() if w.get("enabled") and self.state[n]["UnitFileState"] not in ENABLED]
        disable = [
            n for n, w in self.wanted.items()
            if w.get("enabled") is False and self.state[n]["UnitFileState"] in {"enabled", "enabled-runtime"}
        ]
        if enable:
            self.do("enable", *enable)
        if disable:
            self.do("disable", *disable)

    def removal(self) -> None:
        """Take away the quadlets of strangers, now that they are stopped."""
        paths = [path for name, wanted in self.wanted.items() if wanted.get("removed") and (path := quadlet(name))]
        self.actions += [f"remove {path}" for path in paths]
        if paths and not self.module.check_mode:
            for path in paths:
                os.unlink(path)
            self.systemctl("daemon-reload")

    def activity(self) -> None:
        """Stop, start, restart and reload; units of one verb together, so that they wait for each other's side by side."""
        verbs: dict[str, list[str]] = {"stop": [], "start": [], "restart": [], "reload": []}
        for name, wanted in self.wanted.items():
            if verb := self.verb(name, wanted):
                verbs[verb].append(name)
        for verb, names in verbs.items():
            if names:
                before = time.time()
                if verb != "start":
                    self.open_journals(names)
                self.do(verb, *names)
                if verb == "reload" and not self.module.check_mode:
                    self.remember_reload(names, before)

    def open_journals(self, names: list[str]) -> None:
        """Start the journals of running units that log into a namespace since after their start: systemd does so for a start only."""
        spaces = sorted({self.state[name].get("LogNamespace", "") for name in names} - {""})
        missing = [space for space in spaces if not os.path.exists(JOURNAL + space)]
        if missing and not self.module.check_mode:
            self.systemctl("start", *(f"systemd-journald{part}@{space}.socket" for space in missing for part in ("", "-varlink")))

    def verb(self, name: str, wanted: dict) -> str | None:
        active = self.runs(name)
        if wanted.get("state") == "stopped":
            return "stop" if active else None
        if wanted.get("state") != "started":
            return None
        if not active:
            return "start"
        if self.state[name].get("SubState") == "auto-restart":
            # It fails again and again; seen from outside that is "activating". Starting it now says why.
            return "restart"
        if newer_than(self.started(name), [*wanted.get("restart_on", []), *self.own_files(name)]):
            return "restart"
        if newer_than(max(self.started(name), stamp(name)), wanted.get("reload_on", [])):
            return "reload"
        return None

    @staticmethod
    def remember_reload(names: list[str], moment: float) -> None:
        """systemd keeps the time of a start, not of a reload; a stamp below /run lives as long as it counts."""
        os.makedirs(STAMPS, mode=0o755, exist_ok=True)
        for name in names:
            path = os.path.join(STAMPS, name)
            with open(path, "w"):
                os.utime(path, (moment, moment))

    def started(self, name: str) -> float:
        """Unix time at which the unit began to start: what it read of its files was at least that old."""
        since_boot = int(self.state[name]["InactiveExitTimestampMonotonic"] or 0) / 1e6
        return time.time() - (time.clock_gettime(time.CLOCK_MONOTONIC) - since_boot)

    def own_files(self, name: str) -> list[str]:
        """Unit file and drop-ins that this project wrote; a package's own unit is the package's business."""
        state = self.state[name]
        paths = [state["FragmentPath"], self.source(name), *state["DropInPaths"].split()]
        return [path for path in paths if path.startswith(("/etc/systemd/", QUADLETS))]


def quadlet(name: str) -> str | None:
    """The file below /etc/containers/systemd of which Podman makes this service; None when there is none."""
    for suffix, kind in QUADLET_KINDS:
        path = os.path.join(QUADLETS, name.removesuffix(suffix) + kind)
        if name.endswith(suffix) and os.path.isfile(path):
            return path
    return None


def service_of(path: str) -> str:
    """The service that Podman makes of a container's quadlet."""
    return os.path.basename(path).removesuffix(".container") + ".service"


def template_of(name: str) -> str:
    """The template of an instance; any other unit itself."""
    return f"{name.partition('@')[0]}@.{name.rpartition('.')[2]}" if "@" in name else name


def newer_than(moment: float, paths: list[str]) -> bool:
    return any(written(path) > moment for path in paths)


def written(path: str) -> float:
    """Unix time of the last write; for a link, of the link and, unless that is a directory, of its target."""
    if not os.path.lexists(path):
        return 0.0
    times = [os.lstat(path).st_mtime]
    if os.path.isfile(path):
        times.append(os.stat(path).st_mtime)
    return max(times)


def stamp(name: str) -> float:
    path = os.path.join(STAMPS, name)
    return os.stat(path).st_mtime if os.path.exists(path) else 0.0


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "dict", "required": True},
            "exclusive": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    units = Units(module, {unit["name"]: unit for unit in module.params["units"]})
    units.add_strangers(module.params["exclusive"])
    if units.wanted:
        units.settle()
    module.exit_json(changed=bool(units.actions), actions=units.actions)


if __name__ == "__main__":
    main()
