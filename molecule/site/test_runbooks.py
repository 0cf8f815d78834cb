"""The runbooks' first looks work on a host as this project makes it."""

import pathlib
import re

import pytest

PAGES = sorted(path for path in (pathlib.Path(__file__).resolve().parents[2] / "docs/runbooks").glob("*.md") if path.name != "README.md")
LOOK = re.compile(r"^## First look\n\n```sh\n(.+?)^```$", re.MULTILINE | re.DOTALL)


def test_there_are_runbooks():
    """Without pages, the test below would be none."""
    assert PAGES


@pytest.mark.ledger("MO3")
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_first_look_works(host, page):
    """Whoever was woken pastes these lines; an option that does not exist, or a unit of another name, costs minutes."""
    (commands,) = LOOK.findall(page.read_text())
    done = host.run("timeout 60 bash -ec %s", commands)
    assert done.rc == 0, done.stdout[-2000:] + done.stderr
    assert "command not found" not in done.stderr
