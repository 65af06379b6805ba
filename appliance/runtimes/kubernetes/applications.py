"""What runs once the cluster is up: the image's manifests, then its apps or commands. Pure.

All of it runs on the first control plane, in a copy of the image's tree: what of ``etc/`` and ``manifests/`` ends in
``.j2`` is rendered into it, and the Clusterfile's Config documents change it. The copy is made anew, and everything is
run again, when the image or anything of its configuration changes; else nothing is, as long as what it made is there.

- ``manifests/*.yaml`` in order of name, each waited for; those that a command names are left to the command.
- The apps of LAUNCH in its order, each waited for; or the lines of CMD or CMDS, which are waited for together.

To be waited for are the workloads that came or changed while the lines ran: deployments, stateful and daemon sets,
jobs, pods of nobody else, and definitions of resources.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from appliance import canonical
from appliance.digest import Digest
from appliance.errors import PlanError, RecipeError
from appliance.plan import footprint
from appliance.plan.planner import needs
from appliance.plan.steps import Stage
from appliance.recipe import sitelaunch
from appliance.recipe.apps import quoted
from appliance.recipe.bundlefile import APP
from appliance.recipe.sitelaunch import AppSetting, SiteLaunch
from appliance.recipe.siteplugins import Phase
from appliance.runtimes.kubernetes import applications_plugins as plugins
from appliance.runtimes.kubernetes import applications_steps as steps
from appliance.runtimes.kubernetes.applications_steps import Launch, Place
from appliance.runtimes.kubernetes.applications_texts import site_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.image.oci import ImageConfig
    from appliance.plan.runtime import Site, SiteHost
    from appliance.plan.steps import Step
    from appliance.recipe.apps import App

_MANIFESTS = re.compile(r"manifests/[^/]+\.(?:yaml|yml|json)")
_OBJECT = re.compile(r"^\s*[{,]?\s*\"?apiVersion\"?\s*:\s*[\"']?(?!kustomize\.config\.k8s\.io)\S", re.MULTILINE)
_HELM = re.compile(r"(?:^|[;&|(]|\s)helm\s")
_TITLE = 90


def before(site: Site) -> tuple[Stage, ...]:
    """What plugins do on hosts before Kubernetes is set up on them; the image is unpacked by then."""
    if not _early(site):
        return ()
    return (_copies(site), *_plugins(site, Phase.BEFORE))


def stages(site: Site, first: SiteHost) -> tuple[Stage, ...]:
    """What is done once the cluster is up, `first` being the control plane that was there first.

    Raises `RecipeError` for what cannot be rendered, merged or carried out.
    """
    place = place_of(site, first)
    manifests, others = _manifests(site, first), _launches(site)
    _require_helm(site, first, others)
    found = (
        *(() if _early(site) else (_copies(site),)),
        *_plugins(site, Phase.UP),
        Stage("Apply the manifests", _launching(place, manifests, apart=True), needs(site)),
        Stage("Launch the applications", _launching(place, others, apart=not _wanted(site).commands), needs(site)),
        *_plugins(site, Phase.AFTER),
    )
    return tuple(stage for stage in found if stage.steps)


def first_of(site: Site) -> SiteHost:
    """The control plane on which applications are launched. Raises `PlanError` when there is none."""
    for host in site.with_role("control-plane"):
        return host
    raise PlanError("there is no control plane", where="spec.hosts", hint="give a host the role control-plane")


def _early(site: Site) -> bool:
    return any(Phase.BEFORE in plugin.phases for plugin in plugins.site_plugins(site))


def _plugins(site: Site, phase: Phase) -> tuple[Stage, ...]:
    return plugins.stages(site, phase, first=first_of(site), place=lambda host: place_of(site, host))


def _copies(site: Site) -> Stage:
    """The working copies: on the first control plane if anything is launched there, and where plugins run scripts."""
    first = first_of(site)
    scripts = [host for plugin in plugins.site_plugins(site) for host in plugins.script_hosts(site, plugin)]
    launching = launches(site, first)
    chosen = [host for host in site.hosts if host in scripts or (launching and host == first)]
    steps_of = (step for host in chosen for step in _copy(site, host))
    return Stage("Lay out the image for scripts", tuple(steps_of), needs(site))


def _copy(site: Site, host: SiteHost) -> Iterator[Step]:
    place, texts = place_of(site, host), site_texts(site, host)
    writing = tuple(text.step(place) for text in texts)
    yield from writing
    yield steps.copy_step(place, [text.path for text in texts], after=tuple(step.id for step in writing))


def launches(site: Site, first: SiteHost) -> tuple[Launch, ...]:
    """All that `stages` launches, in order."""
    return (*_manifests(site, first), *_launches(site))


def place_of(site: Site, host: SiteHost) -> Place:
    """Where the applications of `site`'s image lie; one that was added to a cluster has that one's programs, too."""
    spec = site.config.spec
    images = [site.image]
    home = f"{footprint.NODE}/clusters/{site.cluster}/applications"
    if spec.kind == APP and host.stamp:
        images.append(Digest.parse(host.stamp.image))
        home = footprint.application(site.cluster, spec.name)
    return Place(
        host=host.name,
        home=home,
        programs=steps.search_path(footprint.programs(site.cluster, image) for image in images),
        tree=f"{footprint.NODE}/images/{site.image.hex}",
        key=_key(site, host),
    )


def _key(site: Site, host: SiteHost) -> str:
    """What tells the image and all of its configuration from another; secrets are told by the steps that write them."""
    document = {
        "image": str(site.image),
        "env": dict(site.env),
        "texts": {text.path: text.text for text in site_texts(site, host)},
        "plugins": [[plugin.name, plugin.data] for plugin in plugins.site_plugins(site)],
        **({"launches": [[*launch.lines, launch.env] for launch in _launches(site)]} if _said(site).where else {}),
    }
    return Digest.of(canonical.dumps(document)).hex


def _manifests(site: Site, first: SiteHost) -> tuple[Launch, ...]:
    """One for each manifest that no command names, also none of the image's that the site leaves out or replaces."""
    texts = {text.path: text.text for text in site.parts[first.facts.architecture].texts}
    texts |= {text.path: text.text for text in site_texts(site, first)}
    lines = [line for launch in _launches(site) for line in launch.lines]
    named = "\n".join((*site.config.launch_lines, *lines))
    return tuple(
        Launch(
            name=steps.slug(f"manifest-{path.removeprefix('manifests/')}"),
            title=f"Apply {path}",
            lines=(_apply(path),),
            env=site.env,
            undo=(f"kubectl delete --ignore-not-found -f {quoted(path)}",),
        )
        for path, text in sorted(texts.items())
        if _MANIFESTS.fullmatch(path) and _OBJECT.search(text) and not _names(named, path)
    )


def _names(lines: str, path: str) -> bool:
    """Whether `lines` name a manifest, or the folder of all of them."""
    return re.search(rf"(?<![\w.-]){re.escape(path)}(?![\w.-])|(?<![\w.-])manifests/?(?![\w./-])", lines) is not None


def _apply(path: str) -> str:
    """With a second try: for objects of a kind that the same file defines, and those too large for an annotation."""
    file = quoted(path)
    return (
        f"kubectl apply -f {file} || {{ kubectl wait --for condition=Established crd --all --timeout 30s; "
        f"kubectl apply --server-side --force-conflicts -f {file}; }}"
    )


def _launches(site: Site) -> tuple[Launch, ...]:
    """One for each app of LAUNCH, or for each line of CMD or CMDS; or as the site's Application document says."""
    config = _wanted(site)
    if config.commands:
        return tuple(
            Launch(f"command-{number}", f"Run {_short(line)}", (line,), site.env)
            for number, line in enumerate(config.commands, 1)
        )
    known = {app.name: app for app in config.apps}
    settings = _said(site).settings
    found = (known[name] for name in dict.fromkeys(config.launch) if name in known)
    launching = (_launch(site, app, settings.get(app.name, AppSetting(app.name))) for app in found)
    return tuple(launch for launch in launching if launch.lines)


def _launch(site: Site, app: App, setting: AppSetting) -> Launch:
    return Launch(
        name=steps.slug(f"app-{app.name}"),
        title=f"Launch {app.name} ({app.kind})",
        lines=setting.lines or app.launch,
        env={**_env(site, app), **setting.env},
        undo=() if setting.lines else app.undo,
    )


def _said(site: Site) -> SiteLaunch:
    """What the site says of launching. That is about the cluster's own image, and no application that is added."""
    return SiteLaunch() if site.config.spec.kind == APP else sitelaunch.read(site.documents)


def _wanted(site: Site) -> ImageConfig:
    """What the image launches, or the site in its place. `RecipeError` for an app that the image has not."""
    config, said = site.config, _said(site)
    known = [app.name for app in config.apps]
    for name in (*(said.names or ()), *said.settings):
        if name not in known:
            hint = f"it has {', '.join(known)}" if known else "it has none: write cmds"
            raise RecipeError(f"the image has no app {name!r}", where=said.where, hint=hint)
    if said.commands:
        return replace(config, commands=said.commands)
    return config if said.names is None else replace(config, commands=(), launch=said.names)


def _env(site: Site, app: App) -> Mapping[str, str]:
    """The image's values, over them those of the app, over them what the site says otherwise."""
    said = {name: value for name, value in site.env.items() if site.config.env.get(name) != value}
    return {**site.config.env, **app.env, **said}


def _launching(place: Place, launches: tuple[Launch, ...], *, apart: bool) -> tuple[Step, ...]:
    """Run `launches` and wait for what they made: `apart` one by one, else for all of them at the end."""
    found: list[Step] = []
    copied = (f"{place.host}/working-copy",)
    for launch in launches:
        found.append(steps.launch_step(place, launch, after=copied))
        if apart:
            name = launch.name.partition("-")[2]
            after = (f"{place.host}/launch:{launch.name}",)
            found.append(steps.settle_step(place, launch.name, f"Wait until {name} is well", (launch,), after=after))
    if launches and not apart:
        ran = tuple(step.id for step in found)
        found.append(steps.settle_step(place, "commands", "Wait until all that they made is well", launches, after=ran))
    return tuple(found)


def _require_helm(site: Site, first: SiteHost, launches: tuple[Launch, ...]) -> None:
    if site.config.spec.kind == APP or "bin/helm" in site.parts[first.facts.architecture].programs:
        return
    for launch in launches:
        if any(_HELM.search(line) for line in launch.lines):
            raise RecipeError(
                f"{launch.title}: this takes helm, which the image has not",
                hint="COPY a helm that fits this Kubernetes to bin/helm, in this image or in its base",
            )


def _short(line: str) -> str:
    first = line.strip().split("\n")[0]
    return first if len(first) <= _TITLE else f"{first[:_TITLE]}…"
