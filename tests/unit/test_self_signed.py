"""roles/certificates/library/self_signed_certificates.py: when a certificate is made anew, and what is made. Needs openssl."""

import datetime

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.support import load

self_signed = load("roles/certificates/library/self_signed_certificates.py")
DOMAINS = ["aiko.example.com", "*.example.com", "192.0.2.1", "2001:db8::1"]


@pytest.fixture
def files(tmp_path):
    return str(tmp_path / "site.crt"), str(tmp_path / "site.key")


def module(days: int = 825, renew_days: int = 60) -> AnsibleModule:
    with patch_module_args({"days": days, "renew_days": renew_days}):
        return AnsibleModule(argument_spec={"days": {"type": "int"}, "renew_days": {"type": "int"}})


def make(files, domains=None, **days) -> None:
    self_signed.make(module(**days), *files, domains or DOMAINS)


def reason(files, domains=None, **days) -> str | None:
    return self_signed.reason(module(**days), *files, domains or DOMAINS)


def test_a_certificate_that_was_made_serves(files):
    """Also with a wildcard and both kinds of addresses: one that is made anew on every run drops every connection."""
    assert reason(files) == "missing"
    make(files)
    assert reason(files) is None


def test_what_is_made(files, tmp_path):
    """A server's certificate with all names, no authority; its key fits, and is closed from the start."""
    make(files)
    made = x509.load_pem_x509_certificate((tmp_path / "site.crt").read_bytes())
    key = serialization.load_pem_private_key((tmp_path / "site.key").read_bytes(), None)
    assert isinstance(key.curve, ec.SECP256R1)
    assert key.public_key() == made.public_key()
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == DOMAINS
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (made.not_valid_after_utc - datetime.datetime.now(datetime.UTC)).days in (824, 825)
    assert (tmp_path / "site.key").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site.crt", "site.key"]


def test_the_key_of_another(files, tmp_path):
    """A run that was killed between the two files leaves this behind."""
    make(files)
    former = (tmp_path / "site.key").read_bytes()
    make(files)
    (tmp_path / "site.key").write_bytes(former)
    assert reason(files) == "does not fit its key"


@pytest.mark.parametrize("domains", [
    ["aiko.example.com"], [*DOMAINS, "more.example.com"], ["aiko.example.com", "*.example.com", "192.0.2.2", "2001:db8::1"],
    ["aiko.example.com", "*.example.com", "192.0.2.1", "2001:db8::2"],
])
def test_other_domains(files, domains):
    """The site was renamed: more, fewer or other names are another certificate; another order is not."""
    make(files)
    assert reason(files, domains) == "names other domains"
    assert reason(files, DOMAINS[::-1]) is None


def test_one_that_ends_soon(files):
    """Renewed while it is still good, and not on every run before that."""
    make(files, days=61)
    assert reason(files, renew_days=60) is None
    assert reason(files, renew_days=62) == "ends within 62 days"


@pytest.mark.parametrize("broken", ["site.crt", "site.key"])
@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_what_is_no_certificate_is_replaced(files, tmp_path, broken, content):
    """A full disk leaves empty files."""
    make(files)
    (tmp_path / broken).write_bytes(content)
    assert reason(files)
    make(files)
    assert reason(files) is None
