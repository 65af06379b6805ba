"""Address ranges as people write them, expanded to single addresses. Pure."""

from __future__ import annotations

import ipaddress
import itertools
from typing import TYPE_CHECKING

from appliance.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_ADDRESSES = 4096
_HINT = "write 10.0.0.11, 10.0.0.11-10.0.0.13, 10.0.0.11-13, 10.0.0.0/28, or several with commas between"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def expand(texts: Iterable[str], *, where: str = "") -> tuple[str, ...]:
    """Single addresses in the order written; `where` stands in errors.

    Takes addresses, ranges (``a-b``, ``a-LAST``), networks (their hosts) and comma lists, IPv4 and IPv6. Raises
    `RecipeError` for anything else, an address that comes twice, and more than `MAX_ADDRESSES`.
    """
    found: dict[str, None] = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        for address in _expand_one(part, where):
            if str(address) in found:
                raise RecipeError(f"the address {address} comes twice", where=where, hint="name each host once")
            found[str(address)] = None
            if len(found) > MAX_ADDRESSES:
                raise _too_many(part, where)
    return tuple(found)


def _expand_one(part: str, where: str) -> Iterable[Address]:
    try:
        if "/" in part:
            return _network(part, where)
        first, dash, last = part.partition("-")
        start = ipaddress.ip_address(first.strip())
        return _range(part, start, _last(start, last.strip()), where) if dash else (start,)
    except ValueError as error:
        raise RecipeError(f"{part!r} is not an address or a range of them", where=where, hint=_HINT) from error


def _last(start: Address, text: str) -> Address:
    if not text.isdecimal():
        return ipaddress.ip_address(text)
    if start.version == 6:  # noqa: PLR2004  (the protocol's number)
        raise ValueError("a range of IPv6 addresses is written in full")
    return ipaddress.ip_address(f"{str(start).rpartition('.')[0]}.{text}")


def _range(part: str, start: Address, last: Address, where: str) -> Iterable[Address]:
    if start.version != last.version or int(last) < int(start):
        raise ValueError("the range is not in order")
    count = int(last) - int(start) + 1
    if count > MAX_ADDRESSES:
        raise _too_many(part, where)
    return (start + offset for offset in range(count))


def _network(part: str, where: str) -> Iterable[Address]:
    network = ipaddress.ip_network(part)
    if network.num_addresses > MAX_ADDRESSES:
        raise _too_many(part, where)
    return network.hosts()


def _too_many(part: str, where: str) -> RecipeError:
    return RecipeError(f"{part!r} makes more than {MAX_ADDRESSES} addresses", where=where, hint="name a smaller range")


def clashes(values: Mapping[str, object], hosts: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each network among the named `values` that overlaps another one or holds an address of `hosts`."""
    networks = [(name, network) for name, value in values.items() if (network := _as_network(value))]
    found = []
    for (name, one), (other_name, other) in itertools.combinations(networks, 2):
        if one.version == other.version and one.overlaps(other):
            found.append(f"{name} ({one}) and {other_name} ({other}) overlap")
    for name, network in networks:
        inside = [host for host in hosts if ipaddress.ip_address(host) in network]
        if inside:
            found.append(f"{name} ({network}) holds the address of a host: {inside[0]}")
    return tuple(found)


def _as_network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if not isinstance(value, str) or "/" not in value:
        return None
    try:
        return ipaddress.ip_network(value, strict=False)
    except ValueError:
        return None
