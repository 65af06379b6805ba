"""Which stages of a Kubefile an image needs, what each begins with, and for which platform it is built. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.image.oci import Platform
from appliance.image.reference import Reference
from appliance.image.values import Values
from appliance.recipe.mounts import parse_mounts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from appliance.recipe.instructions import Instruction
    from appliance.recipe.kubefile import Kubefile, Stage

SCRATCH = "scratch"


@dataclass(frozen=True, slots=True)
class Planned:
    """A stage, its platform, and what it begins with: an image, the number of another stage, or nothing."""

    stage: Stage
    platform: Platform
    base: Reference | int | None
    before: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Needed:
    """An image that a build takes from the store, the instruction that names it, and the platform it is taken for."""

    instruction: Instruction
    reference: Reference
    platform: Platform


def plan(kubefile: Kubefile, arguments: Mapping[str, str], platform: Platform) -> tuple[Planned, ...]:
    """The stages that the last one needs, in order; `RecipeError` at the FROM that cannot be read."""
    before = Values(platform, arguments, escape=kubefile.escape)
    for instruction in kubefile.before:
        before.declare(instruction)
    planned = [_planned(stage, before, platform, kubefile.stages) for stage in kubefile.stages]
    last = planned[-1]
    if last.platform != platform:
        wanted = last.stage.base.flag("platform")
        raise last.stage.base.error(f"this FROM is for {wanted}, the build for {platform}", hint="leave --platform out")
    needed = _needed(planned, kubefile)
    return tuple(one for one in planned if one.stage.number in needed)


def images(planned: Sequence[Planned], kubefile: Kubefile) -> Iterator[Needed]:
    """The images that the stages take from the store: bases, and those that COPY --from and mounts name."""
    for one in planned:
        if isinstance(one.base, Reference):
            yield Needed(one.stage.base, one.base, one.platform)
        for instruction in one.stage.instructions:
            for name in _sources(instruction):
                source = find(kubefile, one.stage, instruction, name)
                if isinstance(source, Reference):
                    yield Needed(instruction, source, one.platform)


def find(kubefile: Kubefile, stage: Stage, instruction: Instruction, name: str) -> int | Reference:
    """What ``--from=NAME`` in `stage` means: an earlier stage by name or number, else an image."""
    earlier = kubefile.stages[: stage.number]
    if name.isdecimal():
        if int(name) >= len(earlier):
            raise instruction.error(f"there is no stage {name} before this one", hint="stages count from 0")
        return int(name)
    named = next((s.number for s in reversed(earlier) if s.name == name.lower()), None)
    if named is not None:
        return named
    if name.lower() == stage.name:
        raise instruction.error(f"{name} is this very stage", hint="name an earlier stage, or an image")
    return reference(instruction, name)


def reference(instruction: Instruction, name: str) -> Reference:
    """An image that an instruction names."""
    try:
        return Reference.parse(name)
    except RecipeError as error:
        raise instruction.error(error.message, hint=error.hint) from error


def _planned(stage: Stage, before: Values, platform: Platform, stages: Sequence[Stage]) -> Planned:
    name = before.words(stage.base)[0]
    wanted = before.expand(stage.base, stage.base.flag("platform"))
    try:
        built_for = Platform.parse(wanted) if wanted else platform
    except RecipeError as error:
        raise stage.base.error(error.message, hint=error.hint) from error
    earlier = next((s.number for s in reversed(stages[: stage.number]) if s.name and s.name == name.lower()), None)
    base = earlier if earlier is not None else None if name == SCRATCH else reference(stage.base, name)
    return Planned(stage, built_for, base, before.arguments)


def _needed(planned: Sequence[Planned], kubefile: Kubefile) -> set[int]:
    """The numbers of the stages that the last one depends on, and its own."""
    found: set[int] = set()
    pending = [len(planned) - 1]
    while pending:
        number = pending.pop()
        if number in found:
            continue
        found.add(number)
        one = planned[number]
        if isinstance(one.base, int):
            pending.append(one.base)
        for instruction in one.stage.instructions:
            sources = (find(kubefile, one.stage, instruction, name) for name in _sources(instruction))
            pending += [source for source in sources if isinstance(source, int)]
    return found


def _sources(instruction: Instruction) -> Iterator[str]:
    """What an instruction takes files from, besides the context."""
    if instruction.keyword == "COPY" and (name := instruction.flag("from")):
        yield name
    if instruction.keyword == "RUN":
        yield from (mount.source for mount in parse_mounts(instruction) if mount.source)
