"""The lab against this very machine: boots real hosts, so it needs root, in a lab beside the usual one."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.settings import Settings

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can boot hosts"),
]

PROGRAM = [sys.executable, str(Path(__file__).resolve().parent)]
ENVIRONMENT = {"AIKO_LAB_RUN": "/run/aiko-lab-selftest", "AIKO_LAB_SUBNET": "198.18.79.0/24"}
LAB = Settings.from_environment({**os.environ, **ENVIRONMENT})
AUTHORITIES = sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt"))


def start(*arguments: str) -> subprocess.Popen:
    """Start one verb of the lab under test."""
    environment = {**os.environ, **ENVIRONMENT}
    return subprocess.Popen(
        [*PROGRAM, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen) -> str:
    """Wait for a verb that must succeed and return what it printed."""
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, output + errors
    return output


def lab(*arguments: str) -> str:
    """Run one verb of the lab under test and return what it printed."""
    return finish(start(*arguments))


def reports(output: str) -> dict[str, dict]:
    """Return the hosts of a JSON answer by name."""
    return {report["name"]: report for report in json.loads(output)["hosts"]}


def on(name: str, command: str) -> str:
    """Run a command over SSH, as Ansible does, and return what it printed."""
    words = ["ssh", "-F", str(LAB.ssh_config), name, command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def supervisor(name: str) -> int:
    """Return the process number of a host's supervisor."""
    return json.loads((LAB.hosts / name / "state.json").read_text())["pid"]


def leftovers() -> list[str]:
    """Return everything this machine still has of the lab under test."""
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    devices = [path.name for path in Path("/sys/class/net").iterdir()]
    return [
        *(line for line in Path("/proc/mounts").read_text().splitlines() if str(LAB.run) in line or LAB.tag in line),
        *(name for name in devices if LAB.tag in name),
        *(line for line in tables.splitlines() if line.split()[-1] == LAB.nft_table),
        *map(str, Path("/sys/fs/cgroup").rglob(f"*{LAB.tag}*")),
        *map(str, LAB.hosts.glob("*")),
        *map(str, LAB.layers.glob("*/*")),
        *(line for line in processes() if str(LAB.run) in line),
    ]


def processes() -> list[str]:
    """Return the command lines of all processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


def is_running(pid: int) -> bool:
    """Tell whether a process exists and is more than a zombie, which only waits to be noticed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(condition, seconds: float) -> bool:
    """Poll a condition until it holds or the time is over."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture(scope="module")
def pair():
    """Two hosts, one per Debian release, that the tests of this module share."""
    both = reports(lab("up", "new", "--json")) | reports(lab("up", "old", "--dist", "bookworm", "--json"))
    yield both
    lab("down", "--all")


@pytest.fixture
def gone_afterwards():
    """For tests with hosts of their own: whatever they leave is taken down."""
    yield
    for report in reports(lab("list", "--json")).values():
        if report["name"] not in ("new", "old"):
            lab("down", report["name"])


@pytest.mark.parametrize("name", ["new", "old"])
def test_a_host_boots_without_a_failed_unit(pair, name):
    """A host that starts out degraded would blur every later question whether a role broke something."""
    assert pair[name]["system"] == "running", pair[name]["failed_units"]
    assert on(name, "systemctl is-system-running").strip() == "running"
    assert f"VERSION_CODENAME={pair[name]['dist']}" in on(name, "cat /etc/os-release")
    assert on(name, "hostname").strip() == name


@pytest.mark.parametrize("name", ["new", "old"])
def test_a_host_lets_in_what_a_cloud_machine_lets_in(pair, name):
    """Roles must not come to rely on being root or on a password: the real machines allow neither."""
    assert on(name, "id -un; sudo -n id -un").split() == ["debian", "root"]
    settings = on(name, "sudo sshd -T").splitlines()
    assert {"permitrootlogin no", "passwordauthentication no", "kbdinteractiveauthentication no"} <= set(settings)


@pytest.mark.parametrize("name", ["new", "old"])
def test_a_host_is_bare(pair, name):
    """What a role forgets to install must be missing here, or the tests would not notice."""
    installed = on(name, "dpkg-query -W -f '${Package}\\n'").split()
    assert not {"curl", "gnupg", "nginx", "postgresql", "redis-server", "cron", "python3-pip"} & set(installed)
    assert on(name, "readlink /etc/localtime; . /etc/default/locale; echo $LANG").split()[-1] == "C.UTF-8"
    assert on(name, "date +%Z").strip() == "UTC"


def test_hosts_reach_each_other_by_address_and_not_by_name(pair):
    """The deployment brings name resolution; a lab that had some would hide that it is missing."""
    on("new", f"ping -c 1 -W 2 {pair['old']['address']}")
    on("old", f"ping -c 1 -W 2 {pair['new']['address']}")
    assert on("new", "getent hosts old || echo unknown").strip() == "unknown"


@pytest.mark.parametrize("name", ["new", "old"])
def test_container_engines_find_a_file_system_they_can_stack_on(pair, name):
    """On the overlay that is a host's root, Podman would fall back to a driver that no real machine uses."""
    assert on(name, "stat -f -c %T / /var/lib/containers").split()[0] == "overlayfs"
    assert on(name, "stat -f -c %T /var/lib/containers").strip() != "overlayfs"


def test_identities_are_not_shared(pair):
    """Equal machine ids or host keys are what one gets from cloning carelessly; software depends on them."""
    keys = {on(name, "cat /etc/ssh/ssh_host_ed25519_key.pub /etc/machine-id") for name in pair}
    assert len(keys) == len(pair)


@pytest.mark.skipif(not AUTHORITIES, reason="this controller has no authority of its own")
@pytest.mark.parametrize("name", ["new", "old"])
def test_the_controllers_authorities_are_trusted(pair, name):
    """Behind a proxy that re-signs TLS, nothing can be downloaded otherwise."""
    bundle = on(name, "cat /etc/ssl/certs/ca-certificates.crt").replace("\n", "")
    for authority in AUTHORITIES:
        body = re.search("-----BEGIN CERTIFICATE-----(.*?)-----END", authority.read_text(), re.DOTALL).group(1)
        assert body.replace("\n", "") in bundle
    assert "REQUESTS_CA_BUNDLE=/etc/ssl" in on(name, "env")


@pytest.mark.usefixtures("gone_afterwards")
def test_a_package_is_downloaded_once():
    """Ten hosts that install the same packages, day after day, should not fetch them each time."""
    for attempt in (1, 2):
        lab("up", "apt")
        output = on("apt", "sudo apt-get install -y hello")
        if attempt == 2:
            assert "Need to get 0 B/" in output
        lab("down", "apt")
    assert list(LAB.debs("trixie").glob("hello_*.deb"))


@pytest.mark.usefixtures("gone_afterwards")
def test_what_pip_cached_is_there_for_the_next_host(pair):
    """Whoever runs pip: if the owner of its cache does not please it, pip goes without one, and says so only aside."""
    LAB.pip("trixie").mkdir(parents=True, exist_ok=True)
    marker = LAB.pip("trixie") / "selftest" / "seeded"
    marker.parent.mkdir(exist_ok=True)
    marker.write_text("seeded")
    try:
        lab("up", "pip")
        assert on("pip", "cat /var/cache/aiko-pip/selftest/seeded") == "seeded"
        assert "cache-dir = /var/cache/aiko-pip" in on("pip", "cat /etc/pip.conf")
        # What pip itself asks: root must own the directory, anybody else must be able to write to it.
        assert on("pip", "stat -c '%U %a' /var/cache/aiko-pip").split() == ["root", "1777"]
        on("pip", "echo mine >/var/cache/aiko-pip/selftest/written")
        assert "1 files" in lab("harvest", "pip")
        assert marker.with_name("written").read_text() == "mine\n"
    finally:
        # First the host, which hands in what it has once more.
        lab("down", "pip")
        for path in marker.parent.iterdir():
            path.unlink()
        marker.parent.rmdir()


@pytest.mark.usefixtures("gone_afterwards")
def test_a_power_cut_keeps_the_disk():
    """Crash tests need a host that comes back with what it had written, under the same address."""
    before = reports(lab("up", "crash", "--json"))["crash"]
    on("crash", "echo here | sudo tee /root/witness")
    lab("kill", "crash")
    assert reports(lab("list", "--json"))["crash"]["status"] == "off"
    after = reports(lab("boot", "crash", "--json"))["crash"]
    assert on("crash", "sudo cat /root/witness") == "here\n"
    assert after["address"] == before["address"]


@pytest.mark.usefixtures("gone_afterwards")
def test_a_reboot_is_a_reboot():
    """Whether everything comes back by itself is only seen after a real one."""
    first = reports(lab("up", "again", "--json"))["again"]
    on("again", "echo here | sudo tee /root/witness /run/volatile")
    second = reports(lab("reboot", "again", "--json"))["again"]
    assert first["leader"] != second["leader"]
    assert on("again", "sudo cat /root/witness; ls /run/volatile 2>/dev/null || echo fresh") == "here\nfresh\n"


@pytest.mark.usefixtures("gone_afterwards")
def test_two_callers_at_once():
    """Developers and test runners share a machine; neither may take the other's address or host."""
    callers = [start("up", "left", "both", "--json"), start("up", "right", "both", "--json")]
    answers = [reports(finish(caller)) for caller in callers]
    assert answers[0]["both"]["leader"] == answers[1]["both"]["leader"]
    assert len({report["address"] for answer in answers for report in answer.values()}) == 3


@pytest.mark.usefixtures("gone_afterwards")
def test_hosts_go_with_their_owner():
    """A test runner that is killed cannot clean up any more."""
    owner = subprocess.Popen(["sleep", "60"])
    lab("up", "owned", "--owner", str(owner.pid))
    owner.kill()
    owner.wait()
    assert eventually(lambda: not (LAB.hosts / "owned").exists(), 10)


@pytest.mark.usefixtures("gone_afterwards")
def test_nothing_stays_of_a_host_whose_supervisor_was_killed(pair):
    """Even without a chance to clean up, the guest dies, and the next verb clears away the rest."""
    leader = reports(lab("up", "orphan", "--json"))["orphan"]["leader"]
    os.kill(supervisor("orphan"), signal.SIGKILL)
    assert eventually(lambda: not is_running(leader), 5)
    assert set(reports(lab("list", "--json"))) == set(pair)
    assert [entry for entry in leftovers() if "orphan" in entry] == []


@pytest.mark.usefixtures("gone_afterwards")
@pytest.mark.parametrize("delay", [0.1, 0.2, 0.3, 0.5, 0.8])
def test_an_interrupted_up_harms_nobody(delay):
    """Whenever it is killed, the next call must find its way."""
    process = start("up", "half", "--json")
    time.sleep(delay)
    process.kill()
    process.wait()
    assert reports(lab("up", "half", "--json"))["half"]["system"] == "running"
    lab("down", "half")
    assert [entry for entry in leftovers() if "half" in entry] == []


@pytest.mark.usefixtures("gone_afterwards")
def test_a_powered_off_host_is_gone():
    """Who switches a host off in an orderly way is done with it."""
    lab("up", "done")
    subprocess.run(["ssh", "-F", str(LAB.ssh_config), "done", "sudo systemctl poweroff"], check=False)
    assert eventually(lambda: not (LAB.hosts / "done").exists(), 15)


@pytest.mark.usefixtures("gone_afterwards")
def test_a_directory_of_the_controller_can_be_shown(tmp_path):
    """Large read-only things, such as container images, need not be copied into every host."""
    (tmp_path / "file").write_text("shared")
    lab("up", "shown", "--bind-ro", f"{tmp_path}:/srv/shown", "--storage", "disk")
    seen = on("shown", "sudo cat /srv/shown/file; sudo touch /srv/shown/new 2>/dev/null || echo ' refused'")
    assert seen == "shared refused\n"


def test_nothing_is_left_in_the_end():
    """The lab is a guest on this machine: bridge, rules, mounts and processes go with the last host."""
    lab("up", "last")
    assert leftovers()
    lab("down", "--all")
    assert eventually(lambda: leftovers() == [], 5), leftovers()
