"""`Digest`: a content address as OCI writes it (image-spec, descriptor.md § Digests)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A SHA-256, as 64 lower-case hexadecimal digits."""

    hex: str

    def __post_init__(self) -> None:
        if not _HEX.fullmatch(self.hex):
            raise ValueError(f"not a SHA-256 in hexadecimal: {self.hex[:80]!r}")

    def __str__(self) -> str:
        return f"sha256:{self.hex}"

    @property
    def short(self) -> str:
        """The first 12 digits, for people."""
        return self.hex[:12]

    @classmethod
    def of(cls, data: bytes | memoryview) -> Digest:
        """Hash `data`."""
        return cls(hashlib.sha256(data).hexdigest())

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read ``sha256:…``; any other algorithm or form is a `ValueError`."""
        algorithm, _, value = text.partition(":")
        if algorithm != "sha256":
            raise ValueError(f"not a sha256 digest: {text[:80]!r}")
        return cls(value)
