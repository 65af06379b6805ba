"""What a registry asks for with 401: ``WWW-Authenticate``. Pure. Source: RFC 9110 § 11; distribution's token spec."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105  (RFC 9110's word for a word)
_PARAMETER = re.compile(rf'({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')
_SCHEME = re.compile(rf"({_TOKEN})(?=\s|,|$)(?!\s*=)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """A way to log in: its scheme in lower case (``basic``, ``bearer``) and its parameters."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse(header: str) -> tuple[Challenge, ...]:
    """The challenges of a header, in order; what cannot be read is passed over."""
    found: list[tuple[str, dict[str, str]]] = []
    at = 0
    while at < len(header):
        if found and (match := _PARAMETER.match(header, at)):
            quoted = match[2]
            value = match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1][1].setdefault(match[1].lower(), value)
        elif match := _SCHEME.match(header, at):
            found.append((match[1].lower(), {}))
        at = match.end() if match else at + 1
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)
