"""filter_plugins/backup.py: what each host is told."""

import pytest
from ansible.errors import AnsibleFilterError

from tests.unit.support import load

backup = load("filter_plugins/backup.py")
PARTS = {"postgresql": {"host": "data", "port": 5432}, "redis": {"host": "data"}, "uploads": {"host": "app"}, "backend": {"host": "app"}}
ADDRESSES = {"data": "192.0.2.1", "app": "192.0.2.2", "store": "192.0.2.3"}


def test_the_backup_host_is_told_of_everything_and_how_to_reach_it():
    """It pulls."""
    found = backup.backup_settings({"stanza": "aiko"}, PARTS, "store", "store", ADDRESSES)
    assert found["postgresql"] == {"host": "data", "port": 5432, "address": "192.0.2.1"}
    assert found["parts"] == {"redis": {"host": "data", "address": "192.0.2.1"}, "uploads": {"host": "app", "address": "192.0.2.2"}}
    assert found["releases"] == {"backend": {"host": "app", "address": "192.0.2.2"}}
    assert found["stanza"] == "aiko"


def test_another_host_is_told_of_its_own_parts():
    """What it does not know it cannot give away."""
    found = backup.backup_settings({}, PARTS, "app", "store", ADDRESSES)
    assert "postgresql" not in found
    assert found["parts"] == {"uploads": {"host": "app", "address": None}}
    assert found["releases"] == {"backend": {"host": "app", "address": None}}


def test_on_a_single_host_nobody_needs_ssh():
    """No key that opens a door has to exist then."""
    found = backup.backup_settings({}, {name: {"host": "one"} for name in PARTS}, "one", "one", {"one": "192.0.2.1"})
    assert found["postgresql"]["address"] is None
    assert backup.backup_remotes({name: {"host": "one"} for name in PARTS}, "one") == []
    assert backup.backup_remotes(PARTS, "data") == ["app"]


def test_ssh_trusts_named_hosts_alone():
    """An answer from somebody else at the same address must not get the uploads."""
    text = backup.ssh_hosts(["data"], ADDRESSES, {"postgres": "/key"})
    assert "Host data\n    HostName 192.0.2.1\n    HostKeyAlias data\n" in text
    assert "Match user postgres\n    IdentityFile /key\n" in text
    assert text.index("Match all") < text.index("StrictHostKeyChecking yes")
    # The latter counts only once both have spoken; a host that falls silent before that is waited for no longer either.
    assert "ConnectTimeout 30\n    ServerAliveInterval 15\n" in text


def test_pgbackrest_is_written_section_by_section():
    """A value with a line break would be another option, such as another repository."""
    assert backup.pgbackrest_conf({"global": {"a": 1, "b": None}, "aiko": {"c": "x"}}) == "[global]\na=1\n\n[aiko]\nc=x\n"
    with pytest.raises(AnsibleFilterError, match="repo1-path has a line break"):
        backup.pgbackrest_conf({"global": {"repo1-path": "/a\nrepo1-cipher-type=none"}})


def test_files_go_below_their_directory():
    """The package's files are relative to it."""
    assert backup.below([{"path": "a.py", "content": ""}], "/lib") == [{"path": "/lib/a.py", "content": ""}]
