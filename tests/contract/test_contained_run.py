"""What a RUN can see, change and leave behind on the machine that builds: as root, and as an ordinary user."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.building import Bench

from appliance.events import Event, TaskProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT, ORDINARY = 0, 65533
OWN = ("/rootfs", "/tmp", "/run", "/dev", "/proc")
PROBE = """\
FROM scratch
ARG OUTSIDE
RUN <<EOF
cat /proc/self/mountinfo > mounts
for space in mnt pid ipc uts net; do readlink /proc/self/ns/$space; done > spaces
tail -n +3 /proc/net/dev | cut -d: -f1 > links
for place in /usr /etc /var/tmp /home /opt /sys /proc/sys/kernel $OUTSIDE; do
  touch $place/left-by-run 2>/dev/null && echo $place; done > written
echo changed > /proc/sys/kernel/domainname 2>/dev/null && echo sysctl >> written
mknod device b 7 0 2>/dev/null && echo device >> written
mount -t tmpfs none /mnt 2>/dev/null && echo mount >> written
test -e $OUTSIDE/socket.in.run -o -e /run/dbus/system_bus_socket && echo socket >> written
test -e /tmp/seen-on-host && echo tmp >> written
setsid sleep 86399 < /dev/null > /dev/null 2>&1 &
ls /proc | grep -c '^[0-9]' > processes
id -u > user
exit 0
EOF
RUN --network=none tail -n +3 /proc/net/dev | cut -d: -f1 > no-links; readlink /proc/self/ns/net > no-net
"""


@pytest.fixture(params=[ROOT, ORDINARY], ids=["root", "ordinary"])
def user(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def place(user: int) -> Iterator[Path]:
    """A folder of that user's, which others can reach."""
    folder = Path(tempfile.mkdtemp(prefix="contained-", dir="/var/tmp"))
    folder.chmod(0o755)
    os.chown(folder, user, user)
    yield folder
    shutil.rmtree(folder)


def as_user(user: int, work: Callable[[], None]) -> None:
    """Do `work` in a process of that user."""
    child = os.fork()
    if child == 0:
        try:
            if user != os.geteuid():
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            work()
        except BaseException:  # noqa: BLE001  (this process ends here)
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Until(list[Event]):
    """Events up to one that says `word`; there the person presses Ctrl-C."""

    def __init__(self, word: str) -> None:
        self._word = word

    def append(self, event: Event) -> None:
        if isinstance(event, TaskProgress) and event.detail == self._word:
            raise KeyboardInterrupt


def sleepers() -> list[str]:
    """The processes that a RUN above left."""
    lines = (_command(path) for path in Path("/proc").iterdir() if path.name.isdecimal())
    return [line for line in lines if line == "sleep 86399"]


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def test_a_run_changes_nothing_but_its_root_and_leaves_nothing(user: int, place: Path) -> None:
    seen = Path("/tmp/seen-on-host")
    seen.touch()
    outside = place / "outside"
    outside.mkdir(mode=0o777)
    outside.chmod(0o777)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(outside / "socket"))

        def work() -> None:
            bench = Bench(place)
            bench.build(PROBE, arguments={"OUTSIDE": str(outside)})
            for path, text in bench.tree().items():
                (place / f"told-{path}").write_text(text)

        as_user(user, work)
    seen.unlink()
    told = {path.name.removeprefix("told-"): path.read_text().split("\n")[:-1] for path in place.glob("told-*")}
    assert told["written"] == []
    assert [mount for mount in _writable(told["mounts"]) if not _is_own(mount)] == []
    ours = [str(Path(f"/proc/self/ns/{space}").readlink()) for space in ("mnt", "pid", "ipc", "uts", "net")]
    assert [a == b for a, b in zip(told["spaces"], ours, strict=True)] == [False, False, False, False, True]
    assert told["no-links"] == ["    lo"]
    assert told["no-net"] != [ours[-1]]
    assert int(told["processes"][0]) < 10
    assert told["user"] == ["0"]
    assert sleepers() == []
    assert sorted(path.name for path in outside.iterdir()) == ["socket"]
    assert list((place / "cache/work").glob("build-*")) == []


def _writable(mounts: list[str]) -> list[str]:
    """Where what can be written is mounted (proc_pid_mountinfo(5))."""
    fields = [line.split() for line in mounts]
    return [words[4] for words in fields if "rw" in words[5].split(",")]


def _is_own(mount: str) -> bool:
    return any(mount == own or mount.startswith(f"{own}/") for own in OWN)


def test_a_run_that_is_cut_off_takes_its_processes_along(user: int, place: Path) -> None:
    def work() -> None:
        bench = Bench(place)
        bench.events = Until("ready")
        with pytest.raises(KeyboardInterrupt):
            bench.build("FROM scratch\nRUN sleep 86399 & echo ready; sleep 86399")

    as_user(user, work)
    assert sleepers() == []
    assert list((place / "cache/work").glob("build-*")) == []
