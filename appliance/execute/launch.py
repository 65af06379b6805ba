"""A run's worker as who asks for it sees it: start it, command it, know whether it lives; `worker` is what it does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.clock import Clock, SystemClock
from appliance.errors import StateError
from appliance.execute import mailbox
from appliance.files import read_bounded
from appliance.state import ClusterDir, RunDir

if TYPE_CHECKING:
    from appliance.execute.lease import Owner
    from appliance.execute.order import RunSecrets

PROGRAM = (sys.executable, "-m", "appliance")
START_SECONDS = 60.0

_STAT_START = 19
"""Of the fields of proc(5)'s stat behind the command's name, the index of `starttime`."""


def start(run: RunDir, secrets: RunSecrets, *, program: tuple[str, ...] = PROGRAM, clock: Clock | None = None) -> None:
    """Start the worker of `run`, whose folder holds ``plan.json`` and ``run.json``, and hand it `secrets`.

    `program` is how appliance is started here; ``run-worker RUNDIR`` is added. Returns once the run begins. Raises
    `StateError` when it does not, or what the worker found wrong.
    """
    clock = clock or SystemClock()
    argv = (*program, "run-worker", str(run.path))
    with (run.path / "worker.log").open("ab") as log:
        streams = (
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
        )
        try:
            pid = os.posix_spawnp(argv[0], argv, os.environ, setsid=True, file_actions=streams)
        except OSError as error:
            raise StateError(f"cannot start {argv[0]}: {error.strerror}") from error
    try:
        _await_socket(run, pid, clock)
        mailbox.ask(run.path, {"secrets": secrets.to_json()}, seconds=START_SECONDS)
    except BaseException:  # also Ctrl-C: whoever does not learn that a run began must not have one
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        raise


def _await_socket(run: RunDir, pid: int, clock: Clock) -> None:
    deadline = clock.monotonic() + START_SECONDS
    while not (run.path / mailbox.NAME).exists():
        if _reaped(pid) or clock.monotonic() > deadline:
            raise StateError(f"the run did not start: {_last_line(run)}", hint=f"see {run.path / 'worker.log'}")
        clock.sleep(0.02)


def _reaped(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG)[0] == pid


def _last_line(run: RunDir) -> str:
    lines = (run.path / "worker.log").read_text(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "its process ended without a word"


def command(run: RunDir, do: str, *, host: str = "") -> None:
    """Tell the worker of `run` to ``cancel``, ``stop``, ``pause``, ``resume``, ``retry`` (a `host`), or ``ping`` it.

    Raises `StateError` when no worker listens or it does not know that.
    """
    mailbox.ask(run.path, {"do": do, "host": host})


def alive(run: RunDir) -> bool:
    """Whether the worker of `run` still lives: the very process that wrote ``worker.json``, not one with its pid."""
    try:
        document = json.loads(read_bounded(run.path / "worker.json", 4096))
        since = started(int(document["pid"]))
        return bool(since) and since == str(document["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def dead_predecessor(owner: Owner, cluster: ClusterDir, *, home: str) -> bool:
    """Whether a lease is what a dead run left that was ours: of this `cluster`, started from the state folder `home`.

    Such a lease is resumed without asking; `home` is as in `order.identity`.
    """
    if (owner.home, owner.cluster) != (home, cluster.name) or "/" in owner.run:
        return False
    return not alive(RunDir(cluster.runs / owner.run))


def started(pid: int) -> str:
    """When a process started: boot and clock ticks since; empty for none, and for one that is dead but not reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{boot}:{fields[_STAT_START]}"
