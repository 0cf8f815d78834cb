"""Secrets that make themselves: read from the environment's vault-encrypted file, generated on first use."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret
short_description: A secret of this environment, generated on first use and kept encrypted
description:
  - Reads C(aiko_secrets_file) (by default C(secrets.yml) beside the inventory), a YAML map encrypted
    with ansible-vault. A name that is not there yet is generated, and the file is encrypted anew.
  - In check mode nothing is written; a missing secret is then a value of the same form.
options:
  _terms:
    description: Names of secrets.
    required: true
  bytes:
    description: Random bytes of a generated secret; its text is twice as long, in hexadecimal.
    type: int
    default: 32
"""

EXAMPLES = r"""
redis_password: "{{ lookup('secret', 'redis_password') }}"
"""

import fcntl
import os
import re
import secrets
import tempfile

import yaml
from ansible.errors import AnsibleLookupError
from ansible.parsing.vault import AnsibleVaultError, is_encrypted, match_encrypt_secret
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        path = self._templar.template(variables.get("aiko_secrets_file"))
        if not path:
            raise AnsibleLookupError("aiko_secrets_file is not set; it names the encrypted file of this environment's secrets")
        for term in terms:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", term):
                raise AnsibleLookupError(f"'{term}' is not the name of a secret: lower-case letters, digits and _ are")
        if variables.get("ansible_check_mode"):
            known = self._read(path)
            return [known.get(term) or self._generate() for term in terms]
        return self._known_or_new(path, terms)

    def _known_or_new(self, path: str, terms: list[str]) -> list[str]:
        known = self._read(path)
        if any(term not in known for term in terms):
            # Hosts are templated in parallel processes: look again under the lock.
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(f"{path}.lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                known = self._read(path)
                fresh = {term: self._generate() for term in terms if term not in known}
                if fresh:
                    known.update(fresh)
                    self._write(path, known)
        return [known[term] for term in terms]

    def _generate(self) -> str:
        return secrets.token_hex(self.get_option("bytes"))

    def _read(self, path: str) -> dict:
        try:
            with open(path, "rb") as stream:
                raw = stream.read()
        except FileNotFoundError:
            return {}
        if not is_encrypted(raw):
            raise AnsibleLookupError(f"{path} is not encrypted; run: ansible-vault encrypt {path}")
        try:
            text = self._loader._vault.decrypt(raw)
        except AnsibleVaultError:
            raise AnsibleLookupError(
                f"the vault password does not open {path}. Expected: the password it was encrypted with. "
                "Remedy: name the right one with --vault-password-file or AIKO_VAULT_PASSWORD_FILE "
                "(docs/secrets.md); nothing was changed"
            ) from None
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            # Its own message, and a cause in a trace, would quote the secrets around the place.
            line = f" (line {error.problem_mark.line + 1})" if getattr(error, "problem_mark", None) else ""
            raise AnsibleLookupError(f"{path} does not hold YAML{line}; run: ansible-vault edit {path}") from None
        if not isinstance(content, dict):
            raise AnsibleLookupError(f"{path} must hold a map of names to secrets")
        return content

    def _write(self, path: str, known: dict) -> None:
        vault = self._loader._vault
        chosen = match_encrypt_secret(vault.secrets)
        encrypted = vault.encrypt(yaml.safe_dump(known, allow_unicode=True), secret=chosen[1])
        # A torn file would lose every secret of the environment: write aside, then rename.
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as stream:
            stream.write(encrypted)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(stream.name, 0o600)
        os.rename(stream.name, path)
