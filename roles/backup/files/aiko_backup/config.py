"""What this host knows of the platform's backups; written by the role, without secrets."""

from __future__ import annotations

import json
import pathlib

from .command import Failed

PATH = "/etc/aiko/backup.json"


def load(path: str = PATH) -> dict:
    """Read the settings; Failed when this host has none."""
    try:
        return json.loads(pathlib.Path(path).read_text())
    except FileNotFoundError as error:
        raise Failed(f"{path} does not exist. Expected: a host that site.yml has made part of the backups. Remedy: put a host into "
                     "the group backup and run site.yml") from error
    except json.JSONDecodeError as error:
        raise Failed(f"{path} cannot be read: {error}. Remedy: run site.yml, which writes it") from error
