"""The nginx role: the only way in."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import re
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from scenario import eventually, unit_property

UNITS = ["nginx", "echo-*"]
DOMAIN = "aiko.test"
STATUS = 8081
MODERN = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "x-xss-protection": "0",
    "referrer-policy": "strict-origin-when-cross-origin",
}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)


class Client:
    """Somebody outside. The host is found by its address, the site by its name; the certificate is checked."""

    def __init__(self, address: str, certificate: str):
        self.address = address
        self.context = ssl.create_default_context(cadata=certificate)

    def connection(self, scheme: str = "https", server_name: str = DOMAIN) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.address, 443 if scheme == "https" else 80, timeout=15)
        connection.connect()
        if scheme == "https":
            connection.sock = self.context.wrap_socket(connection.sock, server_hostname=server_name)
        return connection

    def get(self, path: str, scheme: str = "https", host: str = DOMAIN, **headers: str) -> Answer:
        connection = self.connection(scheme)
        try:
            return self.ask(connection, path, host, **headers)
        finally:
            connection.close()

    @staticmethod
    def ask(connection, path: str, host: str = DOMAIN, **headers: str) -> Answer:
        connection.request("GET", path, headers={"Host": host, **{k.replace("_", "-"): v for k, v in headers.items()}})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def burst(self, path: str, number: int) -> list[Answer]:
        """So many requests as fast as ten connections carry them."""

        def some(_) -> list[Answer]:
            connection = self.connection()
            return [self.ask(connection, path) for _ in range(number // 10)]

        with ThreadPoolExecutor(10) as pool:
            return [answer for answers in pool.map(some, range(10)) for answer in answers]


def address_of(scenario, name: str) -> str:
    reports = json.loads(scenario.lab("list", "--json"))["hosts"]
    return next(report["address"] for report in reports if report["name"] == name)


@pytest.fixture(scope="session")
def address(scenario, host_name) -> str:
    return address_of(scenario, host_name)


@pytest.fixture(scope="session")
def client(host, address) -> Client:
    return Client(address, host.file("/etc/aiko/tls/site.crt").content_string)


@pytest.fixture
def rested(host, client):
    """The limits remember the tests before: begin with none. systemd has a limit, too: for starts in a short time."""
    host.check_output("systemctl reset-failed nginx; systemctl restart nginx")
    eventually(lambda: client.get("/health").status == 200, "nginx answers")


def contained(host) -> bool:
    """Whether nginx is a container there."""
    return host.file("/etc/containers/systemd/nginx.container").exists


@contextlib.contextmanager
def without(host, client, unit: str, path: str):
    """An upstream away for a while; it is back when a path of its own answers again."""
    host.check_output(f"systemctl stop {unit}")
    try:
        yield
    finally:
        host.check_output(f"systemctl start {unit}")
        eventually(lambda: client.get(path).status == 200, f"{unit} answers again")


@pytest.mark.ledger("NX1")
def test_the_only_way_in(host, address):
    """Whatever else listens on the outside is a door without a keeper."""
    outside = {
        int(line.split()[3].rsplit(":", 1)[1])
        for line in host.check_output("ss -ltnH").splitlines()
        # The last two are the host and its network as containers see them; molecule/podman proves that nobody else does.
        if not line.split()[3].startswith(("127.", "[::1]", "10.89.60.1:", "10.89.61.1:"))
    }
    assert outside == {22, 80, 443}
    for port in (3000, 5000, STATUS):
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex((address, port)) != 0, f"{port} answers from outside"


@pytest.mark.ledger("NX2", "NX3")
@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("/", "frontend"), ("/some/page?x=1", "frontend"), ("/_next/static/a.js", "frontend"),
        ("/api/documents?page=2", "backend"), ("/api/auth/login", "backend"), ("/health", "backend"),
        ("/api/health", "frontend"), ("/api/session", "frontend"), ("/api/session/register", "frontend"),
        ("/api/bff/documents?q=x", "frontend"),
        # Only whole names are exceptions.
        ("/api/sessions", "backend"), ("/api/healthy", "backend"), ("/api/bffs/x", "backend"),
    ],
)  # fmt: skip
def test_routes(client, path, who):
    """Each path reaches its service in one request, unchanged; the frontend's own paths below /api are not shadowed."""
    answer = client.get(path)
    assert (answer.status, answer.json["who"], answer.json["path"]) == (200, who, path)


@pytest.mark.ledger("SY1")
def test_an_operator_asks_nginx_about_its_site(host):
    """Who was woken types what the runbook says, wherever nginx itself is."""
    assert "test is successful" in host.check_output("nginx -t 2>&1")
    assert f"server_name {DOMAIN}" in host.check_output("nginx -T 2>/dev/null")


@pytest.mark.ledger("MO1")
def test_counters_are_for_this_host_alone(host):
    """The exporter asks at the address where services of the host find each other; how busy a site is concerns nobody else."""
    for own in ["127.0.0.1", *(["10.89.61.1"] if contained(host) else [])]:
        ask = f"import urllib.request as r; print(r.urlopen('http://{own}:{STATUS}/status', timeout=5).read().decode())"
        assert "Active connections" in host.check_output("python3 -c %s", ask)


@pytest.mark.ledger("SY1")
def test_workers_have_no_privileges(host):
    """What visitors send is read by a process that may do nothing else."""
    workers = host.check_output("pgrep -x -u www-data nginx").split()
    assert len(workers) >= 2
    for text in (host.check_output("cat /proc/%s/status", worker) for worker in workers):
        assert "Uid:\t33\t33\t33\t33\n" in text and "CapEff:\t0000000000000000\n" in text, text


@pytest.mark.ledger("SY1")
def test_a_container_has_nothing_that_it_does_not_need(host):
    """Whoever takes nginx over in a container is in an empty room: no privileges to gain, and no file to change."""
    if not contained(host):
        assert host.run("podman --version").rc != 0, "packages run here"
        return
    master = host.check_output("cat /proc/%s/status", host.check_output("podman inspect --format={{.State.Pid}} nginx"))
    for line in ("Uid:\t33\t33\t33\t33", "Gid:\t33\t33\t33\t33", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"):
        assert line in master, line
    for path in ("/", "/etc/nginx", "/etc/aiko/nginx", "/etc/aiko/tls", "/var/lib/aiko-site", "/var/lib/aiko-acme"):
        refused = host.run("podman exec --user=0 nginx touch %s/x", path)
        assert "Read-only file system" in refused.stderr, refused


@pytest.mark.ledger("NX2")
def test_upstream_learns_who_asks_and_how(client):
    """Links, cookies and rate limits of the application depend on these."""
    connection = client.connection()
    seen = client.ask(connection, "/api/x").json["headers"]
    assert seen["x-real-ip"] == connection.sock.getsockname()[0], "nobody else's address, such as a gateway's, and no other's limit"
    assert seen["host"] == DOMAIN
    assert seen["x-forwarded-proto"] == "https"
    assert seen["x-forwarded-host"] == DOMAIN
    assert seen["x-forwarded-for"] == seen["x-real-ip"]
    assert len(seen["x-request-id"]) >= 16


@pytest.mark.ledger("NX2", "NX4")
def test_spoofed_address_does_not_pass(client):
    """A client that chooses its own address has a rate limit of its own for every request."""
    honest = client.get("/api/x").json["headers"]["x-forwarded-for"]
    seen = client.get(
        "/api/x", X_Forwarded_For="6.6.6.6", X_Real_IP="6.6.6.6", X_Forwarded_Proto="http", X_Forwarded_Host="evil.test"
    ).json["headers"]
    assert seen["x-forwarded-for"] == seen["x-real-ip"] == honest
    assert (seen["x-forwarded-proto"], seen["x-forwarded-host"]) == ("https", DOMAIN)


@pytest.mark.ledger("NX2")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_unknown_name_gets_no_answer(client, scheme):
    """Scanners go through addresses, not names; host header attacks need an answer."""
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError, ssl.SSLEOFError)):
        client.get("/", scheme, host="evil.test")


@pytest.mark.ledger("BE3", "BE2")
@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/health/detailed", "/health/ready", "/health/live"])
def test_insides_are_not_shown(client, path):
    """What stands behind, and how loaded it is, helps only an attacker."""
    answer = client.get(path)
    assert answer.status == 404
    assert b"who" not in answer.body


@pytest.mark.any_runtime
@pytest.mark.ledger("NX4")
@pytest.mark.parametrize(
    ("path", "passed"),
    [("/api/x", (21, 32)), ("/api/auth/x", (11, 17)), ("/api/bff/x", (21, 32)), ("/api/session", (21, 32))],
)  # fmt: skip
def test_burst_is_limited(client, rested, path, passed):
    """One client must not take the site from the others; a polite one learns when to come back."""
    answers = client.burst(path, 60)
    good = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 429]
    assert len(good) + len(refused) == 60
    assert passed[0] <= len(good) <= passed[1]
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert refused[0].json["status"] == 429
    assert refused[0].headers["content-type"] == "application/problem+json"
    assert refused[0].headers["x-content-type-options"] == "nosniff"


@pytest.mark.any_runtime
@pytest.mark.ledger("NX4", "NX3")
def test_logging_in_has_the_strict_limit(client, rested):
    """Whoever guesses passwords asks often; whoever opens pages asks who he is, and must not lose his turn to log in by that."""
    for _ in range(15):
        assert client.get("/api/session").status == 200
    connection = client.connection()
    statuses = []
    for _ in range(20):
        connection.request("POST", "/api/session", body=b"{}", headers={"Host": DOMAIN})
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    assert statuses[:4] == [200] * 4
    assert 429 in statuses


@pytest.mark.ledger("NX4")
def test_clients_are_counted_apart(client, host, rested):
    """A class behind one school's address is enough trouble; two schools must not share a limit."""
    other = (
        "import ssl, http.client; c = http.client.HTTPSConnection('127.0.0.1', context=ssl._create_unverified_context());"
        f"c.request('GET', '/api/x', headers={{'Host': '{DOMAIN}'}}); print(c.getresponse().status)"
    )
    assert any(answer.status == 429 for answer in client.burst("/api/x", 60))
    assert host.check_output("python3 -c %s", other) == "200"


@pytest.mark.any_runtime
@pytest.mark.ledger("NX4", "NX3")
@pytest.mark.parametrize("path", ["/health", "/api/health"])
def test_health_is_not_limited(client, path):
    """A monitor that is refused reports an outage that is none."""
    assert {answer.status for answer in client.burst(path, 200)} == {200}


@pytest.mark.ledger("NX2")
def test_ports_are_used_again(host, client, rested):
    """Each request takes one for its upstream, which then waits for a minute: a busy site would have none left."""
    into = f"nsenter --net --target={host.check_output('pgrep -o -x -u www-data nginx')} sysctl"
    before = host.check_output(f"{into} --values net.ipv4.ip_local_port_range")
    host.check_output(f"{into} --write net.ipv4.ip_local_port_range='40000 40099'")
    try:
        connection = client.connection()
        for _ in range(4):
            # Who closes first is who has to wait: here it is nginx, as it mostly is with the backend.
            assert [client.ask(connection, "/patient").status for _ in range(50)] == [200] * 50
            # Those of the last second are left alone, in case that something of theirs is still on its way.
            time.sleep(2)
    finally:
        host.check_output(f"{into} --write net.ipv4.ip_local_port_range='{before}'")


@pytest.mark.ledger("NX2")
def test_streams_are_not_held_back(client, rested):
    """Progress that arrives when all is over is no progress."""
    connection = client.connection()
    connection.request("GET", "/api/bff/stream", headers={"Host": DOMAIN})
    response = connection.getresponse()
    # The upstream sends the rest only after this has arrived.
    assert response.readline() == b"data: first\n"
    assert client.get("/api/bff/go-on").status == 200
    assert b"data: last\n" in response.read()


@pytest.mark.ledger("NX2")
@pytest.mark.parametrize("path", ["/live", "/api/live"])
def test_websockets_pass(client, path):
    """The first step of RFC 6455 is an upgrade; a proxy that swallows it leaves a page that waits."""
    connection = client.connection()
    connection.sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".encode()
    )
    stream = connection.sock.makefile("rwb", buffering=0)
    head = b"".join(iter(stream.readline, b"\r\n"))
    assert head.startswith(b"HTTP/1.1 101 "), head
    stream.write(b"hello\n")
    assert stream.readline() + stream.readline() == b"hello\nhello\n"


@pytest.mark.ledger("NX2", "FE1")
def test_assets_are_kept_and_compressed(host, client, rested):
    """A page that was opened before a release asks for files of that time; and a browser should ask for each only once."""
    path = "/_next/static/chunk-1.js"
    first = client.get(path)
    assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert first.headers["x-content-type-options"] == "nosniff"
    with without(host, client, "echo-frontend", "/"):
        again = client.get(path)
        packed = client.get(path, Accept_Encoding="gzip")
        assert client.get("/_next/static/chunk-2.js").status == 502
    assert (again.status, again.body) == (200, first.body)
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == first.body


@pytest.mark.any_runtime
@pytest.mark.ledger("NX2", "FE1")
def test_kept_assets_are_what_was_asked_for(client, rested):
    """A path that nginx reads in one way and the frontend in another would put one thing into the place of another, for everybody."""
    path = "/_next/static/chunk-3.js"
    for strange in (f"/_next/image/..%2f{path.removeprefix('/_next/')}?url=x", f"/x/../{path[1:]}"):
        client.get(strange)
    assert client.get(path).json["path"] == path


@pytest.mark.any_runtime
@pytest.mark.ledger("NX7")
def test_policy_of_a_page_wins(client):
    """A page that names its own scripts is safer than any policy for all pages; two policies would both count."""
    connection = client.connection()
    for path, policy in (("/policy", "default-src 'none'"), ("/api/policy", "default-src 'none'"), ("/", "frame-ancestors 'none'")):
        connection.request("GET", path, headers={"Host": DOMAIN})
        response = connection.getresponse()
        response.read()
        found = response.headers.get_all("Content-Security-Policy")
        assert len(found) == 1 and policy in found[0], path


@pytest.mark.ledger("NX8", "FE1")
def test_people_get_a_page_while_the_frontend_is_away(host, client, rested):
    """`502 Bad Gateway` frightens people and helps nobody; a program gets what a program can read."""
    with without(host, client, "echo-frontend", "/"):
        page, data = client.get("/documents"), client.get("/api/bff/documents")
    assert (page.status, page.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert "AI-KO revient dans un instant" in page.body.decode() and "AI-KO will be back" in page.body.decode()
    assert page.headers["retry-after"] == "5"
    assert MODERN.items() <= page.headers.items()
    assert (data.status, data.headers["content-type"]) == (502, "application/problem+json")


@pytest.mark.any_release
@pytest.mark.any_runtime
@pytest.mark.ledger("NX4")
def test_real_address_from_a_trusted_proxy_alone(client, converge, rested):
    """Behind a load balancer all clients would share one limit; from anybody else the header is a lie."""
    own = client.get("/api/x").json["headers"]["x-real-ip"]
    converge({"nginx_trusted_proxies": [f"{own}/32"]}).succeeded()
    seen = client.get("/api/x", X_Forwarded_For="203.0.113.9").json["headers"]
    assert seen["x-forwarded-for"] == seen["x-real-ip"] == "203.0.113.9"
    # What the trusted proxy appended counts, not what its client claimed before.
    assert client.get("/api/x", X_Forwarded_For="6.6.6.6, 203.0.113.9").json["headers"]["x-real-ip"] == "203.0.113.9"
    converge({}).succeeded()
    assert client.get("/api/x", X_Forwarded_For="203.0.113.9").json["headers"]["x-real-ip"] == own


def handshake(address: str, *arguments: str) -> str:
    """What OpenSSL's own client says; with security level 0 it is the server that refuses, not the client."""
    command = ["openssl", "s_client", "-connect", f"{address}:443", "-servername", DOMAIN, *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout + done.stderr


@pytest.mark.ledger("NX5")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_modern_tls(address, version):
    """The two versions that are left."""
    assert "Cipher is (NONE)" not in handshake(address, version)
    assert f"TLSv1.{version[-1]}" in handshake(address, version)


@pytest.mark.ledger("NX5")
@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_tls_is_refused(address, version):
    """RFC 8996: broken since years."""
    said = handshake(address, version, "-cipher", "ALL:@SECLEVEL=0")
    assert "alert protocol version" in said, said


@pytest.mark.ledger("NX5")
@pytest.mark.parametrize("cipher", ["AES256-SHA", "AES128-GCM-SHA256", "NULL-SHA256", "AECDH-AES256-SHA"])
def test_ciphers_without_forward_secrecy_are_refused(address, cipher):
    """Whoever records the traffic today and gets the key tomorrow reads everything."""
    said = handshake(address, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert "handshake failure" in said, said


@pytest.mark.any_runtime
@pytest.mark.ledger("NX5")
def test_every_configured_cipher_has_forward_secrecy(host):
    """The handshake above depends on the kind of certificate; the list itself does not."""
    chosen = host.check_output("sed -n 's/^ssl_ciphers \\(.*\\);$/\\1/p' /etc/nginx/sites-enabled/aiko.conf")
    listed = host.check_output("openssl ciphers -v %s", chosen).splitlines()
    exchanges = {word for line in listed for word in line.split() if word.startswith("Kx=")}
    assert len(listed) > 5
    assert exchanges <= {"Kx=ECDH", "Kx=DH", "Kx=any", "Kx=ECDHEPSK", "Kx=DHEPSK", "Kx=SRP"}, exchanges


@pytest.mark.ledger("NX5")
def test_hsts_only_where_it_means_something(client):
    """Over plain http anybody on the way could set it, so browsers ignore it and the standard forbids it."""
    assert client.get("/").headers["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in client.get("/", "http").headers


@pytest.mark.ledger("NX5", "NX6")
def test_plain_http_redirects_except_for_acme(host, client):
    """The authority that renews a certificate asks over plain http; everybody else is sent to https."""
    answer = client.get("/some/page?x=1", "http")
    assert (answer.status, answer.headers["location"]) == (301, f"https://{DOMAIN}/some/page?x=1")
    host.check_output(
        "mkdir -p /var/lib/aiko-acme/.well-known/acme-challenge; echo proof > /var/lib/aiko-acme/.well-known/acme-challenge/token"
    )
    answer = client.get("/.well-known/acme-challenge/token", "http")
    assert (answer.status, answer.body) == (200, b"proof\n")


@pytest.mark.ledger("NX7")
def test_headers_on_every_answer(host, client, rested):
    """Error pages are pages too: the ones an attacker provokes must not be the ones without protection."""
    answers = {"200": client.get("/api/x"), "404 of the upstream": client.get("/api/missing"), "404 of nginx": client.get("/metrics")}
    with without(host, client, "echo-backend", "/health"):
        answers["502"] = client.get("/api/x")
    assert [answer.status for answer in answers.values()] == [200, 404, 404, 502]
    for what, answer in answers.items():
        assert MODERN.items() <= answer.headers.items(), what
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], what
        assert answer.headers["strict-transport-security"], what
        assert "nginx/" not in answer.headers["server"], what
    assert answers["502"].headers["retry-after"] == "5"
    assert answers["502"].headers["content-type"] == "application/problem+json"


@pytest.mark.any_release
@pytest.mark.any_runtime
@pytest.mark.ledger("NX7")
def test_headers_of_the_origin(client, converge):
    """The seed's values stay reachable for those who need exactly them."""
    before = client.get("/").headers
    converge({"nginx_headers_profile": "seed"}).succeeded()
    seed = client.get("/").headers
    assert seed["x-xss-protection"] == "1; mode=block"
    assert seed["referrer-policy"] == "no-referrer-when-downgrade"
    assert "content-security-policy" not in seed
    converge({}).succeeded()
    assert {k: v for k, v in client.get("/").headers.items() if k in before and k != "date"} == {
        k: v for k, v in before.items() if k != "date"
    }


@pytest.mark.ledger("NX8")
def test_bad_site_never_takes_the_site_down(host, client, converge):
    """A typing error in one variable must not end in an empty page for everybody."""
    before, process = host.file("/etc/nginx/sites-enabled/aiko.conf").content_string, unit_property(host, "nginx", "MainPID")
    converge({"nginx_body_max": "a lot"}).refused("was refused by", "client_max_body_size", "former files are in place")
    assert host.file("/etc/nginx/sites-enabled/aiko.conf").content_string == before
    own = "podman exec nginx nginx -e stderr -c /etc/aiko/nginx/nginx.conf" if contained(host) else "nginx"
    assert host.run(f"{own} -t").rc == 0, "whoever reloads by hand now must not fall into the hole"
    assert unit_property(host, "nginx", "MainPID") == process
    assert client.get("/").status == 200


@pytest.mark.ledger("NX8")
def test_reload_keeps_connections(host, client, converge):
    """Uploads take minutes; a changed header must not cut them off."""
    process = unit_property(host, "nginx", "MainPID")
    open_one = client.connection()
    assert client.ask(open_one, "/").status == 200
    converge({"nginx_hsts_seconds": 60}).succeeded()
    assert unit_property(host, "nginx", "MainPID") == process
    assert client.get("/").headers["strict-transport-security"] == "max-age=60"
    converge({}).succeeded()


@pytest.mark.ledger("NX6")
def test_new_certificate_is_served(host, host_name, address, scenario, converge):
    """A renewed certificate that lies on the disk while the old one is served is an outage with a date."""
    served = ssl.get_server_certificate((address, 443))
    host.check_output("rm /etc/aiko/tls/site.crt")
    scenario.play(scenario.directory / "prepare.yml", {}, f"--limit={host_name}").succeeded()
    assert converge({}).succeeded().changed == 1
    eventually(lambda: ssl.get_server_certificate((address, 443)) != served, "nginx serves the new certificate")


@pytest.mark.any_release
@pytest.mark.ledger("SY1")
def test_a_host_changes_its_run_mode_and_back(scenario, hosts):
    """The way from packages to containers, and back if they disappoint, is one variable; what was there before is there after."""
    name = scenario.twins()["container"]
    host = hosts[name]
    own = Client(address_of(scenario, name), host.file("/etc/aiko/tls/site.crt").content_string)
    assert own.get("/api/before").json["who"] == "backend"
    for mode in ("native", "container"):
        scenario.converge({"aiko_runtime": mode}, f"--limit={name}").succeeded()
        assert own.get(f"/api/{mode}").json["who"] == "backend"
        assert contained(host) == bool(host.check_output("podman ps --all --quiet")) == (mode == "container")
        assert unit_property(host, "nginx", "SourcePath").endswith("/nginx.container") == (mode == "container")
        assert unit_property(host, "nginx", "LogNamespace") == ("nginx" if mode == "native" else "")
        assert host.file("/etc/systemd/system/nginx.service.d/aiko.conf").exists == (mode == "native")
        assert host.check_output("systemctl --failed --plain --no-legend") == ""
    logged = re.findall('"path":"/api/(before|native|container)"', host.file("/var/log/nginx/access.log").content_string)
    assert logged[-3:] == ["before", "native", "container"], "one log, whoever writes to it"


@pytest.mark.any_release
@pytest.mark.any_runtime
def test_page_of_its_own_without_a_frontend(client, converge, host, address):
    """An API without a website still tells whoever opens it in a browser where he is."""
    converge({"nginx_frontends": []}).succeeded()
    fresh = Client(address, host.file("/etc/aiko/tls/site.crt").content_string)
    answer = fresh.get("/")
    assert answer.status == 200 and b"AI-KO" in answer.body
    assert fresh.get("/api/x").json["who"] == "backend"
    assert fresh.get("/../etc/passwd").status in (400, 404)


@pytest.mark.ledger("SY5")
def test_access_log_is_rotated_and_bounded(host):
    """A line for each request fills any disk in time; a proxy that goes on writing to the old file keeps it filled."""
    assert unit_property(host, "logrotate.timer", "ActiveState") == "active"
    assert "*-*-* *:*:00" in unit_property(host, "logrotate.timer", "TimersCalendar")
    log = "/var/log/nginx/access.log"
    for number in range(4):
        host.check_output(f"head --bytes=11M /dev/zero | tr '\\0' '{number}' >> {log}")
        host.check_output("systemctl start logrotate.service")
        assert host.file(log).size < 2**20
    files = set(host.check_output("ls /var/log/nginx").split())
    # Packages bring a log of errors, which go to the journal.
    assert files - {"error.log"} == {"access.log", "access.log.1", "access.log.2"}
    ask = "import http.client as h; c = h.HTTPConnection('127.0.0.1', 80); c.request('GET', '/after-the-rotation', headers={'Host': '%s'})"
    host.check_output("python3 -c %s", f"{ask % DOMAIN}; assert c.getresponse().status == 301")
    eventually(lambda: "after-the-rotation" in host.file(log).content_string, "nginx writes to the new file")
    assert host.file(log).mode == 0o640
