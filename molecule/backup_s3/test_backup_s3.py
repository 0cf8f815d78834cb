"""The role backup with its repositories in an object store: made, tried out, pruned, refused, and found again by a new host."""

import json
import time

import pytest
from scenario import eventually, kept, unit_property

UNITS = ["aiko-backup", "aiko-backup-drill", "swift-proxy"]
DIRECTORY = "/var/lib/aiko-backup"
UPLOADS = "/var/lib/aiko/uploads"
# What Swift keeps of objects on its disk.
OBJECTS = "find /srv/node/disk/objects -name '*.data' | wc -l"


@pytest.fixture(scope="module")
def store(hosts):
    """The host of the object store."""
    return hosts["s3-store"]


@pytest.fixture(scope="module", autouse=True)
def settled(host):
    """The converge makes the first backup in the background, and tries it out."""
    for unit in UNITS[:2]:
        eventually(lambda unit=unit: unit_property(host, f"{unit}.service", "ActiveState") in ("inactive", "failed"), f"{unit} ends", 180)


@pytest.fixture
def reset(host):
    """A unit that failed on purpose is none that failed."""
    yield
    host.check_output("systemctl reset-failed")


def make(host) -> dict:
    done = host.run("systemctl start aiko-backup.service")
    assert done.rc == 0, journal(host)
    return json.loads(host.check_output("aiko-backup show latest"))


def journal(host) -> str:
    return host.run("journalctl --namespace=backup --output=cat --no-pager --lines=30").stdout


def listed(host) -> list[str]:
    return host.check_output("aiko-backup list").splitlines()


def identifiers(host) -> list[str]:
    return [line.split()[0] for line in listed(host)]


@pytest.mark.ledger("OP1")
def test_the_first_backup_lies_in_the_store_and_is_proven(host, store):
    """Nothing of it is where the data is: that is what such a store is for."""
    assert [line for line in listed(host) if "proven 2" in line], journal(host)
    assert int(store.check_output(OBJECTS)) > 20
    assert set(host.check_output("ls %s", DIRECTORY).split()) <= {"cache", "drill"}
    assert host.run("grep -l repo1-type=s3 /etc/pgbackrest/pgbackrest.conf").rc == 0


@pytest.mark.ledger("OP1")
def test_the_next_one_holds_what_has_changed_and_is_proven(host):
    """More than one part of an upload, and an increment of the database, over the same way."""
    host.check_output(f"head -c 12000000 /dev/urandom > {UPLOADS}/large.bin")
    made = make(host)
    assert made["parts"]["postgresql"]["type"] == "incr"
    assert made["parts"]["uploads"]["files"]["large.bin"]["size"] == 12000000
    assert host.run("systemctl start aiko-backup-drill.service").rc == 0, journal(host)
    assert listed(host)[-1].startswith(f"{made['id']}  proven 2")


@pytest.mark.ledger("SY3")
def test_the_stores_key_is_nobody_elses_to_read(host, secrets):
    """Whoever has it can remove every backup there is."""
    secret = secrets["scenario_s3_secret"]
    assert f"AWS_SECRET_ACCESS_KEY={secret}\n" in host.file("/etc/aiko/credentials-backup/s3").content_string
    # Not as a word of this command: sudo would tell the journal.
    host.check_output("umask 077 && sed -n s/^AWS_SECRET_ACCESS_KEY=//p /etc/aiko/credentials-backup/s3 >/root/pattern")
    holders = host.check_output(f"grep -rlFf /root/pattern /etc /usr/local {DIRECTORY} /run/systemd 2>/dev/null; rm /root/pattern").split()
    assert set(holders) == {"/etc/aiko/credentials-backup/s3", "/etc/pgbackrest/pgbackrest.conf", "/etc/pgbackrest/drill.conf"}
    for path in holders:
        assert host.file(path).mode & 0o007 == 0, path
    assert secret not in host.run("journalctl --namespace='*' --no-pager --output=cat").stdout
    host.check_output("systemctl start --no-block aiko-backup.service")
    seen = ""
    while unit_property(host, "aiko-backup.service", "ActiveState") == "activating":
        seen += host.check_output("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; true")
    assert "restic" in seen, "nothing was looked at"
    assert secret not in seen


@pytest.mark.any_runtime
@pytest.mark.ledger("OP1", "OP2")
def test_a_store_that_is_away_is_told_at_once_and_loses_nothing(host, store, reset):
    """restic alone would try for a quarter of an hour, and say nothing."""
    before = identifiers(host)
    store.check_output("systemctl stop swift-proxy")
    try:
        began = time.monotonic()
        assert host.run("systemctl start aiko-backup.service").rc != 0
        assert time.monotonic() - began < 60
        assert "the object store s3-store.test:8443 does not answer" in journal(host)
        done = host.run("aiko-backup create")
        assert done.rc == 1
        assert "does not answer" in done.stderr
    finally:
        store.check_output("systemctl start swift-proxy")
        eventually(lambda: host.run("aiko-backup list").rc == 0, "the store is back", 30)
    assert identifiers(host) == before


@pytest.mark.any_runtime
@pytest.mark.ledger("OP1", "OP2")
def test_another_key_is_refused_by_the_store_and_told(host, reset):
    """It must not look like a store without a repository, in which one may be begun."""
    before = identifiers(host)
    with kept(host, "/etc/aiko/credentials-backup/s3") as path:
        host.check_output(f"sed -i 's/^AWS_SECRET_ACCESS_KEY=.*/AWS_SECRET_ACCESS_KEY=another/' {path}")
        for verb in ("create", "list", "run"):
            done = host.run("aiko-backup %s", verb)
            assert done.rc == 1
            assert "the object store refuses the key" in done.stderr
            assert "backup_s3.secret" in done.stderr
    with kept(host, "/etc/pgbackrest/pgbackrest.conf") as path:
        host.check_output(f"sed -i 's/^repo1-s3-key-secret=.*/repo1-s3-key-secret=another/' {path}")
        done = host.run("aiko-backup run")
        assert done.rc == 1
        assert "the object store refuses the key" in done.stderr
    assert identifiers(host) == before


@pytest.mark.any_runtime
@pytest.mark.ledger("OP1")
def test_half_a_store_is_refused_before_anything_is_changed(converge, host_name):
    """It would be found out by the first backup that is needed."""
    converge({"backup_s3": {"endpoint": "https://s3.example.com/backups", "bucket": "backups", "key": "keeper"}}).refused(
        f"{host_name}: backup_s3 has no secret", "backup_s3.endpoint is 'https://s3.example.com/backups'. Expected: HOST or HOST:PORT")


@pytest.mark.ledger("OP1", "OP4")
def test_retention_removes_objects(host, store):
    """A store that only grows is paid for every month."""
    assert len(identifiers(host)) > 1
    with kept(host, "/etc/aiko/backup.json") as path:
        settings = json.loads(host.file(path).content_string)
        settings["keep"] = {"sets": 1, "days": 0, "full_days": 0}
        host.check_output("printf %%s %s > %s", json.dumps(settings), path)
        newest = make(host)
        assert host.run("systemctl start aiko-backup-drill.service").rc == 0, journal(host)
        before = int(store.check_output(OBJECTS))
        host.check_output("aiko-backup prune")
    assert identifiers(host) == [newest["id"]], listed(host)
    assert int(store.check_output(OBJECTS)) < before
    info = json.loads(host.check_output("runuser -u postgres -- pgbackrest info --stanza=aiko --output=json"))
    assert [one["label"] for one in info[0]["backup"]] == [newest["parts"]["postgresql"]["label"]]


@pytest.mark.ledger("OP2")
def test_a_backup_host_that_was_lost_finds_its_backups(host, converge):
    """The store and the environment's secrets are all that a new one has."""
    before = listed(host)
    host.check_output(f"rm -r {DIRECTORY} /var/cache/aiko-backup /etc/aiko/credentials-backup /etc/aiko/backup /etc/aiko/backup.json")
    host.check_output("rm -r /etc/pgbackrest")
    play = converge({}).succeeded()
    assert "created" not in play.text
    assert host.run("aiko-backup create").stdout == ""
    assert listed(host) == before
    assert host.run("systemctl start aiko-backup-drill.service").rc == 0, journal(host)
