"""Whether hosts are fit: checks that turn facts and requirements into results, each with why and what to do. Pure."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from ipaddress import ip_address
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from appliance import canonical
from appliance.inventory import fitness, hindrances, likeness
from appliance.inventory.facts import NEEDED_COMMANDS
from appliance.inventory.fitness import Judgement
from appliance.inventory.hindrances import Meeting
from appliance.inventory.measures import Measures
from appliance.recipe.networking import Network
from appliance.recipe.requirements import Hindrance, Level, Requirement, RequirementKind, Trait, settled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from appliance.errors import TransportError
    from appliance.inventory.facts import Facts, NodeStamp
    from appliance.inventory.hosts import Host
    from appliance.recipe.bundlefile import RoleSpec

DEFAULTS = (
    Requirement(RequirementKind.CLOCK_SKEW, level=Level.WARN, amount=5),
    Requirement(RequirementKind.UNIQUE, level=Level.WARN, names=(Trait.MAC, Trait.HOSTNAME)),
)
"""What is asked where nobody says something else about it."""
_EVERY_HOST = "all"
_LEASE_BYTES = 4096
_NETWORK = Network()


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

    requirements: tuple[Sequence[Requirement], ...]
    cluster: str
    image: str
    architectures: Sequence[str]
    bytes_needed: Mapping[str, Mapping[str, int]]
    ports: Mapping[str, Collection[int]]
    run: str
    meeting: Meeting
    measures: Mapping[str, Measures]
    shared: Mapping[Trait, Counter[str]]

    def of(self, host: Host) -> tuple[Requirement, ...]:
        """See `asked_of`."""
        return asked_of(host, *self.requirements)


def check_hosts(
    hosts: Sequence[Examined],
    requirements: Sequence[Requirement],
    *,
    cluster: str,
    missing: Sequence[tuple[Host, TransportError]] = (),
    roles: Sequence[RoleSpec] = (),
    image: str = "",
    architectures: Sequence[str] = (),
    bytes_needed: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
    ports: Mapping[str, Collection[int]] = MappingProxyType({}),
    run: str = "",
    by_runtime: Sequence[Requirement] = (),
    network: Network = _NETWORK,
    domains: tuple[str, ...] = (),
    measures: Mapping[str, Measures] = MappingProxyType({}),
) -> tuple[CheckResult, ...]:
    """Check `hosts`, and those `missing` because they did not answer, for an installation of `cluster`; failures first.

    `architectures` are those that there is something for (none: any). `bytes_needed` is what will be written, in bytes
    by host name and folder; a host whose stamp names `image` has it already. `ports` are those of our own services by
    host name; on a host of this cluster's all that listen are ours. A lease of the run with the id `run` is nobody
    else's. What `requirements` say goes before what is asked for `by_runtime`. `network` and `domains` are the
    cluster's own, `measures` what was measured, by host name.
    """
    everyone = [*(each.host for each in hosts), *(host for host, _ in missing)]
    needs = _Needs(
        (requirements, by_runtime),
        cluster,
        image,
        architectures,
        bytes_needed,
        ports,
        run,
        Meeting(network, tuple(host.address for host in everyone if host.address), domains),
        measures,
        {trait: likeness.shared(trait, (each.facts for each in hosts)) for trait in Trait},
    )
    machines = Counter(each.facts.machine_id for each in hosts)
    results = [*unreachable(missing), *_together(everyone, roles), *_clocks(hosts, needs)]
    for each in hosts:
        results.extend(_everywhere(each, machines))
        results.extend(_required(each, needs))
        results.extend(_whose(each, needs))
    return failures_first(results)


def asked_of(host: Host, *sources: Sequence[Requirement]) -> tuple[Requirement, ...]:
    """What is asked of a host by its roles; about one thing, who comes first is right, and `DEFAULTS` come last."""
    mine = {*host.roles, _EVERY_HOST}
    return settled(*([one for one in said if not one.roles or mine & {*one.roles}] for said in (*sources, DEFAULTS)))


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
    yield _judged("machine-id", each, likeness.machine_id(facts, machines))
    if strange := _strange(each):
        yield strange


def _strange(each: Examined) -> CheckResult | None:
    """A warning where the host is known by an address that it has not itself, as behind a translator of addresses."""
    known, own = each.host.address, each.facts.addresses
    try:
        address = ip_address(known)
    except ValueError:  # a name, or this machine
        return None
    if not own or address in map(ip_address, own) or address.is_loopback or address.is_link_local:
        return None
    detail = f"{known} is none of its own addresses ({', '.join(own)}), and services are told it"
    hint = "write the host down by one of its own, with HostName for the way to it in ~/.ssh/config (docs/operator.md)"
    return CheckResult("address", each.host.name, Verdict.WARN, detail, hint)


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


def _required(each: Examined, needs: _Needs) -> Iterator[CheckResult]:
    """What this installation asks for."""
    facts, stamp = each.facts, own_stamp(each.facts)
    ours = {*needs.ports.get(each.host.name, ())}
    if stamp and stamp.cluster == needs.cluster:
        ours.update(facts.listening_ports)
    if needs.architectures:
        yield _judged("arch", each, fitness.architecture(facts, needs.architectures))
    for requirement in needs.of(each.host):
        yield from _asked(each, requirement, needs, ours=ours)
    written = needs.bytes_needed.get(each.host.name)
    if written and not (stamp and needs.image and stamp.image == needs.image):
        yield _judged("room", each, fitness.room_for(written, facts))
        yield _judged("inodes", each, fitness.inodes_for(written, facts))


def _asked(each: Examined, requirement: Requirement, needs: _Needs, *, ours: Collection[int]) -> Iterator[CheckResult]:
    """A requirement held against a host: a result for it, or for each of its names."""
    facts, level, measured = each.facts, requirement.level, needs.measures.get(each.host.name, Measures())
    match requirement.kind:
        case RequirementKind.UNIQUE:
            for trait in map(Trait, requirement.names):
                yield _judged(trait, each, likeness.unlike(trait, facts, needs.shared[trait]), level)
        case RequirementKind.WITHOUT:
            stamp = own_stamp(facts)
            mine = bool(stamp and stamp.cluster == needs.cluster)
            for one in map(Hindrance, requirement.names):
                yield _judged(one, each, hindrances.judge(one, facts, needs.meeting, ours=mine), level)
        case RequirementKind.FSYNC:
            yield _measured(each, requirement, fitness.syncing(measured.syncs(requirement.path), requirement.amount))
        case RequirementKind.BANDWIDTH:
            yield _measured(each, requirement, fitness.bandwidth(measured.bandwidth, requirement.amount))
        case _:
            yield _judged(requirement.kind, each, fitness.judge(requirement, facts, ours=ours), level)


def _measured(each: Examined, requirement: Requirement, judgement: Judgement | None) -> CheckResult:
    """The result of what was measured; that it was not, is said and stops nothing."""
    if judgement is None:
        return CheckResult(requirement.kind, each.host.name, Verdict.PASS, "not measured")
    return _judged(requirement.kind, each, judgement, requirement.level)


def _clocks(hosts: Sequence[Examined], needs: _Needs) -> Iterator[CheckResult]:
    """How far hosts' clocks are from each other's; what one is from ours, is judged with the host."""
    asked = [one for each in hosts for one in needs.of(each.host) if one.kind is RequirementKind.CLOCK_SKEW]
    if len(hosts) > 1 and asked:
        strictest = min(asked, key=lambda one: one.amount)
        judgement = likeness.apart({each.host.name: each.facts.clock_skew for each in hosts}, strictest.amount)
        verdict = Verdict.PASS if judgement.fit else Verdict(strictest.level.value)
        yield _result("clocks", "", verdict, judgement.detail, judgement.hint)


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
