"""What is known of the labs that stand: a folder each under ``/run/appliance-lab``, which is also its lock.

A lab is registered before anything of it is made, so that whatever a crash leaves behind has a name, and the
registration goes last.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import files
from appliance.errors import ApplianceError, StateError
from appliance.lab.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = Path("/run/appliance-lab")
_FORMAT = 1
_LIMIT_BYTES = 1 << 20
_FOREIGN = "take the lab down with the version that made it, or restart this machine"


@dataclass(frozen=True, slots=True)
class Maker:
    """A process: its id, and its start in clock ticks since boot, as ids are used again."""

    pid: int
    started: int

    @classmethod
    def this(cls) -> Maker:
        """The calling process."""
        return cls(os.getpid(), _start_of(os.getpid()))

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        try:
            return _start_of(self.pid) == self.started
        except OSError:
            return False


def _start_of(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[19])  # starttime, proc(5); the second field, in parentheses, may hold spaces


@dataclass(frozen=True, slots=True)
class LabHost:
    """A host that stands.

    `link` is its cable's end on this machine, `storage` the folder of its disks and its console's log, `fingerprint`
    its SSH host key's (``SHA256:…``), `address6` its IPv6 address if it has one.
    """

    lab: str
    name: str
    address: str
    link: str
    storage: Path
    suite: str
    python: bool
    users: tuple[str, ...]
    fingerprint: str = ""
    containers: bool = False
    address6: str = ""

    @property
    def netns(self) -> Path:
        """Its network namespace: a file for ``nsenter --net=``."""
        return RUN / self.lab / self.name / "net"

    @property
    def root(self) -> Path:
        """The host's root file system, seen from this machine."""
        return RUN / self.lab / self.name / "root"

    @property
    def console(self) -> Path:
        """What the host wrote to its console."""
        return self.storage / "console.log"


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab that stands, or, while not `complete`, one that is being made or whose making failed."""

    name: str
    network: Network
    storage: Path
    hosts: tuple[LabHost, ...]
    maker: Maker
    tied: bool
    complete: bool = False

    @property
    def key(self) -> Path:
        """The private key, without passphrase, that opens root and most users on all hosts."""
        return RUN / self.name / "key"

    @property
    def known_hosts(self) -> Path:
        """The hosts' keys, as ssh wants them."""
        return RUN / self.name / "known_hosts"

    @property
    def gateway(self) -> str:
        """This machine's address in the lab's network."""
        return str(self.network.gateway)

    @property
    def abandoned(self) -> bool:
        """Whether nobody will finish or take down this lab; ask while holding its lock."""
        return not self.complete or (self.tied and not self.maker.alive)

    def host(self, name: str) -> LabHost:
        """The host of that name or number (from 1); `ApplianceError` naming those there are."""
        for number, host in enumerate(self.hosts, 1):
            if name in (host.name, str(number)):
                return host
        names = ", ".join(host.name for host in self.hosts)
        raise ApplianceError(f"lab {self.name} has no host {name}", hint=f"it has {names}")


@contextlib.contextmanager
def locked(name: str = "", *, wait: bool = True) -> Iterator[Path]:
    """Hold the lab of that `name`, or, without one, the table of labs; yields its folder, made if need be.

    With ``wait=False`` one held elsewhere raises `StateError`.
    """
    descriptor, folder = _hold(RUN / name, wait=wait)
    try:
        yield folder
    finally:
        os.close(descriptor)


def _hold(folder: Path, *, wait: bool) -> tuple[int, Path]:
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # removed between two calls: make it anew
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if folder.exists() and os.path.samestat(os.fstat(descriptor), folder.stat()):
                return descriptor, folder
        except BlockingIOError as error:
            os.close(descriptor)
            raise StateError(f"lab {folder.name} is in use by another process") from error
        except FileNotFoundError:
            pass
        os.close(descriptor)  # it was removed while we waited: what we hold is no longer the lab


def forget(name: str) -> None:
    """Remove what is registered of a lab that is held, and of which nothing else is left; its lock stays."""
    for path in sorted((RUN / name).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def release(name: str) -> None:
    """Remove the lock, which the caller holds, of a lab that is forgotten."""
    with locked():
        (RUN / name).rmdir()
        with contextlib.suppress(OSError):  # other labs are there
            RUN.rmdir()


def names() -> tuple[str, ...]:
    """Names of all registered labs."""
    try:
        return tuple(sorted(folder.name for folder in RUN.iterdir() if folder.is_dir()))
    except FileNotFoundError:
        return ()


def write(lab: Lab) -> None:
    """Register `lab`, or what has become of it."""
    files.write_text(RUN / lab.name / "lab.json", json.dumps(_to_document(lab), indent=1) + "\n")


def read(name: str) -> Lab | None:
    """The lab of that `name`, or None. Raises `StateError` for a registration that this version cannot read."""
    path = RUN / name / "lab.json"
    try:
        document = json.loads(files.read_bounded(path, _LIMIT_BYTES))
        if document["format"] != _FORMAT:
            raise StateError(f"{path} was written by another version", hint=_FOREIGN)
        return _from_document(document)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(f"{path} is not a lab's registration: {error}", hint=_FOREIGN) from error


def _to_document(lab: Lab) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "name": lab.name,
        "bridge": lab.network.bridge,
        "subnet": str(lab.network.subnet),
        "storage": str(lab.storage),
        "maker": {"pid": lab.maker.pid, "started": lab.maker.started},
        "tied": lab.tied,
        "complete": lab.complete,
        "hosts": [
            {
                "name": host.name,
                "address": host.address,
                "link": host.link,
                "suite": host.suite,
                "python": host.python,
                "users": list(host.users),
                "fingerprint": host.fingerprint,
                "containers": host.containers,
                "address6": host.address6,
            }
            for host in lab.hosts
        ],
    }


def _from_document(document: dict[str, Any]) -> Lab:
    storage = Path(document["storage"])
    return Lab(
        name=document["name"],
        network=Network(document["bridge"], IPv4Network(document["subnet"])),
        storage=storage,
        hosts=tuple(
            LabHost(
                lab=document["name"],
                name=host["name"],
                address=host["address"],
                link=host["link"],
                storage=storage / host["name"],
                suite=host["suite"],
                python=host["python"],
                users=tuple(host["users"]),
                fingerprint=host["fingerprint"],
                containers=host.get("containers", False),
                address6=host.get("address6", ""),
            )
            for host in document["hosts"]
        ),
        maker=Maker(document["maker"]["pid"], document["maker"]["started"]),
        tied=document["tied"],
        complete=document["complete"],
    )
