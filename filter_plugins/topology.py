"""Who runs what, and how one host reaches another: everything is derived from the inventory's groups."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError

LOOPBACK = "127.0.0.1"


def others(groups: dict, names: list[str] | str, host: str) -> list[str]:
    """Hosts other than ``host`` in any of the groups ``names``, sorted, each once.

    A group that the inventory does not have is empty here; the preflight has already refused it.
    """
    names = [names] if isinstance(names, str) else names
    return sorted({member for name in names for member in groups.get(name, [])} - {host})


def addresses(hosts: list[str], hostvars: dict) -> list[str]:
    """The platform address (``aiko_address``) of each host, in the same order.

    Raises:
        AnsibleFilterError: a host has none.
    """
    found = []
    for host in hosts:
        address = hostvars[host].get("aiko_address")
        if not address:
            raise AnsibleFilterError(f"host {host} has no aiko_address; set it in the inventory")
        found.append(str(address))
    return found


def reach(groups: dict, name: str, host: str, hostvars: dict, own: str = LOOPBACK) -> str:
    """Address at which ``host`` reaches the service of group ``name``: ``own`` when it runs there itself.

    Raises:
        AnsibleFilterError: nobody runs the service.
    """
    members = groups.get(name) or []
    if not members:
        raise AnsibleFilterError(f"group {name} is empty: no host runs it; add one to the inventory")
    return own if host in members else addresses([members[0]], hostvars)[0]


def reach_all(groups: dict, name: str, host: str, hostvars: dict, own: str = LOOPBACK) -> list[str]:
    """Addresses of every host of group ``name`` as seen from ``host``, which finds itself at ``own``; empty when nobody runs it."""
    return [own if member == host else addresses([member], hostvars)[0] for member in groups.get(name) or []]


def bind(groups: dict, clients: list[str], host: str, hostvars: dict, own: str = LOOPBACK) -> list[str]:
    """Addresses a service on ``host`` listens on: loopback, ``own``, and the host's own only if a client lives elsewhere.

    Args:
        own: where containers of this host find it; loopback where there are none.
    """
    here = [LOOPBACK] + ([own] if own != LOOPBACK else [])
    return here + (addresses([host], hostvars) if others(groups, clients, host) else [])


def service_names(groups: dict, services: dict, host: str, hostvars: dict, own: str = LOOPBACK, extra: dict | None = None) -> dict:
    """What /etc/hosts says on ``host``: address to the names of services and hosts behind it.

    Args:
        services: group to the list of names that its first host (or this one, if it is a member) answers to.
        own: where the services of this host are found.
        extra: address to more names; a loopback address stands for the host, as ``own`` does.
    """
    names: dict[str, list[str]] = {}
    for group, aliases in services.items():
        if groups.get(group):
            names.setdefault(reach(groups, group, host, hostvars, own), []).extend(aliases)
    for other in others(groups, list(services), host):
        names.setdefault(addresses([other], hostvars)[0], []).append(other)
    for address, more in (extra or {}).items():
        names.setdefault(own if address.startswith("127.") else address, []).extend(more)
    return names


def platform_addresses(groups: dict, names: list[str], hostvars: dict) -> dict:
    """Every host of these groups to its ``aiko_address``; empty text for one that has none."""
    return {host: str(hostvars[host].get("aiko_address") or "") for host in others(groups, names, "")}


def first_hosts(parts: dict) -> dict:
    """Part to the first of its hosts; parts that nobody runs are left out."""
    return {part: hosts[0] for part, hosts in parts.items() if hosts}


class FilterModule:
    def filters(self) -> dict:
        return {
            "others": others,
            "addresses": addresses,
            "reach": reach,
            "reach_all": reach_all,
            "bind": bind,
            "service_names": service_names,
            "platform_addresses": platform_addresses,
            "first_hosts": first_hosts,
        }
