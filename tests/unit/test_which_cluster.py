"""Which cluster a command means that names none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appliance.cli.operator import cluster_name
from appliance.cli.options import Session
from appliance.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(home_folder=tmp_path)


def apply_to(session: Session, name: str) -> None:
    session.home.cluster(name).clusterfile.write_text("applied")


def test_the_only_one_to_which_something_was_applied_is_meant(session: Session) -> None:
    apply_to(session, "site-a")
    session.home.cluster("a-mistake")
    assert cluster_name(session, "") == "site-a"


def test_a_name_counts_even_where_nothing_was_applied(session: Session) -> None:
    session.home.cluster("planned")
    assert cluster_name(session, "planned") == "planned"


@pytest.mark.parametrize(
    ("applied", "named", "message", "hint"),
    [
        ((), "", "nothing was applied to any cluster from here", "appliance apply"),
        (("a", "b"), "", "which cluster?", "name one of a, b"),
        (("a", "b"), "c", "this machine knows no cluster c", "it knows a, b"),
    ],
)
def test_what_cannot_be_told_names_the_choices(
    session: Session, applied: tuple[str, ...], named: str, message: str, hint: str
) -> None:
    for name in applied:
        apply_to(session, name)
    with pytest.raises(StateError) as refused:
        cluster_name(session, named)
    assert (refused.value.message, refused.value.hint) == (message, hint)
