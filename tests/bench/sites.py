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
KUBERNETES_IN_LABS = Path(__file__).parents[2] / "bundles" / "kubernetes" / "lab.yaml"


@dataclass(frozen=True, slots=True)
class BenchSite:
    """A lab, the roles of its hosts in their order, and the operator's state folder and Clusterfile for it."""

    lab: Lab
    roles: tuple[str, ...]
    home: Path
    clusterfile: Path

    def apply(self, material: Material, bundle: Path) -> tuple[str, ...]:
        """The command that makes the site what `bundle` says."""
        trust = ("--trust", str(material.keys / "root.pem"))
        return (material.appliance, "--home", str(self.home), "apply", str(bundle), *self._access(), *trust, "--yes")

    def reset(self, material: Material) -> tuple[str, ...]:
        """The command that takes it off the hosts again."""
        return (material.appliance, "--home", str(self.home), "reset", CLUSTER, *self._access(), "--yes")

    def _access(self) -> tuple[str, ...]:
        keys = ("--key", str(self.lab.key), "--host-keys", str(self.lab.known_hosts))
        return ("-f", str(self.clusterfile), *keys)


@contextlib.contextmanager
def lab_site(material: Material, *roles: str, containers: bool = False) -> Iterator[BenchSite]:
    """A lab with a host for each of `roles`, entered as root; it goes with the block, or with this process.

    With `containers` its hosts run containers, and its Clusterfile says what Kubernetes does otherwise in labs.
    """
    labs.sweep(PREFIX)
    material.say(f"booting {len(roles)} lab hosts")
    # ansible needs the whole of Python on a host; all sides get the same hosts.
    names = (f"host-{number}" for number in range(1, len(roles) + 1))
    hosts = tuple(HostSpec(name, packages=("python3",), containers=containers) for name in names)
    lab = labs.up(LabSpec(f"{PREFIX}{os.getpid()}", hosts, tied=True))
    try:
        folder = Path(tempfile.mkdtemp(prefix="site-", dir=material.folder))
        clusterfile = folder / "cluster.yaml"
        clusterfile.write_text(_clusterfile(lab, roles, containers=containers), encoding="utf-8")
        yield BenchSite(lab, roles, folder / "home", clusterfile)
    finally:
        labs.down(lab.name)


def _clusterfile(lab: Lab, roles: tuple[str, ...], *, containers: bool) -> str:
    hosts = [{"addresses": [host.address], "roles": [role]} for host, role in zip(lab.hosts, roles, strict=True)]
    spec: dict[str, object] = {"ssh": {"user": "root"}, "hosts": hosts}
    if containers:
        spec["parameters"] = {"containerd": {"restrictOomScoreAdj": True}}
    document = {"apiVersion": "appliance/v1", "kind": "Cluster", "metadata": {"name": CLUSTER}, "spec": spec}
    further = f"\n---\n{KUBERNETES_IN_LABS.read_text(encoding='utf-8')}" if containers else ""
    return json.dumps(document, indent=1) + further
