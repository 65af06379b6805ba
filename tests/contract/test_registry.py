"""Images go to a real registry and come back bit by bit, by us and by stock tools."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.images import SPEC, put_image
from support.registry import PASSWORD, USER, Registry, registry, token_server

from appliance.errors import AuthRefused, RecipeError, TransportError
from appliance.image.oci import Platform
from appliance.image.reference import Reference
from appliance.image.registry.credentials import Credential
from appliance.image.store import Store
from appliance.operations import build, registries
from appliance.operations.registries import Registries

PLATFORMS = ("amd64", "arm64")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def image(store: Store, scratch: Path, name: str, *, more: bytes = b"") -> Reference:
    """An image of two platforms and two layers, called `name`."""
    contents = [{"bin/tool": b"#!/bin/sh\n" * 1000, "etc/x.conf": b"x"}, {"bin/other": b"other" * 5000 + more}]
    made = put_image(store, scratch, contents, architectures=PLATFORMS)
    reference = Reference.parse(name)
    store.tag(reference, store.resolve(made))
    store.untag(made)
    return reference


def blobs(store: Store) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (store.root / "blobs/sha256").iterdir()}


def skopeo(*argv: str, cwd: Path) -> bytes:
    done = subprocess.run(["skopeo", *argv], cwd=cwd, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_an_image_comes_back_from_a_registry_as_it_went(plain: Registry, store: Store, tmp_path: Path) -> None:
    reference = image(store, tmp_path / "scratch", f"{plain.host}/site/app:1.0.0")
    reach = plain.access(tmp_path)
    pushed = registries.push(store.root, reference, reach)
    back = Store(tmp_path / "back")
    pulled = registries.pull(back.root, reference, reach)
    assert pulled.digest == pushed.digest == store.resolve(reference).digest
    assert blobs(back) == blobs(store)
    assert back.verify() == ()
    assert pulled.size == pushed.size > 0


def test_what_is_there_already_goes_over_the_line_once(plain: Registry, store: Store, tmp_path: Path) -> None:
    reference = image(store, tmp_path / "scratch", f"{plain.host}/once/app:1.0.0")
    reach = plain.access(tmp_path)
    first = registries.push(store.root, reference, reach)
    again = registries.push(store.root, reference, reach)
    assert (again.size, again.there) == (0, first.there + 4)
    assert registries.pull(store.root, reference, reach).size == 0


def test_blobs_of_another_repository_are_mounted_not_sent(plain: Registry, store: Store, tmp_path: Path) -> None:
    first = image(store, tmp_path / "scratch", f"{plain.host}/mount/base:1.0.0", more=b"mount")
    reach = plain.access(tmp_path)
    registries.push(store.root, first, reach)
    second = Reference.parse(f"{plain.host}/mount/other/name:2.0.0")
    store.tag(second, store.resolve(first))
    moved = registries.push(store.root, second, reach)
    assert (moved.size, moved.mounted) == (0, 4)
    assert registries.pull(tmp_path / "back", second, reach).digest == store.resolve(first).digest


def test_only_the_platforms_asked_for_come(plain: Registry, store: Store, tmp_path: Path) -> None:
    reference = image(store, tmp_path / "scratch", f"{plain.host}/platforms/app:1.0.0")
    reach = plain.access(tmp_path)
    registries.push(store.root, reference, reach)
    wanted = (Platform("linux", "arm64"),)
    pulled = registries.pull(tmp_path / "back", reference, reach, platforms=wanted)
    (summary,) = build.list_images(tmp_path / "back")
    assert summary.platforms == wanted
    assert pulled.digest != store.resolve(reference).digest
    assert len(blobs(Store(tmp_path / "back"))) < len(blobs(store))


def test_an_image_pulled_by_its_digest_has_a_name_that_keeps_it(plain: Registry, store: Store, tmp_path: Path) -> None:
    reference = image(store, tmp_path / "scratch", f"{plain.host}/digest/app:1.0.0")
    reach = plain.access(tmp_path)
    digest = registries.push(store.root, reference, reach).digest
    by_digest = dataclasses.replace(reference, tag="", digest=digest)
    pulled = registries.pull(tmp_path / "back", by_digest, reach)
    assert pulled.reference.tag == f"sha256-{digest.hex}"
    assert Store(tmp_path / "back").resolve(by_digest).digest == digest


def test_an_image_that_is_not_there_is_named(plain: Registry, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"there is no image .*/no/app:1"):
        registries.pull(tmp_path / "store", Reference.parse(f"{plain.host}/no/app:1"), plain.access(tmp_path))


def test_a_container_image_is_not_pulled_as_a_cluster_image(plain: Registry, store: Store, tmp_path: Path) -> None:
    reference = image(store, tmp_path / "scratch", f"{plain.host}/container/app:1.0.0")
    reach = plain.access(tmp_path)
    registries.push(store.root, reference, reach)
    (child, _) = json.loads(store.get(store.resolve(reference)))["manifests"]
    one = Reference.parse(f"{plain.host}/container/app@{child['digest']}")
    with pytest.raises(RecipeError, match="is not a cluster image"):
        registries.pull(tmp_path / "back", one, reach)
    assert not (tmp_path / "back/index.json").exists()


def test_skopeo_copies_what_we_pushed_and_we_pull_what_skopeo_pushed(
    plain: Registry, store: Store, tmp_path: Path
) -> None:
    reference = image(store, tmp_path / "scratch", f"{plain.host}/skopeo/app:1.0.0", more=b"skopeo")
    reach = plain.access(tmp_path)
    digest = registries.push(store.root, reference, reach).digest
    ours, theirs = f"docker://{reference}", f"docker://{plain.host}/skopeo/copied:1.0.0"
    skopeo("copy", "--all", "--src-tls-verify=false", ours, "oci:there:x/app:1", cwd=tmp_path)
    skopeo("copy", "--all", "--dest-tls-verify=false", "oci:there:x/app:1", theirs, cwd=tmp_path)
    back = Store(tmp_path / "back")
    pulled = registries.pull(back.root, Reference.parse(theirs.removeprefix("docker://")), reach)
    assert pulled.digest == digest
    assert blobs(back) == blobs(store)


def test_a_base_image_that_the_store_lacks_is_pulled(plain: Registry, store: Store, tmp_path: Path) -> None:
    base = image(store, tmp_path / "scratch", f"{plain.host}/base/app:1.0.0")
    reach = plain.access(tmp_path)
    registries.push(store.root, base, reach)
    context = tmp_path / "context"
    context.mkdir()
    (context / "Kubefile").write_text(f"FROM {base}\nCOPY Kubefile bin/more\n")
    other = tmp_path / "other"
    request = build.BuildRequest(context, Reference.parse("mine:1"), other, tmp_path / "cache")

    def pull(reference: Reference) -> None:
        registries.pull(other, reference, reach)

    report = build.build_image(request, pull=pull)
    assert len(report.layers) == 3
    assert {summary.reference for summary in build.list_images(other)} == {base, Reference.parse("mine:1")}


def test_a_base_image_that_cannot_be_had_is_told_at_its_from(plain: Registry, tmp_path: Path) -> None:
    (tmp_path / "Kubefile").write_text(f"# a comment\nFROM {plain.host}/no/base:1\n")
    request = build.BuildRequest(tmp_path, Reference.parse("mine:1"), tmp_path / "store", tmp_path / "cache")

    def pull(reference: Reference) -> None:
        registries.pull(request.store, reference, plain.access(tmp_path))

    with pytest.raises(RecipeError, match="cannot be pulled: there is no image") as caught:
        build.build_image(request, pull=pull)
    assert caught.value.where.endswith("Kubefile:2")


def test_tls_is_checked_against_the_authority_that_was_named(store: Store, tmp_path: Path) -> None:
    with registry(tmp_path / "registry", tls=True) as secure:
        reference = image(store, tmp_path / "scratch", f"{secure.host}/app:1.0.0")
        with pytest.raises(TransportError, match="certificate is not one that is trusted here") as caught:
            registries.push(store.root, reference, Registries(tmp_path))
        assert "--ca-file" in caught.value.hint
        reach = secure.access(tmp_path)
        registries.push(store.root, reference, reach)
        assert registries.pull(tmp_path / "back", reference, reach).digest == store.resolve(reference).digest


def test_a_registry_without_tls_is_not_spoken_to_unless_told(plain: Registry, store: Store, tmp_path: Path) -> None:
    reference = image(store, tmp_path / "scratch", f"{plain.host}/tls/app:1.0.0")
    with pytest.raises(TransportError, match="does not speak TLS") as caught:
        registries.push(store.root, reference, Registries(tmp_path))
    assert "--plain-http" in caught.value.hint


def test_basic_authentication_lets_in_whom_login_remembered(store: Store, tmp_path: Path) -> None:
    with registry(tmp_path / "registry", tls=True, basic=True) as locked:
        reference = image(store, tmp_path / "scratch", f"{locked.host}/app:1.0.0")
        reach = locked.access(tmp_path / "docker")
        with pytest.raises(AuthRefused, match="asks who we are") as caught:
            registries.push(store.root, reference, reach)
        assert caught.value.hint == f"log in: appliance login {locked.host}"
        with pytest.raises(AuthRefused):
            registries.login(locked.host, Credential(USER, "wrong"), reach)
        assert not (tmp_path / "docker/config.json").exists()
        kept = registries.login(locked.host, Credential(USER, PASSWORD), reach)
        assert kept == str(tmp_path / "docker/config.json")
        assert Path(kept).stat().st_mode & 0o777 == 0o600
        registries.push(store.root, reference, reach)
        assert registries.pull(tmp_path / "back", reference, reach).digest == store.resolve(reference).digest
        assert registries.logout(locked.host, reach)
        with pytest.raises(AuthRefused):
            registries.pull(tmp_path / "again", reference, reach)


def test_skopeo_takes_the_login_that_we_wrote(store: Store, tmp_path: Path) -> None:
    with registry(tmp_path / "registry", basic=True) as locked:
        reference = image(store, tmp_path / "scratch", f"{locked.host}/app:1.0.0")
        reach = locked.access(tmp_path)
        registries.login(locked.host, Credential(USER, PASSWORD), reach)
        registries.push(store.root, reference, reach)
        found = skopeo("inspect", "--raw", f"--authfile={tmp_path}/config.json", "--tls-verify=false",
                       f"docker://{reference}", cwd=tmp_path)  # fmt: skip
    assert found == store.get(store.resolve(reference))


def test_the_token_flow_asks_for_what_is_needed_and_no_more(store: Store, tmp_path: Path) -> None:
    with token_server() as tokens, registry(tmp_path / "registry", token=tokens) as locked:
        reference = image(store, tmp_path / "scratch", f"{locked.host}/site/app:1.0.0")
        reach = locked.access(tmp_path)
        registries.login(locked.host, Credential(USER, PASSWORD), reach)
        registries.push(store.root, reference, reach)
        registries.pull(tmp_path / "back", reference, reach)
        assert tokens.asked == [(), ("repository:site/app:pull,push",), ("repository:site/app:pull",)]
        other = dataclasses.replace(reference, repository="site/other")
        store.tag(other, store.resolve(reference))
        assert registries.push(store.root, other, reach).mounted == 4


def test_an_identity_token_is_shown_as_oauth_wants_it(store: Store, tmp_path: Path) -> None:
    with token_server() as tokens, registry(tmp_path / "registry", token=tokens) as locked:
        reference = image(store, tmp_path / "scratch", f"{locked.host}/site/app:1.0.0")
        (tmp_path / "config.json").write_text(json.dumps({"auths": {locked.host: {"identitytoken": "identity"}}}))
        registries.push(store.root, reference, locked.access(tmp_path))
        assert tokens.asked == [("repository:site/app:pull,push",)]


def test_a_token_server_that_does_not_know_us_is_quoted(store: Store, tmp_path: Path) -> None:
    refused = pytest.raises(AuthRefused, match=r"token server refuses us: who are you \(status 401\)")
    with token_server() as tokens, registry(tmp_path / "registry", token=tokens) as locked, refused:
        registries.login(locked.host, Credential(USER, "wrong"), locked.access(tmp_path))


def test_the_spec_of_a_pulled_image_is_the_one_pushed(plain: Registry, store: Store, tmp_path: Path) -> None:
    reference = image(store, tmp_path / "scratch", f"{plain.host}/spec/app:1.0.0")
    reach = plain.access(tmp_path)
    registries.push(store.root, reference, reach)
    registries.pull(tmp_path / "back", reference, reach)
    detail = build.inspect(tmp_path / "back", reference)
    assert [rootfs.config.spec for rootfs in detail.rootfs] == [SPEC, SPEC]


def test_the_command_line_goes_the_whole_way(store: Store, tmp_path: Path) -> None:
    with registry(tmp_path / "registry", tls=True, basic=True) as locked:
        image(store, tmp_path / "scratch", "app:1.0.0")
        (tmp_path / "password").write_text(f"{PASSWORD}\n")
        away = f"{locked.host}/site/app:1.0.0"

        def appliance(*words: str) -> dict[str, object]:
            env = {**os.environ, "DOCKER_CONFIG": str(tmp_path / "docker"), "APPLIANCE_STORE": str(store.root)}
            argv = [sys.executable, "-m", "appliance", *words, "-o", "json"]
            done = subprocess.run(argv, env=env, capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
            assert PASSWORD.encode() not in done.stdout + done.stderr
            found: dict[str, object] = json.loads(done.stdout)
            return found

        tls = ("--ca-file", str(locked.ca_file))
        appliance("login", locked.host, "-u", USER, "--password-file", str(tmp_path / "password"), *tls)
        appliance("tag", "app:1.0.0", away)
        pushed = appliance("push", away, *tls)
        appliance("save", away, "-O", str(tmp_path / "saved.tar"))
        appliance("rmi", away, "app:1.0.0")
        appliance("prune", "--now", "--yes")
        assert blobs(store) == {}
        pulled = appliance("pull", away, *tls)
        assert (pulled["digest"], pulled["bytes"]) == (pushed["digest"], pushed["bytes"])
        appliance("load", str(tmp_path / "saved.tar"), "-t", "loaded:1")
        assert appliance("diff", away, "loaded:1")["same"] is True
        assert appliance("logout", locked.host)["removed"] is True
