"""The whole platform as containers on one host, through site.yml, and what changes when its run mode does."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import time
import uuid

import pytest
from scenario import eventually

from tests.conformance.conftest import Site, platform_address

UNITS = ["aiko-*", "nginx", "postgresql@*", "redis-server@*", "prometheus*"]
# What is about the machine itself, and what is no service.
NATIVE = {"prometheus-node-exporter.service"}
EXPECTED = {
    "aiko-backend", "aiko-frontend", "aiko-worker-ai", "aiko-worker-default", "aiko-worker-priority", "aiko-beat", "postgres", "redis",
    "redis-queue", "nginx", "prometheus", "alertmanager", "postgres-exporter", "redis-exporter", "nginx-exporter", "blackbox-exporter",
}  # fmt: skip
TABLES = (
    "SELECT string_agg(md5(query_to_xml(format('SELECT * FROM %I.%I ORDER BY 1', schemaname, tablename), true, true, '')::text), ',' "
    "ORDER BY schemaname, tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('heartbeats', 'probe_effects')"
)


def containers(host) -> dict[str, dict]:
    """What Podman says of every running container, by name without its slot."""
    found = json.loads(host.check_output("podman inspect $(podman ps --quiet)") or "[]")
    return {one["Name"].removesuffix("-blue").removesuffix("-green"): one for one in found}


def ready(host) -> bool:
    script = "import urllib.request as u; u.urlopen('http://127.0.0.1:5000/health/detailed', timeout=10)"
    return host.run("python3 -c %s", script).rc == 0 and "pong" in host.run("aiko-celery inspect ping --timeout 3").stdout


@dataclasses.dataclass
class Away:
    """For how many seconds of a time a page gave no good answer, and how long that time was."""

    page: str
    seconds: float = 0
    of: float = 0


@contextlib.contextmanager
def away(site, token: str, page: str):
    """Ask for a page all the time."""
    # One connection that is lost in the change must not count for more than a visitor would wait.
    asked = Site(site.address, site.domain, timeout=3)
    found, over = Away(page), threading.Event()

    def ask() -> None:
        begin = last = time.monotonic()
        while not over.is_set():
            try:
                good = asked.ask("GET", page, token=token).status == 200
            except OSError:
                good = False
            now = time.monotonic()
            found.seconds += 0 if good else now - last
            found.of, last = now - begin, now
            over.wait(0.3)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield found
    finally:
        over.set()
        asking.join()


def record(scenario, mode: str, found: list[Away]) -> None:
    """Keep how long visitors had to wait."""
    path = scenario.project / "artefacts/switching.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.parent.mkdir(exist_ok=True)
    figures = {one.page: f"{one.seconds:.1f} of {one.of:.0f} s" for one in found}
    path.write_text(json.dumps({**known, f"to {mode}": figures}, indent=1) + "\n")


@pytest.mark.ledger("SY1")
def test_every_service_is_a_container_of_systemd(host):
    """One that runs beside systemd is in no log, no dependency and no reboot."""
    found = containers(host)
    assert set(found) == EXPECTED
    for name, one in found.items():
        unit = one["Config"]["Labels"]["PODMAN_SYSTEMD_UNIT"]
        assert host.check_output("systemctl is-active %s", unit) == "active", name
        assert list(one["NetworkSettings"]["Networks"]) == ["smart-system-network"], name


@pytest.mark.ledger("SY4")
def test_no_container_may_do_more_than_it_must(host):
    """Read from the kernel and from the mounts of what runs, not from what was asked for."""
    for name, one in containers(host).items():
        lines = host.check_output(f"cat /proc/{one['State']['Pid']}/status").splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, name
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", name
        assert "0" not in status["Uid"].split(), name
        root = next(line for line in host.check_output(f"cat /proc/{one['State']['Pid']}/mounts").splitlines() if line.split()[1] == "/")
        assert "ro" in root.split()[3].split(","), name
        writable = {mount["Destination"] for mount in one["Mounts"] if mount["RW"]}
        assert not {"/", "/etc", "/usr", "/var", "/run", "/srv"} & writable, name
        unit = one["Config"]["Labels"]["PODMAN_SYSTEMD_UNIT"]
        # What stores data bounds itself: to be killed for a page too many would cost more than it saves.
        bound = host.check_output("systemctl show --value --property=MemoryMax %s", unit)
        assert (bound == "infinity") == (name in ("postgres", "redis", "redis-queue")), name


@pytest.mark.ledger("SY4")
def test_what_the_operator_gives_to_a_service_holds_for_its_container(host):
    """Read where the kernel looks: the container has to be in the control group of its unit, not beside it."""
    group = host.check_output("cat /proc/$(podman inspect aiko-worker-ai --format '{{.State.Pid}}')/cgroup").partition("::")[2].strip()
    assert "/aiko-worker@ai.service/" in group
    assert host.check_output("systemctl show --value --property=CPUQuotaPerSecUSec aiko-worker@ai") == "1.500000s"


@pytest.mark.ledger("SY4")
def test_what_is_built_has_no_compiler(host):
    """A workshop beside a service is one for whoever breaks in."""
    for name in ("backend", "frontend"):
        look = f"podman run --rm --pull=never --network=none --entrypoint=sh localhost/aiko/{name}:current -c"
        found = host.run(f"{look} 'command -v gcc cc make pip npm apt-get curl || true'").stdout.split()
        assert not set(found) - {"/usr/bin/apt-get"}, found
        assert host.check_output(f"{look} 'id -u'") != "0"
        bill = json.loads(host.check_output(f"aiko-sbom localhost/aiko/{name}:current"))
        kinds = {one["purl"].split("/")[0] for one in bill["components"]}
        assert {"pkg:deb", "pkg:pypi" if name == "backend" else "pkg:npm"} <= kinds


@pytest.mark.ledger("SY1")
def test_services_find_each_other_by_name_in_containers(host):
    """One configuration serves both run modes only if the names do."""
    for name in ("postgres", "redis", "redis-queue", "backend", "frontend", "prometheus"):
        assert host.check_output(f"podman exec nginx getent hosts {name}").split()[0] == "10.89.61.1"


@pytest.mark.ledger("OP1")
def test_a_backup_of_containers_is_made_and_proved(host):
    """By the timers' own units, with all that these may not do."""
    host.check_output("systemctl start aiko-backup aiko-backup-drill")
    assert "proven 2" in host.check_output("aiko-backup list").splitlines()[-1]
    writes = [mount["Source"] for mount in containers(host)["postgres"]["Mounts"] if mount["RW"]]
    assert sorted(writes) == ["/run/postgresql", "/var/lib/aiko-backup/pgbackrest", "/var/lib/postgresql"]
    # The host's own Redis is there for its programs.
    assert host.run("systemctl is-enabled redis-server").stdout.strip() == "disabled"


@pytest.mark.ledger("OP6", "PG6", "RD3")
def test_everything_is_back_after_a_reboot(scenario, host):
    """A power cut at night must not need a person."""
    scenario.lab("reboot", scenario.names[0])
    eventually(lambda: ready(host), "all services are healthy", 120, every=0.5)
    eventually(lambda: set(containers(host)) == EXPECTED, "all containers run", 60, every=0.5)
    assert host.check_output("systemctl --failed --plain --no-legend") == ""


@pytest.mark.ledger("SY1", "PG6", "RD3")
def test_switching_to_packages_and_back_keeps_the_data(scenario, host, converge):
    """An operator who tries the one must be able to go back to the other; nothing that somebody wrote may be lost."""
    site = Site(platform_address(host), "aiko.test")
    person = {"email": f"{uuid.uuid4().hex}@example.com", "password": f"correct-horse-{uuid.uuid4().hex}"}
    assert site.patient("POST", "/api/auth/register", body={**person, "name": "Ada"}).status == 201
    host.check_output("aiko-redis queue SET kept-across-modes yes; echo kept > /var/lib/aiko/uploads/kept")
    tables = f"cd / && runuser -u postgres -- psql -XtA -d systeme_intelligent -c \"{TABLES}\""
    before = host.check_output(tables)
    assert before
    token = site.patient("POST", "/api/auth/login", body=person).json["access_token"]
    for mode, running in (("native", False), ("container", True)):
        # The one asks nobody, the other the database and Redis.
        with away(site, token, "/health") as door, away(site, token, "/api/documents") as data:
            converge({"aiko_runtime": mode}).succeeded()
        record(scenario, mode, [door, data])
        # Each service is away while it changes. One that others do not find until they have changed as well is away for half the run.
        assert all(found.seconds < found.of / 4 for found in (door, data)), (mode, door, data)
        eventually(lambda: ready(host), f"the site is well, {mode}", 60, every=0.5)
        assert (set(containers(host)) == EXPECTED) if running else (host.run("podman ps --quiet").stdout == ""), mode
        assert host.check_output("systemctl --failed --plain --no-legend") == "", mode
        assert host.check_output(tables) == before, mode
        assert host.check_output("aiko-redis queue GET kept-across-modes") == "yes", mode
        assert host.check_output("cat /var/lib/aiko/uploads/kept") == "kept", mode
        assert site.patient("POST", "/api/auth/login", body=person).status == 200, mode
        # What archives is another program now, and the repository the same.
        assert host.check_output("aiko-backup run")
        quadlets = host.run("ls /etc/containers/systemd/*.container").stdout.split()
        assert bool(quadlets) == running, quadlets
