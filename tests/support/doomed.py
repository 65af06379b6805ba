"""The command line, whose run workers end themselves as by kill -9 the moment that the journal holds a certain event.

    subprocess.run((*doomed("finished", 3), "apply", …))      # the third step that was carried out is the last word
    subprocess.run((*doomed("started", 1), "apply", …))       # dies between the journal's word and the command

Everything else is as with ``python -m appliance``.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.events import Stamped


def doomed(what: str, number: int) -> tuple[str, ...]:
    """The beginning of the command line; `what` is ``started`` or ``finished``, `number` counts from 1."""
    return (sys.executable, __file__, what, str(number))


def main(what: str, number: str, *arguments: str) -> None:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from appliance.execute import launch  # noqa: PLC0415  (found only now)

    if "run-worker" in arguments:
        _arm(what, int(number))
    launch.PROGRAM = doomed(what, int(number))  # before anybody takes it as a default
    from appliance.__main__ import main as appliance  # noqa: PLC0415

    sys.argv[1:] = arguments
    sys.exit(appliance())


def _arm(what: str, number: int) -> None:
    from appliance.events import Outcome, StepFinished, StepStarted  # noqa: PLC0415
    from appliance.execute.journal import Journal  # noqa: PLC0415

    numbers = itertools.count(1)
    write = Journal.write

    def counting(journal: Journal, stamped: Stamped) -> None:
        write(journal, stamped)
        match stamped.event:
            case StepStarted() if what == "started":
                fatal = next(numbers) == number
            case StepFinished(outcome=Outcome.OK) if what == "finished":
                fatal = next(numbers) == number
            case _:
                fatal = False
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    Journal.write = counting  # type: ignore[method-assign]


if __name__ == "__main__":
    main(*sys.argv[1:])
