"""One signature in the forms that stock tools check.

======  ========  ==========================================================================================
form    file      checked with
======  ========  ==========================================================================================
cms     `.p7s`    ``openssl cms -verify -binary -inform DER -in x.p7s -content F -CAfile root.pem -purpose any``
raw     `.sig`    ``openssl dgst -sha384 -verify signer.pub -signature x.sig F``
======  ========  ==========================================================================================

Every form signs the same bytes. The file beside a bundle is byte for byte the entry in the bundle's signature area.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.trust import cms

if TYPE_CHECKING:
    from datetime import datetime

    from appliance.trust.keys import Signer


class Form(enum.StrEnum):
    """How a signature is written down."""

    CMS = "cms"
    RAW = "raw"

    @property
    def suffix(self) -> str:
        """What the exported file's name ends in."""
        return {Form.CMS: ".p7s", Form.RAW: ".sig"}[self]


def cms_detached(signer: Signer, data: bytes, *, signing_time: datetime) -> bytes:
    """`data` signed as detached CMS in DER with the signer's chain (see `appliance.trust.cms`)."""
    return cms.write(
        data, key=signer.key, certificate=signer.certificate, others=signer.issuers, signing_time=signing_time
    )


def raw(signer: Signer, data: bytes) -> bytes:
    """`data` signed with ECDSA over SHA-384, as a DER SEQUENCE of r and s (RFC 3279, 2.2.3)."""
    return signer.key.sign(data, ec.ECDSA(hashes.SHA384()))


def raw_holds(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> bool:
    """Whether `key` made this `raw` signature over `data`."""
    try:
        key.verify(signature, data, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        return False
    return True
