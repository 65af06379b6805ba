"""Files made to exhaust whoever reads them: refused in words, in memory and time that the kernel bounds."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

SECONDS = 60
BEFORE = """
import io, resource, sys, tarfile, tempfile
from pathlib import Path
from backports import zstd
from appliance.bundle import manifestjson, verify
from appliance.bundle.chunks import BundleFiles
from appliance.bundle.layout import LIMITS, STUB_BYTES
from appliance.errors import BundleError
from appliance.image import layers
from appliance.trust import envelope
from appliance.trust.policy import Trust
from datetime import UTC, datetime

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def bounded(mebibytes):
    '''Let this process have so much more than it has.'''
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (mebibytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def refused(action):
    try:
        action()
    except BundleError as error:
        print(error.message)
    else:
        print("it was taken")


def tar_of(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, size in members:
            info = tarfile.TarInfo(name)
            info.size = size
            tar.fileobj.write(info.tobuf(tarfile.PAX_FORMAT))
    return out


def shown(head):
    '''Look into a file with that front, as `show` does with any file.'''
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.run"
        path.write_bytes(bytes(STUB_BYTES) + b"APPLMAN1" + head)
        with BundleFiles.open(path) as files:
            verify.open_unverified_for_display(files, Trust(), now=NOW)


def lengths(manifest, signatures):
    return manifest.to_bytes(4, "little") + signatures.to_bytes(4, "little")


def wide(item, size):
    '''A list of as many items as `size` bytes hold.'''
    return b"[" + b",".join([item] * ((size - 2) // (len(item) + 1))) + b"]"


def keys(size, last=b""):
    '''An object of as many different keys as `size` bytes hold, and one more.'''
    pairs = b",".join(b'"%06x":1' % number for number in range((size - 20) // 11))
    return b"{" + pairs + last + b"}"
"""

MANIFESTS = {
    "arrays in arrays": 'b"[" * LIMITS.manifest',
    "objects in objects": """b'{"a":' * (LIMITS.manifest // 5)""",
    "closed arrays in arrays": 'b"[" * (LIMITS.manifest // 2) + b"]" * (LIMITS.manifest // 2)',
    "millions of numbers": 'wide(b"0", LIMITS.manifest)',
    "millions of arrays": 'wide(b"[]", LIMITS.manifest)',
    "millions of objects": """wide(b'{"a":0}', LIMITS.manifest)""",
    "millions of texts": """wide(b'"ab"', LIMITS.manifest)""",
    "a number of millions of digits": """b'{"size":' + b"9" * (LIMITS.manifest - 20) + b"}" """,
    "a fraction of millions of digits": """b'{"size":0.' + b"9" * (LIMITS.manifest - 20) + b"}" """,
    "a text of millions of escapes": """b'{"name":"' + b"\\\\u0041" * (LIMITS.manifest // 6 - 10) + b'"}'""",
    "very many keys": "keys(LIMITS.manifest)",
    "very many keys and one twice": """keys(LIMITS.manifest, last=b',"000001":2')""",
    "more than a manifest may have": 'b" " * (LIMITS.manifest + 1)',
    "files without end": """b'{"critical":[],"format":1,"files":' + wide(b"{}", LIMITS.manifest - 99) + b"}" """,
}
AREAS = {name: text.replace("LIMITS.manifest", "envelope.MAX_AREA_BYTES") for name, text in MANIFESTS.items()}

HEADS = {
    "lengths of four gigabytes": "lengths(2**32 - 1, 2**32 - 1)",
    "no manifest": "lengths(0, 0)",
    "lengths beyond the end": "lengths(LIMITS.manifest, LIMITS.signatures) + b'{}'",
    "signatures of very many keys": (
        "lengths(2, LIMITS.signatures) + b'{}' + keys(LIMITS.signatures).ljust(LIMITS.signatures)"
    ),
}

TARS = {
    "a file of an exbibyte": 'tar_of(("a", 1 << 60))',
    "files beyond the limit together": 'tar_of(("a", 40 << 30), ("b", 40 << 30))',
    "an extension of a gibibyte": 'io.BytesIO(b"".join(ext(1 << 30)))',
    "extensions without end": 'io.BytesIO(b"".join(ext(9)) * 1_000)',
    "a target of a mebibyte": 'io.BytesIO(b"".join(ext(1_000_000, b"1000000 linkpath=")) + link())',
}
TAR_PARTS = """
def ext(size, start=b"9 a=bcde\\n"):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, size
    body = start if size < 2**20 else b""
    if len(start) > 9:
        body = start + b"x" * (size - len(start) - 1) + b"\\n"
    return info.tobuf(tarfile.USTAR_FORMAT), body.ljust(-(-len(body) // 512) * 512, b"\\0")


def link():
    info = tarfile.TarInfo("l")
    info.type = tarfile.SYMTYPE
    return info.tobuf(tarfile.USTAR_FORMAT) + bytes(1024)


def unpacked(tar, compress=zstd.compress):
    with tempfile.TemporaryDirectory() as folder:
        layers.unpack(io.BytesIO(compress(tar.getvalue())), Path(folder) / "out")
"""
BOMBS = {
    "a text of gibibytes": 'layers.read_merged([packed(("etc/a", 8 << 30))], lambda path: True)',
    "texts of gibibytes": (
        'layers.read_merged([packed(*((f"etc/{n}", 1 << 20) for n in range(4000)))], lambda path: True)'
    ),
    "a window of gibibytes": (
        "unpacked(tar_of(('a', 1)), lambda data: zstd.compress(data * 2000, options={"
        "zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.enable_long_distance_matching: 1}))"
    ),
}
PACKED = """
def packed(*members):
    out, packer = io.BytesIO(), zstd.ZstdCompressor()
    for name, size in members:
        info = tarfile.TarInfo(name)
        info.size = size
        out.write(packer.compress(info.tobuf(tarfile.GNU_FORMAT)))
        for _ in range(min(size, 256 << 20) >> 20):
            out.write(packer.compress(bytes(1 << 20)))
    out.write(packer.flush())
    out.seek(0)
    return out
"""


def run(script: str) -> list[str]:
    """What a process prints that may use `SECONDS` of processor time."""
    done = subprocess.run(
        [sys.executable, "-c", BEFORE + script],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS)),
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-2000:]
    return done.stdout.splitlines()


def each(actions: dict[str, str], *, mebibytes: int, before: str = "") -> dict[str, str]:
    """What is said of each action, in one process with so many mebibytes to spare."""
    lines = run(
        f"{before}\nactions = [{', '.join(f'lambda: {action}' for action in actions.values())}]\n"
        f"bounded({mebibytes})\nfor action in actions: refused(action)"
    )
    return dict(zip(actions, lines, strict=True))


@pytest.mark.slow
def test_a_manifest_of_any_shape_is_refused() -> None:
    said = each({name: f"manifestjson.from_bytes({text})" for name, text in MANIFESTS.items()}, mebibytes=400)
    assert all(sentence.startswith("the bundle's manifest cannot be read: ") for sentence in said.values()), said
    assert "duplicate key '000001'" in said["very many keys and one twice"]


def test_a_signature_area_of_any_shape_is_refused() -> None:
    said = each({name: f"envelope.unpack({text})" for name, text in AREAS.items()}, mebibytes=64)
    assert all("signature area" in sentence for sentence in said.values()), said


def test_a_head_that_lies_is_refused() -> None:
    said = each({name: f"shown({text})" for name, text in HEADS.items()}, mebibytes=64)
    assert not [sentence for sentence in said.values() if "was taken" in sentence], said


def test_a_layer_that_promises_too_much_is_refused() -> None:
    said = each({name: f"unpacked({text})" for name, text in TARS.items()}, mebibytes=64, before=TAR_PARTS)
    assert not [sentence for sentence in said.values() if "the archive" not in sentence], said


def test_a_layer_that_unfolds_to_gibibytes_is_refused() -> None:
    said = each(BOMBS, mebibytes=256, before=TAR_PARTS + PACKED)
    assert list(said.values())[:2] == [
        "etc/a has 8589934592 bytes, where a text may have 1048576",
        "the texts of a layer have more than 67108864 bytes together",
    ]
    assert "the archive is damaged" in said["a window of gibibytes"]


def test_the_bound_on_memory_is_kept_by_the_kernel() -> None:
    lines = run("bounded(1)\ntry: bytearray(99 << 20)\nexcept MemoryError: print('no memory')")
    assert lines == ["no memory"]
