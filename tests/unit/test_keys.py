from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.signing import At, Vendor

from appliance.digest import Digest
from appliance.errors import RecipeError, StateError
from appliance.trust import certificates, keys
from appliance.trust.algorithms import KeyType
from appliance.trust.keyinfo import Kind
from appliance.trust.words import COUNT, LIST, words

if TYPE_CHECKING:
    from pathlib import Path

FILES = [
    "offline/release-ca-key.pem",
    "offline/root-key.pem",
    "release-ca.pem",
    "root.pem",
    "signer-key.pem",
    "signer.pem",
    "signer.pub",
]


def test_generate_writes_a_root_a_release_ca_and_a_signer(tmp_path: Path) -> None:
    made = keys.generate(tmp_path / "new" / "keys", name="Example", clock=At())

    folder = tmp_path / "new" / "keys"
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) == FILES
    assert sorted(str(p.relative_to(folder)) for p in made.files) == FILES
    assert {str(p.relative_to(folder)) for p in made.files if stat.S_IMODE(p.stat().st_mode) == 0o600} == {
        name for name in FILES if name.endswith("-key.pem")
    }
    assert len(certificates.read_certificates((tmp_path / "new" / "keys" / "signer.pem").read_bytes())) == 2


def test_what_is_shown_is_the_same_key_in_each_of_its_files(tmp_path: Path) -> None:
    made = keys.generate(tmp_path, name="Example", clock=At())
    shown = {name: keys.show(tmp_path / name) for name in FILES}

    assert {shown[n].fingerprint for n in ("signer.pem", "signer.pub", "signer-key.pem")} == {made.fingerprint}
    assert made.root
    assert {shown[n].fingerprint for n in ("root.pem", "offline/root-key.pem")} == {made.root.fingerprint}
    assert [shown[n].kind for n in FILES] == [
        Kind.PRIVATE_KEY,
        Kind.PRIVATE_KEY,
        Kind.AUTHORITY,
        Kind.AUTHORITY,
        Kind.PRIVATE_KEY,
        Kind.SIGNER,
        Kind.PUBLIC_KEY,
    ]
    assert shown["signer.pem"].issuer == shown["release-ca.pem"].subject == "Example release CA"
    assert shown["root.pem"].words == words(Digest.parse(made.root.fingerprint))


@pytest.mark.parametrize("existing", ["root.pem", "signer.pub"])
def test_nothing_is_overwritten_and_nothing_half_written(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_text("mine")

    with pytest.raises(StateError, match="not overwritten"):
        keys.generate(tmp_path, name="Example", clock=At())

    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(existing, "mine")]


def test_a_dangling_link_among_the_names_leaves_no_keys_behind(tmp_path: Path) -> None:
    (tmp_path / "signer.pub").symlink_to(tmp_path / "nowhere")

    with pytest.raises(StateError):
        keys.generate(tmp_path, name="Example", clock=At())

    assert [p.name for p in tmp_path.iterdir()] == ["signer.pub"]


@pytest.mark.parametrize("name", ["", " ", "x" * 49, "a\nb", "a\x1b[0m"])
def test_what_cannot_be_a_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecipeError, match="cannot name"):
        keys.generate(tmp_path, name=name, clock=At())


def test_a_signer_is_loaded_with_the_chain_beside_it_but_never_the_root(tmp_path: Path) -> None:
    made = keys.generate(tmp_path, name="Example", clock=At())
    chain = tmp_path / "full.pem"
    chain.write_bytes((tmp_path / "signer.pem").read_bytes() + (tmp_path / "root.pem").read_bytes())

    beside = keys.load_signer(tmp_path / "signer-key.pem")
    given = keys.load_signer(tmp_path / "signer-key.pem", chain=chain)

    assert str(beside.keyid) == made.fingerprint
    assert beside.info.subject == "Example signer 2026"
    assert beside.certificate == given.certificate
    assert beside.issuers == given.issuers
    assert len(beside.issuers) == 1


def test_a_passphrase_protects_the_keys(tmp_path: Path) -> None:
    keys.generate(tmp_path, name="Example", clock=At(), passphrase="correct horse")
    key = tmp_path / "signer-key.pem"

    assert b"ENCRYPTED" in key.read_bytes()
    assert keys.load_signer(key, passphrase="correct horse").info.subject == "Example signer 2026"
    with pytest.raises(RecipeError, match="passphrase is wrong"):
        keys.load_signer(key, passphrase="battery staple")
    with pytest.raises(RecipeError, match="protected by a passphrase") as refused:
        keys.load_signer(key)
    assert "--key-passphrase-file" in refused.value.hint


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    keys.generate(tmp_path, name="Example", clock=At())
    key = tmp_path / "signer-key.pem"
    key.chmod(mode)

    with pytest.raises(StateError, match=f"mode {mode:04o}") as refused:
        keys.load_signer(key)
    assert refused.value.hint == f"chmod 600 {key}"


def test_what_does_not_belong_together_does_not_sign(tmp_path: Path) -> None:
    keys.generate(tmp_path / "a", name="A", clock=At())
    keys.generate(tmp_path / "b", name="B", clock=At())
    key, other = tmp_path / "a" / "signer-key.pem", tmp_path / "b"
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    damaged = tmp_path / "damaged"
    damaged.write_bytes((other / "signer.pem").read_bytes().replace(b"M", b"N", 3))
    for chain, why in [
        (other / "signer.pem", "not that of"),
        (empty, "no certificate"),
        (damaged, "damaged"),
        (tmp_path / "none", "cannot read"),
    ]:
        with pytest.raises(RecipeError, match=why):
            keys.load_signer(key, chain=chain)


def test_a_certificate_for_something_else_does_not_sign(tmp_path: Path) -> None:
    signer = Vendor.create().signer(usage=ExtendedKeyUsageOID.SERVER_AUTH)
    (tmp_path / "signer-key.pem").write_bytes(certificates.private_pem(signer.key))
    (tmp_path / "signer-key.pem").chmod(0o600)
    (tmp_path / "signer.pem").write_bytes(certificates.certificate_pem(signer.certificate))

    with pytest.raises(RecipeError, match="not one for signing code"):
        keys.load_signer(tmp_path / "signer-key.pem")


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)

    for read in (keys.load_signer, keys.show):
        with pytest.raises(RecipeError) as refused:
            read(path)
        assert refused.value.where == str(path)


def test_other_kinds_of_key_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(certificates.private_pem(ec.generate_private_key(ec.SECP521R1())))
    path.chmod(0o600)

    with pytest.raises(RecipeError, match="none of ecdsa-p384"):
        keys.load_signer(path)
    with pytest.raises(ValueError, match="not one of"):
        keys.public_key(certificates.public_pem(rsa.generate_private_key(65537, 2048).public_key()))


@pytest.mark.parametrize("kind", list(KeyType))
def test_every_kind_of_key_is_made_protected_loaded_and_shown(tmp_path: Path, kind: KeyType) -> None:
    made = keys.generate(tmp_path, name="Example", clock=At(), type=kind, passphrase="correct horse")
    signer = keys.load_signer(tmp_path / "signer-key.pem", passphrase="correct horse")

    assert (signer.type, str(signer.keyid)) == (kind, made.fingerprint)
    assert keys.show(tmp_path / "signer.pub").type is kind
    assert (signer.certificate is None, made.root is None) == (not kind.certifiable, not kind.certifiable)
    assert b"ENCRYPTED" in (tmp_path / "signer-key.pem").read_bytes()


def test_an_authority_issues_further_signers(tmp_path: Path) -> None:
    keys.generate(tmp_path / "keys", name="Example", clock=At())
    authority, key = tmp_path / "keys/release-ca.pem", tmp_path / "keys/offline/release-ca-key.pem"

    made = keys.issue(tmp_path / "next", name="Example 2027", authority=authority, authority_key=key, clock=At())
    signer = keys.load_signer(tmp_path / "next/signer-key.pem")

    assert made.signer.issuer == "Example release CA"
    assert [keys.show(tmp_path / "next/signer.pem").fingerprint] == [str(signer.keyid)]
    with pytest.raises(RecipeError, match="not that of"):
        keys.issue(tmp_path / "x", name="x", authority=tmp_path / "keys/root.pem", authority_key=key, clock=At())


def test_a_request_asks_for_signing_code_and_nothing_else(tmp_path: Path) -> None:
    keys.request(tmp_path, name="Release 2026")
    asked = x509.load_pem_x509_csr((tmp_path / "signer.csr").read_bytes())

    assert asked.is_signature_valid
    assert list(asked.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CODE_SIGNING
    ]
    assert keys.show(tmp_path / "signer.csr").fingerprint == keys.show(tmp_path / "signer-key.pem").fingerprint
    again = keys.request(tmp_path / "again", name="Release 2026", key=tmp_path / "signer-key.pem")
    assert [path.name for path in again.files] == ["signer.csr"]
    with pytest.raises(RecipeError, match="not checked here"):
        keys.request(tmp_path / "ed", name="x", type=KeyType.ED25519)


def test_words_are_told_apart_by_their_first_three_letters() -> None:
    assert len(LIST) == 256
    assert len({word[:3] for word in LIST}) == 256
    assert all(word.isascii() and word.isalpha() and word.islower() and len(word) <= 9 for word in LIST)


def test_words_follow_the_bytes_of_the_fingerprint() -> None:
    fingerprint = Digest(bytes(range(32)).hex())

    assert words(fingerprint).split() == list(LIST[:COUNT])
