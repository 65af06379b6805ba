"""Whom this site believes, and what else a judgement depends on: `Trust`.

::

    /etc/appliance/trust/        installed out of band; nobody but its owner may write to it
        roots/*.pem              certificate authorities: who they certify for signing code may sign
        keys/*.pem *.pub         pins: this certificate's or this public key signs, whoever certified it
        stampers/*.pem           certificate authorities: who they certify for stamping may say when
        lists/*.crl              revocation lists
        revoked/*.json           keys that nobody here believes any more
        policy.json              see `appliance.trust.rules`

Trust never comes from a bundle.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.digest import Digest
from appliance.errors import RecipeError
from appliance.trust import certificates, keyinfo, keys, rules
from appliance.trust.rules import Policy

if TYPE_CHECKING:
    from cryptography import x509

    from appliance.trust.algorithms import PublicKey
    from appliance.trust.floors import Floor
    from appliance.trust.revocation import RevocationList

STORE = Path("/etc/appliance/trust")


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
    def info(self) -> keyinfo.KeyInfo:
        """It, for people."""
        return keyinfo.describe(self.certificate)


@dataclass(frozen=True, slots=True)
class Pin:
    """One key that is trusted by itself; with a certificate also that one's dates, with a fingerprint alone no key."""

    keyid: Digest
    source: str
    key: PublicKey | None = None
    certificate: x509.Certificate | None = None

    @property
    def info(self) -> keyinfo.KeyInfo:
        """It, for people."""
        if self.certificate is not None:
            return keyinfo.describe(self.certificate)
        return keyinfo.describe_key(keyinfo.Kind.PUBLIC_KEY, self.keyid, key=self.key)


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
    """All that a judgement depends on but the bundle and the time.

    `policy_source` is empty when nobody set a policy. `revoked`: keys that are not believed, whoever vouches for them.
    `stampers`: roots of those who may say when something was signed. `floors`: what was installed here before.
    `self_run`: the program that judges came out of what it judges. `beside`: folders in which countersignatures and the
    like lie, besides that of a bundle.
    """

    anchors: Anchors = field(default_factory=Anchors)
    policy: Policy = field(default_factory=Policy)
    policy_source: str = ""
    lists: tuple[RevocationList, ...] = ()
    revoked: frozenset[Digest] = frozenset()
    stampers: tuple[x509.Certificate, ...] = ()
    floors: tuple[Floor, ...] = ()
    self_run: bool = False
    beside: tuple[Path, ...] = ()

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
        return replace(self, policy=rules.parse(text, source=str(path)), policy_source=str(path))


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
            "this is neither a certificate nor a public key that signs here",
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
