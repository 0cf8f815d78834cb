"""filter_plugins/sizing.py: from memory to settings."""

import pytest
from ansible.errors import AnsibleFilterError

from tests.unit.support import load

sizing = load("filter_plugins/sizing.py")


@pytest.mark.parametrize(("memory", "expected"), [
    (512, {"shared_buffers": "128MB", "effective_cache_size": "384MB", "work_mem": "4MB", "maintenance_work_mem": "64MB"}),
    (2048, {"shared_buffers": "512MB", "effective_cache_size": "1536MB", "work_mem": "4MB", "maintenance_work_mem": "128MB"}),
    (64 * 1024, {"shared_buffers": "16384MB", "effective_cache_size": "49152MB", "work_mem": "81MB", "maintenance_work_mem": "1024MB"}),
    (512 * 1024, {"shared_buffers": "16384MB", "effective_cache_size": "393216MB", "work_mem": "655MB", "maintenance_work_mem": "1024MB"}),
])
def test_sizes_at_the_ends_of_each_rule(memory, expected):
    """At 64 GB the 16 GB cap begins; below 512 MB the floors hold. A host between must be between."""
    settings = sizing.postgresql_sizes(memory)
    assert {name: settings[name] for name in expected} == expected


@pytest.mark.parametrize("memory", [256, 512, 777, 2048, 4096, 24105, 65536, 524288])
@pytest.mark.parametrize("share", [0.1, 0.25, 0.8, 1.0])
def test_settings_always_fit_into_the_memory(memory, share):
    """shared_buffers and all connections sorting at once must never ask for more than there is, floors apart."""
    settings = sizing.postgresql_sizes(memory, share=share)
    number = {name: int(value.removesuffix("MB")) for name, value in settings.items() if str(value).endswith("MB")}
    assert all(value > 0 for value in number.values())
    assert number["shared_buffers"] <= max(128, memory * share / 4)
    assert number["work_mem"] * 200 <= max(800, memory * share / 4)
    assert number["maintenance_work_mem"] <= max(64, memory * share / 16)


def test_more_memory_never_means_smaller_settings():
    """A gap in the rules would punish an upgrade."""
    former = None
    for memory in range(256, 600 * 1024, 1777):
        settings = sizing.postgresql_sizes(memory)
        number = [int(settings[name].removesuffix("MB")) for name in ("shared_buffers", "effective_cache_size", "work_mem")]
        assert former is None or all(now >= then for now, then in zip(number, former, strict=True)), memory
        former = number


def test_share_leaves_the_rest_to_others():
    """On a host that runs everything, PostgreSQL must not size itself for all of it."""
    assert sizing.postgresql_sizes(8192, share=0.25) == sizing.postgresql_sizes(2048)


def test_a_spinning_disk_seeks_slowly():
    """random_page_cost of an SSD on a disk makes the planner choose index scans that crawl."""
    disk, ssd = sizing.postgresql_sizes(4096, rotational=True), sizing.postgresql_sizes(4096)
    assert (disk["random_page_cost"], disk["effective_io_concurrency"]) == (4, 2)
    assert (ssd["random_page_cost"], ssd["effective_io_concurrency"]) == (1.1, 200)


@pytest.mark.parametrize(("devices", "expected"), [
    ({"sda": {"rotational": "1"}}, True), ({"sda": {"rotational": "0"}}, False), ({"nvme0n1": {"rotational": "0"}}, False),
    # Virtual disks say 1 whatever lies behind them; and one fast disk among slow ones may be the database's.
    ({"vda": {"rotational": "1"}}, False), ({"sda": {"rotational": "1"}, "sdb": {"rotational": "0"}}, False),
    ({"sda": {"rotational": "1"}, "sr0": {"rotational": "1"}, "loop0": {"rotational": "0"}}, True), ({}, False), ({"sda": {}}, False),
])
def test_which_disks_spin(devices, expected):
    """Taken for a spinning one, an SSD is read with sequential scans."""
    assert sizing.rotational(devices) is expected


@pytest.mark.parametrize("share", [0, -0.5, 1.01, 80])
def test_a_share_that_is_none_is_refused(share):
    """80 is how somebody writes percent; 80 times the memory would be asked for."""
    with pytest.raises(AnsibleFilterError, match=f"share must be above 0 and at most 1, not {share}"):
        sizing.postgresql_sizes(4096, share=share)


def test_workers_by_number_or_by_cores():
    """A number comes as text from the command line; auto is Gunicorn's own rule."""
    assert sizing.gunicorn_workers("4", 2) == 4
    assert sizing.gunicorn_workers("auto", 2) == 5
    with pytest.raises(ValueError, match="many"):
        sizing.gunicorn_workers("many", 2)
