"""A site for the guide: a real bundle, hosts that answer as recorded, and runs that are played; no network, no root.

    site = GuideSite.make(tmp_path)
    guide = Guide(site.engine)

The fakes stand behind the engine's own seams: `Fleet.connect` is a `Connect` and checks host keys as SSH does,
`Fleet.scan` is a scanner, and `guide_worker.py` a worker.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from support.images import fake_pythons, put_image
from support.signing import NOW, At, Vendor

from appliance.clock import SystemClock
from appliance.digest import Digest
from appliance.errors import AuthRefused, Unreachable
from appliance.image.reference import Reference
from appliance.image.store import Store
from appliance.inventory import appstamp
from appliance.inventory.facts import NodeStamp, Receipt, stamp_to_text
from appliance.inventory.scan import Scanned
from appliance.operations import publish
from appliance.operations.publish import PublishRequest
from appliance.recipe import bundlefile, clusterfile
from appliance.recipe.clusterfile import Cluster, HostGroup, SshSettings
from appliance.recipe.siteapps import SiteApp
from appliance.state import ClusterState, Home, InstalledHost, write_state
from appliance.transport.base import Command, CommandResult, Endpoint
from appliance.transport.ssh.hostkeys import HostKey
from appliance.trust import certificates
from tui.engine import Engine

if TYPE_CHECKING:
    from datetime import datetime

    from appliance.events import Sink
    from appliance.inventory.appstamp import AppStamp
    from appliance.transport.base import Connect, Transport
    from appliance.transport.ssh.hostkeys import HostKeys
    from tui.engine import ShownKeys

FACTS = (Path(__file__).parents[1] / "data/facts/debian-12.txt").read_text()
PASSWORD = "correct horse"
BUNDLE_YAML = """
apiVersion: appliance/v1
kind: Bundle
name: demo
version: 1.2.0
title: Demo store
description: A store that answers on every host.
vendor: Vendor
license: Apache-2.0
runtime: systemd
roles:
  store: {min: 1, max: 5, odd: true, description: a member}
  client: {description: a host that only asks}
requirements:
  - {arch: [amd64]}
  - {memory: 512MiB, roles: [store]}
  - {ports: [4000]}
parameters:
  type: object
  additionalProperties: false
  properties:
    interval: {type: integer, minimum: 10, maximum: 5000, default: 100, title: Interval in milliseconds,
               description: between two beats}
    level: {type: string, enum: [debug, info, warn], default: info, title: What is logged}
    mirror: {type: boolean, default: false, title: Keep a mirror}
    pods: {type: string, default: 10.244.0.0/16, title: Network of the pods}
    token: {type: string, writeOnly: true, minLength: 8, title: Token of the store}
"""
APPLICATION_YAML = """
apiVersion: appliance/v1
kind: App
name: page
version: 1.1.0
title: A page
description: A page that pods show.
vendor: Vendor
parameters:
  type: object
  additionalProperties: false
  properties:
    replicas: {type: integer, minimum: 1, maximum: 9, default: 2, title: Pods, description: how many show it}
    token: {type: string, writeOnly: true, title: Token of the page}
"""
APPLICATION_LAYER: dict[str, bytes | None] = {
    "manifests/page.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: page}\n",
}
LAYER: dict[str, bytes | None] = {
    "bin/demo": b"\x7fELF" + bytes(5000),
    "services/all/demo.service": b"[Unit]\nDescription=demo\n[Service]\nExecStart=/bin/true\n",
    "docs/operator.md": b"# The store\n\nWhat an operator does with it.\n",
}


class Noon(SystemClock):
    """A clock whose date stands still, and whose seconds run."""

    def now(self) -> datetime:
        return NOW


@dataclass(slots=True)
class FakeHost:
    """A host: what it says of itself, which password it wants, what is installed, who leases it.

    It is reached by way of the host at `behind`; `gone`: no answer. A control plane has `apps` on its cluster, one
    of them `unwell`, and says something of `pods`.
    """

    address: str
    memory: int = 4 << 30
    password: str = ""
    ports: tuple[int, ...] = (22,)
    behind: str = ""
    stamp: str = ""
    lease: str = ""
    apps: tuple[AppStamp, ...] = ()
    unwell: str = ""
    pods: str = ""
    gone: bool = False
    entered: int = 0

    def answers(self, way: tuple[str, ...]) -> bool:
        """Whether it answers to who comes by `way`, the addresses of jump hosts."""
        return not self.gone and way == ((self.behind,) if self.behind else ())

    @property
    def key(self) -> HostKey:
        return HostKey("ssh-ed25519", f"key of {self.address}".encode())

    def facts(self) -> str:
        number = self.address.rpartition(".")[2]
        listening = "".join(
            f"   {n}: 00000000:{port:04X} 00000000:0000 0A 0 0 0 0 0 0\n" for n, port in enumerate(self.ports)
        )
        lines = FACTS.replace("1795416024.002353399", str(NOW.timestamp())).replace(
            " bookworm\n", f" host-{number}\n", 1
        )
        lines = lines.replace("4994f549d840429484406d5609737c05", f"{int(number):032x}")
        lines = lines.replace("24684084 kB", f"{self.memory >> 10} kB")
        lines = lines.replace("10.210.0.12", self.address)
        head, _, rest = lines.partition("@tcp\n")
        lines = f"{head}@tcp\n{listening}@inet{rest.partition('@inet')[2]}"
        if self.lease:
            lines = lines.replace("@lease", f"@lease\n {self.lease}", 1)
        stamp = "".join(f"\n {line}" for line in self.stamp.splitlines())
        return lines.replace("@end", f"@stamp{stamp}\n@end") if self.stamp else lines


@dataclass(frozen=True, slots=True)
class FakeTransport:
    """A line to a `FakeHost`: facts, guards (nothing holds), and the state of units."""

    host: FakeHost

    def run(
        self, command: Command, *, stdin: bytes | BinaryIO = b"", output: Callable[[bytes], None] | None = None
    ) -> CommandResult:
        if command.argv == ("sh", "-s"):
            return CommandResult(0, "end\n", "")
        script = command.argv[2]
        if "systemctl is-active" in script:
            return CommandResult(0, "active\n" * len(command.argv[4:]), "")
        if "ask nodes" in script:
            return CommandResult(0, f"node control-plane-1 v1.20.2 True -\n{self.host.pods}", "")
        if appstamp.FILE in command.argv:
            return CommandResult(0, "".join(f"{appstamp.to_text(app)}\n" for app in self.host.apps), "")
        if "unwell" in script:
            return CommandResult(int(any(f"/{self.host.unwell}/launched" in word for word in command.argv)), "", "")
        return CommandResult(0, self.host.facts(), "")

    def put(self, source: bytes | BinaryIO, path: str, *, mode: int = 0o600, owner: str = "root:root") -> None:
        raise AssertionError("the guide writes nothing to a host")

    def get(self, path: str, *, limit: int) -> bytes:
        raise AssertionError("the guide reads no file of a host")


@dataclass(frozen=True, slots=True)
class Fleet:
    """Hosts by address."""

    hosts: dict[str, FakeHost] = field(default_factory=dict)

    @classmethod
    def of(cls, count: int) -> Fleet:
        """Hosts at 10.0.0.11 and on."""
        addresses = [f"10.0.{n // 200}.{11 + n % 200}" for n in range(count)]
        return cls({address: FakeHost(address) for address in addresses})

    def scan(
        self,
        addresses: tuple[str, ...],
        *,
        port: int = 22,
        hear: Callable[[Scanned], None],
        sink: Sink,
    ) -> tuple[Scanned, ...]:
        """Find those of `addresses` that are here and answer."""
        there = [self.hosts[a] for a in addresses if a in self.hosts and self.hosts[a].answers(())]
        found = tuple(Scanned(host.address, port, "SSH-2.0-fake", (host.key,), 0.001) for host in there)
        for one in found:
            hear(one)
        return found

    def keys_of(self, endpoints: tuple[Endpoint, ...], keys: HostKeys, *, sink: Sink) -> ShownKeys:
        """The keys of those that answer; a jump host on the way must be believed."""
        there = [(each, self.hosts[each.address]) for each in endpoints if each.address in self.hosts]
        for endpoint, _ in there:
            for jump in endpoint.jumps:
                keys.check(jump.address, jump.port, self.hosts[jump.address].key)
        return tuple((endpoint, (host.key,)) for endpoint, host in there if host.answers(_way(endpoint)))

    def connect(self, keys: HostKeys) -> Connect:
        """Enter those whose keys are believed, with the right password."""

        @contextlib.contextmanager
        def connect(endpoint: Endpoint) -> Iterator[Transport]:
            host = self.hosts.get(endpoint.address)
            if host is None or not host.answers(_way(endpoint)):
                raise Unreachable("no answer within 10 seconds", hint="check the address, and that the host is up")
            keys.check(endpoint.address, endpoint.port, host.key, carried=endpoint.fingerprints)
            if host.password and endpoint.credential.password != host.password:
                raise AuthRefused(f"{endpoint.user} is refused", hint="check user, key and password")
            host.entered += 1
            yield FakeTransport(host)

        return connect


def _way(endpoint: Endpoint) -> tuple[str, ...]:
    return tuple(jump.address for jump in endpoint.jumps)


@dataclass(frozen=True, slots=True)
class GuideSite:
    """The operator's machine: a folder with the bundle and ``root.pem``, a state folder, and the hosts it reaches."""

    folder: Path
    fleet: Fleet
    engine: Engine

    @classmethod
    def make(cls, folder: Path, *, delivery: Path, hosts: int = 3, play: str = "ok") -> GuideSite:
        """A site in `folder` with what `make_delivery` put into `delivery`; runs are played as `play` says."""
        fleet = Fleet.of(hosts)
        engine = Engine(
            Home.of(folder / "home"),
            program=(sys.executable, str(Path(__file__).with_name("guide_worker.py")), play),
            media=(),
            beside=(delivery,),
            trust_store=folder / "trust",
            clock=Noon(),
            connect=fleet.connect,
            scan=fleet.scan,
            keys_of=fleet.keys_of,
        )
        return cls(folder, fleet, engine)


MakeSite = Callable[..., GuideSite]


def stamp_of(host: FakeHost, cluster: str) -> str:
    """The stamp that an installation of the demo leaves on a host."""
    number = int(host.address.rpartition(".")[2])
    image, units = f"sha256:{'a' * 64}", ("demo.service",)
    receipt = Receipt(files=("/etc/systemd/system/demo.service",), units=units, trees=(f"/opt/appliance/{cluster}",))
    return stamp_to_text(
        NodeStamp(cluster, "demo", f"{number:032x}", ("store",), image, "1.2.0", 0, "systemd", receipt)
    )


def node_stamp(host: FakeHost, cluster: str) -> str:
    """The stamp of a control plane of Kubernetes."""
    number = int(host.address.rpartition(".")[2])
    receipt = Receipt(units=("kubelet.service",), trees=("/var/lib/kubelet",))
    image, roles = f"sha256:{'b' * 64}", ("control-plane",)
    stamp = NodeStamp(cluster, "kubernetes", f"{number:032x}", roles, image, "1.20.2", 0, "kubernetes", receipt)
    return stamp_to_text(stamp)


def install_kubernetes(site: GuideSite, cluster: str, *, apps: tuple[AppStamp, ...] = ()) -> FakeHost:
    """Have Kubernetes on the first host of the site, as an installation from here leaves it."""
    (host, *_) = site.fleet.hosts.values()
    host.stamp, host.apps = node_stamp(host, cluster), apps
    folder = site.engine.folder(cluster)
    groups = (HostGroup((host.address,), ("control-plane",)),)
    added = tuple(SiteApp(f"{app.name}:{app.version}") for app in apps)
    described = Cluster(cluster, image="kubernetes:1.20.2", ssh=SshSettings(user="ops"), hosts=groups, apps=added)
    folder.clusterfile.write_text(clusterfile.dump(described))
    there = (InstalledHost("control-plane-1", host.address, ("control-plane",)),)
    image = Digest.parse(f"sha256:{'b' * 64}")
    write_state(folder.state, ClusterState(cluster, "kubernetes", "1.20.2", 0, image, "", NOW, there))
    site.engine.host_keys(cluster).pin(host.address, 22, host.key)
    return host


def make_delivery(folder: Path) -> Path:
    """Write real bundles, of the demo and below ``apps`` of an application, and their vendor's ``root.pem``.

    Returns the path of the demo.
    """
    vendor = Vendor.create()
    store = Store(folder / "store")
    spec = bundlefile.load(BUNDLE_YAML, source="bundle.yaml")
    put_image(store, folder / "scratch", (LAYER,), spec=spec)
    request = PublishRequest(Reference.parse("demo:1.2.0"), folder / "out", (vendor.signer(),), 0)
    pythons = fake_pythons(folder)
    published = publish.publish(request, store=store, pythons=pythons, clock=At())
    application = bundlefile.load(APPLICATION_YAML, source="bundle.yaml")
    put_image(store, folder / "scratch-app", (APPLICATION_LAYER,), spec=application)
    request = replace(request, reference=Reference.parse("page:1.1.0"), folder=folder / "out/apps")
    publish.publish(request, store=store, pythons=pythons, clock=At())
    (folder / "out" / "root.pem").write_bytes(certificates.certificate_pem(vendor.root))
    return published.files[0].path
