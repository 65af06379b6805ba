"""What a host is: one command that a POSIX shell can answer, and pure parsers for its answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Room on the file system that holds `path`, in bytes and inodes."""

    path: str
    free: int
    total: int
    free_inodes: int
    filesystem: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an installation wrote to a host, so that it can be removed without anything else."""

    files: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeStamp:
    """``/etc/appliance/node.json``: whose host this is and what was put on it."""

    cluster: str
    machine_id: str
    roles: tuple[str, ...]
    image: str
    version: str
    epoch: int
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found on a host. Sizes are bytes; `clock_skew` is seconds ahead of the operator."""

    hostname: str
    machine_id: str
    architecture: str
    kernel: str
    os_id: str
    os_version: str
    os_name: str
    cpus: int
    memory: int
    disks: tuple[DiskSpace, ...]
    listening_ports: tuple[int, ...]
    commands: tuple[str, ...]
    systemd: int
    root: bool
    clock_skew: float
    addresses: tuple[str, ...]
    stamp: NodeStamp | None = None
    lease: str = ""
