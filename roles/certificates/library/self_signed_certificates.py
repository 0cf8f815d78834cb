#!/usr/bin/python
"""Keep self-signed server certificates: right names, right key, not near their end."""

from __future__ import annotations

DOCUMENTATION = r"""
module: self_signed_certificates
short_description: Keep self-signed server certificates
description:
  - Makes C(NAME.key) (ECDSA P-256) and C(NAME.crt) for each certificate, in one step. A certificate is
    made anew when it is missing, does not fit its key, names other domains, or ends soon.
options:
  certificates:
    description: List of C(name), C(domains) (the first is the common name) and optionally C(group), which may read the key.
    type: list
    elements: dict
    required: true
  directory:
    description: Where they are kept.
    type: path
    required: true
  days:
    description: Validity in days.
    type: int
    default: 825
  renew_days:
    description: Days before its end at which a certificate is made anew.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Keep the site's certificate
  self_signed_certificates:
    directory: /etc/aiko/tls
    certificates: [{name: site, domains: [aiko.example.com]}]
"""

RETURN = r"""
made:
  description: Name to the reason why the certificate was made, or in check mode would be.
  type: dict
  returned: always
"""

import grp
import ipaddress
import os
import re
import shutil
import tempfile

from ansible.module_utils.basic import AnsibleModule


def alternative_name(domain: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(domain)}"
    except ValueError:
        return f"DNS:{domain}"


def reason(module: AnsibleModule, certificate: str, key: str, domains: list[str]) -> str | None:
    """Why this certificate must be made anew; None when it serves."""
    if not (os.path.exists(certificate) and os.path.exists(key)):
        return "missing"

    def openssl(*arguments: str) -> tuple[int, str]:
        code, out, _ = module.run_command(["openssl", *arguments])
        return code, out

    if openssl("x509", "-in", certificate, "-noout", "-pubkey")[1] != openssl("pkey", "-in", key, "-pubout")[1]:
        return "does not fit its key"
    _, text = openssl("x509", "-in", certificate, "-noout", "-ext", "subjectAltName")
    # OpenSSL has a spelling of its own for IPv6 addresses.
    present = {alternative_name(name) for name in re.findall(r"(?:DNS|IP Address):([^,\s]+)", text)}
    if present != {alternative_name(domain) for domain in domains}:
        return "names other domains"
    if openssl("x509", "-in", certificate, "-noout", "-checkend", str(module.params["renew_days"] * 86400))[0] != 0:
        return f"ends within {module.params['renew_days']} days"
    return None


def make(module: AnsibleModule, certificate: str, key: str, domains: list[str]) -> None:
    scratch = tempfile.mkdtemp(dir=os.path.dirname(certificate))
    try:
        new_key, new_certificate = os.path.join(scratch, "key"), os.path.join(scratch, "crt")
        names = ",".join(alternative_name(domain) for domain in domains)
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-sha256"]
        command += ["-keyout", new_key, "-out", new_certificate, "-days", str(module.params["days"])]
        # Clients go by the alternative names; a common name has 64 characters at most (RFC 5280, appendix A.1).
        command += ["-subj", f"/CN={domains[0][:64]}"]
        command += ["-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE"]
        # No keyUsage: clients trust this certificate as its own issuer, and RFC 5280 has no usage that says
        # both "not an authority" and "signs itself".
        command += ["-addext", "extendedKeyUsage=serverAuth"]
        module.run_command(command, check_rc=True)
        os.chmod(new_key, 0o600)
        # The key first: a new certificate beside the old key would not load, the other way round neither,
        # but a run killed in between finds them unfit and makes both anew.
        os.rename(new_key, key)
        os.rename(new_certificate, certificate)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "certificates": {"type": "list", "elements": "dict", "required": True},
            "directory": {"type": "path", "required": True},
            "days": {"type": "int", "default": 825},
            "renew_days": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    made, changed = {}, False
    for entry in module.params["certificates"]:
        certificate, key = (os.path.join(module.params["directory"], f"{entry['name']}.{kind}") for kind in ("crt", "key"))
        why = reason(module, certificate, key, entry["domains"])
        if why:
            made[entry["name"]] = why
            if module.check_mode:
                continue
            make(module, certificate, key, entry["domains"])
        group = entry.get("group") or "root"
        if module.check_mode and group not in {g.gr_name for g in grp.getgrall()}:
            changed = True
            continue
        for path, mode in ((certificate, "0644"), (key, "0640" if entry.get("group") else "0600")):
            arguments = {"path": path, "owner": "root", "group": group, "mode": mode}
            spec = module.load_file_common_arguments({**module.params, **arguments})
            changed = module.set_fs_attributes_if_different(spec, changed)
    module.exit_json(changed=changed or bool(made), made=made)


if __name__ == "__main__":
    main()
