import dataclasses
import json

import pytest

from appliance.digest import Digest
from appliance.errors import BundleError, RecipeError
from appliance.image import oci
from appliance.image.oci import Descriptor, ImageConfig, Index, LayerRecord, Manifest, Platform
from appliance.recipe.bundlefile import BundleSpec, HealthCheck, RoleSpec

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")
BLOB = Descriptor("x/y", Digest.of(b"x"), 1, {"a": "b"})


def child(platform: Platform | None, content: bytes) -> Descriptor:
    return Descriptor(oci.MEDIA_MANIFEST, Digest.of(content), 7, platform=platform)


INDEX = Index((child(AMD64, b"1"), child(ARM64, b"2"), child(None, b"3")), {"k": "v"}, oci.ARTIFACT_CLUSTER_IMAGE)
MANIFEST = Manifest(BLOB, (BLOB, dataclasses.replace(BLOB, size=0)), {"k": "v"}, "t/u")
CONFIG = ImageConfig(
    AMD64,
    BundleSpec("db", "1.0.0", roles=(RoleSpec("db", 1),), health=(HealthCheck("h", ("a",), seconds=0.25),)),
    (LayerRecord(Digest.of(b"t"), "COPY a b", 10_240),),
    {"A": "1"},
    {"l": "2"},
    ("c",),
    ("EXPOSE 1",),
)


def test_documents_read_back_to_the_same_value() -> None:
    assert oci.index_from_json(oci.index_to_json(INDEX)) == INDEX
    assert oci.manifest_from_json(oci.manifest_to_json(MANIFEST)) == MANIFEST
    assert oci.config_from_json(oci.config_to_json(CONFIG)) == CONFIG


def test_an_index_is_written_as_the_specification_says() -> None:
    document = json.loads(oci.index_to_json(Index((child(AMD64, b"1"),))))
    assert document == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": str(Digest.of(b"1")),
                "size": 7,
                "platform": {"os": "linux", "architecture": "amd64"},
            }
        ],
    }


def test_the_image_digest_is_that_of_the_index_with_the_carried_platforms_only() -> None:
    filtered = oci.index_from_json(oci.filter_platforms(INDEX, [ARM64]))
    assert [d.platform for d in filtered.manifests] == [ARM64, None]
    assert oci.filter_platforms(INDEX, [ARM64, AMD64]) == oci.index_to_json(INDEX)


def test_a_platform_that_was_not_built_cannot_be_carried() -> None:
    with pytest.raises(BundleError, match="not built for linux/arm64"):
        oci.filter_platforms(Index((child(AMD64, b"1"),)), [ARM64])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"schemaVersion":1,"manifests":[]}',
        b'{"schemaVersion":2,"mediaType":"x","manifests":[]}',
        b'{"schemaVersion":2,"manifests":[{}]}',
        b'{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"md5:1","size":1}]}',
        b'{"schemaVersion":2,"manifests":[{"mediaType":1,"digest":"sha256:%s","size":1}]}' % (b"a" * 64),
        b'{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"sha256:%s","size":-1}]}' % (b"a" * 64),
        b'{"schemaVersion":2,"manifests":[],"annotations":{"a":1}}',
        b'{"schemaVersion":2,"manifests":[],"manifests":[]}',
    ],
)
def test_what_is_no_index_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match="not an image index"):
        oci.index_from_json(data)


def test_platforms_are_read_under_their_usual_names() -> None:
    assert Platform.parse("linux/x86_64") == AMD64
    assert Platform.parse("linux/arm64") == ARM64
    for text in ("linux", "windows/amd64", "linux/vax", ""):
        with pytest.raises(RecipeError):
            Platform.parse(text)
