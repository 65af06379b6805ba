"""A worker whose hosts are rooms: started in place of ``python -m appliance``; see `program`."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path


def program(folder: Path, *, kill: int = 0) -> tuple[str, ...]:
    """The beginning of its command line; it ends itself as by kill -9 after command number `kill` to any host."""
    return (sys.executable, __file__, str(folder), str(kill))


def main(folder: str, kill: str, _command: str, run_dir: str) -> None:
    tests = Path(__file__).parent.parent
    sys.path[:0] = [str(tests), str(tests.parent)]
    from support.rooms import rooms  # noqa: PLC0415  (found only now)

    from appliance.execute import worker  # noqa: PLC0415

    numbers = itertools.count(1)

    def count(_: object) -> None:
        if next(numbers) == int(kill):
            os.kill(os.getpid(), signal.SIGKILL)

    worker.serve(Path(run_dir), open_hosts=lambda _: rooms(Path(folder), after=count))


if __name__ == "__main__":
    main(*sys.argv[1:])
