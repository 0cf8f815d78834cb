"""Downloads that outlive their host: Debian packages and pip's cache, given to new hosts and taken from old ones.

Guests never share a writable directory: two package managers, perhaps run by different users, would have to trust each
other's locks and files. Instead every host starts with a read-only layer of hard links to what the caches hold (it
costs no memory and hardly any time), writes into its own layer, and what is new there is taken over when it goes.
"""

import configparser
import contextlib
import os
import pwd
import re
import shutil
import stat
import uuid
from pathlib import Path

from . import image
from .settings import GUEST_PIP_CACHE, Settings
from .system import FileLock, remove_tree

ARCHIVES = Path("var/cache/apt/archives")
PIP = Path(GUEST_PIP_CACHE.lstrip("/"))

# What pip needs to reach its index; the place of local packages on the controller means nothing in a guest.
CARRIED_PIP_OPTIONS = ("index-url", "trusted-host", "timeout")

_VERSION_PART = re.compile(r"([^0-9]*)([0-9]*)")


def make_seed(settings: Settings, name: str, dist: str) -> Path:
    """Make the read-only layer of a host out of the caches and return its directory."""
    seed = settings.seed(name)
    remove_tree(seed)
    archives = seed / ARCHIVES
    archives.mkdir(parents=True)
    for deb in settings.debs(dist).glob("*.deb"):
        _link(deb, archives / deb.name)
    target = seed / PIP
    target.mkdir(parents=True)
    with FileLock(settings.pip(dist).with_suffix(".lock")):
        for directory, _subdirectories, files in os.walk(settings.pip(dist)):
            there = target / Path(directory).relative_to(settings.pip(dist))
            there.mkdir(exist_ok=True)
            # Whoever runs pip in the guest must be able to write here, or pip goes without its cache.
            there.chmod(0o777)
            for file in files:
                _link(Path(directory) / file, there / file)
    target.chmod(0o1777)
    return seed


def _link(source: Path, target: Path) -> None:
    # Another host's harvest may just have replaced or pruned it: one download more, nothing worse.
    with contextlib.suppress(FileNotFoundError):
        try:
            os.link(source, target)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise
            shutil.copyfile(source, target)


def harvest(settings: Settings, dist: str, upper: Path) -> int:
    """Take what a guest downloaded from its writable layer into the caches; return how many files were new."""
    count = _harvest_debs(settings.debs(dist), real_directory(upper, ARCHIVES))
    with FileLock(settings.pip(dist).with_suffix(".lock")):
        count += _harvest_pip(settings.pip(dist), real_directory(upper, PIP))
    return count


def real_directory(base: Path, inner: Path) -> Path | None:
    """Return base/inner if it is a directory reached without symbolic links, which a guest could point anywhere."""
    path = base
    for part in inner.parts:
        path = path / part
        if not path.is_dir() or path.is_symlink():
            return None
    return path


def _harvest_debs(cache: Path, archives: Path | None) -> int:
    count = 0
    for deb in sorted(archives.glob("*.deb")) if archives else []:
        target = cache / deb.name
        if not _is_regular(deb) or (target.exists() and target.stat().st_size == deb.stat().st_size):
            continue
        if deb_identity(deb.name) and is_complete_deb(deb):
            _copy_in(deb, target)
            count += 1
    if count:
        for name in outdated(path.name for path in cache.glob("*.deb")):
            (cache / name).unlink(missing_ok=True)
    return count


def _harvest_pip(cache: Path, directory: Path | None) -> int:
    count = 0
    for parent, _subdirectories, files in os.walk(directory) if directory else []:
        for file in files:
            source = Path(parent) / file
            # Deleted files are character devices in an overlay; a `.tmp` is a download that was cut off.
            if _is_regular(source) and not file.endswith(".tmp"):
                _copy_in(source, cache / source.relative_to(directory))
                count += 1
    return count


def _is_regular(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _copy_in(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Always a new file: hosts hold hard links to the old one and must not see it change.
    temporary = target.with_name(f".{uuid.uuid4().hex}")
    shutil.copyfile(source, temporary)
    temporary.chmod(0o644)
    temporary.rename(target)


def is_complete_deb(path: Path) -> bool:
    """Tell whether the file is a Debian package that ends where its headers say: nothing is missing or left over."""
    size = path.stat().st_size
    members = []
    with path.open("rb") as file:
        if file.read(8) != b"!<arch>\n":
            return False
        position = 8
        while position < size:
            file.seek(position)
            header = file.read(60)
            if len(header) < 60 or header[58:] != b"`\n" or not header[48:58].strip().isdigit():
                return False
            members.append(header[:16].decode("ascii", "replace").strip().rstrip("/"))
            length = int(header[48:58])
            position += 60 + length
            if position > size:
                return False
            position += length % 2
    return members[:1] == ["debian-binary"] and any(member.startswith("data.tar") for member in members)


def deb_identity(filename: str) -> tuple[tuple[str, str], str] | None:
    """Split `name_version_arch.deb` into ((name, arch), version); None when it is not named like that."""
    parts = filename.removesuffix(".deb").split("_")
    if len(parts) != 3 or not filename.endswith(".deb"):
        return None
    return (parts[0], parts[2]), parts[1].replace("%3a", ":")


def outdated(filenames) -> list[str]:
    """Return those packages of which a newer version for the same architecture is in the list as well."""
    newest: dict[tuple[str, str], tuple[str, str]] = {}
    old = []
    for filename in filenames:
        identity = deb_identity(filename)
        if identity is None:
            continue
        key, version = identity
        if key not in newest:
            newest[key] = (version, filename)
        elif compare_versions(version, newest[key][0]) > 0:
            old.append(newest[key][1])
            newest[key] = (version, filename)
        else:
            old.append(filename)
    return sorted(old)


def compare_versions(left: str, right: str) -> int:
    """Compare two Debian versions by Debian Policy 5.6.12: negative, zero or positive like left minus right."""
    left_epoch, left_upstream, left_revision = _split_version(left)
    right_epoch, right_upstream, right_revision = _split_version(right)
    return (
        (left_epoch - right_epoch)
        or _compare_part(left_upstream, right_upstream)
        or _compare_part(left_revision, right_revision)
    )


def _split_version(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdigit():
        epoch, rest = "0", version
    upstream, _dash, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch), upstream, revision


def _compare_part(left: str, right: str) -> int:
    left_pieces, right_pieces = _VERSION_PART.findall(left), _VERSION_PART.findall(right)
    for index in range(max(len(left_pieces), len(right_pieces))):
        left_text, left_number = left_pieces[index] if index < len(left_pieces) else ("", "")
        right_text, right_number = right_pieces[index] if index < len(right_pieces) else ("", "")
        for position in range(max(len(left_text), len(right_text))):
            difference = _order(left_text[position : position + 1]) - _order(right_text[position : position + 1])
            if difference:
                return difference
        difference = int(left_number or 0) - int(right_number or 0)
        if difference:
            return difference
    return 0


def _order(character: str) -> int:
    # A tilde sorts before everything, even the end; letters before all other signs.
    if character == "~":
        return -1
    if not character:
        return 0
    return ord(character) + (0 if character.isalpha() else 256)


def controller_pip_options(environment, files: list[Path]) -> dict[str, str]:
    """Return the controller's values of CARRIED_PIP_OPTIONS: later files win, the environment wins over all."""
    found: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser()
        with contextlib.suppress(configparser.Error, OSError, UnicodeDecodeError):
            parser.read(file)
        if parser.has_section("global"):
            for option, value in parser.items("global"):
                found[option.replace("default-", "")] = value
    for option in CARRIED_PIP_OPTIONS:
        for variable in (f"PIP_{option}", f"PIP_DEFAULT_{option}"):
            if value := environment.get(variable.upper().replace("-", "_")):
                found[option] = value
    remote = found.get("index-url", "").startswith(("http://", "https://"))
    return {
        option: found[option] for option in CARRIED_PIP_OPTIONS if option in found and (option != "index-url" or remote)
    }


def pip_conf_files() -> list[Path]:
    """Return where the invoking user's pip looks for its configuration, most general first."""
    home = Path(pwd.getpwuid(int(os.environ.get("SUDO_UID", os.getuid()))).pw_dir)
    files = [
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        home / ".config/pip/pip.conf",
    ]
    if chosen := os.environ.get("PIP_CONFIG_FILE"):
        files.append(Path(chosen))
    return files


def guest_pip_conf() -> str:
    """Return the guests' /etc/pip.conf: their cache, the trusted authorities, and the controller's way to its index."""
    options = {"cache-dir": GUEST_PIP_CACHE}
    if image.extra_authorities():
        options["cert"] = image.CA_BUNDLE
    options |= controller_pip_options(os.environ, pip_conf_files())
    return "[global]\n" + "".join(f"{option} = {value}\n" for option, value in options.items())


def sizes(settings: Settings) -> dict[str, int]:
    """Return how many bytes each part of the cache takes on disk; files with several links count once."""
    report = {}
    for part in ("images", "containers", "debs", "pip", "layers"):
        seen, total = set(), 0
        for directory, _subdirectories, files in os.walk(settings.cache / part):
            for file in files:
                with contextlib.suppress(FileNotFoundError):
                    status = os.lstat(os.path.join(directory, file))
                    if status.st_ino not in seen:
                        seen.add(status.st_ino)
                        total += status.st_blocks * 512
        report[part] = total
    return report


def clear(settings: Settings) -> None:
    """Empty the caches, except the images that running hosts stand on. The lab's lock must be held."""
    for part in ("debs", "pip"):
        remove_tree(settings.cache / part)
    for dist in {path.name.split("-")[0] for path in settings.images.glob("*-*-*")}:
        with FileLock(settings.images / f"{dist}.lock"):
            image.remove_unused(settings, dist, keep_newest=False)
