"""DSSE: an in-toto statement with its signatures, as ``cosign verify-blob-attestation`` checks it.

The envelope (https://github.com/secure-systems-lab/dsse, protocol.md) is JSON; what is signed is PAE(type, payload),
with SHA-256 whatever the curve, because cosign hashes so.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes

from appliance import canonical
from appliance.errors import RecipeError, VerificationError
from appliance.trust import algorithms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.trust.algorithms import PublicKey
    from appliance.trust.keys import Signer

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_BYTES = 16 << 20


def sign(statement: bytes, signers: Sequence[Signer]) -> bytes:
    """The envelope of an in-toto statement, signed by those whose keys cosign knows (all but ML-DSA).

    `RecipeError` when that is nobody.
    """
    able = [signer for signer in signers if not signer.type.post_quantum]
    if not able:
        raise RecipeError("none of the keys is one that cosign knows", hint="sign with an ECDSA key, too")
    signed = _pae(statement)
    return canonical.dumps(
        {
            "payload": base64.b64encode(statement).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [
                {
                    "keyid": signer.keyid.hex,
                    "sig": base64.b64encode(algorithms.sign(signer.key, signed, using=hashes.SHA256())).decode(),
                }
                for signer in able
            ],
        }
    )


def statement(envelope: bytes, key: PublicKey) -> bytes:
    """The statement in an envelope that `key` signed; `VerificationError` for anything else."""
    try:
        document = canonical.loads(envelope, limit=MAX_BYTES)
        payload = base64.b64decode(document["payload"], validate=True)
        values = [base64.b64decode(entry["sig"], validate=True) for entry in document["signatures"]]
        typed = document["payloadType"] == PAYLOAD_TYPE
    except (ValueError, KeyError, TypeError) as error:
        raise VerificationError("this is not a DSSE envelope") from error
    signed = _pae(payload)
    if not typed or not any(algorithms.holds(key, value, signed, using=hashes.SHA256()) for value in values):
        raise VerificationError("the statement is not one that this key signed")
    return payload


def _pae(payload: bytes) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
