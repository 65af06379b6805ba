"""Words and substitution as in a Dockerfile: quotes, escapes, ``$X ${X} ${X:-d} ${X:+a} ${X#p} ${X/p/r}``. Pure.

Source: Docker's Dockerfile reference, § Environment replacement. Faults are `ValueError`; the caller knows the line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE_RULE = "a name has letters, digits and _, and begins with no digit"
"""For people whose variable has another name."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?!$-]")
_MODIFIER = re.compile(r"(:?)([-+?])")
_CUT = re.compile(r"##?|%%?|//?")


def is_variable(name: str) -> bool:
    """Whether a shell can have a variable of this `name`."""
    return _VARIABLE.fullmatch(name) is not None


def split_words(text: str, *, escape: str = "\\") -> list[str]:
    """The words of `text` as written, quotes kept; blanks inside quotes and after an escape do not split."""
    words: list[str] = []
    word, quote, at = "", "", 0
    while at < len(text):
        character = text[at]
        if character == escape and quote != "'" and at + 1 < len(text):
            word += text[at : at + 2]
            at += 2
            continue
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character.isspace():
            if word:
                words.append(word)
            word, at = "", at + 1
            continue
        word += character
        at += 1
    return [*words, word] if word else words


def expand(text: str, values: Mapping[str, str], *, escape: str = "\\", quotes: bool = True) -> str:
    """A word with its values in place and its quotes gone; a name without a value is empty.

    Without `quotes`, these and escapes mean nothing, but for one before ``$``: so it is in here-documents.
    """
    return _Expansion(text, values, escape, quotes=quotes).run()


class _Expansion:
    """One pass over a word."""

    def __init__(self, text: str, values: Mapping[str, str], escape: str, *, quotes: bool) -> None:
        self._text = text
        self._quotes = quotes
        self._values = values
        self._escape = escape
        self._at = 0

    def run(self, until: str = "") -> str:
        """Expand up to the character `until` (outside quotes), which is taken, or to the end."""
        out = ""
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == until:
                self._at += 1
                return out
            if character == "'" and self._quotes:
                out += self._single()
            elif character == '"' and self._quotes:
                out += self._double()
            elif character == self._escape and (self._quotes or self._text.startswith("$", self._at + 1)):
                out += self._text[self._at + 1 : self._at + 2]
                self._at += 2
            elif character == "$":
                out += self._variable()
            else:
                out += character
                self._at += 1
        if until:
            raise ValueError("a ${ without its }")
        return out

    def _single(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise ValueError("a ' without its other")
        out, self._at = self._text[self._at + 1 : end], end + 1
        return out

    def _double(self) -> str:
        self._at += 1
        out = ""
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == '"':
                self._at += 1
                return out
            following = self._text[self._at + 1 : self._at + 2]
            if character == self._escape and following in ('"', "$", self._escape):
                out += following
                self._at += 2
            elif character == "$":
                out += self._variable()
            else:
                out += character
                self._at += 1
        raise ValueError('a " without its other')

    def _variable(self) -> str:
        self._at += 1
        braces = self._text.startswith("{", self._at)
        self._at += braces
        match = _NAME.match(self._text, self._at)
        if match is None:
            if braces:
                raise ValueError("a ${ without a name")
            return "$"
        self._at = match.end()
        return self._braced(match[0]) if braces else self._values.get(match[0], "")

    def _braced(self, name: str) -> str:
        value = self._values.get(name)
        if self._text.startswith("}", self._at):
            self._at += 1
            return value or ""
        if cut := _CUT.match(self._text, self._at):
            self._at = cut.end()
            return self._cut(cut[0], value or "")
        match = _MODIFIER.match(self._text, self._at)
        if match is None:
            raise ValueError(f"${{{name}…}} has a modifier that is not one of :- :+ :? # % /")
        self._at = match.end()
        word = self.run(until="}")
        there = bool(value) if match[1] else value is not None
        if match[2] == "+":
            return word if there else ""
        if match[2] == "?" and not there:
            raise ValueError(f"{name} has no value: {word or 'it must be given'}")
        return value or "" if there else word

    def _cut(self, how: str, value: str) -> str:
        """``${X#p}`` and the like: without what the pattern matches in front or behind, or with that replaced."""
        if how.startswith("/"):
            pattern, new = _glob(self._raw("/"), greedy=True), self.run(until="}")
            return re.sub(pattern, lambda _: new, value, count=len(how) == 1)
        pattern = _glob(self._raw("}"), greedy=len(how) == 2)  # noqa: PLR2004  (## and %% take the longest)
        if how.startswith("#"):
            match = re.match(pattern, value)
            return value[match.end() :] if match else value
        starts = range(len(value) + 1) if len(how) == 2 else range(len(value), -1, -1)  # noqa: PLR2004
        start = next((at for at in starts if re.fullmatch(pattern, value[at:])), len(value))
        return value[:start]

    def _raw(self, until: str) -> str:
        """The pattern up to `until`, values in place; an escape before a mark of patterns stays with it."""
        out = ""
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == until:
                self._at += 1
                return out
            if character == self._escape:
                out += "\\" + self._text[self._at + 1 : self._at + 2]
                self._at += 2
            elif character == "$":
                out += self._variable()
            else:
                out += character
                self._at += 1
        raise ValueError("a ${ without its }")


def _glob(pattern: str, *, greedy: bool) -> re.Pattern[str]:
    """A pattern of shells with ``*``, ``?`` and escapes."""
    out, at = "", 0
    while at < len(pattern):
        if pattern[at] == "*":
            out += ".*" if greedy else ".*?"
        elif pattern[at] == "?":
            out += "."
        else:
            at += pattern[at] == "\\" and at + 1 < len(pattern)
            out += re.escape(pattern[at])
        at += 1
    return re.compile(out, re.DOTALL)
