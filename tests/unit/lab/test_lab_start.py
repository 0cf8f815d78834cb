"""How images and guests are made: recipes, command lines, ssh files."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lab import cli, hosts, image, network, nspawn, ssh, supervisor, system
from lab.errors import LabError
from lab.settings import Settings

SETTINGS = Settings.from_environment({})
PROGRAM = Path(image.__file__).with_name("__main__.py")


def test_the_recipe_is_stable_and_notices_every_change():
    files = image.image_files({"own.crt": "PEM"}, "")
    first = image.recipe_hash("trixie", files)
    assert first == image.recipe_hash("trixie", dict(reversed(files.items())))
    others = [
        image.recipe_hash("bookworm", files),
        image.recipe_hash("trixie", image.image_files({"own.crt": "another"}, "")),
        image.recipe_hash("trixie", image.image_files({}, "")),
        image.recipe_hash(
            "trixie", image.image_files({"own.crt": "PEM"}, 'Acquire::http::Proxy "http://p.example";\n')
        ),
    ]
    assert len({first, *others}) == 5


def test_the_environment_names_a_bundle_only_when_there_is_something_special_in_it():
    assert "etc/environment" not in image.image_files({}, "")
    assert "PIP_CERT=" in image.image_files({"own.crt": "PEM"}, "")["etc/environment"]


def test_an_image_names_no_mirror_and_no_application():
    command = image.build_command("trixie", Path("/x/rootfs"), "")
    assert not any("://" in word for word in command)
    assert command[-2:] == ["trixie", "/x/rootfs"]
    assert not {"nginx", "postgresql", "redis-server", "curl", "cron"} & set(image.PACKAGES)


def test_images_are_found_newest_first_and_half_made_ones_not(tmp_path):
    settings = Settings.from_environment({"AIKO_LAB_CACHE": str(tmp_path)})
    for name in ("trixie-0123456789ab-100", "trixie-ba9876543210-900", ".build-trixie-x", "bookworm-0123456789ab-950"):
        (settings.images / name).mkdir(parents=True)
    assert [found.built for found in image.finished_images(settings, "trixie")] == [900, 100]


def test_an_image_in_use_is_kept(tmp_path):
    settings = Settings.from_environment({"AIKO_LAB_CACHE": str(tmp_path)})
    for age in (100, 200, 300):
        (settings.images / f"trixie-0123456789ab-{age}").mkdir(parents=True)
    used = image.finished_images(settings, "trixie")[-1].hold()
    image.remove_unused(settings, "trixie")
    assert [found.built for found in image.finished_images(settings, "trixie")] == [300, 100]
    used.lock.release()
    image.remove_unused(settings, "trixie")
    assert [found.built for found in image.finished_images(settings, "trixie")] == [300]


def test_a_guest_may_run_containers_but_not_touch_kernel_or_clock():
    command = nspawn.nspawn_command(SETTINGS, "web1", Path("/x"), [Path("/c")], ["--bind-ro=/a:/b"])
    assert {"--capability=all", "--boot", "--machine=web1", "--network-bridge=aiko-lab0", "--bind-ro=/a:/b"} <= set(
        command
    )
    assert "--drop-capability=CAP_SYS_MODULE,CAP_SYS_TIME" in command


def test_with_systemd_the_supervisor_is_a_service_with_a_delegated_cgroup():
    plain = nspawn.launch_command("u.service", ["supervise"], {"A": "b"}, with_systemd=False)
    service = nspawn.launch_command("u.service", ["supervise"], {"A": "b"}, with_systemd=True)
    assert plain[0] == "unshare" and service[0] == "systemd-run"
    assert service[-len(plain) :] == plain
    assert {"--unit=u.service", "--property=Delegate=yes", "--setenv=A=b"} <= set(service)


def test_only_the_hierarchies_of_systemd_are_used():
    mounts = """\
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
"""
    assert nspawn.cgroup_mounts(mounts) == [Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified")]


def test_the_network_file_of_a_guest():
    text = supervisor.guest_files("web1", "198.18.77.9", SETTINGS, "search x\nnameserver 192.0.2.53\n")
    network_file = text["etc/systemd/network/10-lab.network"]
    for line in ("Name=host0", "MTUBytes=1400", "Address=198.18.77.9/24", "Gateway=198.18.77.1", "DNS=192.0.2.53"):
        assert line in network_file.splitlines()
    one, two = (supervisor.guest_files("a", "198.18.77.9", SETTINGS, "")["etc/machine-id"] for _ in range(2))
    assert one != two


def test_storage_is_memory_only_where_there_is_plenty():
    assert supervisor.choose_storage("auto", 8 * 2**20) == "tmpfs"
    assert supervisor.choose_storage("auto", 2 * 2**20) == "disk"
    assert supervisor.choose_storage("tmpfs", 0) == "tmpfs"


def test_ssh_reads_our_configuration_as_we_mean_it(tmp_path):
    pair = [
        {"name": "web1", "address": "198.18.77.9", "host_key": "ssh-ed25519 AAAA"},
        {"name": "web10", "address": "x"},
    ]
    config = tmp_path / "config"
    config.write_text(ssh.render_config(SETTINGS, pair))
    words = subprocess.run(["ssh", "-G", "-F", str(config), "web1"], capture_output=True, text=True, check=True).stdout
    lines = set(words.splitlines())
    assert {"hostname 198.18.77.9", "user debian", "stricthostkeychecking true", "batchmode yes"} <= lines
    assert f"identityfile {SETTINGS.key}" in lines and f"userknownhostsfile {SETTINGS.known_hosts}" in lines
    assert ssh.render_known_hosts(pair[:1]) == "web1,198.18.77.9 ssh-ed25519 AAAA\n"


def test_sudo_gets_no_more_of_the_environment_than_it_needs():
    command = cli.sudo_command(["up", "a"], {"AIKO_LAB_RUN": "/r", "SECRET": "s", "PIP_INDEX_URL": "u"})
    assert command[:4] == ["sudo", "env", "AIKO_LAB_RUN=/r", "PIP_INDEX_URL=u"]
    assert command[-2:] == ["up", "a"] and not any("SECRET" in word for word in command)


def test_a_lock_is_seen_while_held_and_free_after_its_holder_was_killed(tmp_path):
    path = tmp_path / "lock"
    code = (
        f"import sys, time; sys.path.insert(0, {str(PROGRAM.parents[1])!r}); from pathlib import Path;"
        f"from lab.system import FileLock; FileLock(Path({str(path)!r})).acquire();"
        "print('held', flush=True); time.sleep(60)"
    )
    assert not system.is_locked(path)
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        assert system.is_locked(path)
        assert not system.FileLock(path).acquire(wait=False)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert not system.is_locked(path)


def test_what_is_mounted_is_never_removed(tmp_path, monkeypatch):
    (tmp_path / "tree/inner").mkdir(parents=True)
    monkeypatch.setattr(system, "mount_points", lambda: [str(tmp_path / "tree/inner")])
    with pytest.raises(LabError, match="still mounted"):
        system.remove_tree(tmp_path / "tree")
    assert (tmp_path / "tree/inner").exists()


def test_a_bind_needs_two_paths_of_which_one_exists(tmp_path):
    assert hosts.check_bind(f"{tmp_path}:/srv/x") == f"{tmp_path.resolve()}:/srv/x"
    for wrong in (str(tmp_path), f"{tmp_path}:srv", f"{tmp_path}/none:/srv"):
        with pytest.raises(LabError):
            hosts.check_bind(wrong)


def test_a_resolver_out_of_reach_is_replaced(tmp_path, monkeypatch):
    stub, real = tmp_path / "stub", tmp_path / "real"
    stub.write_text("nameserver 127.0.0.53\nsearch example.org\n")
    real.write_text("nameserver 192.0.2.53\n")
    assert network.resolv_conf([stub, real]) == "nameserver 192.0.2.53\n"
    assert network.resolv_conf([stub]) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="without root the verb would ask for a password")
@pytest.mark.parametrize("start", [[str(PROGRAM.parent)], [str(PROGRAM)]])
def test_it_runs_from_anywhere_without_leaving_a_trace(start, tmp_path):
    environment = {**os.environ, "AIKO_LAB_RUN": str(tmp_path / "run"), "AIKO_LAB_CACHE": str(tmp_path / "cache")}
    words = [sys.executable, *start, "list", "--json"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"hosts": []}
    assert not list(tmp_path.iterdir())
