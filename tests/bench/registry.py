"""An image goes to a registry, and comes from it."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

from support import registry as registries

from bench.result import Result, at_most
from bench.sides import Side, interleaved, shell

if TYPE_CHECKING:
    from pathlib import Path

    from support.registry import Registry

    from bench.material import Material

MIB = 1024
ROUNDS = 3
PUSH, PULL = "appliance push", "appliance pull"
THEIR_PUSH, THEIR_PULL = "skopeo copy --all oci: docker:", "skopeo copy --all docker: oci:"
SYNCED = "… docker: oci:; sync"


def measure(material: Material) -> Result:
    """`appliance push` and `pull` beside `skopeo copy --all`, with a registry that is empty before each push."""
    image = material.image(MIB)
    with registries.registry(material.folder / "registry") as running:
        took = interleaved(_sides(material, image, running), rounds=ROUNDS)
    shutil.rmtree(material.folder / "registry")
    push, pull = took[PUSH].seconds / took[THEIR_PUSH].seconds, took[PULL].seconds / took[SYNCED].seconds
    return Result(
        "registry",
        f"an image of {MIB} MiB in three layers, to Debian's docker-registry on loopback without TLS, and from it",
        tuple(took.values()),
        (
            at_most("push ≤ 1.2 × skopeo", push, 1.2),
            at_most("pull ≤ 1.2 × skopeo; sync", pull, 1.2),
            at_most("pull ≤ 1.2 × skopeo", took[PULL].seconds / took[THEIR_PULL].seconds, 1.2),
        ),
        ("both hash what they read and write; what we pulled is on the disk before it has its name",),
    )


def _sides(material: Material, image: str, running: Registry) -> tuple[Side, ...]:
    ours, theirs = f"{running.host}/ours/{image}", f"{running.host}/theirs/{image}"
    back, layout = material.folder / "pulled", material.folder / "copied"
    material.run(material.appliance, "tag", "--store", material.store, image, ours)
    pushed, pulled = ("push", "--plain-http", ours), ("pull", "--plain-http", ours)
    source, there = f"oci:{material.store}:{image}", f"docker://{theirs}"
    fetch = ("skopeo", "copy", "--all", "--src-tls-verify=false", there, f"oci:{layout}:{image}")
    synced = f"{shlex.join(fetch)}; find {shlex.quote(str(layout))} -type f -exec sync {{}} +"
    return (
        Side(PUSH, (material.appliance, *pushed, "--store", str(material.store)), lambda: _empty(running)),
        Side(PULL, (material.appliance, *pulled, "--store", str(back)), lambda: _remove(back)),
        Side(
            THEIR_PUSH, ("skopeo", "copy", "--all", "--dest-tls-verify=false", source, there), lambda: _empty(running)
        ),
        Side(THEIR_PULL, fetch, lambda: _remove(layout)),
        shell(SYNCED, synced, prepare=lambda: _remove(layout)),
    )


def _empty(running: Registry) -> None:
    _remove(running.folder / "data")


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
