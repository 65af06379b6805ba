"""A plan as a JSON document, and back: what is saved, approved, carried out by another process, and identified.

::

    {"format": 1, "cluster", "image", "stages": [{"title", "needs"?, "at_once"?, "destructive"?, "steps": [
        {"id", "title", "host", "action": {"kind": "run", …}, "unless"?, "after"?}]}]}

Times are whole milliseconds, modes octal text; a member that holds its default is left out. A secret is
``{"secret": NAME}``: there is no other form in which one could stand here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, assert_never

from appliance import canonical
from appliance.digest import Digest
from appliance.errors import StateError
from appliance.image.blobs import Blob, LayerBlob
from appliance.plan.steps import (
    Fetch,
    Plan,
    PutText,
    Receive,
    Run,
    SecretRef,
    Stage,
    Step,
    Unpack,
    WaitFor,
)
from appliance.transport.base import Command

if TYPE_CHECKING:
    from appliance.plan.steps import Action

T = TypeVar("T")

FORMAT = 1
LIMIT = 64 << 20
"""Bytes of a plan that are read."""


def plan_to_json(plan: Plan) -> bytes:
    """The canonical document of `plan`: the same plan gives the same bytes."""
    return canonical.dumps(
        {
            "format": FORMAT,
            "cluster": plan.cluster,
            "image": plan.image,
            "stages": [_stage(stage) for stage in plan.stages],
        }
    )


def plan_digest(plan: Plan) -> Digest:
    """What identifies a plan: the SHA-256 of its canonical document."""
    return Digest.of(plan_to_json(plan))


def plan_from_json(data: bytes) -> Plan:
    """Read what `plan_to_json` wrote. `StateError` for anything else, and for a newer format."""
    try:
        document = canonical.loads(data, limit=LIMIT)
        version = document["format"]
        if version == FORMAT:
            return _Members(document).plan()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StateError(f"not a plan: {_reason(error)}", hint="make the plan again") from error
    raise StateError(
        f"a plan of format {version!r}, where at most {FORMAT} is understood",
        hint="use the appliance version that made it, or a newer one",
    )


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _stage(stage: Stage) -> dict[str, object]:
    document: dict[str, object] = {"title": stage.title, "steps": [_step(step) for step in stage.steps]}
    if stage.needs is not None:
        document["needs"] = stage.needs
    return document | _given(at_once=stage.at_once, destructive=stage.destructive)


def _step(step: Step) -> dict[str, object]:
    return {"id": step.id, "title": step.title, "host": step.host, "action": _action(step.action)} | _given(
        unless=step.unless and _command(step.unless), after=step.after
    )


def _given(**members: object) -> dict[str, object]:
    return {name: value for name, value in members.items() if value}


def _action(action: Action) -> dict[str, object]:
    match action:
        case Run():
            return {"kind": "run", "command": _command(action.command)}
        case PutText():
            return {
                "kind": "put-text",
                "path": action.path,
                "parts": [{"secret": part.name} if isinstance(part, SecretRef) else part for part in action.parts],
                "mode": f"{action.mode:04o}",
                "owner": action.owner,
            }
        case Receive():
            return {"kind": "receive", "blobs": [_blob(blob) for blob in action.blobs]} | _given(
                runtime=action.runtime and str(action.runtime), swarm=action.swarm and _layer(action.swarm)
            )
        case Unpack():
            return {
                "kind": "unpack",
                "cluster": action.cluster,
                "image": str(action.image),
                "layers": [_layer(layer) for layer in action.layers],
                "paths": action.paths,
                "runtime": str(action.runtime),
            }
        case WaitFor():
            return {
                "kind": "wait-for",
                "command": _command(action.command),
                "milliseconds": _milliseconds(action.seconds),
                "interval": _milliseconds(action.interval),
            }
        case Fetch():
            return {"kind": "fetch", "path": action.path, "name": action.name, "limit": action.limit}
        case _:
            assert_never(action)


def _layer(layer: LayerBlob) -> dict[str, object]:
    return _blob(layer.blob) | {"diff_id": str(layer.diff_id)}


def _blob(blob: Blob) -> dict[str, object]:
    return {"digest": str(blob.digest), "size": blob.size}


def _command(command: Command) -> dict[str, object]:
    return {"argv": command.argv, "timeout": _milliseconds(command.timeout)} | _given(secrets=command.secrets)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


@dataclass(frozen=True, slots=True)
class _Members:
    """The members of a JSON object, each read as what it must be."""

    members: dict[str, Any]

    def text(self, name: str) -> str:
        return _of(str, self.members[name], name)

    def integer(self, name: str, default: int | None = None) -> int:
        return _of(int, self.members[name] if default is None else self.members.get(name, default), name)

    def seconds(self, name: str) -> float:
        return self.integer(name) / 1000

    def digest(self, name: str) -> Digest:
        return Digest.parse(self.text(name))

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(_of(str, item, name) for item in _of(list, self.members.get(name, []), name))

    def objects(self, name: str) -> tuple[_Members, ...]:
        return tuple(_Members(_of(dict, item, name)) for item in _of(list, self.members[name], name))

    def object(self, name: str) -> _Members:
        return _Members(_of(dict, self.members[name], name))

    def plan(self) -> Plan:
        return Plan(self.text("cluster"), self.text("image"), tuple(item.stage() for item in self.objects("stages")))

    def stage(self) -> Stage:
        return Stage(
            title=self.text("title"),
            steps=tuple(item.step() for item in self.objects("steps")),
            needs=self.texts("needs") if "needs" in self.members else None,
            at_once=self.integer("at_once", 0),
            destructive=_of(bool, self.members.get("destructive", False), "destructive"),
        )

    def step(self) -> Step:
        return Step(
            id=self.text("id"),
            title=self.text("title"),
            host=self.text("host"),
            action=self.object("action").action(),
            unless=self.object("unless").command() if "unless" in self.members else None,
            after=self.texts("after"),
        )

    def action(self) -> Action:
        match self.text("kind"):
            case "run":
                return Run(self.object("command").command())
            case "put-text":
                parts = tuple(_part(item) for item in _of(list, self.members["parts"], "parts"))
                return PutText(self.text("path"), parts, mode=int(self.text("mode"), 8), owner=self.text("owner"))
            case "receive":
                blobs = tuple(item.blob() for item in self.objects("blobs"))
                runtime = self.digest("runtime") if "runtime" in self.members else None
                return Receive(blobs, runtime, self.object("swarm").layer() if "swarm" in self.members else None)
            case "unpack":
                return Unpack(
                    cluster=self.text("cluster"),
                    image=self.digest("image"),
                    layers=tuple(item.layer() for item in self.objects("layers")),
                    paths=self.texts("paths"),
                    runtime=self.digest("runtime"),
                )
            case "wait-for":
                command = self.object("command").command()
                return WaitFor(command, seconds=self.seconds("milliseconds"), interval=self.seconds("interval"))
            case "fetch":
                return Fetch(self.text("path"), self.text("name"), self.integer("limit"))
            case kind:
                raise ValueError(f"an action of unknown kind {kind[:40]!r}")

    def layer(self) -> LayerBlob:
        return LayerBlob(self.blob(), self.digest("diff_id"))

    def blob(self) -> Blob:
        return Blob(self.digest("digest"), self.integer("size"))

    def command(self) -> Command:
        return Command(self.texts("argv"), secrets=self.texts("secrets"), timeout=self.seconds("timeout"))


def _part(item: object) -> str | SecretRef:
    return SecretRef(_Members(item).text("secret")) if isinstance(item, dict) else _of(str, item, "parts")


def _of(kind: type[T], value: object, name: str) -> T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{name} is not a {kind.__name__}")
    return value
