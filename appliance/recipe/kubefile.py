"""The Kubefile: text goes in, instructions with line numbers come out. Pure.

Lexed as a Dockerfile (Docker's Dockerfile reference): directives, continuation, here-documents, JSON and shell form.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.recipe.shellwords import split_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEXT_BYTES = 1 << 20
_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_HEREDOC = re.compile(r"[0-9]*<<(-?)(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\2")
_FLAG = re.compile(r"--([a-z-]+)(?:=(.*))?", re.DOTALL)
_WITH_HEREDOC = frozenset({"RUN", "COPY", "ADD"})
_WITH_FLAGS: Mapping[str, frozenset[str]] = {
    "FROM": frozenset({"platform"}),
    "COPY": frozenset({"from", "chmod", "chown", "link"}),
    "ADD": frozenset({"checksum", "chmod", "chown", "link"}),
    "RUN": frozenset({"mount", "network", "security"}),
    "HEALTHCHECK": frozenset({"interval", "timeout", "start-period", "start-interval", "retries"}),
}
_EXPECTED: Mapping[str, str] = {
    "FROM": "FROM [--platform=…] IMAGE|scratch [AS NAME]",
    "COPY": "COPY [--from=…] [--chmod=…] SOURCE… DESTINATION",
    "ADD": "ADD [--checksum=sha256:…] [--chmod=…] SOURCE… DESTINATION",
    "RUN": "RUN [--network=none|default] COMMAND",
    "CMD": "CMD COMMAND",
    "ARG": "ARG NAME[=DEFAULT]…",
    "ENV": "ENV NAME=VALUE…",
    "LABEL": "LABEL NAME=VALUE…",
    "MAINTAINER": "MAINTAINER NAME",
    "WORKDIR": "WORKDIR FOLDER",
    "IMAGE": "IMAGE REFERENCE…",
    "APP": "APP NAME SCHEME://PATH…",
    "APPCMDS": 'APPCMDS NAME ["COMMAND", …]',
    "APPENV": "APPENV NAME KEY=VALUE…",
    "CNI": "CNI NAME",
    "CSI": "CSI NAME",
    "KUBEVERSION": "KUBEVERSION VERSION",
    "LAUNCH": 'LAUNCH ["APP", …]',
    "CMDS": 'CMDS ["COMMAND", …]',
    "ENTRYPOINT": "ENTRYPOINT COMMAND",
    "EXPOSE": "EXPOSE PORT…",
    "VOLUME": "VOLUME FOLDER…",
    "USER": "USER NAME",
    "HEALTHCHECK": "HEALTHCHECK CMD COMMAND|NONE",
    "SHELL": 'SHELL ["PROGRAM", …]',
    "ONBUILD": "ONBUILD INSTRUCTION",
    "STOPSIGNAL": "STOPSIGNAL SIGNAL",
}
_LEAST_WORDS: Mapping[str, int] = {"COPY": 2, "ADD": 2, "APP": 2, "APPCMDS": 2, "APPENV": 2}
_JSON_ONLY = frozenset({"SHELL", "LAUNCH", "CMDS"})
_ONCE = frozenset({"LAUNCH", "CMDS"})
UNUSED = frozenset({"ENTRYPOINT", "EXPOSE", "VOLUME", "USER", "HEALTHCHECK", "SHELL", "ONBUILD", "STOPSIGNAL"})


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A here-document: its text, and whether values are substituted in it (its word was not quoted)."""

    name: str
    text: str
    expand: bool


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: `text` is what follows keyword and flags; `words` are those of the JSON form, else None.

    `flags` hold ``--name=value`` in order; a flag may repeat (RUN --mount).
    """

    keyword: str
    text: str
    line: int
    source: str
    words: tuple[str, ...] | None = None
    flags: tuple[tuple[str, str], ...] = ()
    heredocs: tuple[Heredoc, ...] = ()

    @property
    def where(self) -> str:
        """``file:line``."""
        return f"{self.source}:{self.line}"

    @property
    def written(self) -> str:
        """Keyword, flags and text on one line."""
        flags = [f"--{name}={value}" if value else f"--{name}" for name, value in self.flags]
        return " ".join(filter(None, (self.keyword, *flags, self.text)))

    def flag(self, name: str) -> str:
        """The value of a flag; empty without it."""
        return next((value for key, value in self.flags if key == name), "")

    def error(self, message: str, *, hint: str = "") -> RecipeError:
        """An error at this instruction, with its text."""
        return RecipeError(f"{message}, in {self.written[:200]!r}", where=self.where, hint=hint or self.expected)

    @property
    def expected(self) -> str:
        """How the instruction is written."""
        return f"expected {_EXPECTED[self.keyword]}"


@dataclass(frozen=True, slots=True)
class Kubefile:
    """A Kubefile as read; `escape` is its escape character, `warnings` are for people."""

    instructions: tuple[Instruction, ...]
    source: str
    escape: str = "\\"
    warnings: tuple[str, ...] = field(default=())


def parse(text: str, *, source: str) -> Kubefile:
    """Read a Kubefile; `source` names it in errors. `RecipeError` with file:line, the line, what was expected."""
    if len(text) > TEXT_BYTES:
        raise RecipeError(f"a Kubefile has at most {TEXT_BYTES} bytes", where=source)
    if "\0" in text:
        raise RecipeError(
            "this holds a NUL, so it is no text", where=f"{source}:{text[: text.index(chr(0))].count(chr(10)) + 1}"
        )
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    escape = _escape(lines, source)
    instructions: list[Instruction] = []
    warnings: list[str] = []
    for number, logical, heredocs in _logical_lines(lines, escape, source):
        instruction = _instruction(logical, number, source, heredocs)
        instructions.append(instruction)
        warnings += _warnings(instruction)
    _check_order(instructions, source)
    return Kubefile(tuple(instructions), source, escape, tuple(warnings))


def assignments(instruction: Instruction, *, escape: str) -> tuple[tuple[str, str], ...]:
    """Names and values of ENV and LABEL as written, quotes kept; ``ENV NAME VALUE``, the old form, too."""
    words = split_words(instruction.text, escape=escape)
    if "=" not in words[0]:
        name, *value = instruction.text.split(maxsplit=1)
        if not value:
            raise instruction.error(f"{name} has no value")
        return ((name, value[0]),)
    pairs = []
    for word in words:
        name, equals, value_ = word.partition("=")
        if not equals or not name:
            raise instruction.error(f"{word!r} is not NAME=VALUE")
        pairs.append((name.strip("\"'"), value_))
    return tuple(pairs)


def _escape(lines: list[str], source: str) -> str:
    """The directives at the top: ``escape`` counts, ``syntax`` and ``check`` are known and passed over."""
    escape, seen = "\\", set()
    for number, line in enumerate(lines, 1):
        match = _DIRECTIVE.fullmatch(line.strip())
        if match is None or (name := match[1].lower()) not in ("escape", "syntax", "check"):
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


def _logical_lines(lines: list[str], escape: str, source: str) -> Iterator[tuple[int, str, tuple[Heredoc, ...]]]:
    """Number of its first line, text without continuation, here-documents of each instruction."""
    continued = re.compile(rf"(?<!{re.escape(escape)}){re.escape(escape)}[ \t]*$")
    at = 0
    while at < len(lines):
        if not lines[at].strip() or lines[at].lstrip().startswith("#"):
            at += 1
            continue
        first, text, more = at + 1, "", True
        while more and at < len(lines):
            line = lines[at]
            at += 1
            if text and (not line.strip() or line.lstrip().startswith("#")):
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
        yield first, text.strip(), tuple(heredocs)


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


def _instruction(text: str, line: int, source: str, heredocs: tuple[Heredoc, ...]) -> Instruction:
    keyword, *others = text.split(maxsplit=1)
    rest = others[0] if others else ""
    if keyword.upper() not in _EXPECTED:
        close = difflib.get_close_matches(keyword.upper(), _EXPECTED, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are: {', '.join(sorted(_EXPECTED))}"
        raise RecipeError(
            f"there is no instruction {keyword!r}, in {text[:200]!r}", where=f"{source}:{line}", hint=hint
        )
    flags, rest = _flags(keyword.upper(), rest.strip())
    instruction = Instruction(keyword.upper(), rest, line, source, _json_words(rest), flags, heredocs)
    _check(instruction)
    return instruction


def _flags(keyword: str, rest: str) -> tuple[tuple[tuple[str, str], ...], str]:
    flags = []
    while keyword in _WITH_FLAGS and rest.startswith("--"):
        word, _, tail = rest.partition(" ")
        match = _FLAG.fullmatch(word)
        if match is None:
            break
        flags.append((match[1], match[2] or ""))
        rest = tail.lstrip()
    return tuple(flags), rest


def _json_words(text: str) -> tuple[str, ...] | None:
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return tuple(words) if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def _check(instruction: Instruction) -> None:
    keyword = instruction.keyword
    for name, _ in instruction.flags:
        if name not in _WITH_FLAGS[keyword]:
            valid = ", ".join(f"--{flag}" for flag in sorted(_WITH_FLAGS[keyword]))
            raise instruction.error(f"{keyword} has no flag --{name}", hint=f"valid are: {valid}")
    words = instruction.words if instruction.words is not None else instruction.text.split()
    least = _LEAST_WORDS.get(keyword, 1)
    if len(words) < least:
        raise instruction.error(f"{keyword} needs {'something' if least == 1 else f'{least} words'} behind it")
    if keyword in _JSON_ONLY and instruction.words is None:
        raise instruction.error(f"{keyword} takes a JSON list of texts")
    if keyword == "FROM" and not (len(words) == 1 or (len(words) == 3 and words[1].upper() == "AS")):  # noqa: PLR2004
        raise instruction.error("FROM takes an image, and AS with a name")


def _check_order(instructions: list[Instruction], source: str) -> None:
    first = next((i for i in instructions if i.keyword != "ARG"), None)
    if first is None:
        raise RecipeError("the Kubefile has no FROM", where=source, hint="start with FROM scratch, or an image")
    if first.keyword != "FROM":
        raise first.error(f"{first.keyword} stands before FROM", hint="start with FROM scratch, or an image")
    final = [i for i in instructions if i.keyword in (*_ONCE, "CMD")]
    for instruction in final:
        same = [other for other in final if other.keyword == instruction.keyword]
        if instruction.keyword in _ONCE and same[0] is not instruction:
            raise instruction.error(f"{instruction.keyword} stands here a second time", hint="keep one")
    if any(i.keyword == "LAUNCH" for i in final) and any(i.keyword == "CMD" for i in final):
        raise final[-1].error("CMD and LAUNCH exclude each other", hint="keep one of them")


def _warnings(instruction: Instruction) -> Iterator[str]:
    keyword = instruction.keyword
    if keyword in UNUSED:
        yield f"{instruction.where}: {keyword} is kept, but a cluster image does not use it"
    if keyword in ("RUN", "CMD") and instruction.text.startswith("[") and instruction.words is None:
        yield f"{instruction.where}: this looks like a JSON list but is none, so it is taken as a shell command"
    if instruction.flag("chown"):
        yield f"{instruction.where}: --chown does nothing: all files of a cluster image belong to root"
