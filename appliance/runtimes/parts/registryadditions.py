"""Container images of an application, added to the registry that a cluster has: its service and settings stay. Pure.

The registry reads its storage at each request, so what is laid out there is served at once. What it serves by a name
and tag stays what it is: an application that means another image by it is refused on the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.plan import footprint
from appliance.plan.planner import helper, needs
from appliance.plan.steps import PutText, Run, Stage, Step
from appliance.runtimes.parts import registry, registrystorage
from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from appliance.plan.runtime import Site, SiteHost
    from appliance.runtimes.parts.registrystorage import Contents

_SERVED = """
served=$(sed -n 's/.*"rootdirectory": "\\([^"]*\\)".*/\\1/p' "$3" 2>/dev/null)
set -- "$1" "$served" "$2"
"""
"""Arguments: blobs, listing, the registry's settings; for a script with those of `registrystorage.LAY_OUT`."""

_ADD = (
    _SERVED
    + """
[ -n "$2" ] || { echo "this cluster has no registry to which images can be added" >&2; exit 1; }
while read -r what hex path; do
    case $what$path in link*/_manifests/tags/*) ;; *) continue ;; esac
    found=
    [ ! -f "$2/docker/registry/v2/$path" ] || read -r found <"$2/docker/registry/v2/$path" || true
    case $found in
    ''|"sha256:$hex") ;;
    *)
        name=${path#repositories/} name=${name%/current/link}
        echo "${name%/_manifests/tags/*}:${name##*/} is another image on this cluster already" >&2
        exit 1 ;;
    esac
done <"$3"
"""
    + registrystorage.LAY_OUT
)
_ADDED = _SERVED + '[ -n "$2" ] || exit 1\n' + registrystorage.LAID_OUT


def stages(site: Site) -> tuple[Stage, ...]:
    """Bring the images of `site` to the hosts of the registry, add them there, and tell all hosts of their names."""
    serving = registry.hosts(site)
    if not serving:
        return ()
    held = registry.contents(site)
    return (
        _stage(site, "Send the container images", (_send(site, host, held) for host in serving)),
        _stage(site, "Add them to the registry", (_add(site, host, held) for host in serving)),
        _stage(site, "Say where images come from", (_tell(site, host) for host in site.hosts)),
    )


def _stage(site: Site, title: str, lanes: Iterable[Iterable[Step]]) -> Stage:
    return Stage(title, tuple(step for lane in lanes for step in lane), needs(site))


def _send(site: Site, host: SiteHost, held: Contents) -> Iterator[Step]:
    yield from helper(host, site.parts[host.facts.architecture].runtime)
    yield registry.send(site, host, held)


def _add(site: Site, host: SiteHost, held: Contents) -> Iterator[Step]:
    path = f"{footprint.application(site.cluster, site.config.spec.name)}/registry.list"
    arguments = (registrystorage.BLOBS, path, f"{registry.SETTINGS}/config.json")
    yield _put(host, PutText(path, (held.listing,)))
    yield Step(
        id=f"{host.name}/registry-addition",
        title="Add the images to the registry's storage, as links of what was received",
        host=host.name,
        action=Run(Command.shell(_ADD, *arguments)),
        unless=Command.shell(_ADDED, *arguments),
        after=(f"{host.name}/write:{path}",),
    )


def _tell(site: Site, host: SiteHost) -> Iterator[Step]:
    yield from (_put(host, text) for text in registry.places(site))


def _put(host: SiteHost, action: PutText) -> Step:
    return Step(f"{host.name}/write:{action.path}", f"Write {action.path}", host.name, action)
