"""A report as one HTML file that needs nothing else: no script, no font, no address. Text from hosts is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from appliance.clock import timestamp
from appliance.events import Outcome
from appliance.report.text import duration, headline, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from appliance.report.result import HostReport, Report, StageReport
    from appliance.report.view import StepRecord

_STYLE = """
:root { color-scheme: light dark; --ok: #2a7f4f; --skipped: #7a8a99; --failed: #b3261e; --cancelled: #9a6700;
        --line: #d0d7de; --soft: #f3f5f7; --text: #1c2128; --back: #fff; }
@media (prefers-color-scheme: dark) { :root { --ok: #4fb37b; --skipped: #7d8b99; --failed: #f0746b;
        --cancelled: #d9a531; --line: #3a424c; --soft: #22272e; --text: #dfe4ea; --back: #171b20; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
       max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.sub { opacity: .75; margin: 0; overflow-wrap: anywhere; }
.ok { color: var(--ok); } .skipped { color: var(--skipped); } .failed { color: var(--failed); }
.cancelled { color: var(--cancelled); } .outcome { font-weight: 600; }
.failure { border-left: 4px solid var(--failed); background: var(--soft); padding: .5rem 1rem; margin: .75rem 0; }
.failure.note { border-color: var(--cancelled); }
.failure p { margin: .25rem 0; overflow-wrap: anywhere; }
.lane { display: grid; grid-template-columns: 10rem 1fr; gap: .75rem; align-items: center; margin: .25rem 0; }
.lane b { font-weight: 500; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.lane svg { width: 100%; height: 1.4rem; background: var(--soft); border-radius: 3px; }
rect.ok { fill: var(--ok); } rect.skipped { fill: var(--skipped); } rect.failed { fill: var(--failed); }
rect.cancelled { fill: var(--cancelled); }
rect { stroke: var(--back); stroke-width: 1px; vector-effect: non-scaling-stroke; }
details { margin: .25rem 0; } summary { cursor: pointer; }
@media print { details > * { display: block; } }
"""

_WORDS = {Outcome.OK: "ok", Outcome.SKIPPED: "already so", Outcome.FAILED: "failed", Outcome.CANCELLED: "stopped"}


def to_html(report: Report) -> str:
    """The report as a whole document."""
    title = _text(headline(report))
    return page(title, _body(report, title))


def page(title: str, body: Iterable[str]) -> str:
    """A document of its own; `title` and the pieces of `body` are HTML already."""
    return "".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n",
            *body,
            "</body>\n</html>\n",
        )
    )


def _body(report: Report, title: str) -> Iterator[str]:
    yield f"<header><h1>{title}</h1>\n"
    begun = f", begun {timestamp(report.started)}" if report.started else ""
    who = f"Run {_text(report.run)} by {_text(report.operator)}{begun}"
    yield f'<p class="sub">{who}<br>image {_text(report.image)}</p></header>\n'
    yield from (_failure(host) for host in report.failed if host.detail)
    yield from (_note(host, step) for host, step in report.notes)
    yield "<section><h2>Stages</h2>\n<table><thead><tr><th>Stage<th>Steps<th>Time</tr></thead><tbody>\n"
    yield from (_stage(stage) for stage in report.stages)
    yield "</tbody></table></section>\n<section><h2>Timeline</h2>\n"
    yield from (_lane(host, report) for host in report.hosts)
    yield "</section>\n<section><h2>Hosts</h2>\n"
    yield from (_host(host) for host in report.hosts)
    yield "</section>\n"
    if report.journal:
        yield f'<footer><p class="sub">Everything that happened: {_text(report.journal)}</p></footer>\n'


def _failure(host: HostReport) -> str:
    at = f" at “{_text(host.failed_step)}”" if host.failed_step else ""
    hint = f"<p>Next: {_text(host.hint)}</p>" if host.hint else ""
    return f'<div class="failure"><p><strong>{_text(host.name)}</strong>{at}: {_text(host.detail)}</p>{hint}</div>\n'


def _note(host: HostReport, step: StepRecord) -> str:
    said = f"<strong>{_text(host.name)}</strong> at “{_text(step.title)}”: {_text(step.detail)}"
    return f'<div class="failure note"><p>{said}</p></div>\n'


def _stage(stage: StageReport) -> str:
    time = "not begun" if stage.seconds is None else duration(stage.seconds)
    note = ' <span class="failed">destructive</span>' if stage.destructive else ""
    return (
        f"<tr><td>{_text(stage.title)}{note}<td class=number>{stage.done} of {stage.total}"
        f"<td class=number>{time}</tr>\n"
    )


def _lane(host: HostReport, report: Report) -> str:
    bars = "".join(_bar(step, report) for step in host.steps)
    return (
        f'<div class="lane"><b class="{host.outcome}" title="{_text(host.name)}">{_text(host.name)}</b>'
        f'<svg viewBox="0 0 1000 20" preserveAspectRatio="none" role="img" aria-label="Steps of {_text(host.name)}">'
        f"{bars}</svg></div>\n"
    )


def _bar(step: StepRecord, report: Report) -> str:
    whole = max(report.seconds, 0.001)
    left = 1000 * _since(report.started, step.started) / whole
    width = max(1000 * step.seconds / whole, 1.0)
    label = f"{_text(step.title)}: {_WORDS[step.outcome]}, {duration(step.seconds)}"
    return (
        f'<rect class="{step.outcome}" x="{left:.1f}" y="0" width="{width:.1f}" height="20">'
        f"<title>{label}</title></rect>"
    )


def _since(start: datetime | None, moment: datetime) -> float:
    return (moment - start).total_seconds() if start else 0.0


def _host(host: HostReport) -> str:
    rows = "".join(
        f'<tr><td>{_text(step.title)}<td class="{step.outcome}">{_WORDS[step.outcome]}'
        f"<td class=number>{duration(step.seconds)}<td>{_text(step.detail)}</tr>\n"
        for step in host.steps
    )
    opened = "" if host.outcome is Outcome.OK else " open"
    return (
        f'<details{opened}><summary><span class="outcome {host.outcome}">{_text(host.name)}</span>: '
        f"{host.done} of {host.total} steps, {duration(host.seconds)}</summary>\n"
        f"<table><thead><tr><th>Step<th>Outcome<th>Time<th></tr></thead><tbody>\n{rows}</tbody></table></details>\n"
    )


def _text(text: str) -> str:
    return escape(plain(text), quote=True)
