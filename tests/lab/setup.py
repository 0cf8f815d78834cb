"""Installs the Debian packages the lab stands on, if some of its commands are missing."""

import os
import shutil
import subprocess

from .errors import LabError

# Command, and the package that brings it.
NEEDED = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
}


# What tests of pages need besides: a browser, the library that its driver's Node is linked with, and letters to draw.
BROWSER = {"chromium": "chromium libatomic1 fonts-dejavu-core"}


def missing_packages(needed: dict[str, str] = NEEDED) -> list[str]:
    """Return the Debian packages whose commands are not there."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [packages for command, packages in needed.items() if shutil.which(command, path=path) is None]
    return sorted({package for packages in missing for package in packages.split()})


def install(browser: bool = False) -> list[str]:
    """Install what is missing and return its names; LabError when apt-get does not manage it."""
    packages = missing_packages({**NEEDED, **BROWSER} if browser else NEEDED)
    if packages:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", *packages]):
            if subprocess.call(command, env=environment):
                raise LabError(f"`{' '.join(command)}` failed; the lab needs {', '.join(packages)}")
    return packages


def require() -> None:
    """LabError when something is missing."""
    if packages := missing_packages():
        raise LabError(f"missing: {', '.join(packages)}; the verb `setup` installs them")
