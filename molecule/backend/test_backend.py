"""The backend role: releases that switch without a lost request, and a service that can do no harm."""

from __future__ import annotations

import json
import re
import shutil
import threading

import pytest
import scenario as scenarios
from scenario import assert_closed_in, eventually, unit_property

UNITS = ["aiko-backend*"]
ROOT = "/srv/aiko/backend"
# Another configuration of the same release: the origin's worker class, and a count for any machine.
OTHER = {"backend_worker_class": "sync", "backend_workers": "auto", "backend_environment_extra": {"LOG_LEVEL": "WARNING"}}
PROBES = ("/health", "/health/live", "/health/ready", "/health/detailed")


@pytest.fixture
def get(host):
    """The status and body of a path, asked for on the host itself; 0 when nobody answers."""

    def ask(path: str) -> tuple[int, str]:
        script = (
            "import http.client as h; c = h.HTTPConnection('127.0.0.1', 5000, timeout=15); "
            f"c.request('GET', '{path}'); r = c.getresponse(); print(r.status); print(r.read().decode())"
        )
        done = host.run("python3 -c %s", script)
        status, _, body = done.stdout.partition("\n")
        return (int(status), body) if done.rc == 0 else (0, done.stderr)

    return ask


def status(host) -> dict:
    return json.loads(host.check_output("aiko-release status"))


def unit(host) -> str:
    return f"aiko-backend@{status(host)['slot']}.service"


def process(host) -> str:
    return scenarios.process(host, unit(host))


def workers(host) -> list[str]:
    return host.run(f"pgrep --parent {process(host)}").stdout.split()


@pytest.fixture
def copy(scenario, tmp_path):
    """A copy of the application's source that a test may break; returns its directory."""
    return shutil.copytree(scenario.project / "app/backend", tmp_path / "app", ignore=shutil.ignore_patterns(".*", "__pycache__", "tests"))


@pytest.mark.ledger("BE1")
def test_processes_as_asked(host):
    """Four workers and their master: fewer waste the machine, more waste the database's connections."""
    assert len(workers(host)) == 4
    arguments = host.check_output(f"tr '\\0' ' ' < /proc/{process(host)}/cmdline")
    for part in ("--workers 4", "--timeout 300", "--keep-alive 5", "--worker-class gthread"):
        assert part in arguments


@pytest.mark.ledger("BE1", "NX1")
def test_systemd_holds_the_socket(host):
    """Only so can one release take over from another without a moment in which nobody listens."""
    listening = [line for line in host.check_output("ss -ltnpH").splitlines() if ":5000 " in line]
    assert '"systemd",pid=1' in "".join(line for line in listening if "127.0.0.1:5000" in line)
    # What containers of this host need is not for others.
    assert {line.split()[3] for line in listening} <= {"127.0.0.1:5000", "10.89.61.1:5000"}


@pytest.mark.ledger("BE1")
def test_health_while_long_calls_run(host, get):
    """Slow uploads must not make the monitor restart the site. Fewer than one worker has threads: all may meet the same."""
    script = (
        "import socket, time, http.client as h\n"
        "held = []\n"
        "for _ in range(3):\n"
        "    s = socket.create_connection(('127.0.0.1', 5000)); held.append(s)\n"
        "    s.sendall(b'POST /api/auth/login HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: application/json\\r\\n')\n"
        "    s.sendall(b'Content-Length: 99\\r\\n\\r\\n{')\n"
        "worst = 0\n"
        "for _ in range(20):\n"
        "    b = time.monotonic(); c = h.HTTPConnection('127.0.0.1', 5000, timeout=20); c.request('GET', '/health')\n"
        "    assert c.getresponse().status == 200; worst = max(worst, time.monotonic() - b)\n"
        "print(worst)\n"
    )
    assert float(host.check_output("python3 -c %s", script)) < 1


@pytest.mark.ledger("BE2")
@pytest.mark.parametrize("path", PROBES)
def test_probes_are_green(get, path):
    """Each asks another question; with everything there all say yes."""
    assert get(path)[0] == 200


@pytest.mark.ledger("BE2")
def test_probes_tell_what_is_missing(host, get):
    """A probe that is red when a cache is away takes the site down; one that is green without a database hides it."""
    database = host.check_output("systemctl list-units --plain --no-legend 'postgresql@*' | cut -d' ' -f1")
    expected = {
        "redis-server@cache": {"/health": 200, "/health/live": 200, "/health/ready": 200, "/health/detailed": 503},
        database: {"/health": 200, "/health/live": 200, "/health/ready": 503, "/health/detailed": 503},
    }
    for stopped, statuses in expected.items():
        host.check_output(f"systemctl stop {stopped}")
        try:
            for path, code in statuses.items():
                eventually(lambda path=path, code=code: get(path)[0] == code, f"{path} is {code} without {stopped}", 10)
        finally:
            host.check_output(f"systemctl start {stopped}")
        eventually(lambda: get("/health/detailed")[0] == 200, f"all is well again with {stopped}")


@pytest.mark.any_runtime
@pytest.mark.ledger("BE3")
def test_metrics_count_across_workers(get):
    """Each worker counts for itself; a scrape that reaches one of four would show a quarter, and jump."""
    pattern = re.compile(r'^http_request_total\{[^}]*route="/api/openapi.json"[^}]*\} ([\d.e+]+)$', re.M)

    def total() -> float:
        return sum(float(value) for value in pattern.findall(get("/metrics")[1]))

    before = total()
    for _ in range(24):
        assert get("/api/openapi.json")[0] == 200
    assert total() - before == 24


@pytest.mark.any_runtime
@pytest.mark.ledger("BE3")
def test_metrics_say_how_the_service_is(host, get):
    """An exception that nobody counts is one that nobody looks for; memory and processor show a leak before it hurts."""
    database = host.check_output("systemctl list-units --plain --no-legend 'postgresql@*' | cut -d' ' -f1")
    login = (
        "import http.client as h; c = h.HTTPConnection('127.0.0.1', 5000, timeout=30); "
        'body = \'{"email": "a@example.com", "password": "0123456789abc"}\'; '
        "c.request('POST', '/api/auth/login', body, {'Content-Type': 'application/json'}); "
        "print(c.getresponse().status)"
    )
    host.check_output(f"systemctl stop {database}")
    try:
        assert host.check_output("python3 -c %s", login) == "503"
    finally:
        host.check_output(f"systemctl start {database}")
    text = get("/metrics")[1]
    for name in (
        "http_request_duration_seconds_bucket", "http_request_exceptions_total",
        "process_cpu_seconds_total", "process_resident_memory_bytes",
    ):  # fmt: skip
        assert re.search(rf"^{name}.* (?!0(\.0)?$)\d", text, re.M), f"{name} is missing, or nothing"


@pytest.mark.ledger("SY4")
def test_service_is_confined(host):
    """An application that reads files of strangers will one day run their code; it must find nothing to do."""
    for pid in (process(host), *workers(host)):
        text = host.check_output(f"cat /proc/{pid}/status")
        assert "CapEff:\t0000000000000000" in text
        assert "NoNewPrivs:\t1" in text
        assert host.check_output(f"stat --format %U /proc/{pid}") == "aiko-backend"
    assert_closed_in(host, unit(host))
    assert int(unit_property(host, unit(host), "MemoryMax")) == 2 * 2**30
    assert host.check_output("getent passwd aiko-backend").endswith("/usr/sbin/nologin")


@pytest.mark.ledger("SY4")
def test_service_cannot_change_its_own_code(host):
    """Otherwise whoever breaks in once stays for ever."""
    for place in (f"{ROOT}/current/aiko/wsgi.py", "/etc/aiko/backend.env", "/usr/local/sbin/aiko-run"):
        assert host.run(f"runuser -u aiko-backend -- test -w {place}").rc != 0, place
    assert "Read-only" in host.run("aiko-run python -c \"open('/srv/aiko/x', 'w')\"").stderr


@pytest.mark.ledger("SY3")
def test_secrets_are_where_only_the_service_sees_them(host, secrets):
    """A secret in a unit file, a process list, the journal or a readable file is a secret of every account here."""
    host.check_output("aiko-run python -m aiko.check")
    assert len(secrets) >= 4 and all(re.fullmatch(r"[0-9a-f]{64}", value) for value in secrets.values())
    # From the host's own files: given as an argument, they would be in the process list by the search itself.
    host.check_output("for file in /etc/aiko/credentials/*; do cat $file; echo; done > /run/patterns; chmod 600 /run/patterns")
    assert set(host.check_output("cat /run/patterns").split()) == set(secrets.values())
    for place in (
        "cat /etc/systemd/system/aiko-* /etc/containers/systemd/* /run/systemd/generator/* /run/systemd/transient/* 2>/dev/null",
        "systemctl show 'aiko-*'", "ps -e -ww -o args",
        "cat /proc/[0-9]*/environ 2>/dev/null", "journalctl --namespace='*' --no-pager --output=json",
        "cat /etc/aiko/backend.env /etc/aiko/backend.json",
    ):  # fmt: skip
        found = host.run(
            f"({place}) > /run/searched; grep --count --text --fixed-strings --file=/run/patterns /run/searched; rm /run/searched"
        )
        assert found.stdout.strip() == "0", place
    stranger = "runuser -u nobody -- grep -rlsF --file=/dev/stdin /etc /srv /run /var/lib /var/log /usr/local /tmp /dev/shm < /run/patterns"
    assert host.run(stranger).stdout == ""


@pytest.mark.ledger("BE6")
def test_missing_secret_is_named_and_the_old_one_serves_on(host, get, secrets, converge):
    """`500` an hour after the deploy is what a missing variable usually looks like."""
    before = process(host)
    known = {
        "POSTGRES_PASSWORD": secrets["postgresql_password"],
        "REDIS_PASSWORD": secrets["redis_password"],
        "SECRET_KEY": secrets["secret_key"],
    }
    converge({"backend_secrets_default": known}).refused("JWT_SECRET_KEY", "python -m aiko.check")
    assert process(host) == before
    assert get("/health/ready")[0] == 200
    converge({}).succeeded()


@pytest.mark.any_runtime
@pytest.mark.ledger("BE6", "SY3")
def test_empty_secret_is_refused(converge):
    """An empty signing key signs for everybody."""
    converge({"backend_secrets_extra": {"SECRET_KEY": ""}}).refused("SECRET_KEY is empty")


@pytest.mark.ledger("OP3", "BE1", "BE5", "BE6")
def test_switch_loses_no_request(host, scenario, converge):
    """Deploying in the middle of the day is the point of all this; a request that is under way is answered too."""
    for name in ("hammer", "slow"):
        text = (scenario.directory / f"files/{name}.py").read_text()
        host.check_output(f"cat > /run/{name}.py <<'END'\n{text}\nEND")
    host.check_output("echo kept > /var/lib/aiko/uploads/kept; rm -f /run/hammer.stop /run/slow.go")
    before = status(host)
    for name, arguments in (("hammer", ""), ("slow", "/run/slow.begun")):
        host.check_output(
            f"systemd-run --quiet --unit={name} --property=StandardOutput=truncate:/run/{name}.out python3 /run/{name}.py {arguments}"
        )
    eventually(lambda: host.file("/run/slow.begun").exists, "a slow request is under way")
    plays = []
    deploy = threading.Thread(target=lambda: plays.append(converge(OTHER)))
    deploy.start()
    try:
        eventually(lambda: status(host)["slot"] not in (None, before["slot"]), "the other slot serves", 90, every=0.5)
    finally:
        host.check_output("touch /run/slow.go")
        deploy.join()
    host.check_output("touch /run/hammer.stop")
    plays[0].succeeded()
    eventually(lambda: host.file("/run/hammer.out").size > 0, "the load generator reports")
    told = json.loads(host.file("/run/hammer.out").content_string)
    assert told["asked"] > 200
    assert told["bad"] == []
    assert " 401 " in host.file("/run/slow.out").content_string, "the slow request must get its answer"
    after = status(host)
    assert (after["serving"], after["slot"]) == (before["serving"], "green" if before["slot"] == "blue" else "blue")
    assert not host.service(f"aiko-backend@{before['slot']}").is_running
    assert not host.file(f"/etc/systemd/system/aiko-backend.service.wants/aiko-backend@{before['slot']}.service").exists
    assert host.file("/var/lib/aiko/uploads/kept").content_string == "kept\n"
    eventually(lambda: len(workers(host)) == 2 * int(host.check_output("nproc")) + 1, "2 x cores + 1 workers")
    assert "--worker-class sync" in host.check_output(f"tr '\\0' ' ' < /proc/{process(host)}/cmdline")
    converge({}).succeeded()


@pytest.mark.any_runtime
@pytest.mark.ledger("OP3")
def test_release_whose_migration_fails_never_serves(host, get, copy, converge):
    """The database stays as it was and so does the site; the message is what the operator needs at that moment."""
    before, pid = status(host), process(host)
    (copy / "migrations/versions/0099_broken.py").write_text(
        'revision = "0099"\ndown_revision = "0001"\n\n\ndef upgrade():\n    raise RuntimeError("the migration of the test is broken")\n'
    )
    converge({"backend_source": str(copy)}).refused("the migration of the test is broken", "alembic upgrade head")
    after = status(host)
    assert (after["current"], after["serving"]) == (before["current"], before["serving"])
    assert process(host) == pid
    assert get("/health/ready")[0] == 200


@pytest.mark.ledger("OP3")
def test_release_that_does_not_get_healthy_never_serves(host, get, copy, converge):
    """It is tried on a private socket; no visitor ever meets it."""
    before, pid = status(host), process(host)
    with (copy / "aiko/wsgi.py").open("a") as stream:
        stream.write('\nraise RuntimeError("this release cannot start")\n')
    converge({"backend_source": str(copy)}).refused("did not become healthy", "What served before serves on", "this release cannot start")
    assert status(host)["serving"] == before["serving"]
    assert process(host) == pid
    assert get("/health/ready")[0] == 200
    assert host.check_output("systemctl --failed --plain --no-legend") == ""
    assert converge({}).succeeded().changed == 0, "the good source is still what serves"


@pytest.mark.ledger("OP4")
def test_old_releases_go_and_the_serving_one_stays(host):
    """Disks fill slowly; and the one that serves must survive even if it is the oldest."""
    for number in range(1, 6):
        host.check_output(f"mkdir -p {ROOT}/releases/fake{number}; touch --date='+{number} hours' {ROOT}/releases/fake{number}/.complete")
    host.check_output("aiko-release prune")
    kept = set(host.check_output(f"ls {ROOT}/releases").split())
    assert {"fake5", "fake4", "fake3", status(host)["serving"]} <= kept
    assert not {"fake1", "fake2"} & kept
    host.check_output(f"rm -r {ROOT}/releases/fake*")


@pytest.mark.ledger("OP6")
def test_killed_service_and_rebooted_host_come_back(host, host_name, get, scenario):
    """Nobody is there at night."""
    serving = unit(host)
    before = scenarios.process(host, serving)
    host.check_output(f"kill -9 {before}")
    eventually(lambda: scenarios.process(host, serving) != before and get("/health/ready")[0] == 200, "the service comes back")
    scenario.lab("reboot", host_name)
    eventually(lambda: get("/health/ready")[0] == 200, "the service is back after a reboot", 60, every=0.5)
    assert len([slot for slot in ("blue", "green") if host.service(f"aiko-backend@{slot}").is_running]) == 1


@pytest.mark.ledger("BE7")
def test_another_application_by_variables_alone(host, host_name, get, scenario):
    """What is built for one application only is a script; the platform must carry the next one too."""
    book = scenario.directory / "other_app.yml"
    scenario.play(book, {}, f"--limit={host_name}").succeeded()
    assert json.loads(get("/ping")[1]) == {"app": "notes", "colour": "green", "migrated": True}
    assert json.loads(get("/double/21")[1]) == {"result": 42}, "the worker of the other application does its task"
    assert get("/api/openapi.json")[0] == 404
    assert scenario.play(book, {}, f"--limit={host_name}").succeeded().changed == 0
