"""What holds for every command: help that can be read on any terminal, and a start that loads little."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest
from support import commandline, images
from support.shell import ROOT

from appliance.cli import main
from appliance.cli.options import EVERYWHERE
from appliance.image.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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


@pytest.mark.parametrize("words", [["--store", "{said}", "images"], ["images", "--store", "{said}"]])
def test_what_an_option_says_counts_before_the_environment(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said, environment = tmp_path / "said", tmp_path / "environment"
    images.put_image(Store(said), tmp_path / "scratch", [{"bin/a": b"a"}])
    monkeypatch.setenv("APPLIANCE_STORE", str(environment))
    assert main.run([word.format(said=said) for word in words], bundle=None) == 0
    assert "demo:1.2.0" in capsys.readouterr().out
    assert main.run(["images"], bundle=None) == 0
    assert "no image yet" in capsys.readouterr().out
