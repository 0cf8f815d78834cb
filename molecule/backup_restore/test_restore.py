"""Restoring, on the host that was backed up and on a new one; and what is refused, with nothing touched."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import pytest
import yaml
from scenario import Play, Scenario, eventually

UNITS = ["aiko-*", "postgresql@*", "redis-server@*"]
DATABASE = "systeme_intelligent"
UPLOADS = "/var/lib/aiko/uploads"
PERSON = {"email": "ada@example.com", "password": "correct-horse-battery"}
# Files are written before the rows that name them, as the application does.
WRITER = """
cd {uploads} && install -d -o aiko-backend -g aiko -m 2770 load
for number in $(seq 1 100000); do
    head -c 3000 /dev/urandom >load/$number.new && chown aiko-backend:aiko load/$number.new && mv load/$number.new load/$number.bin
    echo "INSERT INTO load VALUES ($number, '$(sha256sum <load/$number.bin | cut -d" " -f1)');"
done | runuser -u postgres -- psql -q {database}
"""
# A set whose manifest says something else than the newest one's; written with the project's own means, as nothing else can.
FORGED = """
import json, pathlib, sys, tempfile
sys.path.insert(0, "/usr/local/lib/aiko")
from aiko_backup import config, manifest
from aiko_backup.restic import Restic
restic = Restic(config.load())
found = manifest.load(restic, manifest.find(restic, "latest"))
found["id"], found["parts"] = "{identifier}", {{"postgresql": found["parts"]["postgresql"] | {changes}}}
with tempfile.TemporaryDirectory() as directory:
    pathlib.Path(directory, "manifest.json").write_text(json.dumps(found))
    print(restic.backup(directory, "{identifier}", "manifest")["id"])
"""
# What only the host that keeps the backups may have.
LEFT_BEHIND = ("/usr/local/sbin/aiko-backup", "/etc/aiko/credentials-backup/password", "/etc/pgbackrest/drill.conf",
               "/etc/aiko/backup/files_key")
DAMAGE = {
    "a flipped bit": "middle = len(data) // 2; data[middle] ^= 1",
    "a truncated file": "del data[-len(data) // 3:]",
    "an empty file": "data.clear()",
}
HURT = """
import os, pathlib
files = [path for path in pathlib.Path("{place}").rglob("*") if path.is_file()]
largest = max(path.stat().st_size for path in files)
for path in files:
    if path.stat().st_size > largest // 2:
        data = bytearray(path.read_bytes())
        {damage}
        os.chmod(path, 0o600)
        path.write_bytes(data)
"""


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a host holds, asked with other means than those of the backups."""

    files: dict[str, str]
    tables: dict[str, str]
    keys: dict[str, str]


def sql(host, statement: str) -> str:
    return host.check_output(f"cd / && runuser -u postgres -- psql -XAtq {DATABASE} -c %s", statement)


def contents(host) -> Contents:
    listed = host.check_output(f"cd {UPLOADS} && find . -type f -exec sha256sum {{}} + | sort -k2")
    tables = sql(host, "SELECT format('%I', tablename) FROM pg_tables WHERE schemaname = 'public'").split()
    keys = {}
    for instance in ("cache", "queue"):
        # Those of the test: the workers' own come and go.
        for key in host.check_output(f"aiko-redis {instance} --scan --pattern 'kept*'").split():
            keys[f"{instance} {key}"] = host.check_output(f"aiko-redis {instance} DUMP {key} | sha256sum")
    return Contents(
        {path: digest for digest, path in (line.split(maxsplit=1) for line in listed.splitlines())},
        {name: host.check_output(f"cd / && runuser -u postgres -- psql -XAtq {DATABASE} -c 'COPY {name} TO STDOUT' | sort | sha256sum")
         for name in tables},
        keys,
    )


def untouched(host) -> list[str]:
    """What changes when somebody restarts, replaces or rewrites something."""
    units = "postgresql@17-main redis-server@cache redis-server@queue aiko-beat aiko-worker@ai"
    return [
        host.check_output(f"systemctl show --property=MainPID,ActiveEnterTimestampMonotonic {units}"),
        host.check_output("systemctl list-units --plain --no-legend 'aiko-*'"),
        host.check_output(f"find {UPLOADS} -printf '%i %m %u %g %s %p\\n' | sort"),
        host.check_output("stat --format='%i %n' /var/lib/postgresql/17/main /var/lib/redis/cache /var/lib/redis/queue"),
    ]


def called(scenario: Scenario, part: str) -> str:
    """A host by what it is to the scenario: each run mode has one, with hosts of its own."""
    return f"{scenario.names[0].rpartition('-')[0]}-{part}"


def address(scenario: Scenario, part: str) -> str:
    name = called(scenario, part)
    return next(host["address"] for host in json.loads(scenario.lab("list", "--json"))["hosts"] if host["name"] == name)


def ask(at: str, path: str, body: dict | None = None) -> tuple[int, dict]:
    """Ask the site at an address, as a browser would."""
    context = ssl.create_default_context()
    # The test site signs its own certificate.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(f"https://{at}{path}", json.dumps(body).encode() if body else None,
                                     {"Host": "aiko.test", "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def restore(scenario: Scenario, *words: str, confirm: bool = True) -> Play:
    sure = ["-e", "restore_confirm=yes"] if confirm else []
    return scenario.play(scenario.project / "playbooks/restore.yml", {}, *sure, *(word for one in words for word in ("-e", one)))


@pytest.fixture(scope="module")
def app(scenario, hosts):
    return hosts[called(scenario, "app")]


@pytest.fixture(scope="module")
def store(scenario, hosts):
    return hosts[called(scenario, "store")]


@pytest.fixture(scope="module")
def backup(store):
    """Make a backup; returns its id."""
    return lambda: store.check_output("aiko-backup run").split()[-1]


@pytest.fixture(scope="module")
def first(scenario, app, backup) -> str:
    """The id of a backup of a platform that is in use, made while somebody writes as fast as can be."""
    # She may be there already on hosts that were kept.
    assert ask(address(scenario, "app"), "/api/auth/register", PERSON | {"name": "Ada"})[0] in (201, 409)
    sql(app, "DROP TABLE IF EXISTS load, fixed, moments; CREATE TABLE load (number int, sum text); "
             "CREATE TABLE fixed AS SELECT i, md5(i::text) AS text, i / 7.0 AS number FROM generate_series(1, 20000) AS i; "
             "CREATE TABLE moments (name text)")
    app.check_output(f"cd {UPLOADS} && install -d -m 2770 -o aiko-backend -g aiko deep/er && "
                     "for n in 1 2 3; do head -c 700000 /dev/urandom >deep/er/$n.pdf; done && "
                     ": >'deep/a name with  spaces.txt' && chown -R aiko-backend:aiko .")
    app.check_output("aiko-redis cache SET kept:text ü && aiko-redis queue RPUSH kept:list 1 2 3 "
                     "&& aiko-redis queue HSET kept:hash a 1 b 2")
    # On hosts that were kept, files of an earlier run would be written once more.
    app.check_output(f"rm -rf {UPLOADS}/load")
    app.check_output("systemd-run --quiet --unit=load bash -c %s", WRITER.format(uploads=UPLOADS, database=DATABASE))
    try:
        eventually(lambda: int(sql(app, "SELECT count(*) FROM load")) > 5, "somebody writes")
        identifier = backup()
        after = int(sql(app, "SELECT count(*) FROM load"))
        eventually(lambda: int(sql(app, "SELECT count(*) FROM load")) > after + 5, "somebody still writes after the backup")
    finally:
        app.check_output("systemctl stop load")
    return identifier


# One of each that refuses: the words of all are in tests/unit (test_filter_restore, test_backup_restore_plan).
REFUSED = {
    "an id and a time": (["backup_id=latest", "restore_to=2026-01-21 14:29:00+00"], ["backup_id and restore_to", "one of"]),
    "an id that is missing": (["backup_id=20200101_000000"], ["there is no complete backup 20200101_000000", "those there are: 2"]),
    "a part that is not in it": (["backup_id=latest", "parts=grafana"], ["the backup has no grafana"]),
    "a time without a zone": (["restore_to=2026-01-21T14:29:00"], ["says no time zone"]),
    "a time before everything": (["restore_to=2020-01-21 14:29:00+00"], ["before the end of the first backup"]),
    "nothing to undo": (["restore_undo=yes"], ["no host has a safety copy"]),
}


@pytest.mark.any_runtime
@pytest.mark.ledger("OP2")
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused(scenario, app, first, case):
    """Whoever restores is under stress; what is not clear must cost nothing."""
    app.check_output("aiko-restore forget")
    words, message = REFUSED[case]
    before = untouched(app)
    restore(scenario, *words).refused(*message, "othing was changed")
    assert untouched(app) == before


@pytest.mark.ledger("OP2")
def test_it_asks_first(scenario, app, first):
    """It replaces everybody's work of the last hours."""
    before = untouched(app)
    play = restore(scenario, "backup_id=latest", confirm=False).refused("was not confirmed", "restore_confirm=yes", "Nothing was changed")
    for words in ("takes the place of /var/lib/postgresql/17/main", f"takes the place of {UPLOADS}", "aiko-worker@ai.service"):
        assert words in play.text
    assert untouched(app) == before


@pytest.mark.any_runtime
@pytest.mark.ledger("OP2")
@pytest.mark.parametrize(("changes", "message"), [
    ({"version": "99.1"}, ["is of PostgreSQL 99, newer than PostgreSQL 17 on restore-app"]),
    ({"alembic": ["f00d"]}, ["revision f00d", "does not know", "deploy backend release"]),
    ({"label": "20200101-000000F"}, ["has no backup 20200101-000000F"]),
    ({"tables": {}}, ["tables are not what they were", "should not be there", "What runs was not touched"]),
], ids=["a newer PostgreSQL", "a newer application", "a database that is gone", "other contents"])  # fmt: skip
def test_what_does_not_fit_is_refused(scenario, app, store, first, changes, message):
    """The backup may be good and still not be one for this host."""
    before = untouched(app)
    snapshot = store.check_output("python3 -B -c %s", FORGED.format(identifier="20200101_000001", changes=repr(changes)))
    try:
        restore(scenario, "backup_id=20200101_000001").refused(*message)
    finally:
        restic = "RESTIC_PASSWORD_FILE=/etc/aiko/credentials-backup/password restic -q -r /var/lib/aiko-backup/restic"
        store.check_output(f"{restic} forget {snapshot}")
    assert untouched(app) == before


@pytest.mark.any_runtime
@pytest.mark.ledger("OP2")
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(("part", "place", "message"), [
    ("uploads", "restic/data", "cannot be restored"), ("postgresql", "pgbackrest/backup", "cannot be restored"),
], ids=["uploads", "postgresql"])  # fmt: skip
def test_what_is_damaged_is_refused(scenario, app, store, first, part, place, message, damage):
    """Disks lose bits in silence; half of a database must never take the place of a whole one."""
    before, directory = untouched(app), f"/var/lib/aiko-backup/{place}"
    store.check_output(f"cp --archive {directory} {directory}.whole")
    try:
        store.check_output("python3 -B -c %s", HURT.format(place=directory, damage=DAMAGE[damage]))
        restore(scenario, f"backup_id={first}", f"parts={part}").refused(message, "What runs was not touched")
    finally:
        store.check_output(f"rm -r {directory} && mv {directory}.whole {directory}")
    assert untouched(app) == before


@pytest.mark.any_runtime
@pytest.mark.ledger("OP2")
def test_a_wrong_key_is_refused(scenario, app, store, first):
    """The key is all that the repository is worth; whoever brings another one has to know that it is the key."""
    before, key = untouched(app), "/etc/aiko/credentials-backup/password"
    store.check_output(f"cp --preserve {key} {key}.right && echo another >{key}")
    try:
        restore(scenario, "backup_id=latest").refused("the key does not open", "backup_files_key", "Nothing was changed")
    finally:
        store.check_output(f"mv {key}.right {key}")
    assert untouched(app) == before


def check_restored(host, before: Contents, present: Contents) -> None:
    """`present` is what a backup under load held; `before` what was there when the load had ended."""
    assert present.tables["fixed"] == before.tables["fixed"] and present.tables["users"] == before.tables["users"]
    assert present.keys == before.keys and len(before.keys) == 3
    # Files are written once: each that is there equals the one that was there.
    assert present.files.items() <= before.files.items()
    assert {path: digest for path, digest in before.files.items() if not path.startswith("./load/")}.items() <= present.files.items()
    rows = dict(line.split("|") for line in sql(host, "SELECT number, sum FROM load").splitlines())
    assert rows and sorted(map(int, rows)) == list(range(1, len(rows) + 1)), "rows are missing in between"
    assert all(present.files[f"./load/{number}.bin"] == digest for number, digest in rows.items()), "a row names a file that is not there"
    found = host.check_output(f"stat --format='%U:%G %a' {UPLOADS}; "
                              f"find {UPLOADS} -not -user aiko-backend -o -not -group aiko -o -type d -not -perm 2770")
    assert found == "aiko-backend:aiko 2770"


@pytest.mark.ledger("OP1", "SY3")
def test_no_dump_stays_behind(app, store, first):
    """A backup host has others' data in clear for as long as a backup takes; uploads excepted, which it would have to fetch anew."""
    assert store.check_output("ls /var/lib/aiko-backup/mirror") == "uploads"
    assert not app.file("/var/lib/aiko-backup/exports").exists


@pytest.fixture(scope="module")
def before(app, first) -> Contents:
    """What was there when the load had ended, which is more than what the backup holds."""
    return contents(app)


@pytest.mark.ledger("OP2", "PG6", "BE5", "SY2")
def test_the_same_host_by_its_id(scenario, app, first, before):
    """Somebody has deleted what mattered; an hour ago it was there."""
    sql(app, "TRUNCATE fixed; DELETE FROM users")
    app.check_output(f"rm -r {UPLOADS}/deep && aiko-redis queue FLUSHALL && aiko-redis cache SET kept:text other")
    restore(scenario, f"backup_id={first}").succeeded()
    check_restored(app, before, contents(app))
    assert len(sql(app, "SELECT number FROM load").split()) < len([path for path in before.files if path.startswith("./load/")])
    status, answer = ask(address(scenario, "app"), "/api/auth/login", PERSON)
    assert status == 200 and answer["access_token"]
    assert "pong" in app.check_output("aiko-celery inspect ping --timeout 5")
    assert sql(app, "SELECT count(*) FROM pg_settings WHERE pending_restart") == "0"


@pytest.mark.ledger("OP2")
def test_it_can_be_undone(scenario, app, first, before):
    """The wrong backup was chosen; what was there before is not lost."""
    restore(scenario, "restore_undo=yes").succeeded()
    assert sql(app, "SELECT count(*) FROM fixed") == "0"
    assert app.check_output("aiko-redis cache GET kept:text") == "other"
    assert app.run(f"test -e {UPLOADS}/deep").rc != 0
    restore(scenario, "restore_undo=yes").succeeded()
    check_restored(app, before, contents(app))
    app.check_output("aiko-restore forget")
    assert app.check_output("ls -d /var/lib/*/*.before-* /var/lib/postgresql/17/*.before-* 2>/dev/null || true") == ""


@pytest.mark.any_runtime
@pytest.mark.ledger("OP2", "BE5")
def test_a_single_part(scenario, app, first, before):
    """Files were lost; the database of today stays, and does not even restart."""
    sql(app, "INSERT INTO moments VALUES ('today')")
    app.check_output(f"rm -r {UPLOADS}/deep && touch {UPLOADS}/today")
    server = app.check_output("systemctl show --property=MainPID postgresql@17-main redis-server@queue")
    restore(scenario, f"backup_id={first}", "parts=uploads").succeeded()
    check_restored(app, before, contents(app))
    assert app.run(f"test -e {UPLOADS}/today").rc != 0
    assert sql(app, "SELECT name FROM moments") == "today"
    assert app.check_output("systemctl show --property=MainPID postgresql@17-main redis-server@queue") == server


@pytest.mark.ledger("OP2")
def test_a_point_in_time(scenario, app, first, backup):
    """Between two transactions, and again in the timeline that restoring has begun; then backups go on."""

    def moment() -> str:
        now = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00')"
        return sql(app, f"SELECT pg_sleep(0.2); {now}; SELECT pg_sleep(0.2)").strip()

    def names() -> list[str]:
        return sql(app, "SELECT name FROM moments WHERE name <> 'today' ORDER BY name").split()

    sql(app, "INSERT INTO moments VALUES ('1')")
    then = moment()
    sql(app, "INSERT INTO moments VALUES ('2')")
    app.check_output(f"rm '{UPLOADS}/deep/er/1.pdf' && echo new >{UPLOADS}/new")
    restore(scenario, f"restore_to={then}").succeeded()
    assert names() == ["1"]
    assert app.run(f"test -s {UPLOADS}/deep/er/1.pdf && test -s {UPLOADS}/new").rc == 0, "uploads are completed, and none is taken away"
    sql(app, "INSERT INTO moments VALUES ('3')")
    later = moment()
    sql(app, "INSERT INTO moments VALUES ('4')")
    restore(scenario, f"restore_to={later}", "parts=postgresql").succeeded()
    assert names() == ["1", "3"]
    made = backup()
    sql(app, "INSERT INTO moments VALUES ('5')")
    restore(scenario, f"backup_id={made}", "parts=postgresql").succeeded()
    assert names() == ["1", "3"]
    app.check_output("aiko-restore forget")


def kill(scenario: Scenario, host, task: str, command: str, sign: str, *words: str) -> None:
    """Begin a restore and kill it, on both ends, when a command runs on the host and there is a sign of it."""
    arguments = ["ansible-playbook", "--inventory", str(scenario.ephemeral / "inventory"), "-e", "restore_confirm=yes"]
    arguments += [word for one in words for word in ("-e", one)]
    play = subprocess.Popen(
        [*arguments, "playbooks/restore.yml"],
        # Unless all results are shown, the name of a task comes with the first one, which is too late.
        env=scenario.environment | {"PYTHONUNBUFFERED": "1", "ANSIBLE_DISPLAY_OK_HOSTS": "True", "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "True"},
        cwd=scenario.project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        seen = []
        for line in play.stdout:
            seen.append(line)
            if task in line:
                break
        else:
            pytest.fail(f"the run ended before the task '{task}':\n{''.join(seen)[-3000:]}")
        # In brackets, so that the pattern does not find itself. The sign may be there from an earlier run.
        look = f"ls -d {sign} >/dev/null 2>&1 && running=$(pgrep --full '[/]aiko-restore {command}')"
        host.check_output("timeout 120 sh -c %s", f"until {look}; do sleep 0.02; done; kill -KILL $running")
    finally:
        os.killpg(play.pid, signal.SIGKILL)
        play.wait()


@pytest.mark.any_runtime
@pytest.mark.ledger("OP2")
def test_what_was_killed_is_called_again(scenario, app, first, before):
    """Connections drop, laptops close; the same words finish what has begun, wherever it was."""
    app.check_output("aiko-restore forget")
    serving = untouched(app)
    for sign in ("base/5", "postmaster.pid"):
        kill(scenario, app, "Restore the rest beside", "stage", f"/var/lib/postgresql/17/main.restored/{sign}", f"backup_id={first}")
    assert untouched(app) == serving, "before everything is proved, nothing happens to what runs"
    kill(scenario, app, "Put it in its place", "swap", "/var/lib/postgresql/17/main.before-*", f"backup_id={first}")
    restore(scenario, "backup_id=latest", "parts=redis").refused("an earlier restore has begun to replace data", f"-e backup_id={first}")
    restore(scenario, f"backup_id={first}").succeeded()
    check_restored(app, before, contents(app))
    assert ask(address(scenario, "app"), "/api/auth/login", PERSON)[0] == 200


@pytest.fixture(scope="module")
def elsewhere(scenario, tmp_path_factory) -> Scenario:
    """The same environment with the new host in the place of the old one: what an operator has who has lost it."""
    directory = tmp_path_factory.mktemp("elsewhere") / "inventory"
    directory.mkdir()
    own, fresh = scenario.ephemeral / "inventory", called(scenario, "fresh")
    for name in ("group_vars", "hosts"):
        (directory / name).symlink_to(os.path.realpath(own / name))
    text = (own / "ansible_inventory.yml").read_text().replace(called(scenario, "app"), fresh)
    pathlib.Path(directory, "ansible_inventory.yml").write_text(text)
    assert fresh in yaml.safe_load(text)["all"]["hosts"]
    return dataclasses.replace(scenario, ephemeral=directory.parent)


@pytest.mark.ledger("OP2", "PG6", "BE5", "SY2")
def test_a_new_host(scenario, elsewhere, app, store, first, before, backup, capsys):
    """The old one burned: there is the repository, the inventory and the vault's password, and people wait."""
    scenario.lab("kill", called(scenario, "app"))
    fresh = elsewhere.connect(called(scenario, "fresh"))
    # It kept the backups once.
    for path in LEFT_BEHIND:
        fresh.check_output("mkdir -p $(dirname %s) && touch %s", path, path)
    units = "/etc/systemd/system/aiko-backup"
    fresh.check_output(f"printf '[Service]\nType=oneshot\nExecStart=true\n' >{units}.service && "
                       f"printf '[Timer]\nOnCalendar=daily\n' >{units}.timer && systemctl start aiko-backup.timer")
    began = time.monotonic()
    site = elsewhere.play(scenario.project / "site.yml", {}).succeeded()
    assert "another cluster" in site.text
    built = time.monotonic()
    assert "another cluster" in store.run("aiko-backup create").stderr
    restore(elsewhere, f"backup_id={first}").succeeded()
    done = time.monotonic()
    check_restored(fresh, before, contents(fresh))
    status, answer = ask(address(scenario, "fresh"), "/api/auth/login", PERSON)
    assert status == 200 and answer["access_token"]
    with capsys.disabled():
        print(f"\na new host: built in {built - began:.0f} s, restored in {done - built:.0f} s")
    assert "another cluster" not in store.run("aiko-backup create").stderr
    made = backup()
    assert made in store.check_output("aiko-backup list")
    # What site.yml sets, such as passwords, is set already.
    assert elsewhere.play(scenario.project / "site.yml", {}).succeeded().changed == 0
    # The database's host is another one now, and the lost one may be in somebody's hands.
    admitted = store.file("/var/lib/postgresql/.ssh/authorized_keys").content_string.splitlines()
    assert [line.rpartition("ssh-ed25519")[2].split()[0] for line in admitted] == [
        fresh.file("/etc/aiko/backup/postgres/key.pub").content_string.split()[1]]
    for path in (*LEFT_BEHIND, "/etc/systemd/system/aiko-backup.timer"):
        assert not fresh.file(path).exists, path
    assert fresh.run("systemctl is-active aiko-backup.timer").stdout.strip() == "inactive"
