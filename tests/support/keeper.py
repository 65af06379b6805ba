"""A small delivery that is real in all its parts: a service, a secret parameter, secrets of each kind, a health check.

delivery = deliver(folder)                                  # built, signed and bundled by the command line
done = appliance("plan", delivery.bundle, …, home=folder)   # a command line, in a process of its own
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RECIPE = Path(__file__).parents[1] / "data" / "recipes" / "keeper"
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Delivery:
    """The bundle, the vendor's root, and the store and keys that it was made from."""

    bundle: Path
    root: Path
    store: Path
    keys: Path


def appliance(
    *arguments: str | Path, home: Path, stdin: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line with that state folder, without a terminal."""
    with start(*arguments, home=home, environment=environment) as process:
        out, err = process.communicate(stdin, timeout=_SECONDS)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def start(*arguments: str | Path, home: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start the command line; the caller ends it."""
    return subprocess.Popen(
        (sys.executable, "-m", "appliance", "--home", home, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(RECIPE.parents[3]), **(environment or {})},
    )


def deliver(folder: Path, recipe: Path = RECIPE) -> Delivery:
    """Build, sign and bundle the recipe below `folder`."""
    delivery = Delivery(folder / "out", folder / "keys" / "root.pem", folder / "store", folder / "keys")
    for words in (
        ("build", "-t", "keeper:1.0.0", recipe),
        ("key", "generate", "-O", delivery.keys, "--name", "Test Vendor"),
        ("bundle", "keeper:1.0.0", "-O", folder / "out", "--key", delivery.keys / "signer-key.pem", "--lock-or-latest"),
    ):
        done = appliance("--store", delivery.store, *words, home=folder / "packager")
        assert done.returncode == 0, done.stderr
    (bundle,) = (folder / "out").glob("*.run")
    return Delivery(bundle, delivery.root, delivery.store, delivery.keys)


def clusterfile(addresses: Sequence[str], *, name: str = "site-a", role: str = "keeper", **spec: object) -> str:
    """A Clusterfile for hosts of one role, with further fields of its ``spec``."""
    hosts = [{"addresses": list(addresses), "roles": [role]}]
    document = {
        "apiVersion": "appliance/v1",
        "kind": "Cluster",
        "metadata": {"name": name},
        "spec": {"hosts": hosts, **spec},
    }
    return json.dumps(document)
