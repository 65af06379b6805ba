"""`ImageRecord`: what a cluster image's config says of a container image that it carries. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from appliance.digest import Digest


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """A container image that is carried for a rootfs: its full reference, its manifest, and each reason (file:line …).

    `index` is the multi-platform index that the manifest was chosen from. `origin` names the docker archive that the
    manifest, and with it the digest, was made of; empty where the digest is the publisher's own.
    """

    reference: str
    digest: Digest
    why: tuple[str, ...]
    index: Digest | None = None
    origin: str = ""

    @property
    def published(self) -> Digest:
        """What its publisher calls the image: the digest of the index, where there is one."""
        return self.index or self.digest


def to_document(record: ImageRecord) -> dict[str, object]:
    """A record as JSON data."""
    return {
        "reference": record.reference,
        "digest": str(record.digest),
        "why": list(record.why),
        **({"index": str(record.index)} if record.index else {}),
        **({"origin": record.origin} if record.origin else {}),
    }


def from_document(document: Any) -> ImageRecord:
    """Read what `to_document` wrote; `ValueError`, `KeyError` or `TypeError` for anything else."""
    return ImageRecord(
        reference=_text(document["reference"]),
        digest=Digest.parse(_text(document["digest"])),
        why=tuple(_text(reason) for reason in document["why"]),
        index=Digest.parse(_text(document["index"])) if "index" in document else None,
        origin=_text(document.get("origin", "")),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
