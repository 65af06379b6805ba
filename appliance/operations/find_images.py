"""Which container images files need, before they are built into an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance import events
from appliance.image.discovery import tree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from appliance.events import Sink
    from appliance.image.discovery.found import Discovery
    from appliance.image.discovery.helm import Settings


def find_images(paths: Sequence[Path], settings: Settings, *, sink: Sink = events.silent) -> Discovery:
    """The images that the files at `paths` need; charts are rendered with `settings`."""
    with events.task(sink, "find-images", "look for images"):
        return tree.discover(paths, settings)
