"""Hosts on the way to a host, as OpenSSH's ``-J`` writes them: ``[USER@]HOST[:PORT],…``, the nearest first. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

HINT = "write ops@bastion:22, or several with commas between, the nearest first; none to go straight"
NONE = "none"
MOST = 8

_HOP = re.compile(
    r"(?:ssh://)?(?:(?P<user>[A-Za-z_][A-Za-z0-9._-]{0,63}\$?)@)?"
    r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?)\]|(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251})))"
    r"(?::(?P<port>[0-9]{1,5}))?/?"
)


@dataclass(frozen=True, slots=True)
class JumpHost:
    """One of them; an empty `user` and a `port` of 0 are not written."""

    address: str
    user: str = ""
    port: int = 0


def parse(text: str) -> tuple[JumpHost, ...]:
    """The hosts that `text` names; none for an empty one and for ``none``. `ValueError` says what is wrong."""
    if not text or text.lower() == NONE:
        return ()
    hops = tuple(_hop(part.strip()) for part in text.split(","))
    if len(hops) > MOST:
        raise ValueError(f"{len(hops)} jump hosts, one after the other, are more than {MOST}")
    return hops


def _hop(text: str) -> JumpHost:
    match = _HOP.fullmatch(text)
    port = int(match["port"] or 0) if match else 0
    if match is None or port > 65535 or (match["port"] and not port):  # noqa: PLR2004  (the largest port)
        raise ValueError(f"{text[:80]!r} is not a jump host")
    return JumpHost(match["bracketed"] or match["name"], match["user"] or "", port)
