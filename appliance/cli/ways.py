"""How blobs travel, as the command line says it over the Clusterfile."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.recipe.clusterfile import Cluster

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class WayOptions:
    """What was given; None is what the Clusterfile says. `bandwidth` in bits a second, 0 for no limit."""

    method: str | None = None
    bandwidth: int | None = None

    def over(self, cluster: Cluster) -> Cluster:
        """The cluster with these in place of its own."""
        now = cluster.distribution
        method = now.method if self.method is None else self.method
        bandwidth = now.bandwidth if self.bandwidth is None else self.bandwidth
        return replace(cluster, distribution=replace(now, method=method, bandwidth=bandwidth))


def _rate(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    from appliance.recipe.quantities import parse_rate  # noqa: PLC0415  (not needed for help)

    try:
        return None if value is None else parse_rate(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def way_options(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command ``--method`` and ``--bandwidth``, which it gets as `way`."""

    @click.option(
        "--method",
        type=click.Choice(["auto", "unicast", "chain", "swarm"]),
        help="how blobs reach the hosts: each from here (unicast), or from host to host (chain, swarm)",
    )
    @click.option("--bandwidth", callback=_rate, metavar="RATE", help="what each sender may use at most, as 200Mbit")
    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        method, bandwidth = kwargs.pop("method"), kwargs.pop("bandwidth")
        return command(*args, way=WayOptions(method, bandwidth), **kwargs)  # type: ignore[arg-type]

    return wrapper
