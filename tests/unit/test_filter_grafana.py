"""filter_plugins/grafana.py: what is trusted, and what becomes of settings."""

import base64
import configparser
import hashlib

import pytest
from ansible.errors import AnsibleFilterError

from tests.unit.support import load

grafana = load("filter_plugins/grafana.py")

GOOD = {"grafana_admin_password": "p" * 64}
# A public key of version 4 with nothing behind its numbers: the fingerprint depends on the packet's bytes alone.
BODY = b"\x04" + (1700000000).to_bytes(4, "big") + b"\x16" + b"\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01\x01\x07\x40" + bytes(32)


def armoured(*packets: bytes, headers: str = "") -> str:
    text = base64.b64encode(b"".join(packets)).decode()
    lines = "\n".join(text[begin : begin + 64] for begin in range(0, len(text), 64))
    return f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n{headers}\n{lines}\n=AAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"


def packet(tag: int, body: bytes, old: bool = False) -> bytes:
    if old:
        return bytes([0x80 | tag << 2 | 1]) + len(body).to_bytes(2, "big") + body
    return bytes([0xC0 | tag, len(body)]) + body


def fingerprint(body: bytes) -> str:
    return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()


@pytest.mark.parametrize(("source", "kind", "form"), [
    ("none", "none", ""),
    ("upstream", "upstream", ""),
    ("https://mirror.example.com/grafana.deb", "url", "deb"),
    ("http://mirror.example.com/g/grafana.tar.gz", "url", "tar"),
    ("files/grafana_11.6.0_amd64.deb", "file", "deb"),
    ("~/grafana.tar.gz", "file", "tar"),
    ("grafana.rpm", "unknown", ""),
    ("https://mirror.example.com/", "unknown", ""),
    ("upstraem", "unknown", ""),
])  # fmt: skip
def test_a_source_is_told_by_its_name(source, kind, form):
    """A typing error must not be taken for a file."""
    found = grafana.grafana_source(source)
    assert (found["kind"], found["form"]) == (kind, form)


def errors(**variables) -> str:
    return "\n".join(grafana.grafana_errors({**GOOD, **variables}, "mon"))


def test_left_out_nothing_is_asked_for():
    """A lab without Grafana needs neither key nor password of it."""
    assert grafana.grafana_errors({"grafana_package_source": "none"}, "mon") == []


def test_every_message_names_host_variable_expectation_and_remedy():
    """Whoever reads it at night has to know what to change where."""
    found = grafana.grafana_errors({"grafana_package_source": "grafana.rpm"}, "mon")
    assert len(found) == 2
    for message in found:
        assert message.startswith("mon: grafana_")
        assert "Expected: " in message and "Remedy: " in message


def contained(**variables) -> str:
    return errors(aiko_runtime="container", **variables)


@pytest.mark.parametrize("source", ["upstream", "https://mirror.example.com/g.deb"])
def test_an_image_that_is_pulled_needs_neither_key_nor_checksum(source):
    """They are of packages; an image is trusted by its digest. What is misspelt, and a bad password, are refused all the same."""
    assert contained(grafana_package_source=source) == ""
    assert contained(grafana_package_source=source, podman_image_source="pull") == ""
    assert "grafana_package_source is 'upstraem'" in contained(grafana_package_source="upstraem")
    assert "grafana_admin_password" in contained(grafana_package_source=source, grafana_admin_password="admin")


def test_an_image_is_built_of_a_package_that_is_named():
    """The repository's newest of a day is no recipe; a package is brought as natively, by its checksum."""
    said = contained(grafana_package_source="upstream", podman_image_source="build")
    assert "grafana_package_source is upstream" in said and "Expected: the URL or path of a .deb or .tar.gz" in said
    built = {"grafana_package_source": "https://mirror.example.com/g.deb", "podman_image_source": "build"}
    assert "grafana_package_checksum is ''" in contained(**built)
    assert contained(**built, grafana_package_checksum="0" * 64) == ""


@pytest.mark.parametrize("checksum", ["", "abc", "g" * 64, "md5:" + "0" * 32])
def test_a_package_needs_a_checksum(checksum):
    """Without one, whoever serves the file decides what runs as root."""
    said = errors(grafana_package_source="https://mirror.example.com/g.deb", grafana_package_checksum=checksum)
    assert "grafana_package_checksum" in said


def test_a_file_is_measured_before_a_host_is_touched(tmp_path):
    """The file is on the controller, so a wrong one can be refused at once."""
    path = tmp_path / "grafana.deb"
    assert "no file on the controller" in errors(grafana_package_source=str(path), grafana_package_checksum="0" * 64)
    path.write_bytes(b"content")
    actual = hashlib.sha256(b"content").hexdigest()
    assert f"has the SHA-256 {actual}" in errors(grafana_package_source=str(path), grafana_package_checksum="0" * 64)
    for given in (actual, actual.upper(), f"sha256:{actual}"):
        assert errors(grafana_package_source=str(path), grafana_package_checksum=given) == ""


@pytest.mark.parametrize("password", ["", "admin", "Admin", "changeme", "short-one"])
def test_weak_passwords_are_refused(password):
    """admin/admin is the first thing that anybody tries."""
    assert "grafana_admin_password" in errors(grafana_package_source="https://x.example.com/g.deb", grafana_package_checksum="0" * 64,
                                              grafana_admin_password=password)


def test_the_repository_needs_a_key_that_somebody_vouched_for(tmp_path):
    """A key that came the same way as the packages says nothing about them."""
    path, stranger = tmp_path / "key.asc", BODY[:-1] + b"x"
    path.write_text(armoured(packet(6, BODY), packet(13, b"Somebody")))
    upstream = {"grafana_package_source": "upstream", "grafana_repository_key": str(path)}
    spaced = " ".join(fingerprint(BODY)[at : at + 4] for at in range(0, 40, 4)).lower()
    assert "grafana_repository_key is not set" in errors(grafana_package_source="upstream")
    assert "no file on the controller" in errors(**upstream | {"grafana_repository_key": str(tmp_path / "other.asc")})
    assert "grafana_repository_fingerprints is empty" in errors(**upstream)
    assert errors(**upstream, grafana_repository_fingerprints=[spaced]) == ""
    path.write_text(armoured(packet(6, BODY), packet(6, stranger)))
    refused = errors(**upstream, grafana_repository_fingerprints=[fingerprint(BODY)])
    assert fingerprint(stranger) in refused and "does not name" in refused


@pytest.mark.parametrize("old", [True, False])
def test_fingerprints_of_both_packet_formats(old):
    """Keys that were exported by older programs have the older one. Subkeys (14) are vouched for by their key."""
    text = armoured(packet(6, BODY, old), packet(14, BODY[:-1], old), headers="Version: GnuPG v1\nComment: a: b\n")
    assert grafana.openpgp_fingerprints("words before\n" + text + text) == [fingerprint(BODY)] * 2


@pytest.mark.parametrize("text", [
    "", "no key", armoured(packet(13, b"x")), armoured(packet(6, BODY)[:-5]), armoured(b"\x00\x01"),
    armoured(packet(6, b"\x03" + BODY[1:])), armoured(b"\xc6"), armoured(packet(6, BODY)).replace("=AAAA", "!!"),
])  # fmt: skip
def test_what_is_no_key_is_refused(text):
    """Half a key must not pass for a whole one."""
    with pytest.raises(AnsibleFilterError):
        grafana.openpgp_fingerprints(text)


def test_settings_become_an_ini_file():
    """Values with signs that mean something in ini files must arrive as they are."""
    text = grafana.ini_sections({"a": {"on": True, "n": 3, "gone": None, "odd": "x;y#z"}, "auth.ldap": {"enabled": False}})
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    assert dict(parser["a"]) == {"on": "true", "n": "3", "odd": "`x;y#z`"}
    assert parser["auth.ldap"]["enabled"] == "false"


@pytest.mark.parametrize("settings", [{"a": "b"}, {"a": {"b": "c\n[security]"}}, {"a]": {}}, {"a": {"b c": 1}}])
def test_settings_cannot_begin_new_ones(settings):
    """A line break in a value would smuggle in a setting."""
    with pytest.raises(AnsibleFilterError, match="grafana_settings"):
        grafana.ini_sections(settings)


def test_dashboards_are_found_or_missed_loudly(tmp_path):
    """A directory that moved must not empty Grafana."""
    with pytest.raises(AnsibleFilterError, match="no dashboards"):
        grafana.dashboard_files(str(tmp_path), "/t")
    (tmp_path / "a.json").write_text("{}")
    assert grafana.dashboard_files(str(tmp_path), "/t") == [{"path": "/t/a.json", "content": "{}"}]
