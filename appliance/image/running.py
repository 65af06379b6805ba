"""RUN: its command, its network and mounts; what it changes in the image's tree is a layer."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.events import Sink, TaskProgress
from appliance.files import lock
from appliance.image import emulation
from appliance.image.sandbox import ROOTFS, Laid, run_contained
from appliance.recipe.mounts import MountKind, parse_mounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from appliance.digest import Digest
    from appliance.image.context import Item
    from appliance.image.oci import Platform
    from appliance.image.workspace import Workspace
    from appliance.recipe.instructions import Instruction
    from appliance.recipe.mounts import Mount

_PACKAGES: Mapping[str, str] = {"arm64": "qemu-user-static", "amd64": "qemu-user-static"}


@dataclass(frozen=True, slots=True)
class Run:
    """A RUN as it is carried out: in `workdir` of the image's tree, with these values, for this platform."""

    instruction: Instruction
    platform: Platform
    values: Mapping[str, str]
    workdir: str
    network: bool
    mounts: tuple[Mount, ...]


def prepare(
    instruction: Instruction, platform: Platform, *, values: Mapping[str, str], workdir: str, network: str
) -> Run:
    """A RUN that can be carried out here; `RecipeError` otherwise. `network` is the flag's value."""
    if network not in ("", "default", "host", "none"):
        raise instruction.error(f"there is no network {network!r}", hint="expected --network=none or default")
    if instruction.flag("security") not in ("", "sandbox"):
        raise instruction.error("a RUN is always contained", hint="leave --security out")
    if not emulation.runs(platform):
        raise instruction.error(
            f"a RUN for {platform} cannot be carried out on this {emulation.host_platform()} machine",
            hint=f"apt-get install {_PACKAGES[platform.architecture]}, build there, or COPY what ${{ARCH}} names",
        )
    return Run(instruction, platform, values, workdir, network != "none", parse_mounts(instruction))


def inputs(run: Run, chain: tuple[Digest, ...], content: Callable[[Mount], object]) -> list[object]:
    """All that the layer of a RUN depends on, as JSON data; `content` tells what a bind mount holds."""
    instruction = run.instruction
    return [
        "run",
        [str(diff_id) for diff_id in chain],
        instruction.written,
        [[document.name, document.text] for document in instruction.heredocs],
        sorted(run.values.items()),
        run.workdir,
        [content(mount) for mount in run.mounts if mount.kind is MountKind.BIND],
    ]


def execute(
    run: Run, workspace: Workspace, *, places: Callable[[Mount], Path], sink: Sink, task: str
) -> tuple[Item, ...]:
    """Carry a RUN out in a workspace that has caught up; what it changed. `places` finds what a mount lays in."""
    instruction = run.instruction
    before = workspace.look()
    (workspace.root / run.workdir).mkdir(parents=True, exist_ok=True)
    with _laid(run, workspace, places) as laid:
        ended = run_contained(
            _argv(instruction, workspace),
            workspace.root,
            env=run.values,
            scratch=workspace.scratch,
            folder=f"{ROOTFS}/{run.workdir}".rstrip("/"),
            laid=laid,
            network=run.network,
            heard=lambda line: sink(TaskProgress(task, 0, line)),
        )
    if ended.status != 0:
        last = f": {ended.lines[-1]}" if ended.lines else ""
        hint = "its last lines: " + " | ".join(ended.lines[-5:]) if ended.lines else "it wrote nothing"
        raise instruction.error(f"the command ended with status {ended.status}{last}", hint=hint)
    return workspace.changes(before)


@contextlib.contextmanager
def _laid(run: Run, workspace: Workspace, places: Callable[[Mount], Path]) -> Iterator[tuple[Laid, ...]]:
    """The mounts, with places for those that are relative; a cache is one command's at a time."""
    with contextlib.ExitStack() as stack:
        laid = []
        for mount in run.mounts:
            source = None if mount.kind is MountKind.TMPFS else places(mount)
            if mount.kind is MountKind.CACHE and source is not None:
                stack.enter_context(lock(source.with_name(f"{source.name}.lock")))
            target = mount.target
            if not target.startswith("/"):
                inner = workspace.root / run.workdir / target
                stack.enter_context(_mount_point(inner, is_file=source is not None and source.is_file()))
                target = f"{ROOTFS}/{run.workdir}/{target}"
            laid.append(Laid(target, source, writable=mount.kind is not MountKind.BIND))
        yield tuple(laid)


@contextlib.contextmanager
def _mount_point(path: Path, *, is_file: bool) -> Iterator[None]:
    """Something to mount on, gone afterwards if it was not there."""
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    if is_file:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    else:
        path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for folder in made:
            with contextlib.suppress(OSError):  # the command put something beside it
                folder.unlink() if folder.is_file() else folder.rmdir()


def _argv(instruction: Instruction, workspace: Workspace) -> tuple[str, ...]:
    """JSON form as it is; shell form by sh; a here-document alone is a script, by the interpreter it names."""
    if instruction.words is not None:
        return instruction.words
    documents = instruction.heredocs
    if len(documents) == 1 and re.fullmatch(r"[0-9]*<<\S+", instruction.text):
        if not documents[0].text.startswith("#!"):
            return ("/bin/sh", "-c", documents[0].text)
        script = workspace.scratch / "run-script"
        script.write_text(documents[0].text)
        script.chmod(0o755)
        return ("/tmp/run-script",)  # noqa: S108  (the sandbox's own)
    bodies = "".join(f"\n{document.text}{document.name}" for document in documents)
    return ("/bin/sh", "-c", f"{instruction.text}{bodies}\n")
