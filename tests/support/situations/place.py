"""Where one situation is brought about: a folder, a state folder, a real delivery, and hosts that are left as found."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.keeper import RECIPE, Delivery, clusterfile

from appliance.cli import main
from appliance.lab import host as machines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.lab.registry import Lab

TOKEN = "a token that is long enough"
Words = tuple[str | Path, ...]


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """What is said inside is not part of the situation."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@dataclass(slots=True)
class Place:
    """See the module. `later` puts back what was changed outside of the folder."""

    folder: Path
    delivery: Delivery
    lab: Lab
    later: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def home(self) -> Path:
        """The operator's state folder."""
        return self.folder.parent / "home"

    def write(self, name: str, text: str | bytes) -> Path:
        """A file below the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def disk(self, size: str, *, ballast: int = 0, writable: bool = True) -> Path:
        """A file system of its own, with so little room, and `ballast` bytes of it taken."""
        path = self.folder.parent / "disk"
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=True)
        self.later.callback(subprocess.run, ["umount", "--lazy", path], check=True)
        if ballast:
            (path / "ballast").write_bytes(bytes(ballast))
        if not writable:
            subprocess.run(["mount", "-o", "remount,ro", path], check=True)
        return path

    # what a packager says

    def recipe(self, **texts: str) -> Path:
        """The keeper's recipe, with another text in ``Kubefile`` or ``bundle`` (bundle.yaml)."""
        shutil.copytree(RECIPE, self.folder / "recipe")
        for name, text in texts.items():
            (self.folder / "recipe" / {"bundle": "bundle.yaml"}.get(name, name)).write_text(text)
        return self.folder / "recipe"

    def build(self, context: Path) -> Words:
        """Build it, into a store of its own."""
        return ("--store", self.folder / "store", "build", "-t", "x:1.0.0", context)

    def bundle(self, *more: str | Path, reference: str = "keeper:1.0.0", key: Path | None = None) -> Words:
        """Bundle the image that was built."""
        signer = key or self.delivery.keys / "signer-key.pem"
        return ("--store", self.delivery.store, "bundle", reference, "--key", signer, *more)

    def protected_keys(self) -> Path:
        """The signer's key among keys with the passphrase ``open sesame``; their root is beside it."""
        folder = self.folder.parent / "protected"
        self.quietly("key", "generate", "-O", folder, "--key-passphrase-file", self.write("phrase", "open sesame"))
        return folder / "signer-key.pem"

    # what an operator says

    def on(self, *names: str, role: str = "keeper", ssh: dict[str, object] | None = None, **spec: object) -> str:
        """A Clusterfile for hosts of the lab, entered as root by the lab's key unless `ssh` says otherwise."""
        addresses = [self.lab.host(name).address for name in names]
        return clusterfile(addresses, role=role, ssh={"key": str(self.lab.key), **(ssh or {})}, **spec)

    def plan(self, file: str | bytes | Path, *more: str | Path, token: str = TOKEN) -> Words:
        """Plan for that Clusterfile (its text, or where it is)."""
        path = self.write("c.yaml", file) if isinstance(file, str | bytes) else file
        given = ("--set-file", f"token={self.write('token', token)}") if token else ()
        return ("plan", self.delivery.bundle, "--trust", self.delivery.root, "-f", path, *given, *more)

    def run(self, inventory: str, text: str, *more: str | Path) -> Words:
        """Install on the hosts of this list."""
        given = ("--inventory", self.write(inventory, text))
        return ("run", self.delivery.bundle, "--trust", self.delivery.root, *given, *more)

    def known(self, *more: str | Path) -> Words:
        """That the lab's host keys are believed; and `more`."""
        return ("--host-keys", self.lab.known_hosts, *more)

    def quietly(self, *words: str | Path) -> None:
        """Run a command that must succeed."""
        with silence():
            assert main.run(["--home", str(self.home), *map(str, words)], bundle=None) == 0

    # what a host is

    def inside(self, name: str, script: str, undo: str) -> None:
        """Run `script` in a host, and `undo` when the case is over."""
        machines.run_inside(self.lab.host(name), ("sh", "-c", script))
        self.later.callback(machines.run_inside, self.lab.host(name), ("sh", "-c", undo))

    def stamp(self, *, cluster: str, machine: str = "", product: str = "keeper") -> None:
        """Put the stamp of an installation on host one."""
        machine = machine or machines.run_inside(self.lab.host("one"), ("cat", "/etc/machine-id")).stdout.strip()
        document = {
            "format": 1, "cluster": cluster, "machineId": machine, "roles": ["keeper"], "image": f"sha256:{'0' * 64}",
            "version": "1.0.0", "epoch": 0, "runtime": "systemd", "receipt": {"files": [], "units": [], "trees": []},
            "product": product,
        }  # fmt: skip
        text = json.dumps(document, separators=(",", ":"), sort_keys=True)
        script = f"mkdir -p /etc/appliance; printf %s '{text}' >/etc/appliance/node.json"
        self.inside("one", script, "rm -r /etc/appliance")

    def install(self) -> None:
        """Pretend that the cluster was installed: its stamp on the host, its Clusterfile in the state folder."""
        self.stamp(cluster="site-a")
        folder = self.home / "clusters" / "site-a"
        folder.mkdir(parents=True)
        (folder / "cluster.yaml").write_text(self.on("one"))
        shutil.copy(self.lab.known_hosts, folder / "known_hosts")
