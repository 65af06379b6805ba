from __future__ import annotations

import base64
import json
import urllib.parse

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from appliance.errors import StateError
from appliance.vault import MASKED, LineMask, Mask, Vault

SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=30).filter(
    lambda s: len(s.splitlines()) == 1 and s == s.strip("\r\n") and not set(s) & set(MASKED) and s not in MASKED
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(secret=SECRETS, before=TEXTS, after=TEXTS)
def test_no_masked_text_holds_the_secret_or_a_disguise_of_it(secret: str, before: str, after: str) -> None:
    mask = Mask([secret])
    for shown in (
        secret,
        base64.b64encode(secret.encode()).decode(),
        urllib.parse.quote(secret),
        json.dumps(secret)[1:-1],
    ):
        masked = mask(before + shown + after)
        assert secret not in masked
        assert shown not in masked


@given(secret=SECRETS, text=TEXTS)
def test_text_without_secrets_passes_unchanged(secret: str, text: str) -> None:
    mask = Mask([secret])
    assume(not mask.spans(text))

    assert mask(text) == text


@given(secrets=st.lists(SECRETS, max_size=3), pieces=st.lists(TEXTS | SECRETS, max_size=8), data=st.data())
def test_a_stream_is_masked_like_its_lines_however_it_is_cut(
    secrets: list[str], pieces: list[str], data: st.DataObject
) -> None:
    mask = Mask(secrets)
    text = "\n".join(pieces + secrets)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    stream = LineMask(mask)

    out = "".join(stream.feed(text[a:b]) for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)) + stream.flush()

    assert out == "".join(mask(line + "\n") for line in text.split("\n"))[:-1]


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    folder = tmp_path_factory.mktemp("laws")
    return Vault.open(folder / "vault", folder / "key")


@given(value=st.binary(max_size=200))
def test_what_is_put_is_got(vault: Vault, value: bytes) -> None:
    vault.put("x", value)

    assert vault.get("x") == value


@given(value=st.binary(min_size=1, max_size=40), where=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
def test_no_flipped_byte_of_a_sealed_secret_goes_unnoticed(vault: Vault, value: bytes, where: float, bits: int) -> None:
    vault.put("x", value)
    path = vault.path / "sealed" / "x"
    stored = bytearray(path.read_bytes())
    stored[int(where * len(stored))] ^= bits
    path.write_bytes(bytes(stored))

    with pytest.raises(StateError):
        vault.get("x")
