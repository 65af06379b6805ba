"""`BuildRecord`: what a build was given and took from elsewhere, kept in the image's config for the provenance. Pure.

Nothing secret goes in: an argument whose name or value looks like a secret, or that the label `SECRETS_LABEL` names, is
kept by its name alone; so is one that holds a path of the packager's machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from appliance.recipe.instructions import Instruction

SECRETS_LABEL = "vnd.appliance.secret-args"
"""A LABEL that names build arguments, with spaces between, whose values are nobody's business."""
WITHHELD = "(withheld)"
_SECRET_NAME = re.compile(
    r"pass(?:wd|word|phrase)?(?:$|_)|secret|token|credential|api_?key|private|_key$|^key$|_pat$|^auth|_auth",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(r"-----BEGIN|://[^/\s:@]*:[^/\s@]+@|^(?:gh[pousr]_|glpat-|xox[abp]-|AKIA)|^eyJ[\w-]+\.eyJ")


@dataclass(frozen=True, slots=True)
class Material:
    """What a build took from elsewhere: an address or image reference, its digest, and whether the recipe pins it."""

    uri: str
    digest: Digest
    pinned: bool


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """The arguments of a build, secrets withheld, and what it took from elsewhere."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    materials: tuple[Material, ...] = ()


def whole(instruction: Instruction) -> str:
    """An instruction with the here-documents that belong to it."""
    return instruction.written + "".join(f"\n{document.text}{document.name}" for document in instruction.heredocs)


def recorded_arguments(arguments: Mapping[str, str], *, secret: str, private: Iterable[str]) -> dict[str, str]:
    """What may be told of build arguments; `secret` holds names, `private` are folders of this machine."""
    named = frozenset(secret.split())
    folders = tuple(folder for folder in private if len(folder) > 1)
    return {
        name: WITHHELD if name in named or _is_secret(name, value) or any(f in value for f in folders) else value
        for name, value in sorted(arguments.items())
    }


def _is_secret(name: str, value: str) -> bool:
    return bool(_SECRET_NAME.search(name) or _SECRET_VALUE.search(value))


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
