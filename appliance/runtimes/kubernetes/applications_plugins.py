"""Sealer's Plugin documents, of the Clusterfile and of the image's ``plugins/``, as stages. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from appliance.errors import RecipeError
from appliance.plan.planner import needs
from appliance.plan.steps import Stage
from appliance.recipe import siteplugins, yamltext
from appliance.recipe.documents import PassedDocument
from appliance.recipe.siteplugins import PluginType
from appliance.runtimes.kubernetes import applications_steps as steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from appliance.plan.runtime import Site, SiteHost
    from appliance.plan.steps import Step
    from appliance.recipe.siteplugins import Phase, SitePlugin
    from appliance.runtimes.kubernetes.applications_steps import Place

FOLDERS = ("plugins/", "plugin/")


def site_plugins(site: Site) -> tuple[SitePlugin, ...]:
    """All plugins: those of the image by path, then those of the Clusterfile. Raises `RecipeError`."""
    part = next(iter(site.parts.values()), None)
    images = part.texts if part else ()
    found = [
        PassedDocument(
            str(document.value.get("apiVersion", "")).partition("/")[0], siteplugins.KIND, document.value, path
        )
        for text in images
        if (path := text.path).startswith(FOLDERS) and path.endswith((".yaml", ".yml"))
        for document in yamltext.load_documents(text.text, source=path)
        if isinstance(document.value, dict) and document.value.get("kind") == siteplugins.KIND
    ]
    return siteplugins.read((*found, *site.documents))


def stages(site: Site, phase: Phase, *, first: SiteHost, place: Callable[[SiteHost], Place]) -> tuple[Stage, ...]:
    """A stage for each plugin of `phase`; hosts need their working copy before."""
    found = [plugin for plugin in site_plugins(site) if phase in plugin.phases]
    return tuple(
        Stage(f"Plugin {plugin.name}", tuple(_steps(plugin, phase, site, first=first, place=place)), needs(site))
        for plugin in found
    )


def script_hosts(site: Site, plugin: SitePlugin) -> tuple[SiteHost, ...]:
    """The hosts on which a plugin runs a script, in a working copy of the image."""
    return _hosts(site, plugin) if plugin.type is PluginType.SHELL else ()


def _hosts(site: Site, plugin: SitePlugin) -> tuple[SiteHost, ...]:
    """The hosts on which a plugin runs. `RecipeError` when it names an address that no host has."""
    if not plugin.on:
        return site.hosts
    known = {host.host.address for host in site.hosts}
    for word in plugin.on:
        if word not in ("control-plane", "worker") and word not in known:
            raise RecipeError(f"the plugin {plugin.name} names {word}, which is no host", where=plugin.where)
    return tuple(host for host in site.hosts if not {host.host.address, *host.host.roles}.isdisjoint(plugin.on))


def _steps(
    plugin: SitePlugin, phase: Phase, site: Site, *, first: SiteHost, place: Callable[[SiteHost], Place]
) -> Iterator[Step]:
    name = f"{steps.slug(plugin.name)}.{phase.name.lower()}"
    match plugin.type:
        case PluginType.SHELL:
            title = f"Run the script of {plugin.name}"
            for host in _hosts(site, plugin):
                here = place(host)
                after = (f"{host.name}/working-copy",)
                yield steps.plugin_step(here, name, title, plugin.data, site.env, after=after)
        case PluginType.LABEL | PluginType.TAINT:
            said = tuple(
                (address, word)
                for addresses, words in plugin.lines()
                for address in addresses
                for word in (words.split(",") if plugin.type is PluginType.LABEL else [words])
            )
            verb = str(plugin.type).lower()
            yield steps.nodes_step(place(first), name, f"{verb.capitalize()} nodes, as {plugin.name} says", verb, said)
        case PluginType.CLUSTERCHECK:
            yield steps.check_step(place(first), name, "Wait until nodes and the cluster's own pods are ready")
        case _:
            assert_never(plugin.type)
