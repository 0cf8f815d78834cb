"""The hosts' private network: who has which address, the bridge, and the way out."""

import ipaddress
import zlib
from pathlib import Path

from .errors import LabError
from .settings import BRIDGE, GUEST_MTU, NFT_TABLE, Settings
from .system import read_json, run, write_atomically

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


def nft_ruleset(subnet: ipaddress.IPv4Network) -> str:
    """Return the lab's own nft table; loading it replaces an older one in the same transaction."""
    return f"""\
table inet {NFT_TABLE}
delete table inet {NFT_TABLE}
table inet {NFT_TABLE} {{
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {subnet} oifname != "{BRIDGE}" masquerade
    }}
}}
"""


def ensure(settings: Settings) -> None:
    """Make bridge, forwarding and masquerade; nothing happens when all are there. The lab's lock must be held."""
    journal = settings.run / "network.json"
    if read_json(journal, None) is None:
        # Written before anything is changed: if we die in between, there is still somebody who knows the former value.
        write_atomically(journal, f'{{"ip_forward": "{FORWARDING.read_text().strip()}"}}\n')
    if not Path(f"/sys/class/net/{BRIDGE}").exists():
        run("ip", "link", "add", BRIDGE, "mtu", str(GUEST_MTU), "type", "bridge")
    prefix = f"{settings.gateway}/{settings.subnet.prefixlen}"
    present = [f[3] for f in map(str.split, run("ip", "-o", "-4", "addr", "show", "dev", BRIDGE).splitlines())]
    if present != [prefix]:
        for other in present:
            run("ip", "addr", "del", other, "dev", BRIDGE)
        run("ip", "addr", "add", prefix, "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    run("nft", "-f", "-", stdin=nft_ruleset(settings.subnet))
    if FORWARDING.read_text().strip() != "1":
        FORWARDING.write_text("1")


def remove(settings: Settings) -> None:
    """Undo `ensure`: table and bridge go, forwarding gets its former value. The lab's lock must be held."""
    journal = settings.run / "network.json"
    former = read_json(journal, None)
    if former is None:
        return
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        run("ip", "link", "del", BRIDGE)
    run("nft", "-f", "-", stdin=f"table inet {NFT_TABLE}\ndelete table inet {NFT_TABLE}\n")
    if FORWARDING.read_text().strip() != former["ip_forward"]:
        FORWARDING.write_text(former["ip_forward"])
    journal.unlink()


def resolv_conf() -> str:
    """Return a resolv.conf that works in a guest: a resolver on the controller's loopback is out of a guest's reach."""
    for path in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
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
        return ipaddress.ip_address(address.split("%")[0]).is_loopback
    except ValueError:
        return False
