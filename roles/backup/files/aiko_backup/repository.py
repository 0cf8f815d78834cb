"""How the repository stands, for monitoring and for people."""

from __future__ import annotations

import pathlib
import shutil

from .command import Failed, say
from .manifest import complete
from .restic import Restic


def values(settings: dict, restic: Restic) -> dict:
    """How the repository stands; what cannot be asked now is left as it was."""
    found_values: dict = {}
    try:
        found = complete(restic)
        found_values["backup_sets"] = len(found)
        proven = [one for one in found if one.proven]
        found_values["backup_newest_proven_timestamp_seconds"] = int(proven[-1].began) if proven else 0
    except Failed as failure:
        say(f"the repository cannot be read: {failure}")
    if settings.get("local", True):
        directory = pathlib.Path(settings["directory"])
        found_values["backup_repository_margin_bytes"] = settings["margin_mb"] * 1024 * 1024
        found_values["backup_repository_free_bytes"] = shutil.disk_usage(directory).free
        found_values["backup_repository_bytes"] = {f'store="{store}"': _size(directory / store) for store in ("pgbackrest", "restic")}
    return found_values


def _size(directory: pathlib.Path) -> int:
    return sum(path.lstat().st_size for path in directory.rglob("*") if path.is_file())
