"""What is made of the secrets that a runtime asks for, and when a certificate is issued anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from appliance.operations.fulfil import LEAF_DAYS, RENEWED_DAYS, fulfil
from appliance.plan.runtime import Authority, Leaf
from appliance.trust import issue
from appliance.trust.issue import Usage
from appliance.vault import Vault

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LEAF = Leaf("web", "ca", "web-1", ("10.0.0.1", "web-1"), frozenset({Usage.SERVER}))


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    made = Vault.open(tmp_path / "vault", tmp_path / "key")
    fulfil((Authority("ca"), LEAF), made, now=NOW)
    return made


@pytest.mark.parametrize(
    ("changes", "days", "anew"),
    [
        ({}, 0, False),
        ({}, LEAF_DAYS - RENEWED_DAYS - 1, False),
        ({}, LEAF_DAYS - RENEWED_DAYS + 1, True),
        ({}, LEAF_DAYS + 1, True),
        ({"sans": ("web-1", "10.0.0.1")}, 0, False),
        ({"sans": ("10.0.0.2", "web-1")}, 0, True),
        ({"sans": ()}, 0, True),
        ({"common_name": "web-2"}, 0, True),
        ({"usages": frozenset(Usage)}, 0, True),
    ],
    ids=[
        "the same again",
        "it is valid for long enough",
        "it nears its end",
        "it has ended",
        "its names in another order",
        "another address",
        "no names",
        "another common name",
        "another usage",
    ],
)
def test_a_certificate_is_issued_anew_when_it_does_not_fit_any_more(
    vault: Vault, changes: dict[str, object], days: int, anew: bool
) -> None:
    before, key = vault.get_public("web.crt"), vault.get("web.key")
    asked = (Authority("ca"), replace(LEAF, **changes))  # type: ignore[arg-type]
    made = fulfil(asked, vault, now=NOW + timedelta(days=days))
    assert (vault.get_public("web.crt") != before) is anew
    assert (vault.get("web.key") != key) is anew
    assert fulfil(asked, vault, now=NOW + timedelta(days=days)) == made


def test_one_of_an_authority_that_was_made_anew_is_made_anew(vault: Vault) -> None:
    before = vault.get_public("web.crt")
    other = issue.authority("ca", now=NOW, days=10)
    vault.put_public("ca.crt", other.certificate_pem)
    vault.put("ca.key", other.key_pem)
    fulfil((Authority("ca"), LEAF), vault, now=NOW)
    assert vault.get_public("web.crt") != before


def test_nothing_is_issued_again_and_again_by_an_authority_that_nears_its_own_end(vault: Vault) -> None:
    late = NOW + timedelta(days=3650 - RENEWED_DAYS + 1)
    made = fulfil((Authority("ca"), LEAF), vault, now=late)
    assert fulfil((Authority("ca"), LEAF), vault, now=late + timedelta(days=1)) == made
