"""The plug-in: a site whose image holds services becomes stages that configure, start and check them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import RecipeError
from appliance.inventory.facts import Receipt
from appliance.plan import footprint
from appliance.plan.planner import needs, unpack_id
from appliance.plan.steps import Stage, Step
from appliance.recipe.documents import require_none
from appliance.runtimes.parts import declaredsecrets, unitcommands
from appliance.runtimes.parts.healthchecks import check_step
from appliance.runtimes.parts.templatevalues import check_role
from appliance.runtimes.systemd.files import HostFile, host_files, write_id
from appliance.runtimes.systemd.units import Unit, host_units

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.image.oci import ImageConfig
    from appliance.plan.runtime import SecretRequest, Site, SiteHost
    from appliance.recipe.bundlefile import HealthCheck
    from appliance.recipe.requirements import Requirement


@dataclass(frozen=True, slots=True)
class SystemdRuntime:
    """See `appliance.plan.runtime.Runtime`."""

    def requirements(self, config: ImageConfig) -> tuple[Requirement, ...]:
        """Nothing besides what the image asks: that hosts run systemd is checked for every image."""
        return ()

    def secrets(self, site: Site) -> tuple[SecretRequest, ...]:
        """What ``bundle.yaml`` declares under ``secrets``."""
        return declaredsecrets.requests(site)

    def install(self, site: Site) -> tuple[Stage, ...]:
        """For each role in order: configure, start, check; last the checks that belong to all roles."""
        require_none(site.documents, runtime="systemd")
        order = _order(site)
        layouts = [_layout(site, host, order) for host in site.hosts]
        stages = [stage for folder in order for stage in _role(site, folder, layouts)]
        stages.append(_health(site, "", layouts))
        return tuple(stage for stage in stages if stage.steps)

    def receipt(self, site: Site, host: SiteHost) -> Receipt:
        """The host's units in the order in which they start, and the folders that systemd makes for them."""
        units = _layout(site, host, _order(site)).units
        trees = tuple(tree for unit in units for tree in unit.trees)
        return Receipt(units=tuple(unit.name for unit in units), trees=trees)

    def remove(self, site: Site) -> tuple[Stage, ...]:
        """Stop units, delete files and put back what they replaced, delete trees, delete the stamp."""
        stamped = [(host.name, host.stamp) for host in site.hosts if host.stamp and host.stamp.cluster == site.cluster]
        stopping = [unitcommands.stop(name, unit) for name, stamp in stamped for unit in reversed(stamp.receipt.units)]
        deleting: list[Step] = []
        for name, stamp in stamped:
            if stamp.receipt.files:
                deleting.append(footprint.bring_back(name, stamp))
            if stamp.receipt.units:
                after = (f"{name}/files",) if stamp.receipt.files else ()
                deleting.append(unitcommands.forget(name, stamp.receipt.units, after=after))
        clearing = [step for name, stamp in stamped for step in footprint.clear(name, stamp)]
        stages = (
            Stage("Stop services", tuple(stopping), needs=(), destructive=True),
            Stage("Delete files", tuple(deleting), needs=(), destructive=True),
            Stage("Delete programs and data", tuple(clearing), needs=(), destructive=True),
        )
        return tuple(stage for stage in stages if stage.steps)


@dataclass(frozen=True, slots=True)
class _Layout:
    """What a host gets."""

    host: SiteHost
    files: tuple[HostFile, ...]
    units: tuple[Unit, ...]

    @property
    def name(self) -> str:
        return self.host.name


def _layout(site: Site, host: SiteHost, order: tuple[str, ...]) -> _Layout:
    files = host_files(site, host)
    return _Layout(host, files, host_units(files, order))


def _order(site: Site) -> tuple[str, ...]:
    """The folders in which to go: those of ``order`` as written; others before and after by name, ``all`` first."""
    spec = site.config.spec
    for role in spec.order:
        check_role(site, role, where="bundle.yaml: order")
    roles = {role for host in site.hosts for role in host.host.roles} | {role.name for role in spec.roles}
    rest = sorted(roles - {"all", *spec.order})
    first = () if "all" in spec.order else ("all",)
    return (*first, *spec.order, *rest)


def _role(site: Site, folder: str, layouts: list[_Layout]) -> tuple[Stage, ...]:
    whom = "services of all hosts" if folder == "all" else f"services of {folder}"
    return (
        _stage(site, f"Configure {whom}", [step for layout in layouts for step in _configure(folder, layout)]),
        _stage(site, f"Start {whom}", [step for layout in layouts for step in _start(site, folder, layout)]),
        _stage(site, f"Wait for {whom}", [step for layout in layouts for step in _await(folder, layout)]),
        _health(site, folder, layouts),
    )


def _stage(site: Site, title: str, steps: list[Step]) -> Stage:
    return Stage(title, tuple(steps), needs(site))


def _configure(folder: str, layout: _Layout) -> Iterator[Step]:
    name = layout.name
    files = [file for file in layout.files if file.folder == folder]
    yield from (file.step(name) for file in files)
    units = [unit for unit in layout.units if unit.folder == folder]
    if units:
        written = tuple(write_id(name, file.path) for file in files if file.unit)
        yield unitcommands.reload(name, folder, units=tuple(unit.name for unit in units), after=written)
    for unit in units:
        if unit.started:
            yield unitcommands.enable(name, unit.name, after=(write_id(name, unit.files[0].path),))


def _start(site: Site, folder: str, layout: _Layout) -> Iterator[Step]:
    name = layout.name
    programs = footprint.programs(site.cluster, site.image)
    for unit in layout.units:
        if unit.folder == folder and unit.started:
            paths = tuple(file.path for file in unit.files)
            unpacked = (unpack_id(name),) if unit.mentions(programs) else ()
            yield unitcommands.start(
                name,
                unit.name,
                mark=f"{footprint.NODE}/clusters/{site.cluster}/started/{unit.name}",
                files=paths,
                after=(*unpacked, *(write_id(name, path) for path in paths)),
            )


def _await(folder: str, layout: _Layout) -> Iterator[Step]:
    for unit in layout.units:
        if unit.folder == folder and unit.started:
            yield unitcommands.await_active(layout.name, unit.name, after=(f"{layout.name}/start:{unit.name}",))


def _health(site: Site, folder: str, layouts: list[_Layout]) -> Stage:
    """The checks whose last role in order is `folder`; with no folder, those for all hosts."""
    order = _order(site)
    begun = order[: order.index(folder) + 1] if folder else order
    steps = [
        _health_step(site, layout, check, begun)
        for check in site.config.spec.health
        if _last_role(site, check) == folder
        for layout in layouts
        if not folder or not set(check.roles).isdisjoint(layout.host.host.roles)
    ]
    return _stage(site, f"Check {folder or 'the cluster'}", steps)


def _last_role(site: Site, check: HealthCheck) -> str:
    order = _order(site)
    for role in check.roles:
        if role not in order:
            raise RecipeError(f"there is no role {role!r}", where=f"bundle.yaml: health: {check.name}")
    return "" if "all" in check.roles else max(check.roles, key=order.index, default="")


def _health_step(site: Site, layout: _Layout, check: HealthCheck, begun: tuple[str, ...]) -> Step:
    starting = (unit for unit in layout.units if unit.started and unit.folder in begun)
    after = tuple(f"{layout.name}/start:{unit.name}" for unit in starting)
    return check_step(site, layout.host, check, after=after)
