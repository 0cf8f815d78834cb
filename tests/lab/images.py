"""The store of container images: the recipes in images/, built once in a host of the lab and shown to others read-only.

No registry is needed, and no container engine on the controller.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import hosts
from .errors import LabError
from .settings import Settings
from .state import read
from .system import FileLock, remove_tree, run

RECIPES = Path(__file__).resolve().parents[2] / "images"
# The containers need the release's own engine, and the recipes are of the same release.
DIST = "trixie"
BUILDER = "image-builder"
PACKAGES = "podman crun netavark mmdebstrap"
# Recipes do not name versions: now and then a store shall see the archive again.
MAX_AGE_SECONDS = 7 * 24 * 3600
# What an image store consists of; the rest of the directory belongs to the engine that built it.
PARTS = ("overlay", "overlay-images", "overlay-layers", "storage.lock")
BUILD = """
set -e
apt-get install -y -qq --no-install-recommends {packages} >/tmp/apt.log 2>&1 || {{ cat /tmp/apt.log; exit 1; }}
python3 -B /srv/images/recipes.py build $(python3 -B /srv/images/recipes.py list)
"""


def recipes():
    """images/recipes.py as a module: it knows what an image is called."""
    spec = importlib.util.spec_from_file_location("recipes", RECIPES / "recipes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def store_key(references: list[str]) -> str:
    """Return 12 hex digits that change with every recipe."""
    return hashlib.sha256("\n".join(sorted(references)).encode()).hexdigest()[:12]


def ensure(settings: Settings) -> Path:
    """Return the directory of the store, building it when there is none for these recipes or it is a week old."""
    module = recipes()
    key = store_key([module.reference(name) for name in module.names()])
    with FileLock(settings.stores / "build.lock"):
        usable = sorted(path for path in settings.stores.glob(f"{key}-*") if path.is_dir())
        if usable and time.time() - float(usable[-1].name.rsplit("-", 1)[1]) < MAX_AGE_SECONDS:
            return usable[-1]
        try:
            store = _build(settings, key)
        except LabError as error:
            if not usable:
                raise
            print(f"warning: using images of {time.ctime(usable[-1].stat().st_mtime)}: {error}", file=sys.stderr)
            return usable[-1]
        remove_unused(settings, keep=store)
        return store


def hold(settings: Settings, source: Path) -> FileLock | None:
    """Keep a store from being removed while a host shows it; None for any other directory."""
    if source.parent != settings.stores:
        return None
    lock = FileLock(source / "lock")
    lock.acquire(shared=True)
    return lock


def remove_unused(settings: Settings, keep: Path | None = None) -> None:
    """Remove the stores that no host uses. The builder's lock must be held."""
    for store in settings.stores.glob("*-*"):
        lock = FileLock(store / "lock")
        if store != keep and store.is_dir() and lock.acquire(wait=False):
            remove_tree(store)
            lock.release()


def _build(settings: Settings, key: str) -> Path:
    started = time.monotonic()
    print("building the container images (about two minutes, once for these recipes)", file=sys.stderr)
    work = Path(tempfile.mkdtemp(prefix=".build-", dir=settings.stores))
    try:
        hosts.down(settings, [BUILDER])
        hosts.up(settings, [BUILDER], DIST, owner=os.getpid(), binds=[f"{RECIPES}:/srv/images"])
        command = [*hosts.ssh_command(settings, BUILDER), "sudo", "sh", "-s"]
        done = subprocess.run(command, check=False, input=BUILD.format(packages=PACKAGES), capture_output=True, text=True)
        if done.returncode:
            raise LabError(f"building the container images failed:\n{(done.stdout + done.stderr)[-3000:]}")
        # The host's mounts can only be seen from its supervisor's mount namespace.
        supervisor = read(settings, BUILDER)["pid"]
        storage = Path(f"/proc/{supervisor}/root{settings.hosts / BUILDER / 'disk/containers/storage'}")
        for part in PARTS:
            run("cp", "--archive", str(storage / part), str(work / part))
        work.chmod(0o755)
        final = settings.stores / f"{key}-{int(time.time())}"
        work.rename(final)
    except BaseException:
        remove_tree(work)
        raise
    finally:
        hosts.down(settings, [BUILDER])
    print(f"built the container images in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return final
