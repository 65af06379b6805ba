"""What a plan changes, per host, in words: the lines that a person reads before saying yes."""

from __future__ import annotations

import posixpath
from collections import Counter
from typing import TYPE_CHECKING

from appliance.plan.footprint import STAMP
from appliance.plan.steps import Change, PutText, Receive, Run, Unpack
from appliance.recipe.bundlefile import APP
from appliance.recipe.quantities import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.plan.runtime import Site, SiteHost
    from appliance.plan.steps import Plan, Step

_LISTED = 3
"""Files that are named one by one; of more, the folders are."""
_BEFORE_A_START = ("reload", "enable")
"""What a service that starts takes anyway: to be told to systemd, and to be started at boot."""


def changes(site: Site, plan: Plan) -> tuple[Change, ...]:
    """The changes on each host, in the site's order: what is added, what changes, what goes. Checks are no changes."""
    coming, going = _by_host(plan, destructive=False), _by_host(plan, destructive=True)
    return tuple(
        change
        for host in site.hosts
        for change in _on_host(site, host, coming.get(host.name, []), going.get(host.name, []))
    )


def _by_host(plan: Plan, *, destructive: bool) -> dict[str, list[Step]]:
    steps: dict[str, list[Step]] = {}
    for step in (step for stage in plan.stages if stage.destructive is destructive for step in stage.steps):
        steps.setdefault(step.host, []).append(step)
    return steps


def _on_host(site: Site, host: SiteHost, coming: list[Step], going: list[Step]) -> Iterator[Change]:
    if coming and not host.stamp:
        yield Change("add", host.name, f"joins {site.cluster} as {', '.join(host.host.roles)}")
    yield from _image(site, host, coming)
    yield from _files(host, coming)
    verb = "change" if host.stamp else "add"
    shown = [step for step in coming if _is_shown(step)]
    if any(_is_about(step, "start") for step in shown):
        shown = [step for step in shown if not any(_is_about(step, verb) for verb in _BEFORE_A_START)]
    yield from (Change(verb, host.name, _lower(step.title)) for step in shown)
    yield from (Change("remove", host.name, _lower(step.title)) for step in going if isinstance(step.action, Run))


def _image(site: Site, host: SiteHost, steps: list[Step]) -> Iterator[Change]:
    size = sum(blob.size for step in steps if isinstance(step.action, Receive) for blob in step.action.blobs)
    if size:
        yield Change("add", host.name, f"up to {size_text(size)} are sent")
    if any(isinstance(step.action, Unpack) for step in steps):
        spec = site.config.spec
        title = f"programs of {spec.name} {spec.version}"
        if spec.kind == APP:
            yield Change("add", host.name, title)
        elif host.stamp and host.stamp.image == str(site.image):
            yield Change("change", host.name, f"{title} are put right")
        elif host.stamp and host.stamp.version:
            yield Change("change", host.name, f"{title}, where {host.stamp.version} is installed")
        else:
            yield Change("add", host.name, title)


def _files(host: SiteHost, steps: list[Step]) -> Iterator[Change]:
    known = frozenset(host.stamp.receipt.files) if host.stamp else frozenset()
    paths = [step.action.path for step in steps if isinstance(step.action, PutText) and step.action.path != STAMP]
    for verb, some in (
        ("add", [path for path in paths if path not in known]),
        ("change", [path for path in paths if path in known]),
    ):
        if len(some) <= _LISTED:
            yield from (Change(verb, host.name, path) for path in some)
        else:
            folders = Counter(posixpath.dirname(path) for path in some)
            yield from (
                Change(verb, host.name, f"{count} file{'s'[: count > 1]} in {folder}")
                for folder, count in sorted(folders.items())
            )


def _is_shown(step: Step) -> bool:
    """Commands of the runtime; those of the planner (``HOST/keep``, ``HOST/helper``) have no subject in their id."""
    return isinstance(step.action, Run) and ":" in step.id


def _is_about(step: Step, verb: str) -> bool:
    return f"/{verb}:" in step.id


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]
