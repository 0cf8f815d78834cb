"""Container images: what they are called, and the files that concern them."""

from __future__ import annotations

import base64
import importlib.util
import json
import pathlib
import re

from ansible.errors import AnsibleFilterError

RECIPES = pathlib.Path(__file__).resolve().parent.parent / "images"


def _recipes():
    spec = importlib.util.spec_from_file_location("aiko_recipes", RECIPES / "recipes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def image_reference(image: dict, source: str, mirror: str = "") -> str:
    """By what name Podman knows an image.

    Args:
        image: ``image`` (name and tag), ``digest`` ("" for none) and ``recipe``.
        source: ``pull``, or ``build`` for what its recipe makes.
        mirror: registry from which to pull instead of where the name points.

    Raises:
        AnsibleFilterError: the digest is none, there is no such recipe, or nothing says from where to pull.
    """
    if source == "build":
        try:
            return _recipes().reference(image["recipe"])
        except KeyError as error:
            raise AnsibleFilterError(str(error.args[0])) from error
    digest = image.get("digest") or ""
    if digest and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise AnsibleFilterError(f"digest of image {image['image']} is '{digest}'. Expected: sha256: and 64 hexadecimal digits, or nothing")
    name = image["image"]
    # What stands before the first / is a registry if it looks like a host.
    head, slash, rest = name.partition("/")
    registry = bool(slash and re.search("[.:]", head))
    if mirror:
        name = f"{mirror.rstrip('/')}/{rest if registry else name}"
    elif not registry:
        raise AnsibleFilterError(
            f"image {name} names no registry, and Podman guesses none. Expected: podman_registry_mirror, or a name that begins with its "
            f"registry, such as registry.example.com/{name}. Remedy: set one of them, or podman_image_source: build")
    # Podman takes a tag or a digest; with a digest the tag says nothing.
    return f"{re.sub(':[^:/]+$', '', name)}@{digest}" if digest else name


def container_account(passwd: dict, name: str, home: str = "/nonexistent") -> dict:
    """``[Container]`` directives with which a container runs as an account of the host, so that files belong to the same one.

    Args:
        passwd: the host's accounts, as ``getent passwd`` has them. In check mode one may not be there yet: it is nobody then.
        home: its home directory, as seen in the container.
    """
    uid, gid = (passwd.get(name) or ["", "65534", "65534"])[1:3]
    return {"User": uid, "Group": gid, "PodmanArgs": f"--passwd-entry={name}:*:{uid}:{gid}::{home}:/usr/sbin/nologin"}


def container_secrets(names: list[str], prefix: str, passwd: dict, account: str, directory: str = "/run/credentials") -> list[str]:
    """``Secret=`` of a quadlet: every secret that podman-secrets made with this prefix, as a file for that account alone."""
    uid = (passwd.get(account) or ["", "65534"])[1]
    return [f"{prefix}-{name.lower().replace('_', '-')},type=mount,target={directory}/{name},uid={uid},mode=0400" for name in names]


def application_account(passwd: dict, name: str, secrets: list[str], variables: list[str]) -> dict:
    """``[Container]`` directives of a process of the application: its account, its secrets, and its environment.

    Args:
        secrets: names of the secrets that podman-secrets made with the prefix ``aiko-backend``.
        variables: names of the variables that Podman finds in its own environment, which systemd has read from a file.
    """
    account = container_account(passwd, name)
    return {
        "User": account["User"],
        "PodmanArgs": [account["PodmanArgs"], "--umask=0007", *(f"--env={variable}" for variable in variables)],
        "Secret": container_secrets(secrets, "aiko-backend", passwd, name),
    }


def registry_logins(logins: dict) -> str:
    """containers-auth.json(5) from registry to ``{username, password}``."""
    tokens = {name: base64.b64encode(f"{login['username']}:{login['password']}".encode()).decode() for name, login in logins.items()}
    return json.dumps({"auths": {name: {"auth": token} for name, token in tokens.items()}}, indent=1) + "\n"


def containers_conf(settings: dict) -> str:
    """containers.conf(5), which is TOML; JSON's text, number, bool and list are TOML's as well."""
    lines = []
    for table, entries in settings.items():
        lines += [f"[{table}]", *(f"{name} = {json.dumps(value)}" for name, value in entries.items() if value is not None), ""]
    return "\n".join(lines).rstrip("\n")


def recipe_files(names: list[str], directory: str) -> list[dict]:
    """The ``files`` of a config_tree task that bring recipes, and what builds them, to a host."""
    module = _recipes()
    paths = [RECIPES / "recipes.py"]
    for name in [module.BASE, *sorted(set(names) - {module.BASE})]:
        paths += sorted(path for path in (RECIPES / name).rglob("*") if path.is_file())
    return [
        {"path": f"{directory}/{path.relative_to(RECIPES)}", "content": path.read_text(),
         "mode": "0755" if path.stat().st_mode & 0o100 else "0644"}
        for path in paths
    ]


class FilterModule:
    def filters(self) -> dict:
        return {
            "image_reference": image_reference,
            "container_account": container_account,
            "container_secrets": container_secrets,
            "application_account": application_account,
            "registry_logins": registry_logins,
            "containers_conf": containers_conf,
            "recipe_files": recipe_files,
        }
