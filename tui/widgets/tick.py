"""A box that is ticked or not, which one sees without colour."""

from __future__ import annotations

from textual.widgets import Checkbox


class Tick(Checkbox):
    """``[X]`` or ``[ ]``."""

    BUTTON_LEFT = ""
    BUTTON_INNER = "[ ]"
    BUTTON_RIGHT = ""

    def watch_value(self) -> None:
        """Show the value as a character."""
        self.BUTTON_INNER = "[X]" if self.value else "[ ]"
        super().watch_value()
