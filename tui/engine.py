"""Where things lie and how hosts are entered: the engine's seams in one place, for `tui.calls`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.clock import SystemClock
from appliance.execute import worker
from appliance.inventory import scan as scanning
from appliance.operations.propose import Target
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKeys
from appliance.trust.policy import STORE
from appliance.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.clock import Clock
    from appliance.inventory.hosts import Access
    from appliance.inventory.scan import Scanned
    from appliance.recipe.clusterfile import Cluster
    from appliance.state import ClusterDir, Home
    from appliance.transport.base import Connect

MEDIA = (Path("/media"), Path("/run/media"), Path("/mnt"))


@dataclass(frozen=True, slots=True)
class Engine:
    """Data and seams. `own` is the ``.run`` that this program was started from, `given` the bundle that was named.

    Bundles are looked for in the folders `beside` and on the `media`; a run's worker is started by `program`.
    """

    home: Home
    own: Path | None = None
    given: Path | None = None
    program: tuple[str, ...] = worker.PROGRAM
    media: tuple[Path, ...] = MEDIA
    beside: tuple[Path, ...] = ()
    trust_store: Path = STORE
    clock: Clock = field(default_factory=SystemClock)
    connect: Callable[[HostKeys], Connect] = connector
    scan: Callable[..., tuple[Scanned, ...]] = scanning.scan

    def folder(self, name: str) -> ClusterDir:
        """The folder of the cluster called `name`."""
        return self.home.cluster(name)

    def vault(self, name: str) -> Vault:
        """Its secrets."""
        folder = self.folder(name)
        return Vault.open(folder.vault, folder.vault_key)

    def host_keys(self, name: str) -> HostKeys:
        """The keys that are pinned for it; nobody else is believed."""
        return HostKeys(self.folder(name).known_hosts)

    def target(self, cluster: Cluster, access: Access) -> Target:
        """The cluster as operations take it."""
        connect = self.connect(self.host_keys(cluster.name))
        return Target(cluster, access, self.folder(cluster.name), self.clock, connect)
