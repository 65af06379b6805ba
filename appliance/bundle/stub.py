"""The head of a ``.run``: a POSIX shell program, filled in with the facts of one bundle. Pure but for reading it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.bundle.layout import ALIGNMENT, STUB_BYTES
from appliance.bundle.pyruntime import layout
from appliance.errors import BundleError

if TYPE_CHECKING:
    from appliance.bundle.pyruntime.runtime import Runtime
    from appliance.digest import Digest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,199}")
_SHELL = Path(__file__).with_name("stub.sh")


@dataclass(frozen=True, slots=True)
class StubRuntime:
    """An operator's runtime in the file: `offset` and `length` in bytes, both multiples of 4096.

    `digest` is that of the tar, `file_list` that of the ``files.sha256`` in it; `unpacked_bytes` the room it takes.
    """

    arch: str
    offset: int
    length: int
    digest: Digest
    file_list: Digest
    unpacked_bytes: int

    def __post_init__(self) -> None:
        if self.offset % ALIGNMENT or self.length % ALIGNMENT:
            raise ValueError(f"a runtime at {self.offset}, {self.length} bytes long, is not aligned to {ALIGNMENT}")

    @classmethod
    def of(cls, runtime: Runtime, *, offset: int) -> StubRuntime:
        """The facts of `runtime`, whose tar begins at `offset` of the file."""
        return cls(runtime.arch, offset, runtime.size, runtime.digest, runtime.file_list, runtime.unpacked_bytes)


@dataclass(frozen=True, slots=True)
class StubFacts:
    """What a stub must know: whose it is, the `size` in bytes of the whole file, and the Pythons in it."""

    name: str
    version: str
    size: int
    runtimes: tuple[StubRuntime, ...]


def render(facts: StubFacts) -> bytes:
    """The stub, exactly `STUB_BYTES` long. `BundleError` for a name or version that a shell could misread."""
    for what, text in (("name", facts.name), ("version", facts.version)):
        if not _NAME.fullmatch(text):
            raise BundleError(
                f"the {what} {text!r} cannot stand in a self-extracting bundle", hint="use A-Z a-z 0-9 . _ + ~ -"
            )
    values = {
        "NAME": facts.name,
        "VERSION": facts.version,
        "SIZE": str(facts.size),
        "ARCHITECTURES": ", ".join(runtime.arch for runtime in facts.runtimes),
        "FLAGS": " ".join(layout.FLAGS),
    }
    text = re.sub("@([A-Z]+)@", lambda found: values.get(found[1], found[0]), _SHELL.read_text(encoding="utf-8"))
    text = text.replace("#@FUNCTIONS@\n", layout.shell_functions())
    text = text.replace("#@RUNTIMES@\n", "".join(map(_case, facts.runtimes)))
    stub = text.encode()
    if len(stub) > STUB_BYTES:
        raise BundleError(f"the stub has {len(stub)} bytes, of {STUB_BYTES}")
    return stub.ljust(STUB_BYTES, b"\n")


def _case(runtime: StubRuntime) -> str:
    kib = (runtime.length + runtime.unpacked_bytes) // 1024 + 1024
    return (
        f"    {runtime.arch}) first={runtime.offset // ALIGNMENT} blocks={runtime.length // ALIGNMENT} kib={kib}\n"
        f"        digest={runtime.digest.hex}\n        list={runtime.file_list.hex} ;;\n"
    )
