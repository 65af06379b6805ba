"""What a build took from elsewhere, as the image's config keeps it for the provenance. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Material:
    """What a build took from elsewhere: an address or image reference, its digest, and whether the recipe pins it."""

    uri: str
    digest: Digest
    pinned: bool


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """The arguments of a build that may be told, and what it took from elsewhere."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    materials: tuple[Material, ...] = ()


def to_document(record: BuildRecord) -> dict[str, object]:
    """A record as JSON data."""
    return {
        "arguments": dict(record.arguments),
        "materials": [{"uri": m.uri, "digest": str(m.digest), "pinned": m.pinned} for m in record.materials],
    }


def from_document(document: Any) -> BuildRecord:
    """Read what `to_document` wrote; `ValueError`, `KeyError` or `TypeError` for anything else."""
    return BuildRecord(
        {name: _text(value) for name, value in document["arguments"].items()},
        tuple(Material(_text(m["uri"]), Digest.parse(m["digest"]), m["pinned"] is True) for m in document["materials"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
