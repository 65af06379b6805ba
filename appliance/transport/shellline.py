r"""One line by which any login shell runs a program just as it is: sh, bash, zsh, csh, tcsh, fish.

What these shells agree on is little: words without quotes, and single quotes around a text that has no quote, no
backslash before one, no ``!`` and no line break. So the line holds ``sh -c`` and the real command with its odd bytes
as ``\0ooo``, in pieces short enough for csh's words. The program's streams begin after a mark: what a login shell's
files wrote before is noise. The program gets the umask 022 and a locale whose words we know.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, field

from appliance.transport.base import quote

PLAIN = "umask 022; unset LC_ALL LC_CTYPE LC_MESSAGES LC_NUMERIC LC_COLLATE LC_TIME LANGUAGE; LANG=C.UTF-8; export LANG"
"""What a program's surroundings are made of, whoever's they were."""

_PIECE = 800
_SAME_EVERYWHERE = frozenset(string.ascii_letters + string.digits + ' _/.,+@%=:;{}()[]<>|&#?*~^$"-')
_WORDS = tuple(chr(byte) if chr(byte) in _SAME_EVERYWHERE else f"\\0{byte:03o}" for byte in range(256))
_NOISE_BYTES = 1 << 16


def line(argv: tuple[str, ...], *, mark: str = "") -> str:
    """The line for `argv`; with `mark`, that is written to both streams right before the program begins."""
    say = f"printf {mark}; printf {mark} >&2; " if mark else ""
    script = f"{PLAIN}; {say}exec {quote(argv)}".encode()
    return " ".join(['exec sh -c \'eval "$(printf %b "$@")"\' sh', *(f"'{piece}'" for piece in _pieces(script))])


def _pieces(script: bytes) -> list[str]:
    r"""The script without odd bytes, cut where no ``\0ooo`` is."""
    pieces: list[str] = []
    piece: list[str] = []
    size = 0
    for word in (_WORDS[byte] for byte in script):
        if size + len(word) > _PIECE:
            pieces.append("".join(piece))
            piece, size = [], 0
        piece.append(word)
        size += len(word)
    return [*pieces, "".join(piece)]


@dataclass(slots=True)
class Begun:
    """A stream of which only what follows `mark` counts."""

    mark: bytes
    noise: bytes = field(default=b"", repr=False)
    begun: bool = False

    def hear(self, data: bytes) -> bytes:
        """The next piece of the stream, without what came before the mark."""
        if self.begun or not data:
            return data
        before, found, rest = (self.noise + data).partition(self.mark)
        self.begun = bool(found)
        self.noise = b"" if found else before[-_NOISE_BYTES:]
        return rest
