"""How plans, runs and clusters are told: the guide's texts, filled with what there is to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.content import Content

from appliance.events import Outcome
from appliance.inventory.preflight import Verdict
from appliance.recipe.quantities import size_text, span_text
from appliance.report.text import duration, plain
from tui import texts
from tui.advice import here
from tui.wording import clean, counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from appliance.execute.lease import Owner
    from appliance.inventory.preflight import CheckResult
    from appliance.operations.propose import Proposed
    from appliance.plan.steps import Plan, Proposal, Stage
    from appliance.report.view import HostView, RunView
    from tui.calls.runs import KnownCluster

_MIB = 1 << 20
_OUTPUT_LINES = 6
_NAMED = 5
_SIGNS = {"add": "+", "change": "~", "remove": "-"}


# Preflight


def checks_counted(results: Sequence[CheckResult]) -> str:
    """The result in one line."""
    failed = sum(result.verdict is Verdict.FAIL for result in results)
    return texts.CHECKS_COUNTED.format(
        fit=texts.FIT[not failed],
        checks=counted(len(results), texts.CHECKS),
        hosts=counted(len({result.host for result in results if result.host}), texts.HOSTS),
        failed=failed,
        warnings=counted(sum(result.verdict is Verdict.WARN for result in results), texts.WARNINGS),
    )


def checks_detail(results: Sequence[CheckResult]) -> Content:
    """What was found: failures and warnings with what to do, then what passed; named by host when it is of several."""
    several = len({result.host for result in results}) > 1
    lines: list[Content] = []
    for result in results:
        color = {Verdict.FAIL: "bold $text-error", Verdict.WARN: "bold $text-warning", Verdict.PASS: ""}[result.verdict]
        host = f"{clean(result.host)}, " if several and result.host else ""
        said = f" {host}{clean(result.check)}: {clean(result.detail)}"
        lines.append(Content.assemble((f"{texts.VERDICTS[result.verdict.value]:<4}", color), said))
        if result.hint and result.verdict is not Verdict.PASS:
            lines.append(Content(f"     {texts.NEXT} {clean(here(result.hint))}"))
    return Content("\n").join(dict.fromkeys(lines))


# Plan


def _plan_counted(plan: Plan) -> str:
    return texts.PLAN_COUNTED.format(
        steps=counted(sum(len(stage.steps) for stage in plan.stages), texts.STEPS_COUNTED),
        stages=counted(len(plan.stages), texts.STAGES),
        hosts=counted(len({step.host for stage in plan.stages for step in stage.steps}), texts.HOSTS),
    )


def _what(proposed: Proposed) -> str:
    """What is proposed, in few words."""
    form = texts.OPERATIONS.get(proposed.proposal.operation, texts.OPERATION)
    product = f"{proposed.spec.name} {proposed.spec.version}".rstrip()
    return form.format(operation=proposed.proposal.operation, cluster=proposed.cluster.name, product=product)


def plan_lead(proposed: Proposed) -> str:
    """What the plan is, above it."""
    said = texts.PLAN_ABOUT.format(what=_what(proposed), counted=_plan_counted(proposed.proposal.plan))
    lead, cost = said + texts.PLAN_LOST * proposed.proposal.plan.destructive, proposed.forecast
    if not cost.sent:
        return lead
    sent, written = size_text(cost.sent), size_text(cost.written_each)
    hosts = counted(cost.hosts, texts.HOSTS)
    time = texts.PLAN_TIME.format(span=span_text(cost.time.least, cost.time.most)) if cost.time else texts.PLAN_NO_TIME
    return f"{lead}\n{texts.PLAN_COST.format(sent=sent, hosts=hosts, written=written)} {time}"


def leased(holders: Sequence[tuple[str, Owner]], cluster: str) -> str:
    """Who has leased hosts, since when and for what; and what it takes to go on."""
    lines = []
    for owner in dict.fromkeys(owner for _, owner in holders):
        names = [host for host, holder in holders if holder == owner]
        said = texts.LEASED.format(
            operator=owner.operator,
            hosts=counted(len(names), texts.HOSTS),
            run=owner.run,
            cluster=owner.cluster,
            since=owner.started,
            names=", ".join(names[:_NAMED]) + " …" * (len(names) > _NAMED),
        )
        lines.append(clean(said))
    return "\n".join([*lines, texts.LEASED_TYPE.format(cluster=cluster)])


def confirm_plan(proposed: Proposed) -> str:
    """What is asked."""
    plan, name = proposed.proposal.plan, proposed.cluster.name
    lines = [texts.CONFIRM_ABOUT.format(what=_what(proposed), counted=_plan_counted(plan))]
    if plan.destructive:
        lost = ", ".join(stage.title for stage in plan.stages if stage.destructive and stage.steps)
        lines.append(texts.CONFIRM_LOST.format(stages=clean(lost)))
        lines.append(texts.CONFIRM_TYPE.format(cluster=name))
    else:
        lines.append(texts.CONFIRM_STOPPABLE)
    return "\n".join(lines)


def stage_label(number: int, stage: Stage) -> Text:
    """A stage in the tree."""
    hosts = counted(len({step.host for step in stage.steps}), texts.HOSTS)
    steps = counted(len(stage.steps), texts.STEPS_COUNTED)
    said = texts.PLAN_STAGE.format(number=number, title=clean(stage.title), steps=steps, hosts=hosts)
    return Text.assemble((texts.PLAN_STAGE_LOST if stage.destructive else "", "bold"), said)


def step_label(title: str, hosts: Sequence[str]) -> Text:
    """A step in the tree, once for all hosts that do it."""
    return Text(texts.PLAN_STEP.format(title=clean(title), hosts=counted(len(hosts), texts.HOSTS)))


def changes(proposal: Proposal) -> str:
    """What changes, host by host; those of which the same is said together."""
    by_host: dict[str, list[str]] = {}
    for change in proposal.changes:
        by_host.setdefault(change.host, []).append(f"  {_SIGNS.get(change.verb, '?')} {clean(change.what)}")
    alike: dict[tuple[str, ...], list[str]] = {}
    for host, said in by_host.items():
        alike.setdefault(tuple(said), []).append(clean(host))
    lines = [line for said, hosts in alike.items() for line in (", ".join(hosts), *said)]
    return "\n".join([*lines, *(texts.PLAN_NOTE.format(text=clean(notice)) for notice in proposal.notices)])


# Run


def whole(view: RunView, drawn: str, *, since: float = 0.0) -> str:
    """The whole run in two lines, `since` seconds after the last thing that was heard of it."""
    at, count = view.stage, len(view.stages)
    stage = texts.RUN_BEGINNING
    if at:
        stage = texts.RUN_STAGE.format(number=at.number + 1, count=count, title=clean(at.title))
    steps, time = counted(view.total, texts.STEPS_COUNTED), duration(view.seconds + since)
    failed = sum(host.failure is not None for host in view.hosts)
    first = texts.RUN_ABOUT.format(operation=view.operation, cluster=clean(view.cluster), stage=stage)
    second = texts.RUN_DONE.format(bar=drawn, done=view.done, steps=steps, time=time)
    second += texts.RUN_PAUSED * view.paused
    return f"{first}\n{second}" + (texts.RUN_FAILED.format(hosts=counted(failed, texts.HOSTS)) if failed else "")


def doing(host: HostView, *, complete: bool, over: bool) -> str:
    """What a host does, in few words; `over`: the run does no more."""
    if host.failure:
        form = texts.LANE_FAILED if host.failure.outcome is Outcome.FAILED else texts.LANE_STOPPED
        return form.format(step=clean(host.failure.title))
    step = host.current
    if complete and step is None:
        return texts.LANE_DONE
    if step is None or over:
        return texts.LANE_ENDED if over else texts.LANE_WAITS
    if not step.total:
        return clean(step.title)
    said = texts.LANE_BYTES.format(done=step.done / _MIB, total=step.total / _MIB, rate=step.rate / _MIB)
    left = step.seconds_left
    return said + (texts.LANE_LEFT.format(time=duration(left)) if left is not None else "")


def lane_detail(host: HostView, why: str) -> Content:
    """What there is to say of a host: why it failed and what to do, or its last output."""
    lines: list[Content] = []
    if failure := host.failure:
        said = texts.LANE_FAILED_AT.format(step=clean(failure.title), why=clean(here(failure.detail or why)))
        lines.append(Content.assemble((clean(host.name), "bold"), said))
        if failure.hint:
            lines.append(Content(f"{texts.NEXT} {clean(here(failure.hint))}"))
    elif host.current:
        lines.append(Content.assemble((clean(host.name), "bold"), f": {clean(host.current.title)}"))
    lines += [Content(plain(line)) for line in host.output[-_OUTPUT_LINES:]]
    return Content("\n").join(lines)


# Cluster


def which_cluster(cluster: KnownCluster | None, at: int, count: int) -> str:
    """Which cluster is shown."""
    if cluster is None:
        return texts.CLUSTER_NONE
    more = texts.CLUSTER_OF.format(number=at + 1, count=count) if count > 1 else ""
    return texts.CLUSTER_SHOWN.format(name=cluster.name) + more + texts.CLUSTER_DESCRIBED * (not cluster.applied)


def run_line(began: datetime, said: str, *, alive: bool) -> Content:
    """A run in the list, with when it began."""
    return Content(clean(texts.RUN_LINE.format(began=began, said=said) + texts.RUN_GOES_ON * alive))
