"""Habits that keep roles readable, repeatable and honest about what they changed."""

from __future__ import annotations

import re

import pytest

from tests.policy.repository import ROLES, ROOT, arguments, load, module, plays, role_yaml, short, shown, tasks

MANAGED = re.compile(r"^\{\{ ansible_managed \| comment(\('\w+'\))? \}\}$")
# Templates without the comment, each with its reason.
UNMARKED = {
    "roles/nginx/templates/var/lib/aiko-site/index.html.j2": "visitors read it, and how the site is managed is not their business",
    "roles/nginx/templates/var/lib/aiko-site/errors/__maintenance.j2": "visitors read it, likewise",
}
REFUSED = {
    "shell": "a module or `command` says what it does, and quotes right",
    "raw": "a module or `command` says what it does",
    "set_fact": "a variable that depends on the order of tasks; compute it in vars or in a filter",
    "lineinfile": "a file that the role owns is rendered whole",
    "blockinfile": "a file that the role owns is rendered whole",
    "replace": "a file that the role owns is rendered whole",
}
TABLE_OF_CONTENTS = 30


def where(path, task) -> str:
    return f"{shown(path)}: {task.get('name', task)}"


def test_there_is_something_to_look_at():
    """If the files moved, every other test here would pass on nothing."""
    assert len(ROLES) >= 8
    assert len(tasks()) >= 50
    assert len(plays()) >= 5


@pytest.mark.parametrize("path", sorted(ROOT.glob("roles/*/templates/**/*.j2")), ids=shown)
def test_templates_say_that_the_file_is_managed(path):
    """Whoever opens the file on a host must learn at its top that changes made there are lost."""
    lines = path.read_text().splitlines()
    first = lines[1] if lines[0].startswith("#!") else lines[0]
    assert bool(MANAGED.match(first)) != (shown(path) in UNMARKED), first


def test_no_failure_is_ignored():
    """ignore_errors turns every failure into success, also those that nobody thought of; failed_when names the one that is meant."""
    assert not [where(path, task) for path, task in tasks() if "ignore_errors" in task or "ignore_unreachable" in task]


@pytest.mark.parametrize("name", REFUSED)
def test_no_module_that_cannot_tell_the_truth(name):
    """Each of these modules has a better one, see REFUSED."""
    assert not [where(path, task) for path, task in tasks() if short(module(task)) == name], REFUSED[name]


def test_everything_has_a_name():
    """The output of a run is read by people, and a failure is found by its name."""
    assert not [where(path, task) for path, task in tasks() if not task.get("name")]
    assert not [shown(path) for path, play in plays() if not play.get("name")]


def test_tasks_have_exactly_one_module():
    """Guards this suite: a task whose module it cannot tell would pass unseen."""
    known = {"block", "rescue", "always"}
    assert not [where(path, task) for path, task in tasks() if not module(task) and not known & set(task)]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_main_is_a_table_of_contents(role):
    """One look at tasks/main.yml must tell what a role does."""
    assert len((role / "tasks/main.yml").read_text().splitlines()) <= TABLE_OF_CONTENTS


def test_commands_tell_whether_they_changed_something():
    """A second run that reports changes hides the one change that matters, and restarts what was well."""
    wrong = [
        where(path, task) for path, task in tasks()
        if short(module(task)) in ("command", "script") and "changed_when" not in task and not {"creates", "removes"} & set(arguments(task))
    ]
    assert not wrong


def test_handlers_are_notified_by_names_that_exist():
    """Ansible finds a mistyped handler only when the task changes something: on the day it counts."""
    handlers = {task["name"] for path, task in tasks() if path.parent.name == "handlers"}
    handlers |= {name for path, task in tasks() if path.parent.name == "handlers" for name in _list(task.get("listen"))}
    wrong = [
        where(path, task) for path, task in tasks() for name in _list(task.get("notify")) if "{{" not in name and name not in handlers
    ]
    assert not wrong


def test_vars_files_of_a_role_are_mappings():
    """An empty or misindented vars file is loaded without complaint and defines nothing."""
    assert not [shown(path) for path in role_yaml("vars", "defaults") if not isinstance(load(path), dict)]


def test_services_keep_their_logs_apart():
    """One without a namespace logs where all others can push it out, and aiko-logs looks for it in vain. Slots and exporters: filters."""
    described = [(task.get("vars") or {}).get("unit_units") for _, task in tasks()]
    # Where there are two run modes, those of packages have a file of their own.
    natives = [load(path) for path in role_yaml("vars") if path.name == "native.yml"]
    described += [value.get("units") for variables in natives for value in variables.values() if isinstance(value, dict)]
    units = {name: sections.get("Service") for some in described if isinstance(some, dict)
             for name, sections in some.items() if name.endswith(".service")}
    assert {"prometheus.service", "grafana-server.service", "aiko-worker@.service"} <= set(units)
    # A dict, or an expression that makes one. What containers need of the host is the host's own, and says nothing when all is well.
    own = ["aiko-containers-guard.service", "aiko-host-address.service"]
    assert [name for name, service in units.items() if "LogNamespace" not in service] == own


def _list(value) -> list:
    return [] if value is None else value if isinstance(value, list) else [value]
