"""Plug-ins by entry point: the names installed, one loaded by name, and an error that says what there is."""

from __future__ import annotations

import enum
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, cast

from appliance.errors import PluginError

if TYPE_CHECKING:
    from appliance.inventory.providers import InfraProvider
    from appliance.plan.runtime import Runtime


class Group(enum.StrEnum):
    """Where plug-ins are registered."""

    RUNTIMES = "appliance.runtimes"
    PROVIDERS = "appliance.providers"


def names(group: Group) -> tuple[str, ...]:
    """The names of the plug-ins installed in `group`, sorted."""
    return tuple(sorted(entry_points(group=group).names))


def runtime(name: str) -> Runtime:
    """The runtime that ``bundle.yaml`` calls `name`. Raises `PluginError`."""
    return cast("Runtime", _load(Group.RUNTIMES, name))


def provider(name: str) -> InfraProvider:
    """The provider that a Clusterfile calls `name`. Raises `PluginError`."""
    return cast("InfraProvider", _load(Group.PROVIDERS, name))


def _load(group: Group, name: str) -> object:
    what = group.removeprefix("appliance.").removesuffix("s")
    found = [point for point in entry_points(group=group) if point.name == name]
    if not found:
        raise PluginError(f"no {what} {name!r} is installed", hint=f"installed: {', '.join(names(group)) or 'none'}")
    if len({point.value for point in found}) > 1:
        values = " and ".join(sorted({point.value for point in found}))
        raise PluginError(f"two packages bring a {what} {name!r}: {values}", hint="uninstall one of them")
    try:
        return found[0].load()()
    except Exception as error:  # a plug-in's code can raise anything
        raise PluginError(f"the {what} {name!r} does not load: {error}", hint=f"see {found[0].value}") from error
