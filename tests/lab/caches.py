"""Downloads that outlive their host: Debian packages and pip's cache, given to new hosts and taken from old ones."""

from pathlib import Path

from .settings import Settings


def make_seed(settings: Settings, name: str, dist: str) -> Path:
    seed = settings.seed(name)
    seed.mkdir(parents=True, exist_ok=True)
    return seed


def guest_pip_conf() -> str:
    return ""


def harvest(settings: Settings, dist: str, upper: Path) -> int:
    return 0
