#!/usr/bin/env python3
"""Build the images of third-party services from Debian's packages, on a Debian 13 host that has Podman and mmdebstrap.

    recipes.py list              names of the recipes
    recipes.py reference NAME    what the image is called
    recipes.py build NAME...     build what is not there yet, and the base first

An image is named after its recipe's content, so one that is there is the right one. Standard library alone: it runs on
hosts that have nothing else, in the lab, and inside Ansible.
"""

import argparse
import hashlib
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BASE = "debian"
RELEASE = "trixie"
# What changes how images are built without being in a recipe; count up to have all built anew.
GENERATION = 1
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


def names(directory: pathlib.Path = HERE) -> list[str]:
    """All recipes but the base."""
    return sorted(path.parent.name for path in directory.glob("*/Containerfile"))


def reference(name: str, directory: pathlib.Path = HERE) -> str:
    """The image's name and tag; KeyError when there is no such recipe."""
    if name != BASE and name not in names(directory):
        raise KeyError(f"there is no recipe {name}; there are {', '.join(names(directory))}")
    digest = hashlib.sha256(f"{RELEASE} {GENERATION}".encode())
    for part in (BASE, name):
        for path in sorted((directory / part).rglob("*")):
            if path.is_file():
                digest.update(f"{path.relative_to(directory)}\0".encode() + path.read_bytes() + b"\0")
    return f"localhost/aiko/{name}:{digest.hexdigest()[:16]}"


def is_there(image: str) -> bool:
    return subprocess.run(["podman", "image", "exists", image], check=False).returncode == 0


def build_base(image: str) -> None:
    """Debian without documentation, straight from its archive."""
    packages = [line for line in (HERE / BASE / "packages").read_text().split("\n") if line and not line.startswith("#")]
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "info", "locale", "lintian")]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        archive = f"{scratch}/root.tar"
        run("mmdebstrap", "--quiet", "--variant=apt", "--format=tar", f"--include={','.join(packages)}", *left_out,
            *(f"--aptopt={option}" for option in apt_options()), f"--customize-hook=copy-in {HERE / BASE / 'aiko-install'} /usr/local/sbin",
            "--customize-hook=rm -f \"$1/etc/resolv.conf\" \"$1/etc/hostname\"", RELEASE, archive)
        # /bin/sh and nothing else is what a base image promises.
        run("podman", "import", "--quiet", "--change=ENV LANG=C.UTF-8", "--change=CMD [\"/bin/sh\"]", *labels(BASE), archive, image)


def apt_options() -> list[str]:
    """The host's proxy."""
    settings = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout.splitlines()
    return [line.rstrip(";") for line in settings if line.startswith("Acquire::http") and "Proxy" in line and '""' not in line]


def labels(name: str) -> list[str]:
    return [f"--change=LABEL org.opencontainers.image.title=aiko/{name}", f"--change=LABEL test.aiko.recipe={name}"]


def build(name: str) -> None:
    """One image on top of the base."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        # Read while it is built and no part of it: the way to the archive may lead through a proxy or an authority of one's own.
        settings = pathlib.Path(scratch, "apt.conf")
        settings.write_text("".join(f"{option};\n" for option in [*apt_options(), 'Acquire::https::CaInfo "/run/authorities.crt"']))
        run("podman", "build", "--quiet", "--network=host", "--pull=never", "--squash", f"--volume={settings}:/etc/apt/apt.conf:ro",
            f"--volume={AUTHORITIES}:/run/authorities.crt:ro", f"--build-arg=BASE={reference(BASE)}",
            f"--label=org.opencontainers.image.title=aiko/{name}", f"--label=test.aiko.recipe={name}", f"--tag={reference(name)}",
            str(HERE / name))


def run(*command: str) -> None:
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command[:3])} failed ({done.returncode}):\n{(done.stdout + done.stderr)[-3000:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["list", "reference", "build"])
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    if options.verb == "list":
        print("\n".join(names()))
        return 0
    for name in options.names:
        image = reference(name)
        if options.verb == "build" and not is_there(image):
            if name != BASE and not is_there(reference(BASE)):
                build_base(reference(BASE))
            (build_base(image) if name == BASE else build(name))
        print(image)
    return 0


if __name__ == "__main__":
    sys.exit(main())
