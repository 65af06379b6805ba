"""The provenance of a delivery: the recipe whole, inputs with digests, and nothing of the packager's machine."""

from __future__ import annotations

import functools
import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.images import fake_pythons

from appliance.bundle.inventory import statement
from appliance.digest import Digest
from appliance.image.materials import SECRETS_LABEL, WITHHELD, recorded_arguments
from appliance.image.oci import Platform
from appliance.image.reference import Reference
from appliance.image.store import Store
from appliance.operations import stock
from appliance.operations.build import BuildRequest, build_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCRIPT = """\
RUN <<EOF
set -eu
mkdir -p "$ROOTFS/made"
EOF
"""


def build(folder: Path, name: str, kubefile: str, arguments: Mapping[str, str] = {}) -> None:
    context = folder / name.partition(":")[0]
    context.mkdir()
    (context / "Kubefile").write_text(kubefile)
    (context / "file").write_text("content")
    request = BuildRequest(
        context,
        Reference.parse(name),
        folder / "store",
        folder / "cache",
        arguments=arguments,
        platforms=(Platform("linux", "amd64"),),
    )
    build_image(request)


def provenance(folder: Path, name: str) -> dict[str, Any]:
    """The build definition that the statement about an image holds."""
    store = Store(folder / "store")
    reference = Reference.parse(name)
    index = store.get(store.resolve(reference))
    holdings = stock.take(store, index, fake_pythons(folder)("amd64"), created=0, cache=folder / "cache")
    document = json.loads(statement.provenance(holdings, reference=str(reference)))
    assert document["_type"] == "https://in-toto.io/Statement/v1"
    assert document["predicateType"] == "https://slsa.dev/provenance/v1"
    assert document["subject"] == [{"name": holdings.name, "digest": {"sha256": holdings.image.hex}}]
    assert document["predicate"]["runDetails"]["builder"]["id"] == "urn:appliance"
    return dict(document["predicate"]["buildDefinition"])


def test_each_instruction_stands_whole_with_its_here_documents(tmp_path: Path) -> None:
    build(tmp_path, "demo:1.0.0", f"FROM scratch\nCOPY file a\n{SCRIPT}")
    recipe = provenance(tmp_path, "demo:1.0.0")["externalParameters"]["recipe"]
    assert [step["instruction"] for step in recipe] == ["COPY file a", SCRIPT.rstrip("\n")]
    assert all(step["layer"]["sha256"] for step in recipe)


def test_the_base_image_is_an_input_pinned_only_by_its_digest(tmp_path: Path) -> None:
    build(tmp_path, "base:1.0.0", "FROM scratch\nCOPY file a\n")
    digest = Store(tmp_path / "store").resolve(Reference.parse("base:1.0.0")).digest
    build(tmp_path, "loose:1.0.0", "FROM base:1.0.0\nCOPY file b\n")
    build(tmp_path, "tight:1.0.0", f"FROM base@{digest}\nCOPY file b\n")
    loose, *packages = provenance(tmp_path, "loose:1.0.0")["resolvedDependencies"]
    assert loose == {
        "uri": "docker.io/library/base:1.0.0",
        "digest": {"sha256": digest.hex},
        "annotations": {"unpinned": True},
    }
    assert [package["name"] for package in packages] == ["libc6", "click"]
    tight = provenance(tmp_path, "tight:1.0.0")["resolvedDependencies"][0]
    assert tight == {"uri": f"docker.io/library/base@{digest}", "digest": {"sha256": digest.hex}}


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Where the file ``tool`` is to be had."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "tool").write_bytes(b"tool")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(served))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/tool"
        server.shutdown()
        thread.join()


def test_a_url_is_an_input_unpinned_unless_the_recipe_says_its_digest(tmp_path: Path, url: str) -> None:
    digest = Digest.of(b"tool")
    build(tmp_path, "loose:1.0.0", f"FROM scratch\nADD {url} a\n")
    build(tmp_path, "tight:1.0.0", f"FROM scratch\nADD --checksum={digest} {url} a\n")
    loose, tight = (provenance(tmp_path, f"{name}:1.0.0")["resolvedDependencies"][0] for name in ("loose", "tight"))
    assert tight == {"uri": url, "digest": {"sha256": digest.hex}}
    assert loose == {**tight, "annotations": {"unpinned": True}}


def test_what_a_base_was_made_of_is_told_of_what_is_built_upon_it(tmp_path: Path) -> None:
    build(tmp_path, "base:1.0.0", "FROM scratch\nCOPY file a\n")
    build(tmp_path, "middle:1.0.0", "FROM base:1.0.0\nCOPY file b\n")
    build(tmp_path, "top:1.0.0", "FROM middle:1.0.0\nCOPY file c\n")
    inputs = provenance(tmp_path, "top:1.0.0")["resolvedDependencies"]
    assert [one["uri"] for one in inputs[:2]] == ["docker.io/library/base:1.0.0", "docker.io/library/middle:1.0.0"]


def test_arguments_are_told_but_no_secret_and_no_path_of_this_machine(tmp_path: Path) -> None:
    arguments = {
        "VERSION": "1.2",
        "DB_PASSWORD": "hunter2",
        "PROXY": "http://user:hunter2@proxy:3128",
        "SOURCE": f"{tmp_path}/demo/file",
        "MARKED": "hunter2",
    }
    declared = "".join(f"ARG {name}\n" for name in arguments)
    build(tmp_path, "demo:1.0.0", f"FROM scratch\n{declared}LABEL {SECRETS_LABEL}=MARKED\nCOPY file a\n", arguments)
    definition = provenance(tmp_path, "demo:1.0.0")
    assert definition["externalParameters"]["arguments"] == {"VERSION": "1.2"} | dict.fromkeys(
        ("DB_PASSWORD", "PROXY", "SOURCE", "MARKED"), WITHHELD
    )
    said = json.dumps(definition)
    assert "hunter2" not in said
    assert str(tmp_path) not in said
    for blob in (tmp_path / "store/blobs/sha256").iterdir():
        assert b"hunter2" not in blob.read_bytes()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GITHUB_TOKEN", "x"),
        ("api_key", "x"),
        ("SSH_PRIVATE", "x"),
        ("CERT", "-----BEGIN PRIVATE KEY-----"),
        ("X", "ghp_0123456789"),
        ("X", "eyJhbGciOi.eyJzdWIi.abc"),
        ("HOME_FOLDER", f"{Path.home()}/src"),
    ],
)
def test_what_looks_like_a_secret_is_kept_by_name_alone(name: str, value: str) -> None:
    assert recorded_arguments({name: value}, secret="", private=(str(Path.home()),)) == {name: WITHHELD}


@pytest.mark.parametrize(("name", "value"), [("KEYBOARD", "de"), ("MIRROR", "https://a.example:8443/x")])
def test_what_is_no_secret_is_told(name: str, value: str) -> None:
    assert recorded_arguments({name: value}, secret="", private=("/",)) == {name: value}
