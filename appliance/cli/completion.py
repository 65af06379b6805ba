"""`completion SHELL`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from appliance.cli.options import Command, Session, common, pass_session


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
@pass_session
@common
def completion(session: Session, ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    Example: appliance completion bash > /etc/bash_completion.d/appliance
    """
    kind = get_completion_class(shell)
    root = ctx.find_root()
    if kind is None or root.info_name is None:
        raise click.UsageError(f"no completion for {shell}")
    script = kind(root.command, {}, root.info_name, "_APPLIANCE_COMPLETE").source()
    session.output.result({"shell": shell, "script": script}, script)
