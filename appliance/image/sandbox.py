"""RUN on the build host, contained by bubblewrap: the host read-only, only the image root writable.

What the host's services listen on in ``/run`` is not there, but for name resolution; as root only the capabilities
that unpacking programs needs are left.

The root stands at ``/rootfs`` whatever its place on disk, so that what a command writes does not depend on that.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import ApplianceError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOTFS = "/rootfs"
PROGRAM = "bwrap"
_OWN = frozenset({"dev", "proc", "tmp", "run", "lost+found", ROOTFS[1:]})
_RESOLVERS = ("/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/run/connman")
_SETTINGS = tuple(f"/proc/{name}" for name in ("sys", "fs", "acpi", "scsi", "sysrq-trigger"))
"""Settings of the kernel, which bubblewrap leaves open to root."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROXIES = tuple(name for word in ("http_proxy", "https_proxy", "no_proxy") for name in (word, word.upper()))
_ROOT_CAPABILITIES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_SETUID", "CAP_SETGID")
_LAST_LINES = 20
_LINE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its status, and the last lines that it wrote."""

    status: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Laid:
    """A file or folder that a command sees at `target`, an absolute path; without `source` an empty one in memory."""

    target: str
    source: Path | None = None
    writable: bool = False


def run_contained(
    argv: tuple[str, ...],
    root: Path,
    *,
    env: Mapping[str, str],
    scratch: Path,
    folder: str = ROOTFS,
    laid: Sequence[Laid] = (),
    network: bool = True,
    heard: Callable[[str], None],
) -> Ended:
    """Run a command in `folder`, below the place of `root`, with `scratch` as ``/tmp``; `heard` gets each output line.

    Raises `ApplianceError` when bubblewrap is not installed, `RecipeError` where nothing can be laid.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise ApplianceError("RUN needs bubblewrap, which is not installed", hint="apt-get install bubblewrap")
    command = [program, *_arguments(root, scratch, folder, laid, network=network), "--", *argv]
    lines: deque[str] = deque(maxlen=_LAST_LINES)
    with _process(command, {**_base_environment(), **env, "ROOTFS": ROOTFS}) as process:
        for line in _lines(process):
            lines.append(line)
            heard(line)
        return Ended(process.wait(), tuple(lines))


def _arguments(root: Path, scratch: Path, folder: str, laid: Sequence[Laid], *, network: bool) -> Iterator[str]:
    for top in sorted(Path("/").iterdir()):
        if top.name in _OWN:
            continue
        if top.is_symlink():
            yield from ("--symlink", os.readlink(top), str(top))  # noqa: PTH115  (the text as it stands)
        elif top.is_dir():
            yield from ("--ro-bind", str(top), str(top))
    yield from ("--dev", "/dev", "--proc", "/proc", "--bind", str(scratch), "/tmp")  # noqa: S108  (the sandbox's own)
    for path in _SETTINGS:
        yield from ("--ro-bind-try", path, path)
    yield from ("--tmpfs", "/run")
    for path in _RESOLVERS:
        yield from ("--ro-bind-try", path, path)
    yield from ("--bind", str(root), ROOTFS)
    for mount in laid:
        yield from _lay(mount)
    yield from ("--remount-ro", "/", "--chdir", folder)
    yield from (
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--die-with-parent",
        "--new-session",
    )
    yield from _privileges()
    if not network:
        yield "--unshare-net"


def _privileges() -> Iterator[str]:
    """Root's, less what could reach the host; of a user namespace for others."""
    if os.geteuid() != 0:
        yield from ("--unshare-user", "--uid", "0", "--gid", "0")
        return
    yield from ("--cap-drop", "ALL")
    for capability in _ROOT_CAPABILITIES:
        yield from ("--cap-add", capability)


def _lay(mount: Laid) -> Iterator[str]:
    above = next(path for path in (Path(mount.target), *Path(mount.target).parents) if path.exists())
    own = Path(mount.target).parts[1:2]
    if own and own[0] not in _OWN and str(above) not in ("/", mount.target):
        hint = "use a path that is there, one below /tmp, or one relative to the image root"
        raise RecipeError(f"nothing can be mounted at {mount.target}: this machine has no such path", hint=hint)
    if mount.source is None:
        yield from ("--tmpfs", mount.target)
    else:
        yield from ("--bind" if mount.writable else "--ro-bind", str(mount.source), mount.target)


def _base_environment() -> dict[str, str]:
    proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    return {"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", **proxies}


@contextlib.contextmanager
def _process(command: list[str], env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, umask=0o022
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Output lines without control characters, cut at 4 KiB."""
    output = process.stdout
    while output is not None and (raw := output.readline(_LINE_BYTES)):
        text = raw.decode("utf-8", "replace").rstrip()
        yield "".join(character if character.isprintable() else " " for character in text)
