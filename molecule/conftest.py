"""What the tests of all scenarios share: the hosts, another converge, secrets, and the journal when something fails."""

from __future__ import annotations

import os
import pathlib

import parity
import pytest
from scenario import USUAL, Play, Scenario

AGAIN = pytest.StashKey[int]()
TWICE = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    """The running scenario, as molecule describes it in the environment."""
    return Scenario.from_environment(os.environ)


@pytest.fixture(scope="session")
def hosts(scenario):
    """All hosts of the scenario by name."""
    return {name: scenario.connect(name) for name in scenario.names}


def pytest_generate_tests(metafunc):
    """Where hosts differ in nothing but the run mode, each test asks each of them."""
    if "host_name" in metafunc.fixturenames and "MOLECULE_INVENTORY_FILE" in os.environ:
        twins = Scenario.from_environment(os.environ).twins()
        if twins:
            metafunc.parametrize("host_name", twins.values(), ids=twins.keys(), indirect=True, scope="session")


@pytest.fixture(scope="session")
def host_name(request, scenario) -> str:
    """The host that a test is about: the scenario's only one, the first of several, or each of those that are twins."""
    return getattr(request, "param", scenario.names[0])


@pytest.fixture(scope="session")
def host(host_name, hosts):
    """Connection to that host."""
    return hosts[host_name]


@pytest.fixture(scope="session")
def converge(scenario, host_name):
    """Converge again with further variables; returns a Play with `rc`, `changed` and `output`. Twins one at a time."""
    limit = [f"--limit={host_name}"] if scenario.twins() else []

    def run(variables: dict | None = None, *arguments: str) -> Play:
        return scenario.converge(variables or {}, *limit, *arguments)

    return run


@pytest.fixture(scope="session")
def secrets(scenario) -> dict[str, str]:
    """The scenario's secrets, decrypted."""
    return scenario.secrets()


def pytest_configure(config):
    config.addinivalue_line("markers", "any_release: asks for what does not depend on Debian's release, so that the usual one is enough")
    config.addinivalue_line("markers", "any_runtime: asks for what does not depend on the run mode, so that of twins one is enough")
    if "MOLECULE_INVENTORY_FILE" in os.environ:
        running = Scenario.from_environment(os.environ)
        if running.releases() == {USUAL} and (found := parity.recorder(running.project, running.directory.name, bool(running.twins()))):
            config.pluginmanager.register(found)


def pytest_collection_modifyitems(config, items):
    """An empty glob proves nothing, so it must not pass for a success."""
    directory = os.environ.get("MOLECULE_SCENARIO_DIRECTORY")
    if directory and not any(item.path.is_relative_to(pathlib.Path(directory)) for item in items):
        raise pytest.UsageError(f"{directory} has no tests of its own")
    if not directory:
        return
    scenario = Scenario.from_environment(os.environ)
    if scenario.releases() - {USUAL}:
        leave_out(config, items, AGAIN, [item for item in items if item.get_closest_marker("any_release")])
    twin = scenario.twins().get("container")
    of_twin = [item for item in items if twin and getattr(item, "callspec", None) and item.callspec.params.get("host_name") == twin]
    leave_out(config, items, TWICE, [item for item in of_twin if item.get_closest_marker("any_runtime")])


def leave_out(config, items: list, key: pytest.StashKey, some: list) -> None:
    """Deselect some tests, and remember how many."""
    items[:] = [item for item in items if item not in some]
    config.hook.pytest_deselected(items=some)
    config.stash[key] = len(some)


def pytest_report_collectionfinish(config):
    lines = []
    if number := config.stash.get(AGAIN, 0):
        lines.append(f"{number} tests are the same on any release, and run on {USUAL}")
    if number := config.stash.get(TWICE, 0):
        lines.append(f"{number} tests are the same in any run mode, and run natively")
    return lines


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Show what the hosts have to say about a failure: the journal of the module's UNITS, or all warnings."""
    report = yield
    if report.failed and call.excinfo and not call.excinfo.errisinstance(pytest.skip.Exception):
        found = item.funcargs.get("hosts") or {"host": item.funcargs.get("host")}
        for name, connection in found.items():
            if connection is not None:
                report.sections.append((f"journal of {name}", _journal(connection, getattr(item.module, "UNITS", []))))
    return report


def _journal(connection, units: list[str]) -> str:
    chosen = " ".join(f"--unit='{unit}'" for unit in units) or "--priority=warning"
    try:
        failed = connection.run("systemctl --failed --plain --no-legend").stdout
        return f"{failed}{connection.run(f'journalctl --namespace=* --no-pager --lines=60 {chosen}').stdout}"
    except RuntimeError as error:
        return f"the host cannot be asked: {error}"
