"""Which container images a built root file system needs: what discovery finds in it, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance import canonical
from appliance.errors import RecipeError
from appliance.files import read_bounded, write_bytes
from appliance.image import buildcache
from appliance.image.buildcache import LayerMade
from appliance.image.carried import Wanted
from appliance.image.discovery import texts, tree
from appliance.image.discovery.found import Confidence, Findings
from appliance.image.discovery.helm import Settings
from appliance.image.reference import Reference
from appliance.image.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from appliance.image.builder import BuiltRootfs
    from appliance.image.discovery.found import Discovery, Image
    from appliance.image.store import Store

_KUBEFILE = "Kubefile"
_RECORD_BYTES = 16 << 20
_LIST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Needs:
    """What one root file system needs: `carried` is meant to be carried, `guesses` are only told."""

    carried: tuple[Wanted, ...]
    guesses: tuple[Wanted, ...] = ()
    warnings: tuple[str, ...] = ()


def needs(rootfs: BuiltRootfs, kubefile: str, ignored: str, *, store: Store, cache: Path) -> Needs:
    """Look for container images in a built tree; `kubefile` says how its charts are installed.

    `ignored` is the text of the context's .imageignore. The same tree is looked at once: what was found is kept in
    `cache`, unless something could not be looked into.
    """
    layers = [str(layer.diff_id) for layer in rootfs.layers]
    path = cache / "needs" / buildcache.key("needs", layers, kubefile, ignored).hex
    if known := _recall(path):
        return known
    with Workspace(cache / "work", store) as workspace:
        workspace.catch_up([LayerMade(layer.blob, layer.diff_id, layer.tar_size) for layer in rootfs.layers])
        _lay_beside(workspace.root / _KUBEFILE, kubefile)
        own = workspace.root / tree.IGNORE
        _lay_beside(own, f"{own.read_text()}\n{ignored}" if own.is_file() else ignored)
        found = _needs(tree.discover([workspace.root], Settings()))
    if not found.warnings:
        write_bytes(path, canonical.dumps(_document(found)))
    return found


def _lay_beside(path: Path, text: str) -> None:
    """Put a text into the tree that is looked at, which nothing else ever sees."""
    path.unlink(missing_ok=True)
    path.write_text(text)


def _needs(found: Discovery) -> Needs:
    guesses = tuple(_wanted(image) for image in found.images if image.confidence is Confidence.GUESS)
    return Needs(tuple(_wanted(image) for image in found.carried), guesses, found.warnings)


def _wanted(image: Image) -> Wanted:
    return Wanted(image.reference, tuple(str(why) for why in image.why))


def listed(path: Path) -> tuple[Wanted, ...]:
    """The images of a list, one a line. `RecipeError` for a line that is no reference."""
    try:
        text = read_bounded(path, _LIST_BYTES).decode()
    except OSError as error:
        hint = "name a list of images, one a line"
        raise RecipeError(f"cannot be read: {error.strerror}", where=str(path), hint=hint) from error
    except UnicodeDecodeError as error:
        raise RecipeError("this is not UTF-8 text", where=str(path), hint="save it as UTF-8") from error
    findings = Findings()
    texts.scan_list(text, path.name, findings, Confidence.CERTAIN)
    for warning in findings.warnings:
        where, _, message = warning.partition(": ")
        raise RecipeError(message, where=where, hint="write an image a line, like docker.io/library/nginx:1.27.3")
    return tuple(_wanted(image) for image in findings.result().images)


def _recall(path: Path) -> Needs | None:
    try:
        record = canonical.loads(read_bounded(path, _RECORD_BYTES), limit=_RECORD_BYTES)
        return Needs(tuple(map(_read, record["carried"])), tuple(map(_read, record["guesses"])))
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecipeError):
        return None


def _read(document: Any) -> Wanted:
    return Wanted(Reference.parse(document["reference"]), tuple(document["why"]))


def _document(found: Needs) -> dict[str, object]:
    return {
        name: [{"reference": str(one.reference), "why": list(one.why)} for one in wanted]
        for name, wanted in (("carried", found.carried), ("guesses", found.guesses))
    }
