"""The role backup on a host that keeps its own backups: made, tried out, refused when damaged, and pruned."""

import json
import re
import shlex

import pytest
from scenario import eventually, exposure, kept, unit_property

UNITS = ["aiko-backup", "aiko-backup-drill"]
DIRECTORY = "/var/lib/aiko-backup"
UPLOADS = "/var/lib/aiko/uploads"
PLAIN = "words-that-must-not-lie-around-readable"


@pytest.fixture(scope="module")
def backup(host):
    """Make a backup through its unit, as timer and playbook do; returns its manifest."""

    def make() -> dict:
        settle(host)
        done = host.run("systemctl start aiko-backup.service")
        assert done.rc == 0, journal(host)
        return manifest(host)

    return make


def settle(host) -> None:
    """The first backup is made in the background by the converge itself."""
    for unit in UNITS:
        eventually(lambda unit=unit: unit_property(host, f"{unit}.service", "ActiveState") in ("inactive", "failed"), f"{unit} ends", 180)


def manifest(host, identifier: str = "latest") -> dict:
    return json.loads(host.check_output("aiko-backup show %s", identifier))


def journal(host) -> str:
    return host.run("journalctl --namespace=backup --output=cat --no-pager --lines=30").stdout


def drill(host):
    """Try the newest backup out; the exit status is systemctl's."""
    return host.run("systemctl start aiko-backup-drill.service")


def sql(host, text: str) -> str:
    return host.check_output("runuser -u postgres -- psql -XAtq -d systeme_intelligent -c %s", text)


def metric(host, name: str) -> float:
    text = host.file("/var/lib/prometheus/node-exporter/backup.prom").content_string
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, name
    return float(found[1])


def identifiers(host) -> list[str]:
    return [line.split()[0] for line in host.check_output("aiko-backup list").splitlines()]


def proven(host) -> list[str]:
    return [line.split()[0] for line in host.check_output("aiko-backup list").splitlines() if "proven 2" in line]


@pytest.fixture(scope="module", autouse=True)
def data(host):
    """Something to lose: rows, keys and files."""
    settle(host)
    sql(host, "CREATE TABLE IF NOT EXISTS notes (id serial PRIMARY KEY, body text)")
    sql(host, f"INSERT INTO notes (body) SELECT '{PLAIN}' || n FROM generate_series(1, 5000) AS n")
    for number in range(50):
        host.check_output(f"aiko-redis queue SET key:{number} {PLAIN}")
    host.check_output(f"mkdir -p {UPLOADS}/a && for n in $(seq 40); do echo {PLAIN} $n > {UPLOADS}/a/$n.txt; done")
    host.check_output(f"head -c 12000000 /dev/urandom > {UPLOADS}/large.bin && touch {shlex.quote(UPLOADS + '/é name with spaces')}")


@pytest.mark.ledger("OP1")
def test_a_backup_is_made_without_waiting_for_the_night(host):
    """A platform that is lost on its first day is lost too."""
    assert identifiers(host), journal(host)
    assert proven(host), journal(host)


@pytest.mark.ledger("OP1")
def test_the_timer_runs_at_two_and_catches_up(host):
    """A host that was off at night has its backup in the morning."""
    timer = host.file("/etc/systemd/system/aiko-backup.timer").content_string
    assert "OnCalendar=*-*-* 02:00:00 Etc/UTC" in timer
    assert "Persistent=yes" in timer
    assert "RandomizedDelaySec=5min" in timer
    for name in UNITS:
        assert host.run(f"systemctl is-enabled {name}.timer").rc == 0
        assert host.run(f"systemctl is-active {name}.timer").rc == 0
    # Sunday morning, as systemd itself reads it.
    assert "04:0" in host.check_output("systemctl list-timers --no-legend --no-pager aiko-backup-drill.timer")


@pytest.mark.ledger("OP1")
def test_the_timer_makes_a_backup(host):
    """The clock has to reach the same path as people do."""
    before = identifiers(host)
    drop_in = "/run/systemd/system/aiko-backup.timer.d"
    soon = "[Timer]\\nOnCalendar=\\nOnCalendar=*:*:0/5\\nRandomizedDelaySec=0\\n"
    host.check_output(f"mkdir -p {drop_in} && printf '{soon}' > {drop_in}/soon.conf")
    try:
        host.check_output("systemctl daemon-reload && systemctl restart aiko-backup.timer")
        eventually(lambda: len(identifiers(host)) > len(before), "the timer makes a backup", 90, every=1)
    finally:
        host.check_output(f"rm -r {drop_in} && systemctl daemon-reload && systemctl restart aiko-backup.timer")
    settle(host)


@pytest.mark.ledger("OP1", "PG6", "BE5", "SY2")
def test_a_backup_holds_everything_and_says_so(host, backup):
    """What is not in the manifest nobody can check."""
    found = backup()
    parts = found["parts"]
    assert parts["postgresql"]["tables"]["public.notes"]["rows"] >= 5000
    assert parts["postgresql"]["system_id"] == sql(host, "SELECT system_identifier FROM pg_control_system()")
    assert parts["uploads"]["count"] == 42
    for path, entry in parts["uploads"]["files"].items():
        assert host.check_output("sha256sum %s", f"{UPLOADS}/{path}").lstrip("\\").split()[0] == entry["sha256"]
    assert set(parts["redis"]["files"]) == {"cache.rdb", "queue.rdb"}
    assert parts["redis"]["files"]["queue.rdb"]["size"] > 500
    assert parts["redis"]["seconds_after_moment"] < 60
    assert re.fullmatch(r"\d{8}_\d{6}", found["id"])
    assert found["facts"]["inventory"]["groups"]["backup"]


@pytest.mark.ledger("OP1")
def test_the_second_backup_holds_what_has_changed(host, backup):
    """A full copy every night is a full disk some night."""
    first, second = backup(), backup()
    assert second["parts"]["postgresql"]["type"] == "incr"
    assert second["parts"]["postgresql"]["repository_bytes"] < second["parts"]["postgresql"]["database_bytes"] / 4
    assert second["id"] > first["id"]


@pytest.mark.ledger("OP1")
def test_a_trial_restore_proves_it_beside_production(host, backup):
    """Only what was restored is a backup; and trying it out must not be felt."""
    made = backup()
    process = unit_property(host, manifest_unit(host), "MainPID")
    done = drill(host)
    assert done.rc == 0, journal(host)
    assert made["id"] in proven(host)
    assert unit_property(host, manifest_unit(host), "MainPID") == process
    assert metric(host, "backup_last_verified_timestamp_seconds") > 0
    assert metric(host, "backup_newest_proven_timestamp_seconds") > 0
    assert not host.file(f"{DIRECTORY}/drill/postgresql").exists, "the copy of other people's data stays behind"


def manifest_unit(host) -> str:
    return json.loads(host.file("/etc/aiko/backup.json").content_string)["postgresql"]["unit"]


def test_a_trial_restore_compares_what_it_finds(host, backup):
    """One that passes whatever was restored proves nothing: a manifest that tells of another row has to fail."""
    made = backup()
    lie = {**made, "parts": {**made["parts"], "postgresql": {**made["parts"]["postgresql"]}}}
    tables = {**made["parts"]["postgresql"]["tables"]}
    tables["public.notes"] = {**tables["public.notes"], "rows": tables["public.notes"]["rows"] + 1}
    lie["parts"]["postgresql"]["tables"] = tables
    host.check_output("printf %%s %s > /tmp/lie.json", json.dumps(lie))
    done = host.run(
        "cd / && PYTHONPATH=/usr/local/lib/aiko python3 -B -c 'import json; from aiko_backup import config, drill;"
        " drill.drill(config.load(), json.load(open(\"/tmp/lie.json\")))'"
    )
    assert done.rc != 0
    assert "notes" in done.stderr


@pytest.mark.ledger("OP1", "SY3")
def test_nothing_readable_lies_in_the_repository(host, secrets):
    """Whoever carries the disk away must not be able to read it."""
    assert host.run("grep -rqa %s %s", PLAIN, DIRECTORY).rc == 1
    for path in ("/etc/aiko/credentials-backup/password", "/etc/pgbackrest/pgbackrest.conf", "/etc/pgbackrest/drill.conf"):
        assert host.file(path).mode & 0o007 == 0, path
    readable = "".join(host.file(path).content_string for path in (
        "/etc/systemd/system/aiko-backup.service", "/etc/systemd/system/aiko-backup-drill.service", "/etc/aiko/backup.json"))
    journals = host.run("journalctl --namespace=backup --namespace=postgresql --no-pager --output=cat").stdout
    for name in ("backup_files_key", "backup_database_key"):
        assert secrets[name] not in readable
        assert secrets[name] not in journals


@pytest.mark.ledger("OP1")
def test_what_the_units_may_do_is_bounded(host):
    """They read everybody's data, so that they run as root; the rest of the machine is none of their business."""
    for unit in UNITS:
        assert exposure(host, f"{unit}.service") <= 2.5
        assert unit_property(host, f"{unit}.service", "Nice") == "10"


def largest(host, below: str, pattern: str = "*") -> str:
    return host.check_output("find %s -type f -name %s -printf '%%s %%p\n' | sort -n | tail -1 | cut -d' ' -f2-", below, pattern)


DAMAGES = {
    "truncated": "truncate --size=-100 {}",
    "flipped bit": "printf '\\377' | dd of={} bs=1 seek=3000 conv=notrunc status=none",
    "empty": "truncate --size=0 {}",
    "gone": "rm {}",
}


@pytest.mark.ledger("OP1", "OP2")
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("store", ["pgbackrest", "restic"])
def test_a_damaged_backup_is_found_out(host, store, damage):
    """A backup that is silently empty is worse than none; a failed unit is what the alert BackupFailed watches."""
    settle(host)
    path = largest(host, f"{DIRECTORY}/pgbackrest/backup", "*.zst") if store == "pgbackrest" else largest(host, f"{DIRECTORY}/restic/data")
    verified = metric(host, "backup_last_verified_timestamp_seconds")
    with kept(host, path):
        host.check_output(DAMAGES[damage].format(path))
        done = drill(host)
        assert done.rc != 0, journal(host)
        assert unit_property(host, "aiko-backup-drill.service", "ActiveState") == "failed"
        assert metric(host, "backup_last_verified_timestamp_seconds") == verified
    host.check_output("systemctl reset-failed aiko-backup-drill.service")


@pytest.mark.ledger("OP1", "OP4")
def test_a_damaged_manifest_costs_no_backup(host, backup):
    """restic only warns of it and leaves it out: the newest set would pass for half of one, and pruning would remove it."""
    newest, before = backup()["id"], snapshots(host)
    (manifest,) = (name for name, tags in before.items() if {f"id:{newest}", "part:manifest"} <= tags)
    with kept(host, f"{DIRECTORY}/restic/snapshots/{manifest}") as path:
        host.check_output(DAMAGES["truncated"].format(path))
        # What restic has read before it reads no more.
        host.check_output("rm -rf /var/cache/aiko-backup/*")
        assert newest not in identifiers(host)
        for verb in ("prune", "drill", "run"):
            done = host.run(f"aiko-backup {verb}")
            assert done.rc == 1 and manifest[:8] in done.stderr and "A damaged repository" in done.stderr, (verb, done)
    assert before.items() <= snapshots(host).items()
    assert newest in identifiers(host)
    assert drill(host).rc == 0, journal(host)


def snapshots(host) -> dict[str, set[str]]:
    """What restic lists: id to tags."""
    listed = host.check_output(
        "RESTIC_PASSWORD_FILE=/etc/aiko/credentials-backup/password restic -r %s/restic --no-lock snapshots --json", DIRECTORY
    )
    return {snapshot["id"]: set(snapshot["tags"]) for snapshot in json.loads(listed)}


@pytest.mark.ledger("OP1", "OP2")
def test_another_key_opens_nothing_and_says_so(host):
    """The message must not be one that makes an operator start a new repository over the old one."""
    with kept(host, "/etc/aiko/credentials-backup/password") as path:
        host.check_output("printf %s > %s", "0" * 64, path)
        done = host.run("aiko-backup list")
        assert done.rc == 1
        assert "the key does not open" in done.stderr
        assert "backup_files_key" in done.stderr
        assert drill(host).rc != 0
        assert host.run("systemctl start aiko-backup.service").rc != 0
        assert host.run("aiko-backup create").rc == 1
    with kept(host, "/etc/pgbackrest/pgbackrest.conf") as path:
        host.check_output(f"sed -i 's/^repo1-cipher-pass=.*/repo1-cipher-pass={'0' * 64}/' {path}")
        done = host.run("aiko-backup run")
        assert done.rc == 1
        assert "cannot be read" in done.stderr
        assert "backup_database_key" in done.stderr
    host.check_output("systemctl reset-failed")
    assert drill(host).rc == 0, journal(host)


@pytest.mark.ledger("OP1")
def test_a_backup_that_would_fill_the_disk_is_refused(host):
    """The disk of the repository may be the database's own."""
    before = identifiers(host)
    with kept(host, "/etc/aiko/backup.json") as path:
        host.check_output(f"""sed -i 's/"margin_mb": [0-9]*/"margin_mb": 10000000/' {path}""")
        assert host.run("systemctl start aiko-backup.service").rc != 0
        assert "backup_margin_mb keeps 10000000 MB free" in journal(host)
    host.check_output("systemctl reset-failed")
    assert identifiers(host) == before


@pytest.mark.ledger("OP1")
def test_a_disk_that_is_full_in_the_middle_costs_that_backup_only(host, backup):
    """Estimates are wrong one day: the former backups must stay, and the next one must work."""
    backup()
    before = identifiers(host)
    with kept(host, "/etc/aiko/backup.json") as path:
        # No refusal beforehand, and room for the database and not for the upload that comes now.
        host.check_output(f"""sed -i 's/"margin_mb": [0-9]*/"margin_mb": -10000000/' {path}""")
        host.check_output(f"head -c 90000000 /dev/urandom > {UPLOADS}/another.bin")
        host.check_output(f"cp -a {DIRECTORY}/restic {DIRECTORY}/restic.former")
        size = int(host.check_output(f"du -sm {DIRECTORY}/restic").split()[0])
        host.check_output(f"mount -t tmpfs -o size={size + 50}m,mode=0700 tmpfs {DIRECTORY}/restic")
        host.check_output(f"cp -a {DIRECTORY}/restic.former/. {DIRECTORY}/restic/")
        try:
            assert host.run("systemctl start aiko-backup.service").rc != 0
            assert "less room than restic writes at once" in journal(host), journal(host)
            assert identifiers(host) == before
        finally:
            host.check_output(f"umount {DIRECTORY}/restic && rm -r {DIRECTORY}/restic.former")
    host.check_output("systemctl reset-failed")
    made = backup()
    assert "another.bin" in made["parts"]["uploads"]["files"]
    assert identifiers(host) == [*before, made["id"]]


@pytest.mark.ledger("OP1")
@pytest.mark.parametrize("words", ["full backup|incr backup", "the moment", "into the repository"])
def test_a_killed_backup_is_made_good_by_the_next(host, backup, words):
    """Power cuts come at night too."""
    settle(host)
    before = identifiers(host)
    host.check_output(f"head -c 30000000 /dev/urandom > {UPLOADS}/killed.bin")
    host.check_output("journalctl --namespace=backup --rotate && journalctl --namespace=backup --vacuum-time=1s")
    host.check_output("systemctl start --no-block aiko-backup.service")
    eventually(lambda: re.search(words, journal(host)), f"the backup says {words}", 60)
    host.check_output("systemctl kill --signal=KILL aiko-backup.service")
    eventually(lambda: unit_property(host, "aiko-backup.service", "ActiveState") == "failed", "it is dead")
    assert identifiers(host) == before
    host.check_output("systemctl reset-failed")
    made = backup()
    known = {tag[3:] for tags in snapshots(host).values() for tag in tags if tag.startswith("id:")}
    assert known == {*before, made["id"]}, "halves stay behind"


@pytest.mark.ledger("OP1")
def test_an_emptied_part_raises_the_alarm_and_keeps_the_set(host, backup):
    """What was deleted by accident is found out tonight, not in half a year."""
    backup()
    before = identifiers(host)
    host.check_output(f"mv {UPLOADS} {UPLOADS}.away && install -d -m 2770 {UPLOADS}")
    try:
        assert host.run("systemctl start aiko-backup.service").rc != 0
        assert "uploads went from" in journal(host)
        assert len(identifiers(host)) == len(before) + 1
    finally:
        host.check_output(f"rm -r {UPLOADS} && mv {UPLOADS}.away {UPLOADS}")
    host.check_output("systemctl reset-failed")
    backup()


@pytest.mark.ledger("OP1", "OP4")
def test_retention_keeps_the_newest_and_the_newest_proven(host, backup, converge):
    """Were the proven one to go, nothing would be left that anybody has ever restored."""
    good = backup()["id"]
    assert drill(host).rc == 0, journal(host)
    assert good in proven(host)
    converge({"backup_keep_sets": 1, "backup_keep_days": 0, "backup_full_days": 0}).succeeded()
    try:
        for _ in range(2):
            newest = backup()
            assert newest["parts"]["postgresql"]["type"] == "full"
        assert set(identifiers(host)) == {newest["id"], *chain(host, good)}
        # What stays can still be restored.
        assert drill(host).rc == 0, journal(host)
        backup()
        assert good not in identifiers(host), "a newer one is proven by now"
    finally:
        converge({}).succeeded()
    labels = host.check_output("runuser -u postgres -- pgbackrest info --stanza=aiko --output=json")
    kept_labels = [one["label"] for one in json.loads(labels)[0]["backup"]]
    assert len(kept_labels) == len(identifiers(host)), kept_labels


def chain(host, identifier: str) -> list[str]:
    """The sets that share their full database backup with one, which therefore stay as long as it."""
    full = manifest(host, identifier)["parts"]["postgresql"]["label"].partition("_")[0]
    return [one for one in identifiers(host) if manifest(host, one)["parts"]["postgresql"]["label"].startswith(full)]


@pytest.mark.ledger("OP1", "PG6")
def test_after_a_start_the_last_minute_is_archived_too(host):
    """Without a nudge, a server that has just started archives nothing until its segment is full or a checkpoint comes: what is lost
    with the host is then not a minute but a quarter of an hour."""
    unit = manifest_unit(host)
    sql(host, "ALTER SYSTEM SET archive_timeout = '5s'")
    try:
        host.check_output(f"systemctl restart {unit}")
        sql(host, "INSERT INTO notes (body) VALUES ('after the start')")
        segment = sql(host, "SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
        eventually(lambda: sql(host, "SELECT last_archived_wal FROM pg_stat_archiver") >= segment, f"{segment} is archived", 40, every=1)
    finally:
        sql(host, "ALTER SYSTEM RESET archive_timeout")
        host.check_output(f"systemctl restart {unit}")


@pytest.mark.ledger("OP1")
def test_by_hand_it_is_the_same_unit(host, scenario):
    """Two ways to make a backup are one that nobody has tried."""
    before = identifiers(host)
    done = scenario.play(scenario.project / "playbooks/backup.yml", {}).succeeded()
    assert "full backup" in done.text or "incr backup" in done.text
    assert len(identifiers(host)) == len(before) + 1
    with kept(host, "/etc/aiko/credentials-backup/password") as path:
        host.check_output("printf %s > %s", "0" * 64, path)
        scenario.play(scenario.project / "playbooks/backup.yml", {}).refused("the backup failed", "the key does not open")
    host.check_output("systemctl reset-failed")
