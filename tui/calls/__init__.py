"""What the guide asks of the engine; all of it may take long, and is called from a `Job` and not by a screen.

A module is loaded when it is first asked for, which is in a job, too: the first screen does not wait for the engine.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tui.calls import delivery as delivery
    from tui.calls import description as description
    from tui.calls import hosts as hosts
    from tui.calls import known as known
    from tui.calls import proposals as proposals
    from tui.calls import runs as runs

_MODULES = ("delivery", "description", "hosts", "known", "proposals", "runs")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(name)
