"""What the role grafana writes, and where it takes Grafana from; no program of Grafana is needed for it."""

import configparser
import hashlib
import io
import json
import os
import tarfile
import textwrap

import pytest
import yaml
from scenario import exposure, unit_property

UNITS = ["grafana-server"]
HOME = "/etc/grafana/aiko"
UNIT = "grafana-server.service"
SOURCES = "/etc/apt/sources.list.d/grafana.sources"
# A package that is no Grafana and does not say so: it serves to be refused.
CONTROL = "Package: aiko-dummy\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@example.com>\nDescription: empty\n"


# What is started in place of Grafana where there is none: it says what it finds, answers nobody and ends.
PROBE = """#!/bin/sh
echo "this is no Grafana: $0 $*"
echo "runs as $(id -un), in $(pwd), with $(env | grep -c ^GF_) settings of its environment"
grep -E '^(CapEff|CapPrm|NoNewPrivs):' /proc/self/status
for name in ADMIN_PASSWORD PROMETHEUS_PASSWORD SECRET_KEY; do
    [ -s /run/credentials/grafana-server.service/$name ] && echo "reads $name"
done
for path in "$(dirname "$0")" /etc/grafana /usr /var/lib/grafana /tmp; do
    touch "$path/probe" 2>/dev/null && echo "writes $path"
done
[ -r /etc/grafana/aiko/grafana.ini ] && echo "reads its settings"
exit 7
"""


def contained(host) -> bool:
    """Whether systemd makes the unit of a quadlet."""
    return unit_property(host, UNIT, "SourcePath").endswith(".container")


def described(host) -> str:
    """The file that describes the unit."""
    return unit_property(host, UNIT, "SourcePath" if contained(host) else "FragmentPath")


@pytest.fixture(scope="module")
def settings(host):
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(host.file(f"{HOME}/grafana.ini").content_string)
    return parser


@pytest.fixture(scope="module")
def dummy(host) -> dict[str, bytes]:
    """Packages of another program: form to content."""
    host.check_output(
        "rm -rf /tmp/dummy && mkdir -p /tmp/dummy/DEBIAN && printf '%%s' %s > /tmp/dummy/DEBIAN/control"
        " && dpkg-deb --root-owner-group --build /tmp/dummy /tmp/dummy.deb && tar -czf /tmp/dummy.tar.gz -C /tmp dummy", CONTROL)
    return {form: host.file(f"/tmp/dummy.{form}").content for form in ("deb", "tar.gz")}


@pytest.fixture
def given(dummy, tmp_path):
    """Lay a package on the controller; returns the variables that name it."""

    def lay(form: str, checksum: str | None = None) -> dict:
        path = tmp_path / f"package.{form}"
        path.write_bytes(dummy[form])
        return {"grafana_package_source": str(path), "grafana_package_checksum": checksum or sha256(dummy[form])}

    return lay


def published(host) -> set[str]:
    """Ports of the container that others reach, and where."""
    words = host.check_output("systemctl show --property=ExecStart %s", UNIT).split()
    return {words[at + 1] for at, word in enumerate(words) if word == "--publish"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def untouched(host) -> None:
    assert host.run("dpkg-query --show aiko-dummy").rc != 0
    # Where a package of Grafana itself was given, one of these is its own.
    if not os.environ.get("GRAFANA_PACKAGE"):
        assert not host.file("/opt/grafana").exists
        assert not host.run("podman images --quiet localhost/aiko/grafana").stdout


@pytest.mark.ledger("MO5")
def test_nobody_gets_in_with_what_everybody_tries(settings, secrets):
    """Grafana comes with admin/admin, and whoever has it reads every query that the data source can answer."""
    assert settings["security"]["admin_password"] == f"$__file{{/run/credentials/{UNIT}/ADMIN_PASSWORD}}"
    assert settings["security"]["secret_key"] == f"$__file{{/run/credentials/{UNIT}/SECRET_KEY}}"
    assert secrets["grafana_admin_password"] != secrets["grafana_secret_key"]
    assert len(secrets["grafana_admin_password"]) == 64
    assert settings["users"]["allow_sign_up"] == settings["auth.anonymous"]["enabled"] == "false"


@pytest.mark.ledger("MO5")
def test_it_listens_on_loopback_and_keeps_to_itself(host, settings):
    """A monitoring system that calls home tells others what runs here."""
    if contained(host):
        # In a network of its own; Prometheus, a container as well, finds it at an address that only the host and they reach.
        assert (settings["server"]["http_addr"], settings["server"]["http_port"]) == ("0.0.0.0", "3001")
        assert published(host) == {"127.0.0.1:3001:3001", "10.89.61.1:3001:3001"}
    else:
        assert (settings["server"]["http_addr"], settings["server"]["http_port"]) == ("127.0.0.1", "3001")
    assert settings["paths"]["data"] == "/var/lib/grafana"
    for key in ("reporting_enabled", "check_for_updates", "check_for_plugin_updates"):
        assert settings["analytics"][key] == "false"
    assert settings["security"]["disable_gravatar"] == "true"


@pytest.mark.ledger("MO5")
def test_the_data_source_is_there_without_a_click(host, secrets):
    """The same after every installation; nobody can change it in the browser, and its password is in no file that others read."""
    text = host.file(f"{HOME}/provisioning/datasources/aiko.yml").content_string
    (source,) = yaml.safe_load(text)["datasources"]
    prometheus = "http://10.89.61.1:9090" if contained(host) else "http://127.0.0.1:9090"
    assert (source["type"], source["uid"], source["url"]) == ("prometheus", "aiko-prometheus", prometheus)
    assert source["isDefault"] and source["basicAuth"] and not source["editable"]
    assert source["secureJsonData"] == {"basicAuthPassword": f"$__file{{/run/credentials/{UNIT}/PROMETHEUS_PASSWORD}}"}
    assert secrets["prometheus_password"] not in text


@pytest.mark.ledger("MO5", "MO6")
def test_dashboards_are_files_and_stay_what_they_are(host, scenario, converge):
    """What is changed by hand on one host is gone with it; what was taken out must not linger."""
    (provider,) = yaml.safe_load(host.file(f"{HOME}/provisioning/dashboards/aiko.yml").content_string)["providers"]
    assert not provider["allowUiUpdates"]
    directory = provider["options"]["path"]
    shipped = {path.name: path.read_text() for path in (scenario.project / "roles/grafana/files/dashboards").glob("*.json")}
    assert len(shipped) == 5
    host.check_output(f"echo '{{}}' > {directory}/stranger.json")
    converge({}).succeeded()
    assert {name: host.file(f"{directory}/{name}").content_string for name in host.file(directory).listdir()} == shipped
    uid = yaml.safe_load(host.file(f"{HOME}/provisioning/datasources/aiko.yml").content_string)["datasources"][0]["uid"]
    used = {panel["datasource"]["uid"] for text in shipped.values() for panel in json.loads(text)["panels"] if panel["type"] != "row"}
    assert used == {uid}


@pytest.mark.ledger("SY3", "MO5")
def test_secrets_are_for_root_alone(host, secrets, converge):
    """Grafana gets them from systemd or Podman; on disk root alone can read them, and no output shows them."""
    files = host.file(f"{HOME}/credentials").listdir()
    assert sorted(files) == ["ADMIN_PASSWORD", "PROMETHEUS_PASSWORD", "SECRET_KEY"]
    for name in files:
        file = host.file(f"{HOME}/credentials/{name}")
        assert (file.user, file.mode) == ("root", 0o600)
    secret = [secrets[name] for name in ("grafana_admin_password", "grafana_secret_key", "prometheus_password")]
    readable = host.check_output(f"find {HOME} {described(host)} -type f -perm /044 -exec cat {{}} +")
    assert not [word for word in secret if word in readable]
    host.check_output(f"rm -r {HOME}/credentials")
    play = converge({}, "--diff").succeeded()
    assert play.changed > 0
    assert not [word for word in secret if word in play.output]


@pytest.mark.ledger("SY4")
def test_the_unit_is_well_formed_and_hardened(host):
    """A web application with a database of passwords is worth a wall around it."""
    complaints = host.run(f"systemd-analyze verify --man=no {unit_property(host, UNIT, 'FragmentPath')}").stderr
    # The program is all that may be missing here.
    others = [line for line in complaints.splitlines() if UNIT in line and "bin/grafana is not executable" not in line]
    assert not others, others
    assert unit_property(host, UNIT, "MemoryMax") == str(512 * 1024 * 1024)
    if not contained(host):
        assert exposure(host, UNIT) <= 2.5
        assert unit_property(host, UNIT, "User") == "grafana"
        assert unit_property(host, UNIT, "CapabilityBoundingSet") == ""
        return
    words = host.check_output("systemctl show --property=ExecStart %s", UNIT).split()
    account = host.check_output("id -u grafana") + ":" + host.check_output("id -g grafana")
    assert {"--read-only", "--security-opt=no-new-privileges", "--sdnotify=healthy"} <= set(words)
    assert [words[words.index(word) + 1] for word in ("--cap-drop", "--user")] == ["all", account]


@pytest.mark.ledger("SY1")
def test_data_and_settings_are_where_they_are_in_both_run_modes(host):
    """Backups read one path, and switching the run mode must not look for users in another."""
    account = host.user("grafana")
    assert account.exists
    if contained(host):
        words = host.check_output("systemctl show --property=ExecStart %s", UNIT).split()
        assert {words[at + 1] for at, word in enumerate(words) if word == "-v"} == {
            "/etc/grafana:/etc/grafana:ro", "/var/lib/grafana:/var/lib/grafana"}
        data = host.file("/var/lib/grafana")
        assert (data.user, data.group, data.mode) == ("grafana", "grafana", 0o750)
    else:
        assert unit_property(host, UNIT, "StateDirectory") == "grafana"
        assert unit_property(host, UNIT, "StateDirectoryMode") == "0750"
    home = host.file(HOME)
    assert (home.user, home.group, home.mode) == ("root", "grafana", 0o750)


def test_settings_of_ones_own_come_last(host, converge):
    """What this role does not know must not need another role; LDAP is the usual case."""
    own = {"grafana_settings": {"auth.ldap": {"enabled": True}, "security": {"cookie_samesite": "lax"}, "server": {"domain": "a;b"}}}
    converge(own).succeeded()
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(host.file(f"{HOME}/grafana.ini").content_string)
    assert parser["auth.ldap"]["enabled"] == "true"
    assert parser["security"]["cookie_samesite"] == "lax"
    assert parser["security"]["disable_gravatar"] == "true"
    assert parser["server"]["domain"] == "`a;b`"
    converge({}).succeeded()


def test_left_out_it_says_so(converge):
    """An operator who looks for Grafana must not look for long."""
    play = converge({"grafana_package_source": "none"}).succeeded()
    assert "Grafana is left out, because grafana_package_source is none" in play.text


@pytest.mark.parametrize("form", ["deb", "tar.gz"])
def test_a_package_with_another_checksum_is_refused(host, converge, given, form):
    """What comes over other people's disks is believed by its checksum alone."""
    converge(given(form, "0" * 64)).refused("has the SHA-256", "Expected: grafana_package_checksum, 0000")
    converge(given(form) | {"grafana_package_checksum": ""}).refused("grafana_package_checksum is ''", "64 hexadecimal digits")
    untouched(host)


@pytest.mark.parametrize(("form", "words"), [("deb", "is the package 'aiko-dummy'"), ("tar.gz", "has no program bin/grafana")])
def test_the_right_checksum_of_another_program_is_refused(host, converge, given, form, words):
    """The checksum is right, so it gets further; but a file of the wrong name is not installed as root."""
    converge(given(form)).refused(words, "Nothing was installed")
    untouched(host)


def test_what_cannot_be_brought_changes_nothing(host, converge):
    """It is asked for before anything is written or stopped for it; as a container it is the image, and no package is asked for."""
    before = host.file(described(host)).content_string
    nowhere = {"grafana_package_source": "http://127.0.0.1:9/grafana.deb", "grafana_package_checksum": "0" * 64}
    if contained(host):
        image = {"podman_image_source": "pull", "podman_registry_mirror": "127.0.0.1:9/none"}
        converge(nowhere | image).refused("127.0.0.1:9/none/grafana/grafana:11.6.0")
        digest = f"sha256:{'5' * 64}"
        converge(nowhere | image | {"grafana_image_digest": digest}).refused(f"127.0.0.1:9/none/grafana/grafana@{digest}")
    else:
        converge(nowhere).refused("http://127.0.0.1:9/grafana.deb")
    assert host.file(described(host)).content_string == before
    untouched(host)


@pytest.mark.any_release
@pytest.mark.ledger("SY1")
def test_the_run_mode_can_be_changed(scenario, hosts):
    """One description at a time, or both would work on one database; what Grafana reads is the same but for where it listens."""
    name = scenario.twins()["container"]
    host, texts = hosts[name], {}
    paths = {"native": "/etc/systemd/system/grafana-server.service", "container": "/etc/containers/systemd/grafana-server.container"}
    for mode in ("native", "container"):
        scenario.converge({"aiko_runtime": mode}, f"--limit={name}").succeeded()
        assert [mode for mode, path in paths.items() if host.file(path).exists] == [mode]
        assert described(host) == paths[mode]
        texts[mode] = host.check_output(f"cat {HOME}/provisioning/dashboards/aiko.yml {HOME}/grafana.ini | grep -v http_addr")
    assert texts["native"] == texts["container"]


@pytest.fixture
def probe(host, tmp_path):
    """Lay a package on the controller that has a script where Grafana has its program; all that it leaves goes again."""

    def lay(form: str) -> dict:
        path = tmp_path / f"probe.{form}"
        if form == "deb":
            # Under another name it would be refused before anything is started; its version is older than all of Grafana's.
            place = "/tmp/probe"
            host.check_output(f"rm -rf {place} && mkdir -p {place}/DEBIAN {place}/usr/share/grafana/bin")
            host.check_output(f"printf '%%s' %s > {place}/DEBIAN/control", CONTROL.replace("aiko-dummy", "grafana").replace("1", "0.1"))
            program = f"{place}/usr/share/grafana/bin/grafana"
            host.check_output(f"printf '%%s' %s > {program} && chmod 755 {program}", PROBE)
            host.check_output(f"dpkg-deb --root-owner-group --build {place} {place}.deb")
            path.write_bytes(host.file(f"{place}.deb").content)
        else:
            with tarfile.open(path, "w:gz") as archive:
                member = tarfile.TarInfo("grafana-probe/bin/grafana")
                member.mode, member.size = 0o755, len(PROBE)
                archive.addfile(member, io.BytesIO(PROBE.encode()))
        return {"grafana_package_source": str(path), "grafana_package_checksum": sha256(path.read_bytes())}

    yield lay
    host.check_output(f"systemctl stop {UNIT}; systemctl reset-failed {UNIT} || true")
    host.check_output("dpkg --purge grafana; rm -rf /opt/grafana /usr/share/grafana /var/lib/grafana/probe /tmp/probe /tmp/probe.deb")
    host.run("podman images --quiet localhost/aiko/grafana | sort -u | xargs --no-run-if-empty podman rmi --force")


@pytest.mark.skipif(bool(os.environ.get("GRAFANA_PACKAGE")), reason="Grafana itself is here, and test_grafana_runs.py asks it")
@pytest.mark.ledger("SY4", "SY3")
@pytest.mark.parametrize("form", ["deb", "tar.gz"])
def test_what_ends_at_once_is_not_taken_for_grafana(host, converge, probe, form):
    """A package that does not run fails the role, which says why; the program finds what Grafana would: account, secrets, no more."""
    since = host.check_output("date '+%F %T'")
    converge(probe(form)).refused("systemctl start grafana-server.service failed", "this is no Grafana")
    said = host.check_output("journalctl --namespace='*' --unit=%s --since=%s --output=cat", UNIT, since).splitlines()
    home = "/opt/grafana/current" if form == "tar.gz" and not contained(host) else "/usr/share/grafana"
    assert f"this is no Grafana: {home}/bin/grafana server --homepath={home} --config={HOME}/grafana.ini" in said
    assert "runs as grafana, in /var/lib/grafana, with 0 settings of its environment" in said
    assert {"CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1"} <= set(said)
    assert {line for line in said if line.startswith("reads ")} == {
        "reads ADMIN_PASSWORD", "reads PROMETHEUS_PASSWORD", "reads SECRET_KEY", "reads its settings"}
    assert {line for line in said if line.startswith("writes ")} == {"writes /var/lib/grafana", "writes /tmp"}
    assert host.file("/var/lib/grafana/probe").user == "grafana"


def test_a_download_with_another_checksum_is_refused(host, converge, dummy):
    """A mirror that was broken into serves what it likes; nothing of that reaches the package manager."""
    host.check_output("systemd-run --quiet --collect --unit=mirror --working-directory=/tmp python3 -m http.server 8099 --bind 127.0.0.1")
    try:
        wrong = {"grafana_package_source": "http://127.0.0.1:8099/dummy.deb", "grafana_package_checksum": "0" * 64}
        converge(wrong).refused("checksum")
        assert not host.file(f"/var/cache/aiko/grafana-{'0' * 16}.deb").exists
        right = wrong | {"grafana_package_checksum": sha256(dummy["deb"])}
        converge(right).refused("is the package 'aiko-dummy'")
    finally:
        host.check_output("systemctl stop mirror")
    untouched(host)


@pytest.fixture(scope="module")
def repository(host, dummy) -> dict[str, str]:
    """An apt repository on the host that is signed with one of two keys; returns their armoured texts by name."""
    host.check_output("apt-get install --quiet --yes --no-install-recommends gpg gpg-agent apt-utils")
    script = textwrap.dedent("""
        set -eu
        rm -rf /srv/repository && mkdir -p /srv/repository/dists/stable/main/binary-amd64 /srv/repository/pool
        export GNUPGHOME=/srv/repository/gnupg && mkdir -m 700 $GNUPGHOME
        cp /tmp/dummy.deb /srv/repository/pool
        for name in right wrong; do
            gpg --batch --quiet --passphrase '' --quick-generate-key "$name <$name@example.com>" ed25519 sign never
            gpg --armor --export "$name@example.com" > /srv/repository/$name.asc
        done
        cd /srv/repository
        apt-ftparchive packages pool > dists/stable/main/binary-amd64/Packages
        apt-ftparchive -o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Codename=stable \
            -o APT::FTPArchive::Release::Components=main -o APT::FTPArchive::Release::Architectures=amd64 release dists/stable > Release
        mv Release dists/stable/Release
        gpg --batch --quiet --local-user right@example.com --clearsign --output dists/stable/InRelease dists/stable/Release
        chmod --recursive a+rX dists pool
    """)
    host.check_output("sh -c %s", script)
    return {name: host.file(f"/srv/repository/{name}.asc").content_string for name in ("right", "wrong")}


@pytest.fixture
def upstream(host, repository, tmp_path):
    """Variables that name the repository and one of the keys."""

    def choose(name: str) -> dict:
        path = tmp_path / f"{name}.asc"
        path.write_text(repository[name])
        found = host.check_output("GNUPGHOME=/srv/repository/gnupg gpg --with-colons --fingerprint %s@example.com", name)
        fingerprint = next(line.split(":")[9] for line in found.splitlines() if line.startswith("fpr"))
        return {"grafana_package_source": "upstream", "grafana_repository": "file:///srv/repository",
                "grafana_repository_key": str(path), "grafana_repository_fingerprints": [fingerprint]}

    yield choose
    host.check_output(f"rm -f {SOURCES} /etc/apt/keyrings/grafana.asc && apt-get update --quiet")


# The repository serves packages: where an image is built, it is of one that is named.
@pytest.mark.any_runtime
def test_a_key_that_nobody_vouched_for_is_refused(host, converge, upstream):
    """A key that was fetched together with the packages proves nothing about either; gpg's own word on it is what is compared."""
    wrong = upstream("wrong") | {"grafana_repository_fingerprints": upstream("right")["grafana_repository_fingerprints"]}
    converge(wrong).refused("which grafana_repository_fingerprints does not name")
    converge(upstream("right") | {"grafana_repository_key": ""}).refused("grafana_repository_key is not set", "gpg-full.key")
    assert not host.file(SOURCES).exists


@pytest.mark.any_runtime
def test_a_repository_that_is_signed_by_somebody_else_is_refused(host, converge, upstream):
    """Whoever can change the packages on their way can change the lists of them as well, but cannot sign."""
    converge(upstream("wrong")).refused("apt cache")
    assert host.run("apt-cache policy aiko-dummy").stdout == ""


@pytest.mark.any_runtime
def test_the_rightly_signed_repository_is_read_and_has_no_grafana(host, converge, upstream):
    """The refusal above was for the signature: with the right key the lists are read, and apt says what is not in them."""
    converge(upstream("right")).refused("No package matching 'grafana' is available")
    assert "Candidate: 1" in host.check_output("apt-cache policy aiko-dummy")
    signed = host.file(SOURCES).content_string
    assert "Signed-By: /etc/apt/keyrings/grafana.asc" in signed
