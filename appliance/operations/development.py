"""An image of the local store becomes a bundle on the way, for ``run IMAGE``, signed by a key of this machine's own.

Such a signature says nothing of an image's origin. The key is made once, in the operator's home, and is believed for
that one call.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance import events
from appliance.files import lock
from appliance.image.trees import new_tree
from appliance.operations import publish
from appliance.operations.publish import PublishRequest
from appliance.trust import keys

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.clock import Clock
    from appliance.events import Sink
    from appliance.image.reference import Reference
    from appliance.image.store import Store
    from appliance.operations.publish import Pythons
    from appliance.state import Home

_NAME_LENGTH = 48


@dataclass(frozen=True, slots=True)
class DevelopmentBundle:
    """A bundle, and the certificate of the authority that vouches for it."""

    path: Path
    root: Path


def bundle_of(
    reference: Reference, *, store: Store, home: Home, pythons: Pythons, clock: Clock, sink: Sink = events.silent
) -> DevelopmentBundle:
    """Write the bundle of an image into ``development/`` of the operator's home, in place of the one before.

    Raises as `publish.publish` does.
    """
    folder = home.root / "development"
    with lock(folder / ".lock"):
        made = folder / "keys"
        if not made.exists():
            with new_tree(made) as work:
                keys.generate(work, name=f"development on {platform.node()}"[:_NAME_LENGTH], clock=clock)
        signer = keys.load_signer(made / "signer-key.pem")
        request = PublishRequest(reference, folder, (signer,))
        published = publish.publish(request, store=store, pythons=pythons, clock=clock, sink=sink)
    return DevelopmentBundle(published.files[0].path, made / "root.pem")
