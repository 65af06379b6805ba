"""How a Kubefile installs its charts: the values that CMD and LAUNCH give to ``helm install`` and ``upgrade``. Pure."""

from __future__ import annotations

import os.path
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.recipe import kubefile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.recipe.instructions import Instruction

_COMMANDS = frozenset(("install", "upgrade", "template"))
_SETS = ("--set", "--set-string")
_VALUES = ("-f", "--values")
_BOOLEAN = frozenset(
    ("-i", "--install", "--create-namespace", "--wait", "--atomic", "--debug", "--force", "--dry-run", "--skip-crds",
     "--reuse-values", "--reset-values", "--no-hooks", "--dependency-update", "--wait-for-jobs", "--cleanup-on-fail",
     "-g", "--generate-name", "--replace", "--disable-openapi-validation", "--include-crds")
)  # fmt: skip
_NAMED = re.compile(r"\$(?:\(([A-Za-z_][A-Za-z0-9_]*)\)|\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")


@dataclass(frozen=True, slots=True)
class Launch:
    """One installation of a chart: paths as in the image's root, ``--set`` expressions as they stand."""

    chart: str
    values: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()


def find(text: str, source: str) -> tuple[Launch, ...]:
    """The installations that a Kubefile's commands name; none for a text that is no Kubefile."""
    try:
        recipe = kubefile.parse(text, source=source)
    except RecipeError:
        return ()
    known: dict[str, str] = {}
    found: list[Launch] = []
    for instruction in recipe.instructions:
        if instruction.keyword in ("ENV", "ARG"):
            known |= dict(_assignments(instruction))
        elif instruction.keyword in ("CMD", "CMDS", "LAUNCH"):
            for command in instruction.words if instruction.words is not None else (instruction.text,):
                found += _launches(_filled(command, known))
    return tuple(dict.fromkeys(found))


def _assignments(instruction: Instruction) -> Iterator[tuple[str, str]]:
    for word in _words(instruction.text):
        name, equals, value = word.partition("=")
        if equals:
            yield name, value


def _filled(command: str, known: Mapping[str, str]) -> str:
    """A command with its names' values; one that is set at the site only is nothing as a word, and 1 within one."""

    def value(match: re.Match[str]) -> str:
        beside = command[max(match.start() - 1, 0) : match.start()] + command[match.end() : match.end() + 1]
        alone = not beside.strip()
        return known.get(match[1] or match[2] or match[3], "" if alone else "1")

    return _NAMED.sub(value, command)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []


def _launches(command: str) -> Iterator[Launch]:
    """The installations in one shell line."""
    for part in re.split(r"&&|\|\||[;|\n]", command):
        words = _words(part)
        if "helm" in words[:2] and (rest := words[words.index("helm") + 1 :]) and rest[0] in _COMMANDS:
            yield from _launch(rest[1:])


def _launch(words: list[str]) -> Iterator[Launch]:
    named: list[str] = []
    sets: list[str] = []
    values: list[str] = []
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if not word.startswith("-"):
            named.append(word)
        elif flag not in _BOOLEAN:
            value = value if equals else next(rest, "")
            if flag in _SETS:
                sets.append(value)
            elif flag in _VALUES:
                values.append(os.path.normpath(value))
    chart = named[-1] if named else ""
    if chart:
        yield Launch(os.path.normpath(chart), tuple(values), tuple(sets))
