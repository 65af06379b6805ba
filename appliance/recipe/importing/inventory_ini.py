"""An Ansible inventory in its INI form: hosts with ranges and variables, ``[group]``, ``:children``, ``:vars``."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from appliance.errors import RecipeError
from appliance.recipe.importing.ansible import ALL, UNGROUPED, Inventory, Variable
from appliance.recipe.importing.hostpattern import expand_pattern

_SECTION = re.compile(r"\[([^\]:]+)(?::(hosts|children|vars))?\]\s*(?:[#;].*)?")
_GROUP = re.compile(r"[^\s\[\]:=#]+")


@dataclass(frozen=True, slots=True)
class _Section:
    """What the lines below a heading are: ``hosts``, ``children`` or ``vars`` of a group."""

    group: str
    kind: str


def load(text: str, *, source: str) -> Inventory:
    """Read an inventory; `source` names it in errors. Raises `RecipeError` with the line."""
    inventory = Inventory()
    section = _Section(UNGROUPED, "hosts")
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        stripped, where = line.strip(), f"{source}:{number}"
        if not stripped or stripped[0] in "#;":
            continue
        if stripped[0] == "[" and (heading := _SECTION.fullmatch(stripped)):
            section = _Section(heading[1].strip(), heading[2] or "hosts")
            inventory.group(section.group)
        elif section.kind == "vars":
            _variable(inventory, section.group, stripped, where)
        elif section.kind == "children":
            _child(inventory, section.group, stripped, where)
        else:
            _hosts(inventory, section.group, stripped, where)
    return inventory


def _variable(inventory: Inventory, group: str, line: str, where: str) -> None:
    name, equals, value = line.partition("=")
    if not equals or not name.strip():
        raise RecipeError(f"{name.strip()!r} has no value", where=where, hint="below [group:vars] write NAME=VALUE")
    words = _words(value, where) if value.strip()[:1] in ("'", '"') else [value.strip()]
    inventory.group(group).variables[name.strip()] = Variable(" ".join(words), where)


def _child(inventory: Inventory, group: str, line: str, where: str) -> None:
    (name, *more) = _words(line, where) or [""]
    if more or not _GROUP.fullmatch(name):
        raise RecipeError(f"{line!r} is not a group", where=where, hint="below [group:children] write a group a line")
    inventory.group(name)
    if group != ALL:
        inventory.group(group).children[name] = where


def _hosts(inventory: Inventory, group: str, line: str, where: str) -> None:
    (pattern, *words) = _words(line, where) or [""]
    variables = dict(_pair(word, where) for word in words)
    for name, port in expand_pattern(pattern, where=where):
        with_port = {"ansible_port": Variable(port, where)} if port else {}
        inventory.add(name, {**with_port, **variables}, group=group, where=where)


def _pair(word: str, where: str) -> tuple[str, Variable]:
    name, equals, value = word.partition("=")
    if not equals or not name:
        shown = name if "pass" not in name else "a word"
        raise RecipeError(f"{shown!r} has no value", where=where, hint="behind a host write NAME=VALUE")
    return name, Variable(value, where)


def _words(line: str, where: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise RecipeError("a quote is not closed", where=where, hint="close it, or take it out") from error
