"""`Host`: a machine of the cluster, with its place in it; and the hosts that a Clusterfile writes down."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.recipe import jumphosts
from appliance.transport.base import Become, Credential, Endpoint
from appliance.transport.sshconfig import SshConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from appliance.recipe.clusterfile import Cluster, SshSettings

_PORT = 22


@dataclass(frozen=True, slots=True)
class Host:
    """A machine: its `name` in the cluster (unique, a DNS label), where to reach it, its roles and labels."""

    name: str
    endpoint: Endpoint
    roles: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The address under which other hosts reach it, too."""
        return self.endpoint.address


@dataclass(frozen=True, slots=True)
class Access:
    """How the operator enters hosts, as said on the command line; passwords in memory only, never in a repr.

    What it says goes before the Clusterfile's ``spec.ssh``, and after what a group of hosts says for itself. `own` has,
    by address, the passwords and the passphrase of hosts that have others than the rest. `jump` is as
    `jumphosts.parse` reads it; `config` counts where neither says anything.
    """

    user: str = ""
    port: int = 0
    key: Path | None = None
    become: Become | None = None
    key_passphrase: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    become_password: str | None = field(default=None, repr=False)
    jump: str = ""
    jump_password: str | None = field(default=None, repr=False)
    unsafe_legacy_algorithms: bool = False
    config: SshConfig = field(default_factory=SshConfig)
    own: Mapping[str, Access] = field(default_factory=dict, repr=False)

    def at(self, address: str) -> Access:
        """What counts at an address: its own secrets, where it has some, before those of all."""
        own = self.own.get(address, self)
        return replace(
            self,
            key_passphrase=own.key_passphrase or self.key_passphrase,
            password=own.password or self.password,
            become_password=own.become_password or self.become_password,
            jump_password=own.jump_password or self.jump_password,
        )


def written_hosts(cluster: Cluster, access: Access, *, secret: Callable[[str], str]) -> tuple[Host, ...]:
    """The hosts that a Clusterfile lists, named ``ROLE-N`` by their first role in the order in which they are written.

    `secret` gives the passwords that the Clusterfile names; what it raises is raised here.
    """
    hosts: list[Host] = []
    counts: Counter[str] = Counter()
    for group in cluster.hosts:
        for address in group.addresses:
            role = group.roles[0]
            counts[role] += 1
            own = access.at(address)
            endpoint = _endpoint(address, group=group.ssh, cluster=cluster.ssh, access=own, secret=secret)
            endpoint = replace(endpoint, fingerprints=group.fingerprints.get(address, ()))
            hosts.append(Host(f"{role}-{counts[role]}", endpoint, group.roles, group.labels))
    return tuple(hosts)


def _endpoint(
    address: str, *, group: SshSettings, cluster: SshSettings, access: Access, secret: Callable[[str], str]
) -> Endpoint:
    written = group.user or access.user or cluster.user
    found = access.config.settings(address, user=written)
    user = written or found.user or "root"
    become = Become(group.become) if group.become else access.become
    if become is None:
        become = Become(cluster.become) if cluster.become else (Become.NONE if user == "root" else Become.SUDO)
    key = Path(group.key).expanduser() if group.key else access.key
    if key is None and cluster.key:
        key = Path(cluster.key).expanduser()
    credential = Credential(
        key=key,
        key_passphrase=access.key_passphrase,
        password=access.password or _named(group.password_secret or cluster.password_secret, secret),
        become=become,
        become_password=access.become_password
        or _named(group.become_password_secret or cluster.become_password_secret, secret),
        identities=found.identities,
        identities_only=found.identities_only,
    )
    jump = group.jump or access.jump or cluster.jump or found.jump
    password = access.jump_password or _named(group.jump_password_secret or cluster.jump_password_secret, secret)
    entering = replace(credential, become=Become.NONE, become_password=None, password=password)
    return Endpoint(
        address,
        group.port or access.port or cluster.port or found.port or _PORT,
        user,
        credential,
        jumps=_jumps(jump, user=user, credential=entering, config=access.config),
        reach=found.hostname,
        unsafe_legacy_algorithms=access.unsafe_legacy_algorithms
        or group.unsafe_legacy_algorithms
        or cluster.unsafe_legacy_algorithms,
    )


def _jumps(
    text: str, *, user: str, credential: Credential, config: SshConfig, behind: tuple[str, ...] = ()
) -> tuple[Endpoint, ...]:
    """The jump hosts that `text` names, the first by way of what the user's configuration says of it."""
    hops: list[Endpoint] = []
    for hop in jumphosts.parse(text):
        found = config.settings(hop.address, user=hop.user)
        if not hops and found.jump:
            if hop.address in behind:
                raise RecipeError(f"jump host {hop.address} is to be reached through itself", where="ProxyJump")
            before = (*behind, hop.address)
            hops += _jumps(found.jump, user=user, credential=credential, config=config, behind=before)
        entering = replace(credential, identities=found.identities, identities_only=found.identities_only)
        name = hop.user or found.user or user
        hops.append(Endpoint(hop.address, hop.port or found.port or _PORT, name, entering, reach=found.hostname))
    return tuple(hops)


def unheeded(hosts: Iterable[Host], config: SshConfig) -> tuple[str, ...]:
    """Sentences about settings of `config` that apply to these hosts or their jump hosts, and do nothing here."""
    ways = (each for host in hosts for each in (host.endpoint, *host.endpoint.jumps))
    found = (sentence for each in ways for sentence in config.settings(each.address, user=each.user).unheeded)
    return tuple(dict.fromkeys(found))


def _named(name: str, secret: Callable[[str], str]) -> str | None:
    return secret(name) if name else None
