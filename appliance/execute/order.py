"""What a worker is told to do: `RunOrder` in ``run.json``, and `RunSecrets`, which only ever travel over its socket."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import StateError
from appliance.files import read_bounded, write_bytes
from appliance.recipe.clusterfile import Distribution
from appliance.transport.base import Become, Credential, Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.state import ClusterDir, Home

FORMAT = 1
LIMIT = 16 << 20

_HINT = "start the operation again"


@dataclass(frozen=True, slots=True)
class RunOrder:
    """One run: its name (that of its folder), whose it is, where things lie, how hosts are entered.

    `home` is the operator's `identity`; `endpoints` are without passwords. `at_once` 0 means no bound.
    """

    run: str
    operation: str
    operator: str
    cluster: str
    home: str
    cluster_folder: Path
    vault_key: Path
    blobs: Path
    endpoints: Mapping[str, Endpoint]
    at_once: int = 0
    take_over: bool = False
    distribution: Distribution = field(default_factory=Distribution)


@dataclass(frozen=True, slots=True)
class HostSecrets:
    """What opens one host, and those on the way to it. In memory only."""

    key_passphrase: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    become_password: str | None = field(default=None, repr=False)
    jump_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RunSecrets:
    """What opens the hosts, by name."""

    hosts: Mapping[str, HostSecrets] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, endpoints: Mapping[str, Endpoint]) -> RunSecrets:
        """The secrets in these endpoints' credentials."""
        return cls({name: _secrets(endpoint) for name, endpoint in endpoints.items()})

    def values(self) -> tuple[str, ...]:
        """All of them, to be masked."""
        found = (value for host in self.hosts.values() for value in asdict(host).values())
        return tuple({value for value in found if value})

    def into(self, endpoints: Mapping[str, Endpoint]) -> dict[str, Endpoint]:
        """`endpoints` with what opens them."""
        return {name: _opened(endpoint, self.hosts.get(name, HostSecrets())) for name, endpoint in endpoints.items()}

    def to_json(self) -> dict[str, Any]:
        """For the socket, and nothing else."""
        return {name: asdict(host) for name, host in self.hosts.items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RunSecrets:
        """Read what `to_json` gave; `TypeError` for anything else."""
        return cls({name: HostSecrets(**host) for name, host in document.items()})


def _secrets(endpoint: Endpoint) -> HostSecrets:
    credential = endpoint.credential
    jump_password = next((jump.credential.password for jump in endpoint.jumps), None)
    return HostSecrets(credential.key_passphrase, credential.password, credential.become_password, jump_password)


def _opened(endpoint: Endpoint, host: HostSecrets) -> Endpoint:
    credential = replace(
        endpoint.credential,
        key_passphrase=host.key_passphrase,
        password=host.password,
        become_password=host.become_password,
    )
    on_the_way = HostSecrets(host.key_passphrase, host.jump_password)
    return replace(endpoint, credential=credential, jumps=tuple(_opened(jump, on_the_way) for jump in endpoint.jumps))


def make_order(
    home: Home,
    cluster: ClusterDir,
    *,
    run: str,
    operation: str,
    operator: str,
    endpoints: Mapping[str, Endpoint],
    at_once: int = 0,
    take_over: bool = False,
    distribution: Distribution | None = None,
) -> RunOrder:
    """The order for a run in a cluster of `home`; the passwords in `endpoints` stay behind."""
    return RunOrder(
        run=run,
        operation=operation,
        operator=operator,
        cluster=cluster.name,
        home=identity(home.root),
        cluster_folder=cluster.path,
        vault_key=cluster.vault_key,
        blobs=home.blobs,
        endpoints=RunSecrets().into(endpoints),
        at_once=at_once,
        take_over=take_over,
        distribution=distribution or Distribution(),
    )


def identity(home: Path) -> str:
    """A random name of this state folder, made once: by it a run knows its own dead predecessors."""
    path = home / "identity"
    try:
        return read_bounded(path, 256).decode().strip()
    except FileNotFoundError:
        write_bytes(path, secrets.token_hex(16).encode() + b"\n", mode=0o600)
        return read_bounded(path, 256).decode().strip()


def write_order(path: Path, order: RunOrder) -> None:
    """Write ``run.json``. There is no password in it, and no field for one."""
    document = {
        "format": FORMAT,
        "run": order.run,
        "operation": order.operation,
        "operator": order.operator,
        "cluster": order.cluster,
        "home": order.home,
        "cluster_folder": str(order.cluster_folder),
        "vault_key": str(order.vault_key),
        "blobs": str(order.blobs),
        "endpoints": {name: _endpoint(endpoint) for name, endpoint in order.endpoints.items()},
        "at_once": order.at_once,
        "take_over": order.take_over,
        "distribution": asdict(order.distribution),
    }
    write_bytes(path, json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n", mode=0o600)


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    credential = endpoint.credential
    return {
        "address": endpoint.address,
        "port": endpoint.port,
        "user": endpoint.user,
        "key": str(credential.key.absolute()) if credential.key else None,
        "agent": credential.agent,
        "become": credential.become.value,
        "identities": [str(path.absolute()) for path in credential.identities],
        "identities_only": credential.identities_only,
        "jumps": [_endpoint(jump) for jump in endpoint.jumps],
        "reach": endpoint.reach,
        "unsafe_legacy_algorithms": endpoint.unsafe_legacy_algorithms,
    }


def read_order(path: Path) -> RunOrder:
    """Read ``run.json``. Raises `StateError` when it is missing, damaged, or of a newer format."""
    try:
        document = json.loads(read_bounded(path, LIMIT))
        if document["format"] != FORMAT:
            raise StateError(
                f"{path} is of format {document['format']}", hint="use the version of appliance that made it"
            )
        return RunOrder(
            run=str(document["run"]),
            operation=str(document["operation"]),
            operator=str(document["operator"]),
            cluster=str(document["cluster"]),
            home=str(document["home"]),
            cluster_folder=Path(document["cluster_folder"]),
            vault_key=Path(document["vault_key"]),
            blobs=Path(document["blobs"]),
            endpoints={name: _read_endpoint(fields) for name, fields in document["endpoints"].items()},
            at_once=int(document["at_once"]),
            take_over=bool(document["take_over"]),
            distribution=_read_distribution(document["distribution"]),
        )
    except FileNotFoundError as error:
        raise StateError(f"{path.parent} is not the folder of a run", hint=_HINT) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"{path} cannot be read: {error}", hint=_HINT) from error


def _read_distribution(fields: Mapping[str, Any]) -> Distribution:
    return Distribution(str(fields["method"]), int(fields["bandwidth"]), int(fields["port"]))


def _read_endpoint(fields: Mapping[str, Any]) -> Endpoint:
    credential = Credential(
        key=Path(fields["key"]) if fields["key"] else None,
        agent=bool(fields["agent"]),
        become=Become(fields["become"]),
        identities=tuple(Path(path) for path in fields["identities"]),
        identities_only=bool(fields["identities_only"]),
    )
    return Endpoint(
        str(fields["address"]),
        int(fields["port"]),
        str(fields["user"]),
        credential,
        jumps=tuple(_read_endpoint(jump) for jump in fields["jumps"]),
        reach=str(fields["reach"]),
        unsafe_legacy_algorithms=bool(fields["unsafe_legacy_algorithms"]),
    )
