import pytest

from appliance import canonical


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, b"null"),
        ({"b": 1, "a": [True, False]}, b'{"a":[true,false],"b":1}'),
        ({"é": 'ü\n"', "z": {}}, '{"z":{},"é":"ü\\n\\""}'.encode()),
        ({"\U00010000": 1, "\uffff": 2}, '{"\uffff":2,"\U00010000":1}'.encode()),
        ((1, -(2**53) + 1), b"[1,-9007199254740991]"),
    ],
)
def test_one_value_has_one_text(value: object, expected: bytes) -> None:
    assert canonical.dumps(value) == expected


@pytest.mark.parametrize(
    "value", [1.0, 2**53, -(2**53), {1: 2}, b"x", {"x": {1}}, "\ud800", {"\ud800": 1}, float("nan")]
)
def test_values_without_a_canonical_form_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical.dumps(value)


def _nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a":1,"a":2}', "duplicate key 'a'"),
        (b'{"x":{"a":1,"b":0,"a":1}}', "duplicate key 'a'"),
        (b"1.5", "not an integer"),
        (b"1e3", "not an integer"),
        (b"-Infinity", "not an integer"),
        (b"NaN", "not an integer"),
        (b"9007199254740992", "2\\^53"),
        (b"9" * 100_000, "2\\^53"),
        (b'"\\ud800"', "surrogates"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b'"\xff"', "utf-8"),
        (b"{} {}", "Extra data"),
        (b"", "Expecting value"),
        (_nested(33), "nested deeper"),
        (_nested(200_000), "nested deeper"),
    ],
)
def test_ambiguous_or_broken_json_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        canonical.loads(data, limit=1 << 20)


def test_more_bytes_than_the_limit_are_refused() -> None:
    assert canonical.loads(b"[1]", limit=3) == [1]
    with pytest.raises(ValueError, match="at most 2"):
        canonical.loads(b"[1]", limit=2)


def test_nesting_up_to_the_limit_is_read_and_written() -> None:
    assert canonical.dumps(canonical.loads(_nested(32), limit=100)) == _nested(32)
