"""The checks of bundle.yaml's ``health``, as steps that wait until a command says that a host is well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.plan.render import render
from appliance.plan.steps import SecretRef, Step, WaitFor
from appliance.runtimes.parts.templatevalues import values_for
from appliance.transport.base import Command

if TYPE_CHECKING:
    from appliance.plan.runtime import Site, SiteHost
    from appliance.recipe.bundlefile import HealthCheck

_SECONDS = 30.0


def check_step(site: Site, host: SiteHost, check: HealthCheck, *, after: tuple[str, ...] = ()) -> Step:
    """Wait on `host` for `check`, whose command is rendered for it.

    `RecipeError` for what cannot be rendered, and for a secret, which everybody on the host could read.
    """
    values = values_for(site, host)
    where = f"bundle.yaml: health: {check.name}"
    argv = tuple(_argument(render(text, values, where=where), where) for text in check.argv)
    return Step(
        id=f"{host.name}/health:{check.name}",
        title=f"Check {check.name}",
        host=host.name,
        action=WaitFor(Command(argv, timeout=_SECONDS), seconds=check.seconds),
        after=after,
    )


def _argument(parts: tuple[str | SecretRef, ...], where: str) -> str:
    for part in parts:
        if isinstance(part, SecretRef):
            raise RecipeError(f"the secret {part.name!r} cannot be an argument", where=where, hint="use a file")
    return "".join(str(part) for part in parts)
