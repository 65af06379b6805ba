"""Between the engine's threads and the screen: however much is said, the screen hears of it when it is ready."""

from __future__ import annotations

import errno
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.piloting import settle, until
from support.screentext import text_of

from appliance.clock import SystemClock
from appliance.digest import Digest
from appliance.errors import Cancelled, StateError
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
    TaskFinished,
    TaskProgress,
    TaskStarted,
)
from appliance.execute.journal import Journal
from tui.app import Guide
from tui.bridge import Job, fold
from tui.screens.run import RunPage
from tui.widgets.grid import Grid

if TYPE_CHECKING:
    from support.guidesite import MakeSite
    from textual.strip import Strip

    from appliance.events import Event
    from appliance.report.view import RunView

EVENTS = 20_000


class Screen:
    """Counts how often it was woken."""

    def __init__(self) -> None:
        self.woken = 0

    def wake(self, job: Job[None]) -> None:
        self.woken += 1


def finished(job: Job[None]) -> None:
    job._thread.join(30)
    assert not job._thread.is_alive()


def test_20000_events_are_one_message_until_the_screen_takes_them() -> None:
    screen = Screen()

    def work(job: Job[None]) -> None:
        job.sink(TaskStarted("copy", "Copying", EVENTS))
        for done in range(EVENTS):
            job.sink(TaskProgress("copy", done))

    job = Job("copy", work, wake=screen.wake)
    job.start()
    finished(job)
    assert screen.woken == 1
    assert job.take().over
    job.arm()
    assert screen.woken == 1


def test_what_came_while_the_screen_drew_is_one_more_message() -> None:
    screen, drawn = Screen(), threading.Event()

    def work(job: Job[None]) -> None:
        job.tell(1)
        drawn.wait(30)
        for value in range(EVENTS):
            job.tell(value)

    job = Job("count", work, wake=screen.wake)
    job.start()
    while not screen.woken:
        pass
    assert job.take().value == 1
    drawn.set()
    finished(job)
    assert screen.woken == 1
    job.arm()
    assert screen.woken == 2
    assert job.take().value == EVENTS - 1


def test_errors_are_values_and_faults_are_kept_for_the_screens_thread() -> None:
    def refused(job: Job[None]) -> None:
        raise StateError("no")

    def broken(job: Job[None]) -> None:
        raise ZeroDivisionError

    for work, error, fault in ((refused, StateError, type(None)), (broken, type(None), ZeroDivisionError)):
        job = Job("x", work, wake=lambda _: None)
        job.start()
        finished(job)
        news = job.take()
        assert (news.over, type(news.error), type(news.fault)) == (True, error, fault)


def test_what_the_machine_refuses_is_an_error_that_says_where() -> None:
    def pulled_out(job: Job[None]) -> None:
        raise OSError(errno.EIO, "Input/output error", "/media/stick/x.run")

    job = Job("x", pulled_out, wake=lambda _: None)
    job.start()
    finished(job)
    news = job.take()
    assert (str(news.error), news.fault) == ("/media/stick/x.run: Input/output error", None)


def test_a_job_that_nobody_waits_for_ends_at_its_next_word_and_wakes_nobody() -> None:
    screen, go_on, raised = Screen(), threading.Event(), []

    def work(job: Job[None]) -> None:
        go_on.wait(30)
        try:
            job.sink(TaskStarted("a", "b"))
        except Cancelled as error:
            raised.append(error)
            raise

    job = Job("x", work, wake=screen.wake)
    job.start()
    job.cancel()
    go_on.set()
    finished(job)
    assert len(raised) == 1
    assert screen.woken == 0


def test_a_job_that_sleeps_is_woken_by_its_end() -> None:
    job = Job("x", lambda job: job.clock.sleep(3600), wake=lambda _: None)
    job.start()
    job.cancel()
    finished(job)
    assert isinstance(job.take().error, Cancelled)


def test_rate_and_time_left_of_a_task() -> None:
    task = fold(None, TaskStarted("copy", "Copying", 1000), 0.0)
    for second in range(1, 11):
        task = fold(task, TaskProgress("copy", 50 * second), float(second))
    assert task is not None
    assert task.rate == pytest.approx(50)
    assert task.seconds_left == pytest.approx(10)
    assert fold(task, TaskProgress("other", 7), 11.0) is task
    assert fold(task, TaskFinished("copy", Outcome.OK), 11.0) is None


def journal_events(hosts: int) -> list[Event]:
    names = tuple(f"host-{n}" for n in range(hosts))
    steps = EVENTS // hosts - 2
    outline = StageOutline("Send", tuple((name, 1) for name in names))
    events: list[Event] = [RunStarted("r", "apply", "site", str(Digest.of(b"")), "ann@desk", names, (outline,))]
    events.append(StageStarted(0, "Send", names))
    events += [StepStarted(0, name, f"{name}/send", "Send the image") for name in names]
    events += [
        StepProgress(0, name, f"{name}/send", step << 20, steps << 20) for step in range(steps) for name in names
    ]
    events += [StepFinished(0, name, f"{name}/send", Outcome.OK, 1.0) for name in names]
    return [*events, RunFinished(Outcome.OK, 9.0)]


async def test_the_screen_of_a_run_is_drawn_seldom_however_much_happens(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site()
    run = site.engine.folder("site").new_run("apply", now=site.engine.clock.now())
    with Journal(run.journal) as journal:
        stream = Stream(SystemClock(), journal.write)
        for event in journal_events(100):
            stream(event)
    heard: list[float] = []  # for each message, how long the screen's thread worked on it, in seconds of its own
    lines: list[int] = []  # how many lines of the table were drawn from one message to the next
    fitted: list[Grid] = []
    render, fit = Grid.render_line, Grid._fit

    def measured(grid: Grid) -> bool:
        fitted.append(grid)
        return fit(grid)

    def counted(grid: Grid, y: int) -> Strip:
        if lines:
            lines[-1] += 1
        return render(grid, y)

    monkeypatch.setattr(Grid, "render_line", counted)
    monkeypatch.setattr(Grid, "_fit", measured)

    class Counting(RunPage):
        def _hear(self, view: RunView) -> None:
            lines.append(0)
            began = time.thread_time()
            super()._hear(view)
            heard.append(time.thread_time() - began)

    guide = Guide(site.engine)
    async with guide.run_test() as pilot:
        page = Counting(run)
        await guide.push_screen(page)
        await until(pilot, lambda: page._report is not None)
        await settle(pilot)
        assert "done, 100 of 100 hosts" in text_of(guide)
    assert len(heard) < EVENTS / 50
    assert len(fitted) <= len(heard) + 3  # once a message, and when the terminal's width is known
    assert max(lines) <= 3 * guide.size.height  # what is in view, and not all hosts: at most the page's frame anew, too
    assert max(heard) < 0.25
