"""The document of a plan: its form, and what is refused."""

from __future__ import annotations

import pytest

from appliance.errors import StateError
from appliance.plan.document import plan_digest, plan_from_json, plan_to_json
from appliance.plan.steps import Plan, PutText, Run, SecretRef, Stage, Step
from appliance.transport.base import Command

SMALL = Plan(
    "site-a",
    "sha256:00",
    (
        Stage(
            "Write",
            (
                Step("a/x", "Write x", "a", PutText("/etc/x", ("k=", SecretRef("key")), mode=0o600)),
                Step("a/y", "Run y", "a", Run(Command(("y",), timeout=1.5)), Command(("test",)), ("a/x",)),
            ),
            needs=(),
        ),
    ),
)


def test_a_plan_s_document_has_this_form() -> None:
    assert plan_to_json(SMALL).decode() == (
        '{"cluster":"site-a","format":1,"image":"sha256:00","stages":[{"needs":[],"steps":['
        '{"action":{"kind":"put-text","mode":"0600","owner":"root:root","parts":["k=",{"secret":"key"}],"path":"/etc/x"},'
        '"host":"a","id":"a/x","title":"Write x"},'
        '{"action":{"command":{"argv":["y"],"timeout":1500},"kind":"run"},"after":["a/x"],'
        '"host":"a","id":"a/y","title":"Run y","unless":{"argv":["test"],"timeout":600000}}],"title":"Write"}]}'
    )
    assert str(plan_digest(SMALL)).startswith("sha256:")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"format":1', '"format":2'), "a plan of format 2, where at most 1 is understood"),
        (('"kind":"run"', '"kind":"dance"'), "an action of unknown kind 'dance'"),
        (('"host":"a",', ""), "'host' is missing"),
        (('"title":"Write x"', '"title":7'), "title is not a str"),
        (('"timeout":1500', '"timeout":true'), "timeout is not a int"),
        (('{"secret":"key"}', '["key"]'), "parts is not a str"),
        (('"mode":"0600"', '"mode":"rw"'), "invalid literal"),
    ],
)
def test_a_document_that_is_no_plan_is_refused_in_words(change: tuple[str, str], message: str) -> None:
    text = plan_to_json(SMALL).decode().replace(*change)
    with pytest.raises(StateError) as caught:
        plan_from_json(text.encode())
    assert message in caught.value.message
    assert caught.value.hint
