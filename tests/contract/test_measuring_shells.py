"""Measures, taken by real shells and tools on this machine: nothing is left behind."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, BinaryIO

import pytest

from appliance.clock import SystemClock
from appliance.inventory import measures, sampling
from appliance.transport.base import Command, CommandResult, Endpoint
from appliance.transport.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHELLS = pytest.mark.parametrize("shell", ["dash", "bash", "mksh", "yash", "busybox"])


class Shell:
    """This machine by another shell; with busybox, by its tools alone."""

    def __init__(self, shell: str, folder: Path) -> None:
        self._argv = ("env", f"PATH={folder}", "busybox", "sh") if shell == "busybox" else (shell,)
        self._local = LocalTransport(Endpoint("", 0, "root"))
        if shell == "busybox":
            listed = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout
            for applet in listed.split():
                (folder / applet).symlink_to("/bin/busybox")

    def run(
        self, command: Command, *, stdin: bytes | BinaryIO = b"", output: Callable[[bytes], None] | None = None
    ) -> CommandResult:
        assert command.argv[0] == "sh"
        return self._local.run(Command((*self._argv, *command.argv[1:])), stdin=stdin, output=output)

    def put(self, source: bytes | BinaryIO, path: str, *, mode: int = 0o600, owner: str = "root:root") -> None:
        raise AssertionError("nothing is written")

    def get(self, path: str, *, limit: int) -> bytes:
        raise AssertionError("nothing is fetched")


@SHELLS
def test_a_line_is_measured_with_no_more_than_it_may_take(shell: str, tmp_path: Path) -> None:
    sent: list[int] = []
    rate = sampling.alone(Shell(shell, tmp_path), clock=SystemClock(), pace=sent.append)
    assert rate > 0
    assert 0 < sum(sent) <= sampling.MOST_BYTES


@SHELLS
def test_a_disk_is_measured_where_a_folder_will_be_and_nothing_stays(shell: str, tmp_path: Path) -> None:
    tools, place = tmp_path / "tools", tmp_path / "place"
    tools.mkdir()
    place.mkdir()
    found = measures.disk(Shell(shell, tools), room=f"{place}/not/yet", paths=(f"{place}/etcd",))
    if shell != "busybox":  # its dd does not tell how long it took
        assert found.writing > 0
        assert found.syncs(f"{place}/etcd")
    assert list(place.iterdir()) == []


def test_a_host_that_cannot_count_is_not_measured() -> None:
    class Mute(LocalTransport):
        def run(
            self, command: Command, *, stdin: bytes | BinaryIO = b"", output: Callable[[bytes], None] | None = None
        ) -> CommandResult:
            return super().run(Command(("sh", "-c", "read x; echo hello; exit 3")), stdin=stdin, output=output)

    assert sampling.alone(Mute(Endpoint("", 0, "root")), clock=SystemClock()) == 0
