from hypothesis import given
from hypothesis import strategies as st

from appliance.digest import Digest
from appliance.image.reference import Reference

_component = st.from_regex(r"\A[a-z0-9]{1,8}((\.|_|__|-)[a-z0-9]{1,5}){0,2}\Z")
_references = st.builds(
    lambda registry, names, tag, digest: Reference(
        registry,
        "/".join(names) if len(names) > 1 or registry != "docker.io" else f"library/{names[0]}",
        tag or ("" if digest else "latest"),
        digest,
    ),
    st.sampled_from(["docker.io", "quay.io", "localhost", "registry.local:5000", "10.0.0.1:5000"]),
    st.lists(_component, min_size=1, max_size=3),
    st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,20}\Z") | st.just(""),
    st.none() | st.binary().map(Digest.of),
)


@given(_references)
def test_a_reference_reads_back_from_both_of_its_texts(reference: Reference) -> None:
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.familiar) == reference
