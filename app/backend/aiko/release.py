"""Which release this code is."""

from __future__ import annotations

from pathlib import Path

from aiko.config import current

# Once, at start: a link that leads here may point to another release later, while this process goes on.
_HOME = Path(__file__).resolve().parents[1]


def release() -> str | None:
    """Return AIKO_RELEASE, else the name of the directory below `releases` that the code runs from, else None."""
    return current().AIKO_RELEASE or (_HOME.name if _HOME.parent.name == "releases" else None)
