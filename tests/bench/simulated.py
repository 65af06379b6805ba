"""A run over simulated hosts, by itself in a process: `python -m bench.simulated HOSTS` says what it took as JSON.

Everything is real but the hosts: the survey with its facts and guards, the plan and its digest, the executor with its
leases, lanes and events, and the journal on the disk. The hosts answer at once, each with a Debian's recorded facts.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from support import sites

from appliance.clock import SystemClock, timestamp
from appliance.distribute.base import BlobFolder
from appliance.distribute.unicast import Unicast
from appliance.events import Outcome, Stream
from appliance.execute.actions import Supplies
from appliance.execute.connection import Terms
from appliance.execute.executor import Executor
from appliance.execute.executor import Site as RunSite
from appliance.execute.journal import Journal
from appliance.execute.lane import Saying
from appliance.execute.lease import Owner
from appliance.inventory.facts import facts_command
from appliance.inventory.hosts import Host
from appliance.operations.survey import survey
from appliance.plan import planner
from appliance.plan.document import plan_to_json
from appliance.plan.steps import Proposal, Run, Stage, Step
from appliance.transport.base import Command, CommandResult, Endpoint
from appliance.vault import Mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STAGES, STEPS = 4, 5
_FACTS = (Path(__file__).parents[1] / "data/facts/debian-12.txt").read_text(encoding="utf-8")
_NOTHING = Command(("true",))


@dataclass(frozen=True, slots=True)
class _Host:
    """A transport to a host that is as recorded, where no guard holds, every lease is free and every command works."""

    def run(
        self, command: Command, *, stdin: bytes | BinaryIO = b"", output: Callable[[bytes], None] | None = None
    ) -> CommandResult:
        if command == facts_command():
            return CommandResult(0, _FACTS, "")
        asks_guards = isinstance(stdin, bytes) and stdin.endswith(b"echo end >&3\n")
        return CommandResult(0, "end\n" if asks_guards else "taken\n", "")

    def put(self, source: bytes | BinaryIO, path: str, *, mode: int = 0o600, owner: str = "root:root") -> None:
        raise AssertionError("no step writes a file")

    def get(self, path: str, *, limit: int) -> bytes:
        raise AssertionError("no step fetches a file")


@contextlib.contextmanager
def _connect(_: Endpoint) -> Iterator[_Host]:
    yield _Host()


def main(count: int) -> None:
    """Plan and carry out; print seconds, seconds of processor time, and the peak of resident memory in bytes."""
    _measured(1)  # what is imported and compiled at first use is no host's cost
    print(json.dumps({**_measured(count), "peak_bytes": _peak_bytes()}))


def _measured(count: int) -> dict[str, float]:
    clock = SystemClock()
    endpoints = (Endpoint(f"10.0.{n >> 8}.{n & 255}", 22, "root") for n in range(count))
    hosts = tuple(Host(f"host-{n}", endpoint, ("node",), {}) for n, endpoint in enumerate(endpoints))
    started, used = time.monotonic(), time.process_time()
    proposal = _propose(hosts, clock)
    planned = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcome = _carry_out(proposal, hosts, Path(folder), clock)
    ended = time.monotonic()
    if outcome is not Outcome.OK or len(proposal.plan.stages) != STAGES:
        sys.exit(f"the run ended as {outcome}")
    return {
        "plan_seconds": planned - started,
        "run_seconds": ended - planned,
        "cpu_seconds": time.process_time() - used,
    }


def _propose(hosts: tuple[Host, ...], clock: SystemClock) -> Proposal:
    candidate = tuple(
        Stage(f"Stage {stage}", tuple(_step(host, f"{stage}.{number}") for host in hosts for number in range(STEPS)))
        for stage in range(STAGES)
    )
    with survey(hosts, _connect, clock=clock) as found:
        held = found.held(candidate, resolve=lambda _: b"")
        site = sites.site(found.hosts)
        return planner.proposal("apply", site, planner.plan(site, candidate, held=held))


def _step(host: Host, name: str) -> Step:
    return Step(f"{host.name}/{name}", f"Do nothing {name}", host.name, Run(_NOTHING), unless=_NOTHING)


def _carry_out(proposal: Proposal, hosts: tuple[Host, ...], folder: Path, clock: SystemClock) -> Outcome:
    (folder / "plan.json").write_bytes(plan_to_json(proposal.plan))
    owner = Owner("run-1", "bench", proposal.plan.cluster, timestamp(clock.now()))
    with Journal(folder / "journal.jsonl") as journal:
        executor = Executor(
            proposal.plan,
            operation="apply",
            site=RunSite({host.name: host.endpoint for host in hosts}, _connect, Terms(owner)),
            supplies=Supplies(lambda _: b"", BlobFolder(folder), Unicast(), folder, clock),
            saying=Saying(Stream(clock, journal.write), Mask([]), lambda *_: None),
        )
        return executor.run().outcome


def _peak_bytes() -> int:
    """Of this process alone: getrusage would also count what it was forked from."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


if __name__ == "__main__":
    main(int(sys.argv[1]))
