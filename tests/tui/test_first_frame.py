"""What stands between a person and the first screen."""

import subprocess
import sys

SLOW = (
    "paramiko",
    "cryptography",
    "jinja2",
    "jsonschema",
    "httpx",
    "click",
    "appliance.inventory.preflight",
    "appliance.recipe.bundlefile",
    "textual.widgets._data_table",
    "appliance.operations",
    "appliance.execute",
)


def test_the_first_screen_waits_for_nothing_of_the_engine_that_is_slow_to_load() -> None:
    program = f"import sys, tui.engine, tui.terminal, tui.app; print([m for m in {SLOW} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
