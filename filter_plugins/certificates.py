"""Certificates that the operator brings: checked on the controller before a host sees them."""

from __future__ import annotations

import datetime
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import serialization


def certificate_error(entry: dict) -> str:
    """What is wrong with an entry of ``certificates_list``, in a sentence; empty text when nothing is.

    Args:
        entry: ``name``, ``domains``, ``certificate_file`` (PEM, the chain after the server's own) and
            ``key_file`` (PEM, not encrypted), both paths on the controller.
    """
    what = f"certificates_list entry '{entry.get('name')}'"
    for key in ("certificate_file", "key_file"):
        path = entry.get(key)
        if not path:
            return f"{what} has no {key}; expected the path of a PEM file on the controller"
        if not pathlib.Path(path).expanduser().is_file():
            return f"{what}: {key} {path} does not exist on the controller"
    try:
        certificate = x509.load_pem_x509_certificates(_read(entry["certificate_file"]))[0]
    except ValueError:
        return f"{what}: {entry['certificate_file']} is not a PEM certificate"
    try:
        key = serialization.load_pem_private_key(_read(entry["key_file"]), password=None)
    except (ValueError, TypeError):
        return f"{what}: {entry['key_file']} is not an unencrypted PEM private key"
    if key.public_key() != certificate.public_key():
        return f"{what}: {entry['key_file']} is not the key of {entry['certificate_file']}"
    begin, end, now = certificate.not_valid_before_utc, certificate.not_valid_after_utc, datetime.datetime.now(datetime.UTC)
    if end < now:
        return f"{what}: {entry['certificate_file']} ended on {end:%Y-%m-%d}; bring a renewed one"
    if begin > now:
        return f"{what}: {entry['certificate_file']} begins on {begin:%Y-%m-%d}; bring one that is valid today"
    names = _names(certificate)
    missing = [d for d in entry.get("domains", []) if not any(_covers(name, d) for name in names)]
    if missing:
        return f"{what}: {entry['certificate_file']} does not cover {', '.join(missing)} (it names {', '.join(names) or 'nothing'})"
    return ""


def certificate_files(entries: list[dict], directory: str) -> list[dict]:
    """The ``files`` of a config_tree task that install ``certificates_list`` below ``directory``."""
    files = []
    for entry in entries:
        path = f"{directory}/{entry['name']}"
        key = {"secret": True, "mode": "0640" if entry.get("group") else "0600", "group": entry.get("group") or "root"}
        files.append({"path": f"{path}.key", "content": _read(entry["key_file"]).decode(), **key})
        files.append({"path": f"{path}.crt", "content": _read(entry["certificate_file"]).decode()})
    return files


def _read(path: str) -> bytes:
    return pathlib.Path(path).expanduser().read_bytes()


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in extension.value]


def _covers(name: str, domain: str) -> bool:
    """RFC 6125, section 6.4.3: a wildcard stands for exactly the leftmost label."""
    if name.startswith("*."):
        return "." in domain and domain.split(".", 1)[1].lower() == name[2:].lower()
    return name.lower() == domain.lower()


class FilterModule:
    def filters(self) -> dict:
        return {"certificate_error": certificate_error, "certificate_files": certificate_files}
