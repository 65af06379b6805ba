"""Whatever people write is read, or refused with a sentence; never anything else."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import RecipeError
from appliance.recipe import bundlefile, clusterfile, kubefile
from appliance.recipe.addresses import expand
from appliance.recipe.clusterfile import Cluster, Distribution, HostGroup, Provider, SshSettings

_pieces = st.sampled_from(
    [
        "FROM scratch", "\n", "RUN ", "COPY ", "<<EOF", "EOF", "\\", "\\\n", "# escape=`\n", "`", "[", '"a"', "]", " ",
        "--chmod=1", "a", "$X", "${", "}", "'", '"', "ENV ", "=", "\t", "\r\n", "CMD ", "LAUNCH ", "#",
    ]
)  # fmt: skip
_kubefiles = st.lists(_pieces, max_size=20).map("".join) | st.text(max_size=60)

_words = st.sampled_from(
    [
        "apiVersion: appliance/v1\n", "kind: Cluster\n", "metadata: {name: a}\n", "spec:\n", "  hosts:\n", "  - ",
        "[", "]", ": ", "&a ", "*a", "<<", "!!str ", "'", "\n", "roles: [x]\n", "1.5", "null", "- ", "\t", "? ",
        "a: b\n", "{", "}",
    ]
)  # fmt: skip
_yaml = st.lists(_words, max_size=15).map("".join) | st.text(max_size=40)


def _read(read: Callable[..., Any], text: str) -> Any:
    """What `read` makes of `text`; None when it is refused, as it should be, with its place."""
    try:
        return read(text, source="file")
    except RecipeError as error:
        if not error.where.startswith("file"):
            raise
        return None


@given(_kubefiles)
def test_any_kubefile_is_read_or_refused(text: str) -> None:
    recipe = _read(kubefile.parse, text)
    if recipe is not None:
        assert [i.line for i in recipe.instructions] == sorted({i.line for i in recipe.instructions})


@given(_yaml)
def test_any_yaml_is_read_or_refused(text: str) -> None:
    _read(bundlefile.load, text)
    _read(clusterfile.load, text)


_names = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?\Z")
_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["0o17", "1e3", "no", "~", "1:30"]
)
_ssh = st.builds(
    SshSettings,
    st.sampled_from(["", "root", "ops"]),
    st.integers(0, 65535),
    _texts,
    st.sampled_from(["", "sudo", "none"]),
    st.just("") | _names,
    st.just("") | _names,
)
_values = st.integers() | _texts | st.booleans() | st.none() | st.lists(_texts, max_size=2)
_clusters = st.builds(
    Cluster,
    name=_names,
    image=_texts,
    ssh=_ssh,
    hosts=st.builds(
        lambda number, roles, labels, ssh, prints: (
            HostGroup((), tuple(roles), labels, ssh).joined(f"10.0.0.{number}", tuple(prints)),
        ),
        st.integers(1, 254),
        st.lists(_names, min_size=1, unique=True, max_size=3),
        st.dictionaries(_texts, _texts, max_size=2),
        _ssh,
        st.lists(st.from_regex(r"SHA256:[A-Za-z0-9+/]{43}", fullmatch=True), max_size=2),
    ),
    provider=st.builds(Provider, _names, st.integers(0, 9)),
    env=st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True), _texts, max_size=3),
    parameters=st.dictionaries(
        _texts, st.integers() | _texts | st.booleans() | st.none() | st.lists(_texts), max_size=3
    ),
    distribution=st.builds(
        Distribution, st.sampled_from(["auto", "chain"]), st.integers(0, 10**12), st.integers(1, 65535)
    ),
)


@given(_clusters)
def test_a_cluster_written_reads_back_to_the_same_value(cluster: Cluster) -> None:
    assert clusterfile.load(clusterfile.dump(cluster), source="x").cluster == cluster


@given(st.integers(0, 2**32 - 300), st.integers(0, 200))
def test_a_range_gives_each_of_its_addresses_once(first: int, count: int) -> None:
    def text(number: int) -> str:
        return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))

    assert expand([f"{text(first)}-{text(first + count)}"]) == tuple(text(first + n) for n in range(count + 1))
