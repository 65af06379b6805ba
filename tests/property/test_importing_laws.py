"""Whatever was written for other tools is read, or refused with a sentence and its place; and reads back as ours."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import RecipeError
from appliance.recipe import clusterfile
from appliance.recipe.importing import clusterfiles, hostlists
from appliance.recipe.importing.hostlist import by_role

_sealer = st.sampled_from(
    [
        "apiVersion: sealer.io/v2\n", "kind: Cluster\n", "metadata: {name: a}\n", "spec:\n", "  hosts:\n", "    - ",
        "ips: [10.0.0.1]\n", "      roles: [master]\n", "  ssh: {passwd: x}\n", "  masters: {ipList: [10.0.0.2]}\n",
        "---\n", "kind: Config\n", "  env: [a=b]\n", "  provider: X\n", "null", "1", "[", "- a\n", ": ",
    ]
)  # fmt: skip
_inventory = st.sampled_from(
    [
        "[a]\n", "[a:children]\n", "[b:vars]\n", "one ", "n[1:3]", "ansible_host=10.0.0.1", "ansible_port=22", "=",
        "\n", "all:\n", "  hosts:\n", "    one: {ansible_user: x}\n", "  children:\n", "    a: {hosts: {n1: }}\n", "#",
        "ip,role\n", "10.0.0.1,a\n", ";", "{{", "[", "]", ":", " ", "'",
    ]
)  # fmt: skip


def _read(read: Callable[..., Any], text: str, source: str) -> Any:
    """What `read` makes of `text`; None when it is refused, as it should be, with its place."""
    try:
        return read(text, source=source)
    except RecipeError as error:
        if not error.where.startswith(source):
            raise
        return None


@given(st.lists(_sealer, max_size=14).map("".join))
def test_any_clusterfile_is_read_or_refused_and_reads_back_as_ours(text: str) -> None:
    read = _read(clusterfiles.load, text, "file")
    if read is None:
        return
    assert clusterfile.load(clusterfile.dump(read.cluster), source="x").cluster == read.cluster


@given(
    st.lists(_inventory, max_size=14).map("".join) | st.text(max_size=40),
    st.sampled_from(["file", "file.csv", "file.yml"]),
)
def test_any_list_of_hosts_is_read_or_refused(text: str, source: str) -> None:
    read = _read(hostlists.load, text, source)
    if read is None:
        return
    groups, others = by_role(read.hosts, ())
    assert sum(len(group.addresses) for group in groups) + len(others) == len(read.hosts)
