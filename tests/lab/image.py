"""The base images: one unpacked Debian per release and recipe, built once, then only read."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .errors import LabError
from .settings import GUEST_PIP_CACHE, GUEST_USER, Settings
from .system import FileLock, remove_tree, run

# What a small cloud machine has: enough for Ansible to log in and work, no application.
PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "iputils-ping",
    "libpam-systemd",
    "netbase",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "sudo",
    "systemd-sysv",
    "tzdata",
)

# Where Debian keeps the kernel settings (such as: everybody may ping) that it ships apart from systemd.
PACKAGES_OF = {"trixie": ("linux-sysctl-defaults",), "bookworm": ()}

# An archive's index moves on and old packages vanish from it, so yesterday's lists answer installs with 404.
MAX_AGE_SECONDS = 24 * 3600

CA_DIRECTORY = Path("/usr/local/share/ca-certificates")
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS")
CARRIED_APT_SETTINGS = (
    "Acquire::http::Proxy",
    "Acquire::https::Proxy",
    "Acquire::Check-Date",
    "Acquire::Check-Valid-Until",
)

MASKED_UNITS = (
    "apt-daily.service",
    "apt-daily.timer",
    "apt-daily-upgrade.service",
    "apt-daily-upgrade.timer",
    "systemd-networkd-wait-online.service",
)

APT_CONF = """\
// Downloads stay, so that the lab can take them over into its cache when the host goes.
APT::Keep-Downloaded-Packages "true";
Binary::apt::APT::Keep-Downloaded-Packages "true";
Acquire::Languages "none";
"""

SETUP_SCRIPT = f"""\
useradd --create-home --shell /bin/bash --comment 'lab user' {GUEST_USER}
systemctl enable systemd-networkd.service ssh.service
systemctl mask {" ".join(MASKED_UNITS)}
rm -f /etc/ssh/ssh_host_* /etc/machine-id /var/lib/dbus/machine-id /var/lib/systemd/random-seed /etc/hostname
ln -sfn /usr/share/zoneinfo/Etc/UTC /etc/localtime
echo Etc/UTC >/etc/timezone
install -d -m 1777 {GUEST_PIP_CACHE}
update-ca-certificates
apt-cache gencaches
"""


def extra_authorities() -> dict[str, str]:
    """Return the controller's own certificate authorities, file name to PEM text: its guests must trust them too."""
    if not CA_DIRECTORY.is_dir():
        return {}
    return {
        str(path.relative_to(CA_DIRECTORY)): path.read_text()
        for path in sorted(CA_DIRECTORY.rglob("*.crt"))
        if path.is_file()
    }


def carried_apt_settings() -> str:
    """Return those of the controller's apt settings without which its archive cannot be reached."""
    lines = run("apt-config", "dump").splitlines() if shutil.which("apt-config") else []
    return "".join(
        f"{line}\n" for line in lines if line.split(" ", 1)[0] in CARRIED_APT_SETTINGS and not line.endswith('"";')
    )


def image_files(authorities: dict[str, str], apt_settings: str) -> dict[str, str]:
    """Return what the lab adds to a plain Debian, path to text."""
    files = {
        "etc/apt/apt.conf.d/90lab": APT_CONF + apt_settings,
        # A test host that loses power is thrown away: waiting for the disk would only cost time.
        "etc/dpkg/dpkg.cfg.d/lab": "force-unsafe-io\n",
        "etc/ssh/sshd_config.d/10-lab.conf": (
            "PermitRootLogin no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUseDNS no\n"
        ),
        "etc/sudoers.d/lab": f"{GUEST_USER} ALL=(ALL:ALL) NOPASSWD: ALL\n",
        "etc/default/locale": "LANG=C.UTF-8\n",
        "etc/locale.conf": "LANG=C.UTF-8\n",
    }
    for name, text in authorities.items():
        files[f"{CA_DIRECTORY}/{name}".lstrip("/")] = text
    if authorities:
        files["etc/environment"] = "".join(f"{name}={CA_BUNDLE}\n" for name in CA_VARIABLES)
    return files


def recipe_hash(dist: str, files: dict[str, str]) -> str:
    """Return 12 hex digits that change whenever an image built now would differ by intention."""
    recipe = json.dumps([dist, PACKAGES, PACKAGES_OF[dist], SETUP_SCRIPT, sorted(files.items())])
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def build_command(dist: str, target: Path, apt_settings: str) -> list[str]:
    """Return the command that unpacks a minimal Debian into `target`.

    No mirror is named: mmdebstrap's default is Debian's own, with updates and security. The whole build lives in its
    own mount and process namespaces that die with us, so a killed build leaves neither mounts nor processes.
    """
    options = [f"--aptopt={line.rstrip(';')}" for line in apt_settings.splitlines()]
    return [
        "setpriv", "--pdeathsig", "KILL",
        "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
        "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory",
        # A fresh cloud machine would have to fetch the lists first: a minute per host for nothing.
        "--skip=cleanup/apt/lists",
        f"--include={','.join(PACKAGES + PACKAGES_OF[dist])}",
        *options,
        dist, str(target),
    ]  # fmt: skip


class Image:
    """A finished base image. As long as the object holds its lock, nobody removes the directory."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.root = directory / "rootfs"
        self.lock = FileLock(directory / "lock")

    def hold(self) -> "Image":
        """Keep the image from being removed until this process ends or releases the lock."""
        self.lock.acquire(shared=True)
        return self

    @property
    def built(self) -> float:
        """Seconds since the epoch."""
        return float(self.directory.name.rsplit("-", 1)[1])


def finished_images(settings: Settings, dist: str) -> list[Image]:
    """Return all images of a release, newest first, whatever their recipe."""
    pattern = re.compile(rf"{dist}-[0-9a-f]{{12}}-\d+")
    if not settings.images.is_dir():
        return []
    found = [Image(path) for path in settings.images.iterdir() if pattern.fullmatch(path.name)]
    return sorted(found, key=lambda image: image.built, reverse=True)


def ensure(settings: Settings, dist: str) -> Image:
    """Return a held image of that release, building it when there is none or it is older than a day.

    Whoever comes second waits for the first builder. When rebuilding an aged image fails, the aged one is used.
    LabError when there is none at all.
    """
    apt_settings = carried_apt_settings()
    files = image_files(extra_authorities(), apt_settings)
    key = recipe_hash(dist, files)
    lock = FileLock(settings.images / f"{dist}.lock")
    if not lock.acquire(wait=False):
        print(f"waiting for another build of {dist}", file=sys.stderr)
        lock.acquire()
    try:
        usable = [image for image in finished_images(settings, dist) if f"-{key}-" in image.directory.name]
        if usable and time.time() - usable[0].built < MAX_AGE_SECONDS:
            return usable[0].hold()
        try:
            image = _build(settings, dist, key, files, apt_settings).hold()
        except LabError as error:
            if not usable:
                raise
            print(f"warning: using the base image of {time.ctime(usable[0].built)}: {error}", file=sys.stderr)
            return usable[0].hold()
        remove_unused(settings, dist)
        return image
    finally:
        lock.release()


def remove_unused(settings: Settings, dist: str, keep_newest: bool = True) -> None:
    """Remove the images of a release that no host uses. The builder's lock must be held."""
    for image in finished_images(settings, dist)[1 if keep_newest else 0 :]:
        if image.lock.acquire(wait=False):
            remove_tree(image.directory)
            image.lock.release()


def _build(settings: Settings, dist: str, key: str, files: dict[str, str], apt_settings: str) -> Image:
    started = time.monotonic()
    for abandoned in settings.images.glob(f".build-{dist}-*"):
        # We hold the builder's lock: whoever made this is dead.
        remove_tree(abandoned)
    work = Path(tempfile.mkdtemp(prefix=f".build-{dist}-", dir=settings.images))
    work.chmod(0o755)
    try:
        root = work / "rootfs"
        print(f"building the base image of {dist} (about 40 s, once a day)", file=sys.stderr)
        log = work / "build.log"
        with open(log, "w") as output:
            environment = {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}
            environment |= {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
            command = build_command(dist, root, apt_settings)
            done = subprocess.run(
                command, check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
            )
        if done.returncode:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise LabError(f"building the base image of {dist} failed:\n{last}")
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o440 if "sudoers.d" in name else 0o644)
        environment_ = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"]
        run(*environment_, "chroot", str(root), "sh", "-euc", SETUP_SCRIPT)
        final = settings.images / f"{dist}-{key}-{int(time.time())}"
        work.rename(final)
    except BaseException:
        remove_tree(work)
        raise
    print(f"built the base image of {dist} in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return Image(final)
