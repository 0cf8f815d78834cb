"""The roles' templates, rendered by config_tree from the shared wiring, for a site on one host and one on two."""

import concurrent.futures
import json
import pathlib
import re
import subprocess

import pytest
import yaml

from tests.unit.support import ROOT, everything_on, inventory, local, playbook

ROLES = ("base", "certificates", "postgresql", "redis", "backend", "celery", "nginx", "exporters", "prometheus", "alertmanager")
SITE = "nginx/templates/etc/nginx/sites-enabled/aiko.conf.j2"
HBA, REDIS = "postgresql/templates/etc/postgresql/pg_hba.conf.j2", "redis/templates/etc/redis/redis.conf.j2"
SETTINGS = "postgresql/templates/etc/postgresql/aiko.conf.j2"
# Name of the rendered file to its template and to variables that differ from the wiring's.
FILES = {
    "prometheus": ("prometheus/templates/etc/prometheus/prometheus.yml.j2", {}),
    "prometheus-alone": ("prometheus/templates/etc/prometheus/prometheus.yml.j2", {
        "prometheus_alertmanagers": [], "prometheus_scrape_interval": "2s", "prometheus_scrape_jobs_extra": [{"job_name": "mine"}]}),
    "prometheus-web": ("prometheus/templates/etc/prometheus/web.yml.j2", {}),
    "blackbox": ("exporters/templates/etc/prometheus/blackbox.yml.j2", {}),
    "exporters-accounts": ("exporters/templates/etc/sysusers.d/exporters.conf.j2", {}),
    "alertmanager": ("alertmanager/templates/etc/prometheus/alertmanager.yml.j2", {}),
    "alertmanager-mail": ("alertmanager/templates/etc/prometheus/alertmanager.yml.j2", {
        "alertmanager_email_to": "ops@example.com", "alertmanager_smarthost": "smtp.example.com:587", "alertmanager_smtp_user": "ops",
        "alertmanager_webhook_url": "https://hooks.example.com/x", "alertmanager_watchdog_url": "https://dead.example.com/y",
        "alertmanager_settings": {"route": {"group_wait": "30s"}}}),
    "alertmanager-web": ("alertmanager/templates/etc/prometheus/alertmanager-web.yml.j2", {}),
    "logrotate": ("nginx/templates/etc/logrotate.d/nginx.j2", {}),
    "hosts": ("base/templates/etc/hosts.j2", {}),
    "sysctl": ("base/templates/etc/sysctl.d/60-aiko.conf.j2", {"base_sysctl_extra": {"vm.swappiness": 1, "net.core.somaxconn": 4096}}),
    "hugepages": ("base/templates/etc/tmpfiles.d/aiko-hugepages.conf.j2", {}),
    "hugepages-alone": ("base/templates/etc/tmpfiles.d/aiko-hugepages.conf.j2", {"base_transparent_hugepages": ""}),
    "journald": ("base/templates/etc/systemd/journald.conf.d/aiko.conf.j2", {}),
    "pg_hba": (HBA, {}),
    "postgresql": (SETTINGS, {}),
    "postgresql-listen": ("postgresql/templates/etc/postgresql/aiko-listen.conf.j2", {}),
    "postgresql-own": (SETTINGS, {"postgresql_settings": {"work_mem": "64MB", "wal_compression": None, "log_line_prefix": "it's %m"}}),
    "postgresql-auto": (SETTINGS, {"postgresql_sizing": "auto", "postgresql_memory_share": 1.0, "ansible_facts": {
        "memtotal_mb": 8192, "devices": {"sda": {"rotational": "1"}}}}),
    "redis-cache": (REDIS, {"redis_instance": "cache", "redis_data": "/var/lib/redis/cache"}),
    "redis-queue": (REDIS, {"redis_instance": "queue", "redis_data": "/var/lib/redis/queue"}),
    "redis-own": (REDIS, {
        "redis_instance": "cache", "redis_data": "/x", "redis_settings": {"maxmemory": "1gb", "tcp-keepalive": None}}),
    "aiko-redis": ("redis/templates/usr/local/sbin/aiko-redis.j2", {}),
    "aiko-redis-single": ("redis/templates/usr/local/sbin/aiko-redis.j2", {"redis_layout": "single"}),
    "aiko-run": ("backend/templates/usr/local/sbin/aiko-run.j2", {}),
    "aiko-celery": ("backend/templates/usr/local/sbin/aiko-celery.j2", {}),
    "nginx": ("nginx/templates/etc/nginx/nginx.conf.j2", {}),
    "proxy": ("nginx/templates/etc/nginx/aiko/proxy.conf.j2", {}),
    "headers-modern": ("nginx/templates/etc/nginx/aiko/headers.conf.j2", {}),
    "headers-seed": ("nginx/templates/etc/nginx/aiko/headers.conf.j2", {"nginx_headers_profile": "seed"}),
    "site": (SITE, {}),
    "site-frontends": (SITE, {
        "nginx_frontends": ["192.0.2.7:3000"], "nginx_backends": ["192.0.2.8:5000", "192.0.2.9:5000"], "nginx_https_port": 8443,
        "nginx_trusted_proxies": ["198.51.100.0/24"], "nginx_aliases": ["www.example.com"]}),
}
CONTENTS = {
    "backend.env": "{{ __backend_environment | environment_file }}",
    "workers.json": "{{ __celery_environments | to_json }}",
    "units.json": "{{ __exporters_services | exporter_units(exporters_enabled, exporters_address) | to_json }}",
    "exporters-absent.json": "{{ __exporters_absent | to_json }}",
    "credentials.json": "{{ __backend_secrets | credential_files | map(attribute='path') | to_json }}",
}


def render(place: pathlib.Path, hosts: dict, groups: dict) -> pathlib.Path:
    """Render everything for every host, with defaults below the wiring and the roles' own variables above, as in a role."""
    directory = inventory(place / "inventory", hosts, groups)
    for role in ROLES:
        (directory / "group_vars/all" / f"00-0-{role}.yml").symlink_to(ROOT / "roles" / role / "defaults" / "main.yml")
    templates = [{"path": name, "template": str(ROOT / "roles" / template), "vars": given} for name, (template, given) in FILES.items()]
    variables = [path for role in ROLES for path in sorted((ROOT / "roles" / role / "vars").glob("*.yml")) if path.stem != "container"]
    files = templates + [{"path": name, "content": content, "secret": True} for name, content in CONTENTS.items()]
    account = {"owner": "{{ lookup('pipe', 'id -un') }}", "group": "{{ lookup('pipe', 'id -gn') }}"}
    play = {
        "hosts": "all", "gather_facts": False, "become": False,
        "vars_files": [str(path) for path in variables],
        "tasks": [{"name": "Render", "config_tree": {**account, "below": f"{place}/{{{{ inventory_hostname }}}}", "files": files}}],
    }
    (place / "play.yml").write_text(yaml.safe_dump([play]))
    done = playbook(place, "-i", str(directory), str(place / "play.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@pytest.fixture(scope="module")
def sites(tmp_path_factory) -> dict[str, pathlib.Path]:
    """One host that runs everything; and two, of which one has the data."""
    one = {"one": local(aiko_address="192.0.2.1")}
    two = {"data": local(aiko_address="192.0.2.1"), "app": local(aiko_address="192.0.2.2")}
    wanted = [
        (tmp_path_factory.mktemp("one"), one, everything_on("one")),
        (tmp_path_factory.mktemp("two"), two, everything_on("data", backend=["app"], worker=["app"], scheduler=["app"], proxy=["app"],
                                                             monitoring=["app"])),
    ]
    with concurrent.futures.ThreadPoolExecutor() as both:
        return dict(zip(("one", "two"), both.map(lambda arguments: render(*arguments), wanted), strict=True))


@pytest.fixture
def one(sites):
    """Text of a file of the only host."""
    return lambda name: (sites["one"] / "one" / name).read_text()


@pytest.fixture
def two(sites):
    """Text of a file of a host of the site on two."""
    return lambda host, name: (sites["two"] / host / name).read_text()


def body(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def settings(text: str) -> dict[str, str]:
    """Lines of `name value` or `name = 'value'`."""
    return {name: value.removeprefix("= ").strip("'") for name, _, value in (line.partition(" ") for line in body(text))}


@pytest.mark.parametrize("name", FILES)
def test_every_file_says_where_it_comes_from(one, name):
    """Whoever edits it on the host must learn that the next run takes the change away, and where to make it instead."""
    head = one(name).splitlines()[:4]
    template = FILES[name][0]
    assert any(line.startswith("# Ansible managed: roles/" + template) for line in head), head


@pytest.mark.parametrize("name", [*FILES, *CONTENTS])
def test_nothing_is_left_unrendered_and_nothing_is_python(one, name):
    """`None`, `True` or a brace in a configuration file is a template that was wrong."""
    text = "\n".join(body(one(name)))
    assert not re.search(r"\{\{|\{%|\bNone\b|\bTrue\b|\bFalse\b|Undefined", text)
    assert one(name).endswith("\n") or name in CONTENTS


def test_one_host_lets_nobody_in_from_elsewhere(one):
    """Its clients are local: an address in pg_hba would be a door without a purpose."""
    lines = body(one("pg_hba"))
    remote = [line for line in lines if line.split()[0] != "local" and not re.search(r" (127\.0\.0\.1/32|::1/128) ", line)]
    assert all(line.endswith(" reject") for line in remote), remote
    listen, server = settings(one("postgresql-listen")), settings(one("postgresql"))
    assert listen["listen_addresses"] == "127.0.0.1"
    assert server["ssl"] == "off"
    assert "ssl_key_file" not in server


def test_two_hosts_meet_over_tls_only(two):
    """The application's host, for the application's user and database, with a password that never crosses in clear."""
    lines = body(two("data", "pg_hba"))
    remote = [line for line in lines if line.split()[0] != "local" and not re.search(r" (127\.0\.0\.1/32|::1/128) ", line)]
    accepted = [line for line in remote if not line.endswith(" reject")]
    assert accepted == ["hostssl systeme_intelligent smart_user 192.0.2.2/32 scram-sha-256"]
    listen, server = settings(two("data", "postgresql-listen")), settings(two("data", "postgresql"))
    assert listen["listen_addresses"] == "127.0.0.1,192.0.2.1"
    assert (server["ssl"], server["ssl_key_file"]) == ("on", "/etc/aiko/tls/postgres.key")
    assert "sslmode=verify-full&sslrootcert=/etc/aiko/tls/postgres-server.crt" in two("app", "backend.env")


@pytest.mark.parametrize("host", ["data", "app"])
def test_access_rules_trust_nobody(two, host):
    """`trust` and `md5` are one careless line away; and the first line that matches decides."""
    lines = [line.split() for line in body(two(host, "pg_hba"))]
    assert {line[-1] for line in lines} <= {"peer", "scram-sha-256", "reject"}
    assert [line[-1] for line in lines if line[0] == "local" and line[2] == "postgres"] == ["peer"]
    assert not [line for line in lines if "0.0.0.0/0" in line or "::/0" in line]


def test_postgresql_has_the_sizes_that_were_asked_for(one):
    """The seed's four settings by default; what the operator states goes before both; auto follows the host and its disks."""
    server = settings(one("postgresql"))
    seed = {"shared_buffers": "256MB", "effective_cache_size": "1GB", "work_mem": "4MB", "max_connections": "100"}
    assert {name: server[name] for name in seed} == seed
    assert server["password_encryption"] == "scram-sha-256"
    own = settings(one("postgresql-own"))
    assert (own["work_mem"], own["shared_buffers"], own["log_line_prefix"]) == ("64MB", "256MB", "it''s %m")
    assert "wal_compression" in server
    assert "wal_compression" not in own
    auto = settings(one("postgresql-auto"))
    assert (auto["shared_buffers"], auto["effective_cache_size"], auto["random_page_cost"]) == ("2048MB", "6144MB", "4")


def test_redis_forgets_in_the_cache_and_never_in_the_queue(one):
    """An evicted key of the queue is a lost task, a lost session, a limit that starts anew."""
    cache, queue = settings(one("redis-cache")), settings(one("redis-queue"))
    assert (cache["port"], cache["maxmemory"], cache["maxmemory-policy"], cache["dir"]) == (
        "6379", "256mb", "allkeys-lru", "/var/lib/redis/cache")
    assert (queue["port"], queue["maxmemory-policy"], queue["dir"]) == ("6380", "noeviction", "/var/lib/redis/queue")
    for instance in (cache, queue):
        assert re.fullmatch("[0-9a-f]{64}", instance["requirepass"])
        assert (instance["appendonly"], instance["appendfsync"], instance["protected-mode"]) == ("yes", "everysec", "yes")
        assert instance["save"] == '""'
    own = settings(one("redis-own"))
    assert own["maxmemory"] == "1gb"
    assert "tcp-keepalive" not in own


def test_redis_listens_where_its_clients_are(one, two):
    """On two hosts the platform's address too, and no other."""
    assert settings(one("redis-cache"))["bind"] == "127.0.0.1"
    assert settings(two("data", "redis-queue"))["bind"] == "127.0.0.1 192.0.2.1"


def test_one_password_in_both_files_of_the_site(two):
    """Every host templates the same secret; a second one would lock the application out."""
    assert len({settings(two(host, "redis-cache"))["requirepass"] for host in ("data", "app")}) == 1


def test_the_environment_has_references_and_no_secrets(one, two):
    """backend.env may be read by the application's group; the passwords travel as credentials."""
    password = settings(one("redis-cache"))["requirepass"]
    environment = dict(line.split("=", 1) for line in body(one("backend.env")))
    assert password not in one("backend.env")
    assert environment["DATABASE_URL"] == "postgresql+psycopg2://smart_user@postgres:5432/systeme_intelligent"
    assert environment["REDIS_URL"] == "redis://redis:6379/0"
    durable = [environment[name] for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "SESSION_REDIS_URL", "RATELIMIT_STORAGE_URI")]
    assert durable == [f"redis://redis-queue:6380/{number}" for number in range(4)]
    names = {pathlib.PurePath(path).name for path in json.loads(one("credentials.json"))}
    assert names == {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "SECRET_KEY", "JWT_SECRET_KEY"}
    assert {"FLASK_ENV", "POSTGRES_DB", "POSTGRES_USER", "CORS_ORIGINS"} <= set(environment)


def test_each_pool_has_its_environment(one):
    """Three pools, three files, and the smaller database pool of the workers."""
    files = {entry["path"]: body(entry["content"]) for entry in json.loads(one("workers.json"))}
    assert set(files) == {f"/etc/aiko/worker-{name}.env" for name in ("ai", "default", "priority")}
    assert {"QUEUES=ai_tasks", "CONCURRENCY=2", "DB_POOL_SIZE=2"} <= set(files["/etc/aiko/worker-ai.env"])


def test_services_are_called_by_name(one, two):
    """The same URLs on every host: only /etc/hosts knows where a service is."""
    assert "127.0.0.1 postgres redis redis-queue backend proxy prometheus alertmanager grafana" in body(one("hosts"))
    assert "192.0.2.1 postgres redis redis-queue data" in body(two("app", "hosts"))
    assert "192.0.2.2 backend proxy prometheus alertmanager grafana app" in body(two("data", "hosts"))
    assert body(two("app", "hosts")).count("127.0.0.1 localhost") == 1


def test_kernel_settings_compose(one):
    """An extra setting adds to the defaults or changes one; it never drops the others."""
    lines = body(one("sysctl"))
    assert {"vm.overcommit_memory = 1", "vm.swappiness = 1", "net.core.somaxconn = 4096"} <= set(lines)
    assert "net.core.somaxconn = 1024" not in lines
    assert body(one("hugepages")) == ["w /sys/kernel/mm/transparent_hugepage/enabled - - - - madvise"]
    assert body(one("hugepages-alone")) == []


@pytest.mark.parametrize("name", ["aiko-run", "aiko-celery", "aiko-redis", "aiko-redis-single"])
def test_operators_commands_are_shell(one, sites, name):
    """A syntax error would show itself when somebody needs the command most."""
    assert one(name).startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", str(sites["one"] / "one" / name)], check=True)
    assert settings(one("redis-cache"))["requirepass"] not in one(name)


def test_operators_commands_know_the_instances_and_credentials(one):
    """Without arguments of paths or ports; with one instance there is no second to name."""
    assert "6380" in one("aiko-redis")
    assert "6380" not in one("aiko-redis-single")
    assert "LoadCredential=SECRET_KEY:/etc/aiko/credentials/SECRET_KEY" in one("aiko-run")


def blocks(text: str) -> dict[str, list[str]]:
    """Directives of each `location` of a site, by what it matches."""
    found = {}
    for match in re.finditer(r"location ([^{]+?) \{([^{}]*)\}", re.sub(r"#.*|'[^'\n]*'", "", text)):
        found[match[1]] = [" ".join(line.split()) for line in match[2].split(";") if line.strip()]
    return found


@pytest.mark.parametrize("name", ["site", "site-frontends", "nginx"])
def test_braces_and_ends_are_in_balance(one, name):
    """What nginx would refuse first; the rest it says itself, in the role's scenario."""
    text = re.sub(r"#.*|'[^'\n]*'", "", one(name))
    assert text.count("{") == text.count("}")
    assert not [line for line in body(text) if not line.endswith((";", "{", "}")) and "log_format" not in line and line.strip("'; ")]


def test_a_site_without_a_frontend(one):
    """`/` is nginx's own page; an upstream without servers would keep nginx from starting."""
    text, found = one("site"), blocks(one("site"))
    assert "aiko_frontend" not in text
    assert "try_files $uri $uri/ =404" in found["/"]
    assert "server 127.0.0.1:5000 max_fails=0;" in text
    assert "set_real_ip_from" not in text


def test_a_site_with_frontends(one):
    """`/` and the frontend's own paths below /api go there; several backends take turns; only named proxies are believed."""
    text, found = one("site-frontends"), blocks(one("site-frontends"))
    assert found["/"] != ["proxy_pass http://aiko_backend"]
    assert "proxy_pass http://aiko_frontend" in found["/"]
    api, session = "limit_req zone=api_limit burst=20 nodelay", "limit_req zone=session_limit burst=10 nodelay"
    for path, limit in (("/api/health", []), ("/api/session", [api, session]), ("/api/bff", [api])):
        assert found[f"= {path}"] == found[f"{path}/"] == [*limit, "proxy_pass http://aiko_frontend"]
    assert {"proxy_pass http://aiko_frontend/_next/static/", "proxy_cache aiko_assets"} <= set(found["/_next/static/"])
    assert "error_page 502 503 504 /__maintenance" in found["/"]
    assert "server 192.0.2.9:5000 max_fails=2 fail_timeout=5s;" in text
    assert "set_real_ip_from 198.51.100.0/24;" in text
    assert "server_name aiko.example.com www.example.com;" in text
    assert "return 301 https://$host:8443$request_uri" in text


@pytest.mark.parametrize("name", ["site", "site-frontends"])
def test_the_door_has_its_rules_in_both(one, name):
    """Limits where they belong, nothing of the inside shown, no answer for other names, no old protocols."""
    text, found = one(name), blocks(one(name))
    assert found["/api/"] == ["limit_req zone=api_limit burst=20 nodelay", "proxy_pass http://aiko_backend"]
    assert found["/api/auth/"] == ["limit_req zone=auth_limit burst=10 nodelay", "proxy_pass http://aiko_backend"]
    assert found["= /health"] == ["proxy_pass http://aiko_backend"]
    assert found["/health/"] == found["/metrics"] == ["return 404"]
    assert "zone=api_limit:10m rate=10r/s;" in text
    assert "zone=auth_limit:10m rate=5r/s;" in text
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in text
    assert "return 444;" in text


def test_the_proxy_passes_on_no_claims_of_the_client(one):
    """A forged X-Forwarded-For would get around the rate limit and into the logs."""
    lines = body(one("proxy"))
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in lines
    assert "$proxy_add_x_forwarded_for" not in " ".join(lines)
    assert "proxy_read_timeout 300s;" in lines
    asked_again = [line for line in body(one("site-frontends")) if line.startswith("proxy_next_upstream ")]
    assert asked_again and not [line for line in asked_again if "non_idempotent" in line]


@pytest.mark.parametrize(("profile", "expected", "absent"), [
    ("modern", {"X-Frame-Options": "DENY", "X-XSS-Protection": "0", "Referrer-Policy": "strict-origin-when-cross-origin"}, []),
    ("seed", {"X-Frame-Options": "DENY", "X-XSS-Protection": "1; mode=block", "Referrer-Policy": "no-referrer-when-downgrade"},
     ["Content-Security-Policy"]),
])
def test_both_header_profiles(one, profile, expected, absent):
    """`always`, or an error page goes without; HSTS by its variable, since over http it must not be sent."""
    lines = body(one(f"headers-{profile}"))
    found = {match[1]: match[2] for match in (re.fullmatch(r'add_header (\S+) "?(.*?)"? always;', line) for line in lines)}
    assert len(found) == len(lines)
    assert {name: found.get(name) for name in expected} == expected
    assert found["X-Content-Type-Options"] == "nosniff"
    assert found["Strict-Transport-Security"] == "$aiko_hsts"
    assert not set(absent) & set(found)
    if profile == "modern":
        assert found["Content-Security-Policy"] == "$aiko_policy"


def test_a_policy_of_a_page_replaces_the_general_one(one):
    """Both would count, and the general one forbids what the page allows its own scripts."""
    assert re.search(r'map \$upstream_http_content_security_policy \$aiko_policy \{\s+"" "default-src \'self\';[^"]+";', one("site"))
    assert "proxy_hide_header Content-Security-Policy;" in body(one("proxy"))


def jobs(text: str) -> dict[str, list]:
    """Job to its targets: address and labels."""
    return {job["job_name"]: [(one["targets"][0], one["labels"]) for one in job.get("static_configs", [])]
            for job in yaml.safe_load(text)["scrape_configs"]}


def test_one_host_is_asked_over_loopback(one):
    """What stays on the host needs no door; labels are those of the inventory."""
    found = jobs(one("prometheus"))
    assert set(found) == {
        "alertmanager", "backend", "blackbox", "blackbox-site", "celery", "nginx", "node", "postgresql", "prometheus", "redis"}
    assert all(address.startswith("127.0.0.1:") for targets in found.values() for address, _ in targets)
    assert all(labels["instance"] == "one" and labels["environment"] == "test" for targets in found.values() for _, labels in targets)
    assert [(address, labels["pool"]) for address, labels in found["celery"]] == [
        ("127.0.0.1:9540", "ai"), ("127.0.0.1:9541", "default"), ("127.0.0.1:9542", "priority")]
    assert [(labels["store"], labels["__param_target"]) for _, labels in found["redis"]] == [
        ("cache", "redis://127.0.0.1:6379"), ("queue", "redis://127.0.0.1:6380")]
    assert found["blackbox-site"][0][1]["__param_target"] == "https://127.0.0.1:443/health"


def test_two_hosts_are_asked_where_they_are(two):
    """Each by the address that the others reach it at, and listening there: the same fact from both ends."""
    found = jobs(two("app", "prometheus"))
    assert {address for address, _ in found["node"]} == {"127.0.0.1:9100", "192.0.2.1:9100"}
    assert {labels["instance"]: address for address, labels in found["node"]} == {"app": "127.0.0.1:9100", "data": "192.0.2.1:9100"}
    assert [address for address, _ in found["postgresql"]] == ["192.0.2.1:9187"]
    assert {address for address, _ in found["redis"]} == {"192.0.2.1:9121"}
    units = json.loads(two("data", "units.json"))
    assert set(units) == {f"prometheus-{name}-exporter.service" for name in ("node", "postgres", "redis")}
    assert all("--web.listen-address=192.0.2.1:" in unit["Service"]["ExecStart"] for unit in units.values())
    own = json.loads(two("app", "units.json"))["prometheus-blackbox-exporter.service"]
    assert "--web.listen-address=127.0.0.1:9115" in own["Service"]["ExecStart"]


def test_files_of_exporters_that_left_go(one, two):
    """Redis moved to another host: its password must not stay where nobody needs it."""
    assert json.loads(one("exporters-absent.json")) == []
    assert sorted(json.loads(two("app", "exporters-absent.json"))) == [
        "/etc/prometheus/postgres-queries.yml", "/etc/prometheus/redis-passwords.json"]
    assert json.loads(two("data", "exporters-absent.json")) == ["/etc/prometheus/blackbox.yml"]


def test_a_host_in_no_group_is_not_watched(tmp_path):
    """Nothing of the platform is deployed there: asked for an exporter that nobody brought, it would be down for ever."""
    hosts = {"one": local(aiko_address="192.0.2.1"), "stranger": local(aiko_address="192.0.2.9")}
    place = render(tmp_path, hosts, everything_on("one"))
    assert [labels["instance"] for _, labels in jobs((place / "one/prometheus").read_text())["node"]] == ["one"]
    assert json.loads((place / "stranger/units.json").read_text()) == {}


def test_without_monitoring_nothing_is_added(tmp_path):
    """A platform that nobody watches has no exporters, no role for them and no door."""
    bare = render(tmp_path, {"one": local(aiko_address="192.0.2.1")}, everything_on("one", monitoring=[])) / "one"
    assert json.loads((bare / "units.json").read_text()) == {}
    assert "postgres-exporter" not in (bare / "pg_hba").read_text()
    assert "user" not in settings((bare / "redis-cache").read_text())
    assert "stub_status" not in (bare / "site").read_text()


def test_prometheus_asks_in_time(one):
    """A time-out longer than the interval is refused by Prometheus."""
    usual, alone = yaml.safe_load(one("prometheus")), yaml.safe_load(one("prometheus-alone"))
    assert (usual["global"]["scrape_interval"], usual["global"]["scrape_timeout"]) == ("15s", "10s")
    assert (alone["global"]["scrape_interval"], alone["global"]["scrape_timeout"]) == ("2s", "2s")
    assert "alerting" not in alone
    assert alone["scrape_configs"][-1] == {"job_name": "mine"}
    assert usual["alerting"]["alertmanagers"][0]["static_configs"] == [{"targets": ["127.0.0.1:9093"]}]


@pytest.mark.parametrize("name", ["prometheus-web", "alertmanager-web"])
def test_web_pages_know_a_hash(one, name):
    """The file is for the service alone, and even so does not hold the password."""
    (user, stored), = yaml.safe_load(one(name))["basic_auth_users"].items()
    assert user == "admin"
    assert re.fullmatch(r"\$2b\$10\$[./A-Za-z0-9]{53}", stored)
    assert yaml.safe_load(one("prometheus-web")) != yaml.safe_load(one("alertmanager-web"))


def test_redis_has_a_user_who_may_only_look(one):
    """Its password stands there as a hash; all but INFO is not for it."""
    rule = settings(one("redis-cache"))["user"].split()
    assert rule[:2] == ["monitor", "on"]
    assert re.fullmatch("#[0-9a-f]{64}", rule[2])
    assert rule[3:6] == ["resetkeys", "resetchannels", "-@all"]
    # SLOWLOG would show what the commands of others carried.
    assert set(rule[6:]) == {"+ping", "+info", "+client|setname"}


def test_postgresql_knows_who_watches_by_its_user(one):
    """By peer over the socket, and by no other way: the first line that matches decides."""
    lines = [line.split() for line in body(one("pg_hba")) if "postgres-exporter" in line]
    assert [(line[0], line[-1]) for line in lines] == [("local", "peer"), ("host", "reject")]


def test_receivers(one):
    """Nobody is told by default; otherwise all that was asked for, over TLS, with the password in a file."""
    bare, full = yaml.safe_load(one("alertmanager")), yaml.safe_load(one("alertmanager-mail"))
    assert [set(receiver) for receiver in bare["receivers"]] == [{"name"}, {"name"}, {"name"}]
    assert "smtp_smarthost" not in bare["global"]
    people, watchdog, nobody = full["receivers"]
    assert nobody == {"name": "nobody"}, "what only holds others back is sent to no one"
    assert people["email_configs"] == [{"to": "ops@example.com", "send_resolved": True}]
    assert people["webhook_configs"][0]["url"] == "https://hooks.example.com/x"
    assert watchdog["webhook_configs"][0]["url"] == "https://dead.example.com/y"
    assert full["global"]["smtp_require_tls"] is True
    assert full["global"]["smtp_auth_password_file"] == "/etc/prometheus/smtp-password"
    assert (bare["route"]["group_wait"], bare["route"]["group_interval"], bare["route"]["repeat_interval"]) == ("10s", "10m", "1h")
    assert (full["route"]["group_wait"], full["route"]["receiver"]) == ("30s", "people")


def test_the_watchdog_is_told_to_nobody_by_mail(one):
    """Its own route, before all others."""
    routes = yaml.safe_load(one("alertmanager-mail"))["route"]["routes"]
    assert [(route["receiver"], route["matchers"]) for route in routes] == [
        ("watchdog", ['alertname="Watchdog"']), ("nobody", ['severity="none"'])]


def test_a_self_signed_certificate_is_not_judged(one):
    """The operator's own is: exporters_blackbox_verify follows aiko_certificate_file."""
    assert yaml.safe_load(one("blackbox"))["modules"]["site"]["http"]["tls_config"] == {"insecure_skip_verify": True}
