"""What holds for every command: help that can be read on any terminal, and a start that loads little."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest
from support import commandline
from support.shell import ROOT

from appliance.cli.options import EVERYWHERE

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTEXTS = [commandline.root(), *commandline.commands()]
LEAVES = [context for context in CONTEXTS if not isinstance(context.command, click.Group)]
SLOW = ("cryptography", "httpx", "jinja2", "jsonschema", "paramiko", "py7zr", "rich", "textual", "yaml")


def ids(context: click.Context) -> str:
    return context.command_path


@pytest.mark.parametrize("context", CONTEXTS, ids=ids)
def test_help_fits_80_columns(context: click.Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    narrow = click.Context(context.command, parent=context.parent, info_name=context.info_name, terminal_width=80)
    assert [line for line in narrow.get_help().splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("context", LEAVES, ids=ids)
def test_help_has_an_example_that_can_be_typed(context: click.Context) -> None:
    title, found, examples = context.get_help().partition("\nExample")
    assert found, title
    lines = examples.partition("\n\n")[0].splitlines()[1:]
    assert lines
    for line in lines:
        program, *words = shlex.split(line.split(" > ")[0])
        assert program == "appliance"
        assert commandline.parse(words).command is context.command


@pytest.mark.parametrize("context", CONTEXTS, ids=ids)
def test_every_option_says_what_it_is_for(context: click.Context) -> None:
    options = [parameter for parameter in context.command.get_params(context) if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] == []
    assert context.get_help().rstrip().rpartition("\n\n")[2].startswith(f"{EVERYWHERE}:")


def loaded(program: Sequence[str]) -> set[str]:
    script = f"import sys; {'; '.join(program)}; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize(
    "program",
    [
        ["import appliance.cli.main"],
        ["from appliance.__main__ import main", "assert main(['--help']) == 0"],
        ["from appliance.__main__ import main", "assert main(['nosuch']) == 2"],
    ],
    ids=["import", "help", "usage error"],
)
def test_the_start_loads_no_library_that_is_slow(program: list[str]) -> None:
    assert loaded(program).isdisjoint(SLOW)
