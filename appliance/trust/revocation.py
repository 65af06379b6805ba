"""Revocation lists (RFC 5280, section 5) and keys that this site does not believe whoever vouches for them.

A list counts when the issuer of the certificate in question signed it. It stays in force when it has expired: an
attacker who holds back the next one gains nothing. The number of a list may not go back.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from appliance.errors import RecipeError, VerificationError
from appliance.files import read_bounded
from appliance.trust import certificates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

FILE_BYTES = 8 << 20
_KNOWN = {x509.CRLNumber.oid, x509.AuthorityKeyIdentifier.oid}


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One list as it was read, and the file that it came from; nothing in it is believed yet."""

    crl: x509.CertificateRevocationList
    source: str

    @property
    def number(self) -> int:
        """How many lists its issuer had made."""
        return self.crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number

    @property
    def issuer(self) -> str:
        """Whose it is, escaped."""
        return certificates.printable(certificates.common_name(self.crl.issuer))

    def issued_by(self, authority: x509.Certificate) -> bool:
        """Whether `authority`, which may sign lists, signed this one."""
        if self.crl.issuer != authority.subject or not _may_revoke(authority):
            return False
        try:
            return self.crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
        except (ValueError, TypeError, UnsupportedAlgorithm):
            return False


def read(path: Path) -> RevocationList:
    """The list in a file, PEM or DER; `RecipeError` when it is none, has no number, or is of a kind not read here."""
    try:
        data = read_bounded(path, FILE_BYTES)
    except OSError as error:
        raise RecipeError(
            f"cannot read a revocation list: {error.strerror}", where=str(path), hint="check the path"
        ) from error
    return parse(data, source=str(path))


def parse(data: bytes, *, source: str) -> RevocationList:
    """`read`, of bytes."""
    load = x509.load_pem_x509_crl if data.lstrip()[:5] == b"-----" else x509.load_der_x509_crl
    try:
        loaded = load(data)
    except certificates.UNREADABLE as error:
        raise RecipeError("this is no revocation list, in PEM or DER", where=source, hint="name a .crl file") from error
    try:
        found = RevocationList(loaded, source)
        _check(found)
    except (*certificates.UNREADABLE, x509.ExtensionNotFound) as error:
        raise RecipeError(
            f"this is not a revocation list that can be used: {error}",
            where=source,
            hint="it must be complete, direct, and have a CRL number",
        ) from error
    return found


def _check(found: RevocationList) -> None:
    strange = [e.oid.dotted_string for e in found.crl.extensions if e.critical and e.oid not in _KNOWN]
    if strange or found.number < 0 or found.crl.next_update_utc is None:
        raise ValueError(f"it is critical about {', '.join(strange)}" if strange else "it says no next update")
    for revoked in found.crl:
        if any(extension.critical for extension in revoked.extensions):
            raise ValueError("an entry is critical about something")


def newest(lists: Sequence[RevocationList], authority: x509.Certificate) -> RevocationList | None:
    """Of the lists that `authority` signed the one with the highest number."""
    return max((each for each in lists if each.issued_by(authority)), key=lambda each: each.number, default=None)


def ask(path: Sequence[x509.Certificate], lists: Sequence[RevocationList], *, now: datetime) -> tuple[str, ...]:
    """Ask about each certificate on a path from leaf to root; `VerificationError` when one was revoked by its issuer.

    All lists are asked. The result are sentences on what could not be asked, or not of a current list.
    """
    notes: list[str] = []
    for certificate, issuer in itertools.pairwise(path):
        mine = [each for each in lists if each.issued_by(issuer)]
        for each in mine:
            if (entry := each.crl.get_revoked_certificate_by_serial_number(certificate.serial_number)) is not None:
                day = f"{entry.revocation_date_utc:%Y-%m-%d}"
                raise VerificationError(f"its issuer revoked the certificate of {_name(certificate)} on {day}")
        notes += _notes(newest(mine, issuer), issuer, now)
    return tuple(notes)


def _notes(found: RevocationList | None, issuer: x509.Certificate, now: datetime) -> list[str]:
    if found is None:
        return [f"whether {_name(issuer)} revoked a certificate: there is no revocation list of it here"]
    until = found.crl.next_update_utc
    if until is not None and until < now:
        since = f"since {until:%Y-%m-%d}, when its list {found.number} expired"
        return [f"whether {_name(issuer)} revoked a certificate {since}"]
    return []


def _may_revoke(authority: x509.Certificate) -> bool:
    try:
        return authority.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return False


def _name(certificate: x509.Certificate) -> str:
    return certificates.printable(certificates.common_name(certificate.subject))
