"""The guide: one program, one session, a screen at a time; its terminal is given back whatever happens."""

from __future__ import annotations

import asyncio
import gc
import importlib
import select
import signal
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.theme import Theme

from appliance.inventory.hosts import Access
from appliance.transport.sshconfig import SshConfig
from tui import calls, texts
from tui.driver import TerminalDriver
from tui.screens.open import OpenPage
from tui.session import Session, Step
from tui.widgets.dialogs import Choose

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from textual.screen import Screen

    from appliance.state import RunDir
    from tui.engine import Engine
    from tui.screens.page import Page


_COLOURED = {True: "textual-dark", False: "textual-light"}
_PLAIN = {True: "plain-dark", False: "plain-light"}


def _plain(*, dark: bool) -> Theme:
    """A theme for who sees no colours: what has one elsewhere is as bright as all the rest."""
    ink, paper = ("#e0e0e0", "#121212") if dark else ("#1f1f1f", "#e0e0e0")
    said = {f"text-{kind}": ink for kind in ("success", "warning", "error", "primary", "secondary", "accent")}
    return Theme(
        _PLAIN[dark],
        primary=ink,
        success=ink,
        warning=ink,
        error=ink,
        foreground=ink,
        background=paper,
        dark=dark,
        variables={
            **said,
            "block-cursor-text-style": "bold reverse",
            "block-cursor-blurred-text-style": "reverse",
            "block-cursor-background": paper,
            "block-cursor-foreground": ink,
            "block-cursor-blurred-background": paper,
            "block-cursor-blurred-foreground": ink,
        },
    )


class Guide(App[int]):
    """Takes an operator through a delivery. Its answer is the exit code; `crash` is what ended it, if something did.

    It ends when the terminal that is open as `terminal` is gone.
    """

    SIGNALLED: ClassVar[int] = 130
    CSS_PATH = "app.tcss"
    TITLE = texts.PROGRAM
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "leave", texts.KEY_QUIT, show=False, priority=True),
        Binding("ctrl+c", "leave", texts.KEY_QUIT, show=False, priority=True),
    ]

    def __init__(self, engine: Engine, session: Session | None = None, *, terminal: int | None = None) -> None:
        super().__init__(driver_class=None if terminal is None else TerminalDriver)
        self._terminal = terminal
        self.animation_level = "none"  # a serial line has no time for it
        if self.no_color:
            self.register_theme(_plain(dark=True))
            self.register_theme(_plain(dark=False))
            self.theme = _PLAIN[True]
        self.engine = engine
        self.session = session or Session(access=Access(config=SshConfig.of_user()))
        self.crash: Exception | None = None
        self._came_from: Step = Step.OPEN
        self._step = Step.OPEN

    def on_mount(self) -> None:
        """Listen for the end, and begin at the first step."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            with suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread: a test's business
                loop.add_signal_handler(number, self._ended)
        if self._terminal is not None:
            self.set_interval(1.0, self._look_at_terminal)
        self.push_screen(OpenPage())
        self.call_after_refresh(threading.Thread(target=self._load, name="guide-pages", daemon=True).start)

    @property
    def _pages(self) -> ModuleType:
        """The other screens' module."""
        return importlib.import_module("tui.pages")

    def _load(self) -> None:
        """Have what comes next at hand; it stays, so that who looks for garbage in it stops the screen for nothing."""
        importlib.import_module("tui.pages")
        if self._terminal is not None:
            gc.freeze()

    # Going about

    def go(self, step: Step) -> None:
        """Show the screen of a step; of the first one, as long as the delivery is not to be used."""
        delivery = self.session.delivery
        if not self._is_other_operation() and not (delivery and delivery.usable):
            step = Step.OPEN
        self._step = step
        page: Page = self._pages.page_of(step, self.session)
        self.switch_screen(page)

    def go_back(self) -> None:
        """Show the step before this one; from what is beside the steps, the one that it was left from."""
        screen = self.screen
        if isinstance(screen, self._pages.ClusterPage):
            self.go(self._came_from)
        elif isinstance(screen, self._pages.PlanPage) and self._is_other_operation():
            self.show_clusters()
        else:
            self.go(Step(max(Step.OPEN, self._step - 1)))

    def show_clusters(self) -> None:
        """Show what this machine has installed."""
        beside = (self._pages.ClusterPage, self._pages.RunPage)
        if not isinstance(self.screen, beside) and not self._is_other_operation():
            self._came_from = self._step
        if self._is_other_operation():
            self.session = replace(self.session, proposed=None)  # it was looked at, or is a run by now
        self.switch_screen(self._pages.ClusterPage())

    def ask_for_bundle(self, product: str) -> None:
        """Show the first step, and say of what the bundle is wanted there."""
        self._step = Step.OPEN
        self.switch_screen(OpenPage(wanted=product))

    def show_run(self, run: RunDir) -> None:
        """Show a run, whether it goes on or is over."""
        self.switch_screen(self._pages.RunPage(run))

    def show_help(self, title: str, text: str) -> None:
        """Show what a screen's keys do, and the delivery's own manuals."""
        self.push_screen(self._pages.HelpPage(title, text))

    def ask_to_quit(self) -> None:
        """Leave, if that is meant."""

        def answered(choice: str | None) -> None:
            if choice == "leave":
                self.action_leave()

        choices = (("stay", texts.QUIT_NO), ("leave", texts.QUIT_YES))
        self.push_screen(Choose(texts.QUIT_TITLE, texts.QUIT_TEXT, choices), answered)

    def action_leave(self) -> None:
        """Leave at once: nothing is lost by it, and a run goes on."""
        self.exit(0)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the palette offers: light and dark, help, the steps that can be gone to, leaving."""
        yield SystemCommand(texts.PALETTE_THEME, texts.PALETTE_THEME_HELP, self._other_theme)
        yield SystemCommand(texts.PALETTE_CLUSTERS, texts.PALETTE_CLUSTERS_HELP, self.show_clusters)
        for step, title in zip(Step, texts.STEPS, strict=True):
            if step < self._step and step is not Step.RUN:
                yield SystemCommand(
                    texts.PALETTE_STEP.format(title=title), texts.PALETTE_STEP_HELP, lambda step=step: self.go(step)
                )
        yield SystemCommand(texts.PALETTE_QUIT, texts.QUIT_TEXT, self.action_leave)

    def _other_theme(self) -> None:
        names = _PLAIN if self.no_color else _COLOURED
        self.theme = names[not self.current_theme.dark]

    def _is_other_operation(self) -> bool:
        proposed = self.session.proposed
        return proposed is not None and proposed.proposal.operation not in calls.proposals.OF_DELIVERY

    # The end

    def _look_at_terminal(self) -> None:
        """Leave when nobody is there any more: the hang-up signal is only the session leader's, such as sudo's."""
        watch = select.poll()
        watch.register(self._terminal or 0, 0)
        if any(event & select.POLLHUP for _, event in watch.poll(0)):
            self._ended()

    def _ended(self) -> None:
        self.exit(self.SIGNALLED)

    def _fatal_error(self) -> None:
        """Leave without the framework's traceback, which would show the values of variables, passwords among them."""
        self.crash = self._exception
        self._close_messages_no_wait()
