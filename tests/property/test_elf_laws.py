from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from appliance.bundle.pyruntime import elf
from appliance.errors import ApplianceError

PROGRAM = Path(shutil.which("true") or "/bin/true").resolve().read_bytes()


@given(
    st.lists(st.tuples(st.integers(0, 1023), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, len(PROGRAM)),
)
def test_a_damaged_program_is_read_or_refused_and_nothing_else(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(PROGRAM)
    for at, byte in changes:
        data[at] = byte
    for damaged in (bytes(data), bytes(data[:length])):
        for read in (elf.links, elf.with_loader_room):
            with contextlib.suppress(ApplianceError):
                read(damaged)
