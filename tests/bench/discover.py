"""Which container images published manifests and charts need: what is found of them, and what is wrongly found.

The corpora and what is true of them stand in ``discover.json``: ``in_pods`` by another way than ours (each chart
rendered by the Helm SDK, then the containers of pod specs), ``elsewhere`` (operators' variables, flags, own kinds,
texts) by hand: each text of a corpus that a plain pattern takes for a reference, and each that we find, was looked at.
Placeholders, comments, what a build makes, and what charts do not use by default are no images. The corpora themselves
are fetched by git, or lie as folders of their names in $APPLIANCE_BENCH_CORPORA.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.image.reference import Reference
from bench.result import Result, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.material import Material

TRUTH = Path(__file__).with_suffix(".json")
_LINE = re.compile(r"""^\s*(?:-\s+)?["']?[\w.-]*image["']?\s*[:=]\s*["']?(?P<value>[^\s"',}]+)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Corpus:
    """A repository at a commit, those of its folders that count, and the images that they need."""

    name: str
    repository: str
    commit: str
    folders: tuple[str, ...]
    images: frozenset[Reference]


@dataclass(frozen=True, slots=True)
class Score:
    """How many images were found that are needed, that are not needed, and that are needed and were not found."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(self.right + other.right, self.wrong + other.wrong, self.missed + other.missed)

    @property
    def recall(self) -> float:
        """The share of what is needed that was found."""
        return self.right / ((self.right + self.missed) or 1)

    @property
    def precision(self) -> float:
        """The share of what was found that is needed."""
        return self.right / ((self.right + self.wrong) or 1)


def measure(material: Material) -> Result:
    """`appliance find-images` beside a scan of lines whose key ends in ``image``."""
    ours, lines, seen, notes = Score(), Score(), 0, []
    for corpus in corpora():
        folder = _brought(corpus, material)
        if folder is None:
            notes.append(f"{corpus.name}: not here")
            continue
        found = _ours(folder, material)
        mine, plain = score(found, corpus.images), score(_lines(folder), corpus.images)
        ours, lines, seen = ours + mine, lines + plain, seen + 1
        notes.append(f"{corpus.name} {corpus.commit[:9]}: {_said(mine)}; lines: {_said(plain)}")
        notes += [f"  missed {reference}" for reference in sorted(map(str, corpus.images - found))]
        notes += [f"  wrong {reference}" for reference in sorted(map(str, found - corpus.images))]
    if not ours.right:
        nothing = (Target("recall ≥ 0.99", "no corpus here", None), Target("precision ≥ 0.97", "no corpus here", None))
        return Result("discover", "no corpus", (), nothing, (*notes, "set APPLIANCE_BENCH_CORPORA to their folder"))
    return Result(
        "discover",
        f"{ours.right + ours.missed} images of {seen} repositories of manifests and charts",
        (),
        (_share("recall ≥ 0.99", ours.recall, 0.99), _share("precision ≥ 0.97", ours.precision, 0.97)),
        (f"a scan of lines: {_said(lines)}", *notes),
    )


def corpora() -> tuple[Corpus, ...]:
    """The corpora with their truth."""
    return tuple(
        Corpus(
            one["name"],
            one["repository"],
            one["commit"],
            tuple(one["folders"]),
            frozenset(Reference.parse(text) for text in (*one["in_pods"], *one["elsewhere"])),
        )
        for one in json.loads(TRUTH.read_text(encoding="utf-8"))
    )


def score(found: frozenset[Reference], needed: frozenset[Reference]) -> Score:
    """What was found beside what is needed."""
    return Score(len(found & needed), len(found - needed), len(needed - found))


def _share(what: str, value: float, least: float) -> Target:
    return Target(what, f"{value:.3f}", value >= least)


def _said(one: Score) -> str:
    return f"recall {one.recall:.3f}, precision {one.precision:.3f} of {one.right + one.missed}"


def _brought(corpus: Corpus, material: Material) -> Path | None:
    """The corpus' folder: where it was put, or fetched with its commit alone; None where there is no way to it."""
    if given := os.environ.get("APPLIANCE_BENCH_CORPORA"):
        folder = Path(given) / corpus.name
        return folder if folder.is_dir() else None
    folder = material.folder / "corpora" / corpus.name
    folder.mkdir(parents=True)
    for words in (
        ("init", "--quiet"),
        ("sparse-checkout", "set", "--no-cone", *(f"/{name}" for name in corpus.folders)),
        ("fetch", "--quiet", "--depth=1", "--filter=blob:none", corpus.repository, corpus.commit),
        ("checkout", "--quiet", "FETCH_HEAD"),
    ):
        if subprocess.run(("git", "-C", folder, *words), capture_output=True, check=False).returncode:
            return None
    return folder


def _ours(folder: Path, material: Material) -> frozenset[Reference]:
    argv = (material.appliance, "find-images", "-o", "json", str(folder))
    said = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    carried = [image["reference"] for image in said["images"] if image["confidence"] != "guess"]
    return frozenset(Reference.parse(reference) for reference in carried)


def _lines(folder: Path) -> frozenset[Reference]:
    """What a line scan finds, which sees no charts' defaults but reads their values and templates like all else."""
    return frozenset(reference for path in sorted(folder.rglob("*")) for reference in _of_file(path))


def _of_file(path: Path) -> Iterator[Reference]:
    if path.suffix not in (".yaml", ".yml", ".json", ".tpl") or not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if match := _LINE.match(line):
            try:
                yield Reference.parse(match["value"])
            except RecipeError:
                continue
