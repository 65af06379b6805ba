"""Laws of laying a Clusterfile's documents over ours."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from support.kubesites import document, kube_site

from appliance.runtimes.kubernetes.documents import merged

KIND = "KubeletConfiguration"
NAMES = st.sampled_from(["a", "b", "c", "d"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=3)
TREES = st.recursive(
    st.dictionaries(NAMES, LEAVES, max_size=4), lambda inner: st.dictionaries(NAMES, LEAVES | inner, max_size=4)
)
SITE = kube_site(1, 0)


def laid_over(ours: dict[str, object], theirs: dict[str, object]) -> dict[str, object]:
    return merged(replace(SITE, documents=(document(KIND, **theirs),)), KIND, ours)


def leaves(tree: object, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], object]:
    if not isinstance(tree, dict) or not tree:
        return {path: tree}
    return {place: leaf for name, inner in tree.items() for place, leaf in leaves(inner, (*path, name)).items()}


@given(TREES, TREES)
def test_every_value_that_a_clusterfile_says_is_in_the_result(
    ours: dict[str, object], theirs: dict[str, object]
) -> None:
    found = leaves(laid_over(ours, theirs))
    assert {place: value for place, value in leaves(theirs).items() if value != {}}.items() <= found.items()


@given(TREES, TREES)
def test_no_value_comes_from_nowhere(ours: dict[str, object], theirs: dict[str, object]) -> None:
    known = {**leaves(ours), **leaves(theirs)}
    assert all(known.get(place) == value for place, value in leaves(laid_over(ours, theirs)).items() if value != {})


@given(TREES, TREES)
def test_saying_the_same_twice_changes_nothing(ours: dict[str, object], theirs: dict[str, object]) -> None:
    once = laid_over(ours, theirs)
    assert laid_over(once, theirs) == once


@given(TREES)
def test_saying_nothing_leaves_ours(ours: dict[str, object]) -> None:
    assert laid_over(ours, {}) == ours == merged(SITE, KIND, ours)
