"""Whom this site believes, and how many of them it takes.

::

    /etc/appliance/trust/        installed out of band; nobody but its owner may write to it
        roots/*.pem              certificate authorities: who they certify for signing code may sign
        keys/*.pem *.pub         pins: this certificate's or this public key signs, whoever certified it
        policy.json              {"format": 1, "roles": {"vendor": {"threshold": 1}}, "max_unstamped_days": 0}

Trust never comes from a bundle. A policy with a field that is not known here is refused: it may ask for more than is
checked.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import canonical
from appliance.digest import Digest
from appliance.errors import RecipeError, StateError
from appliance.trust import certificates, keys

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

STORE = Path("/etc/appliance/trust")
FORMAT = 1


class Role(enum.StrEnum):
    """In which capacity somebody signs."""

    VENDOR = "vendor"


@dataclass(frozen=True, slots=True)
class Threshold:
    """How many distinct keys must sign in a role."""

    role: Role
    at_least: int


@dataclass(frozen=True, slots=True)
class Policy:
    """What must hold besides that signatures are good.

    `max_unstamped_days`: for how long after a signer's certificate expired its own word for the time of signing counts.
    """

    thresholds: tuple[Threshold, ...] = (Threshold(Role.VENDOR, 1),)
    max_unstamped_days: int = 0


@dataclass(frozen=True, slots=True)
class Root:
    """A certificate authority that is trusted, and the file that says so."""

    certificate: x509.Certificate
    source: str

    @property
    def keyid(self) -> Digest:
        """SHA-256 of its SubjectPublicKeyInfo."""
        return certificates.certificate_keyid(self.certificate)

    @property
    def info(self) -> keys.KeyInfo:
        """It, for people."""
        return keys.describe(self.certificate)


@dataclass(frozen=True, slots=True)
class Pin:
    """One key that is trusted by itself; with a certificate also that one's dates, with a fingerprint alone no key."""

    keyid: Digest
    source: str
    key: ec.EllipticCurvePublicKey | None = None
    certificate: x509.Certificate | None = None

    @property
    def info(self) -> keys.KeyInfo:
        """It, for people."""
        if self.certificate is not None:
            return keys.describe(self.certificate)
        return keys.describe_key(keys.Kind.PUBLIC_KEY, self.keyid)


@dataclass(frozen=True, slots=True)
class Anchors:
    """Where trust begins."""

    roots: tuple[Root, ...] = ()
    pins: tuple[Pin, ...] = ()

    def merged(self, other: Anchors) -> Anchors:
        """These and those."""
        return Anchors(self.roots + other.roots, self.pins + other.pins)

    def pins_of(self, keyid: Digest) -> tuple[Pin, ...]:
        """The pins of one key."""
        return tuple(pin for pin in self.pins if pin.keyid == keyid)

    def __bool__(self) -> bool:
        return bool(self.roots or self.pins)


@dataclass(frozen=True, slots=True)
class Trust:
    """Anchors and policy, as `envelope.check` needs them; `policy_source` is empty when nobody set a policy."""

    anchors: Anchors = field(default_factory=Anchors)
    policy: Policy = field(default_factory=Policy)
    policy_source: str = ""

    def with_anchors(self, more: Anchors) -> Trust:
        """Believe `more` too, for one call (``--trust``)."""
        return replace(self, anchors=self.anchors.merged(more))

    def with_policy(self, path: Path) -> Trust:
        """Use the policy in a file (``--policy``); `RecipeError` where the site has its own, which no call loosens."""
        if self.policy_source:
            raise RecipeError(
                f"this site has a policy of its own in {self.policy_source}", hint="leave out --policy", where=str(path)
            )
        text = certificates.read_file(path, "a policy")
        return replace(self, policy=parse_policy(text, source=str(path)), policy_source=str(path))


def from_arguments(values: tuple[str, ...]) -> Anchors:
    """The anchors that ``--trust`` names: each a file (see `read_anchors`) or ``sha256:FINGERPRINT`` of a signer's key.

    `RecipeError` for what is neither.
    """
    anchors = Anchors()
    for value in values:
        if value.startswith("sha256:"):
            anchors = anchors.merged(Anchors(pins=(Pin(_fingerprint(value), source="--trust"),)))
        else:
            anchors = anchors.merged(read_anchors(Path(value)))
    return anchors


def read_anchors(path: Path) -> Anchors:
    """What a file makes us believe: authorities are roots; a leaf certificate (its chain may follow) or a key is a pin.

    `RecipeError` when it holds neither certificate nor public key.
    """
    data = certificates.read_file(path, "a certificate or public key")
    try:
        if found := certificates.read_certificates(data):
            return _from_certificates(found, str(path))
        key = keys.public_key(data)
    except ValueError as error:
        raise RecipeError(
            "this is neither a certificate nor an ECDSA P-384 public key",
            where=str(path),
            hint="--trust takes root.pem, signer.pem, signer.pub or sha256:FINGERPRINT",
        ) from error
    return Anchors(pins=(Pin(certificates.keyid(key), str(path), key=key),))


def _from_certificates(found: tuple[x509.Certificate, ...], source: str) -> Anchors:
    if certificates.is_authority(found[0]):
        if not all(certificates.is_authority(c) for c in found):
            raise ValueError("authorities and others in one file")
        return Anchors(roots=tuple(Root(c, source) for c in found))
    key = keys.public_key(certificates.spki(found[0].public_key()))
    return Anchors(pins=(Pin(certificates.keyid(key), source, key=key, certificate=found[0]),))


def _fingerprint(value: str) -> Digest:
    try:
        return Digest.parse(value.lower())
    except ValueError as error:
        raise RecipeError(
            f"{value[:90]!r} is not a fingerprint", hint="sha256: and 64 hexadecimal digits, as `key show` prints it"
        ) from error


def parse_policy(data: bytes, *, source: str) -> Policy:
    """Read ``policy.json``; `StateError` when it is not one, is of a newer format, or asks for what is unknown here."""
    try:
        document = canonical.loads(data, limit=certificates.FILE_BYTES)
        number = document.pop("format")
        roles, days = document.pop("roles"), document.pop("max_unstamped_days", 0)
        policy = Policy(thresholds=_thresholds(roles), max_unstamped_days=_count(days, least=0))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"the policy cannot be used: {error}", where=source, hint="see docs/formats") from error
    if number != FORMAT or document:
        what = f"format {number}" if number != FORMAT else ", ".join(document)
        raise StateError(
            f"the policy asks for what this version does not know: {what}", where=source, hint="update appliance"
        )
    return policy


def _thresholds(roles: dict[str, Any]) -> tuple[Threshold, ...]:
    thresholds = []
    for name, role in roles.items():
        if set(role) != {"threshold"}:
            raise ValueError(f"the role {name} has not the one field threshold")
        thresholds.append(Threshold(Role(name), _count(role["threshold"], least=1)))
    if not thresholds:
        raise ValueError("it names no role")
    return tuple(thresholds)


def _count(value: Any, *, least: int) -> int:
    if type(value) is not int or value < least:
        raise ValueError(f"{value!r} is not a number from {least} on")
    return value
