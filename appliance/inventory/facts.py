"""What a host is: asked in one round trip, read into `Facts`; and the stamp that an installation leaves on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance import canonical
from appliance.errors import TransferFailed
from appliance.inventory import answer, surroundings
from appliance.inventory.answer import Answer
from appliance.inventory.surroundings import Surroundings

if TYPE_CHECKING:
    from datetime import datetime

    from appliance.clock import Clock
    from appliance.transport.base import Command, Transport

DEFAULT_PATHS = ("/", "/etc", "/opt", "/var/lib/appliance")
NEEDED_COMMANDS = ("tar", "gzip", "sha256sum", "systemctl", "mktemp", "sync")
STAMP_FORMAT = 1
STAMP_BYTES = 1 << 18
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i686": "386",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Room on the file system that holds `path`, in bytes and inodes.

    `free_inodes` is -1 where the file system makes them as needed. Paths with the same `device` share the room.
    """

    path: str
    free: int
    total: int
    free_inodes: int
    filesystem: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an installation wrote to a host, so that it can be removed without anything else."""

    files: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeStamp:
    """``/etc/appliance/node.json``: whose host this is and what was put on it; `product` is the bundle's name."""

    cluster: str
    product: str
    machine_id: str
    roles: tuple[str, ...]
    image: str
    version: str
    epoch: int
    runtime: str
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found on a host. Sizes are bytes; `clock_skew` is seconds ahead of the operator.

    `architecture` is as Go names it (amd64, arm64). `systemd` is its version, 0 where it is not what runs the host.
    `commands` are those that were asked for and are there. `stamp_error` says why a stamp that is there cannot be
    read. `lease` is the line of the run that leases the host, empty if none does.
    """

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
    stamp_error: str = ""
    around: Surroundings = field(default_factory=Surroundings)


def facts_command(paths: tuple[str, ...] = DEFAULT_PATHS) -> Command:
    """The command whose output `parse_facts` reads; it asks for the room at `paths` and mounts."""
    return answer.question(paths, NEEDED_COMMANDS, stamp_bytes=STAMP_BYTES, more=surroundings.script())


def gather(transport: Transport, *, clock: Clock, paths: tuple[str, ...] = DEFAULT_PATHS) -> Facts:
    """Ask a host for its facts, in one round trip.

    Raises what `Transport.run` raises, and `TransferFailed` when the answer cannot be read.
    """
    asked = clock.now()
    result = transport.run(facts_command(paths))
    answered = clock.now()
    try:
        return parse_facts(result.stdout, at=asked + (answered - asked) / 2)
    except ValueError as error:
        raise TransferFailed(
            f"the host's facts cannot be read: {error}", hint="log in and see whether its shell works"
        ) from error


def parse_facts(text: str, *, at: datetime) -> Facts:
    """Read the output of `facts_command`, given `at` this time of the operator's; `ValueError` if it breaks off."""
    told = Answer.parse(text)
    system = answer.os_release(told.get("os").lines)
    kernel, _, machine = told.get("uname").line.partition(" ")
    stamp, stamp_error = _stamp(told)
    return Facts(
        hostname=told.get("hostname").line,
        machine_id=told.get("machine-id").line,
        architecture=_ARCHITECTURES.get(machine, machine),
        kernel=kernel,
        os_id=system.get("ID", ""),
        os_version=system.get("VERSION_ID", ""),
        os_name=system.get("PRETTY_NAME", ""),
        cpus=told.get("nproc").number or told.get("cpus").number,
        memory=1024 * told.get("memory").number,
        disks=tuple({space.path: space for room in told.rooms() if (space := _disk(room))}.values()),
        listening_ports=answer.ports(told.get("tcp").lines),
        commands=told.get("commands").lines,
        systemd=told.get("systemd").number,
        root=told.get("uid").line == "0",
        clock_skew=answer.skew(told.get("date").line, at),
        addresses=(
            *answer.inet_addresses(told.get("inet").lines),
            *answer.inet6_addresses(told.get("inet6").lines),
        ),
        stamp=stamp,
        stamp_error=stamp_error,
        lease=told.get("lease").line,
        around=surroundings.read(told, hostname=told.get("hostname").line),
    )


def _disk(room: Answer) -> DiskSpace | None:
    """The room at a path; stat's numbers go before df's."""
    path, device = room.get("disk").line, room.get("device").line
    space, df = room.get("space").line.split(None, 5), room.get("df").lines
    if len(space) == 6:  # noqa: PLR2004  (as many as the format asks for)
        block, free, total, free_inodes, inodes = (answer.number(word) for word in space[:5])
        return DiskSpace(path, free * block, total * block, free_inodes if inodes else -1, space[5], device)
    if len(df) > 1 and len(words := df[-1].split()) > 3:  # noqa: PLR2004  (up to the free blocks)
        return DiskSpace(path, answer.number(words[3]) * 1024, answer.number(words[1]) * 1024, -1, "", device)
    return None


def _stamp(told: Answer) -> tuple[NodeStamp | None, str]:
    """The stamp, or why it cannot be read, or neither if there is none."""
    if not told.has("stamp"):
        return None, ""
    try:
        return stamp_from_text("\n".join(told.get("stamp").lines)), ""
    except ValueError as error:
        return None, str(error)


def stamp_to_text(stamp: NodeStamp) -> str:
    """The content of ``node.json``: canonical JSON, format 1. `ValueError` if it is larger than `STAMP_BYTES`."""
    document = {
        "format": STAMP_FORMAT,
        "cluster": stamp.cluster,
        "product": stamp.product,
        "machineId": stamp.machine_id,
        "roles": list(stamp.roles),
        "image": stamp.image,
        "version": stamp.version,
        "epoch": stamp.epoch,
        "runtime": stamp.runtime,
        "receipt": {
            "files": list(stamp.receipt.files),
            "units": list(stamp.receipt.units),
            "trees": list(stamp.receipt.trees),
        },
    }
    data = canonical.dumps(document)
    if len(data) > STAMP_BYTES:
        raise ValueError(f"a stamp of {len(data)} bytes, where at most {STAMP_BYTES} are allowed")
    return data.decode()


def stamp_from_text(text: str) -> NodeStamp:
    """Read what `stamp_to_text` wrote; `ValueError`, in words for people, for anything else."""
    document = canonical.loads(text.encode(), limit=STAMP_BYTES)
    if not isinstance(document, dict) or "format" not in document:
        raise ValueError("not a stamp: an object with a format is expected")
    if document["format"] != STAMP_FORMAT:
        raise ValueError(f"format {document['format']!r} is not known here, only {STAMP_FORMAT}")
    fields = _only(document, "stamp", "format cluster product machineId roles image version epoch runtime receipt")
    receipt = _only(fields["receipt"], "receipt", "files units trees")
    return NodeStamp(
        cluster=_text(fields, "cluster"),
        product=_text(fields, "product"),
        machine_id=_text(fields, "machineId"),
        roles=_texts(fields, "roles"),
        image=_text(fields, "image"),
        version=_text(fields, "version"),
        epoch=_count(fields, "epoch"),
        runtime=_text(fields, "runtime"),
        receipt=Receipt(_texts(receipt, "files"), _texts(receipt, "units"), _texts(receipt, "trees")),
    )


def _only(value: Any, what: str, names: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(names.split()):
        raise ValueError(f"the {what} must have exactly the fields {names}")
    return value


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text")  # noqa: TRY004  (callers catch one type)
    return value


def _texts(fields: dict[str, Any], name: str) -> tuple[str, ...]:
    value = fields[name]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name} must be a list of texts")
    return tuple(value)


def _count(fields: dict[str, Any], name: str) -> int:
    value = fields[name]
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} must be a whole number")
    return value
