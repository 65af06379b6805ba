"""A report as text for an 80-column terminal or a log."""

from __future__ import annotations

import textwrap
import unicodedata
from typing import TYPE_CHECKING

from appliance.clock import timestamp
from appliance.events import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.report.result import HostReport, Report, StageReport

WIDTH = 80

_SIGNS = {
    Outcome.OK: "ok",
    Outcome.SKIPPED: "ok",
    Outcome.FAILED: "FAILED",
    Outcome.CANCELLED: "stopped",
    Outcome.REFUSED: "refused",
}
_ENDS = {
    Outcome.OK: "done",
    Outcome.SKIPPED: "nothing to do",
    Outcome.FAILED: "FAILED",
    Outcome.CANCELLED: "stopped before its end",
    Outcome.REFUSED: "refused, nothing was changed",
    None: "not finished",
}


def to_text(report: Report) -> str:
    """The report, ending in a newline; no line is wider than `WIDTH` but for paths and names that are."""
    return "\n".join(_lines(report)) + "\n"


def headline(report: Report) -> str:
    """One sentence: what was done to which cluster, and how it ended."""
    through = sum(host.outcome is Outcome.OK for host in report.hosts)
    return (
        f"{report.operation} of {report.cluster}: {_ENDS[report.outcome]}, "
        f"{through} of {_count(len(report.hosts), 'host')} in {duration(report.seconds)}"
    )


def _lines(report: Report) -> Iterator[str]:
    yield plain(headline(report))
    if report.stages:
        yield ""
    for stage in report.stages:
        yield _stage(stage)
    if report.hosts:
        yield ""
        width = min(max(len(host.name) for host in report.hosts), 40)
        for host in report.hosts:
            name = plain(host.name).ljust(width)
            steps = f"{host.done} of {_count(host.total, 'step')}" if host.total else "nothing to do"
            yield f"  {name}  {_SIGNS[host.outcome]:<8}{steps:<16}{duration(host.seconds):>9}"
    for host in report.failed:
        if host.detail:
            yield ""
            yield from _failure(host)
    for host, step in report.notes:
        yield ""
        yield from _wrapped(f"{host.name} at “{step.title}”: {step.detail}", indent="  ")
    yield ""
    started = f", begun {timestamp(report.started)}" if report.started else ""
    operator = f" by {report.operator}" if report.operator else ""
    yield plain(f"run {report.run}{operator}{started}")
    if report.journal:
        yield plain(f"journal {report.journal}")


def _stage(stage: StageReport) -> str:
    room = WIDTH - 32
    title = plain(stage.title)
    title = title if len(title) <= room else f"{title[: room - 1]}…"
    time = "not begun" if stage.seconds is None else duration(stage.seconds)
    return f"  {title:<{room}} {stage.done:>5} of {_count(stage.total, 'step'):<10}{time:>9}"


def _failure(host: HostReport) -> Iterator[str]:
    at = f" at “{host.failed_step}”" if host.failed_step else ""
    yield from _wrapped(f"{host.name}{at}: {host.detail}", indent="  ")
    if host.hint:
        yield from _wrapped(f"next: {host.hint}", indent="    ")


def _wrapped(text: str, *, indent: str) -> list[str]:
    return textwrap.wrap(
        plain(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def duration(seconds: float) -> str:
    """A duration for people: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 07 min``."""
    if seconds < 10:  # noqa: PLR2004  (below, tenths matter)
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes_rest = divmod(minutes, 60)
    return f"{hours} h {minutes_rest:02} min" if hours else f"{minutes} min {rest:02} s"


def plain(text: str) -> str:
    """`text` without characters that a terminal would obey."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
