"""A report as JSON; the form of ``report RUN -o json`` and of ``report.json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from appliance.clock import timestamp

if TYPE_CHECKING:
    from datetime import datetime

    from appliance.report.result import HostReport, Report, StageReport

FORMAT = 1


def to_document(report: Report) -> dict[str, Any]:
    """The report as one JSON object; seconds with milliseconds, times as RFC 3339."""
    return {
        "format": FORMAT,
        "run": report.run,
        "operation": report.operation,
        "cluster": report.cluster,
        "image": report.image,
        "operator": report.operator,
        "started": _time(report.started),
        "seconds": round(report.seconds, 3),
        "outcome": report.outcome,
        "stages": [_stage(stage) for stage in report.stages],
        "hosts": [_host(host) for host in report.hosts],
        "journal": report.journal,
    }


def _time(moment: datetime | None) -> str | None:
    return timestamp(moment) if moment else None


def _stage(stage: StageReport) -> dict[str, Any]:
    seconds = None if stage.seconds is None else round(stage.seconds, 3)
    return asdict(stage) | {"started": _time(stage.started), "seconds": seconds}


def _host(host: HostReport) -> dict[str, Any]:
    steps = [
        asdict(step) | {"started": timestamp(step.started), "seconds": round(step.seconds, 3)} for step in host.steps
    ]
    return asdict(host) | {"seconds": round(host.seconds, 3), "steps": steps}
