"""What all screens of the guide share: their frame, their work aside, and how errors are said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Footer, Static

from tui import calls, texts, typed, wording
from tui.bridge import Changed, Job, News
from tui.widgets.dialogs import AskText
from tui.widgets.lines import Heading, Notice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual.app import ComposeResult

    from appliance.errors import ApplianceError
    from tui.app import Guide
    from tui.engine import Engine
    from tui.session import Session

T = TypeVar("T")

_FRAME_SECONDS = 0.1


class Page(Screen[None]):
    """A screen with a heading, a line that says what happens here, a body, a notice and the keys."""

    TITLE_TEXT: ClassVar[str] = ""
    LEAD: ClassVar[str] = ""
    HELP_TEXT: ClassVar[str] = ""
    LEADS_ON: ClassVar[bool] = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+n", "forward", texts.KEY_NEXT, priority=True),
        Binding("escape", "back", texts.KEY_BACK),
        Binding("f1", "guide_help", texts.KEY_HELP),
        Binding("question_mark", "guide_help", texts.KEY_HELP, show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._jobs: dict[str, tuple[Job[Any], _Ears]] = {}

    # What a screen adds

    def body(self) -> ComposeResult:
        """The widgets between lead and notice."""
        yield from ()

    def about(self) -> str:
        """What stands beside the title."""
        return wording.about(self.session)

    def begin(self) -> None:
        """The screen is there: show the session, start what shall run."""

    def action_forward(self) -> None:
        """Go on to the next step."""

    def action_back(self) -> None:
        """Go back."""
        self.guide.go_back()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key is shown and works where it means something."""
        del parameters
        return action != "forward" or self.LEADS_ON

    # What a screen uses

    @property
    def guide(self) -> Guide:
        """The program."""
        return cast("Guide", self.app)

    @property
    def engine(self) -> Engine:
        """Where things lie."""
        return self.guide.engine

    @property
    def session(self) -> Session:
        """What is known."""
        return self.guide.session

    @session.setter
    def session(self, session: Session) -> None:
        self.guide.session = session
        self._head()

    @property
    def notice(self) -> Notice:
        """The line for what is underway or went wrong."""
        return self.query_one(Notice)

    def work(
        self,
        name: str,
        call: Callable[[Job[T]], T],
        *,
        done: Callable[[T], None],
        hear: Callable[[Any], None] | None = None,
        failed: Callable[[ApplianceError], None] | None = None,
        quiet: bool = False,
    ) -> None:
        """Run `call` aside, in place of what runs under the same name.

        `hear` gets the latest value that it tells, `done` its result, `failed` its error (default: the notice).
        """
        self.stop(name)

        def wake(job: Job[T]) -> None:
            self.post_message(Changed(job))

        job: Job[T] = Job(name, call, wake=wake, clock=self.engine.clock)
        self._jobs[name] = (job, _Ears(done, hear, failed or self.fail, quiet=quiet))
        job.start()

    def stop(self, name: str) -> None:
        """Let what runs under this name go; nothing more is heard of it."""
        if name in self._jobs:
            self._jobs.pop(name)[0].cancel()

    def busy(self, name: str) -> bool:
        """Whether something runs under this name."""
        return name in self._jobs

    def save(self, title: str, text: str, name: str, write: Callable[[Path], None]) -> None:
        """Ask where to, offering `name`; then `write` there, aside."""

        def answered(path: str | None) -> None:
            if path:
                to = typed.path(path).absolute()
                self.work("save", lambda _: write(to), done=lambda _: self.notice.say(texts.SAVED.format(path=to)))

        self.app.push_screen(AskText(title, text, name), answered)

    def fail(self, error: ApplianceError) -> None:
        """Say what went wrong."""
        self.notice.fail(error)

    # The frame

    def compose(self) -> ComposeResult:
        """Heading, lead, body, notice, keys."""
        yield Heading(id="heading")
        yield Static(self.LEAD, id="lead", markup=False)
        with Vertical(id="body"):
            yield from self.body()
        yield Notice(id="notice", markup=False)
        yield Footer(compact=True, show_command_palette=True)

    def on_mount(self) -> None:
        """Show where we are."""
        self._head()
        self.begin()
        session = self.session
        if session.machines and session.run is None and session.delivery and session.delivery.spec:
            self.work(
                "draft", lambda _: calls.description.keep_draft(self.engine, session), done=lambda _: None, quiet=True
            )

    def on_unmount(self) -> None:
        """Let go of what runs for this screen."""
        for name in list(self._jobs):
            self.stop(name)

    def action_guide_help(self) -> None:
        """Say what can be done here."""
        self.guide.show_help(self.TITLE_TEXT, self.HELP_TEXT)

    def _head(self) -> None:
        for heading in self.query(Heading):
            heading.show(self.TITLE_TEXT, self.about())

    @on(Changed)
    def _changed(self, message: Changed) -> None:
        message.stop()
        job = message.job
        current = self._jobs.get(job.name)
        if current is None or current[0] is not job:
            return
        news = job.take()
        if news.over:
            self._jobs.pop(job.name)
        else:
            self.set_timer(_FRAME_SECONDS, job.arm)
        current[1].tell(news, self)


class _Ears:
    """Who hears of a job."""

    def __init__(
        self,
        done: Callable[[Any], None],
        hear: Callable[[Any], None] | None,
        failed: Callable[[ApplianceError], None],
        *,
        quiet: bool,
    ) -> None:
        self._done = done
        self._hear = hear
        self._failed = failed
        self._quiet = quiet

    def tell(self, news: News[Any], page: Page) -> None:
        """Tell all that is new. What is no error of ours is raised: the program ends, and says so."""
        if news.value is not None and self._hear:
            self._hear(news.value)
        if not self._quiet:
            if news.task:
                page.notice.working(news.task)
            elif news.over:
                page.notice.quiet()
        if not news.over:
            return
        if news.fault:
            raise news.fault
        if news.error:
            self._failed(news.error)
        else:
            self._done(news.result)
