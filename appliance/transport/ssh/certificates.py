"""Host certificates: what an authority says of a host's key, and whether that holds for a host now.

Format: OpenSSH, PROTOCOL.certkeys. Signatures with SHA-1 are none; a critical option is one that we do not know.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import paramiko

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOST = 2
_KEY_FIELDS = {
    "ssh-ed25519": 1,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "ssh-rsa": 2,
}
_SUFFIX = "-cert-v01@openssh.com"
_LAST_DAY = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as it was shown: for whom and for when (seconds since 1970), and who signed `body`."""

    host: bool
    principals: tuple[str, ...]
    after: int
    before: int
    critical: bytes
    authority: bytes
    body: bytes
    signature: bytes

    @classmethod
    def read(cls, blob: bytes) -> Certificate:
        """Read a certificate; `ValueError` for anything else."""
        try:
            return cls._read(blob)
        except (paramiko.SSHException, IndexError, KeyError, EOFError, OverflowError) as error:
            raise ValueError(f"not a certificate: {error}") from error

    @classmethod
    def _read(cls, blob: bytes) -> Certificate:
        message = paramiko.Message(blob)
        kind = message.get_text().removesuffix(_SUFFIX)
        for _ in range(1 + _KEY_FIELDS[kind]):  # the nonce and the key
            message.get_string()
        message.get_int64()  # the serial number
        role = message.get_int()
        message.get_string()  # the key's name, for people
        principals = tuple(_strings(message.get_string()))
        after, before = message.get_int64(), message.get_int64()
        critical, _extensions, _reserved = (message.get_string() for _ in range(3))
        authority = message.get_string()
        body, signature = message.get_so_far(), message.get_string()
        if len(body) + 4 + len(signature) != len(blob):  # the library reads on past the end
            raise ValueError("not a certificate: it breaks off, or goes on after its end")
        return cls(role == _HOST, principals, after, before, critical, authority, body, signature)

    def fault(self, address: str, now: datetime) -> str:
        """Why this does not speak for the host at `address`, in words; empty if it does."""
        moment = int(now.timestamp())
        match self:
            case _ if not self._signed():
                return "its signature does not hold"
            case _ if not self.host or self.critical:
                return "it is not a plain certificate of a host"
            case _ if not self.after <= moment < self.before:
                return f"it is valid from {_date(self.after)} to {_date(self.before)}"
            case _ if not self._names(address):
                return f"it is for {', '.join(self.principals) or 'nobody'}, not for {address}"
            case _:
                return ""

    def _names(self, address: str) -> bool:
        names = (name.lower().replace("[", "[[]") for name in self.principals)
        return any(fnmatch.fnmatchcase(address.lower(), name) for name in names)

    def _signed(self) -> bool:
        try:
            kind = paramiko.Message(self.authority).get_text()
            key = paramiko.PKey.from_type_string(kind, self.authority)
            return key.verify_ssh_sig(self.body, paramiko.Message(self.signature))
        except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, ValueError, IndexError):
            return False


def _strings(packed: bytes) -> Iterator[str]:
    message = paramiko.Message(packed)
    while message.get_remainder():
        yield message.get_text()


def _date(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return _LAST_DAY.strftime("%Y-%m-%d")
