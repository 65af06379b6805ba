import json

from hypothesis import given
from hypothesis import strategies as st

from appliance import canonical

_text = st.text(st.characters(exclude_categories=["Cs"]))
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-canonical.MAX_INTEGER, canonical.MAX_INTEGER) | _text,
    lambda inner: st.lists(inner) | st.dictionaries(_text, inner),
    max_leaves=20,
)


@given(_values)
def test_what_is_written_reads_back_and_writes_the_same_bytes(value: object) -> None:
    data = canonical.dumps(value)
    assert canonical.loads(data, limit=len(data)) == value
    assert canonical.dumps(canonical.loads(data, limit=len(data))) == data


@given(_values)
def test_any_other_json_text_of_a_value_has_the_same_canonical_form(value: object) -> None:
    other = json.dumps(value, indent=2).encode()
    assert canonical.dumps(canonical.loads(other, limit=len(other))) == canonical.dumps(value)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused_with_value_error(data: bytes) -> None:
    try:
        value = canonical.loads(data, limit=200)
    except ValueError:
        return
    assert canonical.loads(canonical.dumps(value), limit=4000) == value
