"""Text → logical lines, as a Dockerfile is lexed: directives, comments, continuation, here-documents. Pure.

Source: Docker's Dockerfile reference, § Format, § Parser directives, § Here-Documents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.recipe.shellwords import split_words

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT_BYTES = 1 << 20
_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES = frozenset({"escape", "syntax", "check"})
_HEREDOC = re.compile(r"[0-9]*<<(-?)(['\"]?)([A-Za-z_][A-Za-z0-9_.-]*)\2")
_WITH_HEREDOC = frozenset({"RUN", "COPY", "ADD"})


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A here-document: its text, and whether values are substituted in it (its word was not quoted)."""

    name: str
    text: str
    expand: bool


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """An instruction's text without continuation, the number of its first line, its here-documents."""

    number: int
    text: str
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True)
class Lexed:
    """A text as lexed; `escape` is its escape character."""

    lines: tuple[LogicalLine, ...]
    escape: str


def lex(text: str, *, source: str) -> Lexed:
    """The logical lines of a Kubefile; `source` names it in errors, which are `RecipeError`."""
    if len(text) > TEXT_BYTES:
        raise RecipeError(f"a Kubefile has at most {TEXT_BYTES} bytes", where=source, hint="name the Kubefile with -f")
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise RecipeError("this holds a NUL, so it is no text", where=f"{source}:{line}", hint="save it as UTF-8")
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    escape = _escape(lines, source)
    return Lexed(tuple(_logical_lines(lines, escape, source)), escape)


def heredoc_name(word: str) -> str:
    """The name of the here-document that a word of an instruction stands for; empty for any other word."""
    match = _HEREDOC.fullmatch(word)
    return match[3] if match else ""


def _escape(lines: list[str], source: str) -> str:
    """The directives at the top: ``escape`` counts, ``syntax`` and ``check`` are known and passed over."""
    escape, seen = "\\", set()
    for number, line in enumerate(lines, 1):
        match = _DIRECTIVE.fullmatch(line.strip())
        if match is None or (name := match[1].lower()) not in _DIRECTIVES:
            break
        if name in seen:
            raise RecipeError(f"the directive {name} stands here twice", where=f"{source}:{number}", hint="keep one")
        seen.add(name)
        if name == "escape":
            if match[2] not in ("\\", "`"):
                raise RecipeError(
                    f"{match[2]!r} cannot be the escape character", where=f"{source}:{number}", hint="expected \\ or `"
                )
            escape = match[2]
    return escape


def _logical_lines(lines: list[str], escape: str, source: str) -> Iterator[LogicalLine]:
    continued = re.compile(rf"(?<!{re.escape(escape)}){re.escape(escape)}[ \t]*$")
    at = 0
    while at < len(lines):
        if _is_passed_over(lines[at]):
            at += 1
            continue
        first, text, more = at + 1, "", True
        while more and at < len(lines):
            line = lines[at]
            at += 1
            if text and _is_passed_over(line):
                continue
            more = continued.search(line) is not None
            text += continued.sub("", line) if more else line
        if not text.strip():
            continue
        heredocs: list[Heredoc] = []
        if text.split(maxsplit=1)[0].upper() in _WITH_HEREDOC:
            for strip, quote, name in _heredoc_marks(text, escape):
                body, at = _heredoc_body(lines, at, name, strip=strip, where=f"{source}:{first}")
                heredocs.append(Heredoc(name, body, expand=not quote))
        yield LogicalLine(first, text.strip(), tuple(heredocs))


def _is_passed_over(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _heredoc_marks(text: str, escape: str) -> Iterator[tuple[bool, str, str]]:
    for word in split_words(text, escape=escape):
        match = _HEREDOC.fullmatch(word)
        if match:
            yield bool(match[1]), match[2], match[3]


def _heredoc_body(lines: list[str], at: int, name: str, *, strip: bool, where: str) -> tuple[str, int]:
    body: list[str] = []
    for number in range(at, len(lines)):
        line = lines[number].lstrip("\t") if strip else lines[number]
        if line == name:
            return "".join(f"{text}\n" for text in body), number + 1
        body.append(line)
    raise RecipeError(f"the here-document {name} has no end", where=where, hint=f"end it with {name} on its own line")
