"""The highest epoch seen of each product: what is older than what was installed is refused without a permit.

A floor belongs to a product and to the anchor that vouched for its vendor: who replaces the anchor begins anew. At once
it rises by at most `MAX_RISE`, so that a stolen key cannot make every later delivery too old. A permit names the
digests of both images and is signed as the policy demands of a bundle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance import canonical
from appliance.digest import Digest
from appliance.errors import RecipeError, StateError
from appliance.files import lock, read_bounded, write_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

FORMAT = 1
MAX_RISE = 10**6
FILE_BYTES = 1 << 20
NAME = "floors.json"


@dataclass(frozen=True, slots=True)
class Seen:
    """A bundle as floors know it: its product, epoch, image digest, and the anchors that vouch for its vendor."""

    product: str
    epoch: int
    image: Digest
    anchors: frozenset[Digest]


@dataclass(frozen=True, slots=True)
class Floor:
    """The highest epoch of a product that was installed under an anchor, and which bundle had it."""

    product: str
    anchor: Digest
    epoch: int
    image: Digest


@dataclass(frozen=True, slots=True)
class Permit:
    """Somebody allows to go back from the bundle of one image to that of another."""

    product: str
    current: Digest
    older: Digest

    def to_bytes(self) -> bytes:
        """The canonical JSON that is signed."""
        return canonical.dumps(
            {
                "format": FORMAT,
                "kind": "downgrade",
                "product": self.product,
                "from": str(self.current),
                "to": str(self.older),
            }
        )


def read_permit(data: bytes) -> Permit:
    """The permit in canonical JSON; `RecipeError` for anything else."""
    try:
        document = canonical.loads(data, limit=FILE_BYTES)
        permit = Permit(str(document["product"]), Digest.parse(document["from"]), Digest.parse(document["to"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecipeError("this is not a permit to go back to an older bundle") from error
    if permit.to_bytes() != data:
        raise RecipeError("this permit is not written as one is")
    return permit


def below(floors: Collection[Floor], seen: Seen) -> tuple[Floor, ...]:
    """The floors that a bundle is below."""
    return tuple(
        f for f in floors if (f.product, f.anchor in seen.anchors) == (seen.product, True) and seen.epoch < f.epoch
    )


def raised(floors: Sequence[Floor], seen: Seen, *, lower: bool = False) -> tuple[Floor, ...]:
    """The floors after that bundle was installed; with `lower` (a permit allowed it) they may go down to it.

    `StateError` when the epoch leaves more behind than anybody makes versions.
    """
    kept, mine = [], {anchor: Floor(seen.product, anchor, seen.epoch, seen.image) for anchor in seen.anchors}
    for floor in floors:
        if floor.product != seen.product or floor.anchor not in mine:
            kept.append(floor)
            continue
        if seen.epoch - floor.epoch > MAX_RISE:
            raise StateError(
                f"the epoch of {seen.product} would rise from {floor.epoch} to {seen.epoch}, over {MAX_RISE} at once",
                hint="ask the vendor by another way: a stolen key could shut out every later version",
            )
        if seen.epoch < floor.epoch and not lower:
            mine[floor.anchor] = floor
    return tuple(sorted((*kept, *mine.values()), key=lambda f: (f.product, f.anchor.hex)))


def load(path: Path) -> tuple[Floor, ...]:
    """The floors in a file, none when there is none; `StateError` when it cannot be read."""
    try:
        document = canonical.loads(read_bounded(path, FILE_BYTES), limit=FILE_BYTES)
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']}")  # noqa: TRY301  (one sentence for all that is wrong)
        return tuple(map(_floor, document["floors"]))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(
            f"what was installed before cannot be read: {error}", where=str(path), hint="restore it"
        ) from error


def keep(path: Path, seen: Seen, *, lower: bool = False) -> None:
    """Remember in a file that a bundle is installed; raises as `raised` and `load` do."""
    with lock(path.with_suffix(".lock")):
        floors = raised(load(path), seen, lower=lower)
        write_bytes(
            path, canonical.dumps({"format": FORMAT, "floors": [_document(floor) for floor in floors]}), mode=0o600
        )


def _floor(document: dict[str, Any]) -> Floor:
    return Floor(
        str(document["product"]),
        Digest.parse(document["anchor"]),
        int(document["epoch"]),
        Digest.parse(document["image"]),
    )


def _document(floor: Floor) -> dict[str, object]:
    return {
        "product": floor.product,
        "anchor": str(floor.anchor),
        "epoch": floor.epoch,
        "image": str(floor.image),
    }
