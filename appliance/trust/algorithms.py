"""The kinds of key that sign, and how each signs: the one place that tells them apart.

============  =========================================  ==========================================
key           signs by                                   over a hash by default of
============  =========================================  ==========================================
ecdsa-p384    ECDSA (FIPS 186-5), DER                    SHA-384
ecdsa-p256    ECDSA, DER                                 SHA-256
rsa-3072      RSASSA-PKCS1-v1_5 (RFC 8017, 8.2)          SHA-384
ed25519       Ed25519 (RFC 8032)                         none: the message itself
ml-dsa-87     ML-DSA-87 (FIPS 204), pure, no context     none: the message itself
============  =========================================  ==========================================

RSA keys of other people's authorities may be longer, up to 8192 bits, and are still called rsa-3072.
"""

from __future__ import annotations

import enum
from typing import Any, assert_never

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | mldsa.MLDSA87PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey | mldsa.MLDSA87PublicKey
Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512

_RSA_BITS = range(3072, 8193)


class KeyType(enum.StrEnum):
    """The kinds of key that sign."""

    ECDSA_P384 = "ecdsa-p384"
    ECDSA_P256 = "ecdsa-p256"
    RSA_3072 = "rsa-3072"
    ED25519 = "ed25519"
    ML_DSA_87 = "ml-dsa-87"

    @property
    def certifiable(self) -> bool:
        """Whether certificates of such keys are checked here: path validation takes no Ed25519."""
        return self is not KeyType.ED25519

    @property
    def post_quantum(self) -> bool:
        """Whether a quantum computer is no help in forging it, as far as is known."""
        return self is KeyType.ML_DSA_87


def generate(kind: KeyType) -> PrivateKey:
    """A new key."""
    match kind:
        case KeyType.ECDSA_P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyType.ECDSA_P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyType.RSA_3072:
            return rsa.generate_private_key(65537, 3072)
        case KeyType.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case KeyType.ML_DSA_87:
            return mldsa.MLDSA87PrivateKey.generate()
        case _:
            assert_never(kind)


def private(key: object) -> PrivateKey:
    """The same key, once it is known to be one that signs; `ValueError` for any other."""
    if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        type_of(key.public_key())
        return key
    if isinstance(key, mldsa.MLDSA87PrivateKey):
        return key
    raise ValueError("its kind is not one that signs here")


def public(key: object) -> PublicKey:
    """The same key, once it is known to be one that signs; `ValueError` for any other."""
    if isinstance(key, PublicKey):
        type_of(key)
        return key
    raise ValueError("its kind is not one that signs here")


def type_of(key: object) -> KeyType:
    """Which kind of public key it is; `ValueError` for one that does not sign here."""
    match key:
        case ec.EllipticCurvePublicKey(curve=ec.SECP384R1()):
            return KeyType.ECDSA_P384
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
            return KeyType.ECDSA_P256
        case rsa.RSAPublicKey(key_size=bits) if bits in _RSA_BITS:
            return KeyType.RSA_3072
        case ed25519.Ed25519PublicKey():
            return KeyType.ED25519
        case mldsa.MLDSA87PublicKey():
            return KeyType.ML_DSA_87
        case _:
            raise ValueError(f"its kind is not one of {', '.join(KeyType)}")


def natural_hash(kind: KeyType) -> Hash:
    """The hash that goes with a kind of key: what it signs, or what a CMS by it names (RFC 8419, RFC 9882)."""
    match kind:
        case KeyType.ECDSA_P384 | KeyType.RSA_3072:
            return hashes.SHA384()
        case KeyType.ECDSA_P256:
            return hashes.SHA256()
        case KeyType.ED25519 | KeyType.ML_DSA_87:
            return hashes.SHA512()
        case _:
            assert_never(kind)


def certificate_hash(key: Any) -> Hash | None:
    """The hash for certificates that a private key issues; none for keys that take messages whole."""
    if isinstance(key, ed25519.Ed25519PrivateKey | mldsa.MLDSA87PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size <= 256:  # noqa: PLR2004  (pairs with SHA-256)
        return hashes.SHA256()
    return hashes.SHA384()


def sign(key: PrivateKey, data: bytes, *, using: Hash | None = None) -> bytes:
    """Sign `data`; `using` is another hash than the key's own, for those that hash."""
    match key:
        case ec.EllipticCurvePrivateKey():
            return key.sign(data, ec.ECDSA(using or natural_hash(type_of(key.public_key()))))
        case rsa.RSAPrivateKey():
            return key.sign(data, padding.PKCS1v15(), using or natural_hash(KeyType.RSA_3072))
        case ed25519.Ed25519PrivateKey() | mldsa.MLDSA87PrivateKey():
            return key.sign(data)
        case _:
            assert_never(key)


def holds(key: PublicKey, signature: bytes, data: bytes, *, using: Hash | None = None) -> bool:
    """Whether `key` made `signature` over `data`; `using` as in `sign`."""
    try:
        match key:
            case ec.EllipticCurvePublicKey():
                key.verify(signature, data, ec.ECDSA(using or natural_hash(type_of(key))))
            case rsa.RSAPublicKey():
                key.verify(signature, data, padding.PKCS1v15(), using or natural_hash(KeyType.RSA_3072))
            case ed25519.Ed25519PublicKey() | mldsa.MLDSA87PublicKey():
                key.verify(signature, data)
            case _:
                assert_never(key)
    except InvalidSignature:
        return False
    return True
