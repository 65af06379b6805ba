from __future__ import annotations

import base64
import json
import shlex
import stat
import urllib.parse
from typing import TYPE_CHECKING

import pytest
from support.signing import NOW

from appliance.errors import PlanError, StateError
from appliance.trust import issue
from appliance.vault import MASKED, LineMask, Mask, Vault

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.open(tmp_path / "vault", tmp_path / "elsewhere" / "key")


def test_secrets_come_back_by_name_and_lie_sealed(vault: Vault, tmp_path: Path) -> None:
    vault.put("etcd/ca.key", b"very secret value")
    vault.put("token", b"\x00\xff")
    vault.put("token", b"another")

    again = Vault.open(tmp_path / "vault", tmp_path / "elsewhere" / "key")

    assert again.names() == ("etcd/ca.key", "token")
    assert again.get("etcd/ca.key") == b"very secret value"
    assert again.get("token") == b"another"
    files = [p for p in (tmp_path / "vault").rglob("*") if p.is_file()]
    assert len(files) == 2
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o600 and b"secret" not in p.read_bytes() for p in files)
    assert stat.S_IMODE((tmp_path / "elsewhere" / "key").stat().st_mode) == 0o600


def test_public_parts_stay_readable(vault: Vault, tmp_path: Path) -> None:
    vault.put_public("etcd/ca.crt", b"-----BEGIN CERTIFICATE-----")

    assert vault.get_public("etcd/ca.crt") == b"-----BEGIN CERTIFICATE-----"
    assert vault.public_names() == ("etcd/ca.crt",)
    assert vault.names() == ()
    with pytest.raises(PlanError, match="no public part named other"):
        vault.get_public("other")


def test_a_missing_secret_is_named(vault: Vault) -> None:
    with pytest.raises(PlanError, match="no secret named db/password"):
        vault.get("db/password")


@pytest.mark.parametrize(
    "name", ["", "/", "a/", "/a", "..", "a/../b", ".hidden", "a b", "a\n", "é", "x" * 151, "a%2Fb"]
)
def test_what_cannot_be_a_name_is_refused(vault: Vault, name: str) -> None:
    for use in (lambda: vault.put(name, b"x"), lambda: vault.get(name), lambda: vault.put_public(name, b"x")):
        with pytest.raises(PlanError, match="cannot name a secret"):
            use()


def test_another_key_opens_nothing(vault: Vault, tmp_path: Path) -> None:
    vault.put("token", b"value")
    other = Vault.open(tmp_path / "other", tmp_path / "other-key")

    with pytest.raises(StateError, match="another key"):
        Vault(vault.path, other._key).get("token")


def test_one_secrets_file_does_not_stand_in_for_another(vault: Vault) -> None:
    vault.put("a", b"value of a")
    vault.put("b", b"value of b")
    (vault.path / "sealed" / "a").replace(vault.path / "sealed" / "b")

    with pytest.raises(StateError, match="secret b is damaged"):
        vault.get("b")


def test_a_lost_key_is_said_and_no_new_one_made(vault: Vault, tmp_path: Path) -> None:
    vault.put("token", b"value")
    key = tmp_path / "elsewhere" / "key"
    key.unlink()

    with pytest.raises(StateError, match="key .* is missing"):
        Vault.open(tmp_path / "vault", key)
    assert not key.exists()


@pytest.mark.parametrize("content", [b"", b"zz", b"00" * 16, b"\xff\xfe"])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    key = tmp_path / "key"
    key.write_bytes(content)
    key.chmod(0o600)

    with pytest.raises(StateError, match="not a vault's key"):
        Vault.open(tmp_path / "vault", key)


def test_a_key_that_others_may_read_is_refused(vault: Vault, tmp_path: Path) -> None:
    key = tmp_path / "elsewhere" / "key"
    key.chmod(0o640)

    with pytest.raises(StateError, match="others may read") as refused:
        Vault.open(tmp_path / "vault", key)
    assert refused.value.hint == f"chmod 600 {key}"


def test_a_newer_format_is_refused_with_a_hint(vault: Vault) -> None:
    vault.put("token", b"value")
    path = vault.path / "sealed" / "token"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))

    with pytest.raises(StateError, match="format 2") as refused:
        vault.get("token")
    assert "update" in refused.value.hint


def test_the_key_stays_out_of_the_representation(vault: Vault, tmp_path: Path) -> None:
    assert (tmp_path / "elsewhere" / "key").read_text()[:16] not in repr(vault)
    assert repr(vault._key) not in repr(vault)


SECRET = "p@ss'w\"ö rd/+%1"


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
        urllib.parse.quote(SECRET),
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.quote_plus(SECRET),
        urllib.parse.quote(SECRET).replace("%C3%B6", "%c3%b6").replace("%2B", "%2b"),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        shlex.quote(SECRET),
    ],
)
def test_a_secret_is_masked_in_its_disguises(shown: str) -> None:
    masked = Mask([SECRET])(f"before {shown} after")

    assert MASKED in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert "p@ss" not in masked
    assert "ss%27w" not in masked


@pytest.mark.parametrize("user", ["o", "op", "ops"])
def test_a_password_inside_basic_authentication_is_masked(user: str) -> None:
    header = base64.b64encode(f"{user}:correct-horse-battery".encode()).decode()

    masked = Mask(["correct-horse-battery"])(f"Authorization: Basic {header}")

    assert MASKED in masked
    assert len(masked.removeprefix("Authorization: Basic ").replace(MASKED, "")) <= len(user) + 6


def test_overlapping_secrets_are_one_replacement() -> None:
    assert Mask(["abcdef", "defghi"])("xabcdefghix") == f"x{MASKED}x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("pin 123.", f"pin {MASKED}."), ("1234 a123", "1234 a123"), ("123", MASKED), ("é123", "é123")],
)
def test_a_very_short_secret_is_masked_where_it_stands_alone(text: str, expected: str) -> None:
    assert Mask(["123", ""])(text) == expected


def test_each_line_of_a_private_key_is_masked_but_not_its_frame() -> None:
    key = issue.authority("x", now=NOW, days=1).key_pem
    lines = key.decode().splitlines()

    masked = Mask([key])("\n".join(f"  {line}" for line in lines))

    assert masked.count(MASKED) == len(lines) - 2
    assert "BEGIN PRIVATE KEY" in masked


def test_the_newline_at_a_files_end_is_not_part_of_the_secret() -> None:
    assert Mask([b"hunter2!\n"])("is hunter2! it") == f"is {MASKED} it"


def test_bytes_are_masked_and_others_pass_as_they_are() -> None:
    assert Mask([b"hunter2!"]).in_bytes(b"\xff hunter2! \xfe") == b"\xff " + MASKED.encode() + b" \xfe"


def test_a_stream_comes_out_in_whole_masked_lines() -> None:
    stream = LineMask(Mask(["hunter2!"]))

    assert stream.feed("a hun") == ""
    assert stream.feed("ter2!\nb ") == f"a {MASKED}\n"
    assert stream.flush() == "b "
    assert stream.flush() == ""


def test_a_line_without_end_is_let_go_but_never_a_secret_cut_in_two() -> None:
    stream = LineMask(Mask(["hunter2!"]))
    text = "x" * 65_530 + "hunter2!" + "y" * 20

    out = "".join(stream.feed(text[i : i + 7]) for i in range(0, len(text), 7))

    assert len(out) > 0
    assert out + stream.flush() == text.replace("hunter2!", MASKED)


def test_the_vaults_mask_knows_all_its_secrets(vault: Vault) -> None:
    vault.put("a", b"hunter2!")
    vault.put("b", b"swordfish")

    assert vault.mask()("hunter2! and swordfish") == f"{MASKED} and {MASKED}"
