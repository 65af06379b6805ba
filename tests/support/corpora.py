"""What public Kubefiles say, beside a table of it: ``python -m support.corpora FOLDER [--write]``.

FOLDER holds checkouts under the names that the table begins its paths with: ``sealerio-applications``,
``sealerio-basefs``, ``sealer-v0.5.2`` and ``sealer-main`` (sealer's ``applications``, ``build`` and ``test`` there),
``cluster-image`` (of labring-actions). The table was made by counting lines, not by the parser that it checks.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

from appliance.errors import RecipeError
from appliance.recipe import kubefile

TABLE = Path(__file__).parents[1] / "data/kubefiles/corpora.tsv"
_NAME = re.compile("kubefile", re.IGNORECASE)
_LINE = re.compile(r"\s*([A-Za-z]+)\s+(.*)")


def facts(path: Path, name: str) -> str:
    """A file as the parser reads it: its base, and how often it has which instruction; or why it is refused."""
    try:
        recipe = kubefile.parse(path.read_bytes().decode(), source=name)
    except RecipeError as error:
        return f"{name}\trefused\t{error.message}"
    return _row(name, recipe.stages[-1].base.text, Counter(i.keyword for i in recipe.instructions))


def counted(path: Path, name: str) -> str:
    """The same by counting lines that begin with a word, comments and continuations taken out."""
    text = path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    text = re.sub(r"\\[ \t]*\n", "", re.sub(r"(?m)^\s*#.*$", "", text))
    lines = [match for line in text.split("\n") if (match := _LINE.match(line))]
    base = [match[2].strip() for match in lines if match[1].upper() == "FROM"]
    return _row(name, base[-1] if base else "", Counter(match[1].upper() for match in lines))


def _row(name: str, base: str, counts: Counter[str]) -> str:
    return f"{name}\t{base}\t{' '.join(f'{word}={count}' for word, count in sorted(counts.items()))}"


def main(folder: Path, *, write: bool) -> int:
    """Compare, or write the table; the number of files that differ."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and _NAME.search(path.name))
    names = [path.relative_to(folder).as_posix() for path in files]
    if write:
        TABLE.write_text("".join(f"{counted(path, name)}\n" for path, name in zip(files, names, strict=True)))
    known = TABLE.read_text().splitlines()
    found = [facts(path, name) for path, name in zip(files, names, strict=True)]
    differing = sorted(set(found) ^ set(known))
    sys.stdout.write("".join(f"{row}\n" for row in differing) + f"{len(found)} files, {len(differing)} rows differ\n")
    return len(differing)


if __name__ == "__main__":
    sys.exit(1 if main(Path(sys.argv[1]), write="--write" in sys.argv) else 0)
