"""The inventories that this project brings, as Ansible reads them."""

import shutil

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager

from tests.unit.support import GROUPS, ROOT

NAMES = sorted(path.parent.name for path in (ROOT / "inventories").glob("*/hosts.yml"))


def test_there_are_three():
    """A glob that finds nothing would pass every test below."""
    assert NAMES == ["lab", "production", "staging"]


@pytest.mark.parametrize("name", NAMES)
def test_an_environment_changes_the_wiring_by_stating_a_variable_anew(tmp_path, name):
    """Files of group_vars are read in the order of their names, and the later one wins: the wiring has to come first."""
    shutil.copytree(ROOT / "inventories", tmp_path / "inventories", symlinks=True)
    environment = tmp_path / "inventories" / name / "group_vars" / "all" / "environment.yml"
    with environment.open("a") as stream:
        stream.write("redis_layout: single\naiko_timezone: Europe/Paris\n")
    loader = DataLoader()
    manager = VariableManager(loader, InventoryManager(loader, [str(tmp_path / "inventories" / name)]))
    for host in manager._inventory.get_hosts():
        found = manager.get_vars(host=host, include_hostvars=False)
        assert (found["redis_layout"], found["aiko_timezone"]) == ("single", "Europe/Paris")
        assert found["redis_queue_port"] == 6380, "the rest of the wiring is there"


@pytest.mark.parametrize("name", NAMES)
def test_every_group_is_there(name):
    """A play for a group that does not exist is skipped without a word."""
    assert set(GROUPS) <= set(InventoryManager(DataLoader(), [str(ROOT / "inventories" / name)]).get_groups_dict())
