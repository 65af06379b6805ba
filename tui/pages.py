"""The screens after the first. They know the engine, and are loaded while the first is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.screens.cluster import ClusterPage
from tui.screens.help import HelpPage
from tui.screens.hosts import HostsPage
from tui.screens.onto import OntoPage
from tui.screens.open import OpenPage
from tui.screens.plan import PlanPage
from tui.screens.preflight import PreflightPage
from tui.screens.run import RunPage
from tui.screens.settings import SettingsPage
from tui.session import Step

if TYPE_CHECKING:
    from tui.screens.page import Page
    from tui.session import Session

__all__ = ["ClusterPage", "HelpPage", "PlanPage", "RunPage", "page_of"]

_STEPS: dict[Step, type[Page]] = {
    Step.OPEN: OpenPage,
    Step.HOSTS: HostsPage,
    Step.SETTINGS: SettingsPage,
    Step.PREFLIGHT: PreflightPage,
    Step.PLAN: PlanPage,
}


def page_of(step: Step, session: Session) -> Page:
    """The screen of a step; that of the last one is about the session's run."""
    if step is Step.RUN and session.run:
        return RunPage(session.run)
    if step is Step.HOSTS and session.added:
        return OntoPage()
    return _STEPS[step]()
