"""Lab hosts for benchmarks, and an operator who installs on them by the command line."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.lab import lab as labs
from appliance.lab.spec import HostSpec, LabSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.lab.registry import Lab
    from bench.material import Material

PREFIX = "bench-"
CLUSTER = "bench"


@dataclass(frozen=True, slots=True)
class BenchSite:
    """A lab, the roles of its hosts in their order, and the operator's state folder and Clusterfile for it."""

    lab: Lab
    roles: tuple[str, ...]
    home: Path
    clusterfile: Path

    def apply(self, material: Material, bundle: Path) -> tuple[str, ...]:
        """The command that makes the site what `bundle` says."""
        keys = ("--key", str(self.lab.key), "--host-keys", str(self.lab.known_hosts))
        trust = ("--trust", str(material.keys / "root.pem"))
        asked = ("apply", str(bundle), "-f", str(self.clusterfile), *keys, *trust, "--yes")
        return (material.appliance, "--home", str(self.home), *asked)


@contextlib.contextmanager
def lab_site(material: Material, *roles: str) -> Iterator[BenchSite]:
    """A lab with a host for each of `roles`, entered as root; it goes with the block, or with this process."""
    labs.sweep(PREFIX)
    material.say(f"booting {len(roles)} lab hosts")
    # ansible needs the whole of Python on a host; all sides get the same hosts.
    hosts = tuple(HostSpec(f"host-{number}", packages=("python3",)) for number in range(1, len(roles) + 1))
    lab = labs.up(LabSpec(f"{PREFIX}{os.getpid()}", hosts, tied=True))
    try:
        folder = Path(tempfile.mkdtemp(prefix="site-", dir=material.folder))
        clusterfile = folder / "cluster.yaml"
        clusterfile.write_text(_clusterfile(lab, roles), encoding="utf-8")
        yield BenchSite(lab, roles, folder / "home", clusterfile)
    finally:
        labs.down(lab.name)


def _clusterfile(lab: Lab, roles: tuple[str, ...]) -> str:
    hosts = [{"addresses": [host.address], "roles": [role]} for host, role in zip(lab.hosts, roles, strict=True)]
    spec = {"ssh": {"user": "root"}, "hosts": hosts}
    return json.dumps(
        {"apiVersion": "appliance/v1", "kind": "Cluster", "metadata": {"name": CLUSTER}, "spec": spec}, indent=1
    )
