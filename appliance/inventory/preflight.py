"""Whether hosts are fit: checks that turn facts and requirements into results, each with why and what to do."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Verdict(enum.StrEnum):
    """What a check found."""

    PASS = "pass"  # noqa: S105  (a verdict)
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check on one host: `detail` says what was found, `hint` the next action."""

    check: str
    host: str
    verdict: Verdict
    detail: str
    hint: str = ""
