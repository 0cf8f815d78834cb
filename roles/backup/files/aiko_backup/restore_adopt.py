"""A repository that was copied to a new backup host: its files bear the numbers of the old one's accounts."""

from __future__ import annotations

import os
import pathlib
import pwd

from .command import say
from .pgbackrest import USER


def adopt(settings: dict) -> bool:
    """Give the database's repository to this host's pgBackRest; returns whether it had to be."""
    place = pathlib.Path(settings["directory"], "pgbackrest")
    account = pwd.getpwnam(USER)
    # Copies bring all of it with the same owner: the first level tells.
    strange = [path for path in (place, *place.glob("*")) if path.lstat().st_uid != account.pw_uid] if place.is_dir() else []
    if not strange:
        return False
    say(f"{place} was copied here from another host: giving it to {USER}")
    for directory, names, files in os.walk(place):
        for name in ("", *names, *files):
            os.lchown(os.path.join(directory, name), account.pw_uid, account.pw_gid)
    return True
