"""What the engine advises in the command line's words is said in those of the screens."""

from __future__ import annotations

import ast
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.errors import RecipeError
from appliance.events import Outcome
from appliance.recipe.bundlefile import BundleSpec
from appliance.recipe.parameters import check_parameters
from appliance.report.view import HostView, StepRecord
from tui import telling, texts, wording
from tui.advice import here
from tui.session import Machine

ENGINE = Path(__file__).parents[2] / "appliance"
ROOMS = ("transport", "inventory", "trust", "execute", "operations")


@pytest.fixture(scope="module")
def said() -> list[str]:
    """All texts of the rooms from which advice comes."""
    trees = [ast.parse(path.read_text()) for room in ROOMS for path in (ENGINE / room).rglob("*.py")]
    nodes = [node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return [text for text in nodes if isinstance(text, str)]


@pytest.mark.parametrize("option", texts.OPTIONS)
def test_what_is_advised_with_an_option_is_said_without_it(said: list[str], option: str) -> None:
    advice = [text for text in said if option in text and " " in text]
    assert advice
    assert not [text for text in advice if option in here(text)]


@pytest.mark.parametrize("advice", ["stop it: 'systemctl disable --now x'", "see 'ss -tlnp'", "give one with --key-x"])
def test_other_options_are_left_alone(advice: str) -> None:
    assert here(advice) == advice


def test_why_a_key_is_of_no_use_is_said_in_the_words_of_the_screens() -> None:
    why = "the host does not let ops in; tried: key id (protected, and no passphrase was given: --key-passphrase-file)"
    machine = Machine("10.0.0.11", problem=why)
    for said in (wording.machine_detail(machine, own=False), wording.entered(0, [machine])):
        assert "--" not in said
        assert "“The key's passphrase”" in said


def test_what_to_do_about_a_failed_host_is_said_in_the_words_of_the_screens() -> None:
    begun = datetime(2026, 7, 1, tzinfo=UTC)
    hint = "check the user, name a key with --key, or give a password with --ssh-password-file"
    failed = StepRecord(1, "x", "enter", begun, Outcome.FAILED, 1.0, "it does not let ops in", hint)
    said = telling.lane_detail(HostView("store-1", failure=failed), "").plain
    assert "--" not in said
    assert "“Private key” (Hosts, a)" in said


@pytest.mark.parametrize("secret", [False, True])
def test_a_value_that_lacks_is_typed_into_its_field(secret: bool) -> None:
    schema = {"type": "object", "required": ["token"], "properties": {"token": {"type": "string", "writeOnly": secret}}}
    spec = BundleSpec(name="demo", version="1", parameters=json.dumps(schema))
    with pytest.raises(RecipeError) as raised:
        check_parameters(spec, {})
    assert "type it here (Settings)" in wording.fault(raised.value)
    assert "--" not in wording.fault(raised.value)
