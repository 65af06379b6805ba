"""What ``$NAME`` means while a Kubefile is built: ARG, ENV and the names that are always known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from appliance.image.emulation import host_platform
from appliance.recipe.instructions import assignments
from appliance.recipe.shellwords import expand, split_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from appliance.image.oci import Platform
    from appliance.recipe.instructions import Instruction


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_OF_PLATFORM = re.compile(r"\$(?:\{(ARCH|TARGET(?:ARCH|OS|PLATFORM))\}|(ARCH|TARGET(?:ARCH|OS|PLATFORM))\b)")


class Values:
    """The values of one stage; grows with each ARG and ENV. ENV wins over ARG, both over the platform's names.

    `before` are the values of the ARGs before the first FROM: one counts here only where it is declared again.
    """

    def __init__(
        self, platform: Platform, given: Mapping[str, str], *, escape: str, before: Mapping[str, str] | None = None
    ) -> None:
        self.env: dict[str, str] = {}
        self.arguments: dict[str, str] = {}
        self.escape = escape
        self._given = given
        self._before = before or {}
        host = host_platform()
        self._known = {
            "ARCH": platform.architecture,
            "TARGETARCH": platform.architecture,
            "TARGETOS": platform.os,
            "TARGETPLATFORM": str(platform),
            "TARGETVARIANT": "",
            "BUILDARCH": host.architecture,
            "BUILDOS": host.os,
            "BUILDPLATFORM": str(host),
            "BUILDVARIANT": "",
        }

    @property
    def all(self) -> dict[str, str]:
        """Every name that has a value now."""
        return {**self._known, **self.arguments, **self.env}

    def expand(self, instruction: Instruction, text: str) -> str:
        """A word with its values in place; `RecipeError` at the instruction for one that cannot be read."""
        try:
            return expand(text, self.all, escape=self.escape)
        except ValueError as error:
            raise instruction.error(str(error), hint="close quotes and braces") from error

    def fill(self, instruction: Instruction, text: str) -> str:
        """A here-document with its values in place, its quotes as they stand."""
        try:
            return expand(text, self.all, escape=self.escape, quotes=False)
        except ValueError as error:
            raise instruction.error(str(error), hint="close braces, or quote the here-document's word") from error

    def words(self, instruction: Instruction) -> Sequence[str]:
        """The words of an instruction, expanded."""
        return [self.expand(instruction, word) for word in instruction.raw_words(escape=self.escape)]

    def pairs(self, instruction: Instruction, written: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Names and values as written, expanded."""
        return {self.expand(instruction, name): self.expand(instruction, value) for name, value in written}

    def assigned(self, instruction: Instruction) -> dict[str, str]:
        """What an ENV or LABEL says."""
        return self.pairs(instruction, assignments(instruction, escape=self.escape))

    def for_site(self, command: str) -> str:
        """A command that runs at the site: what is known there only stays as written, the platform's names do not."""
        return _OF_PLATFORM.sub(lambda match: self._known[match[1] or match[2]], command)

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
                self.arguments[name] = self._given[name]
            elif equals:
                self.arguments[name] = self.expand(instruction, default)
            elif name in self._before:
                self.arguments[name] = self._before[name]


def _check_name(instruction: Instruction, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise instruction.error(f"{name!r} cannot be a name", hint="expected letters, digits and _")
