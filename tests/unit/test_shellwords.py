import pytest

from appliance.recipe.shellwords import expand, split_words

VALUES = {"X": "x", "EMPTY": "", "ARCH": "amd64"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$X", "x"),
        ("${X}y", "xy"),
        ("$Xy", ""),
        ("$NONE|", "|"),
        ("${NONE:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NONE-d}", "d"),
        ("${X:+a}", "a"),
        ("${EMPTY:+a}", ""),
        ("${EMPTY+a}", "a"),
        ("${NONE:-${X}}", "x"),
        ("${NONE:-'a}b'}", "a}b"),
        ("${NONE:-a b}", "a b"),
        ("'$X'", "$X"),
        ('"$X y"', "x y"),
        ('"\\$X \\" \\\\ \\n"', '$X " \\ \\n'),
        ("\\$X", "$X"),
        ("a\\ b", "a b"),
        ("$", "$"),
        ("$/", "$/"),
        ("kube-$ARCH.tar", "kube-amd64.tar"),
    ],
)
def test_words_are_substituted_as_docker_does(text: str, expected: str) -> None:
    assert expand(text, VALUES) == expected


def test_another_escape_character_leaves_backslashes_alone() -> None:
    assert expand("C:\\x`$X", VALUES, escape="`") == "C:\\x$X"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("'open", "without its other"),
        ('"open', "without its other"),
        ("${X", "modifier"),
        ("${X:-a", "without its }"),
        ("${}", "without a name"),
        ("${X#a", "without its }"),
        ("${NONE:?give it}", "give it"),
    ],
)
def test_broken_substitutions_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        expand(text, VALUES)


def test_words_split_at_blanks_outside_quotes_only() -> None:
    assert split_words("a  'b c' \"d e\"f g\\ h\ti") == ["a", "'b c'", '"d e"f', "g\\ h", "i"]
    assert split_words("  ") == []
