"""Which platforms this machine runs programs of."""

from pathlib import Path

import pytest

from appliance.image import emulation
from appliance.image.oci import Platform

FOREIGN = Platform("linux", "arm64" if emulation.host_platform().architecture == "amd64" else "amd64")
MACHINE = {"arm64": "b700", "amd64": "3e00"}[FOREIGN.architecture]
MAGIC = "7f454c46020101000000000000000000" + "0200"


def entry(*, machine: str = MACHINE, state: str = "enabled", magic: str = MAGIC) -> str:
    return f"{state}\ninterpreter /usr/bin/qemu\nflags: F\noffset 0\nmagic {magic}{machine}\nmask ffffffff\n"


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        (entry(), True),
        (entry(state="disabled"), False),
        (entry(machine="f300"), False),
        (entry(magic="23212f62696e2f7368"), False),
        ("", False),
    ],
)
def test_an_enabled_entry_for_its_machine_makes_a_platform_run(tmp_path: Path, text: str, runs: bool) -> None:
    (tmp_path / "qemu-foreign").write_text(text)
    (tmp_path / "status").write_text(entry())
    assert emulation.runs(FOREIGN, registered=tmp_path) is runs


def test_programs_of_this_machine_always_run(tmp_path: Path) -> None:
    assert emulation.runs(emulation.host_platform(), registered=tmp_path / "none")
