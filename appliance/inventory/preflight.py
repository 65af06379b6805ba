"""Whether hosts are fit: checks that turn facts and requirements into results, each with why and what to do. Pure."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from appliance import canonical
from appliance.inventory import fitness
from appliance.inventory.facts import NEEDED_COMMANDS
from appliance.inventory.fitness import Judgement
from appliance.recipe.requirements import Level, Requirement, RequirementKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from appliance.errors import TransportError
    from appliance.inventory.facts import Facts, NodeStamp
    from appliance.inventory.hosts import Host
    from appliance.recipe.bundlefile import RoleSpec

DEFAULT_SKEW = Requirement(RequirementKind.CLOCK_SKEW, level=Level.WARN, amount=5)
_EVERY_HOST = "all"
_LEASE_BYTES = 4096


class Verdict(enum.StrEnum):
    """What a check found."""

    PASS = "pass"  # noqa: S105  (a verdict)
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check on one host: `detail` says what was found, `hint` the next action. No host: on the whole cluster."""

    check: str
    host: str
    verdict: Verdict
    detail: str
    hint: str = ""


class Examined(Protocol):
    """A host with what was found on it."""

    @property
    def host(self) -> Host:
        """The host as the cluster has it."""
        ...

    @property
    def facts(self) -> Facts:
        """What it is."""
        ...


@dataclass(frozen=True, slots=True)
class _Needs:
    """What is asked of every host; see `check_hosts`."""

    requirements: Sequence[Requirement]
    cluster: str
    image: str
    architectures: Sequence[str]
    bytes_needed: Mapping[str, int]
    ports: Mapping[str, Collection[int]]
    run: str


def check_hosts(
    hosts: Sequence[Examined],
    requirements: Sequence[Requirement],
    *,
    cluster: str,
    missing: Sequence[tuple[Host, TransportError]] = (),
    roles: Sequence[RoleSpec] = (),
    image: str = "",
    architectures: Sequence[str] = (),
    bytes_needed: Mapping[str, int] = MappingProxyType({}),
    ports: Mapping[str, Collection[int]] = MappingProxyType({}),
    run: str = "",
) -> tuple[CheckResult, ...]:
    """Check `hosts`, and those `missing` because they did not answer, for an installation of `cluster`; failures first.

    `architectures` are those that there is something for (none: any). `bytes_needed` is what will be written, in bytes
    by folder; a host whose stamp names `image` has it already. `ports` are those of our own services by host name; on
    a host of this cluster's all that listen are ours. A lease of the run with the id `run` is nobody else's.
    """
    needs = _Needs(requirements, cluster, image, architectures, bytes_needed, ports, run)
    everyone = [*(each.host for each in hosts), *(host for host, _ in missing)]
    machines = Counter(each.facts.machine_id for each in hosts)
    results = [*unreachable(missing), *_together(everyone, roles)]
    for each in hosts:
        results.extend(_everywhere(each, machines))
        results.extend(_required(each, needs))
        results.extend(_whose(each, needs))
    return failures_first(results)


def failures_first(results: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """Failures, then warnings, then the rest; within these as they came."""
    order = (Verdict.FAIL, Verdict.WARN, Verdict.PASS)
    return tuple(sorted(results, key=lambda result: order.index(result.verdict)))


def unreachable(missing: Sequence[tuple[Host, TransportError]]) -> tuple[CheckResult, ...]:
    """A failure for each host that could not be used, in the words of its error."""
    return tuple(
        CheckResult("reach", host.name, Verdict.FAIL, str(error), error.hint or "see that the host can be reached")
        for host, error in missing
    )


def own_stamp(facts: Facts) -> NodeStamp | None:
    """The host's stamp, unless it is another machine's, which came here with a copied disk: that counts as none."""
    return facts.stamp if facts.stamp and facts.stamp.machine_id == facts.machine_id else None


def _result(check: str, host: str, verdict: Verdict, detail: str, hint: str = "") -> CheckResult:
    return CheckResult(check, host, verdict, detail, "" if verdict is Verdict.PASS else hint)


def _judged(check: str, each: Examined, judgement: Judgement, level: Level = Level.FAIL) -> CheckResult:
    verdict = Verdict.PASS if judgement.fit else Verdict(level.value)
    return _result(check, each.host.name, verdict, judgement.detail, judgement.hint)


def _together(hosts: Sequence[Host], roles: Sequence[RoleSpec]) -> Iterator[CheckResult]:
    """What concerns hosts together: each once, and odd numbers of those that vote."""
    counted = Counter([*(host.endpoint.place for host in hosts), *(host.name for host in hosts)])
    doubles = ", ".join(name for name, count in counted.items() if count > 1)
    verdict = Verdict.FAIL if doubles else Verdict.PASS
    detail = f"listed twice: {doubles}" if doubles else f"{len(hosts)} hosts, each listed once"
    yield _result("duplicates", "", verdict, detail, "list each host once, with all of its roles")
    for role in roles:
        count = sum(role.name in host.roles for host in hosts)
        if role.odd and count:
            verdict = Verdict.PASS if count % 2 else Verdict.WARN
            hint = "an even number survives no more failures than one host less: add one, or take one out"
            yield _result("odd number", "", verdict, f"{count} hosts of role {role.name}", hint)


def _everywhere(each: Examined, machines: Counter[str]) -> Iterator[CheckResult]:
    """What every host must have, whatever is installed."""
    facts = each.facts
    yield _judged("root", each, _root(facts))
    yield _judged("systemd", each, _systemd(facts))
    yield _judged("commands", each, _commands(facts))
    yield _judged("machine-id", each, _machine_id(facts, machines))


def _root(facts: Facts) -> Judgement:
    return Judgement(
        facts.root,
        "commands run as root" if facts.root else "commands do not run as root",
        "enter as root, or give --become sudo",
    )


def _systemd(facts: Facts) -> Judgement:
    detail = f"systemd {facts.systemd}" if facts.systemd else "systemd does not run this machine"
    return Judgement(facts.systemd > 0, detail, "choose a machine whose services systemd runs")


def _commands(facts: Facts) -> Judgement:
    lacking = ", ".join(name for name in NEEDED_COMMANDS if name not in facts.commands)
    detail = f"not there: {lacking}" if lacking else ", ".join(NEEDED_COMMANDS)
    return Judgement(not lacking, detail, "install them (coreutils, tar, gzip, systemd), or mend root's PATH")


def _machine_id(facts: Facts, machines: Counter[str]) -> Judgement:
    if not facts.machine_id:
        return Judgement(fit=False, detail="/etc/machine-id is empty", hint="run systemd-machine-id-setup on the host")
    if machines[facts.machine_id] > 1:
        hint = "the same machine under two addresses: list it once; a copied disk: give each a new /etc/machine-id"
        return Judgement(fit=False, detail=f"{facts.machine_id} is another host's, too", hint=hint)
    return Judgement(fit=True, detail=facts.machine_id)


def _required(each: Examined, needs: _Needs) -> Iterator[CheckResult]:
    """What this installation asks for."""
    facts, stamp = each.facts, own_stamp(each.facts)
    ours = {*needs.ports.get(each.host.name, ())}
    if stamp and stamp.cluster == needs.cluster:
        ours.update(facts.listening_ports)
    if needs.architectures:
        yield _judged("arch", each, fitness.architecture(facts, needs.architectures))
    mine = [one for one in needs.requirements if not one.roles or set(one.roles) & {*each.host.roles, _EVERY_HOST}]
    for requirement in mine:
        yield _judged(requirement.kind.value, each, fitness.judge(requirement, facts, ours=ours), requirement.level)
    if all(one.kind is not RequirementKind.CLOCK_SKEW for one in mine):
        yield _judged("clockSkew", each, fitness.judge(DEFAULT_SKEW, facts), DEFAULT_SKEW.level)
    if needs.bytes_needed and not (stamp and needs.image and stamp.image == needs.image):
        yield _judged("room", each, fitness.room_for(needs.bytes_needed, facts))
        yield _judged("inodes", each, fitness.inodes_for(tuple(needs.bytes_needed), facts))


def _whose(each: Examined, needs: _Needs) -> Iterator[CheckResult]:
    """Whether the host is free for this cluster."""
    yield _stamp(each, needs.cluster)
    run, holder = _leaseholder(each.facts.lease)
    verdict = Verdict.PASS if run is None or (run and run == needs.run) else Verdict.WARN
    hint = "wait until that run has ended; what a dead run left is resumed, or taken over with --take-over"
    yield _result("lease", each.host.name, verdict, holder, hint)


def _stamp(each: Examined, cluster: str) -> CheckResult:
    facts, host, stamp = each.facts, each.host.name, own_stamp(each.facts)
    if facts.stamp_error:
        hint = "use the version that wrote it; if it is damaged, and only then, remove /etc/appliance/node.json"
        return _result(
            "stamp", host, Verdict.FAIL, f"/etc/appliance/node.json cannot be read: {facts.stamp_error}", hint
        )
    if stamp and stamp.cluster != cluster:
        hint = f"choose another host, or run 'appliance reset' for {stamp.cluster} first"
        return _result("stamp", host, Verdict.FAIL, f"belongs to cluster {stamp.cluster} ({stamp.version})", hint)
    if stamp:
        return _result("stamp", host, Verdict.PASS, f"version {stamp.version} of this cluster is installed")
    if facts.stamp:
        hint = "nothing to do if the disk was copied on purpose"
        detail = f"the stamp of another machine, of cluster {facts.stamp.cluster}, is treated as absent"
        return _result("stamp", host, Verdict.WARN, detail, hint)
    return _result("stamp", host, Verdict.PASS, "nothing is installed")


def _leaseholder(lease: str) -> tuple[str | None, str]:
    """The id of the run that leases a host (None: none does; empty: nobody knows which), and a sentence about it."""
    if not lease:
        return None, "no run leases the host"
    try:
        owner = canonical.loads(lease.encode(), limit=_LEASE_BYTES)
        return str(owner["run"]), f"leased by {owner['operator']} for run {owner['run']} of cluster {owner['cluster']}"
    except (ValueError, KeyError, TypeError):
        return "", "leased by a run that cannot be named"
