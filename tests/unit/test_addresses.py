import pytest

from appliance.errors import RecipeError
from appliance.recipe.addresses import expand


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["10.0.0.11"], ["10.0.0.11"]),
        (["10.0.0.11-10.0.0.13"], ["10.0.0.11", "10.0.0.12", "10.0.0.13"]),
        (["10.0.0.11-13"], ["10.0.0.11", "10.0.0.12", "10.0.0.13"]),
        (["10.0.0.254-10.0.1.1"], ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]),
        (["10.0.0.2, 10.0.0.1"], ["10.0.0.2", "10.0.0.1"]),
        (["10.0.0.0/30"], ["10.0.0.1", "10.0.0.2"]),
        (["fd00::a-fd00::b", "FD00::0001"], ["fd00::a", "fd00::b", "fd00::1"]),
    ],
)
def test_ranges_are_expanded_in_order(written: list[str], expected: list[str]) -> None:
    assert list(expand(written)) == expected


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (["10.0.0.1", "10.0.0.1"], "twice"),
        (["10.0.0.1-3,10.0.0.2"], "10.0.0.2 comes twice"),
        (["fd00::1", "fd00:0::1"], "twice"),
        (["10.0.0.300"], "not an address"),
        (["10.0.0.3-1"], "not an address"),
        (["10.0.0.1-fd00::1"], "not an address"),
        (["fd00::1-3"], "not an address"),
        (["host"], "not an address"),
        ([""], "not an address"),
        (["10.0.0.1-"], "not an address"),
        (["10.0.0.1/24"], "not an address"),
        (["10.0.0.0-10.255.255.255"], "more than 4096"),
        (["10.0.0.0/8"], "more than 4096"),
        (["10.0.0.0-10.0.15.255,10.1.0.0"], "more than 4096"),
        (["::-ffff::"], "more than 4096"),
    ],
)
def test_what_is_no_range_is_refused(written: list[str], words: str) -> None:
    with pytest.raises(RecipeError, match=words) as caught:
        expand(written, where="Clusterfile:7")
    assert caught.value.where == "Clusterfile:7"
