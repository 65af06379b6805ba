"""Where the program starts: the only place that knows both front ends.

``python -m appliance`` and the travelling Python's ``boot.py`` come here.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.state import Home

INTERRUPTED = 130


def main(args: list[str] | None = None, bundle: Path | None = None) -> int:
    """Run the command line with `args` (default: the process's own) and return the exit code.

    `bundle` is the ``.run`` that this very program was started from; commands then take it for their BUNDLE. Without
    arguments, on a terminal, the guide takes over.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries speak to developers; what people must know is said by us
    try:
        from appliance.cli.main import run  # noqa: PLC0415  (a front end is loaded when it is needed)

        return run(sys.argv[1:] if args is None else args, bundle=bundle, guide=_guide)
    except KeyboardInterrupt:  # before the front end listened
        return INTERRUPTED


def _guide(home: Home, own: Path | None, given: Path | None) -> int:
    """Run the guide on the terminal."""
    from tui.engine import Engine  # noqa: PLC0415  (as above)
    from tui.terminal import start  # noqa: PLC0415

    beside = (own.absolute().parent,) if own else (Path.cwd(),)
    return start(Engine(home, own=own, given=given, beside=beside))


if __name__ == "__main__":
    sys.exit(main())
