"""`Blob`: bytes that travel, by digest; the one word for them between images, plans and distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.digest import Digest


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that travel: their digest and size in bytes."""

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class LayerBlob:
    """A layer as it travels (tar+zstd) and the digest of its tar, under which a host unpacks it."""

    blob: Blob
    diff_id: Digest
