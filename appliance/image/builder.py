"""Kubefile × base image × context → a new image in the store; a layer per COPY, ADD and RUN, cached where it can be.

A layer of files is known by the files and where they go; one of RUN by the tree it ran in, its text and its values.
"""

from __future__ import annotations

import dataclasses
import errno
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from appliance.errors import ApplianceError, BundleError, RecipeError
from appliance.events import Outcome, Sink, TaskFinished, TaskProgress, TaskStarted
from appliance.image import buildcache, copying, layers, oci
from appliance.image.buildcache import BuildCache, LayerMade
from appliance.image.context import Context, Item, check_unchanged, with_parents
from appliance.image.copying import Taken, image_path
from appliance.image.layers import Source
from appliance.image.materials import SECRETS_LABEL, BuildRecord, Material, recorded_arguments, whole
from appliance.image.oci import (
    MEDIA_CONFIG,
    MEDIA_LAYER,
    MEDIA_MANIFEST,
    Descriptor,
    ImageConfig,
    LayerRecord,
    Platform,
)
from appliance.image.reference import Reference
from appliance.image.sandbox import run_contained
from appliance.image.store import write_blob
from appliance.image.values import Values, raw_words
from appliance.image.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from appliance.digest import Digest
    from appliance.image.store import Store
    from appliance.recipe.bundlefile import BundleSpec
    from appliance.recipe.kubefile import Instruction, Kubefile

_LATER = frozenset({"IMAGE", "APP", "APPCMDS", "APPENV", "CNI", "CSI", "KUBEVERSION", "LAUNCH", "CMDS"})
_URL = re.compile(r"(https?|ftp|git)://|git@")
SCRATCH = "scratch"
_AUTHORS = "org.opencontainers.image.authors"
_CHMOD = re.compile(r"0?[0-7]{3,4}")


@dataclass(frozen=True, slots=True)
class BuildInputs:
    """All that a build depends on. `spec` None takes the base image's; `mtime` stamps files (SOURCE_DATE_EPOCH)."""

    kubefile: Kubefile
    context: Path
    spec: BundleSpec
    arguments: Mapping[str, str] = field(default_factory=dict)
    mtime: int = 0
    use_cache: bool = True


@dataclass(frozen=True, slots=True)
class BuiltLayer:
    """A layer of the image: where it lies, which instruction made it, whether it was there already."""

    blob: Descriptor
    diff_id: Digest
    tar_size: int
    instruction: str
    cached: bool


@dataclass(frozen=True, slots=True)
class BuiltRootfs:
    """One platform's root file system: its manifest (the rootfs digest) and layers, the base image's first."""

    platform: Platform
    manifest: Descriptor
    layers: tuple[BuiltLayer, ...]


def build(inputs: BuildInputs, platform: Platform, *, store: Store, cache: Path, sink: Sink) -> BuiltRootfs:
    """Build one platform's root file system into `store`; `cache` is a folder that may be deleted at any time.

    Raises `RecipeError` at the instruction that cannot be carried out. Several builds may run at once.
    """
    check_supported(inputs.kubefile)
    with Workspace(cache / "work", store) as workspace:
        layer_cache = BuildCache(cache / "layers", store)
        return _Build(inputs, platform, store=store, cache=layer_cache, workspace=workspace, sink=sink).run()


def base_name(
    kubefile: Kubefile, arguments: Mapping[str, str], platform: Platform
) -> tuple[Instruction, Reference] | None:
    """The image that a build begins with, and the FROM that names it; None for scratch."""
    values = Values(platform, arguments, escape=kubefile.escape)
    for instruction in kubefile.instructions:
        if instruction.keyword == "FROM":
            name = values.words(instruction)[0]
            return None if name == SCRATCH else (instruction, _base_reference(instruction, name))
        values.declare(instruction)
    return None


def base_spec(
    kubefile: Kubefile, arguments: Mapping[str, str], platform: Platform, *, store: Store
) -> BundleSpec | None:
    """The description of the base image, which must be in the store; None for scratch."""
    named = base_name(kubefile, arguments, platform)
    return _base(*named, platform, store=store)[1].spec if named else None


def check_supported(kubefile: Kubefile) -> None:
    """`RecipeError` at the first instruction that this version reads but cannot carry out."""
    stages = [i for i in kubefile.instructions if i.keyword == "FROM"]
    for instruction in kubefile.instructions:
        what = ""
        if instruction.keyword in _LATER:
            what = instruction.keyword
        elif instruction.keyword == "FROM" and instruction is not stages[0]:
            what = "a second FROM"
        elif instruction.keyword in ("COPY", "ADD") and instruction.flag("from"):
            what = "COPY --from"
        elif instruction.keyword == "ADD" and any(map(_URL.match, raw_words(instruction, escape=kubefile.escape))):
            what = "ADD of a URL"
        elif instruction.keyword in ("COPY", "ADD") and instruction.heredocs:
            what = f"a here-document in {instruction.keyword}"
        elif instruction.keyword == "RUN" and (instruction.flag("mount") or instruction.flag("security")):
            what = "RUN --mount and --security"
        if what:
            raise instruction.error(
                f"not supported yet: {what}", hint="this version builds FROM, COPY, ADD of files, RUN"
            )


class _Build:
    """One platform's build: what the instructions have made so far."""

    def __init__(
        self,
        inputs: BuildInputs,
        platform: Platform,
        *,
        store: Store,
        cache: BuildCache,
        workspace: Workspace,
        sink: Sink,
    ) -> None:
        self._inputs = inputs
        self._kubefile = inputs.kubefile
        self._context = Context(inputs.context)
        self._platform = platform
        self._store = store
        self._cache = cache
        self._workspace = workspace
        self._sink = sink
        self._values = Values(platform, inputs.arguments, escape=inputs.kubefile.escape)
        self._labels: dict[str, str] = {}
        self._workdir = ""
        self._commands: tuple[str, ...] = ()
        self._ignored: list[str] = []
        self._materials: list[Material] = []
        self._made: list[LayerMade] = []
        self._layers: list[BuiltLayer] = []
        self._folders: dict[str, int] = {}

    def run(self) -> BuiltRootfs:
        """Carry out all instructions, and write config and manifest."""
        for number, instruction in enumerate(self._kubefile.instructions, 1):
            task = f"{self._platform} {number}/{len(self._kubefile.instructions)}"
            self._sink(TaskStarted(task, instruction.written.split("\n")[0]))
            try:
                cached = self._carry_out_here(instruction, task)
            except BaseException as error:
                outcome = Outcome.FAILED if isinstance(error, ApplianceError) else Outcome.CANCELLED
                self._sink(TaskFinished(task, outcome, str(error)))
                raise
            self._sink(TaskFinished(task, Outcome.OK, "cached" if cached else ""))
        return self._finish()

    def _carry_out_here(self, instruction: Instruction, task: str) -> bool:
        """As `_carry_out`; what is wrong with files is told at the instruction that names them."""
        try:
            return self._carry_out(instruction, task)
        except (RecipeError, BundleError) as error:
            if error.where:
                raise
            raise instruction.error(error.message, hint=error.hint) from error

    def _carry_out(self, instruction: Instruction, task: str) -> bool:
        """Whether a layer came from the cache."""
        match instruction.keyword:
            case "FROM":
                self._from(instruction)
            case "ARG":
                self._values.declare(instruction)
            case "ENV":
                self._values.set(instruction)
            case "LABEL":
                self._labels |= self._values.assigned(instruction)
            case "MAINTAINER":
                self._labels[_AUTHORS] = instruction.text
            case "WORKDIR":
                self._workdir = image_path(self._workdir, self._values.expand(instruction, instruction.text))
            case "CMD":
                self._cmd(instruction)
            case "COPY" | "ADD":
                return self._copy(instruction, task)
            case "RUN":
                return self._run(instruction, task)
            case _:
                self._ignored.append(instruction.written)
        return False

    def _cmd(self, instruction: Instruction) -> None:
        """Sealer's shell form accumulates; sealos's JSON form stands alone, an item a command unless it is one argv."""
        if instruction.words is None:
            self._commands = (*self._commands, instruction.text)
        elif any(" " in word for word in instruction.words[:1]):
            self._commands = instruction.words
        else:
            self._commands = (" ".join(_quoted(word) for word in instruction.words),)

    def _from(self, instruction: Instruction) -> None:
        name = self._values.words(instruction)[0]
        wanted = instruction.flag("platform")
        if wanted and Platform.parse(self._values.expand(instruction, wanted)) != self._platform:
            raise instruction.error(f"this FROM is for {wanted}, the build for {self._platform}")
        self._values.begin_stage()
        if name == SCRATCH:
            return
        reference = _base_reference(instruction, name)
        manifest, config = _base(instruction, reference, self._platform, store=self._store)
        pinned = reference.digest is not None
        self._materials.append(Material(str(reference), self._store.resolve(reference).digest, pinned))
        self._materials += config.build.materials
        self._values.env |= config.env
        self._labels |= config.labels
        self._commands = config.commands
        for blob, record in zip(manifest.layers, config.layers, strict=True):
            with self._store.open(blob.digest) as source:
                made = LayerMade.of(blob, record.diff_id, record.size, layers.read_entries(source))
            self._add(made, record.instruction, cached=True)

    def _add(self, made: LayerMade, instruction: str, *, cached: bool) -> None:
        self._made.append(made)
        self._layers.append(BuiltLayer(made.blob, made.diff_id, made.tar_size, instruction, cached))
        for path in made.removed:
            self._folders = {f: m for f, m in self._folders.items() if f != path and not f.startswith(f"{path}/")}
        self._folders |= made.folders

    def _layer(self, instruction: Instruction, name: Digest, make: Callable[[], tuple[Item, ...]], task: str) -> bool:
        """The layer known as `name`: from the cache (True), or of the items that `make` gives."""
        made = self._cache.get(name) if self._inputs.use_cache else None
        cached = made is not None
        if made is None:
            made = self._write(make(), task)
            self._cache.put(name, made)
        self._add(made, whole(instruction), cached=cached)
        return cached

    def _write(self, items: tuple[Item, ...], task: str) -> LayerMade:
        _check_texts(items)
        written: list[layers.Layer] = []
        done = 0

        def progress(count: int) -> None:
            nonlocal done
            done += count
            self._sink(TaskProgress(task, done))

        def write(out: BinaryIO) -> tuple[Digest, int]:
            sources = (Source(item.entry, item.file) for item in items)
            layer = layers.write_layer(sources, out, mtime=self._inputs.mtime, progress=progress)
            check_unchanged(items)
            written.append(layer)
            return layer.digest, layer.size

        write_blob(self._store, write)
        (layer,) = written
        blob = Descriptor(MEDIA_LAYER, layer.digest, layer.size)
        return LayerMade.of(blob, layer.diff_id, layer.tar_size, (item.entry for item in items))

    def _copy(self, instruction: Instruction, task: str) -> bool:
        *names, written = self._values.words(instruction)
        into = copying.target(self._workdir, written, self._folders)
        try:
            unpack = instruction.keyword == "ADD"
            taken = copying.take(self._context, names, into, mode=self._chmod(instruction), unpack=unpack)
            return self._copy_layer(instruction, taken, task)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise ApplianceError(f"no room left to write {error.filename}", hint="free space there") from error
            hint = "look at its owner and mode"
            raise instruction.error(f"cannot read {error.filename}: {error.strerror}", hint=hint) from error

    def _copy_layer(self, instruction: Instruction, taken: Taken, task: str) -> bool:
        items = with_parents(taken.items, self._folders)
        folders = sorted(self._folders.items()) if taken.archives else []
        name = buildcache.key("files", self._inputs.mtime, Taken(items, taken.archives).fingerprint, folders)

        def make() -> tuple[Item, ...]:
            found = {item.entry.path: item for item in taken.items}
            for number, archive in enumerate(taken.archives):
                folder = self._workspace.folder(f"{len(self._made)}-{number}")
                found |= {item.entry.path: item for item in copying.unpacked(archive, folder)}
            check_unchanged(taken.archives)
            return with_parents(found.values(), self._folders)

        return self._layer(instruction, name, make, task)

    def _chmod(self, instruction: Instruction) -> int | None:
        text = self._values.expand(instruction, instruction.flag("chmod"))
        if text and not _CHMOD.fullmatch(text):
            raise instruction.error(f"{text!r} is not a mode", hint="write it in octal, like --chmod=755")
        return int(text, 8) if text else None

    def _run(self, instruction: Instruction, task: str) -> bool:
        network = self._values.expand(instruction, instruction.flag("network")) or "default"
        if network not in ("default", "host", "none"):
            raise instruction.error(f"there is no network {network!r}", hint="expected --network=none or default")
        chain = [str(made.diff_id) for made in self._made]
        documents = [[d.name, d.text] for d in instruction.heredocs]
        values = sorted(self._values.all.items())
        name = buildcache.key("run", self._inputs.mtime, chain, instruction.written, documents, values, self._workdir)
        return self._layer(instruction, name, lambda: self._execute(instruction, task, network=network != "none"), task)

    def _execute(self, instruction: Instruction, task: str, *, network: bool) -> tuple[Item, ...]:
        self._workspace.catch_up(self._made)
        before = self._workspace.look()
        ended = run_contained(
            self._argv(instruction),
            self._workspace.root,
            env=self._values.all,
            scratch=self._workspace.scratch,
            network=network,
            heard=lambda line: self._sink(TaskProgress(task, 0, line)),
        )
        if ended.status != 0:
            last = f": {ended.lines[-1]}" if ended.lines else ""
            hint = "its last lines: " + " | ".join(ended.lines[-5:]) if ended.lines else "it wrote nothing"
            raise instruction.error(f"the command ended with status {ended.status}{last}", hint=hint)
        return self._workspace.changes(before)

    def _argv(self, instruction: Instruction) -> tuple[str, ...]:
        """JSON form as it is; shell form by sh; a here-document alone is a script, by the interpreter it names."""
        if instruction.words is not None:
            return instruction.words
        documents = instruction.heredocs
        if len(documents) == 1 and re.fullmatch(r"[0-9]*<<\S+", instruction.text):
            if not documents[0].text.startswith("#!"):
                return ("/bin/sh", "-c", documents[0].text)
            script = self._workspace.scratch / "run-script"
            script.write_text(documents[0].text)
            script.chmod(0o755)
            return ("/tmp/run-script",)  # noqa: S108  (the sandbox's own)
        bodies = "".join(f"\n{document.text}{document.name}" for document in documents)
        return ("/bin/sh", "-c", f"{instruction.text}{bodies}\n")

    def _arguments(self) -> dict[str, str]:
        """The build arguments that may be told."""
        private = (str(self._inputs.context.resolve()), str(Path.home()))
        secret = self._labels.get(SECRETS_LABEL, "")
        return recorded_arguments(self._inputs.arguments, secret=secret, private=private)

    def _finish(self) -> BuiltRootfs:
        config = ImageConfig(
            platform=self._platform,
            spec=self._inputs.spec,
            layers=tuple(LayerRecord(layer.diff_id, layer.instruction, layer.tar_size) for layer in self._layers),
            env=self._values.env,
            labels=self._labels,
            commands=self._commands,
            ignored=tuple(self._ignored),
            build=BuildRecord(self._arguments(), tuple(self._materials)),
        )
        described = self._store.put_document(oci.config_to_json(config), MEDIA_CONFIG)
        manifest = oci.Manifest(described, tuple(layer.blob for layer in self._layers))
        return BuiltRootfs(
            self._platform,
            dataclasses.replace(
                self._store.put_document(oci.manifest_to_json(manifest), MEDIA_MANIFEST), platform=self._platform
            ),
            tuple(self._layers),
        )


def _base_reference(instruction: Instruction, name: str) -> Reference:
    try:
        return Reference.parse(name)
    except RecipeError as error:
        raise instruction.error(error.message, hint=error.hint) from error


def _base(
    instruction: Instruction, reference: Reference, platform: Platform, *, store: Store
) -> tuple[oci.Manifest, ImageConfig]:
    try:
        return open_rootfs(store, store.resolve(reference), platform)
    except ApplianceError as error:
        raise instruction.error(error.message, hint=error.hint) from error


def open_rootfs(store: Store, index: Descriptor, platform: Platform) -> tuple[oci.Manifest, ImageConfig]:
    """The manifest and config of one platform of an image in the store; `RecipeError` when it is not built for it."""
    children = oci.index_from_json(store.get(index)).manifests
    child = next((c for c in children if c.platform == platform), None)
    if child is None:
        built = ", ".join(str(c.platform) for c in children if c.platform)
        raise RecipeError(f"the image is not there for {platform}", hint=f"it is there for {built}")
    manifest = oci.manifest_from_json(store.get(child))
    return manifest, oci.config_from_json(store.get(manifest.config))


def _check_texts(items: Iterable[Item]) -> None:
    """What templates may read goes through memory whole, so it is bounded here, before a site refuses it."""
    for item in items:
        if item.entry.path.startswith(oci.TEXT_FOLDERS) and item.entry.size > layers.TEXT_BYTES:
            message = f"{item.entry.path} has {item.entry.size} bytes, where a file in that folder may have 1 MiB"
            raise RecipeError(message, hint=f"only {', '.join(oci.TEXT_FOLDERS)} are bounded: move it")


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[A-Za-z0-9_@%+=:,./-]+", word) else "'" + word.replace("'", "'\"'\"'") + "'"
