"""filter_plugins/units.py: nested dicts become unit files."""

import pytest
from ansible.errors import AnsibleFilterError

from tests.unit.support import load

units = load("filter_plugins/units.py")


def body(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_values_of_every_kind():
    """systemd reads yes and no, repeats keys for lists, and an empty value resets a list: each is written differently."""
    text = units.unit_file({"Service": {
        "PrivateTmp": True, "RemoveIPC": False, "ExecStart": ["", "/bin/true"], "TasksMax": 512, "CPUWeight": 1.5,
        "ReadWritePaths": None, "CapabilityBoundingSet": "",
    }})
    assert body(text) == [
        "[Service]", "PrivateTmp=yes", "RemoveIPC=no", "ExecStart=", "ExecStart=/bin/true", "TasksMax=512", "CPUWeight=1.5",
        "CapabilityBoundingSet=",
    ]


def test_sections_stay_in_order_and_apart():
    """Directives before their section belong to the one above."""
    text = units.unit_file({"Unit": {"Description": "x"}, "Service": {"Type": "exec"}, "Install": {"WantedBy": "multi-user.target"}})
    assert body(text) == ["[Unit]", "Description=x", "[Service]", "Type=exec", "[Install]", "WantedBy=multi-user.target"]
    assert text.endswith("target\n")


def test_none_inside_a_list_is_left_out():
    """Lists are composed of optional parts; an empty line would reset the others."""
    assert body(units.unit_file({"Unit": {"After": ["a.service", None, "b.service"]}})) == ["[Unit]", "After=a.service", "After=b.service"]


@pytest.mark.parametrize("value", ["one\nExecStartPre=/bin/evil", ["fine", "one\ntwo"]])
def test_a_line_break_is_refused(value):
    """It would smuggle a directive of the value's choosing into a unit that starts as root."""
    with pytest.raises(AnsibleFilterError, match="demo.service: ExecStart has a line break"):
        units.unit_file({"Service": {"ExecStart": value}}, "demo.service")


@pytest.mark.parametrize("value", [
    "DB_PASSWORD=hunter2", "SECRET_KEY=x", "MAIL_TOKEN=x", "OPENAI_API_KEY=x", '"SECRET_KEY=two words"',
    "FLASK_ENV=production DB_PASSWORD=hunter2", ["FLASK_ENV=production", "api_key=x"],
])
def test_a_secret_in_the_environment_is_refused_and_not_repeated(value):
    """Everybody on the host may read unit files; the message must not be the next leak."""
    with pytest.raises(AnsibleFilterError, match="looks like a secret; use LoadCredential") as refused:
        units.unit_file({"Service": {"Environment": value}})
    assert "hunter2" not in str(refused.value)


def test_a_word_in_a_value_is_no_secret():
    """Only names decide: a path or a description may contain the word."""
    assert "Environment=POLICY=token-bucket" in units.unit_file({"Service": {"Environment": "POLICY=token-bucket"}})


@pytest.mark.parametrize(("sections", "message"), [
    ("text", "a unit is a dict of sections, not str"),
    ({"Service": ["x"]}, r"section \[Service\] must be a dict, not list"),
    ({"Service": {"Environment": {"A": 1}}}, "Environment must be text, number, bool or list, not dict"),
])
def test_another_shape_is_refused_by_name(sections, message):
    """A unit with a Python repr in it would load, and do something else."""
    with pytest.raises(AnsibleFilterError, match=message):
        units.unit_file(sections, "demo.service")


def contents(files: list[dict]) -> dict[str, list[str]]:
    return {entry["path"]: body(entry["content"]) for entry in files}


def test_hardening_is_a_default_that_the_unit_overrides_or_takes_away():
    """One place states the hardening; a unit that needs less says so itself."""
    files = contents(units.unit_files(
        {"demo.service": {"Service": {"ExecStart": "/bin/true", "ProtectHome": False, "ProcSubset": None}}},
        {"ProtectHome": True, "ProcSubset": "pid", "NoNewPrivileges": True},
    ))
    assert files == {"/etc/systemd/system/demo.service": ["[Service]", "ProtectHome=no", "NoNewPrivileges=yes", "ExecStart=/bin/true"]}


def test_template_units_are_hardened_and_services_without_a_section_too():
    """NAME@.service is a whole service; forgetting [Service] must not mean running without a sandbox."""
    files = contents(units.unit_files({"pool@.service": {"Unit": {"Description": "x"}}}, {"NoNewPrivileges": True}))
    assert "NoNewPrivileges=yes" in files["/etc/systemd/system/pool@.service"]


@pytest.mark.parametrize("name", ["postgresql@.service.d/aiko.conf", "demo.socket", "demo.timer"])
def test_drop_ins_and_other_kinds_get_no_hardening(name):
    """A drop-in changes somebody else's unit, which the defaults may break; sockets and timers have no [Service]."""
    files = contents(units.unit_files({name: {"Unit": {"Description": "x"}}}, {"NoNewPrivileges": True}))
    assert files == {f"/etc/systemd/system/{name}": ["[Unit]", "Description=x"]}


@pytest.mark.parametrize("name", ["pool@ai.service", "pool@ai.container", "pool@ai.service.d/aiko.conf"])
def test_limits_win_in_either_run_mode(name):
    """An operator shares out a machine by the names that systemctl shows; how the unit came to be is none of that."""
    limits = {"pool@*.service": {"CPUQuota": "150%", "MemoryMax": "1G"}, "pool@ai.service": {"CPUQuota": "50%"}, "other.*": {"Nice": 1}}
    (file,) = units.unit_files({name: {"Service": {"MemoryMax": "2G"}}}, {}, {}, limits)
    assert [line for line in body(file["content"]) if "=" in line] == ["MemoryMax=1G", "CPUQuota=50%"]


def test_limits_are_of_services_alone():
    (socket, network) = units.unit_files({"pool.socket": {"Socket": {}}, "pool.network": {"Network": {}}}, {}, {}, {"*": {"Nice": 1}})
    assert "Nice" not in socket["content"] + network["content"]
    with pytest.raises(AnsibleFilterError, match="unit_limits: pool.service is '50%'. Expected: directives"):
        units.unit_files({"pool.service": {}}, {}, {}, {"pool.service": "50%"})


def test_input_is_not_changed():
    """Ansible hands over the variables themselves; the next unit would inherit what this one got."""
    wanted, hardening = {"demo.service": {"Service": {"Type": "exec"}}}, {"NoNewPrivileges": True}
    units.unit_files(wanted, hardening)
    assert wanted == {"demo.service": {"Service": {"Type": "exec"}}}
    assert hardening == {"NoNewPrivileges": True}


def test_a_quadlet_gets_its_defaults_and_no_sandbox():
    """A sandbox of systemd gives each command of the unit mounts of its own, and Podman then loses its network."""
    (file,) = units.unit_files(
        {"demo.container": {"Container": {"Image": "x", "ReadOnly": None}, "Service": {"Restart": "always"}}},
        {"ProtectSystem": "strict"}, {"ReadOnly": True, "DropCapability": "all"})
    assert file["path"] == "/etc/containers/systemd/demo.container"
    assert "podman-system-generator --dryrun" in file["validate"]
    assert body(file["content"]) == ["[Container]", "DropCapability=all", "Image=x", "[Service]", "Restart=always"]


def test_a_health_check_is_asked_often_until_it_is_well():
    """Otherwise a service that needs two seconds counts as started after half a minute."""
    (file,) = units.unit_files({"demo.container": {"Container": {"HealthCmd": "check"}}}, {}, {})
    assert body(file["content"]) == ["[Container]", "HealthStartupCmd=check", "HealthStartupInterval=1s", "HealthCmd=check"]


def test_quadlets_that_go_stop_unless_their_service_stays():
    """In the other run mode the service of the same name goes on."""
    assert units.units_off(["a.container", "b.container"], [{"name": "a.service"}]) == [
        {"name": "b.service", "enabled": False, "state": "stopped"}]
    # Its link goes before its file does; what runs is stopped where the quadlet is there.
    assert units.units_off(["a.service"], [{"name": "a.service"}]) == [{"name": "a.service", "enabled": False}]
    assert units.unit_paths(["a.container", "n.network", "c.service.d/x.conf"]) == [
        "/etc/containers/systemd/a.container", "/etc/containers/systemd/n.network", "/etc/systemd/system/c.service.d/x.conf"]
