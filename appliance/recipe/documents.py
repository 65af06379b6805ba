"""Further documents of a Clusterfile: kubeadm's own kinds, and sealer's Config, Plugin and Application, as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.recipe.schema import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.recipe.yamltext import Document

OWN_KINDS = ("Config", "Plugin", "Application")
KUBERNETES_GROUPS = ("kubeadm.k8s.io", "kubelet.config.k8s.io", "kubeproxy.config.k8s.io")


@dataclass(frozen=True, slots=True)
class PassedDocument:
    """A document that a runtime reads: `group` is that of its apiVersion, `where` is ``file:line``.

    `value` is all of it, as plain data.
    """

    group: str
    kind: str
    value: Mapping[str, object]
    where: str = field(default="", compare=False)


def passed(document: Document) -> PassedDocument:
    """Take in a further document. `RecipeError` for a kind that nobody would read."""
    value = document.value
    if not isinstance(value, dict):
        raise document.error((), "a document of a Clusterfile has fields", hint="start with apiVersion and kind")
    version, kind = str(value.get("apiVersion", "")), str(value.get("kind", ""))
    group = version.partition("/")[0]
    if kind == "Cluster":
        raise document.error(("kind",), "a Clusterfile describes one cluster", hint="keep the others in other files")
    if group not in KUBERNETES_GROUPS and kind not in OWN_KINDS:
        hint = suggestion(kind, (*OWN_KINDS, "ClusterConfiguration", "InitConfiguration", "KubeletConfiguration"))
        raise document.error(("kind",), f"{kind!r} of {version!r} is not a known kind", hint=hint)
    return PassedDocument(group, kind, value, document.where(()))


def require_none(documents: tuple[PassedDocument, ...], *, runtime: str) -> None:
    """`RecipeError` at the first of `documents`: for a runtime that reads none."""
    for document in documents:
        raise RecipeError(
            f"{document.kind} is not read by the runtime {runtime}", where=document.where, hint="take it out"
        )
