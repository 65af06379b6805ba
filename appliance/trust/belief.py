"""Whether a key is believed: who vouches for it, since when it had signed, and what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from appliance.errors import VerificationError
from appliance.trust import algorithms, certificates, chain, cms, revocation, timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography import x509

    from appliance.digest import Digest
    from appliance.trust.algorithms import PublicKey
    from appliance.trust.policy import Pin, Trust

_NOBODY: frozenset[Digest] = frozenset()


@dataclass(frozen=True, slots=True)
class Belief:
    """Whether a key is believed and because of which anchors, why, by which path, and since when it had signed."""

    anchors: frozenset[Digest]
    reason: str
    path: tuple[str, ...] = ()
    signed: datetime | None = None
    stamped: bool = False
    notes: tuple[str, ...] = ()


def believe(
    keyid: Digest,
    key: PublicKey | None,
    statement: cms.Statement | None,
    trust: Trust,
    *,
    now: datetime,
    stamps: Sequence[bytes],
) -> Belief:
    """Step 4 of `judgement`. `key` None: a pin knows it or nobody; `stamps` are tokens over `.p7s` files."""
    if refusal := _excluded(keyid, key or pinned_key(keyid, trust), trust):
        return Belief(_NOBODY, refusal)
    pin = next((p for p in trust.anchors.pins_of(keyid) if _is_current(p, now)), None)
    by_itself = Belief(frozenset({keyid}), f"its key is pinned by {pin.source}") if pin else None
    if pin is None and trust.anchors.pins_of(keyid) and not trust.anchors.roots:
        return Belief(_NOBODY, "the certificate that is pinned for its key is not valid now")
    if statement is None:
        return by_itself or Belief(
            _NOBODY, "its key is not trusted here, or the certificate pinned for it not valid now"
        )
    stamp = _stamped(statement, stamps, trust, now)
    belief = _certified(statement, stamp, trust, pinned=by_itself, now=now)
    return replace(belief, signed=stamp or statement.signing_time, stamped=stamp is not None)


def _excluded(keyid: Digest, key: PublicKey | None, trust: Trust) -> str:
    """Why a key is not believed whoever vouches for it; empty when nothing is against it."""
    if keyid in trust.revoked:
        return "its key was revoked here"
    if key is not None and not trust.policy.allows(key):
        return f"the policy does not allow keys of type {algorithms.type_of(key)}"
    return ""


def _certified(
    statement: cms.Statement, stamp: datetime | None, trust: Trust, *, pinned: Belief | None, now: datetime
) -> Belief:
    """What certificates say of a key, besides its pin if it has one; a revoked certificate outweighs that."""
    signed = stamp or statement.signing_time
    try:
        path = _path(statement, trust, signed=signed, stamped=stamp is not None, now=now)
    except VerificationError as error:
        return pinned or Belief(_NOBODY, error.message)
    try:
        notes = revocation.ask(path, trust.lists, now=now)
    except VerificationError as error:
        return Belief(_NOBODY, error.message)
    names = tuple(certificates.printable(certificates.common_name(certificate.subject)) for certificate in path)
    root = certificates.certificate_keyid(path[-1])
    reason = pinned.reason if pinned else f"certified by the trusted root {names[-1]}"
    anchors = pinned.anchors | {root} if pinned else frozenset({root})
    return Belief(anchors, reason + _late(path[0], now, stamped=stamp is not None), names, notes=notes)


def _path(
    statement: cms.Statement, trust: Trust, *, signed: datetime, stamped: bool, now: datetime
) -> tuple[x509.Certificate, ...]:
    """The way to a root; no issuer on it is revoked here, or of a kind that the policy excludes."""
    path = chain.verify_late(
        statement.certificate,
        statement.others,
        roots=[root.certificate for root in trust.anchors.roots],
        signed=signed,
        now=now,
        days=trust.policy.max_unstamped_days,
        stamped=stamped,
    )
    for issuer in path[1:]:
        if certificates.certificate_keyid(issuer) in trust.revoked:
            raise VerificationError(
                f"its issuer {certificates.printable(certificates.common_name(issuer.subject))} was revoked here"
            )
        if not trust.policy.allows(issuer.public_key()):
            raise VerificationError("an issuer's key is of a type that the policy does not allow")
    return path


def _stamped(statement: cms.Statement, stamps: Sequence[bytes], trust: Trust, now: datetime) -> datetime | None:
    """The earliest time that a believed stamper says of the `.p7s`; who is not believed says nothing."""
    times = []
    for token in stamps:
        try:
            times.append(timestamp.check(token, statement.file, roots=trust.stampers, now=now))
        except VerificationError:
            continue
    return min(times, default=None)


def _late(leaf: x509.Certificate, now: datetime, *, stamped: bool) -> str:
    if leaf.not_valid_after_utc >= now:
        return ""
    if stamped:
        return " (its certificate expired since: a time stamp says that it had signed before)"
    return " (its certificate expired since: the time of signing is its own word)"


def _is_current(pin: Pin, now: datetime) -> bool:
    certificate = pin.certificate
    return certificate is None or certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def pinned_key(keyid: Digest, trust: Trust) -> PublicKey | None:
    """The key that a pin gives for `keyid`."""
    return next((pin.key for pin in trust.anchors.pins_of(keyid) if pin.key is not None), None)
