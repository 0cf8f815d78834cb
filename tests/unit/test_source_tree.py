"""roles/release/lookup_plugins/source_tree.py: the files of a release and its name."""

import base64
import os

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader

from tests.unit.support import ROOT

lookup_loader.add_directory(str(ROOT / "roles/release/lookup_plugins"))


def tree(root, **options) -> dict:
    return lookup_loader.get("source_tree").run([str(root)], {}, **options)[0]


def identifier(root) -> str:
    return tree(root)["id"]


def files(root, **options) -> dict[str, str]:
    return {entry["path"]: entry.get("content", entry.get("base64")) for entry in tree(root, **options)["files"]}


@pytest.fixture
def source(tmp_path):
    """A small application."""
    root = tmp_path / "app"
    (root / "aiko").mkdir(parents=True)
    (root / "aiko" / "app.py").write_text("print('é')\n")
    (root / "requirements.txt").write_text("flask==3.1\n")
    return root


def test_the_same_source_has_the_same_name_everywhere(source, tmp_path):
    """Two controllers, a fresh clone, another order on disk: none of them is a new release."""
    copy = tmp_path / "elsewhere" / "clone"
    (copy / "aiko").mkdir(parents=True)
    for name in ("requirements.txt", "aiko/app.py"):
        (copy / name).write_bytes((source / name).read_bytes())
        os.utime(copy / name, (1, 1))
    assert tree(copy) == tree(source)
    assert len(identifier(source)) == 12


@pytest.mark.parametrize("change", [
    lambda root: (root / "aiko/app.py").write_text("print('e')\n"),
    lambda root: (root / "requirements.txt").write_text("flask==3.2\n"),
    lambda root: (root / "aiko/app.py").rename(root / "aiko/main.py"),
    lambda root: (root / "aiko/new.py").write_text(""),
    lambda root: (root / "requirements.txt").unlink(),
    lambda root: (root / "aiko/app.py").rename(root / "app.py"),
])
def test_every_change_makes_another_release(source, change):
    """One that goes unnoticed is never deployed, and nobody is told."""
    before = identifier(source)
    change(source)
    assert identifier(source) != before


def test_contents_cannot_be_shifted_between_files(tmp_path):
    """A hash over contents alone takes ("ab", "c") for ("a", "bc")."""
    made = []
    for first, second in (("ab", "c"), ("a", "bc"), ("abc", "")):
        root = tmp_path / (first + "-" + second)
        root.mkdir()
        (root / "x").write_text(first)
        (root / "y").write_text(second)
        made.append(identifier(root))
    assert len(set(made)) == 3


@pytest.mark.parametrize("name", [
    "tests/test_app.py", "aiko/__pycache__/app.cpython-311.pyc", "x.pyc", ".git/config", ".env", "requirements-test.txt", "README.md",
    "frontend/node_modules/x/index.js", ".venv/bin/python",
])
def test_what_no_release_needs_changes_nothing(source, name):
    """A test run writes bytecode; that must not roll out a release. And .env holds secrets."""
    before = tree(source)
    (source / name).parent.mkdir(parents=True, exist_ok=True)
    (source / name).write_text("x")
    assert tree(source) == before


def test_names_that_only_resemble_the_excluded_stay(source):
    """latests.py and mytests/ belong to the application."""
    for name in ("latests.py", "mytests/x.py", "README.mdx"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text("x")
    assert {"latests.py", "mytests/x.py", "README.mdx"} < set(files(source))


def test_the_exclusions_can_be_chosen(source):
    """Another application may need its templates in Markdown."""
    (source / "README.md").write_text("x")
    assert set(files(source, exclude=["*.txt"])) == {"README.md", "aiko/app.py"}


def test_contents_arrive_whole(source):
    """Text stays text, also with Windows line ends and without a last one; what is no text travels as base64."""
    (source / "crlf.txt").write_bytes(b"a\r\nb")
    (source / "logo.png").write_bytes(bytes(range(256)))
    (source / "empty.py").write_bytes(b"")
    found = files(source)
    assert found["aiko/app.py"] == "print('é')\n"
    assert found["crlf.txt"] == "a\r\nb"
    assert found["empty.py"] == ""
    assert base64.b64decode(found["logo.png"]) == bytes(range(256))
    assert list(found) == sorted(found)


@pytest.mark.parametrize(("name", "message"), [
    ("nowhere", "is not a directory; expected the source of the application on the controller"),
    ("empty", "has no files to release"), ("file", "is not a directory"),
])
def test_a_source_that_is_none_is_said_clearly(tmp_path, name, message):
    """An empty release would be switched to, and answer nothing."""
    (tmp_path / "empty" / ".git").mkdir(parents=True)
    (tmp_path / "empty" / ".git" / "config").write_text("x")
    (tmp_path / "file").write_text("x")
    with pytest.raises(AnsibleLookupError, match=message):
        tree(tmp_path / name)


def test_the_shipped_application_is_one():
    """The default source must give a release with what Gunicorn, Celery and pip are told to look for."""
    found = files(ROOT / "app/backend")
    assert {"aiko/wsgi.py", "aiko/celery_app.py", "requirements.txt", "alembic.ini", "migrations/env.py"} <= set(found)
    assert not [name for name in found if "test" in name.split("/")[0]]
