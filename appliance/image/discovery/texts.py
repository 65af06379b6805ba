"""Lists of images, and texts that are no YAML: settings, scripts, templates. Line by line, without comments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from appliance.image.discovery.found import Confidence, Why
from appliance.image.discovery.names import Look, is_image_key, look, mentions_image, tokens

if TYPE_CHECKING:
    from appliance.image.discovery.found import Findings

_COMMENT = re.compile(r"(?:^|\s)(?:#|//).*$")
_SETTING = re.compile(r"""^\s*(?:-\s+)?["']?(?P<key>[\w./-]+)["']?\s*[:=]\s*["']?(?P<value>[^\s"',]+)["']?\s*,?\s*$""")
_TEMPLATED = re.compile(r"""^\s*(?:-\s+)?["']?(?P<key>[\w./-]+)["']?\s*[:=]\s*["']?(?:\[\[|\{\{)""")
_FLAG = re.compile(r"""--?(?P<key>[A-Za-z][\w.-]*)[= ]["']?(?P<value>[^\s"',]+)""")


def scan_list(text: str, file: str, findings: Findings, confidence: Confidence) -> None:
    """Each line an image."""
    for number, raw in enumerate(text.splitlines(), 1):
        line = _COMMENT.sub("", raw).strip()
        words = line.split()
        if len(words) == 1 and look(words[0]) is not Look.NONE:
            findings.add(words[0], confidence, Why(file, number, "list"))
        elif line:
            findings.warn(f"{file}:{number}", f"{line[:80]!r} is not an image reference")


def is_list(text: str) -> bool:
    """Whether every line of a text is a reference with a tag, or a comment."""
    lines = [line for line in (_COMMENT.sub("", raw).strip() for raw in text.splitlines()) if line]
    return bool(lines) and all(look(line) >= Look.WEAK for line in lines)


def scan_settings(text: str, file: str, findings: Findings, *, first_line: int = 1) -> None:
    """Settings and flags that are named as images, ``key = value`` or ``--key=value``: likely. Clear words: a guess.

    What a template's expression names where an image is to stand (``image: {{ or .X "quay.io/x/y:1" }}``) is likely.
    """
    for number, raw in enumerate(text.splitlines(), first_line):
        line = _COMMENT.sub("", raw)
        named = [match for match in (_SETTING.match(line), *_FLAG.finditer(line)) if match]
        for match in named:
            key, value = match["key"].rpartition(".")[2], match["value"]
            if mentions_image(key) and look(value) >= Look.WEAK:
                findings.add(value, Confidence.LIKELY, Why(file, number, match["key"]))
        templated = _TEMPLATED.match(line)
        clear = templated is not None and is_image_key(templated["key"])
        confidence = Confidence.LIKELY if clear else Confidence.GUESS
        scan_words(line, file, findings, first_line=number, confidence=confidence, what="text")


def scan_words(
    text: str, file: str, findings: Findings, *, first_line: int, confidence: Confidence, what: str, step: int = 1
) -> None:
    """Words that are clearly references; `step` 0 says that all of them stand on one line."""
    for number, word in tokens(text):
        value = word.rpartition("=")[2]
        if look(value) is Look.STRONG:
            findings.add(value, confidence, Why(file, first_line + number * step, what))


def scan_kubefile(text: str, file: str, findings: Findings) -> None:
    """What IMAGE instructions name."""
    for number, line in enumerate(text.splitlines(), 1):
        keyword, _, rest = line.strip().partition(" ")
        if keyword.upper() == "IMAGE":
            for word in rest.split():
                if look(word) is not Look.NONE:
                    findings.add(word, Confidence.CERTAIN, Why(file, number, "IMAGE"))
