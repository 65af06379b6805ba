"""What a reader of a foreign file says of it, and the secrets that it found there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from appliance.errors import RecipeError

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A cluster's name and a role's, as in ``schemas/clusterfile.schema.json``."""

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,63}\$?")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_PORTS = range(1, 65536)


@dataclass(slots=True)
class Notes:
    """Warnings with where they are about, and secrets by name; each secret once, however many hosts share it."""

    warnings: dict[str, None] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    def warn(self, where: str, sentence: str) -> None:
        """Say something about the line at `where`, once."""
        self.warnings[f"{where}: {sentence}"] = None

    def secret(self, kind: str, value: str, *, where: str, field_: str) -> str:
        """Take a secret that stands in clear text; the name that the vault shall keep it under."""
        self.warn(where, f"{field_} stands here in clear text; take it out: the cluster's vault keeps it from now on")
        same = (name for name, known in self.secrets.items() if known == value and name.startswith(kind))
        name = next(same, f"{kind}-{len(self.secrets) + 1}")
        self.secrets[name] = value
        return name

    @property
    def in_order(self) -> tuple[str, ...]:
        """The warnings, by line."""
        return tuple(sorted(self.warnings, key=_line))


def _line(warning: str) -> int:
    found = re.search(r":(\d+): ", warning)
    return int(found[1]) if found else 0


def checked_port(text: str, where: str) -> int:
    """A port; 0 for an empty text. Raises `RecipeError`."""
    if not text:
        return 0
    if not text.isdecimal() or len(text) > len("65535") or int(text) not in _PORTS:
        raise RecipeError(f"{text!r} is not a port", where=where, hint="expected a port from 1 to 65535")
    return int(text)


def checked_user(text: str, where: str) -> str:
    """A user's name, or nothing. Raises `RecipeError`."""
    if text and not _USER.fullmatch(text):
        raise RecipeError(f"{text!r} is not a user's name", where=where, hint="expected a name such as ops")
    return text


def checked_fingerprints(text: str, where: str) -> tuple[str, ...]:
    """Fingerprints of host keys, with spaces between. Raises `RecipeError`."""
    prints = tuple(text.split())
    if wrong := next((each for each in prints if not _FINGERPRINT.fullmatch(each)), ""):
        hint = "write it as ssh-keygen -lf prints it: SHA256:…"
        raise RecipeError(f"{wrong!r} is not a host key's fingerprint", where=where, hint=hint)
    return prints
