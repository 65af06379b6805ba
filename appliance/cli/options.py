"""Commands and options as all of them are declared: help in sections, the options of every command, the `Session`."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click
from click.core import ParameterSource

from appliance.cli.output import Format, Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.state import Home

P = ParamSpec("P")
R = TypeVar("R")

EVERYWHERE = "Everywhere"
_OPTIONS = "Options"
FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


into_folder = click.option("-O", "--output-dir", "folder", type=FOLDER, required=True, help="where the files go")
Guide = Callable[["Home", Path | None, Path | None], int]
"""Runs the guide: with the operator's state, the bundle that we were started from, the one named; the exit code."""


@dataclass(slots=True)
class Session:
    """One command line: where things live, how to speak, the bundle that it was started from and the guide, if any."""

    bundle: Path | None = None
    output: Output = field(default_factory=Output)
    home_folder: Path | None = None
    store_folder: Path | None = None
    guide: Guide | None = None

    @property
    def home(self) -> Home:
        """The operator's state."""
        from appliance.state import Home  # noqa: PLC0415  (not needed for help)

        return Home.of(self.home_folder)

    @property
    def store(self) -> Path:
        """The packager's image store."""
        from appliance import state  # noqa: PLC0415  (not needed for help)

        return self.store_folder or state.packager_store()


pass_session = click.make_pass_decorator(Session, ensure=True)


class Option(click.Option):
    """An option whose help stands in a `section`."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


class BundleArgument(click.Argument):
    """The argument BUNDLE. In a bundle that was started as a program it is that bundle, and cannot be given."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Take a word of the command line, or none."""
        if not _own_bundle(ctx):
            super().add_to_parser(parser, ctx)

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> tuple[Any, ParameterSource]:
        """The word, or our own bundle."""
        value, source = super().consume_value(ctx, opts)
        return _own_bundle(ctx) or value, source

    def get_usage_pieces(self, ctx: click.Context) -> list[str]:
        """How usage names it."""
        return [] if _own_bundle(ctx) else super().get_usage_pieces(ctx)


def _own_bundle(ctx: click.Context) -> Path | None:
    session = ctx.find_object(Session)
    return session.bundle if session else None


class Command(click.Command):
    """A command whose help has its options in sections and its examples as they would be typed."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the paragraphs, and the examples a line each."""
        for paragraph in (self.help or "").split("\n\n"):
            title, colon, examples = " ".join(paragraph.split()).partition(": ")
            if not colon or title not in ("Example", "Examples"):
                formatter.write_paragraph()
                with formatter.indentation():
                    formatter.write_text(" ".join(paragraph.split()))
                continue
            with formatter.section(title):
                for example in examples.split("; "):
                    formatter.write(f"{'':>{formatter.current_indent}}{_typed(example, ctx)}\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options section by section, those of every command last."""
        _write_sections(self, ctx, formatter)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """``--help``, described as the other options are."""
        return _help_option(super().get_help_option(ctx))


class Group(click.Group):
    """A group of `Command`; takes the options of every command before the command's name, too."""

    command_class = Command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options."""
        self.format_commands(ctx, formatter)
        _write_sections(self, ctx, formatter)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """``--help``, described as the other options are."""
        return _help_option(super().get_help_option(ctx))


def _help_option(option: click.Option | None) -> click.Option | None:
    if option:
        option.help = "this text"
    return option


def _write_sections(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    sections: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(ctx):
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)):
            general = EVERYWHERE if parameter.is_eager else _OPTIONS
            title = parameter.section if isinstance(parameter, Option) else general
            sections.setdefault(title, []).append(record)
    for title in sorted(sections, key=lambda title: (title == EVERYWHERE, title != _OPTIONS)):
        with formatter.section(title):
            formatter.write_dl(sections[title])


def _typed(example: str, ctx: click.Context) -> str:
    """An example as it is typed here: a bundle stands for ``appliance`` and for its own name among the arguments."""
    if not _own_bundle(ctx):
        return example
    program, *words = example.split(" ")
    return " ".join([ctx.find_root().info_name or program, *(word for word in words if not word.endswith(".run"))])


def _take(
    ctx: click.Context,
    *,
    output: str | None,
    quiet: bool,
    verbose: bool,
    no_color: bool,
    home: Path | None,
    store: Path | None,
) -> None:
    session = ctx.ensure_object(Session)
    was = session.output
    session.output = replace(
        was,
        format=Format(output) if output else was.format,
        quiet=quiet or was.quiet,
        verbose=verbose or was.verbose,
        color=was.color and not no_color and not os.environ.get("NO_COLOR"),
    )
    session.home_folder = _nearest(ctx, "home", home, session.home_folder)
    session.store_folder = _nearest(ctx, "store", store, session.store_folder)


def _nearest(ctx: click.Context, name: str, given: Path | None, before: Path | None) -> Path | None:
    """What an option says, here or before the command; the environment only where neither does."""
    return given if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE else before or given


def common(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command the options of "Everywhere"; they end in the `Session`, not in the command's arguments."""
    option = functools.partial(click.option, cls=Option, section=EVERYWHERE)

    @option("-o", "--output", type=click.Choice([f.value for f in Format]), help="what stdout is")
    @option("-q", "--quiet", is_flag=True, help="only the result")
    @option("-v", "--verbose", is_flag=True, help="more of what is done")
    @option("--no-color", is_flag=True, help="no colours (also $NO_COLOR)")
    @option("--home", type=FOLDER, envvar="APPLIANCE_HOME", help="the operator's state ($APPLIANCE_HOME)")
    @option("--store", type=FOLDER, envvar="APPLIANCE_STORE", help="the packager's images ($APPLIANCE_STORE)")
    @click.pass_context
    @functools.wraps(command)
    def wrapper(ctx: click.Context, /, *args: P.args, **kwargs: P.kwargs) -> R:
        taken: dict[str, Any] = {name: kwargs.pop(name) for name in _COMMON}
        _take(ctx, **taken)
        return command(*args, **kwargs)

    return wrapper


_COMMON = ("output", "quiet", "verbose", "no_color", "home", "store")
