"""Parameters of a site: secrets go to the vault and are known by name; everything else stays a value."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from appliance.errors import RecipeError
from appliance.operations.fulfil import fulfil
from appliance.operations.parameters import settle, without_secrets
from appliance.plan.runtime import Authority, BootstrapToken, Password, RsaKey
from appliance.plan.steps import SecretRef
from appliance.recipe import bundlefile, clusterfile
from appliance.recipe.bundlefile import BundleSpec
from appliance.recipe.clusterfile import Cluster
from appliance.vault import Vault

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "apiVersion: appliance/v1\nkind: Bundle\nname: db\nversion: 1.2.3\n"
SPEC = BundleSpec(
    "db",
    "1.0.0",
    parameters=json.dumps(
        {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "default": 3},
                "token": {"type": "string", "writeOnly": True, "minLength": 6},
                "pins": {"type": "array", "writeOnly": True},
            },
            "required": ["token"],
        }
    ),
)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.open(tmp_path / "vault", tmp_path / "key")


def test_a_secret_is_a_reference_and_its_text_is_bound_for_the_vault(vault: Vault) -> None:
    settled = settle(SPEC, {"token": "hunter2", "pins": [1, 2]}, vault)
    assert settled.values == {
        "size": 3,
        "token": SecretRef("parameter/token"),
        "pins": SecretRef("parameter/pins"),
    }
    assert "hunter2" not in repr(settled)
    assert vault.names() == ()
    settled.keep(vault)
    assert (vault.get("parameter/token"), vault.get("parameter/pins")) == (b"hunter2", b"[1, 2]")


def test_what_is_in_the_vault_need_not_be_given_again_and_may_be_replaced(vault: Vault) -> None:
    settle(SPEC, {"token": "hunter2", "pins": [1]}, vault).keep(vault)
    before = {path: path.stat().st_mtime_ns for path in (vault.path / "sealed").iterdir()}
    again = settle(SPEC, {}, vault)
    again.keep(vault)
    assert again.values["token"] == SecretRef("parameter/token")
    assert {path: path.stat().st_mtime_ns for path in (vault.path / "sealed").iterdir()} == before
    settle(SPEC, {"token": "hunter3"}, vault).keep(vault)
    assert vault.get("parameter/token") == b"hunter3"


@pytest.mark.parametrize("given", [{}, {"token": "short"}, {"token": "hunter2", "pins": "no list"}])
def test_a_secret_that_is_not_allowed_is_not_kept_nor_repeated(vault: Vault, given: dict[str, object]) -> None:
    with pytest.raises(RecipeError) as refused:
        settle(SPEC, given, vault)
    assert not any(str(value) in f"{refused.value} {refused.value.hint}" for value in given.values())


def test_no_secret_is_written_down_with_the_cluster(vault: Vault) -> None:
    cluster = Cluster("site-a", parameters={"token": "hunter2", "size": 4})
    text = clusterfile.dump(without_secrets(SPEC, cluster))
    assert "hunter2" not in text
    assert clusterfile.load(text, source="cluster.yaml").cluster.parameters == {"size": 4}


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ("a: {type: string, writeOnly: true, default: x}", "its default would stand in the bundle"),
        ("a: {type: string, writeOnly: true, enum: [x]}", "its enum would stand in the bundle"),
        ("a: {type: object, properties: {b: {type: string, writeOnly: true}}}", "marks a whole parameter"),
        ("_a: {type: string, writeOnly: true}", "cannot name a secret"),
    ],
)
def test_a_bundle_cannot_declare_a_secret_that_could_be_read(properties: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        bundlefile.load(f"{HEAD}parameters: {{properties: {{{properties}}}}}\n", source="bundle.yaml")


def test_only_what_a_bundle_asked_for_is_a_secret_of_its_templates(vault: Vault) -> None:
    vault.put("ssh-password", b"the operator's own")
    made = fulfil((Password("shared"), Authority("ca")), vault, now=datetime(2026, 11, 1, tzinfo=UTC))
    assert made.secrets == {"shared", "ca.key"}


def test_a_key_pair_and_a_token_to_join_are_made_once(vault: Vault) -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    requests = (RsaKey("accounts"), BootstrapToken("join"))
    made = fulfil(requests, vault, now=now)
    assert made.secrets == {"accounts.key", "join"}
    assert made.public["accounts.pub"].startswith("-----BEGIN PUBLIC KEY-----")
    token = vault.get("join")
    assert fulfil(requests, vault, now=now) == made
    assert vault.get("join") == token
