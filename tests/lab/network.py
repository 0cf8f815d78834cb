"""The hosts' private network: who has which address, the bridge, and the way out."""

import ipaddress
import json
import zlib
from collections.abc import Iterable
from pathlib import Path

from .errors import LabError
from .settings import BRIDGE_PREFIX, GUEST_MTU, Settings
from .system import read_json, run, write_atomically

# The second one is what systemd-resolved itself asks.
RESOLV_CONF = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def pick_address(subnet: ipaddress.IPv4Network, leases: dict[str, str], name: str, number: int | None = None) -> str:
    """Choose an address for a host.

    Without `number` the name decides where the search starts, so that a host mostly gets the same address again.
    `leases` maps host names to addresses. LabError when the wanted one is taken or impossible, or all are taken.
    """
    taken = {address: holder for holder, address in leases.items() if holder != name}
    # 0 is the network, 1 the controller, the last one the broadcast address.
    last = subnet.num_addresses - 2
    if number is not None:
        if not 2 <= number <= last:
            raise LabError(f"address number {number} is outside 2..{last} of {subnet}")
        wanted = str(subnet[number])
        if wanted in taken:
            raise LabError(f"{wanted} belongs to {taken[wanted]}")
        return wanted
    if name in leases and ipaddress.IPv4Address(leases[name]) in subnet:
        return leases[name]
    # Low numbers are left to those who ask for one by number.
    first = 10 if last > 20 else 2
    span = last - first + 1
    start = zlib.crc32(name.encode()) % span
    for step in range(span):
        address = str(subnet[first + (start + step) % span])
        if address not in taken:
            return address
    raise LabError(f"no address left in {subnet}")


def nft_ruleset(settings: Settings) -> str:
    """Return the lab's own nft table; loading it replaces an older one in the same transaction."""
    return f"""\
table inet {settings.nft_table}
delete table inet {settings.nft_table}
table inet {settings.nft_table} {{
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {settings.subnet} oifname != "{settings.bridge}" masquerade
    }}
}}
"""


def other_labs(settings: Settings) -> list[str]:
    """Return what the bridges of other labs remember as former ip_forward: the first lab to come knows the truth."""
    found = []
    for device in Path("/sys/class/net").glob(f"{BRIDGE_PREFIX}*"):
        key, _equals, value = (device / "ifalias").read_text().strip().partition("=")
        if device.name != settings.bridge and key == "ip_forward":
            found.append(value)
    return found


def ensure(settings: Settings) -> None:
    """Make bridge, forwarding and masquerade; nothing happens when all are there. The lab's lock must be held."""
    journal = settings.run / "network.json"
    if read_json(journal, None) is None:
        # Written before anything is changed: if we die in between, there is still somebody who knows the former value.
        others = other_labs(settings)
        former = others[0] if others else FORWARDING.read_text().strip()
        write_atomically(journal, json.dumps({"ip_forward": former}) + "\n")
    bridge = settings.bridge
    if not Path(f"/sys/class/net/{bridge}").exists():
        # An address of its own: otherwise it takes that of one of its hosts, and changes it when that one goes.
        mac = "02:" + ":".join(f"{byte:02x}" for byte in zlib.crc32(bridge.encode()).to_bytes(4, "big")) + ":01"
        run("ip", "link", "add", bridge, "address", mac, "mtu", str(GUEST_MTU), "type", "bridge")
        run("ip", "link", "set", bridge, "alias", f"ip_forward={read_json(journal, {})['ip_forward']}")
    prefix = f"{settings.gateway}/{settings.subnet.prefixlen}"
    present = [f[3] for f in map(str.split, run("ip", "-o", "-4", "addr", "show", "dev", bridge).splitlines())]
    if present != [prefix]:
        for other in present:
            run("ip", "addr", "del", other, "dev", bridge)
        run("ip", "addr", "add", prefix, "dev", bridge)
    run("ip", "link", "set", bridge, "up")
    run("nft", "-f", "-", stdin=nft_ruleset(settings))
    if FORWARDING.read_text().strip() != "1":
        FORWARDING.write_text("1")


def remove(settings: Settings) -> None:
    """Undo `ensure`: table and bridge go, forwarding gets its former value. The lab's lock must be held."""
    journal = settings.run / "network.json"
    former = read_json(journal, None)
    if former is None:
        return
    if Path(f"/sys/class/net/{settings.bridge}").exists():
        run("ip", "link", "del", settings.bridge)
    run("nft", "-f", "-", stdin=f"table inet {settings.nft_table}\ndelete table inet {settings.nft_table}\n")
    if not other_labs(settings) and FORWARDING.read_text().strip() != former["ip_forward"]:
        FORWARDING.write_text(former["ip_forward"])
    journal.unlink()


def resolv_conf(files: Iterable[Path] = RESOLV_CONF) -> str:
    """Return a resolv.conf that works in a guest: a resolver on the controller's loopback is out of a guest's reach."""
    for path in files:
        if not path.exists():
            continue
        lines = [
            line
            for line in path.read_text().splitlines()
            if not (line.startswith("nameserver") and line.split()[1:2] and is_loopback(line.split()[1]))
        ]
        if any(line.startswith("nameserver") for line in lines):
            return "\n".join(lines) + "\n"
    return ""


def is_loopback(address: str) -> bool:
    """Tell whether the text is an address of the loopback network; text that is no address is not."""
    try:
        return ipaddress.ip_address(address.split("%", maxsplit=1)[0]).is_loopback
    except ValueError:
        return False
