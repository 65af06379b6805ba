"""Plans as text for golden files: one step a paragraph, scripts by name, written texts indented."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from appliance.bundle.pyruntime.layout import STANDS, install_script
from appliance.plan import footprint
from appliance.plan.steps import Fetch, PutText, Receive, Run, Unpack, WaitFor
from appliance.runtimes.kubernetes import (
    applications_steps,
    etcd,
    joining,
    leaving,
    machine,
    nodes,
    podnetwork,
)
from appliance.runtimes.parts import asking, hostnames, registryadditions, registrystorage, unitcommands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.plan.steps import Action, Stage, Step
    from appliance.transport.base import Command

_MODULES = (
    unitcommands,
    footprint,
    hostnames,
    registrystorage,
    registryadditions,
    machine,
    etcd,
    joining,
    podnetwork,
    nodes,
    leaving,
)
_SCRIPTS = (
    {
        script: f"‹{module.__name__.rpartition('.')[2]}_{name.strip('_').lower()}›"
        for module in _MODULES
        for name, script in vars(module).items()
        if name.strip("_").isupper() and isinstance(script, str) and script.startswith(("\n", "#!", "[ ", "! "))
    }
    | {
        script: f"‹applications {name.strip('_').lower()}›"
        for name, script in vars(applications_steps).items()
        if name.isupper() and isinstance(script, str) and not script.startswith("/")
    }
    | {
        asking.program(): "‹asking›",
        install_script(): "‹pyruntime install›",
        STANDS: "‹runtime stands›",
    }
)


def plan_text(stages: tuple[Stage, ...], *, only: str = "") -> str:
    """The stages; of `only` one host, if named."""
    return "\n".join(line for stage in stages for line in _stage(stage, only)) + "\n"


def _stage(stage: Stage, only: str) -> Iterator[str]:
    needs = "" if stage.needs is None else f" (needs {', '.join(stage.needs) or 'none'})"
    yield f"== {stage.title}{needs}{' DESTRUCTIVE' if stage.destructive else ''}"
    for step in stage.steps:
        if not only or step.host == only:
            yield from _step(step)
    yield ""


def _step(step: Step) -> Iterator[str]:
    yield f"-- {step.id}: {step.title}"
    yield from _action(step.action)
    if step.unless:
        yield f"   unless  {_command(step.unless)}"
    yield from (f"   after   {earlier}" for earlier in step.after)


def _action(action: Action) -> Iterator[str]:
    match action:
        case Run():
            yield f"   run     {_command(action.command)}"
        case PutText():
            yield f"   put     {action.path} {action.mode:04o} {action.owner}"
            yield from (f"   | {line}".rstrip() for line in "".join(map(str, action.parts)).splitlines())
        case Receive():
            way = action.runtime.short if action.runtime else "plain"
            yield f"   receive {', '.join(f'{blob.digest.short} {blob.size}' for blob in action.blobs)} ({way})"
        case Unpack():
            yield f"   unpack  {action.cluster} {action.image.short} {' '.join(action.paths)}"
        case WaitFor():
            yield f"   wait    {action.seconds:g} s for {_command(action.command)}"
        case Fetch():
            yield f"   fetch   {action.path} as {action.name}"
        case _:
            assert_never(action)


def _command(command: Command) -> str:
    return " ".join(_SCRIPTS.get(argument, argument) for argument in command.argv)
