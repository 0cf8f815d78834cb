"""Where things live and what they are called; the only module that reads the environment for it."""

import ipaddress
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError

DEFAULT_RUN = "/run/aiko-lab"
BRIDGE_PREFIX = "aiko-lab"
GUEST_USER = "debian"
GUEST_MTU = 1400
GUEST_PIP_CACHE = "/var/cache/aiko-pip"
GUEST_IMAGES = "/var/lib/aiko-images"
DISTS = ("trixie", "bookworm")
TMPFS_SIZE = "14g"
TMPFS_NEEDS_KIB = 6 * 1024 * 1024
ENVIRONMENT = ("AIKO_LAB_RUN", "AIKO_LAB_CACHE", "AIKO_LAB_SUBNET")

# A host name is also a directory, a cgroup and part of a unit name, so only the plain ones are allowed.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


def check_name(name: str) -> str:
    """Return `name` if a host may be called that, otherwise raise LabError."""
    if not _NAME.fullmatch(name):
        raise LabError(f"{name!r} is no host name: lower-case letters, digits and inner hyphens, at most 40 characters")
    return name


@dataclass(frozen=True)
class Settings:
    """The lab's directories and its subnet (IPv4, at least 8 addresses)."""

    run: Path
    cache: Path
    subnet: ipaddress.IPv4Network

    @classmethod
    def from_environment(cls, environment=None) -> "Settings":
        """Read AIKO_LAB_RUN, AIKO_LAB_CACHE and AIKO_LAB_SUBNET; LabError when the subnet is unusable."""
        # An empty one is none: it would make the working directory the lab's.
        env = {name: value for name, value in (os.environ if environment is None else environment).items() if value}
        # 198.18.0.0/15 is reserved for benchmarks (RFC 2544): never routed, so it cannot collide with a real network.
        text = env.get("AIKO_LAB_SUBNET", "198.18.77.0/24")
        try:
            subnet = ipaddress.IPv4Network(text)
        except ValueError as error:
            raise LabError(f"AIKO_LAB_SUBNET: {error}") from error
        if subnet.num_addresses < 8:
            raise LabError(f"AIKO_LAB_SUBNET: {text} has no room for hosts")
        return cls(
            run=Path(env.get("AIKO_LAB_RUN", DEFAULT_RUN)),
            cache=Path(env.get("AIKO_LAB_CACHE", "/var/cache/aiko-lab")),
            subnet=subnet,
        )

    @property
    def tag(self) -> str:
        """Empty for the usual lab, else six hex digits: a lab with another run directory is another lab beside it."""
        return "" if str(self.run) == DEFAULT_RUN else f"{zlib.crc32(str(self.run).encode()) & 0xFFFFFF:06x}"

    @property
    def bridge(self) -> str:
        """The lab's bridge; at most the 15 characters the kernel allows."""
        return f"{BRIDGE_PREFIX}-{self.tag}" if self.tag else f"{BRIDGE_PREFIX}0"

    @property
    def nft_table(self) -> str:
        """The lab's table of the inet family."""
        return f"aiko_lab_{self.tag}" if self.tag else "aiko_lab"

    @property
    def cgroup(self) -> str:
        """Parent of the hosts' cgroups where the controller has no systemd."""
        return f"aiko-lab-{self.tag}" if self.tag else "aiko-lab"

    def machine(self, name: str) -> str:
        """What nspawn calls a host: it names the network device after it, so it must be unique among all labs."""
        return f"{self.tag}-{name}" if self.tag else name

    def unit(self, name: str) -> str:
        """The transient service of a host where the controller has systemd."""
        return f"aiko-lab-{self.machine(name)}.service"

    @property
    def gateway(self) -> str:
        """The controller's own address on the bridge: the first one of the subnet."""
        return str(self.subnet[1])

    @property
    def hosts(self) -> Path:
        """One directory per host."""
        return self.run / "hosts"

    @property
    def lock(self) -> Path:
        """Locked by whoever changes what the hosts share: leases, bridge, ssh_config."""
        return self.run / "lock"

    @property
    def ssh_config(self) -> Path:
        """For `ssh -F`: one entry per host."""
        return self.run / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        """The hosts' public keys, known because the lab made them."""
        return self.run / "known_hosts"

    @property
    def key(self) -> Path:
        """The private key that opens every host of the lab."""
        return self.run / "id_ed25519"

    @property
    def images(self) -> Path:
        """Base images, one directory each."""
        return self.cache / "images"

    @property
    def stores(self) -> Path:
        """Stores of container images, one directory each."""
        return self.cache / "containers"

    def debs(self, dist: str) -> Path:
        """Downloaded Debian packages of one release."""
        return self.cache / "debs" / dist

    def pip(self, dist: str) -> Path:
        """Pip's cache of one release."""
        return self.cache / "pip" / dist

    @property
    def layers(self) -> Path:
        """What belongs to the hosts of this very lab; the rest of the cache may serve several."""
        return self.cache / "layers" / (self.tag or "default")

    def disk(self, name: str) -> Path:
        """Writable layer of a host whose storage is `disk`."""
        return self.layers / "disks" / name

    def seed(self, name: str) -> Path:
        """Read-only layer of one host: hard links to what the caches held when it was made."""
        return self.layers / "seeds" / name
