"""What discovery finds: references, how sure we are of each, and why. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.image.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable


class Confidence(enum.IntEnum):
    """How sure it is that an image is needed; `GUESS` is told but not carried."""

    GUESS = 1
    LIKELY = 2
    CERTAIN = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, order=True)
class Why:
    """Where an image stands: a file below the tree (or a chart's template), its line from 1 (0: none), and as what."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.what}" if self.line else f"{self.file} {self.what}"


@dataclass(frozen=True, slots=True)
class Image:
    """An image that was found: `confidence` is the best of all its reasons."""

    reference: Reference
    confidence: Confidence
    why: tuple[Why, ...]


@dataclass(frozen=True, slots=True)
class Discovery:
    """All that a tree needs, sorted by name; warnings say what could not be looked into."""

    images: tuple[Image, ...]
    warnings: tuple[str, ...] = ()

    @property
    def carried(self) -> tuple[Image, ...]:
        """The images that an image for these files carries."""
        return tuple(image for image in self.images if image.confidence > Confidence.GUESS)


@dataclass(slots=True)
class Findings:
    """Collects reasons, image by image, while a tree is walked."""

    warnings: list[str] = field(default_factory=list)
    _reasons: dict[Reference, dict[Why, Confidence]] = field(default_factory=dict)

    def add(self, text: str, confidence: Confidence, why: Why) -> bool:
        """Note a reason for the image that `text` names; False when it names none."""
        try:
            reference = Reference.parse(text)
        except RecipeError:
            return False
        reasons = self._reasons.setdefault(reference, {})
        reasons[why] = max(confidence, reasons.get(why, confidence))
        return True

    def warn(self, where: str, message: str) -> None:
        """Say what could not be looked into."""
        self.warnings.append(f"{where}: {message}")

    def knows(self, text: str) -> bool:
        """Whether an image was found already that is carried."""
        try:
            return max(self._reasons.get(Reference.parse(text), {}).values(), default=0) > Confidence.GUESS
        except RecipeError:
            return False

    def result(self, *, ignored: Iterable[Reference] = ()) -> Discovery:
        """All images but those `ignored`."""
        leave = frozenset(ignored)
        images = (
            Image(reference, max(reasons.values()), tuple(sorted(reasons, key=lambda why: (-reasons[why], why))))
            for reference, reasons in self._reasons.items()
            if reference not in leave
        )
        return Discovery(tuple(sorted(images, key=lambda image: str(image.reference))), tuple(self.warnings))

    @property
    def references(self) -> tuple[Reference, ...]:
        """Every image that was found."""
        return tuple(self._reasons)
