"""The certificates role: self-signed ones that look after themselves, and the operator's own, checked first."""

import datetime
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TLS = "/etc/aiko/tls"


def field(host, name: str, option: str) -> str:
    return host.check_output(f"openssl x509 -in {TLS}/{name}.crt -noout -{option}")


def names(host, name: str) -> set[str]:
    return set(field(host, name, "ext subjectAltName").splitlines()[-1].replace(" ", "").split(","))


def fits(host, name: str) -> bool:
    return field(host, name, "pubkey") == host.check_output(f"openssl pkey -in {TLS}/{name}.key -pubout")


@pytest.fixture
def own(tmp_path):
    """Make a certificate as an operator would bring it; returns an entry of certificates_list."""

    def make(domains=("aiko.test",), ends_in_days=90, other_key=False) -> dict:
        key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        now = datetime.datetime.now(datetime.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domains[0])])
        certificate = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=200)).not_valid_after(now + datetime.timedelta(days=ends_in_days))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(d) for d in domains]), critical=False)
            .sign(key, hashes.SHA256())
        )  # fmt: skip
        (tmp_path / "own.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (tmp_path / "own.key").write_bytes(
            (other if other_key else key).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return {
            "name": "site", "domains": ["aiko.test"],
            "certificate_file": str(tmp_path / "own.crt"), "key_file": str(tmp_path / "own.key"),
        }  # fmt: skip

    return make


@pytest.mark.ledger("NX6")
@pytest.mark.parametrize(("name", "domain"), [("site", "aiko.test"), ("postgres", "postgres")])
def test_certificate_names_its_domain(host, name, domain):
    """Clients check the alternative names and nothing else; libpq's verify-full refuses any other."""
    assert names(host, name) == {f"DNS:{domain}"}
    assert fits(host, name)
    assert "CA:FALSE" in field(host, name, "ext basicConstraints")


@pytest.mark.ledger("SY3")
def test_keys_are_read_by_their_service_alone(host):
    """Whoever reads the key can be the site."""
    site, postgres = host.file(f"{TLS}/site.key"), host.file(f"{TLS}/postgres.key")
    assert (site.user, site.group, site.mode) == ("root", "root", 0o600)
    assert (postgres.user, postgres.group, postgres.mode) == ("root", "ssl-cert", 0o640)
    assert host.file(f"{TLS}/site.crt").mode == 0o644


@pytest.mark.ledger("NX6")
def test_other_domain_makes_another_certificate(host, converge):
    """A site that moves and keeps its certificate is a site that browsers refuse."""
    site, postgres = field(host, "site", "serial"), field(host, "postgres", "serial")
    converge({"aiko_domain": "moved.test"}).succeeded()
    assert names(host, "site") == {"DNS:moved.test"}
    assert field(host, "site", "serial") != site
    assert field(host, "postgres", "serial") == postgres, "what did not change must stay: clients trust this very certificate"
    assert converge({"aiko_domain": "moved.test"}).succeeded().changed == 0


@pytest.mark.ledger("NX6")
def test_certificate_near_its_end_is_made_anew(host, converge):
    """Self-signed certificates end too, and nobody else is going to send a reminder."""
    short = {"aiko_domain": "short.test", "certificates_days": 30}
    converge({**short, "certificates_renew_days": 10}).succeeded()
    serial = field(host, "site", "serial")
    assert converge({**short, "certificates_renew_days": 10}).succeeded().changed == 0
    converge({"aiko_domain": "short.test"}).succeeded()
    assert field(host, "site", "serial") != serial
    assert host.run(f"openssl x509 -in {TLS}/site.crt -noout -checkend {800 * 86400}").rc == 0


@pytest.mark.ledger("OP6")
def test_key_and_certificate_of_a_killed_run_are_made_to_fit(host, converge):
    """A run killed between the two files would leave a pair that no server loads."""
    host.check_output(f"openssl ecparam -name prime256v1 -genkey -noout -out {TLS}/site.key")
    assert not fits(host, "site")
    converge({}).succeeded()
    assert fits(host, "site")
    assert host.file(f"{TLS}/site.key").mode == 0o600


@pytest.mark.ledger("NX6")
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"other_key": True}, "own.key is not the key of"),
        ({"ends_in_days": -3}, "ended on"),
        ({"domains": ("elsewhere.test",)}, "does not cover aiko.test (it names elsewhere.test)"),
    ],
    ids=["wrong key", "expired", "other domain"],
)
def test_unfit_certificate_of_the_operator_is_refused(host, converge, own, fault, message):
    """Found here it is a sentence on a screen; found by nginx it is an outage."""
    serial = field(host, "site", "serial")
    converge({"certificates_list": [own(**fault)]}).refused("certificates_list entry 'site'", message)
    assert field(host, "site", "serial") == serial
    assert fits(host, "site")


def test_missing_file_of_the_operator_is_named(converge, own):
    """The path in the message is what the operator mistyped."""
    entry = {**own(), "key_file": "~/nowhere/site.key"}
    converge({"certificates_list": [entry]}).refused("~/nowhere/site.key does not exist on the controller")


@pytest.mark.ledger("NX6", "SY3")
def test_own_certificate_is_installed_and_its_key_never_shown(host, converge, own):
    """The key must not end up in a terminal's scrollback or in a pipeline's log."""
    entry = own(domains=("www.aiko.test", "*.test"))
    play = converge({"certificates_list": [entry]}, "--diff", "-vvv").succeeded()
    assert names(host, "site") == {"DNS:www.aiko.test", "DNS:*.test"}
    assert fits(host, "site")
    assert host.file(f"{TLS}/site.key").mode == 0o600
    with open(entry["key_file"]) as stream:
        body = "".join(stream.read().splitlines()[1:-1])
    shown = play.output.replace("\n", "").replace("\\n", "")
    assert body not in shown and json.dumps(body) not in shown
