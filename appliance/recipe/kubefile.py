"""The Kubefile: text goes in, stages of instructions with line numbers come out. Pure.

What an instruction may say stands in `instructions`; here is what they mean together (Docker's Dockerfile reference,
§ FROM; sealer's rules for LAUNCH, CMDS and CMD).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.recipe import instructions as reading
from appliance.recipe.lexing import lex

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from appliance.recipe.instructions import Instruction

_LAST = ("LAUNCH", "CMDS")
_DECLARE = ("APP", "CNI", "CSI")


@dataclass(frozen=True, slots=True)
class Stage:
    """What one FROM begins: its number from 0, its name in lower case or empty, the instructions behind it."""

    number: int
    name: str
    base: Instruction
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class NamedImage:
    """A container image that an IMAGE names, as written, and the ``file:line`` where it does."""

    reference: str
    where: str


@dataclass(frozen=True, slots=True)
class Kubefile:
    """A Kubefile as read; `escape` is its escape character, `warnings` are for people."""

    instructions: tuple[Instruction, ...]
    source: str
    escape: str = "\\"
    warnings: tuple[str, ...] = field(default=())

    @property
    def before(self) -> tuple[Instruction, ...]:
        """The ARGs before the first FROM."""
        return self.instructions[: next(n for n, i in enumerate(self.instructions) if i.keyword == "FROM")]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages in order; the last one is the image."""
        starts = [number for number, i in enumerate(self.instructions) if i.keyword == "FROM"]
        ends = [*starts[1:], len(self.instructions)]
        return tuple(
            Stage(
                number,
                _stage_name(self.instructions[start]),
                self.instructions[start],
                self.instructions[start + 1 : end],
            )
            for number, (start, end) in enumerate(zip(starts, ends, strict=True))
        )

    @property
    def images(self) -> tuple[NamedImage, ...]:
        """What the IMAGEs of the last stage name, in order; values are not in place yet."""
        return tuple(
            NamedImage(word, instruction.where)
            for instruction in self.stages[-1].instructions
            if instruction.keyword == "IMAGE"
            for word in instruction.raw_words(escape=self.escape)
        )


def parse(text: str, *, source: str) -> Kubefile:
    """Read a Kubefile; `source` names it in errors. `RecipeError` with file:line, the line, what was expected."""
    lexed = lex(text, source=source)
    instructions = tuple(reading.read(line, source=source) for line in lexed.lines)
    _check_start(instructions, source)
    recipe = Kubefile(instructions, source, lexed.escape, tuple(w for i in instructions for w in reading.warnings(i)))
    for stage in recipe.stages:
        _check_end(stage.instructions)
        check_apps(stage, () if stage.base.text.split()[0] == "scratch" else None)
    return recipe


def _stage_name(instruction: Instruction) -> str:
    words = instruction.text.split()
    return words[2].lower() if len(words) > 1 else ""


def _check_start(instructions: Sequence[Instruction], source: str) -> None:
    first = next((i for i in instructions if i.keyword != "ARG"), None)
    if first is None:
        raise RecipeError("the Kubefile has no FROM", where=source, hint="start with FROM scratch, or an image")
    if first.keyword != "FROM":
        raise first.error(f"{first.keyword} stands before FROM", hint="start with FROM scratch, or an image")


def _check_end(instructions: Sequence[Instruction]) -> None:
    """LAUNCH or CMDS, only one of them, once and last; CMD and LAUNCH exclude each other."""
    final = [i for i in instructions if i.keyword in (*_LAST, "CMD")]
    last = [i for i in final if i.keyword in _LAST]
    for instruction in last[1:]:
        if instruction.keyword == last[0].keyword:
            raise instruction.error(f"{instruction.keyword} stands here a second time", hint="keep one")
        raise instruction.error("LAUNCH and CMDS exclude each other", hint="keep one of them")
    if any(i.keyword == "LAUNCH" for i in final) and any(i.keyword == "CMD" for i in final):
        raise final[-1].error("CMD and LAUNCH exclude each other", hint="keep one of them")
    if last and last[0] is not instructions[-1]:
        raise last[0].error(f"{last[0].keyword} is not the last instruction", hint="move it to the end")


def check_apps(stage: Stage, inherited: Iterable[str] | None) -> None:
    """`RecipeError` for an app that is declared twice, and for a name that is no app of `stage` or `inherited`.

    With None it is not known yet what is inherited.
    """
    known, declared = set(inherited or ()), set[str]()
    for instruction in stage.instructions:
        if instruction.keyword in _DECLARE:
            name = instruction.text.split()[0]
            if name in declared:
                raise instruction.error(f"the app {name} is here already", hint="give each app its own name")
            declared.add(name)
        if inherited is None:
            continue
        for name in _apps_named(instruction):
            if name not in known | declared and "$" not in name:
                raise unknown_app(instruction, name, known | declared)


def unknown_app(instruction: Instruction, name: str, known: Iterable[str]) -> RecipeError:
    """An error for a name that is not an app's."""
    there = ", ".join(sorted(known))
    return instruction.error(f"there is no app {name}", hint=f"there are: {there}" if there else "declare it with APP")


def _apps_named(instruction: Instruction) -> Sequence[str]:
    """The apps that an instruction must find."""
    match instruction.keyword:
        case "APPCMDS" | "APPENV":
            return instruction.text.split()[:1]
        case "LAUNCH":
            return instruction.words if instruction.words is not None else instruction.text.split()
        case _:
            return ()
