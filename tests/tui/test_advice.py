"""What the engine advises in the command line's words is said in those of the screens."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tui import texts
from tui.advice import here

ENGINE = Path(__file__).parents[2] / "appliance"
ROOMS = ("transport", "inventory", "trust")


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
