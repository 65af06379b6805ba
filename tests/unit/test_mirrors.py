import pytest

from appliance.errors import RecipeError
from appliance.image.registry.mirrors import Mirror


@pytest.mark.parametrize(
    ("text", "mirror"),
    [
        ("docker.io=https://cache.example", Mirror("docker.io", "cache.example")),
        ("docker.io=cache.example:5000", Mirror("docker.io", "cache.example:5000")),
        ("index.docker.io=https://cache.example/hub/", Mirror("docker.io", "cache.example", "hub/")),
        ("quay.io=http://127.0.0.1:5000/a/b", Mirror("quay.io", "127.0.0.1:5000", "a/b/", plain_http=True)),
        ("localhost:5000=https://[::1]:5001", Mirror("localhost:5000", "[::1]:5001")),
    ],
)
def test_a_mirror_is_a_host_and_where_to_ask_in_its_place(text: str, mirror: Mirror) -> None:
    assert Mirror.parse(text) == mirror


@pytest.mark.parametrize(
    "text",
    ["", "docker.io", "docker.io=", "=https://cache.example", "docker.io=ftp://cache.example", "quay.io=https://cache",
     "quay=https://cache.example", "docker.io=https://user@cache.example", "docker.io=https://cache.example/HUB",
     "docker.io=https://cache.example/a?b"],
)  # fmt: skip
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RecipeError, match="names no mirror") as caught:
        Mirror.parse(text)
    assert "docker.io=https://cache.example/hub" in caught.value.hint
