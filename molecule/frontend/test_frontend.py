"""The frontend role: what is built, who may touch it, and that visitors notice nothing of a release."""

from __future__ import annotations

import json
import re
import shutil
import threading

import pytest
import scenario as scenarios
from scenario import assert_closed_in, eventually, unit_property

UNITS = ["aiko-frontend*"]
ROOT = "/srv/aiko/frontend"
ASK = "import sys, urllib.request as u; print(u.urlopen('http://127.0.0.1:3000' + sys.argv[1], timeout=60).read().decode())"
HAMMER = """
import collections, json, os, urllib.request as u
seen = collections.Counter()
while not os.path.exists('/run/hammer.stop'):
    try:
        seen[json.loads(u.urlopen('http://127.0.0.1:3000/', timeout=10).read())['mood']] += 1
    except OSError as error:
        seen[repr(error)] += 1
print(json.dumps(seen))
"""


def get(host, path: str = "/") -> dict:
    return json.loads(host.check_output("python3 -c %s %s", ASK, path))


def status(host) -> dict:
    return json.loads(host.check_output("aiko-release --part frontend status"))


def unit(host) -> str:
    return f"aiko-frontend@{status(host)['slot']}.service"


def process(host) -> str:
    return scenarios.process(host, unit(host))


@pytest.fixture
def copy(scenario, tmp_path):
    """A copy of the source that a test may break; returns its directory."""
    return shutil.copytree(scenario.directory / "tiny", tmp_path / "app")


@pytest.mark.ledger("FE1")
def test_serves_what_was_built_on_a_node_that_is_new_enough(host):
    """The release, its build input, its environment and its secret all arrive; Next.js and sharp want Node 20.9."""
    told = get(host)
    assert told == {"colour": "green", "mood": "fine", "secret": 14, "release": status(host)["serving"], "held": 0}
    # Of the process itself, which may have a root of its own.
    pid = process(host)
    version = host.check_output(f"chroot /proc/{pid}/root $(readlink /proc/{pid}/exe) --version")
    major, minor = version.removeprefix("v").split(".")[:2]
    assert (int(major), int(minor)) >= (20, 9)


@pytest.mark.ledger("FE1", "SY4")
def test_runs_without_what_built_it(host):
    """A compiler and a thousand packages beside a service are a workshop for whoever breaks in."""
    assert host.run("test -e /var/lib/aiko-build").rc != 0
    assert host.check_output(f"ls -A {ROOT}/current/") == ".complete\ncolour\nserver.js"
    assert host.check_output(f"ls -A $(readlink /proc/{process(host)}/cwd | sed 's:^:/proc/{process(host)}/root:')") == (
        ".complete\ncolour\nserver.js")


@pytest.mark.ledger("FE1", "NX1")
def test_systemd_holds_the_socket(host):
    """Only so can one release take over from another; and nobody but the proxy's host reaches it."""
    listening = [line for line in host.check_output("ss -ltnpH").splitlines() if ":3000 " in line]
    assert '"systemd",pid=1' in "".join(line for line in listening if "127.0.0.1:3000" in line)
    # What containers of this host need is not for others.
    assert {line.split()[3] for line in listening} <= {"127.0.0.1:3000", "10.89.61.1:3000"}


@pytest.mark.ledger("SY4")
def test_service_is_confined(host):
    """It meets every visitor first, and runs code of five hundred strangers."""
    assert host.check_output(f"stat --format %U /proc/{process(host)}") == "aiko-frontend"
    assert_closed_in(host, unit(host))
    assert int(unit_property(host, unit(host), "MemoryMax")) == 2**30
    for place in (f"{ROOT}/current/server.js", "/etc/aiko/frontend.env", "/usr/local/lib/aiko/listen.cjs"):
        assert host.run(f"runuser -u aiko-frontend -- test -w {place}").rc != 0, place


@pytest.mark.ledger("SY3")
def test_secret_is_where_only_the_service_sees_it(host):
    """In an environment it would be inherited, dumped and logged; a build, which runs strangers' code, must not find it."""
    for place in (
        "systemctl show 'aiko-*'", "ps -e -ww -o args", "cat /proc/[0-9]*/environ", "journalctl --namespace='*' --no-pager",
        "cat /etc/systemd/system/* /etc/containers/systemd/*",
    ):  # fmt: skip
        assert "hush-hush" not in host.run(f"{place} 2>/dev/null").stdout, place
    secret = "/etc/aiko/frontend-credentials/SECRET_WORD"
    assert host.check_output(f"stat --format '%U %a' {secret}") == "root 600"
    build = "mkdir -p /var/lib/try; chown aiko-build /var/lib/try; /usr/local/lib/aiko/frontend-step build /var/lib/try"
    refused = host.run(f"{build} cat {secret}")
    assert refused.rc != 0 and "Permission denied" in refused.stderr
    assert "Read-only" in host.run(f"{build} touch {ROOT}/x").stderr


@pytest.mark.any_release
@pytest.mark.ledger("FE3")
def test_build_input_is_another_release_and_environment_is_not(host, converge):
    """What is built in can only be changed by building; what is read at the start must never need it."""
    before = status(host)["serving"]
    play = converge({"frontend_environment_extra": {"MOOD": "merry"}}).succeeded()
    assert "TASK [frontend : Compile" not in play.output
    assert (get(host)["mood"], status(host)["serving"]) == ("merry", before)
    converge({"frontend_public_extra": {"NEXT_PUBLIC_COLOUR": "blue"}}).succeeded()
    assert get(host)["colour"] == "blue"
    assert status(host)["serving"] != before
    play = converge({}).succeeded()
    assert "TASK [frontend : Compile" not in play.output, "the first release is still here"
    assert status(host)["serving"] == before


@pytest.mark.ledger("OP3", "FE1")
def test_switch_loses_no_request(host, converge):
    """Teachers release in the middle of a lesson; a request that is under way is answered by the release that took it."""
    before = status(host)["slot"]
    host.check_output("rm -f /run/hammer.stop /var/cache/aiko-frontend/slow.go")
    host.check_output("systemd-run --quiet --unit=hammer --property=StandardOutput=truncate:/run/hammer.out python3 -c %s", HAMMER)
    slow = "systemd-run --quiet --unit=slow --property=StandardOutput=truncate:/run/slow.out python3 -c %s /?hold"
    host.check_output(slow, ASK)
    eventually(lambda: get(host)["held"] == 1, "a request is held back")
    plays = []
    switch = threading.Thread(target=lambda: plays.append(converge({"frontend_environment_extra": {"MOOD": "new"}})))
    switch.start()
    try:
        eventually(lambda: get(host)["mood"] == "new" and status(host)["slot"] != before, "the other slot serves", 90, every=0.5)
    finally:
        # Only now, while the old one drains, is it answered.
        host.check_output("touch /var/cache/aiko-frontend/slow.go")
        switch.join()
    host.check_output("touch /run/hammer.stop; while systemctl is-active --quiet hammer slow; do :; done")
    plays[0].succeeded()
    seen = json.loads(host.file("/run/hammer.out").content_string)
    assert set(seen) == {"fine", "new"}, seen
    assert min(seen.values()) > 20
    assert json.loads(host.file("/run/slow.out").content_string)["mood"] == "fine"
    converge({}).succeeded()


@pytest.mark.any_runtime
@pytest.mark.any_release
@pytest.mark.ledger("OP3", "FE1")
def test_build_that_fails_shows_why_and_the_old_one_serves_on(host, copy, converge):
    """The compiler's own words are what the operator needs; the site is what everybody else needs."""
    before, pid = status(host), process(host)
    (copy / "build.mjs").write_text("const broken = ;\n")
    converge({"frontend_source": str(copy)}).refused("SyntaxError: Unexpected token", "const broken = ;")
    assert status(host) == before
    assert process(host) == pid


@pytest.mark.any_runtime
@pytest.mark.any_release
@pytest.mark.ledger("FE3")
@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"frontend_public_extra": {"NEXT_PUBLIC_COLOUR": None}}, "NEXT_PUBLIC_COLOUR"),
        ({"frontend_environment_extra": {"MOOD": None}}, "MOOD"),
    ],
)
def test_missing_variable_is_named_before_the_build(host, copy, converge, variables, name):
    """Two minutes of building to learn of a forgotten line, or worse, a page without it."""
    before = status(host)["serving"]
    (copy / "server.js").write_text((copy / "server.js").read_text() + "// another release\n")
    play = converge({"frontend_source": str(copy), **variables}).refused(f"{name} is not set")
    assert "TASK [frontend : Install the locked packages" not in play.output
    assert status(host)["serving"] == before


@pytest.mark.any_runtime
@pytest.mark.any_release
@pytest.mark.ledger("FE1")
def test_package_that_is_not_the_locked_one_is_refused(host, copy, converge):
    """Whoever can change what is downloaded must not get into the site."""
    before = status(host)
    package = json.loads((copy / "package.json").read_text())
    package["dependencies"] = {"left-pad": "1.3.0"}
    (copy / "package.json").write_text(json.dumps(package))
    converge({"frontend_source": str(copy)}).refused("npm error code EUSAGE", "left-pad")
    assert status(host) == before


@pytest.mark.any_release
@pytest.mark.ledger("FE1", "OP6")
def test_build_is_handed_over(host, converge, tmp_path):
    """Several hosts must run the very same files; and only one of them has to work for it."""
    variables = {"frontend_artifacts": str(tmp_path / "builds"), "frontend_public_extra": {"NEXT_PUBLIC_COLOUR": "red"}}
    assert "TASK [frontend : Compile" in converge(variables).succeeded().output
    release = status(host)["serving"]
    assert [path.name for path in (tmp_path / "builds").iterdir()] == [f"frontend-{release}.tar.gz"]
    listing = f"cd {ROOT}/releases/{release} && find . -type f -exec sha256sum {{}} + | sort"
    built = host.check_output(listing)
    host.check_output(f"rm -r {ROOT}/releases/{release}")
    play = converge(variables).succeeded()
    assert "TASK [frontend : Compile" not in play.output
    assert host.check_output(listing) == built
    assert host.check_output(f"find {ROOT}/releases/{release} ! -user root -o -perm /022 ! -type l") == ""
    assert get(host)["colour"] == "red"
    converge({}).succeeded()


@pytest.mark.any_runtime
@pytest.mark.any_release
@pytest.mark.ledger("OP6")
def test_preview_of_a_part_that_is_new_here(host, converge):
    """Who adds the frontend to a host that has releases of something else looks first, with --check."""
    host.check_output("mv /etc/aiko/frontend.json /run/kept.json")
    try:
        converge({}, "--check", "--diff").succeeded()
    finally:
        host.check_output("mv /run/kept.json /etc/aiko/frontend.json")


@pytest.mark.any_release
@pytest.mark.ledger("OP6")
def test_half_a_release_is_built_anew(host, converge):
    """A run that was killed leaves a directory; it must never serve, and never be in the way."""
    release = status(host)["serving"]
    host.check_output(f"rm {ROOT}/releases/{release}/.complete; mkdir -p /var/lib/aiko-build/old; touch {ROOT}/releases/{release}/stray")
    converge({}).succeeded()
    assert get(host)["release"] == release
    assert not host.file(f"{ROOT}/releases/{release}/stray").exists
    assert converge({}).succeeded().changed == 0


@pytest.mark.ledger("OP6")
def test_killed_server_comes_back(host):
    """Nobody is there at night."""
    serving = unit(host)
    before = scenarios.process(host, serving)
    host.check_output(f"kill -9 {before}")
    eventually(lambda: scenarios.process(host, serving) != before and re.match("[a-z]", get(host)["mood"]), "the server comes back")
