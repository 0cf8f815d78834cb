"""What the inventory makes of Grafana in both run modes: the image, where it listens, whom it asks, and who asks it."""

import json

import pytest
import yaml

from tests.unit.support import ROOT, everything_on, inventory, local, playbook

FOUND = """{{ {'units': __grafana.units, 'server': __grafana_settings.server, 'data': __grafana_settings.paths.data,
              'asks': grafana_prometheus_url, 'jobs': prometheus_scrape_jobs} | to_json }}"""


@pytest.fixture(scope="module", params=["native", "container"])
def found(request, tmp_path_factory) -> dict:
    place = tmp_path_factory.mktemp(request.param)
    directory = inventory(
        place / "inventory", {"one": local(aiko_address="192.0.2.1")}, everything_on("one"), aiko_runtime=request.param,
        grafana_package_source="upstream", podman_registry_mirror="registry.example.com")
    for role in ("grafana", "podman"):
        (directory / "group_vars/all" / f"00-0-{role}.yml").symlink_to(ROOT / "roles" / role / "defaults/main.yml")
    play = {
        "hosts": "all", "gather_facts": False, "become": False,
        "vars_files": [str(ROOT / "roles/grafana/vars" / f"{name}.yml") for name in ("main", request.param)],
        "tasks": [{"name": "Render", "ansible.builtin.copy": {"content": FOUND, "dest": f"{place}/found.json", "mode": "0600"}}],
    }
    (place / "play.yml").write_text(yaml.safe_dump([play]))
    done = playbook(place, "-i", str(directory), str(place / "play.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    return {"mode": request.param, **json.loads((place / "found.json").read_text())}


def test_prometheus_and_grafana_find_each_other(found):
    """A container's loopback is nobody else's: they meet where the host publishes both."""
    address = {"native": "127.0.0.1", "container": "10.89.61.1"}[found["mode"]]
    (job,) = [job for job in found["jobs"] if job["job_name"] == "grafana"]
    assert job["static_configs"][0]["targets"] == [f"{address}:3001"]
    assert found["asks"] == f"http://{address}:9090"


def test_people_find_it_at_one_address_in_both_run_modes(found):
    """A tunnel leads to loopback, whatever runs there; the data that backups read does not move either."""
    assert found["data"] == "/var/lib/grafana"
    if found["mode"] == "native":
        assert found["server"]["http_addr"] == "127.0.0.1"
        assert found["units"]["grafana-server.service"]["Service"]["StateDirectory"] == "grafana"
        return
    container = found["units"]["grafana-server.container"]["Container"]
    assert container["PublishPort"] == ["127.0.0.1:3001:3001", "10.89.61.1:3001:3001"]
    assert "/var/lib/grafana:/var/lib/grafana" in container["Volume"]
    assert container["Image"] == "registry.example.com/grafana/grafana:11.6.0"
    assert container["Entrypoint"] == "/usr/share/grafana/bin/grafana"
