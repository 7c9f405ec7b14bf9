"""Parsers for the values of network settings; see values.py. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.spec.values import words

if TYPE_CHECKING:
    from scoperun.spec.values import Value

_IPV4, _IPV6 = 2, 10  # AF_INET and AF_INET6 of Linux, which systemd expects on the bus

_PREFIXES = {
    "any": ("0.0.0.0/0", "::/0"),
    "localhost": ("127.0.0.0/8", "::1/128"),
    "link-local": ("169.254.0.0/16", "fe80::/64"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
}


def addresses(value: str) -> list[list[Value]]:
    """Return the IP addresses and networks in `value`, also those given by systemd's words, e.g. localhost.

    Each is family, address, length of the prefix. Raises InvalidValue.
    """
    return [_prefix(network) for word in value.split() for network in _PREFIXES.get(word, (word,))]


def _prefix(network: str) -> list[Value]:
    import ipaddress  # noqa: PLC0415  it takes as long to import as this package

    try:
        # Unlike Python, systemd accepts neither masks like 255.0.0.0 nor zones like %eth0.
        if not re.fullmatch("[0-9A-Fa-f:.]+(/[0-9]{1,3})?", network):
            raise ValueError(network)
        interface = ipaddress.ip_interface(network)
    except ValueError:
        hint = f"e.g. 10.0.0.0/8, or one of {', '.join(_PREFIXES)}"
        raise InvalidValue(f"{network!r} is not a valid address", hint=hint) from None
    family = _IPV4 if interface.version == 4 else _IPV6
    return [family, interface.packed, interface.network.prefixlen]


_BIND = r"(?:(ipv4|ipv6)(?::|$))?(?:(tcp|udp)(?::|$))?(?:any|([0-9]{1,5})(?:-([0-9]{1,5}))?)?"


def socket_bind(value: str) -> list[list[int]]:
    """Return a rule on bind(2), e.g. ipv4:tcp:1024-2048, as family, protocol, number of ports, first port; 0 is any.

    Raises InvalidValue.
    """
    if not value:
        return []
    match = re.fullmatch(_BIND, value)
    first, last = (int(match[3] or 0), int(match[4] or match[3] or 0)) if match else (1, 0)
    if not match or value.endswith(":") or not first <= last <= 65535 or (match[3] and not first):
        raise InvalidValue("not a rule for sockets", hint="e.g. tcp:1024-2048, ipv6:udp:53 or any")
    family = {"ipv4": _IPV4, "ipv6": _IPV6, None: 0}[match[1]]
    protocol = {"tcp": 6, "udp": 17, None: 0}[match[2]]
    return [[family, protocol, last - first + 1 if first else 0, first]]


def interfaces(value: str) -> list[Value]:
    """Return whether the network interfaces are the only ones allowed, or with ~ the ones denied; and their names."""
    return [not value.startswith("~"), words(value.removeprefix("~"))]


# systemd's NFTSetSource and the kernel's NFPROTO_*.
_NFT_SOURCES = {"cgroup": 3, "user": 4, "group": 5}
_NFT_FAMILIES = {"inet": 1, "ip": 2, "arp": 3, "netdev": 5, "bridge": 7, "ip6": 10}


def nft_sets(value: str) -> list[list[Value]]:
    """Return the nftables sets to add the scope to, e.g. cgroup:inet:table:set: source, family, table, set.

    Raises InvalidValue.
    """
    entries: list[list[Value]] = []
    for word in words(value):
        match word.split(":"):
            case [source, family, table, name] if source in _NFT_SOURCES and family in _NFT_FAMILIES and table and name:
                entries.append([_NFT_SOURCES[source], _NFT_FAMILIES[family], table, name])
            case _:
                raise InvalidValue(f"{word!r} is not a set of nftables", hint="e.g. cgroup:inet:table:set")
    return entries
