"""Sites for tests of plans: the etcd recipe as it stands, or small ones of a test's own. No host is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.digest import Digest
from appliance.image.blobs import Blob, LayerBlob
from appliance.image.oci import ImageConfig, Platform
from appliance.inventory.facts import Facts, NodeStamp, Receipt
from appliance.inventory.hosts import Host
from appliance.plan.runtime import HostRuntime, ImagePart, Site, SiteHost, TextFile
from appliance.recipe import bundlefile
from appliance.recipe.bundlefile import BundleSpec
from appliance.recipe.parameters import check_parameters
from appliance.runtimes.systemd.runtime import SystemdRuntime
from appliance.transport.base import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ETCD = Path(__file__).parents[2] / "bundles/etcd"
IMAGE = Digest.of(b"an image")
RUNTIME = HostRuntime("amd64", Digest.of(b"a runtime"), size=10_000_000, unpacked_bytes=40_000_000)
LAYER = LayerBlob(Blob(Digest.of(b"a layer"), 20_000_000), Digest.of(b"its tar"))


def host(name: str, *roles: str, address: str = "10.0.0.11", architecture: str = "amd64") -> SiteHost:
    """A Debian 12 host with machine id ``machine-NAME``."""
    facts = Facts(
        hostname=name,
        machine_id=f"machine-{name}",
        architecture=architecture,
        kernel="6.1.0",
        os_id="debian",
        os_version="12",
        os_name="Debian GNU/Linux 12 (bookworm)",
        cpus=2,
        memory=2 << 30,
        disks=(),
        listening_ports=(22,),
        commands=("tar",),
        systemd=252,
        root=True,
        clock_skew=0.0,
        addresses=(address,),
    )
    return SiteHost(Host(name, Endpoint(address, 22, "root"), roles, {}), facts)


def hosts(count: int, *roles: str) -> tuple[SiteHost, ...]:
    """Hosts named ``ROLE-N`` by their first role, at 10.0.0.11 and on."""
    return tuple(host(f"{roles[0]}-{n}", *roles, address=f"10.0.0.{10 + n}") for n in range(1, count + 1))


def site(
    hosts: tuple[SiteHost, ...],
    *,
    spec: BundleSpec | None = None,
    texts: Iterable[TextFile] = (),
    parameters: Mapping[str, object] | None = None,
    env: Mapping[str, str] | None = None,
) -> Site:
    """The site ``site-a``, with all public parts that its runtime asks for, as ``‹public NAME›`` lines."""
    spec = spec or BundleSpec("thing", "1.0.0")
    made = Site(
        cluster="site-a",
        image=IMAGE,
        config=ImageConfig(Platform("linux", "amd64"), spec, ()),
        parts={"amd64": ImagePart("amd64", (LAYER,), tuple(texts), RUNTIME)},
        hosts=hosts,
        parameters=check_parameters(spec, parameters or {}),
        env=env or {},
    )
    names = [request.name for request in SystemdRuntime().secrets(made)]
    return replace(made, public={f"{name}.crt": f"‹public {name}›\n" for name in names})


def etcd_site(hosts: tuple[SiteHost, ...], *, parameters: Mapping[str, object] | None = None) -> Site:
    """A site of ``bundles/etcd`` as it stands."""
    spec = bundlefile.load((ETCD / "bundle.yaml").read_text(), source="bundle.yaml")
    texts = [
        TextFile(str(path.relative_to(ETCD)), path.read_text(), path.stat().st_mode & 0o755)
        for path in sorted((ETCD / "services").rglob("*"))
        if path.is_file()
    ]
    return site(hosts, spec=spec, texts=texts, parameters=parameters)


def stamped(host: SiteHost, receipt: Receipt, *, cluster: str = "site-a", image: Digest = IMAGE) -> SiteHost:
    """`host` with a stamp of its own."""
    stamp = NodeStamp(
        cluster=cluster,
        product="thing",
        machine_id=host.facts.machine_id,
        roles=host.host.roles,
        image=str(image),
        version="1.0.0",
        epoch=0,
        runtime="systemd",
        receipt=receipt,
    )
    return replace(host, facts=replace(host.facts, stamp=stamp))
