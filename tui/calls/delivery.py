"""The delivery: found, verified, read."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.operations import deliver, look, propose, verification
from appliance.operations.look import Texts, Topic
from appliance.recipe.bundlefile import APP
from appliance.trust import floors, store
from appliance.trust import policy as policies
from tui.session import Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.bundle.verify import VerifiedBundle
    from appliance.events import Sink
    from appliance.plan.runtime import TextFile
    from appliance.trust.policy import Trust
    from tui.engine import Engine

_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may be a bundle: where, and how many bytes."""

    path: Path
    size: int


def find_bundles(engine: Engine) -> tuple[Found, ...]:
    """Bundles that were named, lie beside the program or on mounted media, each once, in that order."""
    named = [path for path in (engine.given, engine.own) if path]
    beside = [path for folder in engine.beside for path in _runs_in(folder, depth=1)]
    mounted = [path for folder in engine.media for path in _runs_in(folder, depth=_DEPTH)]
    found: dict[Path, Found] = {}
    for path in (*named, *beside, *mounted):
        with contextlib.suppress(OSError):
            found.setdefault(path.resolve(), Found(path, path.stat().st_size))
    return tuple(found.values())


def trust(engine: Engine, anchors: tuple[str, ...]) -> Trust:
    """The site's store, what was installed before, and what `anchors` add to it."""
    site = dataclasses.replace(
        store.load_store(engine.trust_store or policies.STORE), floors=floors.load(engine.home.floors)
    )
    return site.with_anchors(policies.from_arguments(anchors))


def verify(engine: Engine, path: Path, anchors: tuple[str, ...], *, sink: Sink) -> Delivery:
    """Check every byte of the bundle at `path`, and read what it says of itself if that holds."""
    believed, now = _judging(engine, path, anchors), engine.clock.now()
    report = verification.verify(path, believed, now=now, sink=sink)
    if not report.verified:
        return Delivery(path, anchors, report)
    with deliver.open_delivery(path, believed, now=now) as bundle:
        spec = propose.description(bundle)
        return Delivery(path, anchors, report, spec, str(bundle.manifest.image), added=spec.kind == APP)


@contextlib.contextmanager
def opened(engine: Engine, delivery: Delivery) -> Iterator[VerifiedBundle]:
    """The delivery, checked anew as far as reading it needs."""
    believed = _judging(engine, delivery.path, delivery.anchors)
    with deliver.open_delivery(delivery.path, believed, now=engine.clock.now()) as bundle:
        yield bundle


def _judging(engine: Engine, path: Path, anchors: tuple[str, ...]) -> Trust:
    """Whom we believe of the bundle at `path`, which may be the one that we were started from."""
    itself = engine.own is not None and path.resolve() == engine.own.resolve()
    return dataclasses.replace(trust(engine, anchors), self_run=itself)


def manuals(engine: Engine, delivery: Delivery) -> tuple[TextFile, ...]:
    """The texts below ``docs/`` in the delivery."""
    with opened(engine, delivery) as bundle:
        shown = look.show(bundle, Topic.DOCS)
    return shown.files if isinstance(shown, Texts) else ()


def _runs_in(folder: Path, *, depth: int) -> Iterator[Path]:
    """Files called ``*.run`` in `folder` and `depth` - 1 levels below; what cannot be read is passed over."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for path in entries:
        with contextlib.suppress(OSError):
            if path.suffix == ".run" and path.is_file():
                yield path
            elif depth > 1 and path.is_dir() and not path.is_symlink():
                yield from _runs_in(path, depth=depth - 1)
