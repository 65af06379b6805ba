"""A peer's key and its certificate request, by the libcrypto that `ssl` uses: the library of a host carries no other.

The key is Ed25519 (RFC 8410), the request PKCS #10 (RFC 2986), both PEM. The key never leaves the process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import ssl
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_void_p
from functools import cache
from typing import TYPE_CHECKING

from appliance.errors import ApplianceError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIBRARY = "libcrypto.so.3"
_ED25519 = 1087  # NID_ED25519
_READ_PENDING = 3  # BIO_CTRL_INFO: how much there is, and where

_SIGNATURES: dict[str, tuple[type | None, list[type]]] = {
    "EVP_PKEY_CTX_new_id": (c_void_p, [c_int, c_void_p]),
    "EVP_PKEY_CTX_free": (None, [c_void_p]),
    "EVP_PKEY_keygen_init": (c_int, [c_void_p]),
    "EVP_PKEY_keygen": (c_int, [c_void_p, POINTER(c_void_p)]),
    "EVP_PKEY_free": (None, [c_void_p]),
    "X509_REQ_new": (c_void_p, []),
    "X509_REQ_free": (None, [c_void_p]),
    "X509_REQ_set_version": (c_int, [c_void_p, c_long]),
    "X509_REQ_set_pubkey": (c_int, [c_void_p, c_void_p]),
    "X509_REQ_sign": (c_int, [c_void_p, c_void_p, c_void_p]),
    "BIO_new": (c_void_p, [c_void_p]),
    "BIO_s_mem": (c_void_p, []),
    "BIO_free": (c_int, [c_void_p]),
    "BIO_ctrl": (c_long, [c_void_p, c_int, c_long, c_void_p]),
    "PEM_write_bio_PrivateKey": (c_int, [c_void_p, c_void_p, c_void_p, c_char_p, c_int, c_void_p, c_void_p]),
    "PEM_write_bio_X509_REQ": (c_int, [c_void_p, c_void_p]),
}


class KeyPair:
    """A new key, made here; `request` is the certificate request for it."""

    def __init__(self) -> None:
        self._private, self.request = _make()

    def context(self, purpose: ssl.Purpose, *, certificate: str, authority: str) -> ssl.SSLContext:
        """One end of mutual TLS 1.3 between holders of certificates of `authority`; both PEM.

        ``CLIENT_AUTH`` is the end that listens; the other one checks the name that it asks for.
        """
        serving = purpose is ssl.Purpose.CLIENT_AUTH
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if serving else ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=authority)
        if serving:
            context.num_tickets = 0
        with _in_memory(certificate.encode() + self._private) as path:
            context.load_cert_chain(path)
        return context

    @property
    def pem(self) -> str:
        """The key itself, for a library that takes it so; it stays in this process."""
        return self._private.decode()


@contextlib.contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """A path that leads to `data` without a file on any disk: `ssl` takes keys by their paths only."""
    descriptor = os.memfd_create("key")
    try:
        os.write(descriptor, data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


@cache
def _library() -> ctypes.CDLL:
    """The libcrypto that this process has loaded with `ssl`."""
    try:
        library = ctypes.CDLL(_LIBRARY)
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise ApplianceError(f"no key can be made with {ssl.OPENSSL_VERSION}: {error}") from error
    return library


def _make() -> tuple[bytes, str]:
    """A key and a request for it, PEM."""
    crypto = _library()
    with contextlib.ExitStack() as stack:

        def owned(pointer: int | None, free: str) -> int:
            if not pointer:
                raise ApplianceError("no key can be made: libcrypto refuses")
            stack.callback(getattr(crypto, free), pointer)
            return pointer

        context = owned(crypto.EVP_PKEY_CTX_new_id(_ED25519, None), "EVP_PKEY_CTX_free")
        key = c_void_p()
        _require(crypto.EVP_PKEY_keygen_init(context))
        _require(crypto.EVP_PKEY_keygen(context, byref(key)))
        owned(key.value, "EVP_PKEY_free")
        request = owned(crypto.X509_REQ_new(), "X509_REQ_free")
        _require(crypto.X509_REQ_set_version(request, 0))
        _require(crypto.X509_REQ_set_pubkey(request, key))
        _require(crypto.X509_REQ_sign(request, key, None))
        private = owned(crypto.BIO_new(crypto.BIO_s_mem()), "BIO_free")
        _require(crypto.PEM_write_bio_PrivateKey(private, key, None, None, 0, None, None))
        public = owned(crypto.BIO_new(crypto.BIO_s_mem()), "BIO_free")
        _require(crypto.PEM_write_bio_X509_REQ(public, request))
        return _content(crypto, private), _content(crypto, public).decode()


def _require(result: int) -> None:
    if result <= 0:
        raise ApplianceError("no key can be made: libcrypto refuses")


def _content(crypto: ctypes.CDLL, memory: int) -> bytes:
    """What was written into a BIO."""
    start = c_void_p()
    size = crypto.BIO_ctrl(memory, _READ_PENDING, 0, byref(start))
    return ctypes.string_at(start, size)
