"""``RUN --mount``: what is laid into the sandbox for one command. Pure. Source: Docker's reference, § RUN --mount."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.recipe.instructions import Instruction

_KEYS = frozenset(
    ("type", "source", "src", "target", "dst", "destination", "from", "id", "sharing", "readonly", "ro", "size", "mode")
)


class MountKind(enum.StrEnum):
    """Where a mount's content comes from."""

    BIND = "bind"
    CACHE = "cache"
    TMPFS = "tmpfs"


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount as written: `source` is a stage or image (empty: the context), `path` in it, `target` as RUN sees it.

    `name` tells caches apart.
    """

    kind: MountKind
    target: str
    path: str = "."
    source: str = ""
    name: str = ""


def parse_mounts(instruction: Instruction) -> tuple[Mount, ...]:
    """The mounts of a RUN; `RecipeError` for one that cannot be made."""
    return tuple(_mount(instruction, text) for text in instruction.all_flags("mount"))


def _mount(instruction: Instruction, text: str) -> Mount:
    fields: dict[str, str] = {}
    for pair in text.split(","):
        key, _, value = pair.partition("=")
        if key not in _KEYS:
            raise instruction.error(f"--mount has no {key!r}", hint=f"known are: {', '.join(sorted(_KEYS))}")
        fields[key] = value
    kind = fields.get("type", "bind")
    if kind in ("secret", "ssh"):
        hint = "fetch what needs it before the build, and COPY it"
        raise instruction.error(f"--mount=type={kind} is not given to a RUN", hint=hint)
    if kind not in list(MountKind):
        raise instruction.error(f"there is no mount of type {kind!r}", hint="expected bind, cache or tmpfs")
    target = fields.get("target") or fields.get("dst") or fields.get("destination") or ""
    if not target or ".." in target.split("/"):
        raise instruction.error("a mount needs a target", hint="expected --mount=type=…,target=PATH")
    path = fields.get("source") or fields.get("src") or "."
    return Mount(MountKind(kind), target, path, fields.get("from", ""), fields.get("id") or target)
