"""Proposals and checks as people read them and machines get them."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any

from appliance.cli.text import printable
from appliance.inventory.preflight import Verdict
from appliance.plan.document import plan_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from appliance.inventory.preflight import CheckResult
    from appliance.plan.steps import Plan, Proposal

_WORDS = {Verdict.PASS: "ok", Verdict.WARN: "WARN", Verdict.FAIL: "FAIL"}
_SIGNS = {"add": "+", "change": "~", "remove": "-"}


def checks_document(checks: Iterable[CheckResult]) -> list[dict[str, str]]:
    """Check results for machines."""
    return [
        {"check": c.check, "host": c.host, "verdict": c.verdict.value, "detail": c.detail, "hint": c.hint}
        for c in checks
    ]


def checks_lines(checks: Sequence[CheckResult], *, all_of_them: bool) -> list[str]:
    """Failures and warnings, each with why and what to do, those that passed only if asked for; last the counts."""
    shown = [c for c in checks if all_of_them or c.verdict is not Verdict.PASS]
    width = max((len(c.host) for c in shown), default=0)
    lines = []
    for c in shown:
        lines.append(f"  {_WORDS[c.verdict]:<4}  {printable(c.host):<{width}}  {c.check}: {printable(c.detail)}")
        if c.hint and c.verdict is not Verdict.PASS:
            lines.append(f"        {'':<{width}}  {printable(c.hint)}")
    counts = {verdict: sum(c.verdict is verdict for c in checks) for verdict in Verdict}
    lines.append(f"{len(checks)} checks: {counts[Verdict.FAIL]} failed, {counts[Verdict.WARN]} warnings")
    return lines


def proposal_document(proposal: Proposal) -> dict[str, Any]:
    """A proposal for machines; ``plan`` is the plan's own document."""
    return {
        "operation": proposal.operation,
        "empty": proposal.plan.empty,
        "destructive": proposal.plan.destructive,
        "plan_digest": str(proposal.plan_digest),
        "changes": [{"verb": c.verb, "host": c.host, "what": c.what} for c in proposal.changes],
        "checks": checks_document(proposal.checks),
        "notices": list(proposal.notices),
        "plan": json.loads(plan_to_json(proposal.plan)),
    }


def changes_lines(proposal: Proposal) -> list[str]:
    """What changes, host by host."""
    lines = []
    for host, changes in groupby(proposal.changes, key=lambda change: change.host):
        lines.append(printable(host))
        lines += [f"  {_SIGNS.get(c.verb, '?')} {printable(c.what)}" for c in changes]
    return [*lines, *(f"note: {printable(notice)}" for notice in proposal.notices)]


def plan_lines(plan: Plan) -> list[str]:
    """A plan stage by stage: every step's title, with the hosts that it is for."""
    if plan.empty:
        return ["nothing to do: the hosts are as they should be"]
    lines = []
    for number, stage in enumerate(plan.stages, 1):
        mark = "  (something is lost by this)" if stage.destructive else ""
        lines.append(f"{number}. {printable(stage.title)}{mark}")
        titles: dict[str, list[str]] = {}
        for step in stage.steps:
            titles.setdefault(step.title, []).append(step.host)
        lines += [f"   {printable(title)}  [{_hosts(hosts)}]" for title, hosts in titles.items()]
    steps = sum(len(stage.steps) for stage in plan.stages)
    hosts = len({step.host for stage in plan.stages for step in stage.steps})
    return [*lines, f"{steps} steps in {len(plan.stages)} stages on {hosts} hosts"]


def _hosts(hosts: list[str]) -> str:
    most = 4
    names = ", ".join(printable(host) for host in hosts[:most])
    return f"{names} and {len(hosts) - most} more" if len(hosts) > most else names
