from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.signing import At, Vendor

from appliance.errors import RecipeError, StateError
from appliance.trust import certificates, keys, store
from appliance.trust.policy import Anchors, Trust, from_arguments
from appliance.trust.rules import VENDOR, Policy, Threshold

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def vendor_keys(tmp_path: Path) -> Path:
    keys.generate(tmp_path / "keys", name="Example", clock=At())
    return tmp_path / "keys"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "trust"


def test_arguments_become_roots_and_pins(vendor_keys: Path) -> None:
    fingerprint = keys.show(vendor_keys / "signer.pub").fingerprint
    files = ("root.pem", "release-ca.pem", "signer.pem", "signer.pub")

    anchors = from_arguments((*(str(vendor_keys / f) for f in files), fingerprint.upper().replace("SHA256", "sha256")))

    assert [root.info.subject for root in anchors.roots] == ["Example root", "Example release CA"]
    assert {str(pin.keyid) for pin in anchors.pins} == {fingerprint}
    assert [(pin.key is not None, pin.certificate is not None) for pin in anchors.pins] == [
        (True, True),
        (True, False),
        (False, False),
    ]


@pytest.mark.parametrize("value", ["sha256:", "sha256:abc", "sha256:" + "g" * 64, "/nowhere", "/"])
def test_arguments_that_are_neither_file_nor_fingerprint_are_refused(value: str) -> None:
    with pytest.raises(RecipeError):
        from_arguments((value,))


def test_a_private_key_is_no_anchor(vendor_keys: Path) -> None:
    with pytest.raises(RecipeError, match="neither a certificate nor") as refused:
        from_arguments((str(vendor_keys / "offline" / "root-key.pem"),))
    assert "--trust takes" in refused.value.hint


def test_no_store_means_nobody_is_believed(site: Path) -> None:
    assert store.load_store(site) == Trust()
    assert not store.load_store(site).anchors


def test_what_is_added_is_believed_until_it_is_removed(vendor_keys: Path, site: Path) -> None:
    (root,) = store.add(vendor_keys / "root.pem", folder=site)
    (pin,) = store.add(vendor_keys / "signer.pub", folder=site)
    store.add(vendor_keys / "root.pem", folder=site)

    assert store.load_store(site).anchors == Anchors(roots=(root,), pins=(pin,))  # type: ignore[arg-type]

    assert store.remove(str(root.keyid), folder=site) == (root,)
    assert store.load_store(site).anchors == Anchors(pins=(pin,))  # type: ignore[arg-type]
    store.remove(pin.keyid.short, folder=site)
    assert not store.load_store(site).anchors


def test_a_refused_file_leaves_the_store_untouched(vendor_keys: Path, site: Path) -> None:
    for name in ("offline/root-key.pem", "missing"):
        with pytest.raises(RecipeError):
            store.add(vendor_keys / name, folder=site)

    assert not site.exists()


@pytest.mark.parametrize("fingerprint", ["", "abc", "sha256:" + "0" * 64, "0" * 12, "../../root"])
def test_removing_what_is_not_there_is_refused(vendor_keys: Path, site: Path, fingerprint: str) -> None:
    store.add(vendor_keys / "root.pem", folder=site)

    with pytest.raises(RecipeError):
        store.remove(fingerprint, folder=site)
    assert len(store.load_store(site).anchors.roots) == 1


def test_one_of_several_in_a_file_is_not_removed_with_the_others(site: Path) -> None:
    (site / "roots").mkdir(parents=True)
    one, two = Vendor.create().root, Vendor.create().root
    (site / "roots" / "both.pem").write_bytes(certificates.certificate_pem(one, two))

    with pytest.raises(StateError, match="trusts other keys too"):
        store.remove(str(certificates.certificate_keyid(one)), folder=site)
    assert len(store.load_store(site).anchors.roots) == 2


def test_a_store_that_others_may_write_is_refused(vendor_keys: Path, site: Path) -> None:
    (root,) = store.add(vendor_keys / "root.pem", folder=site)
    for path in (site, site / "roots", site / "roots" / root.source.rsplit("/", 1)[1]):
        before = path.stat().st_mode
        path.chmod(before | 0o020)
        with pytest.raises(StateError, match="others may write"):
            store.load_store(site)
        path.chmod(before)

    assert store.load_store(site).anchors


def test_what_lies_in_the_wrong_folder_or_is_no_certificate_is_refused(vendor_keys: Path, site: Path) -> None:
    for folder, content in [
        ("roots", (vendor_keys / "signer.pub").read_bytes()),
        ("keys", (vendor_keys / "root.pem").read_bytes()),
        ("roots", b"hello"),
    ]:
        path = site / folder / "x.pem"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        with pytest.raises(StateError):
            store.load_store(site)
        path.unlink()


POLICY = '{"format": 1, "roles": {"vendor": {"threshold": 2}}, "max_unstamped_days": 30}'


def test_the_sites_policy_is_read_and_no_call_replaces_it(site: Path, tmp_path: Path) -> None:
    site.mkdir()
    (site / "policy.json").write_text(POLICY)
    other = tmp_path / "policy.json"
    other.write_text(POLICY.replace("2", "1"))
    trust = store.load_store(site)

    assert trust.policy == Policy((Threshold(VENDOR, 2),), max_unstamped_days=30)
    with pytest.raises(RecipeError, match="policy of its own"):
        trust.with_policy(other)
    assert Trust().with_policy(other).policy.thresholds == (Threshold(VENDOR, 1),)


def test_anchors_of_a_call_are_believed_besides_those_of_the_site(vendor_keys: Path, site: Path) -> None:
    store.add(vendor_keys / "root.pem", folder=site)

    trust = store.load_store(site).with_anchors(from_arguments((str(vendor_keys / "signer.pub"),)))

    assert (len(trust.anchors.roots), len(trust.anchors.pins)) == (1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        POLICY.replace("1", "2", 1),
        POLICY.replace("1", "0", 1),
        POLICY.replace("2", "0"),
        POLICY.replace("2", "true"),
        POLICY.replace("2", '"2"'),
        POLICY.replace("30", "-1"),
        POLICY.replace("30", "1.5"),
        POLICY.replace("vendor", "Customer"),
        POLICY.replace("threshold", "treshold"),
        POLICY.replace('"vendor": {"threshold": 2}', ""),
        POLICY.replace("}}", '}}, "hybrids": true'),
        POLICY.replace("}}", '}}, "hybrid": 1'),
        POLICY.replace("}}", '}}, "algorithms": []'),
        POLICY.replace("}}", '}}, "algorithms": ["rsa-1024"]'),
        POLICY.replace("}}", '}}, "minimum_epoch": {"etcd": "2"}'),
        POLICY.replace("}}", '}}, "self_run": "maybe"'),
        POLICY.replace("}}", '}}, "expires": "2027-01-01T00:00:00"'),
        POLICY.replace("}}", '}, "customer": {"threshold": 1}}'),
        POLICY.replace('{"threshold": 2}', '{"threshold": 2, "anchors": []}'),
        POLICY.replace('{"threshold": 2}', "2"),
    ],
)
def test_a_policy_that_is_not_understood_whole_is_refused(site: Path, text: str) -> None:
    site.mkdir()
    (site / "policy.json").write_text(text)

    with pytest.raises(StateError) as refused:
        store.load_store(site)
    assert refused.value.where == str(site / "policy.json")
