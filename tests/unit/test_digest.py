"""Digests: one form in, the same form out."""

from __future__ import annotations

import pytest

from appliance.digest import Digest


def test_a_digest_is_read_as_it_is_written() -> None:
    digest = Digest.of(b"")
    assert str(digest) == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Digest.parse(str(digest)) == digest
    assert digest.short == "e3b0c44298fc"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        "sha256:" + "0" * 63,
        "sha256:" + "A" * 64,
        "sha512:" + "0" * 64,
        "0" * 64,
        "sha256:" + "0" * 64 + "\n",
    ],
)
def test_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="sha256|SHA-256"):
        Digest.parse(text)
