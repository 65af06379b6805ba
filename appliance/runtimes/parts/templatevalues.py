"""What a host's templates may name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.plan import footprint
from appliance.plan.render import ClusterView, HostView, Values
from appliance.runtimes.parts.declaredsecrets import HostSecrets

if TYPE_CHECKING:
    from appliance.plan.runtime import Site, SiteHost


def values_for(site: Site, host: SiteHost) -> Values:
    """The values for `host`. What the site says in `env` replaces what the image says."""
    secrets = HostSecrets(site, host)

    def hosts(role: str) -> tuple[HostView, ...]:
        check_role(site, role)
        return tuple(_view(found, index) for index, found in enumerate(site.with_role(role), start=1))

    return Values(
        host=_view(host, site.hosts.index(host) + 1),
        cluster=ClusterView(site.cluster),
        programs=footprint.programs(site.cluster, site.image),
        roles=tuple(sorted({role for found in site.hosts for role in found.host.roles})),
        param=site.parameters,
        env={**site.config.env, **site.env},
        hosts=hosts,
        secret=secrets.secret,
        public=secrets.public,
    )


def check_role(site: Site, role: str, *, where: str = "") -> None:
    """`RecipeError` when the image describes its roles and `role` is none of them."""
    known = [spec.name for spec in site.config.spec.roles]
    if known and role not in (*known, "all"):
        raise RecipeError(f"there is no role {role!r}", where=where, hint=f"bundle.yaml has {', '.join(known)} and all")


def _view(host: SiteHost, index: int) -> HostView:
    return HostView(host.name, host.host.address, host.host.roles, host.host.labels, index)
