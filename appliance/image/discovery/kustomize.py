"""Kustomizations are built by real kustomize: on PATH, or the one in kubectl."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.image.discovery import nodes
from appliance.image.discovery.nodes import Mapping, Scalar, Sequence

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_SECONDS = 120.0
_LISTS = ("resources", "bases", "components", "crds", "patchesStrategicMerge")


@dataclass(frozen=True, slots=True)
class Built:
    """What a kustomization makes; or `problem`, why it could not be built."""

    manifests: str = ""
    problem: str = ""


def build(folder: Path) -> Built:
    """Build the kustomization in a folder."""
    argv = _program()
    if not argv:
        return Built(problem="it takes kustomize or kubectl on PATH to build a kustomization")
    command = [*argv, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Built(problem=f"kustomize did not end well: {error}")
    if done.returncode != 0:
        return Built(problem=_last_line(done.stderr.decode(errors="replace")))
    return Built(done.stdout.decode(errors="replace"))


def _last_line(stderr: str) -> str:
    """What it says went wrong, without the marks that kubectl's log puts before."""
    lines = stderr.strip().splitlines() or ["it said nothing"]
    return lines[-1].removeprefix("error: ").removeprefix("Error: ").rpartition(' err="')[2].rstrip('"')[:500]


def _program() -> tuple[str, ...]:
    if program := shutil.which("kustomize"):
        return (program, "build")
    return (program, "kustomize") if (program := shutil.which("kubectl")) else ()


def parts(text: str) -> tuple[str, ...]:
    """The paths and URLs that a kustomization takes its parts from."""
    found: list[str] = []
    for document in nodes.load(text):
        if isinstance(document, Mapping):
            for name in _LISTS:
                listed = document.fields.get(name)
                if isinstance(listed, Sequence):
                    found += [item.text for item in listed.items if isinstance(item, Scalar)]
            found += _patches(document)
    return tuple(found)


def _patches(document: Mapping) -> Iterable[str]:
    listed = document.fields.get("patches")
    items = listed.items if isinstance(listed, Sequence) else ()
    return [item.text("path") for item in items if isinstance(item, Mapping) and item.text("path")]
