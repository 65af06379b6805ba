"""Stock tools take a cluster image and its layers as they are."""

import json
import subprocess
from pathlib import Path

import pytest

from appliance.digest import Digest
from appliance.image.oci import MEDIA_CONFIG, MEDIA_LAYER, Platform
from appliance.image.reference import Reference
from appliance.operations.build import BuildReport, BuildRequest, build_image

PLATFORMS = (Platform("linux", "amd64"), Platform("linux", "arm64"))


@pytest.fixture
def image(tmp_path: Path) -> BuildReport:
    """An image for two platforms, built into ``tmp_path/store``."""
    context = tmp_path / "context"
    (context / "bin").mkdir(parents=True)
    (context / "bin/tool-é").write_bytes(b"tool" * 100_000)
    (context / "bin/link").symlink_to("tool-é")
    (context / "Kubefile").write_text("FROM scratch\nCOPY bin bin\nENV ARCH_IS=$TARGETARCH\n")
    return build_image(
        BuildRequest(
            context, Reference.parse("site/app:1.0.0"), tmp_path / "store", tmp_path / "cache", platforms=PLATFORMS
        )
    )


def run(*argv: str, cwd: Path) -> bytes:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_skopeo_reads_the_index_by_its_name(image: BuildReport, tmp_path: Path) -> None:
    raw = run("skopeo", "inspect", "--raw", "oci:store:site/app:1.0.0", cwd=tmp_path)
    assert Digest.of(raw) == image.digest
    assert len(json.loads(raw)["manifests"]) == 2


def test_skopeo_copies_the_whole_image_and_back_unchanged(image: BuildReport, tmp_path: Path) -> None:
    run("skopeo", "copy", "--all", "oci:store:site/app:1.0.0", "dir:folder", cwd=tmp_path)
    run("skopeo", "copy", "--all", "dir:folder", "oci:back:site/app:1.0.0", cwd=tmp_path)
    index = json.loads((tmp_path / "back/index.json").read_bytes())
    assert index["manifests"][0]["digest"] == str(image.digest)
    ours = {path.name: path.read_bytes() for path in (tmp_path / "store/blobs/sha256").iterdir()}
    theirs = {path.name: path.read_bytes() for path in (tmp_path / "back/blobs/sha256").iterdir()}
    assert theirs == ours


def test_a_rootfs_manifest_says_what_it_is_made_of(image: BuildReport, tmp_path: Path) -> None:
    raw = run("skopeo", "inspect", "--raw", "oci:store:site/app:1.0.0", cwd=tmp_path)
    blobs = tmp_path / "store/blobs"
    for child in json.loads(raw)["manifests"]:
        manifest = json.loads((blobs / child["digest"].replace(":", "/")).read_bytes())
        assert manifest["config"]["mediaType"] == MEDIA_CONFIG
        assert [layer["mediaType"] for layer in manifest["layers"]] == [MEDIA_LAYER]
        config = json.loads((blobs / manifest["config"]["digest"].replace(":", "/")).read_bytes())
        assert config["env"] == {"ARCH_IS": child["platform"]["architecture"]}


def test_zstd_and_tar_unpack_a_layer(image: BuildReport, tmp_path: Path) -> None:
    (layer,) = image.layers
    blob = tmp_path / "store/blobs/sha256" / layer.blob.digest.hex
    tar = run("zstd", "--decompress", "--stdout", "--quiet", str(blob), cwd=tmp_path)
    assert Digest.of(tar) == layer.diff_id
    (tmp_path / "layer.tar").write_bytes(tar)
    (tmp_path / "out").mkdir()
    run("tar", "--extract", "--file", "layer.tar", "--directory", "out", cwd=tmp_path)
    assert (tmp_path / "out/bin/link").read_bytes() == b"tool" * 100_000
