"""Which manifest of an image is taken for a platform."""

import json

import pytest

from appliance.digest import Digest
from appliance.errors import BundleError, RecipeError
from appliance.image import oci
from appliance.image.choosing import Choice
from appliance.image.oci import Descriptor, Platform

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
CONFIG = "application/vnd.oci.image.config.v1+json"


class Published:
    """Documents by digest."""

    def __init__(self) -> None:
        self.documents: dict[Digest, bytes] = {}

    def put(self, document: object, media_type: str) -> Descriptor:
        data = json.dumps(document).encode()
        self.documents[Digest.of(data)] = data
        return Descriptor(media_type, Digest.of(data), len(data))

    def manifest(self, config: object, kind: str = CONFIG) -> Descriptor:
        described = written(self.put(config, kind))
        return self.put({"schemaVersion": 2, "config": described, "layers": []}, oci.MEDIA_MANIFEST)

    def choice(self, root: Descriptor) -> Choice:
        return Choice(root, self.documents[root.digest], lambda one: self.documents[one.digest])

    def index(self, *children: tuple[str, str, str]) -> Choice:
        """An index with a manifest for each system, architecture and variant, in that order."""
        manifests = [
            written(self.manifest({"number": number})) | {"platform": dict(zip(("os", "architecture", "variant"), child,
                                                                             strict=True))}
            for number, child in enumerate(children)
        ]  # fmt: skip
        return self.choice(self.put({"schemaVersion": 2, "manifests": manifests}, oci.MEDIA_INDEX))

    def number(self, chosen: Descriptor | None) -> int | None:
        """Which of an index's manifests was chosen."""
        if chosen is None:
            return None
        config = oci.manifest_from_json(self.documents[chosen.digest]).config
        return int(json.loads(self.documents[config.digest])["number"])


def written(descriptor: Descriptor) -> dict[str, object]:
    return {"mediaType": descriptor.media_type, "digest": str(descriptor.digest), "size": descriptor.size}


@pytest.mark.parametrize(
    ("children", "amd64", "arm64"),
    [
        ([("linux", "amd64", ""), ("linux", "arm64", "v8")], 0, 1),
        ([("linux", "amd64", "v3"), ("linux", "amd64", "v2"), ("linux", "amd64", "")], 2, None),
        ([("linux", "amd64", "v3"), ("linux", "amd64", "v2")], 1, None),
        ([("linux", "arm", "v7"), ("linux", "arm64", "v9"), ("linux", "arm64", "v8")], None, 2),
        ([("windows", "amd64", ""), ("unknown", "unknown", "")], None, None),
        ([("linux", "amd64", ""), ("linux", "amd64", "")], 0, None),
    ],
)
def test_the_plainest_variant_of_the_platform_is_taken(
    children: list[tuple[str, str, str]], amd64: int | None, arm64: int | None
) -> None:
    published = Published()
    choice = published.index(*children)
    assert [published.number(choice.manifest(platform)) for platform in (AMD64, ARM64)] == [amd64, arm64]


def test_the_platforms_that_there_are_leave_attestations_out() -> None:
    assert Published().index(("linux", "s390x", ""), ("unknown", "unknown", "")).platforms() == ("linux/s390x",)


@pytest.mark.parametrize(
    ("config", "there"),
    [
        ({"architecture": "amd64", "os": "linux"}, [True, False]),
        ({"architecture": "arm64"}, [False, True]),
        ({}, [True, True]),
    ],
)
def test_an_image_without_an_index_is_for_what_its_config_names(config: object, there: list[bool]) -> None:
    published = Published()
    choice = published.choice(published.manifest(config))
    assert [choice.manifest(platform) is not None for platform in (AMD64, ARM64)] == there


def test_an_artifact_is_for_every_platform() -> None:
    published = Published()
    choice = published.choice(published.manifest({"architecture": 1}, "application/vnd.cncf.helm.config"))
    assert choice.manifest(ARM64) is not None


def test_an_image_of_an_old_or_unknown_kind_cannot_be_carried() -> None:
    old = Descriptor("application/vnd.docker.distribution.manifest.v1+prettyjws", Digest.of(b"{}"), 2)
    with pytest.raises(RecipeError, match=r"its type is .*v1\+prettyjws, which cannot be carried"):
        Choice(old, b"{}", lambda _: b"")


def test_a_config_that_cannot_be_read_is_refused() -> None:
    published = Published()
    with pytest.raises(BundleError, match="it has a document that cannot be read"):
        published.choice(published.manifest([])).manifest(AMD64)
