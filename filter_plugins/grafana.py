"""Where Grafana comes from and whether that can be trusted, its settings, and its dashboards."""

from __future__ import annotations

import base64
import binascii
import hashlib
import pathlib
import re

from ansible.errors import AnsibleFilterError

PACKAGES = {".deb": "deb", ".tar.gz": "tar"}
# What Grafana would take if nobody said anything, and what everybody tries first.
USUAL_PASSWORDS = ("admin", "grafana", "password", "changeme")
BLOCK = "-----{} PGP PUBLIC KEY BLOCK-----"
# Between headers, each a line `Name: value`, and the end.
ARMOR = re.compile(BLOCK.format("BEGIN") + r"\s*\n(?:[^\n]+: [^\n]*\n)*\s*\n?(.+?)" + BLOCK.format("END"), re.DOTALL)


def grafana_source(source: str) -> dict:
    """What ``grafana_package_source`` names.

    Returns:
        ``kind`` (none, upstream, url, file or unknown), ``form`` (deb, tar or empty) and ``tasks``, the file that brings it.
    """
    text = str(source)
    if text in ("none", "upstream"):
        return {"kind": text, "form": "", "tasks": "upstream"}
    form = next((form for ending, form in PACKAGES.items() if text.endswith(ending)), "")
    kind = "url" if re.match(r"https?://[^/\s]+/", text) else "file"
    return {"kind": kind if form else "unknown", "form": form, "tasks": "package"}


def grafana_errors(variables: dict, host: str) -> list[str]:
    """What is wrong with the variables that the role grafana has on a host; nothing where it is left out.

    Files that it names are on the controller, so a wrong checksum or key is found before any host is touched.
    """
    source = str(variables.get("grafana_package_source", "upstream"))
    found = grafana_source(source)
    if found["kind"] == "none":
        return []
    contained = variables.get("aiko_runtime") == "container"
    if found["kind"] == "unknown":
        errors = [f"grafana_package_source is '{source}'. Expected: upstream, none, or the URL or path of a .deb or .tar.gz. "
                  "Remedy: set it to one of these"]
    elif contained and variables.get("podman_image_source", "pull") == "pull":
        # It is grafana_image, which is trusted by its digest.
        errors = []
    elif contained and found["kind"] == "upstream":
        errors = ["grafana_package_source is upstream, its apt repository, but podman_image_source is build, and then Grafana's image is "
                  "made of a package. Expected: the URL or path of a .deb or .tar.gz. Remedy: name one, or set grafana_package_source: "
                  "none, or podman_image_source: pull"]
    elif found["kind"] == "upstream":
        errors = _key_errors(variables)
    else:
        errors = _checksum_errors(source, found["kind"], str(variables.get("grafana_package_checksum") or ""))
    errors += _password_errors(str(variables.get("grafana_admin_password") or ""))
    return [f"{host}: {error}" for error in errors]


def _key_errors(variables: dict) -> list[str]:
    path = str(variables.get("grafana_repository_key") or "")
    repository = str(variables.get("grafana_repository", "https://apt.grafana.com"))
    wanted = {_plain(fingerprint) for fingerprint in variables.get("grafana_repository_fingerprints") or []}
    remedy = (f"Remedy: save {repository}/gpg-full.key to a file beside the inventory, compare its fingerprint with the one that Grafana "
              "publishes, and set grafana_repository_key and grafana_repository_fingerprints; or grafana_package_source: none")
    if not path:
        return [f"grafana_repository_key is not set. Expected: a file on the controller with the key of Grafana's repository. {remedy}"]
    if not pathlib.Path(path).expanduser().is_file():
        return [f"grafana_repository_key is {path}, which is no file on the controller. Expected: the repository's key. {remedy}"]
    if not wanted:
        return [f"grafana_repository_fingerprints is empty. Expected: the fingerprint of every key in {path}. {remedy}"]
    try:
        found = openpgp_fingerprints(pathlib.Path(path).expanduser().read_text(errors="replace"))
    except AnsibleFilterError as error:
        return [f"grafana_repository_key {path}: {error}. Expected: public keys in ASCII armour. {remedy}"]
    strangers = [fingerprint for fingerprint in found if fingerprint not in wanted]
    if strangers:
        return [f"grafana_repository_key {path} has the key {', '.join(strangers)}, which grafana_repository_fingerprints does not name. "
                f"Expected: no other than {', '.join(sorted(wanted))}. Remedy: find out which of the two is right before you trust it"]
    return []


def _checksum_errors(source: str, kind: str, checksum: str) -> list[str]:
    checksum = checksum.removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", checksum):
        return [f"grafana_package_checksum is '{checksum}'. Expected: the SHA-256 of {source}, 64 hexadecimal digits. "
                "Remedy: take it from Grafana's download page"]
    if kind == "url":
        return []
    path = pathlib.Path(source).expanduser()
    if not path.is_file():
        return [f"grafana_package_source is {source}, which is no file on the controller. Expected: a .deb or .tar.gz of Grafana. "
                "Remedy: bring it, or set grafana_package_source: none"]
    with path.open("rb") as stream:
        actual = hashlib.file_digest(stream, "sha256").hexdigest()
    if actual != checksum.lower():
        return [f"grafana_package_source {source} has the SHA-256 {actual}. Expected: grafana_package_checksum, {checksum.lower()}. "
                "Remedy: find out which of the two is wrong before you install it"]
    return []


def _password_errors(password: str) -> list[str]:
    if len(password) < 12 or password.lower() in USUAL_PASSWORDS:
        return ["grafana_admin_password is short or one that everybody tries. Expected: at least 12 characters. "
                "Remedy: leave it to the generated secret, or set a longer one"]
    return []


def openpgp_fingerprints(text: str) -> list[str]:
    """Fingerprints of the primary keys in ASCII-armoured text (RFC 4880, sections 4.2, 6.2 and 12.2; RFC 9580 for version 6).

    Raises:
        AnsibleFilterError: there is no block, or it cannot be read.
    """
    found = []
    for block in ARMOR.findall(text):
        lines = block.strip().splitlines()
        try:
            # A line that begins with = is the checksum of the armour.
            data = base64.b64decode("".join(line.strip() for line in lines if not line.startswith("=")), validate=True)
            found += [_fingerprint(body) for tag, body in _packets(data) if tag == 6]
        except (binascii.Error, IndexError, ValueError) as error:
            raise AnsibleFilterError(f"a block cannot be read: {error}") from None
    if not found:
        raise AnsibleFilterError("there is no OpenPGP public key in it")
    return found


def _packets(data: bytes):
    """Tag and body of each packet."""
    at = 0
    while at < len(data):
        head, at = data[at], at + 1
        if not head & 0x80:
            raise ValueError("no OpenPGP packet")
        if head & 0x40:
            tag, first = head & 0x3F, data[at]
            if first < 192:
                size, at = first, at + 1
            elif first < 224:
                size, at = ((first - 192) << 8) + data[at + 1] + 192, at + 2
            elif first == 255:
                size, at = int.from_bytes(data[at + 1 : at + 5], "big"), at + 5
            else:
                raise ValueError("a key is never of partial length")
        else:
            tag, width = (head >> 2) & 0x0F, 1 << (head & 3)
            if width == 8:
                raise ValueError("a key is never of indeterminate length")
            size, at = int.from_bytes(data[at : at + width], "big"), at + width
        if at + size > len(data):
            raise ValueError("it ends too soon")
        yield tag, data[at : at + size]
        at += size


def _fingerprint(body: bytes) -> str:
    if body[0] == 4:
        return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False).hexdigest().upper()
    if body[0] == 6:
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    raise ValueError(f"a key of version {body[0]}, which is none that we know")


def _plain(fingerprint: str) -> str:
    return re.sub(r"[\s:]", "", str(fingerprint)).upper()


def ini_sections(settings: dict) -> str:
    """An ini file as Grafana reads it: sections to keys to values; None leaves a key out.

    Raises:
        AnsibleFilterError: a section is no dict, a name is none, or a value has a line break.
    """
    lines = []
    for section, keys in settings.items():
        if not isinstance(keys, dict):
            raise AnsibleFilterError(f"grafana_settings: section {section} must be a dict of keys, not {type(keys).__name__}")
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", str(section)):
            raise AnsibleFilterError(f"grafana_settings: '{section}' is not the name of a section")
        lines += ["", f"[{section}]"]
        for key, value in keys.items():
            if not re.fullmatch(r"[A-Za-z0-9_.-]+", str(key)):
                raise AnsibleFilterError(f"grafana_settings: '{key}' is not the name of a key")
            if value is None:
                continue
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if "\n" in text:
                raise AnsibleFilterError(f"grafana_settings: {section}.{key} has a line break, which would begin a new key")
            # Outside of backticks the parser takes # and ; for the beginning of a comment.
            lines.append(f"{key} = `{text}`" if re.search(r"[#;\"]", text) else f"{key} = {text}")
    return "\n".join(lines).strip() + "\n"


def dashboard_files(directory: str, target: str) -> list[dict]:
    """The ``files`` of a config_tree task: every dashboard of ``directory`` below ``target``."""
    found = [{"path": f"{target}/{path.name}", "content": path.read_text()} for path in sorted(pathlib.Path(directory).glob("*.json"))]
    if not found:
        raise AnsibleFilterError(f"{directory} has no dashboards")
    return found


class FilterModule:
    def filters(self) -> dict:
        return {
            "grafana_source": grafana_source,
            "grafana_errors": grafana_errors,
            "openpgp_fingerprints": openpgp_fingerprints,
            "ini_sections": ini_sections,
            "dashboard_files": dashboard_files,
        }
