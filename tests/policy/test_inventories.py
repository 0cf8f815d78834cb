"""The inventory is the topology; a mistyped key in it would silently configure nothing."""

from __future__ import annotations

import os
import re

import pytest

from tests.policy.repository import ROLE_NAMES, ROOT, load, options, plays, shown, tasks

ENVIRONMENTS = ["lab", "staging", "production"]
PUBLIC = {name for role in ROLE_NAMES for name in options(role)}
# The platform's own variables, which no role owns.
PLATFORM = {
    "aiko_address",
    "aiko_backend_clients",
    "aiko_database_clients",
    "aiko_domain",
    "aiko_certificate_file",
    "aiko_certificate_key_file",
    "aiko_environment",
    "aiko_frontend_clients",
    "aiko_groups",
    "aiko_own_address",
    "aiko_redis_clients",
    "aiko_runtime",
    "aiko_secrets_file",
    "aiko_timezone",
    "aiko_upload_max_mb",
    # Pool sizes: wiring puts them into the environments, the preflight adds them up.
    "backend_database_pool",
    "celery_database_pool",
    # Said by the operator, asked by the preflight.
    "backend_uploads_shared",
    # What each service has to be asked, for Prometheus.
    "alertmanager_scrape_targets",
    "backend_scrape_targets",
    "celery_scrape_targets",
    "exporters_scrape_targets",
    "grafana_scrape_targets",
    "nginx_scrape_targets",
    "prometheus_scrape_targets",
}
SHARED = sorted(ROOT.glob("inventories/shared/*.yml"))


def inventory_files() -> list:
    return [*SHARED, *sorted(ROOT.glob("inventories/*/group_vars/**/*.yml")), *sorted(ROOT.glob("inventories/*/host_vars/**/*.yml"))]


def unknown(names) -> list[str]:
    """Names that are no role's, not the platform's, not Ansible's and not private."""
    return [name for name in names if name not in PUBLIC | PLATFORM and not name.startswith(("__", "ansible_"))]


@pytest.mark.parametrize("path", inventory_files(), ids=shown)
def test_every_key_of_group_vars_belongs_to_somebody(path):
    """`postgresql_max_connection: 300` would be accepted, and the database would keep 100."""
    assert not unknown(load(path) or {})


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_key_of_hosts_and_groups_belongs_to_somebody(environment):
    """Variables may stand beside a host or a group, and can be mistyped there as well."""

    def names(group: dict):
        yield from group.get("vars") or {}
        for host in (group.get("hosts") or {}).values():
            yield from host or {}
        for child in (group.get("children") or {}).values():
            yield from names(child or {})

    assert not unknown(names(load(ROOT / "inventories" / environment / "hosts.yml")["all"]))


def test_every_key_that_playbooks_set_belongs_to_somebody():
    """The same for the variables of plays, of their roles and of tasks."""
    found = []
    for path, play in plays():
        given = dict(play.get("vars") or {})
        for role in play.get("roles") or []:
            if isinstance(role, dict):
                given |= role.get("vars") or {}
        found += [f"{shown(path)}: {name}" for name in unknown(given)]
    for path, task in tasks():
        if path.is_relative_to(ROOT / "playbooks"):
            found += [f"{shown(path)}: {name}" for name in unknown(task.get("vars") or {})]
    assert not found


def test_the_declared_variables_exist():
    """A name that nobody sets any more must leave the list, or it would excuse a mistake one day."""
    given = {name for path in inventory_files() for name in load(path) or {}}
    assert not PLATFORM - given
    assert not PLATFORM & PUBLIC


def test_private_variables_of_the_inventory_are_used():
    """A leftover reads like wiring and wires nothing."""
    text = "".join(path.read_text() for path in inventory_files())
    private = {name for path in inventory_files() for name in load(path) or {} if name.startswith("__")}
    assert not [name for name in private if len(re.findall(rf"\b{name}\b", text)) < 2]


@pytest.mark.ledger("SY6")
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_environment_has_every_group(environment):
    """Roles ask the groups who runs what; a group that is missing in production only is found in production only."""
    groups = set(load(ROOT / "inventories" / environment / "hosts.yml")["all"]["children"])
    assert groups == set(load(ROOT / "inventories/shared/topology.yml")["aiko_groups"])


@pytest.mark.ledger("SY6")
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_environments_share_their_wiring_by_link(environment):
    """A copy would drift; what staging proves must be what production gets. Ansible reads a directory in the
    order of its names and the last one wins: the environment's own files must come after what is shared."""
    directory = ROOT / "inventories" / environment / "group_vars/all"
    first, *own = sorted(path.name for path in directory.iterdir())
    assert (directory / first).is_symlink()
    assert os.readlink(directory / first) == "../../../shared"
    assert own


@pytest.mark.ledger("SY6")
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_environments_say_which_one_they_are(environment):
    """A copied file that still says `staging` would sign production's alerts and secrets with it."""
    assert load(ROOT / "inventories" / environment / "group_vars/all/environment.yml")["aiko_environment"] == environment


def test_no_other_environment_is_unwatched():
    """A new environment has to be named here to be held to these rules."""
    assert {path.parent.name for path in ROOT.glob("inventories/*/hosts.yml")} == set(ENVIRONMENTS)
