"""filter_plugins/certificates.py: certificates that the operator brings."""

import datetime
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit.support import load

certificates = load("filter_plugins/certificates.py")
NOW = datetime.datetime.now(datetime.UTC)


def private_key():
    return ec.generate_private_key(ec.SECP256R1())


def pem(key, password: bytes | None = None) -> bytes:
    way = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, way)


def certificate(key, names: list, days: int = 30, begin: int = -2) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "aiko.example.com")])
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + datetime.timedelta(days=begin)).not_valid_after(NOW + datetime.timedelta(days=days))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def entry(tmp_path):
    """Write a certificate and a key; answer the entry that names them."""

    def write(certificate_pem: bytes, key_pem: bytes, domains: list[str]) -> dict:
        (tmp_path / "site.crt").write_bytes(certificate_pem)
        (tmp_path / "site.key").write_bytes(key_pem)
        return {"name": "site", "domains": domains,
                "certificate_file": str(tmp_path / "site.crt"), "key_file": str(tmp_path / "site.key")}

    return write


def dns(*names: str) -> list:
    return [x509.DNSName(name) for name in names]


def test_a_good_pair_is_accepted(entry):
    """Whoever brings a right certificate, with its chain, must not be stopped."""
    key = private_key()
    chain = certificate(key, dns("aiko.example.com", "www.example.com")) + certificate(private_key(), dns("authority"))
    assert certificates.certificate_error(entry(chain, pem(key), ["aiko.example.com", "WWW.example.com"])) == ""


def test_an_address_is_a_name_too(entry):
    """Some sites have no DNS."""
    key = private_key()
    made = certificate(key, [x509.IPAddress(ipaddress.ip_address("192.0.2.1"))])
    assert certificates.certificate_error(entry(made, pem(key), ["192.0.2.1"])) == ""


def test_the_key_of_another_certificate(entry):
    """nginx would refuse to start with it; here the site still runs."""
    error = certificates.certificate_error(entry(certificate(private_key(), dns("a.test")), pem(private_key()), ["a.test"]))
    assert error.startswith("certificates_list entry 'site': ")
    assert error.endswith("site.key is not the key of " + error.rsplit(" ", 1)[1])
    assert error.endswith("site.crt")


def test_one_that_has_ended(entry):
    """Every browser would show a warning from the first second on."""
    key = private_key()
    error = certificates.certificate_error(entry(certificate(key, dns("a.test"), days=-1), pem(key), ["a.test"]))
    assert f"site.crt ended on {NOW - datetime.timedelta(days=1):%Y-%m-%d}; bring a renewed one" in error


def test_one_that_has_not_begun(entry):
    """Ordered for the day after tomorrow, served today: refused by every client."""
    key = private_key()
    error = certificates.certificate_error(entry(certificate(key, dns("a.test"), begin=2), pem(key), ["a.test"]))
    assert f"site.crt begins on {NOW + datetime.timedelta(days=2):%Y-%m-%d}" in error


def test_domains_that_it_does_not_name(entry):
    """The message says which are missing, and what the file does cover."""
    key = private_key()
    error = certificates.certificate_error(entry(certificate(key, dns("b.test")), pem(key), ["a.test", "b.test", "c.test"]))
    assert error.endswith("site.crt does not cover a.test, c.test (it names b.test)")


def test_a_common_name_alone_covers_nothing(entry):
    """Clients have ignored the common name for years."""
    key = private_key()
    error = certificates.certificate_error(entry(certificate(key, []), pem(key), ["aiko.example.com"]))
    assert "does not cover aiko.example.com (it names nothing)" in error


@pytest.mark.parametrize(("domain", "covered"), [
    ("aiko.example.com", True), ("AIKO.Example.com", True), ("a.b.example.com", False), ("example.com", False), ("badexample.com", False),
])
def test_a_wildcard_stands_for_one_label(entry, domain, covered):
    """RFC 6125: browsers do not accept *.example.com for a.b.example.com or example.com itself."""
    key = private_key()
    error = certificates.certificate_error(entry(certificate(key, dns("*.example.com")), pem(key), [domain]))
    assert (error == "") == covered


def test_an_encrypted_key(entry):
    """A service cannot be asked for a passphrase when it boots."""
    key = private_key()
    error = certificates.certificate_error(entry(certificate(key, dns("a.test")), pem(key, b"passphrase"), ["a.test"]))
    assert error.endswith("site.key is not an unencrypted PEM private key")


@pytest.mark.parametrize(("certificate_pem", "key_pem", "message"), [
    (b"", b"", "site.crt is not a PEM certificate"),
    (b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", b"", "site.crt is not a PEM certificate"),
    (None, b"\x00\x01", "site.key is not an unencrypted PEM private key"),
    (None, None, "site.key is not an unencrypted PEM private key"),
])
def test_files_that_are_something_else(entry, certificate_pem, key_pem, message):
    """DER files, empty files, and the two of them swapped."""
    good = certificate(private_key(), dns("a.test"))
    written = entry(good if certificate_pem is None else certificate_pem, good if key_pem is None else key_pem, ["a.test"])
    assert certificates.certificate_error(written).endswith(message)


def test_files_that_are_not_there(tmp_path):
    """The path is one on the controller, which is easy to misread."""
    missing = {"name": "site", "domains": ["a.test"], "certificate_file": str(tmp_path / "no.crt"), "key_file": str(tmp_path / "no.key")}
    assert certificates.certificate_error(missing).endswith("no.crt does not exist on the controller")
    assert "has no certificate_file; expected the path of a PEM file" in certificates.certificate_error({"name": "site"})


def test_files_to_install(entry):
    """The key is for root, or for one group; and it is marked so that --diff never shows it."""
    key = private_key()
    given = entry(certificate(key, dns("a.test")), pem(key), ["a.test"])
    files = {file["path"]: file for file in certificates.certificate_files([
        {**given, "group": ""}, {**given, "name": "db", "group": "ssl-cert"}], "/tls")}
    assert set(files) == {"/tls/site.key", "/tls/site.crt", "/tls/db.key", "/tls/db.crt"}
    assert (files["/tls/site.key"]["mode"], files["/tls/site.key"]["group"], files["/tls/site.key"]["secret"]) == ("0600", "root", True)
    assert (files["/tls/db.key"]["mode"], files["/tls/db.key"]["group"], files["/tls/db.key"]["secret"]) == ("0640", "ssl-cert", True)
    assert files["/tls/site.key"]["content"].encode() == pem(key)
    assert "PRIVATE KEY" not in files["/tls/site.crt"]["content"]
