"""Laws of plans: pruning, the JSON document, the digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sites import etcd_site, hosts, stamped

from appliance.digest import Digest
from appliance.errors import StateError
from appliance.image.blobs import Blob, LayerBlob
from appliance.inventory.facts import Receipt, stamp_from_text
from appliance.plan.document import plan_digest, plan_from_json, plan_to_json
from appliance.plan.planner import candidate, plan, prune
from appliance.plan.steps import Fetch, Plan, PutText, Receive, Run, SecretRef, Stage, Step, Unpack, WaitFor
from appliance.runtimes.systemd.runtime import SystemdRuntime
from appliance.transport.base import Command

if TYPE_CHECKING:
    from appliance.plan.runtime import Site

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
CUTS = st.builds(slice, st.integers(0, 3), st.integers(0, 400))
NAMES = st.lists(TEXT, max_size=3).map(tuple)
SECONDS = st.integers(0, 10**6).map(lambda milliseconds: milliseconds / 1000)
DIGESTS = st.binary(max_size=4).map(Digest.of)
COMMANDS = st.builds(Command, NAMES, secrets=NAMES, timeout=SECONDS)
BLOBS = st.builds(Blob, DIGESTS, st.integers(0, 2**50))
LAYERS = st.lists(st.builds(LayerBlob, BLOBS, DIGESTS), max_size=3).map(tuple)
ACTIONS = st.one_of(
    st.builds(Run, COMMANDS),
    st.builds(
        PutText,
        TEXT,
        st.lists(TEXT | st.builds(SecretRef, TEXT), max_size=4).map(tuple),
        mode=st.integers(0, 0o777),
        owner=TEXT,
    ),
    st.builds(Receive, st.lists(BLOBS, max_size=3).map(tuple), runtime=st.none() | DIGESTS),
    st.builds(Unpack, TEXT, DIGESTS, LAYERS, NAMES, DIGESTS),
    st.builds(WaitFor, COMMANDS, seconds=SECONDS, interval=SECONDS),
    st.builds(Fetch, TEXT, TEXT, limit=st.integers(0, 2**40)),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans with unique ids whose `after` names earlier steps of the host, as the planner makes them."""
    earlier: dict[str, list[str]] = {"a": [], "b": []}
    stages = []
    for number in range(draw(st.integers(0, 4))):
        steps = []
        for place in range(draw(st.integers(1, 4))):
            host = draw(st.sampled_from(["a", "b"]))
            after = tuple(draw(st.lists(st.sampled_from(earlier[host]), max_size=2))) if earlier[host] else ()
            step = Step(f"{host}/{number}.{place}", draw(TEXT), host, draw(ACTIONS), draw(st.none() | COMMANDS), after)
            earlier[host].append(step.id)
            steps.append(step)
        needs = draw(st.none() | st.lists(st.sampled_from(["a", "b"]), unique=True).map(tuple))
        stages.append(Stage(draw(TEXT), tuple(steps), needs, draw(st.integers(0, 9)), draw(st.booleans())))
    return Plan(draw(TEXT), draw(TEXT), tuple(stages))


def ids(stages: tuple[Stage, ...]) -> list[str]:
    return [step.id for stage in stages for step in stage.steps]


@given(plans())
def test_a_plan_comes_back_from_its_document(made: Plan) -> None:
    assert plan_from_json(plan_to_json(made)) == made


@given(plans(), plans())
def test_two_plans_have_one_digest_only_if_they_are_equal(one: Plan, other: Plan) -> None:
    assert (plan_digest(one) == plan_digest(other)) == (one == other)


@given(plans())
def test_nothing_is_left_of_a_plan_that_holds(made: Plan) -> None:
    assert prune(made.stages, frozenset(ids(made.stages))) == ()


@given(plans())
def test_all_is_left_of_a_plan_of_which_nothing_holds(made: Plan) -> None:
    assert prune(made.stages, frozenset()) == made.stages


@given(plans(), st.data())
def test_a_step_is_left_if_it_does_not_hold_or_follows_one_that_is(made: Plan, data: st.DataObject) -> None:
    every = ids(made.stages)
    held = frozenset(data.draw(st.sets(st.sampled_from(every)))) if every else frozenset[str]()
    left = prune(made.stages, held)
    kept = set(ids(left))
    for stage in made.stages:
        for step in stage.steps:
            assert (step.id in kept) == (step.id not in held or any(earlier in kept for earlier in step.after))
    assert ids(left) == [name for name in every if name in kept]
    assert all(stage.steps for stage in left)


@given(plans(), st.data())
def test_pruning_again_changes_nothing(made: Plan, data: st.DataObject) -> None:
    every = ids(made.stages)
    held = frozenset(data.draw(st.sets(st.sampled_from(every)))) if every else frozenset[str]()
    left = prune(made.stages, held)
    assert prune(left, held - set(ids(left))) == left


@settings(max_examples=20)
@given(st.integers(1, 7), st.integers(0, 3))
def test_the_etcd_recipe_makes_one_sound_plan_for_any_number_of_hosts(members: int, clients: int) -> None:
    site = etcd_site((*hosts(members, "etcd"), *hosts(clients, "client")))
    stages = candidate(site, SystemdRuntime())
    every = ids(stages)
    assert len(set(every)) == len(every)
    made = plan(site, stages, held=frozenset())
    assert plan_from_json(plan_to_json(made)) == made
    assert plan(site, candidate(site, SystemdRuntime()), held=frozenset()) == made


@settings(max_examples=20)
@given(st.lists(st.sampled_from([f"/etc/old-{n}" for n in range(5)]), unique=True))
def test_a_host_s_stamp_once_written_is_what_the_next_plan_writes(earlier: list[str]) -> None:
    def stamp_text(site: Site) -> str:
        steps = [step for stage in candidate(site, SystemdRuntime()) for step in stage.steps]
        action = next(step.action for step in steps if step.id == "etcd-1/stamp")
        assert isinstance(action, PutText)
        return "".join(map(str, action.parts))

    (host,) = hosts(1, "etcd")
    first = stamp_text(etcd_site((stamped(host, Receipt(files=tuple(earlier))),)))
    receipt = stamp_from_text(first).receipt
    assert set(earlier) < set(receipt.files)
    assert stamp_text(etcd_site((stamped(host, receipt),))) == first


@given(st.binary(max_size=60) | st.tuples(plans().map(plan_to_json), CUTS).map(lambda some: some[0][:-1][some[1]]))
def test_what_is_not_a_plan_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(StateError) as caught:
        plan_from_json(data)
    assert caught.value.hint
