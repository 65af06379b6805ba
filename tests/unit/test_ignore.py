import pytest

from appliance.errors import RecipeError
from appliance.image.ignore import Ignore, glob_pattern


@pytest.mark.parametrize(
    ("rules", "covered", "kept"),
    [
        ("*.log", ["a.log"], ["d/a.log", "a.logs"]),
        ("**/*.log", ["a.log", "d/e/a.log"], ["a.txt"]),
        ("d", ["d", "d/x", "d/e/f"], ["dd", "x/d"]),
        ("/d/", ["d", "d/x"], ["e"]),
        ("*\n!keep\n", ["a", "b/c"], ["keep", "keep/x"]),
        ("d\n!d/keep\n", ["d", "d/x"], ["d/keep"]),
        ("!a\na\n", ["a"], ["b"]),
        ("# a\n\n.\n", [], ["a", "# a"]),
        ("?.[a-c]\n", ["x.a"], ["x.d", "xx.a"]),
        ("a[!b]c", ["axc"], ["abc", "a/c"]),
        ("a\\*", ["a*"], ["ab"]),
    ],
)
def test_rules_count_in_order_and_for_all_below(rules: str, covered: list[str], kept: list[str]) -> None:
    ignore = Ignore.parse(rules)
    assert [path for path in covered if not ignore.covers(path)] == []
    assert [path for path in kept if ignore.covers(path)] == []


def test_a_class_that_does_not_end_is_refused() -> None:
    with pytest.raises(RecipeError, match="without its"):
        glob_pattern("a[b")


def test_a_range_that_runs_backwards_is_refused() -> None:
    with pytest.raises(RecipeError, match="runs backwards"):
        glob_pattern("[:-1]")
