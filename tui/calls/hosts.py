"""Hosts: found, believed, entered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.operations import sites
from appliance.operations.survey import survey
from appliance.plan.runtime import SiteHost
from appliance.recipe import addresses as ranges
from tui.session import Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from appliance.errors import TransportError
    from appliance.events import Sink
    from appliance.inventory.facts import Facts
    from appliance.inventory.hosts import Host
    from appliance.inventory.scan import Scanned
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
        for name in {ssh.password_secret, ssh.become_password_secret} & kept:
            new.put(name, old.get(name))


def expand(text: str) -> tuple[str, ...]:
    """Addresses out of ranges, networks and names, with commas or spaces between; names are asked of the system."""
    words = [word for part in text.split(",") for word in part.split()]
    return ranges.expand([_resolved(word) for word in words], where="addresses")


def scan(engine: Engine, session: Session, text: str, *, hear: Callable[[Seen], None], sink: Sink) -> None:
    """Who answers by SSH at the addresses in `text`, and with which keys; `hear` gets each as it comes."""
    ports = {machine.address: session.port(machine) for machine in session.machines}
    common = session.access.port or session.written.ssh.port or 22
    by_port: dict[int, list[str]] = {}
    for address in expand(text):
        by_port.setdefault(ports.get(address, common), []).append(address)
    believed = engine.host_keys(session.written.name)

    def heard(found: Scanned) -> None:
        hear(Seen(found, bool(set(found.keys) & set(believed.pinned(found.address, found.port)))))

    for port, addresses in by_port.items():
        engine.scan(addresses, port=port, hear=heard, sink=sink)


def pin(engine: Engine, session: Session, addresses: Collection[str]) -> None:
    """Believe the keys that these machines showed, from now on."""
    keys = engine.host_keys(session.written.name)
    for machine in session.machines:
        if machine.address in addresses and machine.keys:
            keys.pin(machine.address, session.port(machine), *machine.keys)


def enter(
    engine: Engine,
    session: Session,
    addresses: Collection[str],
    *,
    hear: Callable[[str, Facts | TransportError], None],
    sink: Sink,
) -> None:
    """Log in to these machines, become root, and ask what they are; `hear` gets each answer as it comes."""
    vault = engine.vault(session.written.name)
    hosts = session.hosts_to_enter(addresses, secret=lambda name: vault.get(name).decode())

    def heard(host: Host, answer: SiteHost | TransportError) -> None:
        hear(host.address, answer.facts if isinstance(answer, SiteHost) else answer)

    connect = engine.connect(engine.host_keys(session.written.name))
    with survey(hosts, connect, clock=engine.clock, sink=sink, hear=heard):
        pass


def _resolved(word: str) -> str:
    """A name as its address; what is no name stays as it is."""
    if "/" in word or not any(letter.isalpha() for letter in word) or ":" in word:
        return word
    return sites.address_of(word)
