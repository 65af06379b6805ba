"""What a step does: one function for each kind of action, over a leased transport. Secrets are resolved here, last."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, assert_never

from appliance.distribute.base import Hearing
from appliance.distribute.conversation import Ack, converse
from appliance.distribute.node import Layer, Node, Request
from appliance.distribute.unicast import hostside, python_on
from appliance.errors import ApplianceError, Cancelled, StateError, TimedOut
from appliance.execute.guards import Resolve, secret_lines, text
from appliance.files import write_bytes
from appliance.plan.steps import Fetch, PutText, Receive, Run, Unpack, WaitFor
from appliance.transport.base import Command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from appliance.clock import Clock
    from appliance.digest import Digest
    from appliance.distribute.base import BlobSource, Distributor
    from appliance.plan.steps import Action
    from appliance.transport.base import CommandResult, Transport

UNPACK_SECONDS = 4 * 3600.0
_FIRST_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Supplies:
    """What actions take from the operator's side: secrets, blobs, the way they travel, a folder for what is fetched."""

    resolve: Resolve
    source: BlobSource
    distributor: Distributor
    fetched: Path
    clock: Clock
    node: Node = field(default_factory=Node)
    python: Callable[[Digest], tuple[str, ...]] = field(default_factory=lambda: python_on(Node()))


@dataclass(frozen=True, slots=True)
class Ears:
    """Who hears of an action underway: bytes done and total, output as it comes; and whether to stop now.

    `note` hears a sentence for the report, of an action that went well.
    """

    progress: Callable[[int, int], None]
    output: Callable[[bytes], None]
    note: Callable[[str], None]
    stopped: Callable[[], bool]


def perform(action: Action, transport: Transport, *, host: str, supplies: Supplies, ears: Ears) -> None:
    """Carry `action` out on `host`. Raises an `ApplianceError` that says why not, `Unreachable` if the line broke."""
    match action:
        case Run():
            _run(action, transport, supplies, ears)
        case PutText():
            content = text(action.parts, supplies.resolve)
            transport.put(content, action.path, mode=action.mode, owner=action.owner)
        case Receive(blobs, runtime):
            hearing = Hearing(ears.progress, lambda sentence: ears.output(f"{sentence}\n".encode()), ears.note)
            supplies.distributor.send(
                transport, blobs, host=host, source=supplies.source, runtime=runtime, hearing=hearing
            )
        case Unpack():
            _unpack(action, transport, supplies, ears)
        case WaitFor():
            _wait_for(action, transport, supplies, ears)
        case Fetch():
            _fetch(action, transport, supplies)
        case _:
            assert_never(action)


def _run(action: Run, transport: Transport, supplies: Supplies, ears: Ears) -> None:
    result = _ask(action.command, transport, supplies, ears)
    if not result.ok:
        raise ApplianceError(
            f"the command ended with status {result.status}{_last_words(result)}",
            hint="its whole output is in the host's log of this run",
        )


def _ask(command: Command, transport: Transport, supplies: Supplies, ears: Ears) -> CommandResult:
    result = transport.run(command, stdin=secret_lines(command, supplies.resolve), output=ears.output)
    if result.stderr:
        ears.output(result.stderr.encode())
    return result


def _last_words(result: CommandResult) -> str:
    said = (result.stderr.strip() or result.stdout.strip()).splitlines()
    return f": {said[-1].strip()[:300]}" if said else ""


def _unpack(action: Unpack, transport: Transport, supplies: Supplies, ears: Ears) -> None:
    layers = tuple(Layer(layer.blob.digest, layer.blob.size, layer.diff_id) for layer in action.layers)
    request = Request(action.cluster, action.image, layers, action.paths)
    total = sum(layer.size for layer in layers)
    argv = hostside(supplies.python(action.runtime), "unpack", node=supplies.node)

    def heard(ack: Ack) -> None:
        ears.progress(ack.done, total)

    converse(transport, Command(argv, timeout=UNPACK_SECONDS), request.to_json(), heard=heard)


def _wait_for(action: WaitFor, transport: Transport, supplies: Supplies, ears: Ears) -> None:
    clock = supplies.clock
    deadline = clock.monotonic() + action.seconds
    words, pause = "", min(_FIRST_PAUSE_SECONDS, action.interval)
    while True:
        left = max(deadline - clock.monotonic(), 1.0)
        bounded = replace(action.command, timeout=min(action.command.timeout, left))
        try:
            result = _ask(bounded, transport, supplies, ears)
        except TimedOut:
            words = ": the command that asks does not end"
        else:
            if result.ok:
                return
            words = _last_words(result)
        if ears.stopped():
            raise Cancelled("stopped while waiting")
        if clock.monotonic() + pause > deadline:
            raise ApplianceError(
                f"not so after {action.seconds:g} seconds{words}",
                hint="its whole output is in the host's log of this run",
            )
        clock.sleep(pause)
        pause = min(2 * pause, action.interval)


def _fetch(action: Fetch, transport: Transport, supplies: Supplies) -> None:
    place = supplies.fetched / action.name
    if not place.resolve().is_relative_to(supplies.fetched.resolve()):
        raise StateError(f"{action.name!r} is not a name inside the cluster's folder")
    write_bytes(place, transport.get(action.path, limit=action.limit), mode=0o600)
