"""Options that every command has, and the `Session` that they make."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from appliance.cli.output import Format, Output

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.state import Home

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(slots=True)
class Session:
    """One command line: where things live, how to speak, and the bundle that it was started from, if any."""

    bundle: Path | None = None
    output: Output = field(default_factory=Output)
    home_folder: Path | None = None
    store_folder: Path | None = None

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
    session.output = Output(
        format=Format(output) if output else was.format,
        quiet=quiet or was.quiet,
        verbose=verbose or was.verbose,
        color=was.color and not no_color and not os.environ.get("NO_COLOR"),
    )
    session.home_folder = home or session.home_folder
    session.store_folder = store or session.store_folder


def common(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command the options of "Everywhere"; they end in the `Session`, not in the command's arguments."""

    @click.option("-o", "--output", type=click.Choice([f.value for f in Format]), help="text, json, or json lines")
    @click.option("-q", "--quiet", is_flag=True, help="only the result")
    @click.option("-v", "--verbose", is_flag=True, help="more of what is done")
    @click.option("--no-color", is_flag=True, help="no colours (also NO_COLOR)")
    @click.option("--home", type=_FOLDER, envvar="APPLIANCE_HOME", help="the operator's state")
    @click.option("--store", type=_FOLDER, envvar="APPLIANCE_STORE", help="the packager's images")
    @click.pass_context
    @functools.wraps(command)
    def wrapper(ctx: click.Context, /, *args: P.args, **kwargs: P.kwargs) -> R:
        taken: dict[str, Any] = {name: kwargs.pop(name) for name in _COMMON}
        _take(ctx, **taken)
        return command(*args, **kwargs)

    return wrapper


_FOLDER = click.Path(file_okay=False, path_type=Path)
_COMMON = ("output", "quiet", "verbose", "no_color", "home", "store")

pass_session = click.make_pass_decorator(Session, ensure=True)
