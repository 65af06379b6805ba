"""What an operator changes: each a function from one `Session` to the next. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.inventory.hosts import Access
from appliance.inventory.roles import propose_roles
from appliance.recipe.clusterfile import HostGroup, SshSettings
from appliance.recipe.importing.hostlist import by_role
from appliance.recipe.siteapps import SiteApp, with_app
from tui import texts
from tui.session import Entry, Machine, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from appliance.errors import TransportError
    from appliance.inventory.facts import Facts
    from appliance.inventory.preflight import CheckResult
    from appliance.recipe.clusterfile import Cluster
    from appliance.recipe.importing.hostlist import ListedHost
    from appliance.recipe.networking import Network
    from tui.session import Delivery, Seen


def with_delivery(session: Session, delivery: Delivery) -> Session:
    """`session` about another delivery, or more known of it; a cluster gets the bundle's name if it has none.

    What was described for another product is none of this one's.
    """
    product = delivery.spec.name if delivery.spec else session.product
    if session.product not in ("", product):
        session = Session(access=replace(session.access, own={}))
    written = session.written
    if delivery.spec and not delivery.added and not written.name:
        written = replace(written, name=product)
    return replace(session, delivery=delivery, product=product, written=written, checks=(), proposed=None)


def with_cluster(session: Session, cluster: Cluster) -> Session:
    """`session` with an imported Clusterfile; what is known of its machines stays."""
    known = {machine.address: machine for machine in session.machines}
    machines = tuple(
        _described(known.get(address, Machine(address)), group)
        for group in cluster.hosts
        for address in group.addresses
    )
    return _anew(replace(session, written=replace(cluster, hosts=()), machines=machines))


def _described(machine: Machine, group: HostGroup) -> Machine:
    """`machine` as a member of `group`; what is known of its keys stays, where that says nothing of them."""
    prints = group.fingerprints.get(machine.address, machine.fingerprints)
    return replace(machine, roles=group.roles, labels=group.labels, ssh=group.ssh, fingerprints=prints)


def with_name(session: Session, name: str) -> Session:
    """`session` for a cluster of this name; keys that are pinned for another cluster are not for this one."""
    if name == session.written.name:
        return session
    machines = tuple(replace(machine, pinned=False) for machine in session.machines)
    return _anew(replace(session, written=replace(session.written, name=name), machines=machines))


def with_parameters(session: Session, values: Mapping[str, object]) -> Session:
    """`session` with these values and no others; what is left out has the bundle's default."""
    written = session.written
    if session.added:
        app = SiteApp(f"{session.spec.name}:{session.spec.version}", dict(values))
        return _anew(replace(session, written=replace(written, apps=with_app(written.apps, app))))
    return _anew(replace(session, written=replace(written, parameters=dict(values))))


def with_network(session: Session, network: Network) -> Session:
    """`session` whose cluster has these networks of its own."""
    if network == session.written.network:
        return session
    return _anew(replace(session, written=replace(session.written, network=network)))


def with_access(session: Session, access: Access, addresses: Collection[str] = ()) -> Session:
    """`session` whose hosts are entered so: those at `addresses`, or all that have no way of their own."""

    def said(ssh: SshSettings) -> SshSettings:
        become = access.become.value if access.become else ""
        key = str(access.key or "")
        return replace(ssh, user=access.user, port=access.port, key=key, become=become, jump=access.jump)

    if addresses:
        own = {**session.access.own, **dict.fromkeys(addresses, access)}
        changed = _each(
            session, addresses, lambda m: _judged(replace(m, ssh=said(m.ssh), entry=Entry.UNTRIED, problem=""))
        )
        return _anew(replace(changed, access=replace(session.access, own=own)))
    access = replace(access, own=session.access.own, config=session.access.config)
    ssh = said(session.written.ssh)
    machines = tuple(_judged(replace(machine, entry=Entry.UNTRIED, problem="")) for machine in session.machines)
    return _anew(replace(session, access=access, written=replace(session.written, ssh=ssh), machines=machines))


def way_in(session: Session, addresses: Collection[str]) -> tuple[Access, SshSettings]:
    """How the first of these machines is entered, or, without any, all; for a form to begin with."""
    first = next((machine for machine in session.machines if machine.address in addresses), None)
    if first is None:
        return session.access, session.written.ssh
    own = session.access.own.get(first.address, Access())
    common, ssh = session.access, session.written.ssh
    shown = replace(
        first.ssh,
        user=first.ssh.user or common.user or ssh.user,
        port=session.port(first),
        key=first.ssh.key or str(common.key or ssh.key or ""),
        become=first.ssh.become or (common.become.value if common.become else ssh.become),
        jump=first.ssh.jump or common.jump or ssh.jump,
    )
    return replace(own, user="", port=0, key=None, become=None, jump=""), shown


def with_hosts(session: Session, hosts: Sequence[ListedHost]) -> Session:
    """`session` with the hosts of a list, in the roles of the bundle that their groups mean; others stay."""
    roles = [role.name for role in session.spec.roles]
    groups, others = by_role(hosts, roles)
    known = {machine.address: machine for machine in session.machines}
    alone = (HostGroup((), (), host.labels, host.ssh).joined(host.address, host.fingerprints) for host in others)
    for group in (*groups, *alone):
        for address in group.addresses:
            known[address] = _described(known.get(address, Machine(address)), group)
    order = dict.fromkeys([*(machine.address for machine in session.machines), *(host.address for host in hosts)])
    return _anew(replace(session, machines=tuple(known[address] for address in order)))


def with_scanned(session: Session, found: Iterable[Seen]) -> Session:
    """`session` with machines that answered a scan; those known before get the keys that they show now."""
    machines = {machine.address: machine for machine in session.machines}
    for seen in found:
        address = seen.host.address
        machine = machines.get(address, Machine(address))
        machines[address] = _judged(replace(machine, keys=seen.host.keys, pinned=seen.pinned or machine.pinned))
    return replace(session, machines=tuple(machines.values()))


def _judged(machine: Machine) -> Machine:
    """`machine`, which is not entered if it shows other keys than its inventory has."""
    if machine.unlike:
        return replace(machine, entry=Entry.REFUSED, problem=texts.KEYS_UNLIKE, hint=texts.KEYS_UNLIKE_HINT)
    if machine.problem == texts.KEYS_UNLIKE:
        return replace(machine, entry=Entry.UNTRIED, problem="", hint="")
    return machine


def with_pinned(session: Session, addresses: Collection[str]) -> Session:
    """`session` with the keys of these machines confirmed."""
    return _each(session, addresses, lambda machine: replace(machine, pinned=True))


def with_answer(session: Session, address: str, answer: Facts | TransportError) -> Session:
    """`session` with what a machine said when it was entered, or why it could not be."""

    def heard(machine: Machine) -> Machine:
        if isinstance(answer, Exception):
            problem = answer.message
            return replace(machine, entry=Entry.REFUSED, problem=problem, hint=answer.hint)
        return replace(machine, entry=Entry.ENTERED, facts=answer, problem="", hint="")

    return _each(session, (address,), heard)


def trying(session: Session, addresses: Collection[str]) -> Session:
    """`session` while these machines are being entered."""
    return _each(session, addresses, lambda machine: replace(machine, entry=Entry.TRYING, problem="", hint=""))


def untried(session: Session) -> Session:
    """`session` after an attempt was broken off: nobody is being entered any more."""
    still = {machine.address for machine in session.machines if machine.entry is Entry.TRYING}
    return _each(session, still, lambda machine: replace(machine, entry=Entry.UNTRIED))


def with_roles(session: Session, addresses: Collection[str], roles: tuple[str, ...]) -> Session:
    """`session` with these roles for these machines."""
    return _anew(_each(session, addresses, lambda machine: replace(machine, roles=roles)))


def with_next_role(session: Session, addresses: Collection[str]) -> Session:
    """`session` with what comes after the first machine's role for all of these machines."""
    first = next((machine for machine in session.machines if machine.address in addresses), None)
    if first is None:
        return session
    order = session.roles
    place = order.index(first.roles) if first.roles in order else -1
    return with_roles(session, addresses, order[(place + 1) % len(order)])


def with_proposed_roles(session: Session) -> Session:
    """`session` with roles for all machines, by count and hardware."""
    facts = {machine.address: machine.facts for machine in session.machines if machine.facts}
    addresses = [machine.address for machine in session.machines]
    if not session.spec.roles:
        return with_roles(session, addresses, ("worker",))
    chosen = propose_roles(addresses, session.spec.roles, facts)
    machines = tuple(replace(machine, roles=chosen[machine.address]) for machine in session.machines)
    return _anew(replace(session, machines=machines))


def with_labels(session: Session, addresses: Collection[str], labels: Mapping[str, str]) -> Session:
    """`session` with these labels for these machines."""
    return _anew(_each(session, addresses, lambda machine: replace(machine, labels=dict(labels))))


def without(session: Session, addresses: Collection[str]) -> Session:
    """`session` without these machines."""
    kept = tuple(machine for machine in session.machines if machine.address not in addresses)
    return _anew(replace(session, machines=kept))


def with_checks(session: Session, results: Iterable[CheckResult]) -> Session:
    """`session` with what preflight found."""
    return replace(session, checks=tuple(results), proposed=None)


def _each(session: Session, addresses: Collection[str], change: Callable[[Machine], Machine]) -> Session:
    chosen = frozenset(addresses)
    machines = tuple(change(machine) if machine.address in chosen else machine for machine in session.machines)
    return replace(session, machines=machines)


def _anew(session: Session) -> Session:
    """What was checked and proposed for another description counts no more."""
    return replace(session, checks=(), proposed=None, run=None)
