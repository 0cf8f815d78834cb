"""The data on one host, the rest on another: the wiring follows from the groups alone."""

import json

import pytest
from scenario import eventually

UNITS = ["aiko-*", "nginx", "postgresql@*", "redis-server@*"]


@pytest.fixture(scope="module")
def names(scenario) -> dict[str, str]:
    """The two hosts by what they are: each run mode has its own."""
    return {name.rpartition("-")[2]: name for name in scenario.names}


@pytest.fixture(scope="module")
def data(hosts, names):
    return hosts[names["data"]]


@pytest.fixture(scope="module")
def app(hosts, names):
    return hosts[names["app"]]


@pytest.fixture(scope="module")
def contained(data) -> bool:
    """Whether they run containers."""
    return data.run("command -v podman").rc == 0


@pytest.fixture(scope="module")
def addresses(scenario, names) -> dict[str, str]:
    found = {report["name"]: report["address"] for report in json.loads(scenario.lab("list", "--json"))["hosts"]}
    return {part: found[name] for part, name in names.items()}


def connect(app, options: str, host: str = "postgres"):
    """Try to reach the database from the application's host with its password and other options."""
    script = (
        "import os, pathlib, psycopg2\n"
        "password = pathlib.Path(os.environ['CREDENTIALS_DIRECTORY'], 'POSTGRES_PASSWORD').read_text()\n"
        f"where = 'host={host} dbname=systeme_intelligent user=smart_user connect_timeout=5 {options}'\n"
        "c = psycopg2.connect(where, password=password)\n"
        "print(c.info.ssl_attribute('protocol'))\n"
    )
    return app.run("aiko-run python -c %s", script)


def healthy(app) -> bool:
    script = "import urllib.request as u; u.urlopen('http://127.0.0.1:5000/health/detailed', timeout=10)"
    return app.run("python3 -c %s", script).rc == 0 and "pong" in app.run("aiko-celery inspect ping --timeout 3").stdout


@pytest.mark.ledger("SY1")
def test_names_lead_to_the_other_host(data, app, names, addresses):
    """Moving a service is moving a line of the inventory; no configuration names an address."""
    for name in ("postgres", "redis", "redis-queue", names["data"]):
        assert app.check_output("getent ahostsv4 %s", name).split()[0] == addresses["data"], name
    assert data.check_output("getent ahostsv4 postgres").split()[0] == "127.0.0.1"
    for name in ("backend", "proxy", names["app"]):
        assert data.check_output("getent ahostsv4 %s", name).split()[0] == addresses["app"], name


@pytest.mark.ledger("PG8")
def test_database_speaks_tls_alone_between_hosts(app):
    """Answers of students go over a network that others share."""
    good = connect(app, "sslmode=verify-full sslrootcert=/etc/aiko/tls/postgres-server.crt")
    assert good.rc == 0 and good.stdout.startswith("TLSv1."), good.stderr
    plain = connect(app, "sslmode=disable")
    assert plain.rc != 0 and "no pg_hba.conf entry" in plain.stderr and "no encryption" in plain.stderr, plain.stderr


@pytest.mark.ledger("PG8")
def test_application_checks_whom_it_talks_to(app, data):
    """TLS with just anybody is TLS with whoever is in between."""
    assert "sslmode=verify-full" in app.check_output("grep ^DATABASE_URL= /etc/aiko/backend.env")
    wrong = connect(app, "sslmode=verify-full sslrootcert=/etc/aiko/tls/site.crt")
    assert wrong.rc != 0 and "certificate verify failed" in wrong.stderr, wrong.stderr
    sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'smart_user'"
    assert data.check_output("runuser -u postgres -- psql -XtA -c %s", sql) == "t"


@pytest.mark.ledger("PG8")
def test_strangers_are_not_even_asked_for_a_password(data, contained, addresses, secrets):
    """The rules name the clients one by one; the right password from the wrong machine is a stolen one."""
    database = f"-h {addresses['data']} -U smart_user -d systeme_intelligent"
    done = data.run(f"PGPASSWORD={secrets['postgresql_password']} psql -XtA {database} -c 'SELECT 1'")
    assert done.rc != 0 and "no pg_hba.conf entry" in done.stderr, done.stdout + done.stderr
    sql = "SELECT type, address, auth_method FROM pg_hba_file_rules WHERE address NOT IN ('127.0.0.1', '::1', 'all')"
    rules = data.check_output("runuser -u postgres -- psql -XtA -c %s", sql)
    # Seen from a container, clients of its own host are in the containers' network.
    own = ["host|10.89.60.0|scram-sha-256"] if contained else []
    assert rules.splitlines() == [*own, f"hostssl|{addresses['app']}|scram-sha-256"]


@pytest.mark.ledger("NX1", "RD1")
def test_each_service_listens_where_its_clients_are(data, app, contained, addresses):
    """Derived from the groups: the private address where a client lives elsewhere, loopback where none does."""

    def listening(host) -> set[str]:
        found = {line.split()[3] for line in host.check_output("ss -ltnH").splitlines()}
        # Nobody comes to the containers' own addresses from elsewhere (molecule/podman).
        return {address for address in found if not address.startswith(("127.", "[::1]", "10.89.60.", "10.89.61."))}

    own, other = addresses["data"], addresses["app"]
    # The services, and what tells Prometheus of them, which runs on the other host.
    assert listening(data) == {"0.0.0.0:22", "[::]:22", *(f"{own}:{port}" for port in (3000, 5432, 6379, 6380, 9100, 9121, 9187))}
    # The frontend of the other host asks the backend.
    doors = {f"{any_}:{port}" for any_ in ("0.0.0.0", "[::]") for port in (22, 80, 443)}
    assert listening(app) == {f"{other}:5000", *doors} - ({"[::]:80", "[::]:443"} if contained else set())
    for port in (6379, 6380):
        assert "NOAUTH" in data.run(f"redis-cli -h {own} -p {port} PING").stdout


def test_each_host_has_only_what_it_runs(data, app):
    """A host without a database needs neither its server nor the secrets of the application the other way round."""
    assert data.run("ls /etc/aiko/credentials /srv/aiko/backend").rc != 0
    assert app.run("ls /var/lib/postgresql/*/main /etc/redis/redis-queue.conf").rc != 0
    assert not data.file("/etc/nginx").exists


@pytest.mark.any_runtime
@pytest.mark.ledger("BE2", "CE3")
def test_data_host_may_die_and_come_back(scenario, names, app):
    """The application says that it cannot serve, and does so again by itself once it can."""
    scenario.lab("kill", names["data"])
    script = (
        "import http.client as h; c = h.HTTPConnection('127.0.0.1', 5000, timeout=20); "
        "c.request('GET', '%s'); print(c.getresponse().status)"
    )
    eventually(lambda: app.run("python3 -c %s", script % "/health/ready").stdout.strip() == "503", "not ready", 40)
    assert app.check_output("python3 -c %s", script % "/health/live") == "200"
    scenario.lab("boot", names["data"])
    eventually(lambda: healthy(app), "healthy again without anybody's help", 90, every=0.5)


@pytest.mark.any_runtime
@pytest.mark.ledger("OP6", "PG6")
def test_both_hosts_may_reboot(scenario, hosts, app):
    """In any order; nobody is there at night."""
    for name in hosts:
        scenario.lab("reboot", name)
    eventually(lambda: healthy(app), "all services are healthy", 90, every=0.5)
    for name, host in hosts.items():
        assert host.check_output("systemctl --failed --plain --no-legend") == "", name


@pytest.mark.ledger("FE1", "OP3")
def test_both_frontends_run_the_same_build(data, app):
    """Pages of one host name files that the other must have, under the very same names."""
    told = {host.check_output("cat /srv/aiko/frontend/current/.next/BUILD_ID; aiko-release --part frontend status | grep serving")
            for host in (data, app)}  # fmt: skip
    assert len(told) == 1, told
