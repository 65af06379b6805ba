"""What a person should know beside a plan: what it leaves alone, though one might expect otherwise."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from appliance.errors import StateError
from appliance.operations.inspect import added
from appliance.state import read_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appliance.inventory.hosts import Host
    from appliance.operations.survey import Survey
    from appliance.recipe.siteapps import SiteApp
    from appliance.state import ClusterDir


def left_out(folder: ClusterDir, hosts: Sequence[Host]) -> Iterator[str]:
    """A sentence for each host on which the cluster was installed last, and that is not among `hosts` now."""
    kept = None
    with contextlib.suppress(StateError):  # what is remembered only helps here
        kept = read_state(folder.state)
    named = {host.address for host in hosts}
    for gone in kept.hosts if kept else ():
        if gone.address not in named:
            yield (
                f"{gone.name} ({gone.address}) was installed, and is not in the Clusterfile any more:"
                " it is left as it is, and the cluster goes on counting it"
            )


def applications_lacking(found: Survey, cluster: str, apps: Sequence[SiteApp]) -> Iterator[str]:
    """A sentence for each of a cluster's applications of which no host that answered tells."""
    if not apps or not any(host.stamp and host.stamp.cluster == cluster for host in found.hosts):
        return
    there = {stamp.name for stamp in added(found, cluster)}
    for app in apps:
        if app.name not in there:
            yield f"{app.name} is of this cluster, and not on it: add it with the bundle of {app.image}"
