"""YAML and JSON as people and tools write it, read leniently: every value with its line. A door to PyYAML.

Unlike recipes, manifests are others' work: merge keys, duplicate keys and unknown tags are passed over here, and a
document that is no YAML does not hide the ones beside it.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MOST_NODES = 200_000
_MOST_DEPTH = 100
_MERGE = "tag:yaml.org,2002:merge"
_NULL = "tag:yaml.org,2002:null"
_BREAK = re.compile(r"^---(?=\s|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, a number, … as written; null is the empty text. The text of a `block` begins on the line after `line`."""

    text: str
    line: int
    block: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """Items in order."""

    items: tuple[Value, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """Values by key; the last of those with one key counts."""

    fields: dict[str, Value]
    line: int
    key_lines: dict[str, int] = field(default_factory=dict)

    def text(self, key: str) -> str:
        """A scalar's text, empty where there is none."""
        value = self.fields.get(key)
        return value.text if isinstance(value, Scalar) else ""

    def mapping(self, key: str) -> Mapping:
        """A mapping, empty where there is none."""
        value = self.fields.get(key)
        return value if isinstance(value, Mapping) else Mapping({}, self.line)


Value: TypeAlias = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Broken:
    """A document that is no YAML: its text, its first line, what is wrong."""

    text: str
    line: int
    problem: str


def load(text: str, *, first_line: int = 1) -> Iterator[Value | Broken]:
    """The documents of a text, in order; empty ones are left out."""
    starts = [0, *(match.start() for match in _BREAK.finditer(text)), len(text)]
    for start, end in itertools.pairwise(starts):
        part = text[start:end]
        if not part.strip():
            continue
        line = first_line + text.count("\n", 0, start)
        try:
            reader = _Reader(line)
            for node in yaml.compose_all(part, Loader=_LOADER):
                if node is not None:
                    yield reader.value(node, 0)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            yield Broken(part, line, str(error).splitlines()[0] if str(error) else type(error).__name__)


class _Reader:
    """Turns one document's nodes into values; bounded, so that aliases cannot multiply without end."""

    def __init__(self, first_line: int) -> None:
        self._first = first_line
        self._count = 0

    def value(self, node: yaml.Node, depth: int) -> Value:
        self._count += 1
        if self._count > _MOST_NODES or depth > _MOST_DEPTH:
            raise ValueError("this grows too large or too deep")
        line = node.start_mark.line + self._first
        match node:
            case yaml.ScalarNode():
                text = "" if node.tag == _NULL else str(node.value)
                return Scalar(text, line, block=node.style == "|")
            case yaml.SequenceNode():
                return Sequence(tuple(self.value(item, depth + 1) for item in node.value), line)
            case yaml.MappingNode():
                return self._mapping(node, line, depth)
            case _:
                raise ValueError(f"a {type(node).__name__}")

    def _mapping(self, node: yaml.MappingNode, line: int, depth: int) -> Mapping:
        own: dict[str, Value] = {}
        merged: dict[str, Value] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                found = self.value(value, depth + 1)
                for part in found.items if isinstance(found, Sequence) else (found,):
                    merged |= part.fields if isinstance(part, Mapping) else {}
            elif isinstance(key, yaml.ScalarNode):
                own[key.value] = self.value(value, depth + 1)
                lines[key.value] = key.start_mark.line + self._first
        return Mapping(merged | own, line, lines)
