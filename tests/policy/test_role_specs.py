"""The argument specs are each role's only public interface."""

from __future__ import annotations

import re

import pytest

from tests.policy.repository import ROLE_NAMES, ROOT, defaults, load, options, role_yaml, shown, specs, tasks
from tests.tools import role_readmes

TYPES = {"str": str, "path": str, "int": int, "float": (int, float), "bool": bool, "list": list, "dict": dict}
# Facts about a host, variables of Ansible itself, and the inventory's.
FOREIGN = re.compile(r"^(ansible_|aiko_|inventory_|group_names$|groups$|hostvars$)")


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_specs_and_defaults_have_the_same_names(role):
    """A variable that only one of them knows is either undocumented or without effect; what is required has no default."""
    required = {name for name, option in options(role).items() if option.get("required")}
    assert set(options(role)) - required == set(defaults(role))


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_specs_and_defaults_have_the_same_values(role):
    """The documentation is made from the specs, the behaviour from the defaults: they must tell the same."""
    wrong = {}
    for name, value in defaults(role).items():
        option = options(role)[name]
        if isinstance(value, str) and "{{" in value:
            if "default" in option:
                wrong[name] = "is computed, so that the specs can only describe it"
        # A number is fine where text is expected, as for "a number or auto".
        elif option.get("default") != (str(value) if option["type"] == "str" else value) or "default" not in option:
            wrong[name] = f"defaults say {value!r}, specs say {option.get('default')!r}"
    assert not wrong


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_specs_are_complete_and_of_their_own_type(role):
    """A play fails before it changes anything only if types and choices are right; a reader needs the description."""
    wrong = []
    for name, option in options(role).items():
        if not option.get("description"):
            wrong.append(f"{name} has no description")
        if option.get("type") not in TYPES:
            wrong.append(f"{name} has type {option.get('type')}")
        elif "default" in option and not isinstance(option["default"], TYPES[option["type"]]):
            wrong.append(f"{name}: the default is no {option['type']}")
        if option.get("type") == "list" and "elements" not in option:
            wrong.append(f"{name}: a list of what?")
        chosen = option["default"] if isinstance(option.get("default"), list) else [option.get("default")]
        if "choices" in option and "default" in option and not set(chosen) <= set(option["choices"]):
            wrong.append(f"{name}: the default is none of the choices")
        if re.search(r"password|secrets_(default|extra)", name) and not option.get("no_log"):
            wrong.append(f"{name} is a secret and has no no_log")
    assert not wrong


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_every_entry_point_is_a_task_file_and_takes_the_same_options(role):
    """Ansible checks the variables of an entry point only under its exact name, and otherwise not at all."""
    assert "main" in specs(role)
    for name, spec in specs(role).items():
        assert (ROOT / "roles" / role / "tasks" / f"{name}.yml").is_file(), name
        assert spec.get("options", {}) == options(role), name
        assert spec.get("short_description"), name


def test_roles_are_entered_through_declared_entry_points():
    """`tasks_from: release.yml` finds the file but not the spec `release`: the variables would go unchecked."""
    wrong = [
        f"{shown(path)}: {task['name']}" for path, task in tasks() for name in ("include_role", "import_role")
        if (given := task.get(f"ansible.builtin.{name}")) and given.get("tasks_from", "main") not in specs(given["name"])
    ]
    assert not wrong


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_variables_begin_with_the_name_of_their_role(role):
    """Variables are global: a foreign or bare name would silently change another role. Private ones are __ROLE or __ROLE_NAME."""
    names = {(shown(path), name) for path in role_yaml("defaults", "vars") if f"/roles/{role}/" in str(path) for name in load(path) or {}}
    for path, task in tasks():
        if f"/roles/{role}/" in str(path):
            included = (task.get("ansible.builtin.include_role") or {}).get("name", role)
            if "register" in task:
                names.add((shown(path), task["register"]))
            names |= {(shown(path), name) for name in task.get("vars") or {} if not (included != role and name in options(included))}
    private = re.compile(rf"^(__)?{role}_[a-z0-9_]+$|^__{role}$")
    assert not [name for name in names if not private.match(name[1])]
    assert not [name for name in defaults(role) if name.startswith("__")], "a default is public"


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_every_public_variable_is_used(role):
    """A knob that turns nothing is worse than none: somebody will turn it and believe."""
    parts = ("tasks", "handlers", "templates", "vars", "defaults")
    texts = [
        path.read_text()
        for other in ROLE_NAMES for part in parts for path in (ROOT / "roles" / other / part).rglob("*") if path.is_file()
    ]
    dead = [name for name in options(role) if sum(len(re.findall(rf"(?<!\w){name}\b(?!:)", text)) for text in texts) == 0]
    assert not dead


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_meta_says_what_the_role_is(role):
    """Galaxy data that differs from role to role is data that somebody forgot."""
    meta = load(ROOT / "roles" / role / "meta/main.yml")
    info = meta["galaxy_info"]
    assert info["role_name"] == role
    assert info["license"] == "MIT"
    assert info["platforms"] == [{"name": "Debian", "versions": ["bookworm", "trixie"]}]
    # Order is the playbooks' business; hidden dependencies would run a role twice.
    assert meta["dependencies"] == []


def test_readmes_are_fresh(capsys):
    """A README that tells yesterday's defaults misleads whoever reads it."""
    assert role_readmes.main(["--check"]) == 0, capsys.readouterr().out
