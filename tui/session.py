"""What the guide knows: the delivery, the Clusterfile in the making, how hosts are entered, what they said. Pure.

`tui.changes` makes one `Session` of another. Passwords are here, in memory, and nowhere else.
"""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from appliance.inventory.hosts import Access, Host, written_hosts
from appliance.recipe.clusterfile import Cluster, HostGroup, SshSettings
from appliance.recipe.siteapps import at_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from appliance.inventory.facts import Facts
    from appliance.inventory.preflight import CheckResult
    from appliance.inventory.scan import Scanned
    from appliance.operations.propose import Proposed
    from appliance.operations.verification import VerifyReport
    from appliance.recipe.bundlefile import BundleSpec
    from appliance.state import RunDir
    from appliance.transport.ssh.hostkeys import HostKey


class Step(enum.IntEnum):
    """The way through, in order."""

    OPEN = 1
    HOSTS = 2
    SETTINGS = 3
    PREFLIGHT = 4
    PLAN = 5
    RUN = 6


class Entry(enum.Enum):
    """Whether a machine can be entered, as far as is known."""

    UNTRIED = "untried"
    TRYING = "trying"
    ENTERED = "entered"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The bundle at `path`, believed because of `anchors` besides the site's store, and what was found of it.

    `spec` and `image` are None and empty until it is verified; `added`: it is an application, to go onto a cluster.
    """

    path: Path
    anchors: tuple[str, ...] = ()
    report: VerifyReport | None = None
    spec: BundleSpec | None = None
    image: str = ""
    added: bool = False
    accepted: bool = False

    @property
    def usable(self) -> bool:
        """Whether it is verified, and its licence, if it has one, accepted."""
        return self.spec is not None and (self.accepted or not self.spec.license)


@dataclass(frozen=True, slots=True)
class Machine:
    """A host of the site: what is written of it, what it showed (`keys`), and what it said once entered (`facts`).

    `fingerprints` are those of its keys, as far as its inventory carries them.
    """

    address: str
    roles: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    ssh: SshSettings = field(default_factory=SshSettings)
    fingerprints: tuple[str, ...] = ()
    keys: tuple[HostKey, ...] = ()
    pinned: bool = False
    entry: Entry = Entry.UNTRIED
    facts: Facts | None = None
    problem: str = ""
    hint: str = ""

    @property
    def alike(self) -> tuple[HostKey, ...]:
        """Those of its keys that are as in the inventory."""
        return tuple(key for key in self.keys if key.fingerprint in self.fingerprints)

    @property
    def unlike(self) -> bool:
        """Whether it shows other keys than its inventory has."""
        return bool(self.keys and self.fingerprints and not self.pinned and not self.alike)


@dataclass(frozen=True, slots=True)
class Seen:
    """A host that answered a scan, and whether a key that it shows is believed already."""

    host: Scanned
    pinned: bool


def in_order(address: str) -> tuple[int, int]:
    """What sorts IP addresses as people do."""
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed)


def _alike(one: HostGroup, other: HostGroup) -> bool:
    """Whether hosts of both can be written together."""
    return (one.roles, one.labels, one.ssh) == (other.roles, other.labels, other.ssh)


@dataclass(frozen=True, slots=True)
class Session:
    """All of it. `written` is the Clusterfile without its hosts, which are `machines`; `product`: whose that is."""

    delivery: Delivery | None = None
    written: Cluster = field(default_factory=lambda: Cluster(""))
    machines: tuple[Machine, ...] = ()
    access: Access = field(default_factory=Access)
    checks: tuple[CheckResult, ...] = ()
    proposed: Proposed | None = None
    run: RunDir | None = None
    product: str = ""

    @property
    def verified(self) -> Delivery:
        """The delivery; `ValueError` unless it is verified."""
        if self.delivery is None or self.delivery.spec is None:
            raise ValueError("no delivery is verified")
        return self.delivery

    @property
    def spec(self) -> BundleSpec:
        """What the delivery's ``bundle.yaml`` says; `ValueError` unless it is verified."""
        if self.delivery is None or self.delivery.spec is None:
            raise ValueError("no delivery is verified")
        return self.delivery.spec

    @property
    def added(self) -> bool:
        """Whether the delivery is an application, which goes onto a cluster that is there."""
        return self.delivery is not None and self.delivery.added

    @property
    def parameters(self) -> Mapping[str, object]:
        """What is set of the delivery's parameters."""
        if not self.added:
            return self.written.parameters
        return next((app.parameters for app in self.written.apps if app.name == self.spec.name), {})

    @property
    def cluster(self) -> Cluster:
        """The Clusterfile as it stands: hosts that have a role, neighbours that are alike together.

        Their order is kept, as their names come of it.
        """
        groups: list[HostGroup] = []
        for machine in self.chosen:
            group = HostGroup((), machine.roles, machine.labels, machine.ssh)
            if groups and _alike(groups[-1], group):
                group = groups.pop()
            groups.append(group.joined(machine.address, machine.fingerprints))
        described = replace(self.written, hosts=tuple(groups))
        if self.added:
            return replace(described, apps=at_version(described.apps, f"{self.spec.name}:{self.spec.version}"))
        image = self.delivery.image if self.delivery else ""
        return replace(described, image=image or described.image)

    @property
    def chosen(self) -> tuple[Machine, ...]:
        """The machines that have a role."""
        return tuple(machine for machine in self.machines if machine.roles)

    @property
    def names(self) -> Mapping[str, str]:
        """The hosts' names in the cluster, by address."""
        hosts = written_hosts(self.cluster, Access(), secret=lambda _: "")
        return {host.address: host.name for host in hosts}

    @property
    def unpinned(self) -> tuple[Machine, ...]:
        """Machines whose keys nobody has confirmed; not those that show others than their inventory has."""
        return tuple(m for m in self.machines if m.keys and not m.pinned and not m.unlike)

    @property
    def roles(self) -> tuple[tuple[str, ...], ...]:
        """What a machine can be, in the order in which one key goes through them; last: not part of the cluster."""
        single = [(role.name,) for role in self.spec.roles] or [("worker",)]
        both = [tuple(role.name for role in self.spec.roles)] if len(self.spec.roles) > 1 else []
        return (*single, *both, ())

    def port(self, machine: Machine) -> int:
        """Where its sshd listens."""
        (host,) = self.hosts_to_enter((machine.address,), secret=lambda _: "")
        return host.endpoint.port

    def hosts_to_enter(self, addresses: Iterable[str], *, secret: Callable[[str], str]) -> tuple[Host, ...]:
        """Hosts at these addresses as they are entered, named by them; listed ones, and such as are not yet."""
        known = {machine.address: machine for machine in self.machines}
        asked = [known.get(address, Machine(address)) for address in addresses]
        groups = tuple(HostGroup((machine.address,), machine.roles or ("-",), ssh=machine.ssh) for machine in asked)
        hosts = written_hosts(replace(self.written, hosts=groups), self.access, secret=secret)
        return tuple(replace(host, name=host.address) for host in hosts)
