"""The command line as others call it: a process with arguments, two streams and an exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BUNDLED = """
import sys
from pathlib import Path
from appliance.__main__ import main
sys.exit(main(sys.argv[2:], bundle=Path(sys.argv[1])))
"""


@dataclass(frozen=True, slots=True)
class Shell:
    """Calls `appliance` in `folder`, with a state and a store of its own; `etc`, if given, is its ``/etc``."""

    folder: Path
    etc: Path | None = None

    def environment(self, **more: str) -> dict[str, str]:
        """The variables that a call gets: no locale, nothing of ours but home and store."""
        known = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CACHE_HOME") if name in os.environ}
        ours = {"APPLIANCE_HOME": str(self.folder / "home"), "APPLIANCE_STORE": str(self.folder / "store")}
        return {**known, **ours, "PYTHONPATH": str(ROOT), **more}

    def command(self, *words: str | Path, bundle: Path | None = None) -> list[str]:
        """The words of a call; with `bundle` as though that bundle had been started as a program."""
        sandbox = ["bwrap", "--dev-bind", "/", "/", "--bind", str(self.etc), "/etc"] if self.etc else []
        start = ["-c", BUNDLED, str(bundle)] if bundle else ["-m", "appliance"]
        return [*sandbox, sys.executable, *start, *map(str, words)]

    def __call__(self, *words: str | Path, bundle: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        """Call it without a terminal; `more` are further variables."""
        return subprocess.run(
            self.command(*words, bundle=bundle),
            cwd=self.folder,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def json(self, *words: str | Path, status: int = 0, bundle: Path | None = None) -> Any:
        """What a call with ``-o json`` prints, which is one document, when it ends with `status`."""
        done = self(*words, "-o", "json", bundle=bundle)
        assert done.returncode == status, done
        return json.loads(done.stdout)
