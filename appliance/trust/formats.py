"""One signature in the forms that stock tools check.

======  ============  ==========================================================================================
form    file          checked with
======  ============  ==========================================================================================
cms     .p7s          ``openssl cms -verify -binary -inform DER -in x.p7s -content F -CAfile root.pem -purpose any``
cosign  .cosign.sig   ``cosign verify-blob --key signer.pub --signature x --insecure-ignore-tlog F``
raw     .sig          ``openssl dgst -sha384 -verify signer.pub -signature x.sig F``
sshsig  .sshsig       ``ssh-keygen -Y verify -f allowed_signers -I NAME -n appliance-bundle -s x.sshsig <F``
======  ============  ==========================================================================================

Every form signs the same bytes. The file beside a bundle is byte for byte the entry in the bundle's signature area. Not
every kind of key has every form: `forms_of` says which.
"""

from __future__ import annotations

import base64
import binascii
import enum
from typing import TYPE_CHECKING, assert_never

from cryptography.hazmat.primitives import hashes

from appliance.errors import VerificationError
from appliance.trust import algorithms, cms, sshsig

if TYPE_CHECKING:
    from datetime import datetime

    from appliance.trust.algorithms import KeyType, PublicKey
    from appliance.trust.keys import Signer

SSH_NAMESPACE = "appliance-bundle"


class Form(enum.StrEnum):
    """How a signature is written down."""

    CMS = "cms"
    COSIGN = "cosign"
    RAW = "raw"
    SSHSIG = "sshsig"

    @property
    def suffix(self) -> str:
        """What the exported file's name ends in."""
        return {Form.CMS: ".p7s", Form.COSIGN: ".cosign.sig", Form.RAW: ".sig", Form.SSHSIG: ".sshsig"}[self]

    @property
    def says_role(self) -> bool:
        """Whether the role in which it is made can be part of what is signed."""
        return self in (Form.CMS, Form.SSHSIG)


def forms_of(kind: KeyType, *, certified: bool, role: str = "") -> tuple[Form, ...]:
    """The forms that a key of that kind makes, with a certificate or without; in a role only those that say it."""
    able = {
        Form.CMS: certified and kind.certifiable,
        Form.COSIGN: not kind.post_quantum,
        Form.RAW: True,
        Form.SSHSIG: kind in sshsig.TYPES,
    }
    return tuple(form for form, can in able.items() if can and (form.says_role or not role))


def make(signer: Signer, form: Form, data: bytes, *, signing_time: datetime, role: str = "") -> bytes:
    """`data` signed in one of the forms that the signer's key makes; `role` is signed with it where there is one."""
    match form:
        case Form.CMS:
            return cms_detached(signer, data, signing_time=signing_time, role=role)
        case Form.COSIGN:
            return base64.b64encode(algorithms.sign(signer.key, data, using=hashes.SHA256()))
        case Form.RAW:
            return raw(signer, data)
        case Form.SSHSIG:
            return sshsig.write(signer.key, data, namespace=namespace(role))
        case _:
            assert_never(form)


def cms_detached(signer: Signer, data: bytes, *, signing_time: datetime, role: str = "") -> bytes:
    """`data` signed as detached CMS in DER with the signer's chain (see `appliance.trust.cms`)."""
    if signer.certificate is None:
        raise ValueError("a CMS needs a certificate")
    return cms.write(
        data,
        key=signer.key,
        certificate=signer.certificate,
        others=signer.issuers,
        signing_time=signing_time,
        role=role,
    )


def raw(signer: Signer, data: bytes) -> bytes:
    """`data` signed by the key alone (see `appliance.trust.algorithms`)."""
    return algorithms.sign(signer.key, data)


def raw_holds(key: PublicKey, signature: bytes, data: bytes) -> bool:
    """Whether `key` made this `raw` signature over `data`."""
    return algorithms.holds(key, signature, data)


def cosign_holds(key: PublicKey, text: bytes, data: bytes) -> bool:
    """Whether `key` made this base64 of a signature over the SHA-256 of `data`."""
    try:
        signature = base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    whole = base64.b64encode(signature) == text
    return whole and algorithms.holds(key, signature, data, using=hashes.SHA256())


def namespace(role: str) -> str:
    """What ``ssh-keygen -n`` is given: a countersigner's role is in it."""
    return f"{SSH_NAMESPACE}-{role}" if role else SSH_NAMESPACE


def role_of(form: Form, value: bytes) -> str:
    """The role that a countersignature says, empty when it says none; `VerificationError` when it cannot be read."""
    match form:
        case Form.CMS:
            return cms.read(value).role
        case Form.SSHSIG:
            named = sshsig.read(value).namespace
            return named.removeprefix(f"{SSH_NAMESPACE}-") if named.startswith(f"{SSH_NAMESPACE}-") else ""
        case Form.COSIGN | Form.RAW:
            raise VerificationError(f"a {form} signature cannot say in which role it is made")
        case _:
            assert_never(form)
