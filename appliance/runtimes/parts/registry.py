"""The site's own registry: on some hosts a CNCF distribution serves, read-only, the container images that travelled.

It is the program ``bin/docker-registry`` of the image. Its storage is made of links of received blobs (see
`registrystorage`), nothing is copied or renamed, and what was not carried is answered at once with 404. Clients find
it by `hoststoml`, by way of their own host's `loadbalancer`: no name has to be resolved, and a host that is off costs
no pull anything. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.bundle.pyruntime.layout import host_python
from appliance.errors import PlanError
from appliance.inventory.appstamp import FOLDER as APPS
from appliance.plan import footprint
from appliance.plan.planner import needs
from appliance.plan.runtime import Authority, Leaf
from appliance.plan.steps import PutText, Receive, Run, Stage, Step, WaitFor
from appliance.runtimes.parts import asking, hostnames, hoststoml, loadbalancer, registryservice, registrystorage
from appliance.runtimes.parts.services import write, write_id
from appliance.transport.base import Command
from appliance.trust.issue import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from appliance.plan.runtime import SecretRequest, Site, SiteHost
    from appliance.runtimes.parts.registrystorage import Contents

AUTHORITY = registryservice.AUTHORITY
CERTS_D = hoststoml.CERTS_D
UNIT = registryservice.UNIT
SETTINGS = registryservice.SETTINGS
AUTHORITY_FILE = registryservice.AUTHORITY_FILE
ASKED = 3
"""How many registry hosts a host knows at most: each looks every two seconds whether those are well."""
ANSWER_SECONDS = 60.0


def requests(site: Site) -> tuple[SecretRequest, ...]:
    """The authority `AUTHORITY`, and a server's certificate of it for each of `hosts`."""
    if not hosts(site):
        return ()
    return (Authority(AUTHORITY), *(_leaf(site, host) for host in hosts(site)))


def hosts(site: Site) -> tuple[SiteHost, ...]:
    """The hosts on which the registry runs, as the Clusterfile says; none when the image carries no container image.

    Raises `PlanError` when no host has the role.
    """
    if not any(part.carried for part in site.parts.values()):
        return ()
    found = site.with_role(site.registry.on)
    if not found:
        raise PlanError(
            f"no host has the role {site.registry.on}, on which the registry of container images runs",
            where="spec.registry.on",
            hint="give a host that role, or write on: all",
        )
    return found


def stages(site: Site) -> tuple[Stage, ...]:
    """Bring the images to `hosts`, lay them out, and serve them; after the last stage each host answers for all.

    Raises `PlanError` as `hosts` and `contents` do, and when the port is somebody else's on a host.
    """
    serving = hosts(site)
    if not serving:
        return ()
    held = contents(site)
    for host in serving:
        _check_port(site, host)

    def stage(title: str, lanes: Iterable[Iterable[Step]]) -> Stage:
        return Stage(title, tuple(step for lane in lanes for step in lane), needs(site))

    return (
        stage("Send the container images", ((send(site, host, held),) for host in serving)),
        stage("Configure the registry", (_configure(site, host, held) for host in serving)),
        stage(
            "Start the registry",
            ((registryservice.service(site, host, held).start(host.name, site.cluster),) for host in serving),
        ),
        stage("Wait for the registry", (_await(site, host, held) for host in serving)),
    )


def contents(site: Site) -> Contents:
    """All that the registry serves, on each host for every architecture of the site. `PlanError` as `Contents`."""
    return registrystorage.contents(site.parts[name] for name in sorted(site.parts))


def client_steps(site: Site, host: SiteHost) -> tuple[Step, ...]:
    """What makes containerd on `host` take all images from the registry, as soon as its `config_path` is `CERTS_D`.

    No service need be restarted.
    """
    serving = hosts(site)
    if not serving:
        return ()
    named = {one.host.address: (site.registry.domain,) for one in _asked(serving, host)}
    texts = [*places(site), _place(hoststoml.ANY, "not-carried")]
    if host not in serving:  # those that serve have it already
        texts.insert(0, registryservice.authority(site))
    return (hostnames.put(host.name, site.cluster, "registry", named), *(write(host.name, text) for text in texts))


def places(site: Site) -> tuple[PutText, ...]:
    """What tells containerd of each registry that images are of, that ours has them."""
    found = registrystorage.registries(site.parts.values())
    return tuple(_place(name, registrystorage.store_registry(name)) for name in found)


def servers(site: Site, host: SiteHost) -> dict[str, str]:
    """Where `host`'s balancer finds the registry: ``ADDRESS:PORT`` by name, in the order in which they are asked.

    First itself if it serves, then others, so that each is somebody's first.
    """
    serving = hosts(site)
    return {one.name: f"{_url_host(one)}:{site.registry.port}" for one in _asked(serving, host)} if serving else {}


def room(site: Site, host: SiteHost) -> dict[str, int]:
    """Bytes by folder that it takes on `host`: what is received; storage is links of that."""
    if host not in hosts(site):
        return {}
    return {footprint.NODE: sum(blob.size for blob in contents(site).blobs)}


def units(site: Site, host: SiteHost) -> tuple[str, ...]:
    """The units that it leaves on `host`, for the receipt. Its files are the planner's to list, its storage is too."""
    return (UNIT,) if host in hosts(site) else ()


def _check_port(site: Site, host: SiteHost) -> None:
    """On a host of this cluster's all that listen are ours."""
    port = site.registry.port
    if port in host.facts.listening_ports and not (host.stamp and host.stamp.cluster == site.cluster):
        raise PlanError(
            f"port {port} is in use, on which the registry of container images is to answer",
            where=host.name,
            hint="end what listens there, or write another spec.registry.port",
        )


def _leaf(site: Site, host: SiteHost) -> Leaf:
    names = (site.registry.domain, host.host.address, host.name, "localhost", "127.0.0.1", "::1")
    sans = tuple(dict.fromkeys(names))
    return Leaf(registryservice.leaf_name(host), AUTHORITY, site.registry.domain, sans, frozenset({Usage.SERVER}))


def _asked(serving: tuple[SiteHost, ...], host: SiteHost) -> tuple[SiteHost, ...]:
    names = [one.name for one in serving]
    first = names.index(host.name) if host.name in names else sum(host.name.encode()) % len(serving)
    return (*serving[first:], *serving[:first])[:ASKED]


def _place(registry: str, below: str) -> PutText:
    """For `registry`, whose images ours has `below`."""
    url = f"https://{loadbalancer.REGISTRY_ADDRESS}/v2/{below}"
    return PutText(hoststoml.path(registry), (hoststoml.text(url, authority=AUTHORITY_FILE),))


def _url_host(host: SiteHost) -> str:
    address = host.host.address
    return f"[{address}]" if ":" in address else address


def send(site: Site, host: SiteHost, held: Contents) -> Step:
    """Send what the registry holds to a host."""
    return Step(
        id=f"{host.name}/container-images",
        title=f"Send the container images ({len(held.blobs)} blobs)",
        host=host.name,
        action=Receive(held.blobs, site.parts[host.facts.architecture].runtime.digest),
    )


def _configure(site: Site, host: SiteHost, held: Contents) -> Iterator[Step]:
    listing = PutText(_listing(site), (held.listing,))
    added = f"{footprint.NODE}/clusters/{site.cluster}/{APPS}"
    arguments = (registrystorage.BLOBS, held.root, listing.path, added)
    yield write(host.name, listing)
    yield Step(
        id=f"{host.name}/registry-storage",
        title="Lay out the registry's storage, of links of what was received",
        host=host.name,
        action=Run(Command.shell(registrystorage.LAY_OUT_WITH_ADDED, *arguments)),
        unless=Command.shell(registrystorage.LAID_OUT_WITH_ADDED, *arguments),
        after=(write_id(host.name, listing.path),),
    )
    yield write(host.name, registryservice.authority(site))
    yield from registryservice.service(site, host, held).configure(host.name)


def _listing(site: Site) -> str:
    return f"{footprint.NODE}/clusters/{site.cluster}/registry.list"


def _await(site: Site, host: SiteHost, held: Contents) -> Iterator[Step]:
    runtime = f"{footprint.NODE}/runtime/{site.parts[host.facts.architecture].runtime.digest.hex}"
    question = ("-c", asking.program(), str(site.registry.port), AUTHORITY_FILE, _listing(site))
    yield registryservice.service(site, host, held).active(host.name)
    yield Step(
        id=f"{host.name}/registry-answers",
        title="Wait until the registry serves all container images",
        host=host.name,
        action=WaitFor(Command((*host_python(runtime), *question), timeout=60.0), seconds=ANSWER_SECONDS),
        after=(f"{host.name}/start:{UNIT}",),
    )
    arguments = (registrystorage.STORAGE, held.set)
    yield Step(
        id=f"{host.name}/registry-sets",
        title="Delete what the registry served before",
        host=host.name,
        action=Run(Command.shell(registrystorage.DROP, *arguments)),
        unless=Command.shell(registrystorage.DROPPED, *arguments),
    )
