"""An operator at work: the command line in processes of its own, on a terminal or not, and what its runs leave.

ann = Operator(lab, folder / "ann", bundle, root, clusterfile)
done = ann.appliance("apply", …)                     # to its end, without a terminal
with ann.terminal("apply") as terminal: …            # on a pseudo-terminal that can be typed at, or lost
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pty
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.clock import SystemClock
from appliance.execute import journal, launch
from appliance.state import Home, RunDir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from appliance.events import Event
    from appliance.lab.registry import Lab

TREE = Path(__file__).parents[2]
PLAIN = (sys.executable, "-m", "appliance")
SECONDS = 600.0


def deliver(folder: Path, recipe: Path, *options: str) -> tuple[Path, Path]:
    """Build, sign and bundle `recipe` below `folder`, with more `options`: the bundle, and whom to believe."""
    for words in (
        ("build", "-t", "thing:1.0.0", recipe),
        ("key", "generate", "-O", folder / "keys", "--name", "Test Vendor"),
        ("bundle", "thing:1.0.0", "-O", folder, "--key", folder / "keys/signer-key.pem", "--lock-or-latest", *options),
    ):
        argv = (*PLAIN, "--home", folder / "packager", "--store", folder / "store", *words)
        subprocess.run(argv, env=_environment(), check=True, capture_output=True)
    (bundle,) = folder.glob("*.run")
    return bundle, folder / "keys/root.pem"


def write_clusterfile(path: Path, addresses: Sequence[str], role: str, **spec: object) -> Path:
    """A Clusterfile of the cluster ``site`` with hosts of one role, at `path`."""
    hosts = [{"addresses": list(addresses), "roles": [role]}]
    document = {
        "apiVersion": "appliance/v1",
        "kind": "Cluster",
        "metadata": {"name": "site"},
        "spec": {"hosts": hosts, **spec},
    }
    path.write_text(json.dumps(document))
    return path


@dataclass(frozen=True)
class Operator:
    """Someone with a state folder, who installs one bundle by one Clusterfile of the cluster `cluster`."""

    lab: Lab
    home: Path
    bundle: Path
    root: Path
    clusterfile: Path
    cluster: str = "site"

    def words(self, command: str, *more: str) -> tuple[str, ...]:
        """What comes after ``appliance`` for `command`; it asks nothing."""
        file = () if command in ("attach", "runs", "report") else ("-f", str(self.clusterfile))
        keys = ("--key", str(self.lab.key), "--host-keys", str(self.lab.known_hosts)) if file else ()
        match command:
            case "plan":
                return (command, str(self.bundle), *file, *keys, "--trust", str(self.root), "-o", "json", *more)
            case "apply":
                return (command, str(self.bundle), *file, *keys, "--trust", str(self.root), *more)
            case "reset":
                return (command, self.cluster, *file, *keys, *more)
            case _:
                return (command, *more)

    def appliance(self, command: str, *more: str, program: tuple[str, ...] = PLAIN) -> subprocess.CompletedProcess[str]:
        """Carry `command` out without a terminal; `apply` and `reset` with ``--yes``."""
        yes = ("--yes",) if command in ("apply", "reset") else ()
        argv = (*program, "--home", str(self.home), *self.words(command, *more), *yes)
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=_environment(),
            check=False,
        )

    def start(self, command: str, *more: str) -> subprocess.Popen[bytes]:
        """Start `command` without a terminal; the caller waits for it."""
        argv = (*PLAIN, "--home", str(self.home), *self.words(command, *more), "--yes")
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment()
        )

    @contextlib.contextmanager
    def terminal(self, command: str, *more: str) -> Iterator[Terminal]:
        """Start `command` on a terminal of its own, which is lost with the block."""
        with on_terminal(*PLAIN, "--home", str(self.home), *self.words(command, *more)) as terminal:
            yield terminal

    def plan(self, *more: str) -> list[str]:
        """The ids of the steps that `apply` would carry out."""
        done = self.appliance("plan", *more)
        assert done.returncode == 0, done.stderr + done.stdout
        return [step["id"] for stage in json.loads(done.stdout)["plan"]["stages"] for step in stage["steps"]]

    @property
    def runs(self) -> tuple[RunDir, ...]:
        """The runs so far, newest first."""
        return Home.of(self.home).cluster(self.cluster).list_runs()

    def next_run(self, before: tuple[RunDir, ...]) -> RunDir:
        """The run that is not among those `before`, once its journal begins."""
        clock = SystemClock()
        while not (new := [run for run in self.runs if run not in before and run.journal.exists()]):
            clock.sleep(0.02)
        return new[0]

    def killed(
        self, command: str, *more: str, when: Callable[[Event], bool], then: Callable[[], object] = str
    ) -> RunDir:
        """Start `command` and end its worker as by kill -9 once `when` was true of an event and `then` has returned."""
        before = self.runs
        with self.start(command, *more) as process:
            run = self.next_run(before)
            heard(run, when)
            then()
            kill(run)
            assert process.wait(SECONDS) == 6
        return run


def steps_of(run: RunDir) -> list[str]:
    """The ids of the steps of a run's plan."""
    return [step["id"] for stage in json.loads(run.plan.read_text())["stages"] for step in stage["steps"]]


def heard(run: RunDir, when: Callable[[Event], bool]) -> Event:
    """The first event of `run` that `when` is true of, as soon as it is in the journal."""
    for stamped in journal.follow(run.journal, alive=lambda: launch.alive(run), clock=SystemClock(), interval=0.01):
        if when(stamped.event):
            return stamped.event
    raise AssertionError(f"{run.name} ended before: {(run.path / 'worker.log').read_text()}")


def kill(run: RunDir, number: int = signal.SIGKILL) -> None:
    """Signal the worker of a run."""
    os.kill(json.loads((run.path / "worker.json").read_text())["pid"], number)


@dataclass
class Terminal:
    """A pseudo-terminal with a program on it."""

    pid: int
    master: int
    said: str = ""
    status: int | None = field(default=None)

    def until(self, text: str) -> str:
        """Read until the program has said `text`; all that it said so far."""
        while text not in self.said:
            assert self._read(), f"{text!r} was not said: {self.said}"
        return self.said

    def type(self, text: str) -> None:
        """Type at it; ``\\x03`` is Ctrl-C."""
        os.write(self.master, text.encode())

    def end(self) -> int:
        """Read on until the program ends; its exit code."""
        while self._read():
            pass
        return self.wait()

    def kill(self) -> None:
        """End the program itself, as by kill -9."""
        os.kill(self.pid, signal.SIGKILL)

    def lose(self) -> None:
        """Hang up."""
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def wait(self) -> int:
        """The program's exit code, negative for a signal."""
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def _read(self) -> bool:
        try:
            data = os.read(self.master, 1 << 16)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return False
        self.said += data.decode(errors="replace")
        return bool(data)


@contextlib.contextmanager
def on_terminal(*argv: str) -> Iterator[Terminal]:
    """Start a program on a terminal of its own, which is lost with the block."""
    pid, master = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], argv, {**_environment(), "TERM": "xterm"})
    terminal = Terminal(pid, master)
    try:
        yield terminal
    finally:
        terminal.lose()
        terminal.wait()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TREE)}
