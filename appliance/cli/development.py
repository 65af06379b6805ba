"""``run IMAGE``: where an image of the local store is named, and no file, it is bundled on the way; that is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance import state
from appliance.clock import SystemClock
from appliance.errors import RecipeError

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.cli.options import Session
    from appliance.image.reference import Reference
    from appliance.trust.policy import Trust


def bundle_or_image(session: Session, named: Path, trust: Trust) -> tuple[Path, Trust]:
    """The bundle that was named; or one made of the image that was, and whom to believe so that it is admitted."""
    reference = None if session.bundle or named.exists() else _image(session, str(named))
    if reference is None:
        return named, trust
    from appliance.image.store import Store  # noqa: PLC0415  (with py7zr and cryptography slow to import)
    from appliance.operations import development, publish  # noqa: PLC0415
    from appliance.trust import policy  # noqa: PLC0415

    sink = session.output.sink()
    made = development.bundle_of(
        reference,
        store=Store(session.store),
        home=session.home,
        pythons=publish.travelling(state.cache(), latest=True, sink=sink),
        clock=SystemClock(),
        sink=sink,
    )
    session.output.warn(
        f"{reference.familiar} is no bundle but an image of the local store: it was bundled on the way, signed by this "
        "machine's development key, which proves nothing of its origin"
    )
    return made.path, trust.with_anchors(policy.from_arguments((str(made.root),)))


def _image(session: Session, name: str) -> Reference | None:
    """The image of the local store that is called so, if there is one."""
    from appliance.image.reference import Reference  # noqa: PLC0415
    from appliance.image.store import Store  # noqa: PLC0415

    try:
        reference = Reference.parse(name)
    except RecipeError:
        return None
    return reference if Store(session.store).find(reference) else None
