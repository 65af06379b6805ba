"""A step's own scripts, run on this machine on paths that stand in for a host's."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from appliance.plan.steps import Run

if TYPE_CHECKING:
    from appliance.plan.steps import Step
    from appliance.transport.base import Command


class StandIn:
    """Carries steps out; what a word of a command becomes here, `moved` says."""

    def moved(self, word: str) -> str:
        """The word to run in place of `word`."""
        raise NotImplementedError

    def _run(self, command: Command) -> bool:
        ended = subprocess.run([self.moved(word) for word in command.argv], capture_output=True, text=True, check=False)
        assert not ended.stderr
        return ended.returncode == 0

    def holds(self, step: Step) -> bool:
        """Whether the step's guard says that there is nothing to do."""
        assert step.unless
        return self._run(step.unless)

    def carry_out(self, step: Step) -> None:
        """Run a step which has something to do, and after which its guard holds."""
        assert not self.holds(step)
        assert isinstance(step.action, Run)
        assert self._run(step.action.command)
        assert self.holds(step)
