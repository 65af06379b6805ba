"""Canonical JSON: one value, one text, one digest; and a reader that takes nothing ambiguous. Pure.

UTF-8 without a BOM, keys sorted by code point, separators ``,`` and ``:``, integers only and below 2^53, no trailing
newline. Readers hash and parse the stored bytes and never write them again; so `loads` takes white space, but neither
duplicate keys, floats, lone surrogates nor nesting deeper than `MAX_DEPTH`.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1


def dumps(value: object) -> bytes:
    """The canonical bytes of `value`: None, bool, int, str, and lists, tuples and str-keyed dicts of these.

    Anything else, an integer of 2^53 or more either way, or nesting deeper than `MAX_DEPTH` is a `ValueError`.
    """
    _check(value, 0)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def loads(data: bytes, *, limit: int) -> Any:
    """Parse at most `limit` bytes of JSON strictly; what is not valid or not unambiguous is a `ValueError`."""
    if len(data) > limit:
        raise ValueError(f"{len(data)} bytes of JSON, where at most {limit} are allowed")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_refuse_float,
            parse_constant=_refuse_float,
            parse_int=_integer,
        )
    except RecursionError as error:
        raise ValueError(f"JSON nested deeper than {MAX_DEPTH} levels") from error
    _check(value, 0)
    return value


def _check(value: object, depth: int) -> None:
    match value:
        case None | bool():
            pass
        case int():
            if abs(value) > MAX_INTEGER:
                raise ValueError(f"integer of 2^53 or more: {str(value)[:40]}")
        case str():
            value.encode()  # a lone surrogate is a UnicodeEncodeError, which is a ValueError
        case list() | tuple():
            _check_depth(depth)
            for item in value:
                _check(item, depth + 1)
        case dict():
            _check_depth(depth)
            for key, item in value.items():
                if not isinstance(key, str):
                    raise ValueError(f"key that is not a string: {key!r}")  # noqa: TRY004  (callers catch one type)
                key.encode()
                _check(item, depth + 1)
        case _:
            raise ValueError(f"a {type(value).__name__} has no canonical form")


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise ValueError(f"JSON nested deeper than {MAX_DEPTH} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"duplicate key {twice[:80]!r}")
    return members


def _refuse_float(text: str) -> NoReturn:
    raise ValueError(f"number that is not an integer: {text[:40]}")


def _integer(text: str) -> int:
    if len(text) > len(str(-MAX_INTEGER)):
        raise ValueError(f"integer of 2^53 or more: {text[:40]}")
    return int(text)
