"""What the policy tests look at: our own files, tasks and specs."""

from __future__ import annotations

import ast
import pathlib
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLES = sorted(path.parent.parent for path in ROOT.glob("roles/*/tasks/main.yml"))
ROLE_NAMES = [role.name for role in ROLES]
BLOCKS = ("block", "rescue", "always")
# Keywords of a task that are no module.
KEYWORDS = {
    "action", "any_errors_fatal", "args", "async", "become", "become_method", "become_user", "changed_when", "check_mode", "collections",
    "connection", "debugger", "delay", "delegate_facts", "delegate_to", "diff", "environment", "failed_when", "ignore_errors",
    "ignore_unreachable", "listen", "local_action", "loop", "loop_control", "module_defaults", "name", "no_log", "notify", "poll", "port",
    "register", "remote_user", "retries", "run_once", "tags", "throttle", "timeout", "until", "vars", "when", *BLOCKS,
}  # fmt: skip


class Loader(yaml.SafeLoader):
    """YAML as Ansible writes it; what !vault and !unsafe stand for is of no interest here."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: f"!{suffix}")


def load(path: pathlib.Path):
    return yaml.load(path.read_text(), Loader)  # noqa: S506 - a safe loader of our own


def shown(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))


def tracked() -> list[pathlib.Path]:
    """Every file in git that is also on disk; links are not followed."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file() and not (ROOT / name).is_symlink()]


def defaults(role: str) -> dict:
    return load(ROOT / "roles" / role / "defaults/main.yml") or {}


def specs(role: str) -> dict:
    """The role's entry points."""
    return load(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]


def options(role: str) -> dict:
    return specs(role)["main"].get("options", {})


def role_yaml(*parts: str) -> list[pathlib.Path]:
    return [path for role in ROLES for part in parts for path in sorted(role.glob(f"{part}/**/*.yml"))]


def playbooks() -> list[pathlib.Path]:
    return [ROOT / "site.yml", *sorted(ROOT.glob("playbooks/**/*.yml"))]


def plays() -> list[tuple[pathlib.Path, dict]]:
    return [(path, play) for path in playbooks() for play in load(path) or [] if isinstance(play, dict)]


def tasks() -> list[tuple[pathlib.Path, dict]]:
    """Every task and handler of roles and playbooks, those inside blocks and the blocks themselves included."""
    found = [(path, task) for path in role_yaml("tasks", "handlers") for task in _flat(load(path))]
    for path, play in plays():
        for part in ("pre_tasks", "tasks", "post_tasks", "handlers"):
            found += [(path, task) for task in _flat(play.get(part))]
    return found


def _flat(entries: list | None) -> list[dict]:
    found = []
    for task in entries or []:
        found.append(task)
        for block in BLOCKS:
            found += _flat(task.get(block))
    return found


def module(task: dict) -> str:
    """The module of a task; empty for a block."""
    names = [key for key in task if key not in KEYWORDS and not key.startswith("with_")]
    return names[0] if names else ""


def short(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def arguments(task: dict) -> dict:
    given = task.get(module(task))
    return {**(task.get("args") or {}), **(given if isinstance(given, dict) else {})}


def functions_of(path: pathlib.Path) -> list[ast.FunctionDef]:
    tree = ast.parse(path.read_text(), str(path))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
