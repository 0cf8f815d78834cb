"""What the unit tests share: loading this project's plugins, and running Ansible and its modules for real."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import subprocess
import sys
import types

import yaml
from ansible.module_utils.testing import patch_module_args

ROOT = pathlib.Path(__file__).resolve().parents[2]
GROUPS = ("postgresql", "redis", "backend", "worker", "scheduler", "frontend", "proxy", "monitoring", "backup")


def load(path: str) -> types.ModuleType:
    """Import a file of this repository by its path, whatever its suffix, and leave no bytecode beside it."""
    name = "aiko_" + path.replace("/", "_").replace("-", "_").removesuffix(".py")
    spec = importlib.util.spec_from_loader(name, importlib.machinery.SourceFileLoader(name, str(ROOT / path)))
    module = importlib.util.module_from_spec(spec)
    former, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = former
    return module


def call(module: types.ModuleType, arguments: dict, check: bool = False) -> dict:
    """Run an Ansible module's main() with arguments, as a host would; what it prints is the result."""
    out = io.StringIO()
    arguments = {**arguments, "_ansible_check_mode": check, "_ansible_diff": True}
    with patch_module_args(arguments), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        module.main()
    return json.loads(out.getvalue())


def environment(scratch: pathlib.Path, **extra: str) -> dict[str, str]:
    """The environment of an Ansible run that shares nothing with the operator's own."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "AIKO_"))},
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        # An empty list is not possible here; the default callback is there anyway.
        "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.default",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_LOCAL_TEMP": str(scratch / "local"),
        "ANSIBLE_REMOTE_TEMP": str(scratch / "remote"),
        "AIKO_VAULT_PASSWORD_FILE": str(scratch / "vault-password"),
        **extra,
    }


def playbook(scratch: pathlib.Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess:
    """Run ansible-playbook from the root of the repository, so that its ansible.cfg counts."""
    return subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", *arguments],
        cwd=ROOT, env=environment(scratch, **extra), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )


def inventory(directory: pathlib.Path, hosts: dict[str, dict], groups: dict[str, list[str]], **variables) -> pathlib.Path:
    """Write an inventory as the shipped ones are: hosts.yml, the shared wiring, and an environment of its own."""
    (directory / "group_vars" / "all").mkdir(parents=True)
    (directory / "group_vars" / "all" / "00-shared").symlink_to(ROOT / "inventories" / "shared")
    tree = {"all": {"hosts": hosts, "children": {name: {"hosts": dict.fromkeys(members, {})} for name, members in groups.items()}}}
    (directory / "hosts.yml").write_text(yaml.safe_dump(tree))
    # Where Grafana comes from has no default that works everywhere.
    settings = {"aiko_environment": "test", "aiko_domain": "aiko.example.com", "grafana_package_source": "none", **variables}
    (directory / "group_vars" / "all" / "zz_environment.yml").write_text(yaml.safe_dump(settings))
    return directory


def everything_on(host: str, **other: list[str]) -> dict[str, list[str]]:
    """The groups of an inventory in which one host runs all that exists so far."""
    return {**{name: [] if name == "frontend" else [host] for name in GROUPS}, **other}


def local(**variables) -> dict:
    """Variables of a host that is the controller itself."""
    return {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **variables}
