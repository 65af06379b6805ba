"""Whether a site's hosts are fit for what a bundle and a Clusterfile ask: what facts, measures and neighbours say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance import events, plugins
from appliance.inventory import fitness, preflight
from appliance.inventory.preflight import CheckResult, Verdict
from appliance.operations import measuring
from appliance.operations.reach import reach
from appliance.plan.forecast import expected, room, time_said, timed
from appliance.recipe.quantities import size_text
from appliance.recipe.requirements import RequirementKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appliance.clock import Clock
    from appliance.events import Sink
    from appliance.operations.measuring import Measured
    from appliance.operations.survey import Survey
    from appliance.plan.runtime import Runtime, Site, SiteHost
    from appliance.recipe.clusterfile import Distribution
    from appliance.recipe.requirements import Requirement

TIME = "time"
_BANDWIDTH = RequirementKind.BANDWIDTH.value


def measure(
    found: Survey, site: Site, distribution: Distribution, *, clock: Clock, sink: Sink = events.silent
) -> Measured:
    """What is measured before an installation: for its forecast, and for what is asked."""

    def asked(host: SiteHost) -> tuple[Requirement, ...]:
        return preflight.asked_of(host.host, *_sources(site))

    return measuring.measure(
        found,
        asked,
        image=str(site.image),
        sent_each=expected(site, _runtime(site)).sent_each,
        bandwidth=distribution.bandwidth,
        clock=clock,
        sink=sink,
    )


def check(
    found: Survey,
    site: Site,
    distribution: Distribution,
    *,
    architectures: Sequence[str],
    measured: Measured,
) -> tuple[CheckResult, ...]:
    """Judge the hosts of a survey, and those that did not answer; failures first."""
    spec, runtime = site.config.spec, _runtime(site)
    requirements, by_runtime = _sources(site)
    fit = preflight.check_hosts(
        found.hosts,
        requirements,
        by_runtime=by_runtime,
        cluster=site.cluster,
        missing=found.missing,
        roles=spec.roles,
        image=str(site.image),
        architectures=architectures,
        bytes_needed={host.name: room(site, host, runtime) for host in found.hosts},
        network=site.network,
        domains=(site.registry.domain,),
        measures=measured.hosts,
    )
    reached = reach(found, distribution, image=str(site.image))
    return preflight.failures_first((*fit, *reached, *_lines(fit, measured)))


def foretold(site: Site, distribution: Distribution, measured: Measured) -> tuple[CheckResult, ...]:
    """How long an installation takes to send and unpack, as a check that always passes; none if that cannot be told."""
    cost = timed(expected(site, _runtime(site)), measured.rates(), distribution)
    if cost.time is None:
        return ()
    sent = f"at most {size_text(cost.sent)} to send: {time_said(cost)}"
    return (CheckResult(TIME, "", Verdict.PASS, sent),)


def _sources(site: Site) -> tuple[tuple[Requirement, ...], tuple[Requirement, ...]]:
    """What the bundle asks, and what its runtime does."""
    return site.config.spec.requirements, _runtime(site).requirements(site.config)


def _runtime(site: Site) -> Runtime:
    return plugins.runtime(site.config.spec.runtime)


def _lines(fit: Sequence[CheckResult], measured: Measured) -> Iterator[CheckResult]:
    """What was measured of lines for which nothing is asked."""
    judged = {result.host for result in fit if result.check == _BANDWIDTH}
    for name, each in measured.hosts.items():
        if name not in judged and (judgement := fitness.bandwidth(each.bandwidth, 0)):
            yield CheckResult(_BANDWIDTH, name, Verdict.PASS, judgement.detail)
