"""Sealer's Config documents: files of the image's tree that a site writes or changes. YAML in, texts out.

Files of apps that its Application document changes are the same.

Source: sealer's ``types/api/v1/config_types.go`` and ``pkg/config``.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.recipe import sitelaunch, yamltext
from appliance.recipe.apps import FOLDER
from appliance.recipe.schema import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.recipe.documents import PassedDocument

KIND = "Config"
_FIELDS = ("path", "data", "strategy", "appName", "process")
_STRATEGIES = ("overwrite", "merge")
_NOT_READ = ("etc/kubeadm.yml", "etc/kubeadm.yaml")
"""What sealer gives to kubeadm; here kubeadm's documents stand in the Clusterfile itself."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """A file of the image's tree, and what becomes of it: `data` in its place, or merged into each of its documents."""

    path: str
    data: str
    merge: bool = False
    where: str = ""

    def onto(self, text: str | None) -> str:
        """What the file holds then; `text` is what the image has, None for nothing. Raises `RecipeError`."""
        if text is None or not self.merge:
            return self.data
        (above,) = yamltext.load_documents(self.data, source=self.where) or (None,)
        if above is None:
            return text
        below = yamltext.load_documents(text, source=self.path)
        if not isinstance(above.value, dict) or not all(isinstance(one.value, dict) for one in below):
            raise RecipeError(f"{self.path}: only fields are merged into fields", where=self.where)
        merged = (yamltext.dump(_merged(one.value, above.value)) for one in below)
        return "---\n".join(merged)


def read(documents: Iterable[PassedDocument]) -> tuple[Overlay, ...]:
    """The overlays among a Clusterfile's further documents, in order. `RecipeError` for what cannot be honoured."""
    return tuple(_read(config) for document in documents for config in _configs(document))


def paths(documents: Iterable[PassedDocument]) -> tuple[str, ...]:
    """The files that the overlays are of; raises as `read`."""
    return tuple(overlay.path for overlay in read(documents))


def _configs(document: PassedDocument) -> tuple[PassedDocument, ...]:
    if document.kind == sitelaunch.KIND:
        return sitelaunch.configs(document)
    return (document,) if document.kind == KIND else ()


def _read(document: PassedDocument) -> Overlay:
    spec = document.value.get("spec")
    where = document.where
    if not isinstance(spec, dict) or not isinstance(spec.get("path"), str) or not isinstance(spec.get("data"), str):
        raise RecipeError("a Config has spec.path and spec.data, both texts", where=where, hint="see docs/packager.md")
    for name in spec:
        if name not in _FIELDS:
            raise RecipeError(f"spec.{name} of a Config is not known", where=where, hint=suggestion(name, _FIELDS))
    if spec.get("process"):
        hint = "write the data as it shall stand in the file"
        raise RecipeError(f"spec.process {spec['process']!r} is not carried out here", where=where, hint=hint)
    strategy = spec.get("strategy") or _STRATEGIES[0]
    if strategy not in _STRATEGIES:
        raise RecipeError(f"spec.strategy {strategy!r} is not known", where=where, hint="write overwrite or merge")
    if posixpath.normpath(spec["path"]) == ".":
        raise RecipeError(
            f"{spec['path']!r} is no path in the image", where=where, hint="write one like etc/values.yaml"
        )
    app = spec.get("appName") or ""
    return Overlay(
        path=_path(posixpath.join(FOLDER, app, spec["path"]) if app else spec["path"], where),
        data=spec["data"],
        merge=strategy == "merge",
        where=where,
    )


def _path(written: str, where: str) -> str:
    path = posixpath.normpath(written)
    if path.startswith(("/", "..")) or path == ".":
        raise RecipeError(f"{written!r} is no path in the image", where=where, hint="write one like etc/values.yaml")
    if path in _NOT_READ:
        hint = "write kubeadm's own documents (ClusterConfiguration …) into the Clusterfile"
        raise RecipeError(f"{path} is not what kubeadm is given here", where=where, hint=hint)
    return path


def _merged(below: dict[str, object], above: dict[str, object]) -> dict[str, object]:
    result = dict(below)
    for name, value in above.items():
        old = result.get(name)
        result[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result
