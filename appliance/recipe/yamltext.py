"""YAML as people write it: plain data out, and for every field the line where it stands. The door to PyYAML.

Scalars are those of YAML 1.2's core schema, so that ``no`` and ``2024-01-01`` stay texts. Duplicate keys, tags, merge
keys and what grows beyond bounds by aliases are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from appliance.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

FieldPath = tuple[str | int, ...]

TEXT_BYTES = 1 << 20
_MAX_NODES = 100_000
_MAX_DEPTH = 50
_MAX_DIGITS = 300
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_CONSTANTS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(_TAG + name for name in ("null", "bool", "int", "float", "timestamp", "value"))


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its data and the line of each field, by path."""

    value: Any
    lines: Mapping[FieldPath, int]
    source: str

    def where(self, path: FieldPath) -> str:
        """``file:line`` of a field, or of the nearest one above it."""
        while path not in self.lines and path:
            path = path[:-1]
        return f"{self.source}:{self.lines.get(path, 1)}"

    def error(self, path: FieldPath, message: str, *, hint: str = "") -> RecipeError:
        """An error at a field: its line, its path, what is wrong with it."""
        return RecipeError(f"{field_name(path)}: {message}" if path else message, hint=hint, where=self.where(path))


def field_name(path: FieldPath) -> str:
    """A path as people write it: ``spec.hosts[0].roles``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def load_documents(text: str, *, source: str) -> tuple[Document, ...]:
    """Read all documents of `text`; `source` names it in errors. Raises `RecipeError` with the line."""
    if len(text) > TEXT_BYTES:
        raise RecipeError(f"this is larger than the {TEXT_BYTES} bytes allowed for it", where=source)
    try:
        nodes = list(yaml.compose_all(text.removeprefix("\ufeff"), Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, source) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise RecipeError(f"this is not YAML: {str(error).splitlines()[0]}", where=source) from error
    documents = (_Reader(source).document(node) for node in nodes)
    return tuple(document for document in documents if document.value is not None)


def dump(value: object) -> str:
    """Plain data as YAML for people: block style, the order kept."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Quotes texts that would read back as something else."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """In double quotes, what is a number to us though not to PyYAML, and what its single quotes would change."""
        odd = not isinstance(_plain(text), str) or not text.isprintable()
        return self.represent_scalar(_TAG + "str", text, style='"' if odd else None)


_Dumper.add_representer(str, _Dumper.represent_text)


def _plain(text: str) -> str | float | bool | None:
    """What an unquoted scalar means."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text) and len(text) <= _MAX_DIGITS:
        return int(text)
    if _BASED.fullmatch(text) and len(text) <= _MAX_DIGITS:
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def _syntax_error(error: yaml.MarkedYAMLError, source: str) -> RecipeError:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "a syntax error"
    return RecipeError(
        f"this is not YAML: {problem}",
        where=f"{source}:{mark.line + 1}" if mark else source,
        hint="look at the indentation, and quote texts with : or # in them",
    )


class _Reader:
    """Turns one document's nodes into data; counts them, so that aliases cannot multiply without bound."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._lines: dict[FieldPath, int] = {}
        self._nodes = 0

    def document(self, node: yaml.Node) -> Document:
        return Document(self._value(node, ()), self._lines, self._source)

    def _value(self, node: yaml.Node, path: FieldPath) -> Any:
        self._nodes += 1
        self._lines.setdefault(path, node.start_mark.line + 1)
        if self._nodes > _MAX_NODES or len(path) > _MAX_DEPTH:
            raise self._error(node, "this grows too large or too deep", "write it without aliases (*name)")
        match node:
            case yaml.ScalarNode():
                return self._scalar(node)
            case yaml.SequenceNode(tag="tag:yaml.org,2002:seq"):
                return [self._value(item, (*path, number)) for number, item in enumerate(node.value)]
            case yaml.MappingNode(tag="tag:yaml.org,2002:map"):
                return self._mapping(node, path)
            case _:
                raise self._tag_error(node)

    def _mapping(self, node: yaml.MappingNode, path: FieldPath) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(key_node, "a field's name must be a text", "quote it, if it holds brackets")
            key = self._text(key_node)
            if key_node.tag == _TAG + "merge":
                raise self._error(key_node, "merge keys (<<) are not read", "write the fields out")
            if key in members:
                raise self._error(key_node, f"{field_name((*path, key))} stands here twice", "keep one of them")
            self._lines[*path, key] = key_node.start_mark.line + 1
            members[key] = self._value(value_node, (*path, key))
        return members

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = self._text(node)
        if node.tag == _TAG + "str" or (node.style is not None and node.tag in _PLAIN_TAGS):
            return text
        if node.tag not in _PLAIN_TAGS:
            raise self._tag_error(node)
        return _plain(text)

    def _text(self, node: yaml.ScalarNode) -> str:
        text: str = node.value
        if "\0" in text:
            raise self._error(node, "this text holds a NUL, and no command or file could have it", "take it out")
        return text

    def _tag_error(self, node: yaml.Node) -> RecipeError:
        return self._error(node, f"the tag {node.tag!r} is not read", "write plain values")

    def _error(self, node: yaml.Node, message: str, hint: str) -> RecipeError:
        return RecipeError(message, where=f"{self._source}:{node.start_mark.line + 1}", hint=hint)
