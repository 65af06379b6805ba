"""The guide: to its first frame on a terminal, and how long its screen stands still when much happens."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import pty
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from support.guidesite import GuideSite, make_delivery

from appliance.clock import SystemClock
from appliance.digest import Digest
from appliance.events import (
    Outcome,
    RunFinished,
    RunStarted,
    StageOutline,
    StageStarted,
    StepFinished,
    StepProgress,
    StepStarted,
    Stream,
)
from appliance.execute.journal import Journal
from bench.result import Result, at_most
from bench.sides import Sample, Series
from tui.app import Guide
from tui.screens.hosts import HostsPage
from tui.screens.run import RunPage
from tui.session import Machine, Session
from tui.widgets.grid import Grid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from appliance.events import Event
    from bench.material import Material

EVENTS = 20_000
HOSTS_OF_RUN = 100
HOSTS_TO_SCROLL = 500
MIB = 64
ROUNDS = 5
_SIGN = b"Open 1/6"
_PATIENCE = 60.0


def measure(material: Material) -> Result:
    """A `.run` without arguments on a terminal of its own; and two screens in this process, with all that they do."""
    bundle = material.bundle(MIB)
    cold = _first_frames("cold .run to the first frame", bundle, material.folder, anew=True)
    warm = _first_frames("again", bundle, material.folder, anew=False)
    with tempfile.TemporaryDirectory() as folder:
        stall, own, key = asyncio.run(_screens(Path(folder)))
    return Result(
        "guide",
        f"a .run with {MIB} MiB; a run of {EVENTS:,} events on {HOSTS_OF_RUN} hosts; a list of {HOSTS_TO_SCROLL} hosts",
        (cold, warm),
        (
            at_most("cold .run: first frame ≤ 2 s", cold.seconds, 2, "s"),
            at_most(f"{EVENTS:,} events: the screen stands still ≤ 0.25 s", stall, 0.25, "s"),
            at_most(f"a page of {HOSTS_TO_SCROLL} hosts, from key to screen ≤ 0.1 s", key, 0.1, "s"),
        ),
        (
            "cold: its Python is not unpacked yet; the file itself is in the page cache",
            f"between two beats of its pulse the screen's own thread used {own:.2f} s of processor time at most",
        ),
    )


def _first_frames(name: str, bundle: Path, folder: Path, *, anew: bool) -> Series:
    samples = []
    for number in range(ROUNDS):
        place = folder / (f"guide-{number}" if anew else "guide-0")
        place.mkdir(exist_ok=True)
        samples.append(_first_frame(("sh", str(bundle)), place))
    return Series(name, f"sh {bundle.name}", tuple(samples))


def _first_frame(argv: tuple[str, ...], place: Path) -> Sample:
    """Seconds until the first step's title is on the terminal; then the program is ended."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", "APPLIANCE_TMPDIR": str(place)}
    before, began, shown = os.times(), time.perf_counter(), b""
    guide = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True)
    os.close(theirs)
    try:
        while _SIGN not in shown and select.select([ours], [], [], _PATIENCE)[0]:
            shown += os.read(ours, 1 << 16)
        seconds = time.perf_counter() - began
    finally:
        guide.terminate()
        _drain(ours, guide)
    if _SIGN not in shown:
        sys.exit(f"the guide did not draw its first screen: {shown[-2000:]!r}")
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return Sample(seconds, spent)


def _drain(terminal: int, guide: subprocess.Popen[bytes]) -> None:
    """Read what it still writes, so that it can end."""
    with contextlib.suppress(OSError):
        while guide.poll() is None and select.select([terminal], [], [], _PATIENCE)[0]:
            os.read(terminal, 1 << 16)
    guide.wait(_PATIENCE)
    os.close(terminal)


async def _screens(folder: Path) -> tuple[float, float, float]:
    """The longest time that the screen of a run stood still, by the clock and by its thread's processor time.

    And from a key to the next page of many hosts.
    """
    (folder / "delivery").mkdir()
    site = GuideSite.make(folder, delivery=make_delivery(folder / "delivery").parent)
    run = site.engine.folder("site").new_run("apply", now=SystemClock().now())
    with Journal(run.journal) as journal:
        stream = Stream(SystemClock(), journal.write)
        for event in _events():
            stream(event)
    guide = Guide(site.engine)
    gc.freeze()  # as the guide does on a terminal
    async with guide.run_test(size=(80, 24)) as pilot:
        page = RunPage(run)
        async with _watched() as longest:
            await guide.push_screen(page)
            while page._report is None:
                await asyncio.sleep(0.01)
        stall, own = longest()
        machines = tuple(Machine(f"10.0.{n // 250}.{n % 250 + 1}", ("store",)) for n in range(HOSTS_TO_SCROLL))
        guide.session = Session(machines=machines)
        await guide.push_screen(HostsPage())
        await pilot.pause()
        return stall, own, max([await _page_down(guide) for _ in range(20)])


async def _page_down(guide: Guide) -> float:
    """Seconds from a key to the screen that it makes."""
    grid = guide.screen.query_one(Grid)
    drawn = asyncio.Event()
    began = time.perf_counter()
    grid.action_page_down()
    grid.call_after_refresh(drawn.set)
    await drawn.wait()
    return time.perf_counter() - began


@contextlib.asynccontextmanager
async def _watched() -> AsyncIterator[Callable[[], tuple[float, float]]]:
    """A pulse beside the screen: how long its longest pauses were, in seconds on the clock, and of the thread's own."""
    gaps = [(0.0, 0.0)]

    async def beat() -> None:
        last = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(0.005)
            now = time.perf_counter(), time.thread_time()
            gaps.append((now[0] - last[0], now[1] - last[1]))
            last = now

    pulse = asyncio.create_task(beat())
    try:
        yield lambda: (max(clock for clock, _ in gaps), max(own for _, own in gaps))
    finally:
        pulse.cancel()


def _events() -> list[Event]:
    names = tuple(f"host-{n}" for n in range(HOSTS_OF_RUN))
    steps = EVENTS // HOSTS_OF_RUN - 2
    outline = StageOutline("Send", tuple((name, 1) for name in names))
    return [
        RunStarted("r", "apply", "site", str(Digest.of(b"")), "ann@desk", names, (outline,)),
        StageStarted(0, "Send", names),
        *(StepStarted(0, name, f"{name}/send", "Send the image") for name in names),
        *(StepProgress(0, n, f"{n}/send", step << 20, steps << 20) for step in range(steps) for n in names),
        *(StepFinished(0, name, f"{name}/send", Outcome.OK, 1.0) for name in names),
        RunFinished(Outcome.OK, 9.0),
    ]
