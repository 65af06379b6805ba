"""Sealer's Plugin documents: what a site has done to its hosts and nodes besides, and when.

Source: sealer's ``docs/design/plugin.md`` (``spec.on``); since 0.9 ``pkg/cluster-runtime/hook.go`` (``spec.scope``).
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.recipe.addresses import expand
from appliance.recipe.schema import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.recipe.documents import PassedDocument

KIND = "Plugin"
_FIELDS = ("type", "action", "data", "on", "scope")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


class PluginType(enum.StrEnum):
    """What a plugin does: shell lines on hosts, labels or taints of nodes, waiting until the cluster is well."""

    SHELL = "SHELL"
    LABEL = "LABEL"
    TAINT = "TAINT"
    CLUSTERCHECK = "CLUSTERCHECK"


class Phase(enum.Enum):
    """When: before Kubernetes is set up on a host; once the cluster is up; after its applications."""

    BEFORE = enum.auto()
    UP = enum.auto()
    AFTER = enum.auto()


_PHASES = {
    "Originally": Phase.BEFORE,
    "PreInit": Phase.BEFORE,
    "PreJoin": Phase.BEFORE,
    "pre-init-host": Phase.BEFORE,
    "pre-install": Phase.BEFORE,
    "PreGuest": Phase.UP,
    "post-init-host": Phase.UP,
    "PostInit": Phase.UP,
    "PostJoin": Phase.AFTER,
    "PostInstall": Phase.AFTER,
    "post-install": Phase.AFTER,
}
"""A host that joins later is one of the same run here, so the phases of joining are those of installing."""
_ELSEWHERE = {
    "HOSTNAME": "hosts keep their names; say what they shall be called with the host's own tools",
    "ETCD": "etcd is backed up by the runtime, not by a plugin",
}


@dataclass(frozen=True, slots=True)
class SitePlugin:
    """A plugin: `on` is a role (control-plane, worker), addresses, or empty for all hosts."""

    name: str
    type: PluginType
    phases: tuple[Phase, ...]
    data: str
    on: tuple[str, ...] = ()
    where: str = ""

    def lines(self) -> tuple[tuple[tuple[str, ...], str], ...]:
        """The lines of a LABEL or TAINT: addresses and what is said of their nodes. Raises `RecipeError`."""
        written = (line.split() for line in self.data.splitlines() if line.strip())
        return tuple(self._line(words) for words in written)

    def _line(self, words: list[str]) -> tuple[tuple[str, ...], str]:
        if len(words) != 2:  # noqa: PLR2004  (addresses, and one word)
            text = " ".join(words)
            raise RecipeError(
                f"{text!r} is no line of a {self.type}", where=self.where, hint="write ADDRESSES KEY=VALUE"
            )
        return expand(words[0].split(","), where=self.where), words[1]


def read(documents: Iterable[PassedDocument]) -> tuple[SitePlugin, ...]:
    """The plugins among further documents, in order. `RecipeError` for one that is not carried out here, by name."""
    return tuple(_read(document) for document in documents if document.kind == KIND)


def _read(document: PassedDocument) -> SitePlugin:
    where = document.where
    metadata, spec = document.value.get("metadata"), document.value.get("spec")
    name = str(metadata.get("name", "")) if isinstance(metadata, dict) else ""
    if not isinstance(spec, dict) or not _NAME.fullmatch(name):
        raise RecipeError("a Plugin has metadata.name (letters, digits, . _ -) and spec", where=where)
    for field in spec:
        if field not in _FIELDS:
            raise RecipeError(f"spec.{field} of a Plugin is not known", where=where, hint=suggestion(field, _FIELDS))
    kind = _type(name, str(spec.get("type") or PluginType.SHELL), where)
    data = spec.get("data") or ""
    if not isinstance(data, str) or not (data.strip() or kind is PluginType.CLUSTERCHECK):
        raise RecipeError(f"the plugin {name} has no data", where=where, hint="write the lines as spec.data: |")
    phases = _phases(name, str(spec.get("action") or ""), where)
    if kind is not PluginType.SHELL and Phase.BEFORE in phases:
        hint = "write action: PreGuest or PostInstall"
        raise RecipeError(f"the plugin {name} needs a cluster, which is not up then", where=where, hint=hint)
    plugin = SitePlugin(name, kind, phases, data, _on(name, spec, where), where)
    if kind in (PluginType.LABEL, PluginType.TAINT):
        plugin.lines()
    return plugin


def _type(name: str, written: str, where: str) -> PluginType:
    if written not in tuple(PluginType):
        hint = _ELSEWHERE.get(written) or suggestion(written, tuple(PluginType))
        raise RecipeError(f"the plugin {name} is of type {written}, which is not carried out", where=where, hint=hint)
    return PluginType(written)


def _phases(name: str, action: str, where: str) -> tuple[Phase, ...]:
    found: dict[Phase, None] = {}
    for word in action.split("|"):
        if word.strip() not in _PHASES:
            message = f"the plugin {name} is for the phase {word.strip() or 'of no name'}, which is not there"
            raise RecipeError(message, where=where, hint=f"there are {', '.join(_PHASES)}")
        found[_PHASES[word.strip()]] = None
    return tuple(found)


def _on(name: str, spec: dict[str, object], where: str) -> tuple[str, ...]:
    """Roles or addresses; of labels, which only a cluster knows, none."""
    written = str(spec.get("on") or spec.get("scope") or "")
    if "=" in written:
        hint = "name roles (master, node) or addresses"
        raise RecipeError(f"the plugin {name} is for nodes of a label, {written}", where=where, hint=hint)
    roles = {"master": "control-plane", "node": "worker"}
    words = [word for word in re.split(r"[|,\s]+", written) if word]
    if all(word in roles for word in words):
        return tuple(roles[word] for word in words)
    return expand(words, where=where)
