"""Further documents of a Clusterfile for kubeadm, laid over ours field by field. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.recipe.documents import KUBERNETES_GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from appliance.plan.runtime import Site
    from appliance.recipe.documents import PassedDocument

KINDS = (
    "InitConfiguration",
    "JoinConfiguration",
    "ClusterConfiguration",
    "KubeletConfiguration",
    "KubeProxyConfiguration",
)
_ARGUMENTS = ("extraArgs", "kubeletExtraArgs")
_UNIONS = ("certSANs",)

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """A field that the plan decides, and where else a Clusterfile may say so."""

    path: Path
    instead: str = ""


def merged(
    site: Site, kind: str, ours: Mapping[str, object], *, decided: Iterable[Decided] = (), lists_arguments: bool = False
) -> dict[str, object]:
    """`ours` with the Clusterfile's document of `kind` laid over it: objects are merged, all else is replaced.

    Names of the API server's certificate are added to ours; arguments of programs are merged by name, and come out as
    a list of names and values or as an object, whatever form they were written in. `RecipeError` when a field is among
    `decided` and not as in `ours`, and when the document comes twice.
    """
    theirs = _only(site, kind)
    if theirs is None:
        return _merge(ours, {}, lists_arguments=lists_arguments, where="")
    for field in decided:
        _check(field, ours, theirs)
    fields = {name: value for name, value in theirs.value.items() if name not in ("apiVersion", "kind")}
    return _merge(ours, fields, lists_arguments=lists_arguments, where=theirs.where)


def check_kinds(site: Site) -> None:
    """`RecipeError` for a document of kubeadm's that nothing here reads."""
    for document in site.documents:
        if document.group in KUBERNETES_GROUPS and document.kind not in KINDS:
            raise RecipeError(
                f"{document.kind} is not read", where=document.where, hint=f"those that are: {', '.join(KINDS)}"
            )


def _only(site: Site, kind: str) -> PassedDocument | None:
    found = [document for document in site.documents if document.kind == kind and document.group in KUBERNETES_GROUPS]
    if len(found) > 1:
        raise RecipeError(f"{kind} comes twice", where=found[1].where, hint="put both into one document")
    return found[0] if found else None


def _check(field: Decided, ours: Mapping[str, object], theirs: PassedDocument) -> None:
    there, wanted = _at(theirs.value, field.path)
    _, decided = _at(ours, field.path)
    if there and wanted != decided:
        name = ".".join(field.path)
        hint = f"say it as {field.instead}" if field.instead else "take it out"
        raise RecipeError(f"{theirs.kind}.{name} is decided by the plan", where=theirs.where, hint=hint)


def _at(value: Mapping[str, object], path: Path) -> tuple[bool, object]:
    found: object = value
    for name in path:
        if not isinstance(found, dict) or name not in found:
            return False, None
        found = found[name]
    return True, found


def _merge(
    ours: Mapping[str, object], theirs: Mapping[str, object], *, lists_arguments: bool, where: str
) -> dict[str, object]:
    result: dict[str, object] = {}
    for name in dict.fromkeys((*ours, *theirs)):
        mine, other = ours.get(name), theirs.get(name, _Missing)
        if name in _ARGUMENTS:
            given = [] if other is _Missing else _arguments(name, other, where)
            pairs = _combined(_arguments(name, mine or {}, where), given)
            result[name] = _written(name, pairs, lists_arguments=lists_arguments, where=where)
        elif isinstance(mine, dict) and (other is _Missing or isinstance(other, dict)):
            deeper = {} if other is _Missing or not isinstance(other, dict) else other
            result[name] = _merge(mine, deeper, lists_arguments=lists_arguments, where=where)
        elif isinstance(other, dict):
            result[name] = _merge({}, other, lists_arguments=lists_arguments, where=where)
        elif name in _UNIONS and isinstance(mine, list) and isinstance(other, list):
            result[name] = list(dict.fromkeys((*mine, *other)))
        else:
            result[name] = mine if other is _Missing else other
    return result


class _Missing:
    """What is not there, where nothing (null) may be."""


def _arguments(name: str, value: object, where: str) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [(str(key), _text(item)) for key, item in value.items()]
    if isinstance(value, list) and all(isinstance(item, dict) and set(item) == {"name", "value"} for item in value):
        return [(str(item["name"]), _text(item["value"])) for item in value]
    hint = "write an object of names and values, or a list of objects with name and value"
    raise RecipeError(f"{name} is neither an object nor a list of arguments", where=where, hint=hint)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _combined(ours: list[tuple[str, str]], theirs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    replaced = {key for key, _ in theirs}
    return [*((key, value) for key, value in ours if key not in replaced), *theirs]


def _written(name: str, pairs: list[tuple[str, str]], *, lists_arguments: bool, where: str) -> object:
    if lists_arguments:
        return [{"name": key, "value": value} for key, value in pairs]
    if len(dict(pairs)) < len(pairs):
        hint = "this version of kubeadm takes each once; join the values by commas if the program takes that"
        raise RecipeError(f"an argument comes twice in {name}", where=where, hint=hint)
    return dict(pairs)
