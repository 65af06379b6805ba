"""Hosts: found, believed, entered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.errors import Unreachable
from appliance.inventory.scan import Scanned
from appliance.operations import sites
from appliance.operations.survey import survey
from appliance.plan.runtime import SiteHost
from appliance.recipe import addresses as ranges
from tui.session import Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from appliance.errors import TransportError
    from appliance.events import Sink
    from appliance.inventory.facts import Facts
    from appliance.inventory.hosts import Host
    from appliance.transport.base import Endpoint
    from appliance.transport.ssh.hostkeys import HostKey, HostKeys
    from appliance.vault import Vault
    from tui.engine import Engine
    from tui.session import Session


def with_keys(engine: Engine, session: Session) -> Session:
    """`session` with what is pinned for its cluster."""
    keys = engine.host_keys(session.written.name)
    machines = tuple(replace(m, pinned=bool(keys.pinned(m.address, session.port(m)))) for m in session.machines)
    return replace(session, machines=machines)


def renamed(engine: Engine, session: Session, before: str) -> Session:
    """`session` after its cluster, until now called `before`, got its name: what was believed and kept still is."""
    if session.written.name != before:
        old, new = engine.host_keys(before), engine.host_keys(session.written.name)
        for machine in session.machines:
            port = session.port(machine)
            if believed := old.pinned(machine.address, port):
                new.pin(machine.address, port, *believed)
        _carry_secrets(session, engine.vault(before), engine.vault(session.written.name))
        engine.folder(before).draft.unlink(missing_ok=True)
    return with_keys(engine, session)


def _carry_secrets(session: Session, old: Vault, new: Vault) -> None:
    """Passwords that came with the description are known under the new name, too."""
    kept = set(old.names())
    for ssh in (session.written.ssh, *(machine.ssh for machine in session.machines)):
        for name in {ssh.password_secret, ssh.become_password_secret, ssh.jump_password_secret} & kept:
            new.put(name, old.get(name))


def expand(text: str) -> tuple[str, ...]:
    """Addresses out of ranges, networks and names, with commas or spaces between; names are asked of the system."""
    words = [word for part in text.split(",") for word in part.split()]
    return ranges.expand([_resolved(word) for word in words], where="addresses")


def scan(
    engine: Engine, session: Session, text: str, *, hear: Callable[[Seen], None], sink: Sink
) -> tuple[Scanned, ...]:
    """Who answers by SSH at the addresses in `text`, and with which keys; `hear` gets each as it comes.

    Hosts behind jump hosts are asked by way of these. Returns those jump hosts that must be believed before that.
    """
    believed = engine.host_keys(session.written.name)

    def heard(found: Scanned) -> None:
        hear(Seen(found, bool(set(found.keys) & set(believed.pinned(found.address, found.port)))))

    ways = [host.endpoint for host in session.hosts_to_enter(expand(text), secret=_secrets(engine, session))]
    by_port: dict[int, list[str]] = {}
    for way in ways:
        if not way.jumps:
            by_port.setdefault(way.port, []).append(way.address)
    for port, addresses in by_port.items():
        engine.scan(addresses, port=port, hear=heard, sink=sink)
    behind = [way for way in ways if way.jumps]
    new = _new_jumps(engine, behind, believed, sink=sink)
    if behind and not new:
        for way, keys in engine.keys_of(behind, believed, sink=sink):
            heard(_shown(way, keys))
    return new


def _new_jumps(engine: Engine, ways: Sequence[Endpoint], believed: HostKeys, *, sink: Sink) -> tuple[Scanned, ...]:
    """Jump hosts whose keys nobody has believed yet, of these the nearest: those behind cannot be asked before."""
    jumps = dict.fromkeys(jump for way in ways for jump in way.stations[:-1])
    new = [jump for jump in jumps if not believed.vouched(jump.address, jump.port)]
    nearest = [jump for jump in new if len(jump.jumps) == min(len(each.jumps) for each in new)]
    found = engine.keys_of(nearest, believed, sink=sink) if nearest else ()
    if silent := {jump.place for jump in nearest} - {jump.place for jump, _ in found}:
        raise Unreachable(f"the jump host {min(silent)} does not answer", hint="check its address, and the way to it")
    return tuple(_shown(jump, keys) for jump, keys in found)


def _shown(endpoint: Endpoint, keys: tuple[HostKey, ...]) -> Scanned:
    return Scanned(endpoint.address, endpoint.port, "", keys, 0.0)


def believe(engine: Engine, session: Session, found: Iterable[Scanned]) -> None:
    """Believe the keys that jump hosts showed, from now on."""
    keys = engine.host_keys(session.written.name)
    for each in found:
        keys.pin(each.address, each.port, *each.keys)


def pin(engine: Engine, session: Session, addresses: Collection[str]) -> None:
    """Believe the keys that these machines showed, from now on; of those in the inventory, the keys that it has."""
    keys = engine.host_keys(session.written.name)
    for machine in session.machines:
        if machine.address in addresses and machine.keys:
            keys.pin(machine.address, session.port(machine), *(machine.alike or machine.keys))


def enter(
    engine: Engine,
    session: Session,
    addresses: Collection[str],
    *,
    hear: Callable[[str, Facts | TransportError], None],
    sink: Sink,
) -> None:
    """Log in to these machines, become root, and ask what they are; `hear` gets each answer as it comes."""
    hosts = session.hosts_to_enter(addresses, secret=_secrets(engine, session))

    def heard(host: Host, answer: SiteHost | TransportError) -> None:
        hear(host.address, answer.facts if isinstance(answer, SiteHost) else answer)

    connect = engine.connect(engine.host_keys(session.written.name))
    with survey(hosts, connect, clock=engine.clock, sink=sink, hear=heard):
        pass


def _secrets(engine: Engine, session: Session) -> Callable[[str], str]:
    """What gives a password that the description names."""
    vault = engine.vault(session.written.name)
    return lambda name: vault.get(name).decode()


def _resolved(word: str) -> str:
    """A name as its address; what is no name stays as it is."""
    if "/" in word or not any(letter.isalpha() for letter in word) or ":" in word:
        return word
    return sites.address_of(word)
