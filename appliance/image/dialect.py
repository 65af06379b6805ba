"""Whether a Kubefile was written for sealer before 0.9, whose COPY puts a folder under its own name.

Nothing in the text says so but its commands: they name ``etc/operator.yaml``, which ``COPY etc .`` gives in that
dialect, and in Docker's does not. Source: sealer v0.5.2 ``build/buildkit/buildinstruction/copy.go``, v0.8.6
``utils/collector``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.image import copying
from appliance.image.ignore import has_glob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.image.context import Context
    from appliance.recipe.instructions import Instruction
    from appliance.recipe.kubefile import Kubefile

_OLD = frozenset({"FROM", "ARG", "COPY", "RUN", "CMD"})
_WORDS = re.compile(r"[^\s;&|'\"=,()<>\[\]]+")


@dataclass(frozen=True, slots=True)
class _Copy:
    """One source of the context and where it goes: as a folder or file called `name`."""

    source: str
    name: str
    target: copying.Target

    def gives(self, path: str, context: Context, *, whole: bool) -> bool:
        """Whether the image has `path` from it, in the old reading (`whole`) or in Docker's."""
        is_folder = (context.root / self.source).is_dir()
        if whole and self.name:
            at = self.target.whole(self.name)
        else:
            at = self.target.path if is_folder else self.target.at(self.name)
        if path == at:
            return not is_folder
        inside = path.removeprefix(f"{at}/") if at else path
        return is_folder and (inside != path or not at) and context.holds(f"{self.source}/{inside}")


def puts_folders_whole(kubefile: Kubefile, context: Context) -> bool:
    """Whether a command names a path that only the old reading of COPY gives."""
    recipe = kubefile.instructions
    if any(i.keyword not in _OLD or i.flags or i.heredocs for i in recipe) or len(kubefile.stages) > 1:
        return False
    copies = [copy for i in recipe if i.keyword == "COPY" for copy in _copies(i, kubefile.escape)]
    return any(
        any(copy.gives(path, context, whole=True) for copy in copies)
        and not any(copy.gives(path, context, whole=False) for copy in copies)
        for path in _paths(recipe)
    )


def _copies(instruction: Instruction, escape: str) -> Iterator[_Copy]:
    *sources, into = instruction.raw_words(escape=escape)
    if len(sources) == 1 and not has_glob(sources[0]) and "$" not in sources[0] + into:
        source = copying.image_path("", sources[0])
        yield _Copy(source or ".", source.rpartition("/")[2], copying.target("", into, {}))


def _paths(recipe: tuple[Instruction, ...]) -> Iterator[str]:
    """The words of commands that may be paths in the image."""
    for instruction in recipe:
        if instruction.keyword in ("RUN", "CMD"):
            for word in _WORDS.findall(instruction.text):
                yield copying.image_path("", word) if not word.startswith("-") else ""
