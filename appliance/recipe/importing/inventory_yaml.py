"""An Ansible inventory in its YAML form: groups with ``hosts``, ``children`` and ``vars``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from appliance.recipe.importing.ansible import ALL, Inventory, Variable
from appliance.recipe.importing.hostpattern import expand_pattern
from appliance.recipe.yamltext import load_documents

if TYPE_CHECKING:
    from appliance.recipe.yamltext import Document, FieldPath

_PARTS = ("hosts", "children", "vars")


def load(text: str, *, source: str) -> Inventory:
    """Read an inventory; `source` names it in errors. Raises `RecipeError` with the line."""
    inventory = Inventory()
    for document in load_documents(text, source=source):
        for name, value in _mapping(document, (), document.value).items():
            if name == "plugin":
                hint = "ansible-inventory --list --yaml writes what it finds as a file that can be read here"
                raise document.error((name,), "this asks a plugin of Ansible for hosts", hint=hint)
            _group(inventory, document, (name,), name=name, value=value)
    return inventory


def _group(inventory: Inventory, document: Document, path: FieldPath, *, name: str, value: Any) -> None:
    group = inventory.group(name)
    parts = _mapping(document, path, value)
    for part in parts:
        if part not in _PARTS:
            hint = f"a group has {', '.join(_PARTS)}"
            raise document.error((*path, part), "a group has no such part", hint=hint)
    for pattern, variables in _mapping(document, (*path, "hosts"), parts.get("hosts")).items():
        at = (*path, "hosts", pattern)
        for host, port in expand_pattern(pattern, where=document.where(at)):
            found = _variables(document, at, variables)
            with_port = {"ansible_port": Variable(port, document.where(at))} if port else {}
            inventory.add(host, {**with_port, **found}, group=name, where=document.where(at))
    group.variables.update(_variables(document, (*path, "vars"), parts.get("vars")))
    for child, inside in _mapping(document, (*path, "children"), parts.get("children")).items():
        if name != ALL:
            group.children[child] = document.where((*path, "children", child))
        _group(inventory, document, (*path, "children", child), name=child, value=inside)


def _variables(document: Document, path: FieldPath, value: Any) -> dict[str, Variable]:
    found = _mapping(document, path, value).items()
    return {name: Variable(_text(each), document.where((*path, name))) for name, each in found}


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            return json.dumps(value)


def _mapping(document: Document, path: FieldPath, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise document.error(path, "expected names with values", hint="an inventory's groups and hosts end with a :")
    return value
