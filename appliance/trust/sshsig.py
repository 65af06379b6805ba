"""SSHSIG: a signature as ``ssh-keygen -Y sign`` writes and ``ssh-keygen -Y verify`` checks it (PROTOCOL.sshsig).

Armoured in lines of 70, over SHA-512. Only the bytes that `write` would produce are read, so none is without meaning.
The namespace is part of what is signed: it says what for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from appliance.errors import VerificationError
from appliance.trust import algorithms
from appliance.trust.algorithms import Hash, KeyType, PrivateKey, PublicKey

_MAGIC = b"SSHSIG"
_VERSION = 1
_HASH = b"sha512"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_WIDTH = 70
_ALGORITHMS = {
    KeyType.ECDSA_P384: b"ecdsa-sha2-nistp384",
    KeyType.ECDSA_P256: b"ecdsa-sha2-nistp256",
    KeyType.RSA_3072: b"rsa-sha2-512",
    KeyType.ED25519: b"ssh-ed25519",
}
TYPES = frozenset(_ALGORITHMS)
"""The kinds of key that OpenSSH has."""


@dataclass(frozen=True, slots=True)
class SshSignature:
    """What an SSHSIG says, read but not believed: whose key, in which namespace, with what signature."""

    key: PublicKey
    namespace: str
    signature: bytes

    def holds(self, data: bytes) -> bool:
        """Whether the key made the signature over `data` in the namespace."""
        return algorithms.holds(self.key, self.signature, _signed(self.namespace, data), using=_hash(self.key))


def write(key: PrivateKey, data: bytes, *, namespace: str) -> bytes:
    """Sign `data`; the file's text. `ValueError` for a key that OpenSSH does not have."""
    public = key.public_key()
    made = algorithms.sign(key, _signed(namespace, data), using=_hash(public))
    return _armoured(public, namespace, made)


def read(text: bytes) -> SshSignature:
    """Read a signature; nothing in it is believed yet. `VerificationError` for what `write` would not have written."""
    try:
        lines = text.decode("ascii").splitlines()
        reader = _Reader(base64.b64decode("".join(lines[1:-1]), validate=True))
        reader.take(len(_MAGIC)), reader.number()  # compared below, with all the rest
        key = _key(reader.string())
        namespace = reader.string().decode("ascii")
        reader.string(), reader.string()
        inner = _Reader(reader.string())
        inner.string()
        signature = _plain(key, inner.string())
        again = _armoured(key, namespace, signature)
    except (ValueError, struct.error, binascii.Error, UnsupportedAlgorithm, NotImplementedError) as error:
        raise VerificationError("this is not a signature of ssh-keygen that can be checked") from error
    if again != text:
        raise VerificationError("this signature of ssh-keygen is not written as ssh-keygen writes it")
    return SshSignature(key, namespace, signature)


def public_line(key: PublicKey) -> bytes:
    """The key as ``allowed_signers`` names it: type and base64."""
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)


def _signed(namespace: str, data: bytes) -> bytes:
    hashed = hashlib.sha512(data).digest()
    return _MAGIC + b"".join(map(_string, (namespace.encode(), b"", _HASH, hashed)))


def _armoured(key: PublicKey, namespace: str, signature: bytes) -> bytes:
    kind = algorithms.type_of(key)
    if kind not in TYPES:
        raise ValueError(f"OpenSSH has no keys of type {kind}")
    blob = base64.b64decode(public_line(key).split()[1])
    inner = _string(_ALGORITHMS[kind]) + _string(_wire(key, signature))
    whole = _MAGIC + struct.pack(">I", _VERSION) + b"".join(map(_string, (blob, namespace.encode(), b"", _HASH, inner)))
    text = base64.b64encode(whole).decode()
    lines = [text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH)]
    return "\n".join([_BEGIN, *lines, _END, ""]).encode()


def _hash(key: PublicKey) -> Hash | None:
    return hashes.SHA512() if isinstance(key, rsa.RSAPublicKey) else None


def _key(blob: bytes) -> PublicKey:
    kind = _Reader(blob).string()
    return algorithms.public(serialization.load_ssh_public_key(kind + b" " + base64.b64encode(blob)))


def _wire(key: PublicKey, signature: bytes) -> bytes:
    """The signature as SSH carries it: of ECDSA two integers (RFC 5656, 3.1.2), of others the bytes."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return b"".join(_string(_mpint(number)) for number in decode_dss_signature(signature))
    return signature


def _plain(key: PublicKey, wire: bytes) -> bytes:
    match key:
        case ec.EllipticCurvePublicKey():
            reader = _Reader(wire)
            return encode_dss_signature(*(int.from_bytes(reader.string(), "big", signed=True) for _ in range(2)))
        case ed25519.Ed25519PublicKey() | rsa.RSAPublicKey():
            return wire
        case _:
            raise ValueError("OpenSSH has no such key")


def _mpint(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


class _Reader:
    """SSH's binary encoding (RFC 4251, 5), front to back; `ValueError` at the end of the bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def take(self, count: int) -> bytes:
        if count > len(self._data):
            raise ValueError("it ends too early")
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def number(self) -> int:
        return int(struct.unpack(">I", self.take(4))[0])

    def string(self) -> bytes:
        return self.take(self.number())
