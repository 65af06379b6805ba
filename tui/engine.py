"""Where things lie and how hosts are entered: the engine's seams in one place, for `tui.calls`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from appliance.clock import Clock
    from appliance.inventory.hosts import Access
    from appliance.inventory.scan import Scanned
    from appliance.operations.propose import Target
    from appliance.recipe.clusterfile import Cluster
    from appliance.state import ClusterDir, Home
    from appliance.transport.base import Connect, Endpoint
    from appliance.transport.ssh.hostkeys import HostKey, HostKeys
    from appliance.vault import Vault

    ShownKeys = tuple[tuple[Endpoint, tuple[HostKey, ...]], ...]

MEDIA = (Path("/media"), Path("/run/media"), Path("/mnt"))


def _connector(keys: HostKeys) -> Connect:
    from appliance.transport.connect import connector  # noqa: PLC0415  (slow, and the first screen needs none)

    return connector(keys)


def _scan(addresses: Sequence[str], **more: Any) -> tuple[Scanned, ...]:
    from appliance.inventory import scan  # noqa: PLC0415  (as above)

    return scan.scan(addresses, **more)


def _keys_of(endpoints: Iterable[Endpoint], keys: HostKeys, **more: Any) -> ShownKeys:
    from appliance.inventory import scan  # noqa: PLC0415  (as above)

    return scan.keys_of(endpoints, keys, **more)


@dataclass(frozen=True, slots=True)
class Engine:
    """Data and seams. `own` is the ``.run`` that this program was started from, `given` the bundle that was named.

    Bundles are looked for in the folders `beside` and on the `media`; a run's worker is started by `program`, or, if
    that is empty, the way that this process was. `trust_store` None is the site's.
    """

    home: Home
    own: Path | None = None
    given: Path | None = None
    program: tuple[str, ...] = ()
    media: tuple[Path, ...] = MEDIA
    beside: tuple[Path, ...] = ()
    trust_store: Path | None = None
    clock: Clock = field(default_factory=SystemClock)
    connect: Callable[[HostKeys], Connect] = _connector
    scan: Callable[..., tuple[Scanned, ...]] = _scan
    keys_of: Callable[..., ShownKeys] = _keys_of

    def folder(self, name: str) -> ClusterDir:
        """The folder of the cluster called `name`."""
        return self.home.cluster(name)

    def vault(self, name: str) -> Vault:
        """Its secrets."""
        from appliance.vault import Vault  # noqa: PLC0415  (as above)

        folder = self.folder(name)
        return Vault.open(folder.vault, folder.vault_key)

    def host_keys(self, name: str) -> HostKeys:
        """The keys that are pinned for it; nobody else is believed."""
        from appliance.transport.ssh.hostkeys import HostKeys  # noqa: PLC0415  (as above)

        return HostKeys(self.folder(name).known_hosts)

    def target(self, cluster: Cluster, access: Access) -> Target:
        """The cluster as operations take it."""
        from appliance.operations.propose import Target  # noqa: PLC0415  (as above)

        connect = self.connect(self.host_keys(cluster.name))
        return Target(cluster, access, self.folder(cluster.name), self.clock, connect)
