import pytest

from appliance.errors import RecipeError
from appliance.image.reference import Reference

HEX = "a" * 64


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("etcd-cluster:1.0.0", "docker.io/library/etcd-cluster:1.0.0", "etcd-cluster:1.0.0"),
        ("etcd", "docker.io/library/etcd:latest", "etcd:latest"),
        ("team/app:v1", "docker.io/team/app:v1", "team/app:v1"),
        ("docker.io/team/app", "docker.io/team/app:latest", "team/app:latest"),
        ("index.docker.io/app", "docker.io/library/app:latest", "app:latest"),
        ("quay.io/a/b/c:1", "quay.io/a/b/c:1", "quay.io/a/b/c:1"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app:1"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        (f"app@sha256:{HEX}", f"docker.io/library/app@sha256:{HEX}", f"app@sha256:{HEX}"),
        (f"app:1@sha256:{HEX}", f"docker.io/library/app:1@sha256:{HEX}", f"app:1@sha256:{HEX}"),
        ("docker.io/my.org/app:1", "docker.io/my.org/app:1", "docker.io/my.org/app:1"),
    ],
)
def test_references_are_read_as_docker_reads_them(text: str, full: str, familiar: str) -> None:
    reference = Reference.parse(text)
    assert (str(reference), reference.familiar) == (full, familiar)
    assert Reference.parse(familiar) == Reference.parse(full) == reference


@pytest.mark.parametrize(
    "text",
    [
        "", "App", "a//b", "/a", "a/", "a:", "a:b:c", "a@sha256:12", f"a@md5:{HEX}", "a b", "a__-b", "-a", "a..b",
        "host_name.com/a", "a" * 256, "a:" + "t" * 129, "quay.io/", "a@", "quay.io:123456/a", "é",
    ],
)  # fmt: skip
def test_what_no_registry_takes_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="not an image reference"):
        Reference.parse(text)
