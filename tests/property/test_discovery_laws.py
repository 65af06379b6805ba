"""Whatever a tree holds, discovery finds only references, says where they stand, and does not fail."""

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import RecipeError
from appliance.image.discovery import launches, objects
from appliance.image.discovery.found import Confidence, Findings
from appliance.image.discovery.helm import Settings
from appliance.image.discovery.names import Look, look
from appliance.image.discovery.tree import discover
from appliance.image.reference import Reference
from appliance.image.registry import challenge

_texts = st.text(alphabet=st.sampled_from("ab1:/.-_@ \n\"'{}[]|>&*#,=$()image\t\\"), max_size=120)
_names = st.sampled_from(["image", "initImage", "spec", "env", "args", "data", "containers", "x", "tag", "repository"])
_scalars = (
    st.sampled_from(["quay.io/x/y:1", "redis:7", "nginx", "", "true", "a b"]) | st.integers() | st.none() | _texts
)
_trees = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4), max_leaves=12
)
_heads = st.sampled_from(
    [{}, {"apiVersion": "v1", "kind": "ConfigMap"}, {"apiVersion": "apps/v1", "kind": "Deployment"},
     {"apiVersion": "example.com/v1", "kind": "Thing"}, {"apiVersion": "v1", "kind": "List"}]
)  # fmt: skip


@given(_texts)
def test_any_text_can_be_looked_at_as_a_document(text: str) -> None:
    findings = Findings()
    objects.scan_documents(text, "a.yaml", findings)
    lines = text.count("\n") + 1
    for image in findings.result().images:
        assert all(1 <= why.line <= lines for why in image.why)


@given(_heads, st.dictionaries(_names, _trees, max_size=4))
def test_what_is_found_in_an_object_stands_in_it(head: dict[str, str], body: dict[str, object]) -> None:
    text = json.dumps({**head, **body})
    findings = Findings()
    objects.scan_documents(text, "a.json", findings)
    for image in findings.result().images:
        assert image.reference.repository.rpartition("/")[2] in text
        assert image.confidence in Confidence


@given(st.sampled_from(["quay.io/x/y:1.0", "redis:7", "a/b@sha256:" + "0" * 64]), _texts)
def test_a_container_is_found_whatever_stands_beside_it(image: str, text: str) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"x": text, "containers": [{"name": text, "image": image}]}}
    findings = Findings()
    objects.scan_documents(json.dumps(pod), "a.json", findings)
    found = {one.reference: one.confidence for one in findings.result().images}
    assert found[Reference.parse(image)] is Confidence.CERTAIN


@given(st.text(max_size=60) | _texts)
def test_what_looks_like_a_reference_is_one(text: str) -> None:
    if look(text) is not Look.NONE:
        assert Reference.parse(text)


@given(_texts)
def test_any_file_can_be_walked(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a.yaml", "imageList", "x.toml", "y.sh", "Kubefile", "images.txt", ".imageignore"):
            (Path(folder) / name).write_text(text)
        try:
            found = discover([Path(folder)], Settings())
        except RecipeError as error:
            assert error.where.startswith(".imageignore:")  # noqa: PT017  (a broken pattern is refused in words)
        else:
            assert all(Reference.parse(image.reference.familiar) == image.reference for image in found.images)


@given(st.text(max_size=100))
def test_any_header_and_any_kubefile_can_be_read(text: str) -> None:
    assert all(one.scheme == one.scheme.lower() for one in challenge.parse(text))
    assert all(launch.chart for launch in launches.find(f"FROM scratch\nCMD helm install {text}\n", "Kubefile"))
