"""A browser for the deployed site, people who use it, and the hosts behind it."""

from __future__ import annotations

import os
import pathlib
import uuid

import pytest
import testinfra
from playwright.sync_api import sync_playwright

from tests.browser.person import Person, chromium
from tests.conformance.conftest import Site, platform_address


@pytest.fixture(scope="module")
def site(host) -> Site:
    return Site(platform_address(host), host.ansible.get_variables()["aiko_domain"])


@pytest.fixture(scope="module")
def browser(site):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(),
            # Root has no sandbox to give; and the name is known to the test alone.
            args=["--no-sandbox", f"--host-resolver-rules=MAP {site.domain} {site.address}"],
        )
        yield browser
        browser.close()


@pytest.fixture
def person(browser, site):
    """Make a person: person("fr", "phone"); at the end, nobody may have met an error in a script or of the content policy."""
    people = []

    def make(locale: str = "en", size: str = "desktop", album: str = "", **options) -> Person:
        scenario = pathlib.Path(os.environ.get("MOLECULE_SCENARIO_DIRECTORY", "site")).name
        people.append(Person(browser, site, locale, size, album and f"{scenario}/{album}", **options))
        return people[-1]

    yield make
    complaints = [line for one in people for line in one.complaints]
    for one in people:
        one.context.close()
    assert not complaints, complaints


@pytest.fixture
def account() -> dict[str, str]:
    """What a new account needs; nobody has it yet."""
    return {"email": f"{uuid.uuid4().hex}@example.com", "password": f"correct-horse-{uuid.uuid4().hex}"}


@pytest.fixture(scope="module")
def runs(host):
    """The first host of a group."""

    def connect(group: str):
        name = host.ansible.get_variables()["groups"][group][0]
        return testinfra.get_host(f"ansible://{name}", ansible_inventory=host.backend.ansible_inventory)

    return connect
