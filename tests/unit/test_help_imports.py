"""Help is there at once because little is loaded for it; what the benchmark measures is kept by what is imported."""

import subprocess
import sys

_PROGRAM = """
import contextlib, io, sys
from appliance.__main__ import main
with contextlib.redirect_stdout(io.StringIO()):
    assert main(["--help"]) == 0
print(*sorted(name for name in sys.modules if name.split(".")[0] in {"appliance", "tui"} or "." not in name))
"""
_FOR_HELP = {"appliance.__main__", "appliance.errors"}


def test_help_loads_the_command_line_and_nothing_of_the_engine() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    engine = {name for name in loaded if name.startswith("appliance.") and not name.startswith("appliance.cli")}
    assert engine <= _FOR_HELP
    assert "appliance.cli.main" in loaded
    assert not loaded & {"asyncio", "cryptography", "hashlib", "jsonschema", "logging", "rich", "tui", "yaml"}
