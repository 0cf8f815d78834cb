"""What comes from elsewhere: pinned, hashed, and from no place that is written down here."""

from __future__ import annotations

import configparser
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.parse

import pytest

from tests.policy.repository import ROOT, load, module, role_yaml, shown, tasks, tracked

COLLECTIONS = next(found for path in sys.path if (found := pathlib.Path(path, "ansible_collections")).is_dir())
NAME = re.compile(r"\b([a-z_]+\.[a-z0-9_]+)\.[a-z0-9_]+\b")
LOCKS = [path for path in tracked() if re.fullmatch(r"requirements.*\.txt|package-lock\.json|uv\.lock", path.name)]
# In parts, so that this file passes its own test.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("yarnpkg", "com"), ("crates", "io"),
        ("rubygems", "org"), ("galaxy", "ansible", "com"), ("docker", "io"), ("quay", "io"), ("ghcr", "io"), ("proxy", "golang", "org"),
        ("deb", "nodesource", "com"),
    )
]  # fmt: skip


def used_collections() -> set[str]:
    """Collections whose plugins our YAML, templates, filters and configuration name in full."""
    paths = [*role_yaml("**"), *ROOT.glob("roles/*/templates/**/*.j2"), *ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("molecule/**/*.yml")]
    paths += [*ROOT.glob("filter_plugins/*.py"), ROOT / "site.yml", ROOT / "ansible.cfg", *ROOT.glob("inventories/shared/*.yml")]
    found = {name for path in paths if path.is_file() for name in NAME.findall(path.read_text())}
    return {name for name in found if (COLLECTIONS / name.replace(".", "/")).is_dir()}


def pinned() -> dict[str, str]:
    return {entry["name"]: str(entry["version"]) for entry in load(ROOT / "requirements.yml")["collections"]}


def test_collections_are_exactly_those_in_use():
    """An unused collection is a liability; one that is used and not named breaks whoever installs from requirements.yml."""
    assert set(pinned()) == used_collections()


@pytest.mark.parametrize("name", pinned())
def test_collections_are_pinned_to_what_the_lock_brings(name):
    """Two sources of one collection must not differ, or the tests prove another version than the one that deploys."""
    manifest = json.loads((COLLECTIONS / name.replace(".", "/") / "MANIFEST.json").read_text())
    assert pinned()[name] == manifest["collection_info"]["version"]


def test_modules_come_from_ansible_the_pinned_collections_or_this_repository():
    """A short name finds whatever is first in some path; only our own modules may have one."""
    own = {path.stem for path in ROOT.glob("roles/*/library/*.py")}
    foreign = [
        f"{shown(path)}: {name}" for path, task in tasks()
        if (name := module(task)) and name not in own and name.rsplit(".", 1)[0] not in {"ansible.builtin", *pinned()}
    ]
    assert not foreign


def test_own_modules_are_found_through_the_configuration():
    """ansible.cfg names the directories one by one; a new one that is forgotten works inside its own role only."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(ROOT / "ansible.cfg")
    for option in ("library", "action_plugins"):
        named = {ROOT / path for path in settings["defaults"][option].split(":")}
        assert not [path for path in named if not path.is_dir()]
        assert {path.parent for path in ROOT.glob(f"roles/*/{option}/*.py") if used_outside(path)} <= named, option


def used_outside(plugin: pathlib.Path) -> bool:
    """Whether tasks of other roles or of playbooks call the module of this file."""
    role = plugin.parents[1]
    return any(module(task) == plugin.stem and not path.is_relative_to(role) for path, task in tasks())


def test_there_are_locks():
    """If they were renamed, the tests below would look at nothing."""
    assert {"requirements.txt", "app/backend/requirements.txt"} <= {shown(path) for path in LOCKS}


@pytest.mark.parametrize("path", LOCKS, ids=shown)
def test_locks_name_no_place(path):
    """Where packages come from is the installer's choice: an address in a lock breaks mirrors and hosts without internet."""
    text = path.read_text()
    if path.name == "package-lock.json":
        # Addresses of funding and licences are no places to fetch from.
        assert not [name for name, entry in json.loads(text)["packages"].items() if str(entry.get("resolved", "")).startswith("http")]
    else:
        assert "://" not in text
        assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links)\b", text, re.MULTILINE)


@pytest.mark.parametrize("path", [path for path in LOCKS if path.suffix == ".txt"], ids=shown)
def test_locks_pin_and_hash_everything(path):
    """A package without a hash may be another one tomorrow."""
    entries = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n?", "", path.read_text(), flags=re.MULTILINE).strip())
    assert not [entry.splitlines()[0] for entry in entries if not re.match(r"[\w.\[\]-]+==\S+", entry) or "--hash=sha256:" not in entry]


@pytest.mark.parametrize("path", [path for path in tracked() if re.fullmatch(r"requirements.*\.in", path.name)], ids=shown)
def test_locks_hold_everything_that_is_asked_for(path):
    """A requirement that was added and not locked is missing on the next machine."""
    asked = {_canonical(line) for line in path.read_text().splitlines() if re.match(r"[A-Za-z]", line)}
    locked = {_canonical(line) for line in path.with_suffix(".txt").read_text().splitlines() if re.match(r"[A-Za-z]", line)}
    assert asked
    assert not asked - locked


@pytest.mark.parametrize("path", [path for path in tracked() if re.fullmatch(r"requirements.*\.in", path.name)], ids=shown)
def test_locks_agree_with_pins(path):
    """An exact version that the lock contradicts means that the lock was not made anew."""
    locked = path.with_suffix(".txt").read_text()
    pins = [line.split(";")[0].split("#")[0].strip() for line in path.read_text().splitlines() if re.match(r"[\w.\[\]-]+==", line)]
    assert not [pin for pin in pins if not re.search(rf"^{re.escape(pin)}( |$)", locked, re.MULTILINE | re.IGNORECASE)]


def test_no_registry_is_named():
    """The registry is the operator's choice, by the package managers' own settings; a name in a file would overrule or reveal it."""
    hosts = {*REGISTRIES, *configured_registries()}
    pattern = re.compile("|".join(rf"(?<![\w-]){re.escape(host)}\b" for host in sorted(hosts)), re.IGNORECASE)
    assert not [f"{shown(path)}: {match[0]}" for path in tracked() if (match := pattern.search(text(path)))]


def test_no_path_of_this_checkout_is_named():
    """A path of one machine is wrong on every other."""
    pattern = re.compile(rf"(?<![\w.-]){re.escape(str(ROOT))}(?![\w-])")
    assert not [shown(path) for path in tracked() if pattern.search(text(path))]


def configured_registries() -> set[str]:
    """Hosts that this machine's package managers use; whatever they are, they are nobody else's business."""
    values = [value for name, value in os.environ.items() if re.search(r"INDEX|REGISTRY", name)]
    pip = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False).stdout
    addresses = re.findall(r"https?://[^\s'\"]+", " ".join([*values, pip]))
    return {host for address in addresses if "." in (host := urllib.parse.urlsplit(address).hostname or "")}


def text(path: pathlib.Path) -> str:
    return path.read_bytes().decode(errors="replace")


def _canonical(line: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", line)[0]).lower()
