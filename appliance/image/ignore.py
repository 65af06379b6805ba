"""`.dockerignore` and globs: which files of a context take part. Pure. Source: Docker's manual, build context."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from appliance.errors import RecipeError

_HINT = "a class of characters is written like [a-z]; a [ itself like [[]"


@dataclass(frozen=True, slots=True)
class Ignore:
    """Rules in order, the last match counts; True for one that brings files back (``!``)."""

    rules: tuple[tuple[re.Pattern[str], bool], ...] = ()

    @classmethod
    def parse(cls, text: str, *, source: str = "") -> Ignore:
        """Read the text of a .dockerignore; `source` names it in errors. `RecipeError` for a broken class."""
        rules = []
        for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
            line = raw.strip()
            back = line.startswith("!")
            pattern = line.removeprefix("!").strip().strip("/")
            if pattern not in ("", ".") and not line.startswith("#"):
                try:
                    rules.append((glob_pattern(str(PurePosixPath(pattern))), back))
                except RecipeError as error:
                    raise RecipeError(error.message, where=f"{source}:{number}", hint=error.hint) from error
        return cls(tuple(rules))

    def covers(self, path: str) -> bool:
        """Whether a file or folder is left out: it, or a folder above it, matches."""
        names = path.split("/")
        heads = ["/".join(names[: count + 1]) for count in range(len(names))]
        covered = False
        for pattern, back in self.rules:
            if covered == back and any(pattern.fullmatch(head) for head in heads):
                covered = not back
        return covered


def has_glob(text: str) -> bool:
    """Whether a source is a pattern."""
    return any(mark in text for mark in "*?[")


def glob_pattern(glob: str) -> re.Pattern[str]:
    """Go's filepath.Match, and ``**`` for any number of folders; a broken class is a `RecipeError`."""
    out, at = "", 0
    while at < len(glob):
        if glob.startswith("**/", at):
            out, at = out + "(?:.*/)?", at + 3
        elif glob.startswith("**", at):
            out, at = out + ".*", at + 2
        elif glob[at] in "*?":
            out, at = out + ("[^/]*" if glob[at] == "*" else "[^/]"), at + 1
        elif glob[at] == "[":
            end = glob.find("]", at + 2)
            if end < 0:
                raise RecipeError(f"the pattern {glob!r} has a [ without its ]", hint=_HINT)
            body = glob[at + 1 : end].replace("\\", r"\\")
            negated = body[0] in "^!"
            out += f"[{'^/' if negated else ''}{_class(body[negated:])}]"
            at = end + 1
        else:
            at += glob[at] == "\\" and at + 1 < len(glob)
            out, at = out + re.escape(glob[at]), at + 1
    try:
        return re.compile(out)
    except re.error as error:
        raise RecipeError(f"the pattern {glob!r} has a range that runs backwards", hint=_HINT) from error


def _class(body: str) -> str:
    return body.replace("[", r"\[").replace("^", r"\^").replace("&", r"\&").replace("|", r"\|").replace("~", r"\~")
