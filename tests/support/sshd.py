"""A real sshd on loopback, started by a test, that lets the test's own user in: the quick tier of SSH tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import subprocess
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from appliance.transport.base import Credential, Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST_KEY_TYPES = ("ed25519", "ecdsa", "rsa")
_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PidFile none
MaxStartups 100
{host_keys}
{more}
"""


@dataclass(frozen=True)
class Sshd:
    """A running server: its port, the user's key, and its host keys' public files."""

    folder: Path
    port: int

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens, with the key that it lets in."""
        credential = Credential(key=self.folder / "user_ed25519", agent=False)
        return Endpoint("127.0.0.1", self.port, pwd.getpwuid(os.geteuid()).pw_name, credential)

    def with_credential(self, **changes: object) -> Endpoint:
        """The endpoint, entered otherwise."""
        endpoint = self.endpoint
        return replace(endpoint, credential=replace(endpoint.credential, **changes))  # type: ignore[arg-type]

    def public_key(self, kind: str = "ed25519") -> str:
        """The text of a host key's public file."""
        return (self.folder / f"host_{kind}.pub").read_text()

    def fingerprint(self, kind: str = "ed25519") -> str:
        """What ssh-keygen says of it."""
        return fingerprint(self.folder / f"host_{kind}.pub")


def keygen(path: Path, kind: str = "ed25519", *, passphrase: str = "", form: str = "") -> Path:
    """Make a key pair with ssh-keygen."""
    bits = ["-b", "2048"] if kind == "rsa" else []
    extra = ["-m", form] if form else []
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *bits, *extra, "-N", passphrase, "-f", path], check=True)
    return path


def fingerprint(public: Path) -> str:
    """``SHA256:…`` of a public key file, by ssh-keygen."""
    done = subprocess.run(["ssh-keygen", "-lf", public], check=True, capture_output=True, text=True)
    return done.stdout.split()[1]


def free_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def sshd(folder: Path, *, kinds: tuple[str, ...] = HOST_KEY_TYPES, port: int = 0, more: str = "") -> Iterator[Sshd]:
    """Run a server with keys in `folder` (made if they are not there) while the block runs."""
    server = Sshd(folder, port or free_port())
    for name in (*(f"host_{kind}" for kind in kinds), "user_ed25519"):
        if not (folder / name).exists():
            keygen(folder / name, name.split("_")[1])
    if not (folder / "authorized_keys").exists():
        (folder / "authorized_keys").write_text((folder / "user_ed25519.pub").read_text())
    host_keys = "\n".join(f"HostKey {folder}/host_{kind}" for kind in kinds)
    (folder / "config").write_text(_CONFIG.format(port=server.port, folder=folder, host_keys=host_keys, more=more))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    argv = ["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "config")]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stderr
        _wait_until_listening(process.stderr, addresses=1 + more.count("ListenAddress"))
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        try:
            yield server
        finally:
            process.terminate()
            drain.join(10)


def _wait_until_listening(log: IO[bytes], *, addresses: int) -> None:
    said = b""
    for line in log:
        addresses -= b"Server listening" in line
        if not addresses:
            return
        said += line
    raise AssertionError(f"sshd did not start: {said.decode()}")
