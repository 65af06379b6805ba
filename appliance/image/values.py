"""What ``$NAME`` means while a Kubefile is built: ARG, ENV and the names that are always known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from appliance.recipe.kubefile import assignments
from appliance.recipe.shellwords import expand, split_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.image.oci import Platform
    from appliance.recipe.kubefile import Instruction


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class Values:
    """Grows with each ARG and ENV. ENV wins over ARG, both over the platform's names."""

    def __init__(self, platform: Platform, given: Mapping[str, str], *, escape: str) -> None:
        self.env: dict[str, str] = {}
        self.escape = escape
        self._given = given
        self._arguments: dict[str, str] = {}
        self._before_from: dict[str, str] = {}
        self._known = {
            "ARCH": platform.architecture,
            "TARGETARCH": platform.architecture,
            "TARGETOS": platform.os,
            "TARGETPLATFORM": str(platform),
        }

    @property
    def all(self) -> dict[str, str]:
        """Every name that has a value now."""
        return {**self._known, **self._arguments, **self.env}

    def expand(self, instruction: Instruction, text: str) -> str:
        """A word with its values in place; `RecipeError` at the instruction for one that cannot be read."""
        try:
            return expand(text, self.all, escape=self.escape)
        except ValueError as error:
            raise instruction.error(str(error), hint="close quotes and braces") from error

    def words(self, instruction: Instruction) -> Sequence[str]:
        """The words of an instruction, expanded."""
        return [self.expand(instruction, word) for word in raw_words(instruction, escape=self.escape)]

    def assigned(self, instruction: Instruction) -> dict[str, str]:
        """What an ENV or LABEL says."""
        pairs = assignments(instruction, escape=self.escape)
        return {self.expand(instruction, name): self.expand(instruction, value) for name, value in pairs}

    def set(self, instruction: Instruction) -> None:
        """Carry out an ENV."""
        found = self.assigned(instruction)
        for name in found:
            _check_name(instruction, name)
        self.env |= found

    def declare(self, instruction: Instruction) -> None:
        """Carry out an ARG: what was given, else its default, else what it was before FROM."""
        for word in split_words(instruction.text, escape=self.escape):
            name, equals, default = word.partition("=")
            _check_name(instruction, name)
            if name in self._given:
                self._arguments[name] = self._given[name]
            elif equals:
                self._arguments[name] = self.expand(instruction, default)
            elif name in self._before_from:
                self._arguments[name] = self._before_from[name]

    def begin_stage(self) -> None:
        """Carry out a FROM: an ARG before it counts after it only where it is declared again."""
        self._before_from, self._arguments = self._arguments, {}


def _check_name(instruction: Instruction, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise instruction.error(f"{name!r} cannot be a name", hint="expected letters, digits and _")


def raw_words(instruction: Instruction, *, escape: str) -> Sequence[str]:
    """The words of an instruction as written, in either form."""
    return instruction.words if instruction.words is not None else split_words(instruction.text, escape=escape)
