"""What peers say: every word comes back as it went; anything else is refused and never half understood."""

from __future__ import annotations

import dataclasses
import json
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.distribute import words

KINDS = (*typing.get_args(words.Order | words.Report), words.Request)
COUNTS = st.integers(0, 2**63 - 1)


def any_of(kind: type[typing.Any]) -> st.SearchStrategy[typing.Any]:
    counts = {field.name: COUNTS for field in dataclasses.fields(kind) if field.type == "int"}
    return st.builds(kind, **counts)


@given(st.one_of([any_of(kind) for kind in KINDS]))
def test_a_word_is_one_line_and_comes_back(word: words.Order | words.Report | words.Request) -> None:
    line = words.line(word)
    assert line.count(b"\n") == 1
    assert words.parse(line) == word


@given(st.binary(max_size=200))
def test_bytes_that_are_no_word_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="not a word between peers"):
        words.parse(text)


@given(
    st.dictionaries(
        st.sampled_from(["word", "blob", "offset", "size", "x"]),
        st.one_of(st.sampled_from(["Data", "Request"]), st.integers(), st.booleans(), st.none(), st.lists(st.text())),
    )
)
def test_an_object_with_other_fields_is_refused(document: dict[str, object]) -> None:
    try:
        word = words.parse(json.dumps(document))
    except ValueError:
        return
    assert json.loads(words.line(word)) == document


def test_what_an_operator_says_is_nothing_that_a_peer_says() -> None:
    with pytest.raises(TypeError):
        words.report({"word": "End"})
