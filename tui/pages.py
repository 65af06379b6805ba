"""The screens after the first. They know the engine, and are loaded while the first is looked at."""

from __future__ import annotations

from tui.screens.cluster import ClusterPage
from tui.screens.help import HelpPage
from tui.screens.hosts import HostsPage
from tui.screens.open import OpenPage
from tui.screens.plan import PlanPage
from tui.screens.preflight import PreflightPage
from tui.screens.run import RunPage
from tui.screens.settings import SettingsPage
from tui.session import Step

__all__ = ["STEPS", "ClusterPage", "HelpPage", "PlanPage", "RunPage"]

STEPS = {
    Step.OPEN: OpenPage,
    Step.HOSTS: HostsPage,
    Step.SETTINGS: SettingsPage,
    Step.PREFLIGHT: PreflightPage,
    Step.PLAN: PlanPage,
}
"""The screen of each step; that of the last one is about a run."""
