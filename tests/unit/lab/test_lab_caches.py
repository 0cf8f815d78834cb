"""The download caches: what is complete, what is outdated, and what a new host is given."""

import os
import shutil
import subprocess

import pytest
from lab import caches
from lab.settings import Settings


def deb(path, body=b"x" * 33, cut=0):
    """Write something with the outer form of a Debian package, `cut` bytes short."""
    content = b"!<arch>\n"
    for name, data in ((b"debian-binary", b"2.0\n"), (b"control.tar.xz", b"c" * 11), (b"data.tar.xz", body)):
        content += b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name, 0, 0, 0, b"100644", len(data)) + data
        content += b"\n" * (len(data) % 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content[: len(content) - cut])
    return path


@pytest.fixture
def settings(tmp_path):
    return Settings.from_environment({"AIKO_LAB_RUN": str(tmp_path / "run"), "AIKO_LAB_CACHE": str(tmp_path / "cache")})


ORDERED = [
    "1.0~rc1",
    "1.0~rc2-1",
    "1.0-1~deb12u1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1.1",
    "1.0+dfsg-1",
    "1.1-1",
    "1.10-1",
    "2:0.1-1",
]


@pytest.mark.parametrize(("lower", "higher"), zip(ORDERED, ORDERED[1:], strict=False))
def test_versions_are_ordered_as_debian_orders_them(lower, higher):
    assert caches.compare_versions(lower, higher) < 0 < caches.compare_versions(higher, lower)
    assert caches.compare_versions(lower, lower) == 0


@pytest.mark.skipif(not shutil.which("dpkg"), reason="compares with dpkg")
def test_versions_are_ordered_as_dpkg_does():
    for left in ORDERED[::2]:
        for right in ORDERED:
            expected = subprocess.run(["dpkg", "--compare-versions", left, "lt", right], check=False).returncode == 0
            assert (caches.compare_versions(left, right) < 0) == expected, (left, right)


def test_only_older_versions_of_the_same_package_and_architecture_are_outdated():
    files = [
        "a_1.9_amd64.deb",
        "a_1.10_amd64.deb",
        "a_1.8_arm64.deb",
        "b_1%3a1_all.deb",
        "b_2_all.deb",
        "README",
        "x_y.deb",
    ]
    assert caches.outdated(files) == ["a_1.9_amd64.deb", "b_2_all.deb"]


def test_a_package_that_was_cut_off_is_not_complete(tmp_path):
    assert caches.is_complete_deb(deb(tmp_path / "whole_1_all.deb"))
    for cut in (1, 20, 50, 90, 170):
        assert not caches.is_complete_deb(deb(tmp_path / "cut_1_all.deb", body=b"x" * 32, cut=cut))
    (tmp_path / "text_1_all.deb").write_text("no package")
    assert not caches.is_complete_deb(tmp_path / "text_1_all.deb")


def test_what_one_host_downloaded_the_next_one_is_given(settings, tmp_path):
    upper = tmp_path / "upper"
    deb(upper / caches.ARCHIVES / "a_1_all.deb")
    deb(upper / caches.ARCHIVES / "broken_1_all.deb", cut=5)
    (upper / caches.PIP / "wheels/ab").mkdir(parents=True)
    (upper / caches.PIP / "wheels/ab/x.whl").write_text("wheel")
    (upper / caches.PIP / "wheels/ab/half.tmp").write_text("whe")
    assert caches.harvest(settings, "trixie", upper) == 2
    assert caches.harvest(settings, "trixie", upper) == 1, "packages that are there already are not copied again"
    seed = caches.make_seed(settings, "web1", "trixie")
    assert sorted(p.name for p in seed.rglob("*") if p.is_file()) == ["a_1_all.deb", "x.whl"]
    assert os.path.samefile(seed / caches.ARCHIVES / "a_1_all.deb", settings.debs("trixie") / "a_1_all.deb")
    # pip run by anybody must be able to write, or it does without its cache.
    assert (seed / caches.PIP).stat().st_mode & 0o7777 == 0o1777
    assert (seed / caches.PIP / "wheels/ab").stat().st_mode & 0o7777 == 0o777


def test_a_newer_package_replaces_the_older_one_but_not_in_hosts_that_have_it(settings, tmp_path):
    deb(tmp_path / "one" / caches.ARCHIVES / "a_1_all.deb")
    deb(tmp_path / "two" / caches.ARCHIVES / "a_2_all.deb")
    caches.harvest(settings, "trixie", tmp_path / "one")
    seed = caches.make_seed(settings, "web1", "trixie")
    caches.harvest(settings, "trixie", tmp_path / "two")
    assert [path.name for path in settings.debs("trixie").iterdir()] == ["a_2_all.deb"]
    assert (seed / caches.ARCHIVES / "a_1_all.deb").stat().st_size


def test_a_guest_cannot_lead_the_harvest_elsewhere(settings, tmp_path):
    deb(tmp_path / "elsewhere" / "secret_1_all.deb")
    archives = tmp_path / "upper" / caches.ARCHIVES
    archives.parent.mkdir(parents=True)
    archives.symlink_to(tmp_path / "elsewhere")
    assert caches.harvest(settings, "trixie", tmp_path / "upper") == 0


def test_pip_is_told_the_index_but_no_local_paths(tmp_path):
    general, personal = tmp_path / "general.conf", tmp_path / "personal.conf"
    general.write_text("[global]\nindex-url = https://general.example/simple\nfind-links = /srv/wheels\n")
    personal.write_text("[global]\nindex-url = https://personal.example/simple\nextra-index-url = file:///srv/simple\n")
    options = caches.controller_pip_options({"PIP_DEFAULT_TIMEOUT": "60"}, [general, personal, tmp_path / "missing"])
    assert options == {"index-url": "https://personal.example/simple", "timeout": "60"}
    assert caches.controller_pip_options({"PIP_INDEX_URL": "file:///srv/simple"}, []) == {}
