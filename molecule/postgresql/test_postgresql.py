"""The postgresql role: one database, its owner, who may connect, and data that stays."""

import re

import pytest
from scenario import eventually, unit_property

UNITS = ["postgresql@*"]
DATABASE, OWNER = "systeme_intelligent", "smart_user"
MAJOR = {"bookworm": "15", "trixie": "17"}


@pytest.fixture
def admin(host):
    """Run SQL as the superuser, the way the machine's administrator does."""

    def sql(text: str, database: str = DATABASE) -> str:
        return host.check_output("runuser -u postgres -- psql -XtA -d %s -c %s", database, text)

    return sql


@pytest.fixture
def client(host, secrets):
    """Run SQL over TCP with a password, the way the application does; returns the finished command."""

    def sql(text: str, user: str = OWNER, password: str | None = None, database: str = DATABASE):
        chosen = secrets["postgresql_password"] if password is None else password
        return host.run(
            "PGPASSWORD=%s PGCONNECT_TIMEOUT=5 psql -XtA -v ON_ERROR_STOP=1 -h 127.0.0.1 -U %s -d %s -c %s", chosen, user, database, text
        )

    return sql


@pytest.fixture(scope="module")
def major(host) -> str:
    return MAJOR[host.check_output(". /etc/os-release; echo $VERSION_CODENAME")]


def started(admin) -> str:
    return admin("SELECT pg_postmaster_start_time()")


@pytest.mark.ledger("PG1")
def test_major_version(host, admin, major):
    """The distribution's own major gets security updates for as long as the distribution does."""
    assert admin("SHOW server_version_num")[:2] == major
    assert admin("SHOW port") == "5432"
    assert host.file(f"/var/lib/postgresql/{major}/main/PG_VERSION").content_string.strip() == major


@pytest.mark.any_runtime
@pytest.mark.ledger("PG1", "PG6")
def test_other_major_over_existing_data_is_refused(admin, converge, major):
    """A new major beside the old data would be an empty database with a green light."""
    before = started(admin)
    other = str(int(major) - 1)
    converge({"postgresql_version": other}).refused(
        f"postgresql_version asks for {other}", f"data of PostgreSQL {major}", "pg_upgradecluster"
    )
    assert started(admin) == before


@pytest.mark.any_release
@pytest.mark.any_runtime
@pytest.mark.ledger("PG6", "SY1")
def test_text_that_other_rules_sorted_is_refused(admin, converge):
    """Another image, or another run mode, may bring other collations: an index then misses rows that are there."""
    admin(f"UPDATE pg_database SET datcollversion = '0.1' WHERE datname = '{DATABASE}'", "postgres")
    try:
        converge({}).refused(f"{DATABASE}: the database's text was sorted by another version", "REFRESH COLLATION VERSION")
    finally:
        admin(f"UPDATE pg_database SET datcollversion = NULL WHERE datname = '{DATABASE}'", "postgres")


@pytest.mark.ledger("PG2")
def test_owner_can_work_and_no_more(admin, client):
    """An application that is broken into must not become the administrator of the database server."""
    assert admin(f"SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '{DATABASE}'") == OWNER
    assert (
        admin(f"SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = '{OWNER}'")
        == "f|f|f|f|f"
    )
    done = client("CREATE TABLE probe_rights (id int); INSERT INTO probe_rights VALUES (1); DROP TABLE probe_rights")
    assert done.rc == 0, done.stderr
    # PostgreSQL 15 and 17 say the same thing in other words.
    assert re.search("permission denied|must be superuser", client("COPY (SELECT 1) TO PROGRAM 'id'").stderr)
    assert re.search("permission denied|must be superuser", client("CREATE ROLE intruder SUPERUSER").stderr)


@pytest.mark.ledger("PG3")
def test_extensions_are_there_and_work(admin, client):
    """Only a superuser can create some of them, so migrations could not."""
    installed = set(admin("SELECT extname FROM pg_extension").split())
    assert {"uuid-ossp", "unaccent", "pg_trgm", "hstore", "pg_stat_statements"} <= installed
    assert (
        client(
            "SELECT unaccent('Élève'), similarity('abc', 'abd') > 0, ('a=>1'::hstore)->'a', uuid_generate_v4() IS NOT NULL"
        ).stdout.strip()
        == "Eleve|t|1|t"
    )
    assert int(client("SELECT count(*) FROM pg_stat_statements").stdout) >= 0


@pytest.mark.ledger("PG4")
@pytest.mark.parametrize(
    ("name", "value"),
    [("shared_buffers", "256MB"), ("effective_cache_size", "1GB"), ("work_mem", "4MB"), ("max_connections", "100")],
)
def test_sizes_are_in_force(admin, name, value):
    """What is in the file and what the server runs with differ until somebody restarts it."""
    assert admin(f"SHOW {name}") == value


@pytest.mark.ledger("PG4")
def test_nothing_waits_for_a_restart(admin):
    """A setting that waits takes effect at the worst moment: after the next crash."""
    assert admin("SELECT count(*) FROM pg_settings WHERE pending_restart") == "0"
    assert admin("SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL") == "0"


def test_data_has_checksums(admin):
    """Without them a failing disk is noticed when the backups are spoilt too; they cannot be added while it runs."""
    assert admin("SHOW data_checksums") == "on"


@pytest.mark.ledger("PG8")
def test_passwords_are_scram_everywhere(admin):
    """md5 hashes are as good as the password to whoever steals them; trust needs none at all."""
    assert admin("SHOW password_encryption") == "scram-sha-256"
    assert admin(f"SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = '{OWNER}'") == "t"
    assert set(admin("SELECT DISTINCT auth_method FROM pg_hba_file_rules").split()) <= {"scram-sha-256", "peer", "reject"}
    assert admin("SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL") == "0"


@pytest.mark.ledger("PG8")
def test_wrong_password_is_refused(client):
    """The plainest attack there is."""
    assert client("SELECT 1").stdout.strip() == "1"
    assert "password authentication failed" in client("SELECT 1", password="wrong").stderr
    assert "password authentication failed" in client("SELECT 1", user="nobody_here").stderr


@pytest.mark.ledger("PG8")
def test_superuser_never_over_the_network(admin, client):
    """Even one with a password: what can guess over TCP can guess for ever."""
    admin("ALTER ROLE postgres PASSWORD 'a-password-that-leaked'")
    try:
        done = client("SELECT 1", user="postgres", password="a-password-that-leaked", database="postgres")
        assert done.rc != 0 and "pg_hba.conf rejects" in done.stderr, done.stdout + done.stderr
    finally:
        admin("ALTER ROLE postgres PASSWORD NULL")


@pytest.mark.ledger("NX1", "PG8")
def test_listens_on_loopback_alone(host):
    """All clients of this scenario live on the host."""
    addresses = {line.split()[3] for line in host.check_output("ss -ltnH").splitlines()}
    # The host's address for containers is not for others.
    assert {address for address in addresses if address.endswith(":5432")} - {"10.89.61.1:5432"} == {"127.0.0.1:5432"}


@pytest.mark.ledger("PG8")
def test_another_system_account_gets_nothing(host):
    """Peer authentication is for the administrator; another service on the host must know the password."""
    assert host.run("runuser -u nobody -- psql -XtA -d %s -U postgres -c 'SELECT 1'", DATABASE).rc != 0
    assert host.run("runuser -u nobody -- psql -w -XtA -d %s -U %s -c 'SELECT 1'", DATABASE, OWNER).rc != 0


@pytest.mark.ledger("PG5")
def test_health_tells_up_from_down_and_a_converge_heals(host, admin, converge, major):
    """A probe that is always green is worse than none."""
    probe = f"pg_isready --quiet --host=127.0.0.1 --username={OWNER}"
    assert host.run(probe).rc == 0
    unit = f"postgresql@{major}-main.service"
    assert unit_property(host, unit, "ActiveState") == "active"
    host.check_output(f"systemctl stop {unit}")
    assert host.run(probe).rc != 0
    assert unit_property(host, unit, "ActiveState") == "inactive"
    assert converge({}).succeeded().changed > 0
    assert host.run(probe).rc == 0


@pytest.mark.any_release
@pytest.mark.ledger("PG4")
def test_setting_that_can_be_reloaded_does_not_restart(admin, converge):
    """A restart throws every client out; work_mem is not worth that."""
    before = started(admin)
    converge({"postgresql_settings": {"work_mem": "8MB"}}).succeeded()
    assert admin("SHOW work_mem") == "8MB"
    assert started(admin) == before


@pytest.mark.ledger("PG4", "PG6")
def test_setting_that_needs_a_restart_gets_one(admin, client, converge):
    """Otherwise the operator believes in a limit that is not there. A row must outlive it."""
    assert client("CREATE TABLE probe_row (id int); INSERT INTO probe_row VALUES (42)").rc == 0
    before = started(admin)
    settings = {"postgresql_settings": {"max_connections": 90, "work_mem": "8MB"}}
    converge(settings).succeeded()
    assert admin("SHOW max_connections") == "90"
    assert started(admin) != before
    assert admin("SELECT count(*) FROM pg_settings WHERE pending_restart") == "0"
    assert client("SELECT id FROM probe_row").stdout.strip() == "42"
    assert converge(settings).succeeded().changed == 0


@pytest.mark.any_runtime
@pytest.mark.any_release
@pytest.mark.ledger("PG4")
def test_sizes_from_the_host(host, admin, converge):
    """`auto` must follow the machine: a tenth of its memory here, a quarter of that for shared_buffers."""
    memory = int(host.check_output("awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo"))
    converge({"postgresql_sizing": "auto", "postgresql_memory_share": 0.1}).succeeded()
    expected = max(int(memory * 0.1) // 4, 128)
    blocks = int(admin("SELECT setting FROM pg_settings WHERE name = 'shared_buffers'"))
    assert abs(blocks * 8 // 1024 - expected) <= 2
    assert admin("SELECT count(*) FROM pg_settings WHERE pending_restart") == "0"
    converge({}).succeeded()
    assert admin("SHOW shared_buffers") == "256MB"
    assert admin("SHOW work_mem") == "4MB"


@pytest.mark.parametrize("settings", [{"work_mem": "lots"}, {"no_such_setting": 1}], ids=["bad value", "unknown name"])
def test_configuration_that_the_server_could_not_read_is_refused(host, admin, converge, major, settings):
    """Written and not noticed, it would keep the server from starting after the next reboot."""
    path = f"/etc/postgresql/{major}/main/conf.d/aiko.conf"
    before, since = host.file(path).content_string, started(admin)
    converge({"postgresql_settings": settings}).refused("was refused", "former files are in place")
    assert host.file(path).content_string == before
    assert started(admin) == since


@pytest.mark.any_runtime
@pytest.mark.any_release
@pytest.mark.ledger("PG8", "SY3")
def test_new_password_replaces_the_old_and_is_never_shown(client, secrets, converge):
    """Rotation is only worth something if the old one stops working and the new one stays secret."""
    fresh = "0123456789abcdef" * 4
    play = converge({"postgresql_password": fresh}, "--diff", "-vvv").succeeded()
    assert fresh not in play.output.replace(f'"postgresql_password": "{fresh}"', "")
    assert client("SELECT 1", password=fresh).stdout.strip() == "1"
    assert client("SELECT 1").rc != 0
    converge({}).succeeded()
    assert client("SELECT 1").stdout.strip() == "1"


@pytest.mark.ledger("PG6")
def test_row_outlives_kill_restart_and_reboot(host, host_name, scenario, client, major):
    """Everything else can be installed again; this cannot."""
    assert client("CREATE TABLE probe_survivor (id int); INSERT INTO probe_survivor VALUES (7)").rc == 0

    def there() -> bool:
        return client("SELECT id FROM probe_survivor").stdout.strip() == "7"

    host.check_output(f"systemctl restart postgresql@{major}-main")
    eventually(there, "the row is there after a restart")
    host.check_output(f"kill -9 {unit_property(host, f'postgresql@{major}-main', 'MainPID')}")
    host.run(f"systemctl start postgresql@{major}-main")
    eventually(there, "the row is there after a crash")
    scenario.lab("reboot", host_name)
    eventually(there, "the row is there after a reboot")
