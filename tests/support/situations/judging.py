"""What a site's policy asks for and a bundle has not; what comes with a bundle and is not what it calls itself."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from appliance.clock import SystemClock
from appliance.digest import Digest
from appliance.operations import signing
from appliance.trust import certificates, floors
from appliance.trust.algorithms import KeyType
from appliance.trust.keys import load_private, load_signer

if TYPE_CHECKING:
    from pathlib import Path

    from support.situations.place import Place, Words

_VENDOR = {"vendor": {"threshold": 1}}


def _judged(place: Place, *more: str | Path) -> Words:
    return ("plan", place.delivery.bundle, "--trust", place.delivery.root, *_clusterfile(place), *more)


def _clusterfile(place: Place) -> Words:
    return ("-f", place.write("c.yaml", place.on("one")))


def _policy(place: Place, roles: object = _VENDOR, **more: object) -> Words:
    return _judged(place, "--policy", place.write("policy.json", json.dumps({"format": 1, "roles": roles, **more})))


def _root(place: Place) -> str:
    (root,) = certificates.read_certificates(place.delivery.root.read_bytes())
    return str(certificates.certificate_keyid(root))


def _officer(place: Place) -> Path:
    """A key of the customer's; its root lies beside it."""
    folder = place.folder.parent / "customer"
    place.quietly("key", "generate", "-O", folder, "--name", "Customer")
    return folder / "signer-key.pem"


def _countersigned(place: Place) -> Path:
    """The desk on which a countersignature of the customer's lies, and that alone."""
    desk = place.folder / "desk"
    signer = load_signer(_officer(place))
    for path in signing.countersign(place.delivery.bundle, signer, "customer", clock=SystemClock(), folder=desk).files:
        if path.suffix != ".p7s":
            path.unlink()
    return next(desk.rglob("*.p7s"))


def policy_is_none(place: Place) -> Words:
    return _judged(place, "--policy", place.write("policy.json", "nothing"))


def policy_asks_for_the_unknown(place: Place) -> Words:
    return _policy(place, moon="full")


def policy_of_a_newer_format(place: Place) -> Words:
    return _policy(place, format=2)


def roles_without_anchors(place: Place) -> Words:
    return _policy(place, {**_VENDOR, "customer": {"threshold": 1}})


def policy_expired(place: Place) -> Words:
    return _policy(place, expires="2020-01-01T00:00:00Z")


def threshold_not_met(place: Place) -> Words:
    return _policy(place, {"vendor": {"threshold": 2}})


def nobody_countersigned(place: Place) -> Words:
    roots = {"threshold": 1, "anchors": [_root(place)]}
    return _policy(place, {"vendor": roots, "customer": {**roots, "anchors": [f"sha256:{'0' * 64}"]}})


def kind_of_key_not_allowed(place: Place) -> Words:
    return _policy(place, algorithms=[KeyType.RSA_3072.value])


def hybrid_asked_for(place: Place) -> Words:
    return _policy(place, hybrid=True)


def epoch_below_the_policys(place: Place) -> Words:
    return _policy(place, minimum_epoch={"keeper": 5})


def older_than_what_was_installed(place: Place) -> Words:
    floor = floors.Seen("keeper", 7, Digest.of(b"a newer image"), frozenset({Digest.parse(_root(place))}))
    place.home.mkdir(parents=True, exist_ok=True)
    floors.keep(place.home / floors.NAME, floor)
    return _judged(place)


def permit_is_none(place: Place) -> Words:
    older_than_what_was_installed(place)
    place.write(f"desk/{place.delivery.bundle.name}.permit.json", "{}")
    return _judged(place, "--signatures", place.folder / "desk")


def permit_from_nothing(place: Place) -> Words:
    return ("trust", "permit", place.delivery.bundle, "--from", "1.0.0")


def countersignature_is_none(place: Place) -> Words:
    place.write(f"desk/{place.delivery.bundle.name}.sigs/{'0' * 64}.p7s", "nothing")
    return _judged(place, "--signatures", place.folder / "desk")


def countersignature_of_another_key(place: Place) -> Words:
    signed = _countersigned(place)
    signed.rename(signed.with_name(f"{'0' * 64}.p7s"))
    return _judged(place, "--signatures", place.folder / "desk")


def countersignature_altered(place: Place) -> Words:
    signed = _countersigned(place)
    data = signed.read_bytes()
    signed.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    return _judged(place, "--signatures", place.folder / "desk")


def countersigned_already(place: Place) -> Words:
    _countersigned(place)
    key = place.folder.parent / "customer" / "signer-key.pem"
    return ("sign", place.delivery.bundle, "--key", key, "--role", "customer", "--into", place.folder / "desk")


def role_is_none(place: Place) -> Words:
    return ("sign", place.delivery.bundle, "--key", _officer(place), "--role", "The Customer")


def signature_of_something_else(place: Place) -> Words:
    place.write("other", "another delivery")
    key, out = place.delivery.keys / "signer-key.pem", place.folder / "other.p7s"
    command = ["openssl", "cms", "-sign", "-binary", "-md", "sha384", "-outform", "DER", "-inkey", key, "-out", out]
    command += ["-signer", place.delivery.keys / "signer.pem", "-in", place.folder / "other"]
    subprocess.run(command, check=True, capture_output=True)
    return ("sign", place.delivery.bundle, "--attach", out)


def signature_without_a_name(place: Place) -> Words:
    return ("sign", place.delivery.bundle, "--attach", place.write("x.sig", "x"))


def _revocations(place: Place, *revoked: x509.Certificate) -> bytes:
    """The vendor's release CA revokes."""
    keys, now = place.delivery.keys, SystemClock().now()
    (ca,) = certificates.read_certificates((keys / "release-ca.pem").read_bytes())
    key = load_private(keys / "offline" / "release-ca-key.pem")
    made = x509.CertificateRevocationListBuilder().issuer_name(ca.subject).last_update(now)
    made = made.next_update(now.replace(year=now.year + 1)).add_extension(x509.CRLNumber(1), critical=False)
    for each in revoked:
        made = made.add_revoked_certificate(x509.RevokedCertificateBuilder(each.serial_number, now).build())
    signed = made.sign(key, hashes.SHA384())  # type: ignore[arg-type]
    return signed.public_bytes(serialization.Encoding.PEM)


def revoked_by_a_list_that_came_along(place: Place) -> Words:
    signer, *_ = certificates.read_certificates((place.delivery.keys / "signer.pem").read_bytes())
    place.write("desk/vendor.crl", _revocations(place, signer))
    return _judged(place, "--signatures", place.folder / "desk")


def list_of_an_unknown_authority(place: Place) -> Words:
    return ("trust", "revoke", place.write("vendor.crl", _revocations(place)))


def list_is_none(place: Place) -> Words:
    return ("trust", "revoke", place.write("vendor.crl", "nothing"))


def stamper_is_no_authority(place: Place) -> Words:
    return ("trust", "add", "--stamper", place.delivery.keys / "signer.pem")


def pinned_certificate_expired(place: Place) -> Words:
    keys, now = place.delivery.keys, SystemClock().now()
    signer = load_signer(keys / "signer-key.pem")
    (ca,) = certificates.read_certificates((keys / "release-ca.pem").read_bytes())
    assert signer.certificate
    old = certificates.certify(
        signer.certificate.subject,
        signer.key.public_key(),
        issuer=ca.subject,
        issuer_key=load_private(keys / "offline" / "release-ca-key.pem"),
        not_before=now.replace(year=now.year - 2),
        not_after=now.replace(year=now.year - 1),
    )
    pinned = place.write("old.pem", certificates.certificate_pem(old))
    return ("plan", place.delivery.bundle, "--trust", pinned, *_clusterfile(place))
