"""The secrets of a bundle: what is asked for, and which one a host's template gets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.sites import host, site

from appliance.errors import PlanError, RecipeError
from appliance.plan.runtime import Authority, Leaf, Password, SshKey, Token
from appliance.recipe.bundlefile import BundleSpec, SecretSpec
from appliance.runtimes.parts.declaredsecrets import HostSecrets
from appliance.runtimes.systemd.runtime import SystemdRuntime
from appliance.trust.issue import Usage

SPEC = BundleSpec(
    "thing",
    "1.0.0",
    secrets=(
        SecretSpec("tls", "leaf", ca="ca", usages=("server",), roles=("db",), sans=("db.local", "10.0.0.11")),
        SecretSpec("user", "leaf", ca="ca", usages=("client",)),
        SecretSpec("ca", "ca"),
        SecretSpec("word", "password", length=40),
        SecretSpec("join", "token"),
        SecretSpec("backup", "ssh-key"),
    ),
)
DB = host("db-1", "db", address="10.0.0.11")
WEB = host("web-1", "web", address="10.0.0.12")
SITE = site((DB, WEB), spec=SPEC)


def test_authorities_are_asked_for_first_and_leaves_once_a_host() -> None:
    assert SystemdRuntime().secrets(SITE) == (
        Authority("ca"),
        Leaf(
            "tls@db-1",
            "ca",
            "db-1",
            ("10.0.0.11", "db-1", "localhost", "127.0.0.1", "::1", "db.local"),
            frozenset({Usage.SERVER}),
        ),
        Leaf("user", "ca", "user", (), frozenset({Usage.CLIENT})),
        Password("word", 40),
        Token("join"),
        SshKey("backup"),
    )


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("tls.key", "tls@db-1.key"),
        ("user.key", "user.key"),
        ("ca.key", "ca.key"),
        ("word", "word"),
        ("join", "join"),
        ("backup", "backup"),
        ("given", "given"),
    ],
)
def test_a_template_s_name_means_the_host_s_own(name: str, found: str) -> None:
    assert HostSecrets(replace(SITE, secrets=frozenset({"given"})), DB).secret(name) == found


@pytest.mark.parametrize("name", ["tls", "tls.crt", "tls@db-1.key", "word.key", "other", ""])
def test_a_secret_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(RecipeError, match="there is no secret") as caught:
        HostSecrets(SITE, DB).secret(name)
    assert "tls.key" in caught.value.hint


def test_a_leaf_of_another_role_is_refused() -> None:
    with pytest.raises(RecipeError, match="tls is not for host web-1"):
        HostSecrets(SITE, WEB).secret("tls.key")


def test_public_parts_are_texts() -> None:
    secrets = HostSecrets(replace(SITE, public={"tls@db-1.crt": "PEM", "backup.pub": "ssh-ed25519"}), DB)
    assert (secrets.public("tls.crt"), secrets.public("backup.pub")) == ("PEM", "ssh-ed25519")
    with pytest.raises(RecipeError, match="there is no public part 'word'"):
        secrets.public("word")
    with pytest.raises(PlanError, match=r"ca\.crt was not issued"):
        secrets.public("ca.crt")
