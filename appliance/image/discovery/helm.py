"""Charts are rendered by real Helm: a ``helm`` on PATH, or the SDK of the extra ``helm``."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.errors import ApplianceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NAMESPACE = "apps"
"""Where charts are said to be installed: some refuse ``default``."""
_SECONDS = 300.0
_SOURCE = re.compile(r"^# Source: (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Settings:
    """What charts are rendered with: files of values and ``--set`` expressions, as helm takes them."""

    values: tuple[Path, ...] = ()
    sets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """A chart to be rendered, a folder or an archive, and with what."""

    chart: Path
    settings: Settings


@dataclass(frozen=True, slots=True)
class Rendered:
    """A chart as it would be installed: manifests by template; or `problem`, why it could not be rendered."""

    manifests: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


def render(jobs: Sequence[Job]) -> tuple[Rendered, ...]:
    """Render charts, in order; `ApplianceError` when there is no Helm."""
    if not jobs:
        return ()
    if program := shutil.which("helm"):
        return tuple(_by_program(program, job) for job in jobs)
    if importlib.util.find_spec("helm_python"):
        return _by_sdk(jobs)
    raise ApplianceError(
        f"the chart {jobs[0].chart} can only be read by Helm, which is not here",
        hint="put a helm on PATH, or: pip install 'appliance[helm]'",
    )


def _by_program(program: str, job: Job) -> Rendered:
    given = [word for path in job.settings.values for word in ("--values", str(path))]
    given += [word for expression in job.settings.sets for word in ("--set", expression)]
    argv = [program, "template", "release", str(job.chart), "--namespace", NAMESPACE, *given]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Rendered(problem=f"helm did not end well: {error}")
    if done.returncode != 0:
        return Rendered(problem=_last_line(done.stderr))
    return Rendered(_by_template(done.stdout.decode(errors="replace")))


def _by_template(text: str) -> dict[str, str]:
    """What ``helm template`` prints, by the templates that it names."""
    found: dict[str, str] = {}
    for document in re.split(r"^---\s*$", text, flags=re.MULTILINE):
        source = _SOURCE.search(document)
        name = source[1].strip() if source else "manifest"
        part = document.lstrip("\n")
        found[name] = f"{found[name]}\n---\n{part}" if name in found else part
    return found


def _by_sdk(jobs: Sequence[Job]) -> tuple[Rendered, ...]:
    asked = [
        {
            "chart": str(job.chart),
            "values": [path.read_text(encoding="utf-8", errors="replace") for path in job.settings.values],
            "sets": list(job.settings.sets),
            "namespace": NAMESPACE,
        }
        for job in jobs
    ]
    argv = [sys.executable, "-m", "appliance.image.discovery.helmsdk"]
    done = subprocess.run(argv, input=json.dumps(asked).encode(), capture_output=True, check=False)
    if done.returncode != 0:
        raise ApplianceError(f"the Helm SDK failed: {_last_line(done.stderr)}", hint="put a helm on PATH instead")
    return tuple(Rendered(one.get("manifests", {}), one.get("error", "")) for one in json.loads(done.stdout))


def _last_line(stderr: bytes) -> str:
    lines = [line for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("Error: ")[:500] if lines else "it said nothing"
