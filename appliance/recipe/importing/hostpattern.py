"""Names of hosts with ranges in them, as Ansible writes them: ``node[01:10]``, ``db-[a:f]``, ``web[1:9:2]``. Pure."""

from __future__ import annotations

import ipaddress
import itertools
import re
import string

from appliance.errors import RecipeError
from appliance.recipe.addresses import MAX_ADDRESSES

_RANGE = re.compile(r"\[([^\[\]]*:[^\[\]]*)\]")
_HINT = "write node[01:10], node[a:f] or node[1:9:2]"


def expand_pattern(text: str, *, where: str) -> tuple[tuple[str, str], ...]:
    """Every host that a pattern names, with its port, empty where none stands there.

    Raises `RecipeError` for a range that is none, and for more than `MAX_ADDRESSES` hosts.
    """
    name, port = _port(text)
    if _is_address(name.strip("[]")):
        return ((name.strip("[]"), port),)
    parts = [_members(part, where) if number % 2 else [part] for number, part in enumerate(_RANGE.split(name))]
    names = ["".join(each) for each in itertools.islice(itertools.product(*parts), MAX_ADDRESSES + 1)]
    if len(names) > MAX_ADDRESSES:
        raise RecipeError(f"{text!r} makes more than {MAX_ADDRESSES} hosts", where=where, hint="name a smaller range")
    if bad := [each for each in names if not each or set(each) & set("[] =")]:
        raise RecipeError(f"{bad[0]!r} is not a host's name", where=where, hint=_HINT)
    return tuple((each, port) for each in names)


def _port(text: str) -> tuple[str, str]:
    """A pattern and the port behind it: ``host:22``, ``[2001:db8::1]:22``."""
    name, colon, port = text.rpartition(":")
    if colon and port.isdecimal() and (name.endswith("]") or ":" not in _RANGE.sub("", name)):
        return name, port
    return text, ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _members(inside: str, where: str) -> list[str]:
    """What a range stands for."""
    first, last, *rest = inside.split(":")
    step = rest[0] if rest else "1"
    if len(rest) > 1 or not step.isdecimal() or not int(step):
        raise _no_range(inside, where)
    if last.isdecimal() and (first.isdecimal() or not first):
        return _numbers(first or "0", last, int(step), inside=inside, where=where)
    letters = string.ascii_letters
    if len(first) == len(last) == 1 and first in letters and last in letters and first <= last:
        return list(letters[letters.index(first) : letters.index(last) + 1 : int(step)])
    raise _no_range(inside, where)


def _numbers(first: str, last: str, step: int, *, inside: str, where: str) -> list[str]:
    start, end = int(first[:18]), int(last[:18])
    width = len(first) if first.startswith("0") and len(first) > 1 else 0
    if end < start or (width and len(first) != len(last)):
        raise _no_range(inside, where)
    return [f"{number:0{width}d}" for number in itertools.islice(range(start, end + 1, step), MAX_ADDRESSES + 1)]


def _no_range(inside: str, where: str) -> RecipeError:
    return RecipeError(f"[{inside}] is not a range of hosts", where=where, hint=_HINT)
