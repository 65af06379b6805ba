"""Docker's config.json and credential helpers, and what registries ask for."""

import base64
import json
import stat
from pathlib import Path

import pytest

from appliance.errors import ApplianceError, RecipeError
from appliance.image.registry import challenge
from appliance.image.registry.challenge import Challenge
from appliance.image.registry.credentials import Credential, DockerConfig

HELPER = """#!/bin/sh
set -eu
kept=$(dirname "$0")/kept
case $1 in
    get) [ -n "$(cat)" ]; cat "$kept" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
    store) cat > "$kept" ;;
    erase) cat > "$(dirname "$0")/erased"; rm "$kept" ;;
esac
"""


def write(folder: Path, document: object) -> DockerConfig:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(document))
    return DockerConfig(folder)


def auth(pair: str) -> dict[str, str]:
    return {"auth": base64.b64encode(pair.encode()).decode()}


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A real helper program on PATH; the folder that it keeps things in."""
    folder = tmp_path / "helpers"
    folder.mkdir()
    program = folder / "docker-credential-test"
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        ("registry.example:5000", "registry.example:5000"),
        ("https://registry.example", "registry.example"),
        ("http://registry.example/v1/", "registry.example"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
    ],
)
def test_a_registry_is_found_however_its_key_is_written(tmp_path: Path, key: str, registry: str) -> None:
    config = write(tmp_path, {"auths": {"other.example": auth("a:b"), key: auth("me:pass:word")}})
    assert config.find(registry) == Credential("me", "pass:word")
    assert config.find("unknown.example") is None


def test_a_password_is_never_in_a_credentials_text() -> None:
    assert "secret" not in repr(Credential("me", "secret").username) + repr(Credential("me", "hidden!"))
    assert "hidden!" not in repr(Credential("me", "hidden!"))


def test_what_others_wrote_into_the_file_stays(tmp_path: Path) -> None:
    config = write(tmp_path, {"auths": {"a.example": auth("x:y")}, "psFormat": "table", "proxies": {"default": {}}})
    config.put("b.example", Credential("me", "pass"))
    assert config.remove("a.example")
    document = json.loads((tmp_path / "config.json").read_text())
    assert document == {"auths": {"b.example": auth("me:pass")}, "psFormat": "table", "proxies": {"default": {}}}
    assert not config.remove("a.example")


def test_the_file_is_for_its_owner_only_and_a_link_to_it_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/config.json").write_text("{}")
    (tmp_path / "config.json").symlink_to("real/config.json")
    DockerConfig(tmp_path).put("docker.io", Credential("me", "pass"))
    assert (tmp_path / "config.json").is_symlink()
    file = tmp_path / "real/config.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(json.loads(file.read_text())["auths"]) == ["https://index.docker.io/v1/"]


def test_an_identity_token_is_no_password(tmp_path: Path) -> None:
    config = write(tmp_path, {"auths": {"a.example": {"identitytoken": "long"}}})
    assert config.find("a.example") == Credential("", "long")


@pytest.mark.parametrize("text", ["[]", "{", '{"auths": {"a.example": {"auth": "%%%"}}}', '{"auths": []}'])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(RecipeError) as caught:
        DockerConfig(tmp_path).find("a.example")
    assert caught.value.where == str(tmp_path / "config.json")


@pytest.mark.parametrize("member", [{"credsStore": "test"}, {"credHelpers": {"a.example": "test"}}])
def test_a_helper_keeps_what_we_give_it(tmp_path: Path, helper: Path, member: dict[str, object]) -> None:
    config = write(tmp_path / "docker", member)
    assert config.find("a.example") is None
    assert config.put("a.example", Credential("me", "pass")) == "docker-credential-test"
    assert json.loads((helper / "kept").read_text()) == {"ServerURL": "a.example", "Username": "me", "Secret": "pass"}
    assert config.find("a.example") == Credential("me", "pass")
    assert "pass" not in (tmp_path / "docker/config.json").read_text()
    assert config.remove("a.example")
    assert (helper / "erased").read_text() == "a.example"
    assert not config.remove("a.example")


def test_a_helper_that_gives_a_token_gives_no_user(tmp_path: Path, helper: Path) -> None:
    (helper / "kept").write_text(json.dumps({"ServerURL": "a.example", "Username": "<token>", "Secret": "long"}))
    assert write(tmp_path / "docker", {"credsStore": "test"}).find("a.example") == Credential("", "long")


def test_a_helper_for_one_registry_is_not_asked_for_another(tmp_path: Path) -> None:
    config = write(tmp_path, {"credHelpers": {"a.example": "absent"}, "auths": {"b.example": auth("me:pass")}})
    assert config.find("b.example") == Credential("me", "pass")
    with pytest.raises(ApplianceError, match="docker-credential-absent is of no use: it is not installed"):
        config.find("a.example")


@pytest.mark.parametrize("name", ["../evil", "a b", "-x"])
def test_a_helper_has_the_name_of_a_program(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecipeError, match="is not the name of a credential helper"):
        write(tmp_path, {"credsStore": name}).find("a.example")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="x"', (Challenge("basic", {"realm": "x"}),)),
        (
            'Bearer realm="https://a/token",service="s, t",scope="repository:a/b:pull,push"',
            (
                Challenge(
                    "bearer", {"realm": "https://a/token", "service": "s, t", "scope": "repository:a/b:pull,push"}
                ),
            ),
        ),
        (
            'BEARER Realm=plain , service = "q\\"uoted", Basic realm="b"',
            (Challenge("bearer", {"realm": "plain", "service": 'q"uoted'}), Challenge("basic", {"realm": "b"})),
        ),
        ("Negotiate", (Challenge("negotiate"),)),
        ('Negotiate, Basic realm="b"', (Challenge("negotiate"), Challenge("basic", {"realm": "b"}))),
        ("", ()),
        ('="', ()),
    ],
)
def test_challenges_are_read_as_registries_write_them(header: str, expected: tuple[Challenge, ...]) -> None:
    assert challenge.parse(header) == expected
