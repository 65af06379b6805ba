"""Laws of the registry's storage: what is carried resolves, by distribution's own rules, and no two names meet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import assume, given
from hypothesis import strategies as st

from appliance.digest import Digest
from appliance.errors import PlanError
from appliance.image import oci
from appliance.image.blobs import Blob
from appliance.image.reference import Reference
from appliance.plan.runtime import CarriedImage, HostRuntime, ImagePart
from appliance.runtimes.parts import registrystorage

if TYPE_CHECKING:
    from collections.abc import Mapping

LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,5}[A-Za-z0-9])?"
REGISTRIES = st.one_of(
    st.from_regex(rf"{LABEL}(\.{LABEL}){{1,2}}(:[0-9]{{1,5}})?", fullmatch=True),
    st.from_regex(r"localhost(:[0-9]{1,5})?", fullmatch=True),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]:5000"),
)
PATHS = st.from_regex(r"[a-z0-9]{1,3}((\.|_|__|-{1,2})[a-z0-9]{1,2})?(/[a-z0-9]{1,3}){0,2}", fullmatch=True)
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,4}", fullmatch=True)
BLOBS = st.integers(0, 6).map(lambda number: Blob(Digest.of(b"blob %d" % number), number))
RUNTIME = HostRuntime("amd64", Digest.of(b"a runtime"), 1, 1)

NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-*)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-*)[a-z0-9]+)*)*")
"""A repository's name, as distribution's specification of its API has it."""
STORED = re.compile(r"(/[A-Za-z0-9._-]+)+")
"""A path that distribution's drivers take."""


@st.composite
def images(draw: st.DrawFn) -> CarriedImage:
    text = f"{draw(REGISTRIES)}/{draw(PATHS)}:{draw(TAGS)}"
    content = draw(st.integers(0, 3))
    manifest, index = (Blob(Digest.of(f"{what} {content}".encode()), 9) for what in ("manifest", "index"))
    chosen = draw(st.booleans())
    if draw(st.booleans()):
        text = f"{text}@{index.digest if chosen else manifest.digest}"
    reference = str(Reference.parse(text))
    blobs = tuple(draw(st.lists(BLOBS, max_size=3, unique=True)))
    return CarriedImage(reference, manifest, oci.MEDIA_MANIFEST, blobs, index if chosen else None, oci.MEDIA_INDEX)


PARTS = st.dictionaries(st.sampled_from(["amd64", "arm64"]), st.lists(images(), max_size=5), max_size=2).map(
    lambda found: [ImagePart(name, (), (), RUNTIME, tuple(carried)) for name, carried in found.items()]
)


def laid_out(parts: list[ImagePart]) -> registrystorage.Contents:
    try:
        return registrystorage.contents(parts)
    except PlanError:  # two images of one name
        assume(False)
        raise


def tree(contents: registrystorage.Contents) -> dict[str, str]:
    """The files as they would lie, with what is in them: of blobs, their digest."""
    files: dict[str, str] = {}
    for line in contents.listing.splitlines():
        what, digest, path, *text = line.split(" ", 3)
        assert files.setdefault(path, digest) == digest
        assert what != "made" or Digest.of(text[0].encode()).hex == digest
    return files


def manifest(files: Mapping[str, str], name: str, reference: str) -> str:
    """The digest of what distribution gives for a repository's tag or digest, as it looks for it."""
    place = f"repositories/{name}/_manifests"
    digest = reference.removeprefix("sha256:")
    if digest == reference:
        digest = files[f"{place}/tags/{reference}/current/link"]
    assert files[f"{place}/revisions/sha256/{digest}/link"] == digest
    return files[f"blobs/sha256/{digest[:2]}/{digest}/data"]


@given(PARTS)
def test_all_that_is_carried_is_found_under_its_own_name(parts: list[ImagePart]) -> None:
    contents = laid_out(parts)
    files = tree(contents)
    for image in (image for part in parts for image in part.carried):
        reference = Reference.parse(image.reference)
        name = registrystorage.store_name(reference)
        found = manifest(files, name, str(reference.digest) if reference.digest else reference.tag)
        made = f"made {found} " in contents.listing
        assert made or found == (image.index or image.manifest).digest.hex
        for blob in filter(None, (image.manifest, image.index)):
            assert manifest(files, name, str(blob.digest)) == blob.digest.hex
        for blob in image.blobs:
            assert files[f"repositories/{name}/_layers/sha256/{blob.digest.hex}/link"] == blob.digest.hex
            assert files[f"blobs/sha256/{blob.digest.hex[:2]}/{blob.digest.hex}/data"] == blob.digest.hex


@given(PARTS)
def test_nothing_is_laid_out_but_what_is_received_and_distribution_can_name(parts: list[ImagePart]) -> None:
    contents = laid_out(parts)
    received = {blob.digest.hex for blob in contents.blobs}
    for line in contents.listing.splitlines():
        what, digest, path, *_ = line.split(" ", 3)
        assert what != "data" or digest in received
        assert STORED.fullmatch(f"/docker/registry/v2/{path}")


@given(REGISTRIES, PATHS, REGISTRIES, PATHS)
def test_names_meet_only_where_registry_and_path_are_the_same(one: str, path: str, other: str, another: str) -> None:
    names = [Reference(one, path, "1"), Reference(other, another, "1")]
    stored = [registrystorage.store_name(reference) for reference in names]
    assert all(NAME.fullmatch(name) for name in stored)
    assert (stored[0] == stored[1]) == (one.lower() == other.lower() and path == another)
