"""Documents stay true: links, command lines, options, caps and exit codes are held against the program."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from support import commandline

from appliance import errors, events
from appliance.bundle import manifest
from appliance.bundle.layout import LIMITS
from appliance.inventory.facts import NEEDED_COMMANDS
from appliance.plan.render import Values
from appliance.recipe import instructions
from appliance.recipe.schema import load_schema
from appliance.trust import envelope

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = tuple(sorted(path for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")) if path.exists()))
FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PROMPT = re.compile(r"^(?:operator|[a-z0-9-]*)[$#] ")
RUN = re.compile(r"(?:sh )?\S+\.run (?=\S)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchor(heading: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def command_lines(page: Path) -> Iterator[tuple[str, bool]]:
    """What is written in a page's blocks as a line of ours to be typed: its words, and whether a bundle is started."""
    for block in FENCE.finditer(page.read_text()):
        for line in re.sub(r"\\\n\s*", "", block[2]).splitlines():
            typed = PROMPT.sub("", line.strip())
            plain = re.split(r" (?:[|>]|&&|#) | 2>| < |; ", typed)[0]
            if plain.startswith("appliance "):
                yield plain.removeprefix("appliance "), False
            elif typed != line.strip() and (start := RUN.match(plain)):
                yield plain[start.end() :], True


def mentions(page: Path) -> Iterator[str]:
    """Commands that a page's prose names: ``appliance …`` in backticks."""
    for code in CODE.findall(FENCE.sub("", page.read_text())):
        if code.startswith("appliance ") and not code.startswith("appliance /"):
            yield code.removeprefix("appliance ")


def find_command(words: list[str]) -> click.Context:
    """The command that `words` begin with."""
    context = commandline.root()
    for word in words:
        group = context.command
        if not word.islower() or word.startswith("-") or not isinstance(group, click.Group):
            break
        command = group.get_command(context, word)
        assert command is not None, f"{context.command_path} has no {word}"
        context = click.Context(command, info_name=word, parent=context)
    return context


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in target:
            continue
        path, _, fragment = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if fragment:
            assert fragment in {anchor(heading) for heading in HEADING.findall(there.read_text())}, target


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_command_line_in_a_block_can_be_parsed(page: Path) -> None:
    for line, bundle in command_lines(page):
        try:
            commandline.parse(shlex.split(line), bundle=bundle)
        except click.UsageError as error:
            pytest.fail(f"{line}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_command_that_the_prose_names_is_there_with_its_options(page: Path) -> None:
    for text in mentions(page):
        context = find_command(text.split())
        options = {opt for parameter in context.command.get_params(context) for opt in parameter.opts}
        for word in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text):
            assert word in options, f"{context.command_path} has no {word}"


def test_the_pages_hold_command_lines_that_are_looked_at() -> None:
    found = [line.split()[0] for page in PAGES for line, _ in command_lines(page)]
    assert {"build", "key", "bundle", "verify", "show", "apply", "run", "status", "reset"} <= set(found)


def test_the_reference_is_what_the_program_says() -> None:
    written = (ROOT / "docs/cli.md").read_text()
    assert written == commandline.reference(), "run scripts/docs"


@pytest.mark.parametrize("context", list(commandline.commands()), ids=lambda context: context.command_path)
def test_the_reference_has_every_option_that_help_shows(context: click.Context) -> None:
    page = (ROOT / "docs/cli.md").read_text()
    own = page.partition(f"# `{context.command_path}`\n")[2]
    assert own, f"{context.command_path} is not there"
    before, section = page.partition("\n## `")[0], re.split(r"\n##+ ", own)[0]
    for option in re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", context.get_help(), re.MULTILINE):
        assert f"{option}" in section + before


def test_the_caps_of_the_bundle_are_those_of_the_code() -> None:
    page = (ROOT / "docs/formats/run.md").read_text()
    rows = re.findall(r"^\| `([a-z_]+)` \| ([0-9,]+) \|", page, re.MULTILINE)
    assert {name: int(value.replace(",", "")) for name, value in rows} == dataclasses.asdict(LIMITS)


def test_the_bounds_of_signatures_are_those_of_the_code() -> None:
    page = (ROOT / "docs/formats/signatures.md").read_text()
    assert f"| signatures | {envelope.MAX_SIGNATURES} |" in page
    assert f"| one signature | {envelope.MAX_ENTRY_BYTES >> 10} KiB |" in page
    assert f"| the whole area | {envelope.MAX_AREA_BYTES >> 10} KiB |" in page


FIELDS = {
    "docs/formats/kubefile.md": instructions._EXPECTED,
    "docs/formats/bundle-yaml.md": [
        *load_schema("bundle")["properties"],
        *load_schema("bundle")["properties"]["requirements"]["items"]["properties"],
        *load_schema("bundle")["properties"]["secrets"]["items"]["properties"]["kind"]["enum"],
    ],
    "docs/formats/clusterfile.md": [
        *load_schema("clusterfile")["properties"]["spec"]["properties"],
        *load_schema("clusterfile")["$defs"]["ssh"]["properties"],
    ],
    "docs/formats/run.md": [field.name for field in dataclasses.fields(manifest.BundleManifest)],
    "docs/formats/journal.md": events._TYPES,
    "docs/formats/host.md": NEEDED_COMMANDS,
    "docs/systemd-runtime.md": [field.name for field in dataclasses.fields(Values)],
}


@pytest.mark.parametrize("page", FIELDS)
def test_a_page_names_every_field_of_what_it_describes(page: str) -> None:
    text = " ".join(CODE.findall(FENCE.sub("", (ROOT / page).read_text())))
    assert [name for name in FIELDS[page] if not re.search(rf"\b{name}\b", text)] == []


def test_the_exit_codes_are_those_of_the_errors() -> None:
    table = (ROOT / "docs/cli.md").read_text().partition("## Exit codes\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([0-9]+) \| .* \| (.*) \|$", table, re.MULTILINE)
    codes = {name: int(code) for code, names in rows for name in CODE.findall(names)}
    kinds = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert codes == {kind.__name__: kind.exit_code for kind in kinds}
    listed = set(
        re.findall(r"\b([0-9]+)\s+[a-z]", commandline.help_of_root().partition("Exit codes:")[2].split("Options")[0])
    )
    assert listed == {code for code, _ in rows}


def test_help_that_the_readme_shows_is_what_the_program_prints() -> None:
    blocks = [block[2] for page in PAGES if page.name == "README.md" for block in FENCE.finditer(page.read_text())]
    for shown in (block for block in blocks if "Usage: appliance [OPTIONS] COMMAND" in block):
        printed = " ".join(commandline.help_of_root().split())
        assert printed in " ".join(shown.split())
