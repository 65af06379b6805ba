"""Opening a bundle: what is accepted, and each way in which one is refused."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.bundles import CREATED, IMAGE, RUNTIME, FakeAuthor, Written, blob, members, write_bundle
from support.signing import DAY, NOW, Vendor

from appliance import events
from appliance.bundle import runfile, verify
from appliance.bundle.chunks import BundleFiles
from appliance.bundle.layout import CHUNK_BYTES, LIMITS, STUB_BYTES
from appliance.bundle.runfile import Member
from appliance.digest import Digest
from appliance.errors import ApplianceError, BundleError, Cancelled, StateError, VerificationError
from appliance.trust.formats import Form
from appliance.trust.rules import VENDOR, Policy, Threshold

SUFFIXES = [form.suffix for form in Form]
LARGE = random.Random(1).randbytes(2 * CHUNK_BYTES + 77)


@pytest.fixture(scope="module")
def vendor() -> Vendor:
    return Vendor.create()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor) -> Written:
    return write_bundle(tmp_path_factory.mktemp("whole"), LARGE, b"small", vendor=vendor, exports=True)


@pytest.fixture
def copied(whole: Written, tmp_path: Path) -> Written:
    for path in whole.path.parent.iterdir():
        shutil.copy(path, tmp_path)
    return Written(tmp_path / whole.path.name, whole.vendor, whole.manifest, whole.sha256, whole.size)


def test_members_come_out_as_they_went_in(whole: Written) -> None:
    with whole.open() as bundle:
        for data in (LARGE, b"small", IMAGE, RUNTIME):
            with bundle.open(Digest.of(data)) as source:
                assert source.readall() == data
        assert bundle.read(Digest.of(b"small")) == b"small"
        assert bundle.read(bundle.manifest.sbom) == b'{"sbom":1}'


def test_several_threads_read_at_once(whole: Written) -> None:
    contents = (LARGE, b"small", RUNTIME, LARGE, IMAGE)
    with whole.open() as bundle, ThreadPoolExecutor(len(contents)) as pool:
        read = pool.map(lambda data: bundle.open(Digest.of(data)).readall(), contents)
        assert tuple(read) == contents


def test_every_byte_is_counted(whole: Written) -> None:
    with whole.open() as bundle:
        assert bundle.check_all() == verify.Checked(whole.size, 3, 6, ())


def test_a_verified_bundle_knows_its_signers_and_what_they_signed(whole: Written) -> None:
    with whole.open() as bundle:
        assert [signer.name for signer in bundle.verdict.signers] == ["Signer"] * len(Form)
        assert bundle.manifest_digest == Digest.of(whole.manifest)


def test_a_verified_bundle_has_no_path(whole: Written) -> None:
    with whole.open() as bundle:
        assert not [name for name in dir(bundle) if "path" in name]
        assert str(whole.path.parent) not in repr(vars(verify.VerifiedBundle))


def test_what_is_not_in_it_cannot_be_read(whole: Written) -> None:
    with whole.open() as bundle, pytest.raises(BundleError, match="holds nothing with the digest"):
        bundle.open(Digest.of(b"elsewhere"))


def test_a_document_is_bounded(tmp_path: Path, vendor: Vendor) -> None:
    large = bytes(LIMITS.document + 1)
    with write_bundle(tmp_path, large, vendor=vendor).open() as bundle, pytest.raises(BundleError, match="at most"):
        bundle.read(Digest.of(large))


def test_after_closing_nothing_is_read(whole: Written) -> None:
    with whole.open() as bundle:
        source = bundle.open(Digest.of(LARGE))
    with pytest.raises(BundleError, match="cannot be read"):
        source.read(1)


def test_progress_counts_every_byte_of_the_payload(whole: Written) -> None:
    heard: list[events.Event] = []
    with whole.open() as bundle:
        bundle.check_all(heard.append)
        total = bundle.manifest.size - bundle.manifest.base
    assert heard[0] == events.TaskStarted("verify", "Reading every byte", total)
    assert heard[-2:] == [events.TaskProgress("verify", total), events.TaskFinished("verify", events.Outcome.OK)]


def test_what_signatures_and_policy_came_to_is_heard_before_the_first_byte_is_read(whole: Written) -> None:
    heard: list[events.Event] = []
    with BundleFiles.open(whole.path) as files:
        verify.examine(files, whole.vendor.trust(), now=NOW).inspect(heard.append)
    assert heard[:2] == [
        events.TaskStarted("policy", "Signatures and policy"),
        events.TaskFinished("policy", events.Outcome.OK, "vendor: 1 of 1 trusted keys signed"),
    ]
    assert isinstance(heard[2], events.TaskStarted)
    assert heard[2].task == "verify"


def test_a_sink_can_stop_the_reading(whole: Written) -> None:
    heard: list[events.Event] = []

    def stop(event: events.Event) -> None:
        heard.append(event)
        if isinstance(event, events.TaskProgress):
            raise Cancelled("enough")

    with whole.open() as bundle, pytest.raises(Cancelled):
        bundle.check_all(stop)
    assert isinstance(heard[-1], events.TaskFinished)
    assert heard[-1].outcome is events.Outcome.CANCELLED


def test_nothing_at_the_place_is_a_bundle_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot open the bundle: No such file"):
        BundleFiles.open(tmp_path / "absent.run")


def test_a_folder_and_a_pipe_are_no_bundles(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.run"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe):
        with pytest.raises(BundleError, match="not a file"):
            BundleFiles.open(path)


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", bytes(STUB_BYTES + 16), bytes(2 << 20)])
def test_another_file_is_not_a_bundle(tmp_path: Path, vendor: Vendor, data: bytes) -> None:
    path = tmp_path / "other.run"
    path.write_bytes(data)
    with pytest.raises(BundleError, match="not a bundle, or a truncated one"):
        Written(path, vendor, b"", Digest.of(b"")).open()


def test_a_truncated_bundle_says_how_much_is_there(copied: Written) -> None:
    os.truncate(copied.path, copied.size - 1)
    with pytest.raises(BundleError, match=f"file is truncated: {copied.size - 1} of {copied.size} bytes"):
        copied.open()


def test_a_stranger_is_refused(copied: Written) -> None:
    stranger = Written(copied.path, Vendor.create("Other"), copied.manifest, copied.sha256)
    with pytest.raises(VerificationError, match="not verified"):
        stranger.open()


def test_an_expired_signer_is_refused(whole: Written) -> None:
    with BundleFiles.open(whole.path) as files, pytest.raises(VerificationError, match="not verified"):
        verify.open_bundle(files, whole.vendor.trust(), now=NOW + 500 * DAY)


def test_a_policy_that_asks_for_two_keys_is_not_satisfied_by_one(whole: Written) -> None:
    trust = whole.vendor.trust(Policy(thresholds=(Threshold(VENDOR, 2),)))
    with BundleFiles.open(whole.path) as files, pytest.raises(VerificationError, match="not verified"):
        verify.open_bundle(files, trust, now=NOW)


def test_a_changed_stub_is_refused_and_says_so(copied: Written) -> None:
    with copied.path.open("r+b") as file:
        file.write(b"#!/bin/sh\nrm -rf /\n")
    with pytest.raises(VerificationError, match=r"the stub \(bytes 0 to 65535\)"):
        copied.open()


def test_something_hidden_in_the_padding_is_refused(copied: Written) -> None:
    with copied.path.open("r+b") as file:
        file.seek((1 << 20) - 33)
        file.write(b"x")
    with pytest.raises(VerificationError, match="are not zeros"):
        copied.open()


@pytest.mark.parametrize("suffix", [".p7s", ".sig", ".manifest.json"])
def test_a_file_beside_the_bundle_that_differs_is_refused(copied: Written, suffix: str) -> None:
    beside = copied.path.with_name(copied.path.name + suffix)
    beside.write_bytes(beside.read_bytes() + b"\n")
    with pytest.raises(VerificationError, match=f"{beside.name} is not what the bundle itself holds"):
        copied.open()


def test_a_signature_of_nobody_in_the_bundle_is_refused(copied: Written) -> None:
    copied.path.with_name(f"{copied.path.name}.0123456789ab.p7s").write_bytes(b"signature")
    with pytest.raises(VerificationError, match="0123456789ab.p7s is not what"):
        copied.open()


def test_missing_files_beside_the_bundle_do_not_matter(copied: Written) -> None:
    for path in copied.path.parent.iterdir():
        if path != copied.path:
            path.unlink()
    copied.open().close()


def test_files_of_another_bundle_beside_it_do_not_matter(copied: Written) -> None:
    copied.path.with_name("other.run.p7s").write_bytes(b"another's")
    copied.open().close()


def test_several_signers_export_files_under_their_key_ids(tmp_path: Path, vendor: Vendor) -> None:
    signers = [vendor.signer("One"), vendor.signer("Two")]
    written = write_bundle(tmp_path, b"x", vendor=vendor, signers=signers, exports=True)
    names = {path.name.removeprefix(written.path.name) for path in tmp_path.iterdir()}
    expected = {f".{signer.keyid.short}{suffix}" for signer in signers for suffix in SUFFIXES}
    assert names == expected | {"", ".manifest.json"}
    with written.open() as bundle:
        assert len(bundle.verdict.signers) == 2 * len(Form)


def test_the_same_members_give_the_same_bytes_but_for_the_signatures(tmp_path: Path, vendor: Vendor) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (write_bundle(tmp_path / name, LARGE, vendor=vendor) for name in ("one", "two"))
    assert one.manifest == two.manifest
    signatures = STUB_BYTES + 16 + len(one.manifest)
    first, second = one.path.read_bytes(), two.path.read_bytes()
    assert first[: STUB_BYTES + 12] == second[: STUB_BYTES + 12]
    assert first[(1 << 20) - 32 :] == second[(1 << 20) - 32 :]
    assert first[signatures : (1 << 20) - 32] != second[signatures : (1 << 20) - 32]


def test_the_digest_of_all_is_that_of_the_file(whole: Written) -> None:
    assert Digest.of(whole.path.read_bytes()) == whole.sha256


def test_a_bundle_may_be_executed(whole: Written) -> None:
    assert whole.path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("claimed", [b"other", b"lying!"])
def test_a_member_that_is_not_what_it_should_be_leaves_no_bundle(
    tmp_path: Path, vendor: Vendor, claimed: bytes
) -> None:
    honest = blob(b"honest")
    false = Member(honest.name, honest.size, honest.sha256, blob(claimed).open)
    path = tmp_path / "x.run"
    with pytest.raises(StateError, match=r"shorter|other content"):
        runfile.write(
            path, [*members(), false], FakeAuthor("x.run", [vendor.signer()]), created=CREATED, sink=events.silent
        )
    assert list(tmp_path.iterdir()) == []


def test_a_failed_bundle_leaves_the_one_before_as_it_was(tmp_path: Path, vendor: Vendor) -> None:
    before = write_bundle(tmp_path, b"x", vendor=vendor)
    with pytest.raises(ApplianceError):
        runfile.write(
            before.path,
            members(),
            FakeAuthor("x", [vendor.signer(ends=NOW - DAY)]),
            created=CREATED,
            sink=events.silent,
        )
    before.open().close()


def test_a_full_disk_is_said_before_anything_is_written(vendor: Vendor) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        huge = Member("META/huge", shutil.disk_usage(folder).free + 1, Digest.of(b""), blob(b"").open)
        author = FakeAuthor("x.run", [vendor.signer()])
        with pytest.raises(ApplianceError, match="no room left to write"):
            runfile.write(folder / "x.run", [*members(), huge], author, created=CREATED, sink=events.silent)
        assert list(folder.iterdir()) == []


def test_more_than_a_manifest_can_describe_is_refused(tmp_path: Path, vendor: Vendor) -> None:
    huge = Member("META/huge", 1 << 50, Digest.of(b""), blob(b"").open)
    author = FakeAuthor("x.run", [vendor.signer()])
    with pytest.raises(BundleError, match="more than one bundle holds"):
        runfile.write(tmp_path / "x.run", [*members(), huge], author, created=CREATED, sink=events.silent)


def test_a_signed_manifest_with_a_false_member_digest_does_not_give_it_out(tmp_path: Path, vendor: Vendor) -> None:
    class Liar(FakeAuthor):
        def manifest(self, payload: runfile.Payload, stub: Digest):  # type: ignore[no-untyped-def]
            entries = list(payload.files)
            a, b = entries[-2], entries[-1]
            entries[-2:] = [
                type(a)(b.name, a.offset, a.length, b.sha256, a.mode),
                type(b)(a.name, b.offset, b.length, a.sha256, b.mode),
            ]
            return super().manifest(runfile.Payload(payload.base, payload.size, tuple(entries), payload.chunks), stub)

    path = tmp_path / "x.run"
    author = Liar("x.run", [vendor.signer()])
    runfile.write(path, members(b"left", b"right"), author, created=CREATED, sink=events.silent)
    with (
        Written(path, vendor, b"", Digest.of(b"")).open() as bundle,
        pytest.raises(VerificationError, match="other content than its digest says"),
    ):
        bundle.read(Digest.of(b"left"))


def test_an_untrusted_bundle_can_be_looked_into_for_display(whole: Written) -> None:
    with BundleFiles.open(whole.path) as files:
        shown = verify.open_unverified_for_display(files, Vendor.create("Other").trust(), now=NOW)
        assert not shown.verdict.accepted
        assert shown.manifest.name == "demo"
        assert shown.read(shown.manifest.sbom) == b'{"sbom":1}'
        assert not isinstance(shown, verify.VerifiedBundle)


def test_a_bundle_opened_for_display_is_never_called_accepted(copied: Written) -> None:
    with copied.path.open("r+b") as file:
        file.write(b"#!/bin/sh\nrm -rf /\n")
    with BundleFiles.open(copied.path) as files:
        shown = verify.open_unverified_for_display(files, copied.vendor.trust(), now=NOW)
    assert [signer.trusted for signer in shown.verdict.signers] == [True] * len(Form)
    assert not shown.verdict.accepted
