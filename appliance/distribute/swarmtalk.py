"""The operator's side of one host of a swarm."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.distribute.talk import Talk
from appliance.distribute.words import Got, Ready
from appliance.recipe.quantities import size_text

if TYPE_CHECKING:
    from appliance.image.blobs import Blob, LayerBlob


@dataclass(slots=True, eq=False, kw_only=True)
class SwarmTalk(Talk):
    """One host of the swarm.

    `address` is where others find it, empty if they cannot; `small` are those missing blobs that the operator sends
    whole. It `swarms` if it needs others; then it is `described` once it has the torrent.
    """

    part: LayerBlob
    ready: Ready | None = None
    address: str = ""
    small: deque[Blob] = field(default_factory=deque)
    swarms: bool = False
    described: bool = False
    alone: bool = False
    says: str = ""
    got: Got = field(default_factory=lambda: Got(0))

    def summary(self) -> str:
        """One sentence for people."""
        got = self.got
        return (
            f"got {size_text(got.done)} by the swarm ({self.given} bytes of them from the operator),"
            f" passed on {size_text(got.sent)}, {got.twice} bytes came in vain"
        )
