"""Kubefile × base image × context → a new image in the store; a layer per COPY, ADD, APP and RUN, each cached."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.errors import ApplianceError, BundleError, RecipeError
from appliance.events import Outcome, Sink, TaskFinished, TaskStarted
from appliance.image import running, stages
from appliance.image.buildcache import BuildCache
from appliance.image.context import Context
from appliance.image.fetching import Downloads
from appliance.image.gathering import Gathering, cache_folder
from appliance.image.layering import BuiltLayer, Layering
from appliance.image.materials import BuildRecord, Material
from appliance.image.oci import ImageConfig, LayerRecord
from appliance.image.reference import Reference
from appliance.image.rootfs import open_rootfs, write_rootfs
from appliance.image.stage import StageState
from appliance.image.stages import Needed
from appliance.image.workspace import Workspace
from appliance.recipe.mounts import MountKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.image.buildcache import LayerMade
    from appliance.image.oci import Descriptor, Manifest, Platform
    from appliance.image.store import Store
    from appliance.recipe.bundlefile import BundleSpec
    from appliance.recipe.instructions import Instruction
    from appliance.recipe.kubefile import Kubefile, NamedImage
    from appliance.recipe.mounts import Mount


@dataclass(frozen=True, slots=True)
class BuildInputs:
    """All that a build depends on. `spec` describes the image; `mtime` stamps files (SOURCE_DATE_EPOCH).

    With `locked` a URL without a checksum must be in the Kubefile's lock.
    """

    kubefile: Kubefile
    context: Path
    spec: BundleSpec
    arguments: Mapping[str, str] = field(default_factory=dict)
    mtime: int = 0
    use_cache: bool = True
    lock: Path | None = None
    locked: bool = False


@dataclass(frozen=True, slots=True)
class BuiltRootfs:
    """One platform's root file system: its manifest (the rootfs digest) and layers, the base image's first.

    `images` are the container images that IMAGE names, values in place, with the ``file:line`` where each does.
    """

    platform: Platform
    manifest: Descriptor
    layers: tuple[BuiltLayer, ...]
    images: tuple[NamedImage, ...] = ()
    warnings: tuple[str, ...] = ()


def build(inputs: BuildInputs, platform: Platform, *, store: Store, cache: Path, sink: Sink) -> BuiltRootfs:
    """Build one platform's root file system into `store`; `cache` is a folder that may be deleted at any time.

    Raises `RecipeError` at the instruction that cannot be carried out. Several builds may run at once.
    """
    with contextlib.ExitStack() as stack:
        return _Build(inputs, platform, store=store, cache=cache, sink=sink, stack=stack).run()


def needed_images(kubefile: Kubefile, arguments: Mapping[str, str], platform: Platform) -> tuple[Needed, ...]:
    """The images that a build takes from the store, and the instructions that name them."""
    planned = stages.plan(kubefile, arguments, platform)
    found = {(one.reference, one.platform): one for one in stages.images(planned, kubefile)}
    return tuple(found.values())


def base_spec(
    kubefile: Kubefile, arguments: Mapping[str, str], platform: Platform, *, store: Store
) -> BundleSpec | None:
    """The description of the base image, which must be in the store; None for scratch."""
    base = base_image(kubefile, arguments, platform)
    return _open(base.instruction, base.reference, base.platform, store)[1].spec if base else None


def base_image(kubefile: Kubefile, arguments: Mapping[str, str], platform: Platform) -> Needed | None:
    """The image that the last stage is built on, through other stages or not; None for scratch."""
    planned = {one.stage.number: one for one in stages.plan(kubefile, arguments, platform)}
    one = planned[max(planned)]
    while isinstance(one.base, int):
        one = planned[one.base]
    return None if one.base is None else Needed(one.stage.base, one.base, one.platform)


def _open(
    instruction: Instruction, reference: Reference, platform: Platform, store: Store
) -> tuple[Manifest, ImageConfig]:
    try:
        return open_rootfs(store, store.resolve(reference), platform)
    except ApplianceError as error:
        raise instruction.error(error.message, hint=error.hint) from error


class _Build:
    """One platform's build: the stages so far, each with the tree that its RUNs work in."""

    def __init__(
        self,
        inputs: BuildInputs,
        platform: Platform,
        *,
        store: Store,
        cache: Path,
        sink: Sink,
        stack: contextlib.ExitStack,
    ) -> None:
        self._inputs = inputs
        self._kubefile = inputs.kubefile
        self._platform = platform
        self._store = store
        self._cache = cache
        self._sink = sink
        self._stack = stack
        self._layering = Layering(
            store, BuildCache(cache / "layers", store), mtime=inputs.mtime, use_cache=inputs.use_cache, sink=sink
        )
        lock_path = inputs.lock or inputs.context / "Kubefile.lock"
        downloads = Downloads(cache / "downloads", lock_path, locked=inputs.locked)
        private = stack.enter_context(Workspace(cache / "work", store)).scratch
        self._gathering = Gathering(
            self._kubefile, Context(inputs.context), self._layering, downloads, private=private, sink=sink
        )
        self._stages: dict[int | Reference, StageState] = {}
        self._workspaces: dict[int | Reference, Workspace] = {}

    def run(self) -> BuiltRootfs:
        """Carry out the stages that the last one needs, and write config and manifest."""
        planned = stages.plan(self._kubefile, self._inputs.arguments, self._platform)
        for one in planned:
            state = StageState(one, self._inputs.arguments, self._platform, escape=self._kubefile.escape)
            self._stages[one.stage.number] = state
            for instruction in (one.stage.base, *one.stage.instructions):
                self._told(state, instruction)
            state.check()
        return self._finish(self._stages[planned[-1].stage.number])

    def _told(self, state: StageState, instruction: Instruction) -> None:
        """Carry out one instruction between its two events."""
        number = self._kubefile.instructions.index(instruction) + 1
        task = f"{self._platform} {number}/{len(self._kubefile.instructions)}"
        self._sink(TaskStarted(task, instruction.written.split("\n")[0]))
        try:
            cached = self._carry_out_here(state, instruction, task)
        except BaseException as error:
            outcome = Outcome.FAILED if isinstance(error, ApplianceError) else Outcome.CANCELLED
            self._sink(TaskFinished(task, outcome, str(error)))
            raise
        self._sink(TaskFinished(task, Outcome.OK, "cached" if cached else ""))

    def _carry_out_here(self, state: StageState, instruction: Instruction, task: str) -> bool:
        """As `_carry_out`; what is wrong with files is told at the instruction that names them."""
        try:
            return self._carry_out(state, instruction, task)
        except (RecipeError, BundleError) as error:
            if error.where:
                raise
            raise instruction.error(error.message, hint=error.hint) from error

    def _from(self, state: StageState) -> None:
        base = state.planned.base
        if isinstance(base, int):
            state.grow_on(self._stages[base])
        elif base is not None:
            self._inherit(state, state.planned.stage.base, base)

    def _inherit(self, state: StageState, instruction: Instruction, reference: Reference) -> None:
        manifest, config = _open(instruction, reference, state.planned.platform, self._store)
        digest = self._store.resolve(reference).digest
        state.materials.append(Material(str(reference), digest, pinned=reference.digest is not None))
        state.inherit(config)
        for blob, record in zip(manifest.layers, config.layers, strict=True):
            made = self._layering.of_blob(blob, record.diff_id, record.size)
            state.add(made, BuiltLayer.of(made, record.instruction, cached=True))

    def _carry_out(self, state: StageState, instruction: Instruction, task: str) -> bool:
        """Whether a layer came from the cache."""
        if state.note(instruction):
            return False
        match instruction.keyword:
            case "FROM":
                self._from(state)
                return False
            case "RUN":
                made, cached = self._run(state, instruction, task)
            case "COPY" if instruction.flag("from"):
                source = stages.find(self._kubefile, state.planned.stage, instruction, instruction.flag("from"))
                chain = self._chain(source, state, instruction)
                made, cached = self._gathering.copy_from(
                    state, instruction, task, chain=chain, tree=lambda: self._tree(source)
                )
            case "COPY" | "ADD":
                made, cached = self._gathering.copy(state, instruction, task)
            case _:
                made, cached = self._gathering.app(state, instruction, task)
        state.add(made, BuiltLayer.of(made, instruction.written, cached=cached))
        return cached

    def _chain(self, source: int | Reference, state: StageState, instruction: Instruction) -> list[str]:
        """What the tree of a stage or image is known by: its layers."""
        if isinstance(source, Reference) and source not in self._stages:
            image = StageState(state.planned, {}, self._platform, escape=self._kubefile.escape)
            self._inherit(image, instruction, source)
            self._stages[source] = image
        return [str(made.diff_id) for made in self._stages[source].made]

    def _workspace(self, source: int | Reference) -> Workspace:
        """The tree of a stage or image, as it is now."""
        if source not in self._workspaces:
            self._workspaces[source] = self._stack.enter_context(Workspace(self._cache / "work", self._store))
        workspace = self._workspaces[source]
        workspace.catch_up(self._stages[source].made)
        return workspace

    def _tree(self, source: int | Reference) -> Path:
        return self._workspace(source).root

    def _run(self, state: StageState, instruction: Instruction, task: str) -> tuple[LayerMade, bool]:
        run = running.prepare(
            instruction,
            state.planned.platform,
            values=state.values.all,
            workdir=state.workdir,
            network=state.values.expand(instruction, instruction.flag("network")),
        )
        stage = state.planned.stage

        def content(mount: Mount) -> object:
            if not mount.source:
                return self._gathering.fingerprint(mount.path)
            return self._chain(stages.find(self._kubefile, stage, instruction, mount.source), state, instruction)

        def place(mount: Mount) -> Path:
            if mount.kind is MountKind.CACHE:
                return cache_folder(self._cache / "mounts", mount.name)
            if not mount.source:
                return self._gathering.place(mount.path)
            source = stages.find(self._kubefile, stage, instruction, mount.source)
            return Context(self._tree(source), exact=True).place(mount.path)

        inputs = running.inputs(run, tuple(made.diff_id for made in state.made), content)
        return self._layering.known_as(
            inputs,
            lambda: running.execute(run, self._workspace(stage.number), places=place, sink=self._sink, task=task),
            task,
        )

    def _finish(self, state: StageState) -> BuiltRootfs:
        config = ImageConfig(
            platform=self._platform,
            spec=self._inputs.spec,
            layers=tuple(LayerRecord(layer.diff_id, layer.instruction, layer.tar_size) for layer in state.layers),
            env=state.values.env,
            labels=state.labels,
            commands=state.commands,
            ignored=tuple(state.ignored),
            apps=tuple(state.apps.values()),
            launch=state.launch,
            kube_version=state.kube_version,
            build=BuildRecord(materials=tuple(dict.fromkeys(state.materials))),
        )
        manifest = write_rootfs(self._store, config, (layer.blob for layer in state.layers))
        warnings = (*self._gathering.warnings, *state.warnings)
        return BuiltRootfs(self._platform, manifest, tuple(state.layers), tuple(state.images), warnings)
