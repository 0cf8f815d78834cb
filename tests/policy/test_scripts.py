"""Programs that linters do not find by themselves; a broken one breaks on the host."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from tests.policy.repository import ROOT, shown, tracked

SCRIPTS = [path for path in sorted(ROOT.glob("roles/*/templates/**/*.j2")) if path.read_text().startswith(("#!/bin/sh", "#!/bin/bash"))]


def as_script(template: str) -> str:
    """The template with a word for every expression, every line of every branch and every loop once."""
    text = re.sub(r"\{\{ ansible_managed \| comment \}\}", "# managed", template)
    text = re.sub(r"^\s*\{%.*?%\}\n", "", text, flags=re.MULTILINE)
    return re.sub(r"\{\{.*?\}\}", "value", re.sub(r"\{[%#].*?[%#]\}", "", text))


def test_there_are_scripts():
    """If templates moved, the test below would look at nothing."""
    assert SCRIPTS


@pytest.mark.parametrize("path", SCRIPTS, ids=shown)
def test_shell_templates_pass_shellcheck(path):
    """An unquoted blank in a path, or a missing `fi`, is found here and not by the operator who needs the command."""
    program = shutil.which("shellcheck", path=f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program, "shellcheck belongs to the tool chain of requirements.txt"
    checked = subprocess.run([program, "-"], input=as_script(path.read_text()), capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_python_programs_without_a_suffix_are_linted():
    """Ruff knows Python by the name of a file; the programs that we install have none of that kind."""
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["extend-include"]
    there = {shown(path) for path in tracked() if not path.suffix and re.match(rb"#!.*\bpython", path.read_bytes())}
    assert there == set(named)
