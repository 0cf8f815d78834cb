"""What makes runs of Ansible quicker does what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.unit.support import ROOT

# A process of its own: what Ansible has loaded once it keeps, and this one may have done so.
PROGRAM = """
import json, sys
from ansible.plugins import loader
read = []
load = loader.PluginLoader._load_module_source
loader.PluginLoader._load_module_source = lambda self, **words: read.append(words["path"]) or load(self, **words)
if sys.argv[1:]:
    loader.callback_loader.get("preload_filters")
before = len(read)
for name in ("restore_of", "combine", "to_nice_yaml", "units_off"):
    loader.filter_loader.get(name)
print(json.dumps([before, len(read) - before]))
"""


def ansible(program: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("preloaded", [False, True])
def test_filters_are_loaded_before_workers_are_forked(preloaded):
    """A worker that finds none loads all of them, for each task."""
    early, late = json.loads(ansible(PROGRAM, *(["preload"] if preloaded else [])))
    assert (early > 20, late == 0) == (preloaded, preloaded)


def test_packed_modules_are_shared_where_a_directory_is_named(tmp_path):
    """The tests' runs differ in everything but the modules."""
    program = """
import os
from ansible import constants
from ansible.plugins.loader import callback_loader
callback_loader.get("module_archives")
print(os.path.realpath(os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")), end="")
"""
    plugins = {"ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "molecule/_shared/callbacks")}
    assert ansible(program, **plugins, AIKO_MODULE_ARCHIVES=str(tmp_path / "modules")) == str(tmp_path / "modules")
    assert ansible(program, **plugins, AIKO_MODULE_ARCHIVES="").endswith("ansiballz_cache")
