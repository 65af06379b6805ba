"""The process that carries out a run, apart from whoever asked for it: `serve` is its main; `launch` starts it.

In RUNDIR: ``plan.json`` and ``run.json`` say what to do; ``journal.jsonl`` is all that it says, ``hosts/*.log`` what
remote commands wrote; ``control`` is its socket; ``worker.json`` its pid and start time, ``worker.lock`` keeps a second
one out, ``worker.log`` gets what it never expected. At its end it writes ``report.{txt,json,html}``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from appliance.clock import SystemClock, timestamp
from appliance.distribute.base import BlobFolder
from appliance.errors import ApplianceError, StateError
from appliance.events import Outcome, RunFinished, Stream
from appliance.execute import launch, mailbox
from appliance.execute.actions import Supplies
from appliance.execute.connection import Terms
from appliance.execute.executor import Executor, Site
from appliance.execute.journal import Journal, read
from appliance.execute.lane import Saying
from appliance.execute.lease import Owner
from appliance.execute.order import RunOrder, RunSecrets, read_order
from appliance.execute.way import distributor
from appliance.files import lock, read_bounded, write_bytes, write_text
from appliance.plan.document import LIMIT, plan_from_json
from appliance.report.document import to_document
from appliance.report.html import to_html
from appliance.report.result import report_of
from appliance.report.text import to_text
from appliance.report.view import view_of
from appliance.state import ClusterDir, RunDir, come_through
from appliance.transport.connect import connector
from appliance.transport.ssh.hostkeys import HostKeys
from appliance.vault import Mask, Vault

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from appliance.events import Stamped
    from appliance.execute.control import Control
    from appliance.plan.steps import Plan
    from appliance.transport.base import Connect


def serve(run_dir: Path, *, open_hosts: Callable[[HostKeys], Connect] = connector) -> None:
    """Be the worker of the run in `run_dir`: get the secrets, carry out the plan, write the reports.

    `open_hosts` makes what opens hosts out of their pinned keys. Raises `StateError` when the run has a worker, was
    carried out before, or its folder cannot be read.
    """
    run = RunDir(run_dir.absolute())
    with lock(run.path / "worker.lock", wait=False):
        job = _Job.read(run)
        os.chdir("/")  # so that the operator may take the stick out, or unmount what the terminal stood in
        with mailbox.listening(run.path) as listener:
            document = {"pid": os.getpid(), "started": launch.started(os.getpid())}
            write_bytes(run.path / "worker.json", json.dumps(document).encode(), mode=0o600)
            with Journal(run.journal) as journal, _HostLogs(run) as logs:
                stream = Stream(SystemClock(), remembering(journal.write, run, job.order), first=journal.next_number)
                executor = _first_message(listener, job, stream, logs, open_hosts)
                _listen_to_signals(executor.control)
                threading.Thread(target=_control, args=(listener, executor.control), daemon=True).start()
                executor.run()
        write_reports(run)


def remembering(write: Callable[[Stamped], None], run: RunDir, order: RunOrder) -> Callable[[Stamped], None]:
    """`write`, before which what the run has come to is remembered: whoever hears of its good end finds that."""

    def written(stamped: Stamped) -> None:
        match stamped.event:
            case RunFinished(outcome=Outcome.OK):
                cluster = ClusterDir(order.cluster_folder, vault_key=order.vault_key)
                with contextlib.suppress(ApplianceError, OSError):  # the hosts remain the truth
                    come_through(run, cluster, now=stamped.at)
        write(stamped)

    return written


def write_reports(run: RunDir) -> None:
    """Write ``report.{txt,json,html}`` from the journal of `run`."""
    report = report_of(view_of(read(run.journal)), journal=run.journal)
    write_text(run.report("txt"), to_text(report), mode=0o600)
    write_text(run.report("json"), json.dumps(to_document(report), ensure_ascii=False, indent=1) + "\n", mode=0o600)
    write_text(run.report("html"), to_html(report), mode=0o600)


@dataclass(frozen=True, slots=True)
class _Job:
    """What the run's folder says is to be done."""

    run: RunDir
    order: RunOrder
    plan: Plan

    @classmethod
    def read(cls, run: RunDir) -> _Job:
        if any(True for _ in read(run.journal)):
            raise StateError(f"the run {run.name} was carried out already", hint="start the operation again")
        order = read_order(run.path / "run.json")
        return cls(run, order, plan_from_json(read_bounded(run.plan, LIMIT)))

    def executor(
        self, secrets: RunSecrets, stream: Stream, logs: _HostLogs, open_hosts: Callable[[HostKeys], Connect]
    ) -> Executor:
        """Everything put together. Raises what the vault raises."""
        order = self.order
        clock = SystemClock()
        cluster = ClusterDir(order.cluster_folder, vault_key=order.vault_key)
        vault = Vault.open(cluster.vault, order.vault_key)
        owner = Owner(order.run, order.operator, order.cluster, timestamp(clock.now()), order.home)
        values = [vault.get(name) for name in vault.names()]
        return Executor(
            self.plan,
            operation=order.operation,
            site=Site(
                endpoints=secrets.into(order.endpoints),
                connect=open_hosts(HostKeys(cluster.known_hosts)),
                terms=Terms(
                    owner,
                    may_resume=lambda found: launch.dead_predecessor(found, cluster, home=order.home),
                    seize=order.take_over,
                ),
            ),
            supplies=Supplies(
                resolve=vault.get,
                source=BlobFolder(order.blobs),
                distributor=distributor(
                    order.distribution, self.plan, endpoints=order.endpoints, at_once=order.at_once
                ),
                fetched=order.cluster_folder,
                clock=clock,
            ),
            saying=Saying(stream, Mask([*values, *secrets.values()]), logs.write),
            at_once=order.at_once,
        )


class _HostLogs:
    """``hosts/NAME.log``, opened when a host first says something."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._open: dict[str, int] = {}

    def write(self, host: str, text: str) -> None:
        with self._lock:
            if host not in self._open:
                path = self._run.log(host)
                path.parent.mkdir(mode=0o700, exist_ok=True)
                self._open[host] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.write(self._open[host], text.encode(errors="replace"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)


def _first_message(
    listener: socket.socket, job: _Job, stream: Stream, logs: _HostLogs, open_hosts: Callable[[HostKeys], Connect]
) -> Executor:
    """Wait for the secrets, and answer whether the run can begin with them."""
    listener.settimeout(launch.START_SECONDS)
    try:
        line, _ = listener.accept()
        with line:
            line.settimeout(launch.START_SECONDS)
            try:
                secrets = RunSecrets.from_json(mailbox.receive(line)["secrets"])
                executor = job.executor(secrets, stream, logs, open_hosts)
            except ApplianceError as error:
                mailbox.answer(line, error)
                raise
            mailbox.answer(line)
            return executor
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"nobody said with which secrets to begin: {type(error).__name__}") from error


def _listen_to_signals(control: Control) -> None:
    """A thread of its own obeys: the one that a signal interrupts may hold what telling of it takes."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=control.cancel).start())


def _control(listener: socket.socket, control: Control) -> None:
    """Answer messages until the process ends."""
    listener.settimeout(None)
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        with line:
            line.settimeout(mailbox.SECONDS)
            try:
                _obey(mailbox.receive(line), control)
                mailbox.answer(line)
            except ApplianceError as error:
                mailbox.answer(line, error)
            except (OSError, ValueError):
                continue


def _obey(message: dict[str, Any], control: Control) -> None:
    match message:
        case {"do": "ping"}:
            pass
        case {"do": "pause"}:
            control.pause()
        case {"do": "resume"}:
            control.resume()
        case {"do": "cancel"}:
            control.cancel()
        case {"do": "stop"}:
            control.stop()
        case {"do": "retry", "host": str(host)}:
            control.retry(host)
        case _:
            raise StateError(
                "the worker does not know this message", hint="use the version of appliance that started it"
            )
