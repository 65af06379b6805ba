"""The vocabulary of plans: frozen, printable, replayable; no callables, no secrets.

A `Plan` is stages in order. Inside a stage hosts go in parallel and a host's steps in sequence; after it is a barrier.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.digest import Digest
    from appliance.image.blobs import Blob, LayerBlob
    from appliance.inventory.preflight import CheckResult
    from appliance.transport.base import Command


@dataclass(frozen=True, slots=True)
class SecretRef:
    """The place of a secret in a text: its name in the vault. Printed as ``‹secret name›``."""

    name: str

    def __str__(self) -> str:
        return f"‹secret {self.name}›"


@dataclass(frozen=True, slots=True)
class Run:
    """Run a command as root; a status other than 0 fails the step."""

    command: Command


@dataclass(frozen=True, slots=True)
class PutText:
    """Write a text file. Already so when content, mode and owner are (compared on the host)."""

    path: str
    parts: tuple[str | SecretRef, ...]
    mode: int = 0o644
    owner: str = "root:root"


@dataclass(frozen=True, slots=True)
class Receive:
    """Bring blobs into the host's store. Already so for those that are there in full size.

    `runtime` is the digest of the unpacked host runtime that receives, or None for the plain way over SSH, by which
    the runtime itself comes. `swarm` is what hosts swarm with, if that is how they shall come; it came before.
    """

    blobs: tuple[Blob, ...]
    runtime: Digest | None
    swarm: LayerBlob | None = None


@dataclass(frozen=True, slots=True)
class Unpack:
    """Unpack layers, link them into the image's tree, and copy the programs to ``/opt/appliance/CLUSTER/DIGEST``.

    `image` is the image digest; `paths` are the top folders of the rootfs that count as programs.
    """

    cluster: str
    image: Digest
    layers: tuple[LayerBlob, ...]
    paths: tuple[str, ...]
    runtime: Digest


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Repeat a command until it succeeds, at first soon, then every `interval` seconds; fail after `seconds`."""

    command: Command
    seconds: float
    interval: float = 1.0


@dataclass(frozen=True, slots=True)
class Fetch:
    """Bring a file from the host into the operator's cluster folder under `name`, 0600."""

    path: str
    name: str
    limit: int = 1 << 20


Action = Run | PutText | Receive | Unpack | WaitFor | Fetch


@dataclass(frozen=True, slots=True)
class Step:
    """One action on one host.

    `id` is unique in the plan and stable from plan to plan (``HOST/what``). `unless` asks whether it is already so;
    PutText, Receive and Unpack know that by themselves, WaitFor asks its own command. `after` names steps of the same
    host that make this one needed again when they are carried out, whatever the guard says.
    """

    id: str
    title: str
    host: str
    action: Action
    unless: Command | None = None
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps up to a barrier. `needs`: hosts whose failure stops the run; None means all. `at_once` 0 means no bound."""

    title: str
    steps: tuple[Step, ...]
    needs: tuple[str, ...] | None = None
    at_once: int = 0
    destructive: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done to a cluster to make it what `image` says."""

    cluster: str
    image: str
    stages: tuple[Stage, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not any(stage.steps for stage in self.stages)

    @property
    def destructive(self) -> bool:
        """Whether something is lost by it."""
        return any(stage.destructive and stage.steps for stage in self.stages)


@dataclass(frozen=True, slots=True)
class Change:
    """One line of what a proposal changes, for people: `verb` is add, change or remove."""

    verb: str
    host: str
    what: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one screen shows and one confirmation admits."""

    operation: str
    changes: tuple[Change, ...]
    checks: tuple[CheckResult, ...]
    plan: Plan
    plan_digest: Digest
    notices: tuple[str, ...] = field(default=())
