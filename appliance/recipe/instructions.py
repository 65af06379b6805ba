"""One instruction of a Kubefile: its keyword, flags, words, and how each keyword is written. Pure.

Source: Docker's Dockerfile reference; sealer's ``build/kubefile`` for APP, APPCMDS, APPENV, CNI, CSI, LAUNCH, CMDS.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.recipe.shellwords import VARIABLE_RULE, is_variable, split_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.recipe.lexing import Heredoc, LogicalLine

_FLAG = re.compile(r"--([a-z-]+)(?:=(.*))?", re.DOTALL)
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
    "RUN": "RUN [--network=none|default] [--mount=…] COMMAND",
    "CMD": "CMD COMMAND",
    "ARG": "ARG NAME[=DEFAULT]…",
    "ENV": "ENV NAME=VALUE…",
    "LABEL": "LABEL NAME=VALUE…",
    "MAINTAINER": "MAINTAINER NAME",
    "WORKDIR": "WORKDIR FOLDER",
    "IMAGE": "IMAGE REFERENCE…",
    "APP": "APP NAME SCHEME://PATH…, with the scheme local, http or https",
    "APPCMDS": 'APPCMDS NAME ["COMMAND", …]',
    "APPENV": "APPENV NAME KEY=VALUE…",
    "CNI": "CNI NAME SCHEME://PATH…, with the scheme local, http or https",
    "CSI": "CSI NAME SCHEME://PATH…, with the scheme local, http or https",
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
_LEAST_WORDS: Mapping[str, int] = {"COPY": 2, "ADD": 2, "APP": 2, "APPCMDS": 2, "APPENV": 2, "CNI": 2, "CSI": 2}
_JSON_ONLY = frozenset({"SHELL", "CMDS"})
_ARGV = frozenset({"RUN", "CMD", "ENTRYPOINT", "COPY", "ADD", "SHELL", "VOLUME", "LAUNCH", "CMDS", "IMAGE"})
UNUSED = frozenset({"ENTRYPOINT", "EXPOSE", "VOLUME", "USER", "HEALTHCHECK", "SHELL", "ONBUILD", "STOPSIGNAL"})
"""Instructions that are accepted although a cluster image has no use for them."""


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
        return next(iter(self.all_flags(name)), "")

    def all_flags(self, name: str) -> tuple[str, ...]:
        """The values of a flag that may repeat."""
        return tuple(value for key, value in self.flags if key == name)

    def raw_words(self, *, escape: str) -> tuple[str, ...]:
        """The words as written, in either form; quotes are kept in the shell form."""
        return self.words if self.words is not None else tuple(split_words(self.text, escape=escape))

    def error(self, message: str, *, hint: str = "") -> RecipeError:
        """An error at this instruction, with its text."""
        return RecipeError(f"{message}, in {self.written[:200]!r}", where=self.where, hint=hint or self.expected)

    @property
    def expected(self) -> str:
        """How the instruction is written."""
        return f"expected {_EXPECTED[self.keyword]}"


def read(line: LogicalLine, *, source: str) -> Instruction:
    """The instruction that a line is; `RecipeError` with file:line, the line's text and what was expected."""
    keyword, *others = line.text.split(maxsplit=1)
    if keyword.upper() not in _EXPECTED:
        close = difflib.get_close_matches(keyword.upper(), _EXPECTED, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are: {', '.join(sorted(_EXPECTED))}"
        message = f"there is no instruction {keyword!r}, in {line.text[:200]!r}"
        raise RecipeError(message, where=f"{source}:{line.number}", hint=hint)
    flags, rest = _flags(keyword.upper(), others[0].strip() if others else "")
    words = json_words(rest) if keyword.upper() in _ARGV else None
    instruction = Instruction(keyword.upper(), rest, line.number, source, words, flags, line.heredocs)
    _check(instruction)
    return instruction


def assignments(instruction: Instruction, *, escape: str) -> tuple[tuple[str, str], ...]:
    """Names and values of ENV and LABEL as written, quotes kept; ``ENV NAME VALUE``, the old form, too."""
    words = split_words(instruction.text, escape=escape)
    if "=" not in words[0]:
        name, *value = instruction.text.split(maxsplit=1)
        if not value:
            raise instruction.error(f"{name} has no value")
        return ((name, value[0]),)
    return tuple(_pair(instruction, word) for word in words)


def app_env(instruction: Instruction, *, escape: str) -> tuple[tuple[str, str], ...]:
    """Names and values of an APPENV as written, quotes kept."""
    found = tuple(_pair(instruction, word) for word in split_words(instruction.text, escape=escape)[1:])
    for name, _ in found:
        if not is_variable(name):
            raise instruction.error(f"{name!r} cannot be the name of a variable", hint=VARIABLE_RULE)
    return found


def app_commands(instruction: Instruction) -> tuple[str, ...]:
    """The list of an APPCMDS."""
    words = json_words(instruction.text.split(maxsplit=1)[1])
    if not words:
        raise instruction.error("APPCMDS takes a name and a JSON list of texts")
    return words


def json_words(text: str) -> tuple[str, ...] | None:
    """The texts of a JSON list; None for anything else."""
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return tuple(words) if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def warnings(instruction: Instruction) -> Iterator[str]:
    """What a person should know of an instruction that is accepted."""
    keyword = instruction.keyword
    if keyword in UNUSED:
        yield f"{instruction.where}: {keyword} is kept, but a cluster image does not use it"
    if keyword in ("RUN", "CMD") and instruction.text.startswith("[") and instruction.words is None:
        yield f"{instruction.where}: this looks like a JSON list but is none, so it is taken as a shell command"
    if instruction.flag("chown"):
        yield f"{instruction.where}: --chown does nothing: all files of a cluster image belong to root"


def _pair(instruction: Instruction, word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not name:
        raise instruction.error(f"{word!r} is not NAME=VALUE")
    return name.strip("\"'"), value


def _flags(keyword: str, rest: str) -> tuple[tuple[tuple[str, str], ...], str]:
    flags = []
    while keyword in _WITH_FLAGS and rest.startswith("--"):
        word, *tail = rest.split(maxsplit=1)
        match = _FLAG.fullmatch(word)
        if match is None:
            break
        flags.append((match[1], match[2] or ""))
        rest = tail[0] if tail else ""
    return tuple(flags), rest


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
    if keyword == "APPCMDS":
        app_commands(instruction)
    if keyword == "FROM":
        _check_from(instruction, words)


def _check_from(instruction: Instruction, words: tuple[str, ...] | list[str]) -> None:
    if len(words) == 1 or (len(words) == 3 and words[1].upper() == "AS"):  # noqa: PLR2004  (IMAGE AS NAME)
        return
    if words[1].startswith("#"):
        raise instruction.error("FROM takes an image alone", hint="write a comment on a line of its own")
    raise instruction.error("FROM takes an image, and AS with a name")
