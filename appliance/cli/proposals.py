"""Proposals and checks as people read them and machines get them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from appliance.cli.text import plural, printable, table, wrapped
from appliance.inventory.preflight import Verdict
from appliance.plan.document import plan_to_json
from appliance.plan.forecast import time_said
from appliance.recipe.quantities import size_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from appliance.inventory.preflight import CheckResult
    from appliance.operations.propose import Proposed
    from appliance.plan.forecast import Forecast
    from appliance.plan.steps import Plan, Proposal

_WORDS = {Verdict.PASS: "ok", Verdict.WARN: "WARN", Verdict.FAIL: "FAIL"}
_HOSTS = 12
"""Hosts that are named; of more, the rest is counted."""
_DETAILS = 2
"""Different findings of a check that are shown; more are counted."""
_SIGNS = {"add": "+", "change": "~", "remove": "-"}


def checks_document(checks: Iterable[CheckResult]) -> list[dict[str, str]]:
    """Check results for machines."""
    return [
        {"check": c.check, "host": c.host, "verdict": c.verdict.value, "detail": c.detail, "hint": c.hint}
        for c in checks
    ]


def passed_lines(checks: Iterable[CheckResult], *, verbose: bool) -> list[str]:
    """What passed: a line a check, or, if `verbose`, a line a host and check."""
    passed = [c for c in checks if c.verdict is Verdict.PASS]
    if verbose:
        return table([("", "ok", c.host, c.check, c.detail) for c in passed])
    rows = []
    for check in dict.fromkeys(c.check for c in passed):
        found = [c for c in passed if c.check == check]
        details = dict.fromkeys(c.detail for c in found)
        hosts = plural(len({c.host for c in found}), "host")
        rows += [("", "ok", check, said) for said in (details if len(details) <= _DETAILS else [f"on {hosts}"])]
    return table(rows)


def problem_lines(checks: Sequence[CheckResult]) -> list[str]:
    """Failures and warnings, each once with its hosts, why, and what to do; last the counts."""
    counts = {verdict: sum(c.verdict is verdict for c in checks) for verdict in Verdict}
    failed, warned = counts[Verdict.FAIL], plural(counts[Verdict.WARN], "warning")
    return [*_found_lines(checks), f"{plural(len(checks), 'check')}: {failed} failed, {warned}"]


def _found_lines(checks: Iterable[CheckResult]) -> list[str]:
    problems: dict[tuple[Verdict, str, str, str], list[str]] = {}
    for c in checks:
        if c.verdict is not Verdict.PASS:
            problems.setdefault((c.verdict, c.check, c.detail, c.hint), []).append(c.host)
    lines = []
    for (verdict, check, detail, hint), hosts in problems.items():
        where = f"{_hosts(hosts)}: " if any(hosts) else ""
        lines += wrapped(f"{where}{check}: {detail}", first=f"  {_WORDS[verdict]:<4}  ")
        lines += wrapped(f"next: {hint}", first=" " * 8) if hint else []
    return lines


def forecast_line(forecast: Forecast) -> str:
    """What a plan sends and writes at most, and how long that takes, if it can be told."""
    if not forecast.sent:
        return "no image is sent"
    each, written = size_text(forecast.sent_each), size_text(forecast.written_each)
    time = time_said(forecast) or "how long that takes depends on lines that were not measured"
    return (
        f"at most {size_text(forecast.sent)} are sent to {plural(forecast.hosts, 'host')}, {each} to one, which writes"
        f" {written}; {time}"
    )


def proposal_document(proposed: Proposed) -> dict[str, Any]:
    """A proposal for machines; ``plan`` is the plan's own document."""
    proposal, forecast = proposed.proposal, proposed.forecast
    return {
        "operation": proposal.operation,
        "empty": proposal.plan.empty,
        "destructive": proposal.plan.destructive,
        "plan_digest": str(proposal.plan_digest),
        "changes": [{"verb": c.verb, "host": c.host, "what": c.what} for c in proposal.changes],
        "checks": checks_document(proposal.checks),
        "notices": list(proposal.notices),
        "forecast": {
            "bytes_sent": forecast.sent,
            "bytes_sent_to_one": forecast.sent_each,
            "bytes_written_by_one": forecast.written_each,
            "seconds": forecast.time and {"least": forecast.time.least, "most": forecast.time.most},
            "basis": forecast.basis,
        },
        "plan": json.loads(plan_to_json(proposal.plan)),
    }


def changes_lines(proposal: Proposal) -> list[str]:
    """What changes, hosts with the same changes together; then what there is to know of it and of the hosts."""
    by_host: dict[str, list[tuple[str, str]]] = {}
    for change in proposal.changes:
        by_host.setdefault(change.host, []).append((change.verb, change.what))
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for host, changes in by_host.items():
        alike.setdefault(tuple(changes), []).append(host)
    lines = []
    for same, hosts in alike.items():
        lines += wrapped(_hosts(hosts), first="")
        lines += [f"  {_SIGNS.get(verb, '?')} {printable(what)}" for verb, what in same]
    lines += [line for notice in proposal.notices for line in wrapped(notice, first="note: ")]
    return [*lines, *_found_lines(proposal.checks)]


def plan_lines(plan: Plan) -> list[str]:
    """A plan stage by stage: every step's title, with its hosts where they are not all of the stage's."""
    if plan.empty:
        return ["nothing to do: the hosts are as they should be"]
    lines = []
    for number, stage in enumerate(plan.stages, 1):
        mark = "; something is lost by this" if stage.destructive else ""
        everywhere = len({step.host for step in stage.steps})
        lines.append(f"{number:>2}. {printable(stage.title)} ({plural(everywhere, 'host')}{mark})")
        titles: dict[str, list[str]] = {}
        for step in stage.steps:
            titles.setdefault(step.title, []).append(step.host)
        for title, hosts in titles.items():
            where = "" if len(set(hosts)) == everywhere else f"  [{_hosts(hosts)}]"
            lines.append(f"      {printable(title)}{where}")
    return [*lines, steps_line(plan)]


def steps_line(plan: Plan) -> str:
    """How much a plan is."""
    steps = sum(len(stage.steps) for stage in plan.stages)
    hosts = len({step.host for stage in plan.stages for step in stage.steps})
    return f"{plural(steps, 'step')} in {plural(len(plan.stages), 'stage')} on {plural(hosts, 'host')}"


def _hosts(hosts: Sequence[str]) -> str:
    names = ", ".join(printable(host) for host in hosts[:_HOSTS])
    return f"{names} and {len(hosts) - _HOSTS} more" if len(hosts) > _HOSTS else names
