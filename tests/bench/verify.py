"""Every byte and the signature of a delivery are checked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bench.result import Result, at_least
from bench.sides import Side, interleaved

if TYPE_CHECKING:
    from bench.material import Material

MIB = int(os.environ.get("APPLIANCE_BENCH_BUNDLE_MIB", "1024"))
SMALL_MIB = 16
ROUNDS = 5 if MIB <= 1024 else 3
FIRST = "appliance verify, until signatures and policy are judged"
_HASHLIB = "import hashlib, sys; print(hashlib.file_digest(open(sys.argv[1], 'rb', buffering=0), 'sha256').hexdigest())"


def measure(material: Material) -> Result:
    """`appliance verify` beside what stock tools offer over the same file, and one core's SHA-256."""
    bundle, small, root = str(material.bundle(MIB)), str(material.bundle(SMALL_MIB)), str(material.keys / "root.pem")
    further = (material.bundle(MIB).stat().st_size - material.bundle(SMALL_MIB).stat().st_size) / 1e6
    sides = [
        Side("appliance verify", (material.appliance, "verify", bundle, "--trust", root)),
        Side(f"appliance verify, {SMALL_MIB} MiB image", (material.appliance, "verify", small, "--trust", root)),
        Side(FIRST, (material.appliance, "verify", bundle, "--trust", root, "-o", "jsonl"), first_output=True),
        Side("hashlib, one core", (material.python, "-c", _HASHLIB, bundle)),
        Side("openssl dgst -sha256", ("openssl", "dgst", "-sha256", bundle)),
        Side("sha256sum", ("sha256sum", bundle)),
        Side("7zz t", ("7zz", "t", "-bso0", "-bsp0", bundle)),
        Side("makeself --check", ("sh", str(material.makeself(MIB)), "--check")),
    ]
    took = interleaved(sides, rounds=ROUNDS)
    ours, core = took["appliance verify"], took["hashlib, one core"]
    start = took[f"appliance verify, {SMALL_MIB} MiB image"].seconds
    one_core = material.bundle(MIB).stat().st_size / 1e6 / core.seconds
    cores = os.cpu_count() or 1
    return Result(
        "verify",
        f"a signed .run of {material.bundle(MIB).stat().st_size / 2**20:.0f} MiB: all bytes, signature, policy",
        tuple(took.values()),
        (
            at_least(f"≥ 0.8 × {cores} cores × one core's SHA-256", core.seconds / ours.seconds, 0.8 * cores),
            at_least("… each byte beyond a small bundle's", further / (ours.seconds - start) / one_core, 0.8 * cores),
            at_least("≥ 15 × faster than makeself --check", took["makeself --check"].seconds / ours.seconds, 15),
        ),
        (
            f"one core's SHA-256: {one_core:.0f} MB/s; the file is in the page cache; all include their start",
            f"signatures and policy are judged after {took[FIRST].seconds:.2f} s (-o jsonl), before the bytes are read",
            f"our processor time is {ours.cpu_seconds / core.cpu_seconds:.2f} × that of one core's SHA-256 alone",
        ),
    )
