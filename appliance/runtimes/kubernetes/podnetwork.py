"""The network of pods: the image's manifests below ``manifests/cni/``, applied before the other hosts join.

Like the other manifests, those that end in ``.j2`` are rendered, and the Clusterfile's Config documents change them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.plan import footprint
from appliance.plan.steps import PutText, Run, Step
from appliance.runtimes.kubernetes.applications_texts import site_texts
from appliance.runtimes.kubernetes.joining import ADMIN
from appliance.runtimes.kubernetes.members import members
from appliance.runtimes.parts.services import write, write_id
from appliance.transport.base import Command

if TYPE_CHECKING:
    from appliance.plan.runtime import Site

FOLDER = "manifests/cni/"
_TARGET = "/etc/kubernetes/network"
_SUFFIXES = (".yaml", ".yml", ".json")

# What a file defines may not be known yet when the next one uses it.
_APPLY = """
set -eu
PATH=$1/bin:$PATH
export KUBECONFIG=$2 HOME=/var/lib/appliance/node/home
mark=$3; shift 3
for path; do
    tries=0
    until kubectl --request-timeout=60s apply -f "$path"; do
        tries=$((tries + 1))
        [ "$tries" -lt 10 ] || exit 1
        sleep 2
    done
done
sum=$(sha256sum "$@" | sha256sum)
mkdir -p "${mark%/*}"
printf '%s\\n' "$sum" >"$mark.part"
mv -f "$mark.part" "$mark"
"""

_APPLIED = """
PATH=$1/bin:$PATH
export KUBECONFIG=$2 HOME=/var/lib/appliance/node/home
mark=$3; shift 3
[ "$(sha256sum "$@" | sha256sum)" = "$(cat "$mark")" ] || exit 1
for path; do kubectl --request-timeout=5s get -f "$path" || exit 1; done
"""


def apply(site: Site, programs: str) -> tuple[Step, ...]:
    """Write the manifests to the first control plane and apply them in the order of their names; none: no step."""
    first = members(site).first
    texts: dict[str, PutText] = {}
    for text in site.parts[first.facts.architecture].texts:
        texts[text.path] = PutText(_target(text.path), (text.text,))
    for own in site_texts(site, first):
        texts[own.path] = PutText(_target(own.path), own.parts, mode=0o600 if own.secret else 0o644)
    files = tuple(texts[path] for path in sorted(texts) if path.startswith(FOLDER) and path.endswith(_SUFFIXES))
    if not files:
        return ()
    paths = tuple(file.path for file in files)
    mark = f"{footprint.NODE}/clusters/{site.cluster}/applied/network"
    return (
        *(write(first.name, file) for file in files),
        Step(
            id=f"{first.name}/network",
            title="Apply the network of pods",
            host=first.name,
            action=Run(Command.shell(_APPLY, programs, ADMIN, mark, *paths)),
            unless=Command.shell(_APPLIED, programs, ADMIN, mark, *paths),
            after=tuple(write_id(first.name, path) for path in paths),
        ),
    )


def _target(path: str) -> str:
    return f"{_TARGET}/{path.removeprefix(FOLDER)}"
